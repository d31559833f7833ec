"""Timing for the benches: what is compared runs in turns, so that a busy machine is busy for both."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence

from rich.console import Console
from rich.table import Table

WORDS = [
    "the",
    "of",
    "and",
    "to",
    "in",
    "is",
    "you",
    "that",
    "it",
    "he",
    "was",
    "for",
    "on",
    "are",
    "as",
    "with",
    "his",
    "they",
    "at",
    "be",
    "this",
    "have",
    "from",
    "or",
    "one",
    "had",
    "by",
    "word",
    "but",
    "not",
    "what",
    "all",
    "were",
    "we",
    "when",
    "your",
    "can",
    "said",
    "there",
    "use",
    "an",
    "each",
    "which",
    "she",
    "do",
    "how",
    "their",
    "if",
    "will",
    "up",
    "other",
    "about",
    "out",
    "many",
    "then",
    "them",
    "these",
    "so",
    "some",
    "her",
    "would",
    "make",
    "like",
    "him",
    "into",
    "time",
    "has",
    "look",
    "two",
    "more",
    "write",
    "go",
    "see",
    "number",
    "no",
    "way",
]


def texts(count: int, *, words: int = 18, seed: int = 1) -> list[str]:
    """Sentences of a usual length, the same in each run."""
    dice = random.Random(seed)
    return [" ".join(dice.choices(WORDS, k=words)) for _ in range(count)]


def in_turns(calls: Mapping[str, Callable[[int], object]], *, rounds: int, each: int) -> dict[str, float]:
    """Median microseconds a call, for calls that run in turns.

    Parameters
    ----------
    calls: by name, what to time; it gets a running number. rounds: how often each has its turn.
    each: calls in a turn.
    """
    taken: dict[str, list[float]] = {name: [] for name in calls}
    numbers = dict.fromkeys(calls, 0)
    for _ in range(rounds):
        for name, call in calls.items():
            number = numbers[name]
            for i in range(number, number + each):
                begin = time.perf_counter()
                call(i)
                taken[name].append(time.perf_counter() - begin)
            numbers[name] = number + each
    return {name: statistics.median(times) * 1e6 for name, times in taken.items()}


def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], note: str = "") -> None:
    """A table in the terminal."""
    table = Table(title=title, title_justify="left", caption=note or None, caption_justify="left")
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i == 0 else "right", no_wrap=i > 0)
    for row in rows:
        table.add_row(*row)
    Console(width=110).print(table)


def against(value: float, floor: float, goal: float | None = None) -> str:
    """A ratio, and the goal where there is one."""
    ratio = value / floor
    if goal is None:
        return f"{ratio:.2f}x"
    return f"{ratio:.2f}x (goal {goal:g}x{'' if ratio <= goal else ': MISSED'})"
