"""Sessions and their owners: the header, its lifetime to the instant, who may see it, who takes it over."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from recollect import Conflict, InvalidInput, NotFound, Recollect, Session, SessionHandle
from recollect.testing.clock import START, ManualClock
from tests.library.contexts import said
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
    assert (first.created_at, first.updated_at) == (START - timedelta(days=9), START)
    later = clock.forward(7)
    assert session.append(say("c")).written == 1
    second = header(session)
    assert (second.created_at, second.updated_at, second.message_count) == (START - timedelta(days=9), later, 3)
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
    session = memory.session("s", "other")
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
    "info": lambda s: s.info(),
    "stats": lambda s: s.stats(),
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
    assert [said(hit).id for hit in user.recall("moon")] == ["1"]
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
