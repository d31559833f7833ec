"""Recall through the public API: one user's 100,000 messages, and 1,000 users with a thousand each.

    python bench/recall.py [--messages 100000] [--users 1000] [--held 10000] [--url sqlite:///...]

Prints the median of a search when the user was searched before, and the first search of a process; and of one log that
another process adds to meanwhile; and what an append costs with terms for the index and without any, on SQLite.
"""

from __future__ import annotations

import argparse
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from recollect import Recollect
from recollect.core import sources

QUESTIONS = 60
DIMENSIONS = 384
WRITTEN = 50
APPENDED = 10_000

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


def one_user(url: str, messages: int, dice: random.Random, asked: Sequence[str], clock: Clock) -> None:
    """One user's many messages, by words and with vectors."""
    with Recollect(url) as memory:
        memory.import_lines(lines(dice, "one", messages, 200))
        first, median = timed(memory, "one", asked, clock)
        print(
            f"{messages:>9,} messages of one user    first {first:8.1f} ms   then {median:6.1f} ms  (goal 20 for 100,000)"
        )
    with Recollect(url, embedder=Noise()) as memory:
        memory.reindex()
        first, median = timed(memory, "one", asked, clock)
        print(
            f"{messages:>9,} with 384 dimensions     first {first:8.1f} ms   then {median:6.1f} ms  (goal 40 for 100,000)"
        )


def many_users(url: str, users: int, dice: random.Random, asked: Sequence[str], clock: Clock) -> None:
    """A thousand messages of one user, then of many."""
    with Recollect(url) as memory:
        memory.import_lines(lines(dice, "alone", 1000, 10))
        alone = timed(memory, "alone", asked, clock)
        for n in range(users):
            memory.import_lines(lines(dice, f"u{n}", 1000, 10))
        many = [timed(memory, f"u{n}", asked[:7], clock) for n in range(0, users, max(1, users // 20))]
        first, median = (statistics.median(column) for column in zip(*many, strict=True))
        print(f"     1,000 messages of one user    first {alone[0]:8.1f} ms   then {alone[1]:6.1f} ms")
        print(
            f"{users * 1000:>9,} messages of {users:,} users   first {first:8.1f} ms   then {median:6.1f} ms"
            f"  ({median / alone[1]:.2f}x, goal 1.5x)"
        )


def held(url: str, messages: int, dice: random.Random, asked: Sequence[str], clock: Clock) -> None:
    """One log, searched in process; then while another process adds to it."""
    with Recollect(url) as memory:
        memory.import_lines(lines(dice, "held", messages, 1))
    with Recollect(url) as memory:
        first, median = timed(memory, "held", asked, clock)
        print(f"{messages:>9,} in one log              first {first:8.1f} ms   then {median:6.1f} ms  (goal 25)")
        process = subprocess.Popen([sys.executable, __file__, "--write", url], stdout=subprocess.PIPE, text=True)
        taken, at_once = [], 0
        assert process.stdout is not None
        for line in process.stdout:
            begin = clock()
            hits = memory.user("held").recall(line.strip(), limit=1)
            taken.append(1000 * (clock() - begin))
            at_once += bool(hits)
        process.wait()
        print(
            f"          another process adds to it: {statistics.median(taken):6.1f} ms a search that takes it in,"
            f" {at_once} of {len(taken)} found at once"
        )


def appends(folder: Path, dice: random.Random, clock: Clock) -> None:
    """One message at a time, in turns: with terms for the index, and without."""
    said = [row["content"] for row in lines(dice, "x", APPENDED, 1)]
    with Recollect(f"sqlite:///{folder}/with.db") as whole, Recollect(f"sqlite:///{folder}/without.db") as bare:
        bare._twin._base.terms = lambda message: ""  # type: ignore[method-assign]
        taken: dict[Recollect, float] = {whole: 0.0, bare: 0.0}
        for start in range(0, APPENDED, 500):
            for memory in taken:
                session = memory.session("s", user="u")
                begin = clock()
                for text in said[start : start + 500]:
                    session.append({"role": "user", "content": text})
                taken[memory] += clock() - begin
    with_terms, without = (1e6 * seconds / APPENDED for seconds in taken.values())
    print(
        f"          an append                   {with_terms:8.1f} us with terms, {without:.1f} without"
        f"  ({with_terms / without:.2f}x, goal 2x)"
    )


def write(url: str) -> None:
    """Be the other process: say something, then what word it had."""
    with Recollect(url) as memory:
        session = memory.session("held/0")
        for _ in range(WRITTEN):
            word = f"w{uuid4().hex}"
            session.append({"role": "user", "content": f"this is {word}"})
            print(word, flush=True)
            time.sleep(0.02)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=100_000, help="of one user; 0 leaves it out")
    parser.add_argument("--users", type=int, default=1000, help="with a thousand messages each; 0 leaves them out")
    parser.add_argument("--held", type=int, default=10_000, help="in one log; 0 leaves it out")
    parser.add_argument(
        "--most", type=int, help="hold so many messages at most: what more of one user costs, with fewer"
    )
    parser.add_argument("--url")
    parser.add_argument("--write", metavar="URL", help=argparse.SUPPRESS)
    parser.add_argument("--cpu", action="store_true", help="count this process's own time: for a busy machine")
    told = parser.parse_args()
    if told.write:
        return write(told.write)
    if told.most:
        sources.MOST_ROWS = told.most
    clock = time.process_time if told.cpu else time.perf_counter
    dice = random.Random(7)
    asked = [row["content"] for row in lines(random.Random(9), "x", QUESTIONS, 1)]
    asked = [" ".join(text.split()[:6]) for text in asked]
    with tempfile.TemporaryDirectory() as place:
        url = told.url or f"sqlite:///{Path(place) / 'recall.db'}?synchronous=normal"
        appends(Path(place), dice, clock)
        for count, measure in ((told.held, held), (told.messages, one_user), (told.users, many_users)):
            if count:
                measure(url, count, dice, asked, clock)
    return None


if __name__ == "__main__":
    main()
