"""Appends while the store is away: kept, delivered once and in order, never lost in silence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from recollect import Message, Recollect, Unavailable
from recollect.store import buffer, delivery
from tests.buffer.away import AwayStore, say, texts

Make = Callable[..., Recollect]


def test_an_append_is_kept_and_delivered(memory: Recollect, store: AwayStore) -> None:
    session = memory.session("s", user="ann")
    assert session.append(say("one"))[0].seq == 1
    store.away = True
    kept = session.append([say("two"), say("three", id="three")])
    assert (kept.written, kept.buffered) == (0, 2)
    assert [(message.seq, message.session_id, message.user_id) for message in kept] == [(0, "s", "ann")] * 2
    assert kept[0].id
    assert kept[1].id == "three"
    state = memory.buffered()
    assert (state.waiting, state.refused, state.elsewhere) == (2, 0, 0)
    assert state.oldest is not None
    assert state.bytes > 0
    store.away = False
    stored = session.append(say("four"))
    assert (stored.written, stored.buffered, stored[0].seq) == (1, 0, 4)
    assert texts(memory) == ["one", "two", "three", "four"]
    assert [message.id for message in session.tail()][1:3] == [message.id for message in kept]
    assert memory.buffered().waiting == memory.buffered().bytes == 0


def test_everything_of_a_message_comes_through(memory: Recollect, store: AwayStore) -> None:
    given = Message(
        role="assistant",
        content=[{"type": "text", "text": "안녕 \0 🐕"}, {"type": "image_url", "image_url": {"url": "x"}}],  # type: ignore[list-item]
        name="n",
        metadata={"a": [1, 2.5, None, {"b": True}]},
        tool_calls=[{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        extra={"refusal": None},
    )
    (there,) = memory.session("a").append(given.replace(id="m"))
    store.away = True
    memory.session("b").append(given.replace(id="m", created_at=there.created_at))
    store.away = False
    (found,) = memory.session("b").tail()
    assert found.replace(session_id="a") == there
    assert [hit.to_dict()["message"]["session_id"] for hit in memory.search("안녕")] == ["a", "b"]


def test_without_a_buffer_it_is_the_callers(make: Make, store: AwayStore, path: Path) -> None:
    memory = make(on_unavailable="raise", buffer_path=None)
    memory.open()
    store.away = True
    with pytest.raises(Unavailable):
        memory.session("s").append(say("one"))
    assert not path.exists()
    assert memory.buffered().waiting == memory.deliver().delivered == 0
    assert memory.buffered().path is None


def test_reads_show_all_or_nothing(memory: Recollect, store: AwayStore) -> None:
    session = memory.session("s", user="u")
    session.append(say("one"))
    store.away = True
    session.append(say("two"))
    reads: list[Callable[[], object]] = [
        session.tail,
        session.info,
        session.window,
        session.context,
        session.summary,
        session.pop,
        session.clear,
        session.delete,
        lambda: session.update(title="x"),
        lambda: memory.search("one"),
        memory.sessions,
        memory.stats,
        memory.deliver,
        memory.user("u").forget,
        memory.user("u").preferences.get,
        lambda: session.append(say("three"), buffer=False),
        lambda: memory.import_lines([{"session": "s", **say("three")}]),
    ]
    for read in reads:
        with pytest.raises(Unavailable):
            read()
    store.away = False
    assert [s.message_count for s in memory.sessions()] == [2]
    assert texts(memory) == ["one", "two"]


@pytest.mark.parametrize("read", ["search", "user", "sessions", "context", "get"])
def test_every_read_delivers_first(memory: Recollect, store: AwayStore, read: str) -> None:
    store.away = True
    memory.session("s", user="u").append(say("dog"))
    store.away = False
    found: dict[str, Callable[[], object]] = {
        "search": lambda: memory.search("dog")[0].to_dict()["message"]["content"],
        "user": lambda: memory.user("u").messages()[0].text,
        "sessions": lambda: memory.session(memory.sessions()[0].id).tail()[0].text,
        "context": lambda: memory.session("s").context().messages[-1]["content"],
        "get": lambda: memory.session("s").get(1).text,  # type: ignore[union-attr]
    }
    assert found[read]() == "dog"


def test_a_later_append_goes_behind(memory: Recollect, store: AwayStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """While something of a session waits, nothing of it goes to the store itself, other sessions' does."""
    monkeypatch.setattr(buffer, "AT_ONCE", 2)
    monkeypatch.setattr(delivery, "BATCH", 2)
    store.away = True
    for n in range(5):
        memory.session("s").append(say(str(n)))
    store.away = False
    assert memory.session("s").append(say("5")).buffered == 1
    assert memory.session("other").append(say("x")).written == 1
    assert memory.buffered().waiting == 2
    assert memory.session("s").append(say("6")).written == 1
    assert texts(memory) == list("0123456")


def test_an_answer_that_was_lost_is_not_stored_twice(memory: Recollect, store: AwayStore) -> None:
    store.deaf = True
    kept = memory.session("s").append([say("one"), say("two")])
    assert kept.buffered == 2
    memory.session("s").append(say("three"))
    assert memory.buffered().waiting == 3
    store.deaf = False
    assert memory.deliver().delivered == 3
    assert texts(memory) == ["one", "two", "three"]
    assert [message.seq for message in memory.session("s").tail()] == [1, 2, 3]


def test_delivery_is_in_order_and_in_few_commits(memory: Recollect, store: AwayStore) -> None:
    """Appends of one session go together where they can; the order within each session is that of the appends."""
    memory.open()
    store.away = True
    for n in range(300):
        session = "abc"[n % 3]
        memory.session(session, user="ann").append([say(f"{session}{n}", id=f"{session}{n}")] * (1 + n % 2))
    memory.session("a", user="bob").append(say("bob"))
    memory.session("a", user="ann").append(say("last", id="last"))
    store.away, store.tried = False, 0
    done = memory.deliver()
    assert (done.delivered, done.refused) == (451, 1)
    assert store.tried < 40
    for session in "abc":
        found = [message.id for message in memory.session(session).tail(1000)]
        mine = [f"{session}{n}" for n in range(300) if "abc"[n % 3] == session]
        assert found == [*mine, *(["last"] if session == "a" else [])]


def test_large_ones_go_alone(memory: Recollect, store: AwayStore) -> None:
    store.away = True
    for n in range(6):
        memory.session("s").append(say("x" * 200_000, id=str(n)))
    store.away, store.tried = False, 0
    memory.deliver()
    assert store.tried == 6
    assert store.orders == list("012345")


def test_one_file_for_many_tenants(memory: Recollect, store: AwayStore) -> None:
    other = memory.in_scope("other")
    store.away = True
    memory.session("s").append(say("mine"))
    other.session("s").append(say("theirs"))
    assert other.buffered().waiting == 2
    store.away = False
    assert texts(other) == ["theirs"]
    assert texts(memory) == ["mine"]


def test_a_store_that_was_away_from_the_start(make: Make, store: AwayStore) -> None:
    store.away = True
    memory = make()
    memory.open()
    assert memory.session("s").append(say("one")).buffered == 1
    with pytest.raises(Unavailable):
        memory.session("other").tail()
    assert store.opened == 0
    store.away = False
    assert texts(memory) == ["one"]
    assert store.opened == 1


def test_another_client_delivers_what_one_left(make: Make, store: AwayStore) -> None:
    first = make()
    store.away = True
    first.session("s").append(say("one"))
    first.close()
    second = make()
    second.open()
    assert second.buffered().waiting == 1
    second.session("s").append(say("two"))
    store.away = False
    assert second.session("s").append(say("three"))[0].seq == 3
    assert texts(second) == ["one", "two", "three"]


def test_two_clients_on_one_file(make: Make, store: AwayStore) -> None:
    one, other = make(), make()
    one.open(), other.open()
    store.away = True
    for n in range(10):
        (one if n % 2 else other).session("s").append(say(str(n)))
    store.away = False
    other.deliver()
    assert texts(one) == list("0123456789")
    assert one.deliver().delivered == other.deliver().delivered == 0
    assert store.orders.count(store.orders[0]) == 1


def test_an_empty_append_and_a_repeated_id(memory: Recollect, store: AwayStore) -> None:
    memory.session("s").append(say("first", id="a"))
    store.away = True
    assert memory.session("s").append([]) == []
    assert memory.session("s").append([say("again", id="a"), say("b", id="b"), say("b2", id="b")]).buffered == 3
    store.away = False
    assert texts(memory) == ["first", "b"]


def test_bad_input_is_refused_as_ever(memory: Recollect, store: AwayStore) -> None:
    store.away = True
    for wrong in ({"role": "nobody", "content": "x"}, {"role": "user"}, {"role": "user", "content": "\ud800"}):
        with pytest.raises(ValueError):
            memory.session("s").append(wrong)
    with pytest.raises(ValueError):
        memory.session("s").append(say("x"), buffer=1)  # type: ignore[arg-type]
    assert memory.buffered().waiting == 0


def test_hostile_ids(memory: Recollect, store: AwayStore) -> None:
    names = ["a\0b", "a", "'; DROP TABLE recollect_buffer; --", "세션/%2F", "x" * 512]
    store.away = True
    for name in names:
        memory.session(name).append(say(name, id=name))
    store.away = False
    for name in names:
        assert texts(memory, name) == [name]


def test_a_large_message(memory: Recollect, store: AwayStore) -> None:
    store.away = True
    memory.session("s").append(say("개" * 3_500_000))
    store.away = False
    assert len(texts(memory)[0]) == 3_500_000
