"""Recall through the public API: one user's 100,000 messages, and 1,000 users with a thousand each.

    python bench/recall.py [--messages 100000] [--users 1000] [--url sqlite:///...]

Prints the median of a search when the user was searched before, the first search of a process, and how an append fares
with and without terms for the index.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from recollect import Recollect

QUESTIONS = 60
DIMENSIONS = 384

Clock = Callable[[], float]


class Noise:
    """An embedder that gives a fixed random direction to each text: what it costs, not what it finds."""

    model = "noise-384"
    languages = ("english",)

    def embed(self, texts: Sequence[str], *, query: bool = False) -> Any:
        """One vector a text."""
        return np.stack([np.random.default_rng(abs(hash(text))).standard_normal(DIMENSIONS) for text in texts])


def words(dice: random.Random, vocabulary: Sequence[str], weights: Sequence[float], count: int) -> str:
    """A line of words, frequent ones more often, as in any language (Zipf)."""
    return " ".join(dice.choices(vocabulary, cum_weights=weights, k=count))


def lines(dice: random.Random, user: str, count: int, sessions: int) -> Any:
    """Messages to import."""
    vocabulary = [
        f"{a}{b}{c}"
        for a in "bdfgklmnprst"
        for b in "aeiou"
        for c in ("ran", "lok", "mit", "sel", "dor", "vin", "tas", "per")
    ]
    vocabulary = [f"{x}{y}" for x in vocabulary for y in ("", "a", "ing", "eri", "olt", "um", "ab", "ik", "on", "et")]
    dice.shuffle(vocabulary)
    total, weights = 0.0, []
    for rank in range(1, len(vocabulary) + 1):
        total += 1 / rank
        weights.append(total)
    for n in range(count):
        yield {
            "session": f"{user}/{n * sessions // count}",
            "user": user,
            "role": ("user", "assistant")[n % 2],
            "content": words(dice, vocabulary, weights, dice.randint(4, 30)),
        }


def timed(memory: Recollect, user: str, questions: Sequence[str], clock: Clock) -> tuple[float, float]:
    """Milliseconds of the first search, and the median of the others."""
    taken = []
    for question in questions:
        begin = clock()
        memory.user(user).recall(question, limit=10)
        taken.append(1000 * (clock() - begin))
    return taken[0], statistics.median(taken[1:])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--users", type=int, default=1000)
    parser.add_argument("--url")
    parser.add_argument("--cpu", action="store_true", help="count this process's own time: for a busy machine")
    told = parser.parse_args()
    clock = time.process_time if told.cpu else time.perf_counter
    dice = random.Random(7)
    asked = [row["content"] for row in lines(random.Random(9), "x", QUESTIONS, 1)]
    asked = [" ".join(text.split()[:6]) for text in asked]
    with tempfile.TemporaryDirectory() as place:
        url = told.url or f"sqlite:///{Path(place) / 'recall.db'}?synchronous=normal"
        with Recollect(url) as memory:
            memory.import_lines(lines(dice, "one", told.messages, 200))
            first, median = timed(memory, "one", asked, clock)
            print(
                f"{told.messages:>9,} messages of one user    first {first:8.1f} ms   then {median:6.1f} ms  (goal 20)"
            )
        with Recollect(url, embedder=Noise()) as memory:
            memory.reindex()
            first, median = timed(memory, "one", asked, clock)
            print(
                f"{told.messages:>9,} with 384 dimensions     first {first:8.1f} ms   then {median:6.1f} ms  (goal 40)"
            )
        with Recollect(url) as memory:
            memory.import_lines(lines(dice, "alone", 1000, 10))
            alone = timed(memory, "alone", asked, clock)
            for n in range(told.users):
                memory.import_lines(lines(dice, f"u{n}", 1000, 10))
            many = [timed(memory, f"u{n}", asked[:7], clock) for n in range(0, told.users, max(1, told.users // 20))]
            first, median = (statistics.median(column) for column in zip(*many, strict=True))
            print(f"     1,000 messages of one user    first {alone[0]:8.1f} ms   then {alone[1]:6.1f} ms")
            print(
                f"{told.users * 1000:>9,} messages of {told.users:,} users   first {first:8.1f} ms   then {median:6.1f} ms"
                f"  ({median / alone[1]:.2f}x, goal 1.5x)"
            )


if __name__ == "__main__":
    main()
