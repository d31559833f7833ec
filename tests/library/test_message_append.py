"""Append: one or many, in one commit, numbered, idempotent by id, with a time to live."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from recollect import Conflict, InvalidInput, Message, Recollect
from recollect.testing.clock import ManualClock
from tests.library.harness import Opener


def user(text: str, **more: Any) -> dict[str, Any]:
    return {"role": "user", "content": text, **more}


def seqs(messages: Any) -> list[int]:
    return [message.seq for message in messages]


def test_one_or_many_get_contiguous_numbers(memory: Recollect) -> None:
    """One message or many are one commit; numbers are 1, 2, 3 ... in the order given."""
    session = memory.session("s")
    assert seqs(session.append(user("a"))) == [1]
    assert seqs(session.append([user("b"), Message("assistant", "c")])) == [2, 3]
    assert seqs(session.append((user("d"),))) == [4]
    assert seqs(session.append([])) == []
    assert [(m.seq, m.content) for m in session.read()] == [(1, "a"), (2, "b"), (3, "c"), (4, "d")]


def test_nothing_appended_makes_no_session(memory: Recollect) -> None:
    """An append of nothing writes nothing and makes no session."""
    appended = memory.session("s", "u").append([])
    assert (list(appended), appended.written) == ([], 0)
    assert memory.session("s").info() is None
    assert memory.changes().items == []


def test_generators_and_pages_are_input(memory: Recollect) -> None:
    """Whatever iterates is many: a generator, a map, a page that was read."""
    session = memory.session("s")

    def lines() -> Iterator[Message]:
        for i in range(3):
            yield Message("user", f"line {i}")

    assert seqs(session.append(lines())) == [1, 2, 3]
    assert seqs(session.append(map(user, "ab"))) == [4, 5]
    copied = memory.session("t").append(session.read(limit=10))
    assert [m.content for m in copied] == ["line 0", "line 1", "line 2", "a", "b"]


def test_an_error_inside_a_generator_writes_nothing(memory: Recollect) -> None:
    """If the caller's own iterator fails, its error comes out and nothing is written."""
    session = memory.session("s")

    def lines() -> Iterator[Message]:
        yield Message("user", "a")
        raise LookupError("theirs")

    with pytest.raises(LookupError, match="theirs"):
        session.append(lines())
    assert session.info() is None
    assert seqs(session.append(user("b"))) == [1]


def test_what_is_not_given_is_made(memory: Recollect) -> None:
    """Id and instant are made when not given; ids made one after the other are distinct."""
    begin = datetime.now(UTC)
    stored = memory.session("s", "u").append([user("a"), Message("user", "b"), Message("user", "c", id="")])
    assert len({message.id for message in stored}) == 3
    for message in stored:
        assert message.id
        assert message.created_at is not None
        assert begin <= message.created_at <= datetime.now(UTC)
        assert (message.session_id, message.user_id, message.expires_at) == ("s", "u", None)
        assert message.tokens > 0


def test_instants_come_back_exactly_and_in_utc(memory: Recollect) -> None:
    """`created_at` keeps its microseconds, from datetime or ISO text, in any timezone."""
    seoul = datetime(2024, 5, 1, 8, 30, 0, 1, tzinfo=timezone(timedelta(hours=9)))
    given = [
        seoul,
        seoul.isoformat(),
        datetime.min.replace(tzinfo=UTC),
        datetime.max.replace(tzinfo=UTC),
        seoul.astimezone(),
    ]
    session = memory.session("s")
    session.append([user("a", created_at=instant) for instant in given])
    found = [message.created_at for message in session.read()]
    assert found == [seoul, seoul, datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC), seoul]
    assert all(instant is not None and instant.tzinfo is UTC for instant in found)


def test_order_is_that_of_arrival_not_of_clocks(memory: Recollect) -> None:
    """Messages stand in the order in which they were appended, whatever `created_at` says."""
    session = memory.session("s")
    early = datetime(2001, 1, 1, tzinfo=UTC)
    session.append([user(str(i), created_at=early - timedelta(days=i)) for i in range(5)])
    assert [m.content for m in session.read()] == list("01234")
    assert [m.content for m in session.tail(2)] == ["3", "4"]


def test_repeating_is_safe(memory: Recollect) -> None:
    """An id that is there already is not written again: the stored message is returned."""
    session = memory.session("s")
    first = session.append([user("a", id="1"), user("b", id="2")])
    again = session.append([user("A", id="1"), user("B", id="2")])
    assert (first.written, again.written) == (2, 0)
    assert list(again) == list(first)
    info = session.info()
    assert info is not None
    assert (info.message_count, info.last_seq) == (2, 2)


def test_new_and_known_mixed(memory: Recollect) -> None:
    """New and known ids in one append: the answer is in the order given, and `written` counts the new."""
    session = memory.session("s")
    session.append([user("a", id="a"), user("b", id="b")])
    mixed = session.append(
        [user("c", id="c"), user("b2", id="b"), user("c2", id="c"), user("d", id="d"), user("a", id="a")]
    )
    assert [(m.id, m.seq, m.content) for m in mixed] == [
        ("c", 3, "c"), ("b", 2, "b"), ("c", 3, "c"), ("d", 4, "d"), ("a", 1, "a")
    ]  # fmt: skip
    assert mixed.written == 2
    assert seqs(session.read()) == [1, 2, 3, 4]


def test_ids_are_those_of_a_session(memory: Recollect) -> None:
    """The same id in another session or scope is another message; ids compare by code point."""
    for place in (memory.session("s"), memory.session("t"), memory.in_scope("x").session("s")):
        assert place.append(user("a", id="1")).written == 1
    ids = ["é", "e\u0301", "É", "1 ", " 1", "1\0", "\0", "01", "👍", "👍🏽", "ﬁ", "fi"]
    assert memory.session("s").append([user("a", id=one) for one in ids]).written == len(ids)
    assert [m.id for m in memory.session("s").read(after=1)] == ids


def test_another_users_session_is_refused(memory: Recollect) -> None:
    """A session has one owner: `Conflict` for another, and nothing is written; without a user it may be continued."""
    memory.session("s", "ann").append(user("a"))
    with pytest.raises(Conflict):
        memory.session("s", "bob").append(user("b"))
    (third,) = memory.session("s").append(user("c"))
    assert (third.seq, third.user_id) == (2, "ann")
    assert memory.user("bob").sessions().items == []


def test_one_bad_message_stops_all(memory: Recollect) -> None:
    """Many messages are one commit: with one that is refused none is written."""
    session = memory.session("s")
    with pytest.raises(InvalidInput):
        session.append([user("a"), {"role": "nobody", "content": "b"}, user("c")])
    assert session.info() is None
    assert seqs(session.append(user("d"))) == [1]


def test_time_to_live_of_a_call_of_a_message_and_in_the_dict(opener: Opener) -> None:
    """Messages go exactly when their ttl is over; a message's own goes before the call's; numbers stay given."""
    clock = ManualClock()
    session = opener(clock=clock).session("s")
    session.append([user("call"), user("own", ttl=5)], ttl=10)
    session.append([user("for ever"), user("dict", ttl=2.5)])
    expires = [m.expires_at for m in session.read()]
    assert expires == [clock() + timedelta(seconds=s) if s else None for s in (10, 5, None, 2.5)]
    clock.forward(2.499999)
    assert len(session.read()) == 4
    clock.forward(0.000001)
    assert [m.content for m in session.read()] == ["call", "own", "for ever"]
    clock.forward(2.5)
    assert [m.content for m in session.tail()] == ["call", "for ever"]
    clock.forward(5)
    info = session.info()
    assert info is not None
    assert (info.message_count, info.last_seq) == (1, 4)
    assert seqs(session.append(user("next"))) == [5]
    assert session.get(1) is None
    assert [m.content for m in session.window()] == ["for ever", "next"]


def test_an_expired_id_is_free_again(opener: Opener) -> None:
    """What has expired does not make an id "already there"."""
    clock = ManualClock()
    session = opener(clock=clock).session("s")
    session.append(user("a", id="1"), ttl=1)
    clock.forward(1)
    again = session.append(user("b", id="1"))
    assert (again.written, again[0].seq, again[0].content) == (1, 2, "b")


def test_a_stored_expiry_is_not_carried_along(opener: Opener) -> None:
    """A message read elsewhere is appended anew: number, owner and expiry are those of the new place."""
    clock = ManualClock()
    memory = opener(clock=clock)
    (stored,) = memory.session("s", "u").append(user("a"), ttl=1)
    (copied,) = memory.session("t").append(stored)
    assert (copied.expires_at, copied.user_id, copied.seq, copied.session_id) == (None, None, 1, "t")


@pytest.mark.parametrize("mode", ["sync"], indirect=True)
def test_sixteen_threads_lose_nothing(memory: Recollect) -> None:
    """Any number of writers on one session: every message is there once, numbers without a gap, each thread's in order."""
    session = memory.session("s", "u")
    gate = threading.Barrier(16)

    def write(name: int) -> None:
        gate.wait()
        for i in range(10):
            session.append([user(f"{name}:{i}"), user(f"{name}:{i}+")])

    threads = [threading.Thread(target=write, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = session.read(limit=1000).items
    assert seqs(found) == list(range(1, 321))
    for name in range(16):
        own = [m.content for m in found if str(m.content).startswith(f"{name}:")]
        assert own == [f"{name}:{i}{end}" for i in range(10) for end in ("", "+")]
    texts = [str(m.content) for m in found]
    assert all(texts[i + 1] == texts[i] + "+" for i in range(0, 320, 2)), "a commit of two was torn apart"
