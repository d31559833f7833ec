"""Memories: kept, replaced, superseded, listed, forgotten; each namespace by itself."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from recollect import Conflict, InvalidInput, LimitExceeded, Memory, NotFound, Recollect
from recollect.testing.clock import START, ManualClock
from tests.library.harness import Opener

HOSTILE = ["a/b", "a#b", "a%2Fb", "~", "a\0b", "../x", "💬", "memories:x", "conversations:x", "x" * 512]


def contents(rows: Any) -> list[str]:
    """What memories say."""
    return [row.content for row in rows]


def test_a_memory_comes_back_as_it_was_kept(memory: Recollect) -> None:
    """Every field; the id and the instant are made where they are not given."""
    user = memory.user("ann")
    kept = user.remember(
        "Prefers aisle seats",
        id="m-1",
        metadata={"k": [1, None]},
        kind="preference",
        subject="Ann",
        source={"session": "s", "messages": ["x"]},
        created_at=START,
    )
    assert kept == user.memory("m-1")
    assert (kept.namespace, kept.content, kept.metadata) == (("user", "ann"), "Prefers aisle seats", {"k": [1, None]})
    assert (kept.kind, kept.subject, kept.created_at, kept.closed_at) == ("preference", "Ann", START, None)
    assert kept.source == {"session": "s", "messages": ["x"]}
    assert kept.tokens > 0
    made = user.remember("Has a dog")
    assert made.id
    assert made.created_at is not None
    assert user.memories().items == [made, kept]


def test_the_same_id_takes_the_place(memory: Recollect) -> None:
    """Another text under an id replaces it; the same again changes nothing, its number neither."""
    user = memory.user("ann")
    first = user.remember("Lives in Busan", id="home")
    assert user.remember("Lives in Busan", id="home") == first
    second = user.remember("Lives in Seoul", id="home")
    assert (second.content, second.seq > first.seq) == ("Lives in Seoul", True)
    assert contents(user.memories()) == ["Lives in Seoul"]


@pytest.mark.parametrize("label", HOSTILE)
def test_namespaces_are_apart(memory: Recollect, label: str) -> None:
    """Whatever their labels: a path is not another one that would look the same when joined."""
    paths = [(label,), (label, "x"), ("x", label), ("user", label), ("user", label, "facts"), (f"{label}x"[:512],)]
    paths = list(dict.fromkeys(paths))
    for number, path in enumerate(paths):
        memory.namespace(*path).remember(f"number {number}", id="same")
    for number, path in enumerate(paths):
        assert contents(memory.namespace(*path).memories()) == [f"number {number}"]
    assert memory.user(label).memories().items == memory.namespace("user", label).memories().items


@pytest.mark.parametrize("tenant", ["memories:default", "conversations:default", "memories:", "default"])
def test_tenants_are_apart(opener: Opener, tenant: str) -> None:
    """Also one that is called as another's memories are kept."""
    memory = opener()
    memory.user("ann").remember("secret")
    memory.session("s", "ann").append({"role": "user", "content": "secret"})
    other = memory.in_scope(tenant)
    if tenant != "default":
        assert other.user("ann").memories().items == []
        assert other.sessions().items == []
        assert other.user("ann").recall("secret") == []
        assert other.session("user/ann").tail() == []
    assert other.scope == tenant


def test_memories_are_no_sessions(memory: Recollect) -> None:
    """What is remembered is in no list of sessions or messages, in no figure, and in no export."""
    memory.user("ann").remember("x")
    memory.namespace("docs").remember_document("d", "text")
    assert memory.sessions().items == memory.user("ann").sessions().items == []
    assert memory.user("ann").messages().items == []
    assert (memory.stats().sessions, list(memory.export_lines())) == (0, [])


def test_pages(memory: Recollect) -> None:
    """The latest written first, in pages, without those that hold no longer unless asked for."""
    user = memory.user("ann")
    for n in range(7):
        user.remember(str(n), id=str(n))
    user.close_memory("5")
    first = user.memories(3)
    assert contents(first) == ["6", "4", "3"]
    second = user.memories(3, cursor=first.cursor)
    assert (contents(second), second.cursor) == (["2", "1", "0"], None)
    assert contents(user.memories(closed=True)) == ["5", "6", "4", "3", "2", "1", "0"]
    with pytest.raises(InvalidInput, match="another query"):
        memory.user("bob").memories(3, cursor=first.cursor)


def test_superseded_is_closed_not_lost(opener: Opener) -> None:
    """The old one says what took its place and since when; only `closed` shows it."""
    clock = ManualClock()
    user = opener(clock=clock).user("ann")
    user.remember("Works at Acme", id="job", kind="fact")
    clock.forward(60)
    new = user.supersede("job", "Works at Globex", id="job-2", kind="fact")
    old = user.memory("job")
    assert old is not None
    assert (old.content, old.superseded_by, old.closed_at) == ("Works at Acme", "job-2", clock())
    assert (contents(user.memories()), new.kind) == (["Works at Globex"], "fact")
    with pytest.raises(Conflict, match="closed already"):
        user.supersede("job", "Works at Initech")
    with pytest.raises(NotFound):
        user.supersede("nothing", "x")
    with pytest.raises(InvalidInput, match="id of its own"):
        user.supersede("job-2", "x", id="job-2")


def test_as_of_an_instant(opener: Opener) -> None:
    """What was known then: what has been superseded since, and nothing that was learned later."""
    clock = ManualClock()
    user = opener(clock=clock).user("ann")
    user.remember("Ann works at Acme", id="job")
    clock.forward(3600)
    user.supersede("job", "Ann works at Globex")
    now = START + timedelta(hours=2)

    def known(at: datetime | None) -> list[str]:
        return [hit.text for hit in user.recall("where does Ann work", as_of=at)]

    assert known(None) == known(now) == ["Ann works at Globex"]
    assert known(START + timedelta(minutes=5)) == ["Ann works at Acme"]
    assert known(START - timedelta(minutes=5)) == []


def test_the_same_is_kept_once_on_request(memory: Recollect) -> None:
    """`exact` compares the words, `near` most of them; without it everything is kept."""
    user = memory.user("ann")
    first = user.remember("Likes very strong black coffee in the morning at home")
    assert user.remember("likes very strong black coffee, in the morning at home!", unique="exact") == first
    near = "Likes very strong black coffee in the early morning at home"
    assert user.remember(near, unique="near") == first
    assert user.remember(near, unique="exact") != first
    assert user.remember("Likes tea", unique="near") != first
    assert len(user.memories().items) == 3
    assert len([user.remember("Likes tea") for _ in range(2)]) == 2
    assert len(user.memories().items) == 5
    assert user.remember("부산에 산다", unique="exact") == user.remember("부산에 산다.", unique="exact")


def test_forgotten_for_good(memory: Recollect) -> None:
    """One, a namespace, a user: each with what it took along, and the rest as it was."""
    user = memory.user("ann")
    user.remember("one", id="1")
    user.remember("two", id="2")
    memory.namespace("user", "ann", "facts").remember("three")
    memory.namespace("user", "ann", "facts").remember_document("d", "text")
    memory.user("annika").remember("not hers")
    memory.session("s", "ann").append({"role": "user", "content": "hello"})
    assert (user.forget_memory("1"), user.forget_memory("1")) == (True, False)
    receipt = memory.namespace("user", "ann", "facts").forget()
    assert (receipt.memories, receipt.documents) == (1, 1)
    assert contents(user.memories()) == ["two"]
    memory.namespace("user", "ann", "facts").remember("again")
    receipt = user.forget()
    assert (receipt.sessions, receipt.messages, receipt.memories, receipt.documents) == (1, 1, 2, 0)
    assert user.memories().items == memory.namespace("user", "ann", "facts").memories().items == []
    assert user.recall("two again hello") == []
    assert contents(memory.user("annika").memories()) == ["not hers"]


def test_expiry(opener: Opener) -> None:
    """A memory with a lifetime is gone to the instant: by id, in lists, in recall."""
    clock = ManualClock()
    user = opener(clock=clock).user("ann")
    user.remember("short lived parking spot", id="p", ttl=10)
    assert user.recall("parking")[0].text.startswith("short")
    clock.forward(10)
    assert (user.memory("p"), user.memories().items, user.recall("parking")) == (None, [], [])
    assert user.remember("another parking spot", id="p").content == "another parking spot"


@pytest.mark.parametrize("content", ["", " \n", None, 3, b"x", "\ud800"])
def test_no_text_is_refused(memory: Recollect, content: Any) -> None:
    with pytest.raises(InvalidInput):
        memory.user("ann").remember(content)


@pytest.mark.parametrize(
    "fields",
    [
        {"id": ""},
        {"id": "x" * 513},
        {"metadata": [1]},
        {"metadata": {"a": object()}},
        {"kind": ""},
        {"subject": 3},
        {"source": "s"},
        {"ttl": -1},
        {"created_at": datetime(2026, 1, 1)},
        {"unique": "almost"},
    ],
)
def test_bad_fields_are_refused_by_name(memory: Recollect, fields: dict[str, Any]) -> None:
    user = memory.user("ann")
    with pytest.raises(InvalidInput) as caught:
        user.remember("x", **fields)
    assert (caught.value.field or "").startswith(next(iter(fields)))
    assert user.memories().items == []


def test_a_namespace_has_labels(memory: Recollect) -> None:
    for labels in ((), ("",), ("a", ""), ("x" * 513,), (3,)):
        with pytest.raises(InvalidInput):
            memory.namespace(*labels)


@pytest.mark.parametrize("mode", ["sync"], indirect=True)
def test_ten_megabytes(memory: Recollect) -> None:
    """A very long memory is kept whole; one over the store's limit is refused, and nothing is lost."""
    user = memory.user("ann")
    long = "word " * 2_000_000
    assert user.remember(long, id="long").content == long
    limit = memory.store.capabilities.item_bytes
    if limit < 300_000_000:
        with pytest.raises(LimitExceeded):
            user.remember("x" * (limit + 1), id="long")
    kept = user.memory("long")
    assert isinstance(kept, Memory)
    assert kept.content == long


def test_questions_about_a_person_in_other_words_than_the_fact(memory: Recollect) -> None:
    """Without a model: what facts about people are told in is known, and shared stop words are no answer."""
    user = memory.user("ann")
    facts = ["Prefers aisle seats", "Lives in Busan", "Married to Tom", "Is learning the violin", "Allergic to peanuts"]
    for fact in facts:
        user.remember(fact)
    for question, fact in [
        ("where does she like to sit?", "Prefers aisle seats"),
        ("which city is her home?", "Lives in Busan"),
        ("where does she live?", "Lives in Busan"),
        ("who is her husband?", "Married to Tom"),
        ("which instrument does she play?", "Is learning the violin"),
        ("what must she avoid?", "Allergic to peanuts"),
    ]:
        assert [hit.item.text for hit in user.recall(question)] == [fact], question
    assert user.recall("what is the wingspan of an albatross?") == []
