"""Recall with an embedder: other words are found too; it is never waited for by an append, and never needed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from recollect import InvalidInput, Recollect, Unavailable
from recollect.recall.probe import TRIPLES
from tests.library.harness import Opener

MEANINGS = (("car", "automobile", "vehicle"), ("dog", "puppy", "hound"), ("rain", "drizzle", "storm"), ("piano",))


class Meanings:
    """An embedder that knows a few words: those of one meaning have one direction."""

    def __init__(self, model: str = "meanings", *, longer: int = 0) -> None:
        self.model = model
        self.languages = ("english",)
        self.seen: list[str] = []
        self.fails: Exception | None = None
        self._longer = longer

    def embed(self, texts: Sequence[str], *, query: bool = False) -> list[list[float]]:
        if self.fails is not None:
            raise self.fails
        self.seen += texts
        return [
            [*(float(any(word in text.lower() for word in words)) for words in MEANINGS), 0.01, *[0.0] * self._longer]
            for text in texts
        ]


def say(text: str, **more: Any) -> dict[str, Any]:
    return {"role": "user", "content": text, **more}


def fill(memory: Recollect) -> None:
    memory.session("s", "ann").append([say("The automobile is red."), say("My puppy sleeps."), say("It is late.")])
    memory.user("ann").remember("A hound was seen.")


def test_other_words_are_found(opener: Opener) -> None:
    """Messages and memories that share no word with the question, and the score says by what."""
    memory = opener(embedder=Meanings())
    fill(memory)
    assert memory.embeds
    hits = memory.user("ann").recall("dog")
    assert {hit.text for hit in hits[:2]} == {"My puppy sleeps.", "A hound was seen."}
    assert hits[0].explain["vector"] > 0
    assert hits[0].note is None
    assert sum(hits[0].explain.values()) == pytest.approx(hits[0].score, abs=1e-4)
    assert memory.user("ann").recall("car")[0].text == "The automobile is red."


def test_a_language_that_the_model_does_not_know(opener: Opener) -> None:
    """It has to pass in the question's language; where it fails, words alone decide and nothing is embedded."""

    class Untold(Meanings):
        def __init__(self) -> None:
            super().__init__()
            del self.languages

    embedder = Untold()
    memory = opener(embedder=embedder)
    fill(memory)
    assert [hit.text for hit in memory.user("ann").recall("puppy")] == ["My puppy sleeps."]
    assert not {"My puppy sleeps.", "puppy"} & set(embedder.seen)
    tried = len(embedder.seen)
    memory.user("ann").recall("automobile")
    assert len(embedder.seen) == tried
    memory.user("ann").recall("강아지")
    assert len(embedder.seen) == 2 * tried

    class Knows(Untold):
        """Gives a paraphrase the vector of its original."""

        def embed(self, texts: Sequence[str], *, query: bool = False) -> list[list[float]]:
            place = {text: n // 3 if n % 3 < 2 else 99 for n, text in enumerate(sum(TRIPLES["english"], ()))}
            if all(text in place for text in texts):
                return [[float(place[text] == n) for n in range(6)] for text in texts]
            return super().embed(texts, query=query)

    memory = opener("memory://", embedder=Knows())
    fill(memory)
    assert {hit.text for hit in memory.user("ann").recall("dog")[:2]} == {"My puppy sleeps.", "A hound was seen."}


def test_each_row_is_embedded_once(opener: Opener, tmp_path: Path) -> None:
    """An append embeds nothing; the first recall everything; the next, also of another client, only what is new."""
    url = f"sqlite:///{tmp_path}/a.db"
    embedder = Meanings()
    memory = opener(url, embedder=embedder)
    fill(memory)
    assert embedder.seen == []
    memory.user("ann").recall("dog")
    assert len(embedder.seen) == 5
    memory.user("ann").recall("dog")
    assert len(embedder.seen) == 5
    memory.session("s", "ann").append(say("A storm comes."))
    assert memory.user("ann").recall("rain")[0].text == "A storm comes."
    assert embedder.seen[5:] == ["A storm comes.", "rain"]
    later = Meanings()
    other = opener(url, embedder=later)
    assert other.user("ann").recall("rain")[0].text == "A storm comes."
    assert later.seen == ["rain"]


def test_an_embedder_that_is_away(opener: Opener) -> None:
    """Words still find, the hits say so, and the vectors are made when it is back."""
    embedder = Meanings()
    memory = opener(embedder=embedder)
    fill(memory)
    embedder.fails = Unavailable("no connection")
    (hit,) = memory.user("ann").recall("puppy")
    assert hit.text == "My puppy sleeps."
    assert "no connection" in str(hit.note)
    assert "note" in hit.to_dict()
    embedder.fails = ZeroDivisionError()
    assert "embedder was away" in str(memory.user("ann").recall("puppy")[0].note)
    embedder.fails = None
    hits = memory.user("ann").recall("dog")
    assert {hit.text for hit in hits} >= {"My puppy sleeps.", "A hound was seen."}
    assert hits[0].note is None


@pytest.mark.parametrize("wrong", [[], [[]], [[1.0], [2.0, 3.0]], [[float("nan")]], ["x"], None, [[1.0]] * 50])
def test_an_embedder_that_gives_nonsense(opener: Opener, wrong: Any) -> None:
    class Wrong(Meanings):
        def embed(self, texts: Sequence[str], *, query: bool = False) -> Any:
            return wrong

    memory = opener(embedder=Wrong())
    fill(memory)
    (hit,) = memory.user("ann").recall("puppy")
    assert (hit.text, bool(hit.note)) == ("My puppy sleeps.", True)


def test_another_model_is_never_mixed(opener: Opener, tmp_path: Path) -> None:
    """Vectors of another model are not compared: those rows are embedded anew, and kept in their place."""
    url = f"sqlite:///{tmp_path}/a.db"
    first = opener(url, embedder=Meanings("one"))
    fill(first)
    first.user("ann").recall("dog")
    second = Meanings("two", longer=3)
    memory = opener(url, embedder=second)
    assert {hit.text for hit in memory.user("ann").recall("dog")[:2]} == {"My puppy sleeps.", "A hound was seen."}
    assert len(second.seen) == 5


def test_a_model_that_changed_its_length(opener: Opener, tmp_path: Path) -> None:
    """The same name with another number of dimensions: it is said, and nothing is compared."""
    url = f"sqlite:///{tmp_path}/a.db"
    first = opener(url, embedder=Meanings())
    fill(first)
    first.user("ann").recall("dog")
    memory = opener(url, embedder=Meanings(longer=2))
    hits = memory.user("ann").recall("puppy")
    assert hits[0].text == "My puppy sleeps."
    assert "reindex" in str(hits[0].note)


def test_vectors_go_with_what_they_were_made_of(opener: Opener, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a.db"
    memory = opener(url, embedder=Meanings())
    fill(memory)
    memory.user("ann").recall("dog")
    memory.user("ann").forget()
    fill(memory)
    seen = Meanings()
    assert opener(url, embedder=seen).user("ann").recall("dog")
    assert len(seen.seen) == 5


def test_reindex_makes_what_is_missing(opener: Opener) -> None:
    """Of every user and namespace; what is there already is left."""
    embedder = Meanings()
    memory = opener(embedder=embedder)
    fill(memory)
    memory.session("t", "bob").append(say("A car."))
    memory.namespace("docs").remember_document("d", "About a vehicle.")
    told: list[tuple[str, int]] = []
    done = memory.reindex(lambda what, count: told.append((what, count)))
    assert done.vectors == 6
    assert told[-1] == ("vectors", 6)
    assert memory.reindex().vectors == 0
    seen = len(embedder.seen)
    assert memory.namespace("docs").recall("car")[0].text == "About a vehicle."
    assert embedder.seen[seen:] == ["car"]
    embedder.fails = Unavailable("away")
    memory.session("t", "bob").append(say("More."))
    with pytest.raises(Unavailable, match="away"):
        memory.reindex()


def test_what_is_no_embedder(opener: Opener) -> None:
    with pytest.raises(InvalidInput, match="embed"):
        opener(embedder=lambda texts: texts)  # type: ignore[arg-type]
