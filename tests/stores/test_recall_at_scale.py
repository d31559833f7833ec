"""Recall over what is too large to be held: candidates by words and by vectors, wherever the store keeps both."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from recollect import AsyncRecollect, Hit, Recollect, Store
from recollect.core import coverage, recall, signs, sources
from recollect.core.views import Views
from tests.library.test_vectors import MEANINGS, Meanings, say
from tests.services import dynamodb
from tests.services.fresh import REDISEARCH, fresh

KINDS = ("sqlite", "postgres", REDISEARCH)
"""The first compares the vectors in process, the others have an index of them."""

SESSIONS, LENGTH = 14, 25


@pytest.fixture(params=KINDS)
def memory(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Recollect]:
    """Many messages of Ann, some of Bob; a view holds a hundred."""
    with fresh(request.param, tmp_path) as store, Recollect(store, embedder=Meanings()) as memory:
        fill(memory)
        monkeypatch.setattr(sources, "MOST_ROWS", 100)
        yield memory


def fill(memory: Recollect) -> None:
    told = {40: "My puppy sleeps.", 41: "On the old sofa.", 170: "The automobile is red.", 333: "Drizzle all day."}
    for number in range(SESSIONS):
        lines = [
            told.get(n, f"Line {n} tells of topic {n % 7}.") for n in range(number * LENGTH, (number + 1) * LENGTH)
        ]
        memory.session(f"s-{number}", "ann").append([say(line) for line in lines])
    memory.session("bob", "bob").append([say("The hound is mine."), say("A vehicle too.")])


def embedder(memory: Recollect) -> Meanings:
    found = memory._twin._base.embedder
    assert isinstance(found, Meanings)
    return found


def asked(memory: Recollect, query: str = "where does the hound sleep", **narrow: Any) -> list[Hit]:
    return memory.user("ann").recall(query, limit=5, **narrow)


def test_by_words_until_there_are_vectors(memory: Recollect) -> None:
    """A recall lets the embedder see nothing of so many: it says what makes them, and after that they are used."""
    hits = asked(memory, "what is line 7 of topic 0")
    assert hits[0].text == "Line 7 tells of topic 0."
    assert all("recollect reindex" in str(hit.note) and "vector" not in hit.explain for hit in hits)
    assert embedder(memory).seen == []
    assert memory.reindex().vectors == SESSIONS * LENGTH + 2
    hits = asked(memory)
    assert [hit.note for hit in hits] == [None] * 5
    assert hits[0].text == "My puppy sleeps."
    assert hits[0].explain["vector"] > 0
    assert "On the old sofa." in [hit.text for hit in hits]
    assert sum(hits[0].explain.values()) == pytest.approx(hits[0].score, abs=1e-4)
    assert asked(memory, "vehicle")[0].text == "The automobile is red."


def test_as_if_it_were_held(memory: Recollect, monkeypatch: pytest.MonkeyPatch) -> None:
    """The best are those that a view of everything finds, by words, by vectors and by both."""
    memory.reindex()
    questions = ("puppy", "where does the hound sleep", "which topic has line 12", "did a storm come")
    indexed = {question: asked(memory, question) for question in questions}
    monkeypatch.setattr(sources, "MOST_ROWS", 250_000)
    memory._twin._base.views._views.clear()
    for question, hits in indexed.items():
        held = asked(memory, question)
        assert hits[0].text == held[0].text, question
        assert hits[0].score == pytest.approx(held[0].score, rel=0.1)
        assert len({hit.text for hit in hits} & {hit.text for hit in held}) >= min(len(held), 3), question


def test_what_was_said_since(memory: Recollect) -> None:
    """The embedder sees it at the next recall, and nothing twice; another client's too, and after a restart."""
    memory.reindex()
    asked(memory, "piano")
    before = len(embedder(memory).seen)
    memory.session("s-3").append([say("A kitten."), say("We saw a storm.", metadata={"recall": False}), say(" ")])
    memory.session("new", "ann").append(say("The piano is out of tune."))
    hits = asked(memory, "piano")
    assert [hit.text for hit in hits][:1] == ["The piano is out of tune."]
    assert sorted(embedder(memory).seen[before:]) == ["A kitten.", "The piano is out of tune."]
    asked(memory, "piano")
    assert len(embedder(memory).seen) == before + 2
    memory._twin._base.views._views.clear()
    asked(memory, "piano")
    assert len(embedder(memory).seen) == before + 2


def test_more_than_a_recall_makes(memory: Recollect, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of very much that came since, a recall makes no vectors: words answer until they are made."""
    memory.reindex()
    monkeypatch.setattr(coverage, "MOST", 20)
    memory.session("import", "ann").append([say(f"The vehicle has wheel {n}.") for n in range(30)])
    hits = asked(memory, "which vehicle has wheel 7")
    assert hits[0].text == "The vehicle has wheel 7."
    assert "recollect reindex" in str(hits[0].note)
    memory.reindex()
    assert asked(memory, "which automobile has wheel 7")[0].note is None


def test_narrowed(memory: Recollect) -> None:
    """Owner, session, role and metadata hold for what vectors find too."""
    memory.reindex()
    assert "The hound is mine." not in [hit.text for hit in asked(memory, "hound")]
    assert [hit.text for hit in asked(memory, "hound", session="s-1")][:1] == ["My puppy sleeps."]
    assert {hit.message and hit.message.session_id for hit in asked(memory, "hound", session="s-6")} <= {"s-6"}
    assert asked(memory, "hound", role="assistant") == []
    assert asked(memory, "hound", where={"mood": "good"}) == []
    everyone = memory.search("dog", limit=2)
    assert {hit.text for hit in everyone} == {"My puppy sleeps.", "The hound is mine."}


def test_gone(memory: Recollect) -> None:
    """What was deleted is not found by its vector either."""
    memory.reindex()
    memory.session("s-1").delete()
    assert "My puppy sleeps." not in [hit.text for hit in asked(memory)]


def test_an_embedder_that_is_away(memory: Recollect) -> None:
    """Words still find, the hit says so; what it has not seen it sees later."""
    memory.reindex()
    memory.session("new", "ann").append(say("The vehicle is for sale."))
    embedder(memory).fails = RuntimeError("no connection")
    hits = asked(memory, "vehicle")
    assert [hit.text for hit in hits] == ["The vehicle is for sale."]
    assert "no connection" in str(hits[0].note)
    embedder(memory).fails = None
    assert {hit.text for hit in asked(memory, "car")[:2]} == {"The automobile is red.", "The vehicle is for sale."}


def test_another_model(memory: Recollect) -> None:
    """Vectors of one model are never compared with another's question."""
    memory.reindex()
    memory._twin._base.embedder = Meanings("other", longer=3)
    memory._twin._base.views.forget_coverage()
    hits = asked(memory, "what is line 7 of topic 0")
    assert "not all messages have vectors of other" in str(hits[0].note)
    memory.reindex()
    assert asked(memory)[0].text == "My puppy sleeps."


def test_few_that_pass(memory: Recollect, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a filter leaves little of the nearest, more are looked at."""
    monkeypatch.setattr(signs, "FIRST_STAGE", 4)
    memory.session("late", "ann").append({"role": "assistant", "content": "A hound barks."})
    memory.session("s-2").append([say(f"The dog saw cat {n}.") for n in range(40)])
    memory.reindex()
    hits = asked(memory, "puppy", role="assistant")
    assert [hit.text for hit in hits] == ["A hound barks."]


def test_two_clients(memory: Recollect) -> None:
    """What another client says, and what it lets its embedder see, is found; a session that begins anew too."""
    memory.reindex()
    asked(memory)
    base = memory._twin._base
    mine = base.views, base.embedder
    base.views, base.embedder = Views(base.driver.mutex), Meanings()  # another client is no more than this
    memory.session("theirs", "ann").append(say("The piano was tuned."))
    assert asked(memory, "piano")[0].text == "The piano was tuned."
    base.views, base.embedder = mine
    assert asked(memory, "piano")[0].text == "The piano was tuned."
    assert "The piano was tuned." not in embedder(memory).seen
    for text in ("A vehicle at last.", "The dog is old."):
        memory.session("theirs").delete()
        memory.session("theirs", "ann").append(say(text))
        assert text in {hit.text for hit in asked(memory, "dog" if "dog" in text else "car")}
    assert "A vehicle at last." not in {hit.text for hit in asked(memory, "car")}


def test_while_the_vectors_are_read(memory: Recollect) -> None:
    """One recall reads them; whoever asks meanwhile gets an answer by words, that says so."""
    memory.reindex()
    asked(memory)
    views = memory._twin._base.views._views.values()
    (known,) = [view.coverage for view in views if view.coverage is not None]
    known.is_read = True
    assert "are being read" in str(asked(memory, "what is line 7 of topic 0")[0].note)
    known.is_read = False
    assert asked(memory)[0].note is None


def test_many_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks that ask while the vectors are read are told so, or find by both; nothing is found twice."""
    monkeypatch.setattr(sources, "MOST_ROWS", 100)

    async def ask(memory: AsyncRecollect) -> list[list[Hit]]:
        user = memory.user("ann")
        return await asyncio.gather(*(user.recall("where does the hound sleep", limit=5) for _ in range(6)))

    async def main(store: Store) -> None:
        async with AsyncRecollect(store, embedder=Meanings()) as memory:
            for answers in (await ask(memory), await ask(memory)):
                for hits in answers:
                    assert len({hit.item.id for hit in hits}) == len(hits)
            assert all(hits[0].text == "My puppy sleeps." and hits[0].note is None for hits in answers)

    with fresh("sqlite", tmp_path) as store, Recollect(store, embedder=Meanings()) as memory:
        fill(memory)
        memory.reindex()
    with fresh("sqlite", tmp_path) as store:
        asyncio.run(main(store))


def test_behind_what_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DynamoDB with an index of vectors: the newest sessions are held, and the nearest of the others are found."""
    with make_store_of(tmp_path) as store, Recollect(store, embedder=Meanings()) as memory:
        fill(memory)
        memory.user("ann").remember("Ann has a hound.")
        memory.reindex()
        monkeypatch.setattr(sources, "MOST_ROWS", 100)
        hits = asked(memory, "where does line 340 go with the dog")
        assert {hit.text for hit in hits[:2]} == {"Line 340 tells of topic 4.", "My puppy sleeps."}
        assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
        for hit in hits:
            assert sum(hit.explain.values()) == pytest.approx(hit.score, abs=1e-4)
        assert {hit.text for hit in asked(memory, "dog")[:2]} == {"My puppy sleeps.", "Ann has a hound."}
        assert "My puppy sleeps." in {hit.text for hit in asked(memory, "dog", session="s-1")}
        assert asked(memory, "dog", role="assistant") == []
        memory.session("s-1").delete()
        assert "My puppy sleeps." not in {hit.text for hit in asked(memory, "dog")}
        assert asked(memory, "dog")[0].text == "Ann has a hound."


@contextmanager
def make_store_of(place: Path) -> Iterator[Store]:
    """DynamoDB with an index for the vectors of `Meanings`."""
    yield dynamodb.make_store(place, vector_dimensions=len(MEANINGS) + 1)
    dynamodb.remove_tables(place)


def test_a_question_about_what_was_never_said(memory: Recollect, monkeypatch: pytest.MonkeyPatch) -> None:
    """All share stop words with it: no more of them are looked through than of any question. What it is about is found
    behind them."""
    limits: list[int] = []
    searched = type(memory.store).search

    async def counted(self: Store, *args: Any, **named: Any) -> Any:
        limits.append(named["limit"])
        return await searched(self, *args, **named)

    monkeypatch.setattr(type(memory.store), "search", counted)
    monkeypatch.setattr(recall, "CANDIDATES", 5)
    monkeypatch.setattr(recall, "FIRST_REACH", 1)
    memory.session("s-5").append([say(f"All of this is of the {n}.") for n in range(40)])
    assert asked(memory, "is all of this of the xylophone") == []
    assert len(limits) <= 2
    memory.session("s-2").append(
        say("The xylophone is old, as is all that I have, and it stands in the attic of my aunt.")
    )
    hits = asked(memory, "is all of this of the xylophone")
    assert "xylophone" in hits[0].text
