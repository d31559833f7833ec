"""What the store refuses is set aside: visible, in nobody's way, kept until somebody decides."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from recollect import ConfigError, Conflict, LimitExceeded, Recollect, Unavailable
from tests.buffer.away import AwayStore, say, texts

Make = Callable[..., Recollect]


@pytest.fixture
def refused(memory: Recollect, store: AwayStore) -> Recollect:
    """A client with an append of bob's to a session that is ann's, and others around it."""
    memory.session("s", user="ann").append(say("one"))
    store.away = True
    memory.session("s", user="ann").append(say("two"))
    memory.session("s", user="bob").append([say("x", id="x"), say("y", id="y")])
    memory.session("s", user="ann").append(say("three"))
    memory.session("t", user="bob").append(say("t"))
    store.away = False
    return memory


def test_a_refusal_blocks_nothing_and_is_shown(refused: Recollect) -> None:
    done = refused.deliver()
    assert (done.delivered, done.refused) == (3, 2)
    assert texts(refused) == ["one", "two", "three"]
    assert texts(refused, "t") == ["t"]
    state = refused.buffered()
    assert (state.waiting, state.refused, state.oldest) == (0, 2, None)
    (one,) = state.refusals
    assert (one.session_id, one.user_id, one.ids, one.error) == ("s", "bob", ["x", "y"], "Conflict")
    assert "another user" in one.reason or "belongs" in one.reason
    assert state.to_dict()["refusals"][0]["at"].endswith("Z")
    assert refused.session("s", user="ann").append(say("four")).written == 1


def test_again_when_the_reason_is_gone(refused: Recollect) -> None:
    refused.deliver()
    assert refused.deliver().delivered == 0
    assert refused.deliver(refused="again").refused == 2
    refused.session("s").delete()
    assert refused.buffered().refused == 0, "what is deleted leaves nothing behind, here neither"


def test_again_delivers(memory: Recollect, store: AwayStore) -> None:
    store.away = True
    memory.session("s").append(say("one"))
    memory.session("s").append(say("two"))
    store.away = False
    store.refuse["s"] = LimitExceeded("too large")
    assert memory.deliver().refused == 2
    assert [one.error for one in memory.buffered().refusals] == ["LimitExceeded"] * 2
    store.refuse.clear()
    assert memory.deliver(refused="again").delivered == 2
    assert texts(memory) == ["one", "two"]
    assert memory.buffered().to_dict() == {**memory.buffered().to_dict(), "waiting": 0, "refused": 0, "bytes": 0}


def test_drop(refused: Recollect, path: Path) -> None:
    refused.deliver()
    assert refused.deliver(refused="drop").dropped == 2
    assert refused.buffered().refused == refused.buffered().bytes == 0
    with pytest.raises(ValueError, match="keep, again or drop"):
        refused.deliver(refused="throw")  # type: ignore[arg-type]


def test_forgetting_a_user_takes_what_was_refused_of_theirs(refused: Recollect) -> None:
    refused.deliver()
    refused.user("ann").forget()
    assert refused.buffered().refused == 0, "bob's words in ann's session went with the session"


def test_forgetting_the_author(refused: Recollect, store: AwayStore, path: Path) -> None:
    refused.deliver()
    assert refused.user("bob").forget().sessions == 1
    assert refused.buffered().refused == 0
    assert texts(refused) == ["one", "two", "three"]


def test_forgetting_while_something_waits(memory: Recollect, store: AwayStore, path: Path) -> None:
    """What waits is delivered and forgotten with the rest; nothing comes later, nothing stays in the file."""
    store.away = True
    memory.session("s", user="ann").append(say("a secret about ann"))
    store.away = False
    assert memory.user("ann").forget().messages == 1
    assert memory.deliver().delivered == 0
    assert memory.search("secret") == []
    assert memory.buffered().bytes == 0
    assert not any(b"secret" in file.read_bytes() for file in path.parent.glob("buffer.db*"))


@pytest.mark.parametrize("error", [ConfigError("no such column"), TypeError("a bug"), Conflict("no")])
def test_whatever_the_error(memory: Recollect, store: AwayStore, error: Exception) -> None:
    store.away = True
    for session in "abc":
        memory.session(session).append(say(session))
    store.away = False
    store.refuse["b"] = error
    done = memory.deliver()
    assert (done.delivered, done.refused) == (2, 1)
    assert memory.buffered().refusals[0].error == type(error).__name__


@pytest.mark.parametrize("count", [1, 30])
def test_what_needs_help_holds_up_its_session_alone(memory: Recollect, store: AwayStore, count: int) -> None:
    store.away = True
    for n in range(count):
        memory.session(f"full-{n}").append(say("a"))
    memory.session("full-0").append(say("b"))
    memory.session("fine").append(say("c"))
    store.away = False
    for n in range(count):
        store.refuse[f"full-{n}"] = Unavailable("the disk is full", retryable=False)
    tried = store.tried
    with pytest.raises(Unavailable, match="disk is full"):
        memory.deliver()
    assert store.tried - tried < 100
    assert memory.buffered().refused == 0
    assert texts(memory, "fine") == ["c"]
    assert memory.session("new").append(say("d")).written == 1
    with pytest.raises(Unavailable, match="disk is full"):
        memory.session("full-0").tail()
    assert memory.session("full-0").append(say("e")).buffered == 1
    store.refuse.clear()
    memory.deliver()
    assert texts(memory, "full-0") == ["a", "b", "e"]


def test_an_entry_that_does_not_decode(memory: Recollect, store: AwayStore, path: Path) -> None:
    store.away = True
    for n in range(3):
        memory.session("s").append(say(str(n)))
    with sqlite3.connect(path) as other:
        other.execute("UPDATE recollect_buffer SET body = replace(body, 'rows', 'cows') WHERE entry = 2")
    other.close()
    store.away = False
    assert texts(memory) == ["0", "2"]
    (one,) = memory.buffered().refusals
    assert (one.error, one.ids, one.session_id) == ("CorruptRecord", [], "s")
