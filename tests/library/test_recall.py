"""Recall: what is found is what is there now, whoever wrote it; narrowed exactly; the same however large the store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from recollect import InvalidInput, Recollect
from recollect.core import sources
from recollect.core.base import Base
from recollect.recall import ranking
from recollect.testing.clock import START, ManualClock
from tests.library.contexts import said
from tests.library.harness import Opener

WORDS = ["refund", "flight", "부산", "여행", "東京", "予約", "的", "meeting", "piano", "E-7734", "v1.2.3", "garden"]


def say(text: str, **more: Any) -> dict[str, Any]:
    return {"role": "user", "content": text, **more}


def found(memory: Recollect, query: str, **narrow: Any) -> list[str]:
    """What the hits say, best first."""
    return [hit.text for hit in memory.search(query, **narrow)]


def test_every_change_is_seen_at_once(memory: Recollect) -> None:
    """What was appended is found; what was popped, cleared, deleted is not; in the same client, search by search."""
    session = memory.session("s", "ann")
    user = memory.user("ann")
    session.append(say("one zebra"))
    assert found(memory, "zebra") == ["one zebra"]
    session.append([say("two zebras"), say("nothing else")])
    assert set(found(memory, "zebra")) == {"one zebra", "two zebras"}
    assert {hit.text for hit in user.recall("zebra")} == {"one zebra", "two zebras"}
    session.pop()
    session.pop()
    assert found(memory, "zebra") == [hit.text for hit in user.recall("zebra")] == ["one zebra"]
    session.append(say("three zebras"))
    assert set(found(memory, "zebra")) == {"one zebra", "three zebras"}
    session.clear()
    assert found(memory, "zebra") == []
    session.append(say("four zebras"))
    assert found(memory, "zebra") == ["four zebras"]
    session.delete()
    assert found(memory, "zebra") == []
    session.append(say("five zebras"))
    assert found(memory, "zebra", session="s") == found(memory, "zebra") == ["five zebras"]


def test_other_clients_are_seen(opener: Opener, tmp_path: Path) -> None:
    """Two clients on one file: each finds at once what the other did."""
    url = f"sqlite:///{tmp_path}/shared.db"
    mine, theirs = opener(url), opener(url)
    for n in range(5):
        theirs.session(f"s{n % 2}", "ann").append(say(f"number {n} zebra"))
        assert len(found(mine, "zebra", user="ann")) == n + 1
    theirs.session("s0", "ann").delete()
    assert len(found(mine, "zebra")) == len(found(mine, "zebra", user="ann")) == 2
    theirs.user("ann").remember("A zebra is remembered")
    assert len(found(mine, "zebra", user="ann")) == 3


def test_owners(memory: Recollect) -> None:
    """A session that is taken over is its owner's from then on; no user finds another's."""
    memory.session("s").append(say("a moon"))
    assert memory.user("ann").recall("moon") == []
    memory.session("s", "ann").append(say("b"))
    assert [hit.text for hit in memory.user("ann").recall("moon")] == ["a moon"]
    assert memory.user("bob").recall("moon") == []


def test_expiry(opener: Opener) -> None:
    """To the instant, in a client that has seen it before; a sweep changes nothing."""
    clock = ManualClock()
    memory = opener(clock=clock)
    memory.session("s", "ann").append([say("short zebra", ttl=10), say("long zebra")])
    memory.session("t", "ann", ttl=20).append(say("zebra of a session"))
    assert len(found(memory, "zebra")) == len(found(memory, "zebra", user="ann")) == 3
    clock.forward(10)
    assert "short zebra" not in found(memory, "zebra")
    memory.sweep()
    assert set(found(memory, "zebra", user="ann")) == {"long zebra", "zebra of a session"}
    clock.forward(10)
    assert found(memory, "zebra") == found(memory, "zebra", user="ann") == ["long zebra"]


@pytest.fixture
def filled(memory: Recollect) -> Recollect:
    """Sixty messages of two users, in five sessions."""
    for i in range(60):
        memory.session(f"s-{i % 5}", user=f"u-{i % 5 % 2}").append(
            {
                "id": f"m-{i}",
                "role": "user" if i % 3 else "assistant",
                "content": " ".join(WORDS[(i * k) % len(WORDS)] for k in (1, 5, 7)),
                "metadata": {"even": i % 2 == 0},
                "created_at": datetime(2026, 1, 1, 0, i, tzinfo=UTC),
            }
        )
    return memory


NARROW: list[dict[str, Any]] = [
    {},
    {"user": "u-1"},
    {"session": "s-3"},
    {"user": "u-1", "session": "s-1"},
    {"role": "assistant"},
    {"where": {"even": True}},
    {"since": datetime(2026, 1, 1, 0, 20, tzinfo=UTC), "until": datetime(2026, 1, 1, 0, 40, tzinfo=UTC)},
]


@pytest.mark.parametrize("narrow", NARROW, ids=lambda narrow: "+".join(narrow) or "all")
def test_filters(filled: Recollect, narrow: dict[str, Any]) -> None:
    """Exactly what the filter leaves of those that have one of the words; its score's parts add up."""
    rows = [row for session in filled.sessions() for row in filled.session(session.id).tail(100)]
    wanted = {
        row.id
        for row in rows
        if ("부산" in row.text or "여행" in row.text)
        and narrow.get("user") in (None, row.user_id)
        and narrow.get("session") in (None, row.session_id)
        and narrow.get("role") in (None, row.role)
        and ("where" not in narrow or row.metadata == narrow["where"])
        and ("since" not in narrow or narrow["since"] <= (row.created_at or START) < narrow["until"])
    }
    hits = filled.search("부산 여행", limit=100, **narrow)
    assert {said(hit).id for hit in hits} == wanted != set()
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    for hit in hits:
        assert sum(hit.explain.values()) == pytest.approx(hit.score, abs=1e-4)


def test_pages(filled: Recollect) -> None:
    """`offset` and `limit` cut the same list."""
    whole = filled.search("refund flight 여행 piano", limit=40)
    for start in range(0, 40, 7):
        assert (
            filled.search("refund flight 여행 piano", limit=7, offset=start)[: 40 - start] == whole[start : start + 7]
        )


@pytest.mark.parametrize("query", ["refund", "여행 東京", "7734", "v1.2.3 garden", "nothing like it", "的"])
@pytest.mark.parametrize("narrow", NARROW, ids=lambda narrow: "+".join(narrow) or "all")
def test_too_large_to_be_held(
    filled: Recollect, monkeypatch: pytest.MonkeyPatch, query: str, narrow: dict[str, Any]
) -> None:
    """What does not fit in memory is looked for in the store's index: the same hits, ranked by the same rules."""
    held = filled.search(query, limit=100, **narrow)
    monkeypatch.setattr(sources, "MOST_ROWS", 5)
    indexed = filled.search(query, limit=100, **narrow)
    assert {said(hit).id for hit in indexed} == {said(hit).id for hit in held}
    for hit in indexed:
        assert sum(hit.explain.values()) == pytest.approx(hit.score, abs=1e-4)


def test_memories_of_a_large_user(filled: Recollect, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user with too many messages still finds memories and documents beside them."""
    filled.user("u-1").remember("The refund was paid.")
    monkeypatch.setattr(sources, "MOST_ROWS", 5)
    hits = filled.user("u-1").recall("refund", limit=100)
    assert {hit.memory is None for hit in hits} == {True, False}


def test_a_large_user_where_there_is_no_index(filled: Recollect, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the newest sessions are looked through, and every memory and document."""
    filled.user("u-1").remember("The refund was paid.")
    filled.user("u-1").remember_document("d", "All about the refund.")
    newest = filled.user("u-1").sessions(limit=1).items[0]
    monkeypatch.setattr(sources, "MOST_ROWS", newest.message_count + 2)
    monkeypatch.setattr(Base, "indexed", False)
    hits = filled.user("u-1").recall("refund flight garden piano", limit=100)
    assert {"The refund was paid.", "All about the refund."} < {hit.text for hit in hits}
    assert {hit.message.session_id for hit in hits if hit.message} == {newest.id}


@pytest.mark.parametrize("query", ["", " ", "\u200b", "?!", "\u202e", "."])
def test_nothing_to_look_for(filled: Recollect, query: str) -> None:
    assert filled.search(query) == []


@pytest.mark.parametrize("query", ['AND OR NOT "', "a* (b", "refund*", '"refund', "NEAR(refund)", "refund -flight"])
def test_nothing_is_syntax(filled: Recollect, query: str) -> None:
    """Signs of query languages are plain text."""
    words = [word for word in WORDS if word in query]
    assert all(any(word in hit.text for word in words) for hit in filled.search(query, limit=100))
    assert bool(filled.search(query)) == bool(words)


def test_a_very_long_query(filled: Recollect) -> None:
    """A hundred kilobytes are a query as any other."""
    assert filled.search("refund " * 15_000)
    assert filled.search(" ".join(f"w{n}" for n in range(15_000)) + " refund") is not None
    assert filled.search("\U0001f600" * 25_000) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("limit", 0),
        ("limit", 10_001),
        ("offset", -1),
        ("role", "queen"),
        ("since", datetime(2026, 1, 1)),
        ("as_of", "yesterday"),
        ("where", [1]),
        ("user", ""),
        ("session", "x" * 600),
        ("query", 3),
    ],
)
def test_bad_arguments(filled: Recollect, field: str, value: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        filled.search(**{"query": "refund", field: value})
    assert caught.value.field == field


def test_as_of_leaves_out_what_came_later(memory: Recollect) -> None:
    memory.session("s", "ann").append([say(f"zebra {n}", created_at=START + timedelta(hours=n)) for n in range(4)])
    assert set(found(memory, "zebra", as_of=START + timedelta(hours=1))) == {"zebra 0", "zebra 1"}


def test_a_question_finds_what_stands_beside_the_words(memory: Recollect) -> None:
    """The answer to a question seldom repeats it; a look-up of a word finds what has it."""
    memory.session("s", "ann").append(
        [say("Which hotel did you book?"), {"role": "assistant", "content": "The Astoria."}, say("Good.")]
    )
    assert "The Astoria." in found(memory, "which hotel was booked", user="ann")
    assert found(memory, "hotel", user="ann") == ["Which hotel did you book?"]


def test_scores_of_several_places_are_of_one_kind(memory: Recollect) -> None:
    """A user with a line or two and a namespace with many documents: a word counts the same in both."""
    docs = memory.namespace("docs")
    for n in range(40):
        docs.remember_document(f"d{n}", f"Chapter {n} tells of boats, harbours and number {n}.")
    memory.user("ann").remember("The zebra lives in the harbour.")
    docs.remember_document("zebra", "A zebra lives in the harbour.")
    mine, theirs, *_ = memory.search("Where does the zebra live?", user="ann", namespaces=[("docs",), ("docs",)])
    assert {mine.text, theirs.text} == {"The zebra lives in the harbour.", "A zebra lives in the harbour."}
    assert mine.score == pytest.approx(theirs.score, rel=0.35)


def test_a_word_that_is_gone_from_one_place_only(memory: Recollect) -> None:
    """Forgotten here and known there, it is searched for in both."""
    memory.session("s", "ann").append(say("zebra lions"))
    docs = memory.namespace("docs")
    docs.remember_document("a", "zebra facts")
    docs.remember_document("b", "lions eat")
    places = {"user": "ann", "namespaces": [("docs",)]}
    assert set(found(memory, "zebra lions", **places)) == {"zebra lions", "zebra facts", "lions eat"}
    docs.forget_document("a")
    assert set(found(memory, "zebra lions", **places)) == {"zebra lions", "lions eat"}


def test_a_search_that_fails_spoils_none_after_it(memory: Recollect, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever keeps its error does not keep the index from growing."""

    def fail(*_: Any) -> None:
        raise ZeroDivisionError("a bug")

    session = memory.session("s", "ann")
    session.append(say("one zebra"))
    with monkeypatch.context() as broken:
        broken.setattr(ranking, "_explained", fail)
        with pytest.raises(ZeroDivisionError) as kept:
            found(memory, "zebra")
    session.append(say("two zebras"))
    assert set(found(memory, "zebra")) == {"one zebra", "two zebras"}
    assert kept.value.__traceback__ is not None


def test_what_is_not_to_be_recalled(memory: Recollect, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message that says so is found by nothing, and lends its neighbours nothing."""
    memory.session("s", "ann").append(
        [say("one zebra"), say("two zebras", metadata={"recall": False}), say("nothing"), say("three zebras")]
    )
    for most in (250_000, 1):
        monkeypatch.setattr(sources, "MOST_ROWS", most)
        assert sorted(found(memory, "zebra")) == ["one zebra", "three zebras"]
        assert "two zebras" not in found(memory, "where are the two zebras now", user="ann")
    memory.session("s").append(say("four zebras"))
    assert len(found(memory, "zebra")) == 3
