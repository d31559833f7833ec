"""How fast is a search in process? 1,000, 10,000 and 100,000 messages of one user, lexical and with vectors.

python bench/recall_speed.py [MESSAGES ...]

Messages of some 14 words that are as common as words are (Zipf), in sessions of 30; questions of 3 to 8 of them. What is
measured is the index alone; what a store adds is in the benches of the stores.
"""

from __future__ import annotations

import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from itertools import accumulate

import numpy as np
from timing import show

from recollect.recall.index import Document, PartitionIndex

DIMENSIONS = 384
SESSION = 30
VOCABULARY = 30_000
GOALS = (20.0, 40.0)
"""Milliseconds at 100,000 messages, lexical and hybrid."""


def texts(count: int, low: int, high: int, seed: int) -> Iterator[str]:
    """Texts of made-up words, the nth as common as 1/n, among English stop words."""
    rng = random.Random(seed)
    stop = ["the", "i", "to", "a", "and", "it", "you", "of", "in", "is", "was", "that", "for", "my"]
    words = stop + ["".join(rng.choices("bcdfglmnprst", k=2)) + f"{i:x}" for i in range(VOCABULARY)]
    weights = list(accumulate(1 / (rank + 3) for rank in range(len(words))))
    for _ in range(count):
        yield " ".join(rng.choices(words, cum_weights=weights, k=rng.randint(low, high)))


def filled(count: int) -> tuple[PartitionIndex, float, float]:
    """An index of so many messages with vectors; microseconds for extending it by one, and for its vector."""
    index, rng = PartitionIndex(), np.random.default_rng(1)
    rows = [
        Document(i, "", text, ("Ann", "Bob")[i % 2], "user", 1.6e9 + i * 60.0)
        for i, text in enumerate(texts(count, 4, 24, 1))
    ]
    begin = time.perf_counter()
    for row in rows:
        index.extend(f"s-{row.seq // SESSION}", [row], linked=True)
    extending = time.perf_counter() - begin
    begin = time.perf_counter()
    for session in range(0, count, SESSION):
        seqs = range(session, min(session + SESSION, count))
        matrix = rng.normal(size=(len(seqs), DIMENSIONS)).astype(np.float32)
        index.attach(f"s-{session // SESSION}", seqs, matrix)
    return index, extending / count * 1e6, (time.perf_counter() - begin) / count * 1e6


def median(call: Callable[[str, np.ndarray[tuple[int], np.dtype[np.float32]]], object], rounds: int) -> float:
    """Milliseconds a search, in the middle."""
    rng = np.random.default_rng(2)
    times = []
    for query in texts(rounds, 3, 8, 2):
        vector = rng.normal(size=DIMENSIONS).astype(np.float32)
        begin = time.perf_counter()
        call(f"When did Ann {query}?", vector)
        times.append(time.perf_counter() - begin)
    return statistics.median(times) * 1e3


def main() -> None:
    """Print the table."""
    rows = []
    for count in [int(word) for word in sys.argv[1:]] or [1_000, 10_000, 100_000]:
        index, extending, attaching = filled(count)
        bytes_each = index.size_bytes / count
        lexical = median(lambda query, _: index.search(query, limit=10), 60)  # noqa: B023
        hybrid = median(lambda query, vector: index.search(query, limit=10, vector=vector), 60)  # noqa: B023
        times = [f"{ms:.1f} (goal {goal:g})" for ms, goal in zip((lexical, hybrid), GOALS, strict=True)]
        rows.append([f"{count:,}", *times, f"{extending:.1f}", f"{attaching:.1f}", f"{bytes_each:.0f}"])
    show(
        "Search in one partition",
        ["messages", "lexical, ms", "hybrid, ms", "extend, us", "attach, us", "bytes each"],
        rows,
        f"medians of 60 questions, ten best; vectors of {DIMENSIONS} dimensions; goals are for 100,000 messages",
    )


if __name__ == "__main__":
    main()
