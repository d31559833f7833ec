"""The index of a partition: what it holds is what was put in and not taken out, however it came to be."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recollect.recall import columns
from recollect.recall.index import Document, PartitionIndex, Ranked, Statistics

DAY = 86_400.0


def message(seq: int, text: str, *, name: str | None = None, role: str = "user", at: float = 0.0) -> Document:
    return Document(seq, f"m-{seq}", text, name, role, at or 1_700_000_000.0 + seq)


def index(*texts: str, log: str = "s", linked: bool = True) -> PartitionIndex:
    made = PartitionIndex()
    made.extend(log, [message(i, text) for i, text in enumerate(texts, 1)], linked=linked)
    return made


def seqs(found: list[Ranked]) -> list[int]:
    return [hit.seq for hit in found]


def test_empty() -> None:
    """An index of nothing finds nothing."""
    made = PartitionIndex()
    assert made.search("anything", limit=5) == []
    assert len(made) == 0
    made.remove("s")
    made.close("s", 1, 0.0)
    assert not made.has("s", 1)


def test_again_is_no_second() -> None:
    """A document that is there stays as it is."""
    made = index("the red kite")
    made.extend("s", [message(1, "something else")], linked=True)
    assert len(made) == 1
    assert seqs(made.search("kite", limit=5)) == [1]


def test_removed_is_gone() -> None:
    """What was removed is not found and counts for nothing; the whole log goes when no seqs are given."""
    made = index("a red kite", "a blue kite", "a green boat", linked=False)
    made.remove("s", [1, 99])
    assert seqs(made.search("kite", limit=5)) == [2]
    made.remove("s")
    assert len(made) == 0
    assert made.search("kite boat", limit=5) == []
    made.extend("s", [message(4, "a kite again")], linked=False)
    assert seqs(made.search("kite", limit=5)) == [4]


def test_filters() -> None:
    """Logs, role, since and until leave exactly what they say."""
    made = PartitionIndex()
    made.extend("a", [message(1, "kite one", at=10.0), message(2, "kite two", role="assistant", at=20.0)], linked=True)
    made.extend("b", [message(1, "kite three", at=30.0)], linked=True)

    def found(**how: Any) -> set[tuple[str, int]]:
        return {(hit.log, hit.seq) for hit in made.search("kite", limit=9, **how)}

    assert found() == {("a", 1), ("a", 2), ("b", 1)}
    assert found(logs=["a"]) == {("a", 1), ("a", 2)}
    assert found(logs=[]) == found(logs=["c"]) == found(role="tool") == set()
    assert found(role="assistant") == {("a", 2)}
    assert found(since=20.0) == {("a", 2), ("b", 1)}
    assert found(until=20.0) == {("a", 1)}
    assert found(since=20.0, until=20.0) == set()


def test_time_of_validity() -> None:
    """What is closed is not found any more, except as of when it held; what has expired is not found."""
    made = PartitionIndex()
    made.extend(
        "m",
        [
            Document(1, "", "lives in Rome", None, "user", 10.0),
            Document(2, "", "lives in Oslo", None, "user", 20.0, expires=40.0),
        ],
        linked=False,
    )
    made.close("m", 1, 20.0)
    assert seqs(made.search("lives", limit=5)) == [2]
    assert seqs(made.search("lives", limit=5, now=30.0)) == [2]
    assert seqs(made.search("lives", limit=5, now=40.0)) == []
    assert seqs(made.search("lives", limit=5, now=30.0, as_of=15.0)) == [1]
    assert seqs(made.search("lives", limit=5, now=30.0, as_of=20.0)) == [2]
    assert seqs(made.search("lives", limit=5, now=30.0, as_of=5.0)) == []
    assert seqs(made.search("lives", limit=5, now=15.0)) == [2, 1]


def test_vectors() -> None:
    """A near vector is found without a shared word; a second one replaces the first; one of no document is dropped."""
    made = index("a kite", "a boat", "a train", linked=False)
    made.attach("s", [1, 2, 3, 9], np.eye(4, dtype=np.float32))
    assert seqs(made.search("ship", limit=1, vector=np.array([0.0, 2.0, 0.0, 0.0]))) == [2]
    made.attach("s", [3], np.array([[0.0, 1.0, 0.0, 0.0]]))
    made.remove("s", [2])
    assert seqs(made.search("ship", limit=1, vector=np.array([0.0, 2.0, 0.0, 0.0]))) == [3]
    assert len(made.vectors) == 2


def test_one_vector_alone() -> None:
    """The only document there is can be near, too."""
    made = index("about a vehicle", linked=False)
    made.attach("s", [1], np.array([[1.0, 0.2]]))
    assert seqs(made.search("car", limit=3, vector=np.array([1.0, 0.0]))) == [1]
    assert seqs(made.search("car", limit=3, vector=np.array([-1.0, 0.0]))) == []


@pytest.mark.parametrize(
    "matrix",
    [np.ones((1, 5)), np.ones((2, 4)), np.ones(4), np.array([[1.0, math.nan, 0.0, 0.0]]), np.full((1, 4), math.inf)],
)
def test_wrong_vectors(matrix: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> None:
    """A wrong dimension, number or value of a vector is an error that says so, and changes nothing."""
    made = index("a kite", linked=False)
    made.attach("s", [1], np.ones((1, 4)))
    with pytest.raises(ValueError, match="vector"):
        made.attach("s", [1], matrix)
    with pytest.raises(ValueError, match="vector"):
        made.search("kite", limit=1, vector=np.ones(5))
    with pytest.raises(ValueError, match="finite"):
        made.search("kite", limit=1, vector=np.full(4, math.nan))
    assert made.vectors.dimension == 4
    assert seqs(made.search("kite", limit=1, vector=np.ones(4))) == [1]


def test_zero_vector() -> None:
    """A vector of zeros is near to nothing and breaks nothing."""
    made = index("a kite", "a boat", linked=False)
    made.attach("s", [1, 2], np.zeros((2, 3)))
    assert seqs(made.search("boat", limit=5, vector=np.zeros(3))) == [2]


def test_first_stage_keeps_the_nearest() -> None:
    """Where the bits choose first, the nearest vectors are still found."""
    rng = np.random.default_rng(7)
    matrix = rng.normal(size=(6000, 96)).astype(np.float32)
    made = index(*[f"w{i}" for i in range(6000)], linked=False)
    made.attach("s", range(1, 6001), matrix)
    for i in (3, 777, 5999):
        near = matrix[i] + rng.normal(scale=0.4, size=96)
        assert seqs(made.search("nothing", limit=1, vector=near)) == [i + 1]


def test_compaction(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slots of removed documents are given back, and nothing else changes."""
    monkeypatch.setattr(columns, "COMPACT_FROM", 8)
    made = index(*[f"kite number{i}" for i in range(40)], linked=False)
    made.attach("s", range(1, 41), np.eye(40))
    before = made.size_bytes
    made.remove("s", range(1, 38))
    assert len(made.log) < 40
    assert made.size_bytes < before
    assert seqs(made.search("number38", limit=1)) == [39]
    assert seqs(made.search("x", limit=1, vector=np.eye(40)[39])) == [40]


def test_statistics_of_a_larger_store() -> None:
    """With the counts of the store, a part of it is ranked as the whole would be."""
    made = index("the kite", "the boat", linked=False)
    rare = Statistics(1_000_000, {"kite": 2, "boat": 500_000})
    assert seqs(made.search("kite boat", limit=2, statistics=rare)) == [1, 2]
    rare = Statistics(1_000_000, {"kite": 500_000, "boat": 2})
    assert seqs(made.search("kite boat", limit=2, statistics=rare)) == [2, 1]


def test_mean_of_a_larger_store() -> None:
    """Candidates are all near; against the mean of the store the second nearest counts for what it is."""
    made = index("the kite", "the boat", "the hut", linked=False)
    turned = np.array([[math.cos(angle), math.sin(angle)] for angle in (0.0, 0.3, 0.9)], np.float32)
    made.attach("s", [1, 2, 3], turned)

    def parts(mean: Any) -> list[float]:
        counts = Statistics(1_000_000, {}, mean)
        found = made.search("cloud", limit=3, vector=np.array([1.0, 0.0]), statistics=counts)
        return [hit.explain.get("vector", 0.0) for hit in found]

    alone, among_all = parts(None), parts(np.zeros(2, np.float32))
    assert alone[2] < 0.1
    assert among_all == pytest.approx([0.5 * math.cos(angle) for angle in (0.0, 0.3, 0.9)], abs=0.01)
    assert alone[1] < among_all[1]


def test_a_vector_given_twice() -> None:
    """Of two for one document the last counts, in one call as in two."""
    made = index("the kite", "the boat", linked=False)
    made.attach("s", [1, 2, 1, 9], np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0], [1.0, 1.0]]))
    again = index("the kite", "the boat", linked=False)
    for seq, vector in ((1, [1.0, 0.0]), (2, [0.5, 0.5]), (1, [0.0, 1.0])):
        again.attach("s", [seq], np.array([vector]))
    for ask in ([1.0, 0.0], [0.0, 1.0]):
        assert made.search("cloud", limit=2, vector=np.array(ask)) == again.search(
            "cloud", limit=2, vector=np.array(ask)
        )


WORDS = st.lists(
    st.sampled_from(
        ["the", "red", "blue", "kite", "boat", "train?", "yesterday", "Ann", "plays", "music", "음악", "좋아", "公园"]
    ),
    max_size=8,
).map(" ".join)
ROWS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "memories"]),
        WORDS,
        st.sampled_from([None, "Ann", "Bob"]),
        st.sampled_from([5.0, 60.0, 5 * 3600.0, -50.0]),
    ),
    max_size=30,
)


@settings(max_examples=60, deadline=None)
@given(ROWS, st.sets(st.integers(0, 29)), WORDS, st.data())
def test_incremental_equals_rebuilt(
    rows: list[tuple[str, str, str | None, float]], gone: set[int], query: str, data: st.DataObject
) -> None:
    """However documents came and went, the index is the one that would be made of what is left."""
    made, left = PartitionIndex(), PartitionIndex()
    at, numbered = 1_700_000_000.0, []
    for i, (log, text, name, pause) in enumerate(rows):
        at += pause
        numbered.append((log, Document(i, "", text, name, "user", at)))
        made.extend(log, [numbered[-1][1]], linked=log != "memories")
        if data.draw(st.booleans()):
            made.search(query, limit=3)
    for i in gone:
        if i < len(rows):
            made.remove(rows[i][0], [i])
    for log in ("a", "b", "memories"):
        left.extend(log, [d for (on, d) in numbered if on == log and d.seq not in gone], linked=log != "memories")
    assert len(made) == len(left)
    assert made.search(query, limit=50) == left.search(query, limit=50)


@settings(max_examples=60, deadline=None)
@given(ROWS, WORDS, st.integers(1, 40))
def test_scores_add_up(rows: list[tuple[str, str, str | None, float]], query: str, limit: int) -> None:
    """The parts of a score are its sum; the best come first; a smaller limit is the beginning of a larger one."""
    made = PartitionIndex()
    for i, (log, text, name, _) in enumerate(rows):
        made.extend(log, [Document(i, "", text, name, "user", 1000.0 + i)], linked=log != "memories")
    rng = np.random.default_rng(1)
    for log in ("a", "b"):
        numbers = [i for i, row in enumerate(rows) if row[0] == log]
        made.attach(log, numbers, rng.normal(size=(len(numbers), 8)))
    found = made.search(f"when {query} Ann in May 2001", limit=limit, vector=rng.normal(size=8))
    assert all(math.isclose(hit.score, math.fsum(hit.explain.values()), abs_tol=1e-9) for hit in found)
    assert all(a.score >= b.score - 1e-5 for a, b in pairwise(found))
    assert len(found) == len({(hit.log, hit.seq) for hit in found}) <= limit


HOSTILE = [
    "",
    " \n\t",
    "?!",
    "x" * 100_000,
    "kite " * 20_000,
    "aB " + "a" * 200_000 + ".x 1,1",
    "1,234" * 30_000 + " a.b-c" * 20_000 + "B",
    "é " + "a" * 200_000 + " aB.c" + "\u0301" * 1000,
    "on May 1, 2020 two weeks ago last " * 3000,
    'kite AND "boat" OR NOT (red* NEAR/2 blue) :-^~',
    "'; DROP TABLE messages; --",
    "\u202ekite\u202c \u200b\u200d\ufeff",
    "שלום kite عربي",
    "👍🏽👨‍👩‍👧🇰🇷",
    "\ud800",
    "\x00kite\x00",
    "日本語だけの質問",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_queries_and_texts(text: str) -> None:
    """Any text is a query and any text is a document."""
    made = index("a red kite", text, "a blue boat")
    assert len(made.search(text, limit=3)) <= 3
    assert "\ud800" in text or made.bare(text) is not None
    assert seqs(made.search("boat", limit=1)) == [3]


def test_equal_scores() -> None:
    """Of documents that score the same the newest comes first, then by log and number."""
    made = PartitionIndex()
    made.extend("b", [message(1, "kite", at=5.0), message(2, "kite", at=9.0)], linked=False)
    made.extend("a", [message(7, "kite", at=5.0), message(8, "kite", at=5.0)], linked=False)
    assert [(hit.log, hit.seq) for hit in made.search("kite", limit=9)] == [("b", 2), ("a", 7), ("a", 8), ("b", 1)]
    assert [(hit.log, hit.seq) for hit in made.search("kite", limit=2)] == [("b", 2), ("a", 7)]


def test_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """More documents than an index can number are refused, not mixed up."""
    monkeypatch.setattr(columns, "MAX_DOCUMENTS", 2)
    made = index("one", "two")
    with pytest.raises(OverflowError, match="2 documents"):
        made.extend("s", [message(3, "three")], linked=True)
    assert made.search("two", limit=0) == []
