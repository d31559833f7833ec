"""Sessions and their owners: the header, its lifetime to the instant, who may see it, who takes it over."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from recollect import Conflict, InvalidInput, NotFound, Recollect, Session, SessionHandle
from recollect.testing.clock import START, ManualClock
from tests.library.harness import Opener

TICK = 1e-6


def say(text: str, **more: Any) -> dict[str, Any]:
    return {"role": "user", "content": text, **more}


def header(session: SessionHandle) -> Session:
    found = session.info()
    assert found is not None
    return found


def test_the_header(opener: Opener) -> None:
    """What `info` says after each step; reading makes no session and changes nothing."""
    clock = ManualClock()
    session = opener(clock=clock).session("s", "u")
    assert session.info() is None
    assert (session.tail(), session.summary(), session.info()) == ([], None, None)
    session.append([say("a"), say("b", created_at=START - timedelta(days=9))])
    first = header(session)
    assert (first.id, first.user_id, first.title, first.metadata) == ("s", "u", None, {})
    assert (first.message_count, first.last_seq, first.ttl, first.expires_at) == (2, 2, None, None)
    assert (first.created_at, first.updated_at) == (START, START)
    later = clock.forward(7)
    assert session.append(say("c")).written == 1
    second = header(session)
    assert (second.created_at, second.updated_at, second.message_count) == (START, later, 3)
    session.pop()
    third = header(session)
    assert (third.message_count, third.last_seq) == (2, 3)
    clock.back(3600)
    session.append(say("d"))
    assert header(session).updated_at == later


def test_title_and_metadata(memory: Recollect) -> None:
    """What is not named stays; None removes; metadata is merged as RFC 7396 says; each change is a version."""
    session = memory.session("s", "u")
    made = session.update(title="Trip", metadata={"a": 1, "deep": {"x": 1, "y": 2}, "list": [1]})
    assert made == session.info()
    assert (made.title, made.user_id, made.message_count, made.last_seq) == ("Trip", "u", 0, 0)
    changed = session.update(metadata={"a": None, "deep": {"x": None, "z": {"new": None}}, "list": [None]})
    assert changed.metadata == {"deep": {"y": 2, "z": {}}, "list": [None]}
    assert (changed.title, changed.version) == ("Trip", made.version + 1)
    assert session.update(title=None).title is None
    assert header(session).metadata == changed.metadata
    assert session.update(metadata={"deep": 5}).metadata == {"deep": 5, "list": [None]}
    session.append(say("a"))
    assert (header(session).metadata, header(session).message_count) == ({"deep": 5, "list": [None]}, 1)
    refused: list[dict[str, Any]] = [
        {"title": 5}, {"metadata": []}, {"ttl": 0}, {"sliding": True}, {"ttl": None, "sliding": True}
    ]  # fmt: skip
    for bad in refused:
        with pytest.raises(InvalidInput):
            session.update(**bad)


def test_lifetime_of_a_session_to_the_instant(opener: Opener) -> None:
    """At `expires_at` it is gone for every call, an instant before it is there; then it begins again at 1."""
    clock = ManualClock()
    memory = opener(clock=clock)
    session = memory.session("s", "u", ttl=10)
    session.append([say("moon", id="1"), say("b")])
    session.save_summary("So far.", covers_seq=2)
    assert header(session).expires_at == START + timedelta(seconds=10)
    clock.set(START + timedelta(seconds=10) - timedelta(microseconds=1))
    assert len(session.tail()) == 2
    assert [one.id for one in memory.sessions()] == ["s"]
    assert len(memory.search("moon")) == 1
    clock.forward(TICK)
    assert (session.info(), session.summary(), session.get(1), session.pop()) == (None, None, None, None)
    assert (session.tail(), session.read().items, session.window(), session.context().messages) == ([], [], [], [])
    assert (memory.sessions().items, memory.search("moon"), session.stats().messages) == ([], [], 0)
    user = memory.user("u")
    assert (user.sessions().items, user.messages().items, user.stats().sessions) == ([], [], 0)
    assert (memory.stats().sessions, session.delete(), session.clear()) == (0, False, 0)
    with pytest.raises(NotFound):
        session.save_summary("x", covers_seq=1)
    (again,) = memory.session("s", "other").append(say("new", id="1"))
    assert (again.seq, again.user_id, header(session).expires_at) == (1, "other", None)
    assert session.summary() is None


def test_sliding(opener: Opener) -> None:
    """Each append, and nothing else, begins a sliding lifetime anew; a fixed one runs out."""
    clock = ManualClock()
    memory = opener(clock=clock, ttl=10, sliding=True)
    sliding, fixed = memory.session("sliding"), memory.session("fixed", sliding=False)
    for _ in range(3):
        for session in (sliding, fixed):
            session.append(say("a"))
        clock.forward(4)
    assert fixed.info() is None
    assert header(sliding).expires_at == START + timedelta(seconds=18)
    assert header(sliding).ttl == 10
    sliding.tail()
    sliding.update(title="x")
    assert header(sliding).expires_at == START + timedelta(seconds=18)
    clock.forward(6 - TICK)
    assert header(sliding).message_count == 3
    clock.forward(TICK)
    assert sliding.info() is None


def test_a_lifetime_changed(opener: Opener) -> None:
    """`update(ttl=...)` counts from now; None lives for ever; the handle's own ttl goes before the client's."""
    clock = ManualClock()
    memory = opener(clock=clock, ttl=100)
    session = memory.session("s", ttl=10)
    session.append(say("a"))
    clock.forward(5)
    assert session.update(ttl=20).expires_at == START + timedelta(seconds=25)
    memory.session("s", ttl=1).append(say("b"))
    assert header(session).expires_at == START + timedelta(seconds=25)
    assert session.update(ttl=3, sliding=True).ttl == 3
    clock.forward(2)
    session.append(say("c"))
    assert header(session).expires_at == START + timedelta(seconds=10)
    freed = session.update(ttl=None)
    assert (freed.expires_at, freed.ttl) == (None, None)
    clock.forward(10**6)
    assert header(session).message_count == 3
    assert memory.session("made").update(title="x").expires_at == clock() + timedelta(seconds=100)


def test_expired_messages_are_not_counted(opener: Opener) -> None:
    """Messages with a lifetime of their own leave the counts at their instant; numbers are not given again."""
    clock = ManualClock()
    memory = opener(clock=clock)
    session = memory.session("s", "u")
    session.append([say("a"), say("b", ttl=5), say("c", ttl=9)])
    for seconds, left in ((5 - TICK, 3), (TICK, 2), (4, 1)):
        clock.forward(seconds)
        assert header(session).message_count == len(session.read()) == left
        assert memory.stats().messages == memory.stats(detail=True).messages == session.stats().messages == left
    swept = memory.sweep()
    assert (swept.sessions, swept.messages) == (0, 2)
    assert header(session).message_count == 1
    assert session.append(say("d"))[0].seq == 4


REFUSED: dict[str, Callable[[SessionHandle], Any]] = {
    "append": lambda s: s.append(say("x")),
    "tail": lambda s: s.tail(),
    "read": lambda s: s.read(),
    "get": lambda s: s.get(1),
    "window": lambda s: s.window(),
    "context": lambda s: s.context(),
    "pop": lambda s: s.pop(),
    "clear": lambda s: s.clear(),
    "delete": lambda s: s.delete(),
    "update": lambda s: s.update(title="mine"),
    "summary": lambda s: s.summary(),
    "save_summary": lambda s: s.save_summary("mine", covers_seq=1),
}


@pytest.mark.parametrize("call", REFUSED)
def test_the_handle_of_another_user(memory: Recollect, call: str) -> None:
    """A handle that names one user neither shows nor changes another's session: `Conflict`."""
    owned = memory.session("s", "ann")
    owned.append([say("secret"), say("more")])
    owned.save_summary("Anns secret.", covers_seq=1)
    before = (owned.info(), owned.tail(), owned.summary())
    with pytest.raises(Conflict, match="another user"):
        REFUSED[call](memory.session("s", "eve"))
    assert (owned.info(), owned.tail(), owned.summary()) == before
    assert memory.user("eve").messages().items == []


@pytest.mark.parametrize("call", ["append", "update"])
def test_an_anonymous_session_is_taken_over(memory: Recollect, call: str) -> None:
    """Who names a user first owns it: its earlier messages become the user's, in every view of them."""
    anonymous = memory.session("s")
    anonymous.append([say("moon", id="1"), say("b", id="2")])
    assert memory.user("u").messages().items == []
    assert memory.session("s", "u").tail()[0].user_id is None, "reading takes nothing over"
    if call == "append":
        memory.session("s", "u").append(say("c", id="3"))
    else:
        memory.session("s", "u").update(title="mine")
    stored = anonymous.read().items
    assert {message.user_id for message in stored} == {"u"}
    user = memory.user("u")
    assert user.messages(reverse=False).items == stored
    assert [one.id for one in user.sessions()] == ["s"]
    assert [hit.message.id for hit in user.recall("moon")] == ["1"]
    assert user.stats().messages == len(stored)
    assert (header(anonymous).user_id, memory.stats().users) == ("u", 1)
    anonymous.append(say("d"))
    assert anonymous.tail(1)[0].user_id == "u"
    with pytest.raises(Conflict):
        memory.session("s", "v").append(say("x"))


def test_scopes_are_apart(memory: Recollect) -> None:
    """The same ids in two scopes are two worlds, for every call; only the store is shared."""
    other = memory.in_scope("other")
    assert (memory.scope, other.scope) == ("default", "other")
    for one, text in ((memory, "moon"), (other, "mars")):
        one.session("s", "u").append(say(text, id="1"))
        one.session("s").save_summary(text, covers_seq=1)
        one.user("u").preferences.put({"to": text})
    for one, text, alien in ((memory, "moon", "mars"), (other, "mars", "moon")):
        assert [m.content for m in one.session("s").tail()] == [text]
        assert [m.content for m in one.user("u").messages()] == [text]
        assert one.user("u").preferences.get() == {"to": text}
        assert (len(one.search(text)), one.search(alien)) == (1, [])
        assert alien not in str(one.session("s").context("moon mars").messages)
        assert (one.stats().sessions, len(one.sessions()), len(list(one.export_lines()))) == (1, 1, 1)
        assert len(one.changes()) == 3
    assert other.user("u").forget().messages == 1
    assert other.session("s").info() is None
    assert memory.session("s").tail()[0].content == "moon"
    assert memory.in_scope("default").session("s").tail() == memory.session("s").tail()
    for bad in ("", 5, None, "x" * 513):
        with pytest.raises(InvalidInput):
            memory.in_scope(bad)  # type: ignore[arg-type]


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
