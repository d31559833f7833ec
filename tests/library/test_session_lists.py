"""Sessions by activity, figures of them, and their summaries."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from recollect import Conflict, InvalidInput, NotFound, Recollect
from recollect.testing.clock import ManualClock
from tests.library.harness import Opener

TICK = 1e-6


def say(text: str, **more: Any) -> dict[str, Any]:
    return {"role": "user", "content": text, **more}


def test_sessions_by_latest_activity(opener: Opener) -> None:
    """Latest activity first, of all and of a user, in pages; equal times by id, descending."""
    clock = ManualClock()
    memory = opener(clock=clock)
    expected: dict[str, tuple[datetime, str]] = {}
    for i in range(60):
        name = f"s{i * 7 % 23}"
        memory.session(name, "ann" if int(name[1:]) % 2 else None).append(say("x"))
        expected[name] = (clock(), name)
        if i % 3 == 0:
            clock.forward([0.5, 59, 61][i % 9 // 3])
    order = sorted(expected, key=lambda name: expected[name], reverse=True)
    mine = [name for name in order if int(name[1:]) % 2]
    for limit in (1, 2, 7, 22, 23, 24):
        for page_of, right in ((memory.sessions, order), (memory.user("ann").sessions, mine)):
            found, cursor = [], None
            while True:
                page = page_of(limit, cursor=cursor)
                found += [one.id for one in page]
                assert len(page) <= limit
                if (cursor := page.cursor) is None:
                    break
                assert len(page) == limit
            assert found == right
    clock.forward(TICK)
    memory.session(order[-1]).append(say("again"))
    assert memory.sessions(1)[0].id == order[-1]


def test_stats(memory: Recollect) -> None:
    """Figures of the scope, of a user and of a session agree with what is stored."""
    day = datetime(2024, 2, 28, 23, 59, 59, tzinfo=UTC)
    for name, user in (("a", "ann"), ("b", "ann"), ("c", "eve"), ("d", None)):
        memory.session(name, user).append(
            [
                say(name * 3, created_at=day),
                {"role": "assistant", "content": "ok", "created_at": day + timedelta(seconds=1)},
            ]
        )
    memory.session("empty", "zoe").update(title="x")
    every = memory.stats(detail=True)
    assert (every.sessions, every.messages, every.users) == (5, 8, 3)
    assert every.messages_by_role == {"assistant": 4, "user": 4}
    assert every.messages_by_day == {"2024-02-28": 4, "2024-02-29": 4}
    assert (every.first_message_at, every.last_message_at) == (day, day + timedelta(seconds=1))
    assert every.tokens == sum(m.tokens for name in "abcd" for m in memory.session(name).read())
    short = memory.stats()
    assert (short.sessions, short.messages, short.users) == (5, 8, 3)
    ann, one = memory.user("ann").stats(), memory.session("a").stats()
    assert (ann.sessions, ann.messages, ann.users, ann.messages_by_role) == (2, 4, 1, {"assistant": 2, "user": 2})
    assert (one.sessions, one.messages, one.tokens) == (1, 2, sum(m.tokens for m in memory.session("a").read()))
    assert memory.user("nobody").stats().to_dict() == memory.session("none").stats().to_dict()
    assert memory.user("nobody").stats().messages == 0


def test_summaries_are_guarded(memory: Recollect) -> None:
    """`expect` is the version that must be stored; without it the newest wins; it covers what there is."""
    session = memory.session("s")
    with pytest.raises(NotFound):
        session.save_summary("x", covers_seq=0)
    session.append([say("a"), say("b")])
    first = session.save_summary("one", covers_seq=1, expect=0, metadata={"model": "m"})
    assert (first.version, first.text, first.covers_seq, first.metadata) == (1, "one", 1, {"model": "m"})
    assert session.summary() == first
    for wrong in (0, 2, 99):
        with pytest.raises(Conflict):
            session.save_summary("lost", covers_seq=2, expect=wrong)
    second = session.save_summary("two", covers_seq=2, expect=1)
    assert (second.version, second.created_at, second.metadata) == (2, first.created_at, {})
    assert session.save_summary("three", covers_seq=2).version == 3
    for bad in (3, -1):
        with pytest.raises(InvalidInput):
            session.save_summary("x", covers_seq=bad)
    assert session.summary() is not None
