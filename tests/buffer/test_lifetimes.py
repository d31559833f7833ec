"""Lifetimes count from the append, not from the delivery; what has expired by then is not delivered."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from recollect import Recollect
from recollect.testing import ManualClock
from tests.buffer.away import AwayStore, say, texts

Make = Callable[..., Recollect]


@pytest.fixture
def clock() -> ManualClock:
    """The client's clock."""
    return ManualClock()


@pytest.fixture
def memory(make: Make, clock: ManualClock) -> Recollect:
    """A client with that clock."""
    found = make(clock=clock)
    found.open()
    return found


def test_of_a_message(memory: Recollect, store: AwayStore, clock: ManualClock) -> None:
    store.away = True
    memory.session("s").append([say("short"), say("long")], ttl=10)
    memory.session("s").append([say("own", ttl=100), say("for ever")])
    appended = clock()
    clock.forward(50)
    store.away = False
    done = memory.deliver()
    assert (done.delivered, done.expired) == (2, 2)
    assert texts(memory) == ["own", "for ever"]
    assert memory.session("s").tail()[0].expires_at == appended + timedelta(seconds=100)
    assert memory.buffered().bytes == 0
    assert "short" not in store.orders
    clock.forward(51)
    assert texts(memory) == ["for ever"]


def test_some_of_an_append_have_expired(memory: Recollect, store: AwayStore, clock: ManualClock) -> None:
    store.away = True
    memory.session("s").append([say("a", ttl=10), say("b"), say("c", ttl=10)])
    clock.forward(10)
    store.away = False
    assert texts(memory) == ["b"]


def test_of_a_session(memory: Recollect, store: AwayStore, clock: ManualClock) -> None:
    store.away = True
    begun = clock()
    memory.session("s", ttl=60).append(say("one"))
    clock.forward(20)
    memory.session("s", ttl=60).append(say("two"))
    clock.forward(20)
    store.away = False
    assert texts(memory) == ["one", "two"]
    header = memory.session("s").info()
    assert header is not None
    assert header.expires_at == begun + timedelta(seconds=60)


def test_of_a_session_that_would_be_gone(memory: Recollect, store: AwayStore, clock: ManualClock) -> None:
    """What would have lived in it goes with it; what came behind its end began the next one."""
    store.away = True
    for after in (0, 50, 20):
        clock.forward(after)
        memory.session("s", ttl=60).append(say(f"at {after}"))
    began = clock()
    clock.forward(30)
    store.away = False
    done = memory.deliver()
    assert (done.delivered, done.expired) == (1, 2)
    assert texts(memory) == ["at 20"]
    header = memory.session("s").info()
    assert header is not None
    assert header.expires_at == began + timedelta(seconds=60)


def test_of_a_sliding_session(memory: Recollect, store: AwayStore, clock: ManualClock) -> None:
    """Each append prolongs it, so nothing of it is gone; the delivery counts as its last append."""
    store.away = True
    for _ in range(3):
        memory.session("s", ttl=60, sliding=True).append(say("x"))
        clock.forward(50)
    store.away = False
    assert len(texts(memory)) == 3
    header = memory.session("s").info()
    assert header is not None
    assert (header.ttl, header.expires_at) == (60, clock() + timedelta(seconds=60))
    store.away = True
    memory.session("s", ttl=60, sliding=True).append(say("y"))
    clock.forward(61)
    store.away = False
    assert memory.deliver().expired == 1
    assert memory.session("s").info() is None


def test_of_a_session_that_lives(memory: Recollect, store: AwayStore, clock: ManualClock) -> None:
    """A session that is in the store has its own lifetime, whatever the append says."""
    memory.session("s").append(say("one"))
    store.away = True
    memory.session("s", ttl=1).append(say("two"))
    clock.forward(3600)
    store.away = False
    assert texts(memory) == ["one", "two"]


@pytest.mark.parametrize("seconds", [3600, 86400 * 365])
def test_a_clock_that_was_set_back(memory: Recollect, store: AwayStore, clock: ManualClock, seconds: float) -> None:
    store.away = True
    memory.session("s", ttl=60).append(say("one"))
    memory.session("t").append(say("two"), ttl=60)
    clock.back(seconds)
    store.away = False
    assert texts(memory) == ["one"]
    assert texts(memory, "t") == ["two"]
    header = memory.session("s").info()
    assert header is not None
    assert header.expires_at == clock() + timedelta(seconds=60)
