"""What a question asks for by its kind, and a text says by its name: "instruments" and "violin", "buy" and "purchase".

A model knows thousands of these; the everyday ones of English are in ``concepts.txt``, written for this project.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import NamedTuple

from recollect.recall.analyzer import stem


class Concepts(NamedTuple):
    """By term, as the analyzer makes them, other terms."""

    members: dict[str, tuple[str, ...]]
    """Of a kind."""
    synonyms: dict[str, tuple[str, ...]]


@cache
def concepts() -> Concepts:
    """Read once, when first asked for."""
    members: dict[str, dict[str, None]] = {}
    synonyms: dict[str, dict[str, None]] = {}
    for line in files(__package__).joinpath("concepts.txt").read_text("utf-8").splitlines():
        kinds, colon, names = line.partition(":")
        if line.startswith("="):
            words = dict.fromkeys(_terms(line))
            for word in words:
                synonyms.setdefault(word, {}).update((other, None) for other in words if other != word)
        elif colon and not line.startswith("#"):
            for kind in _terms(kinds):
                members.setdefault(kind, {}).update((name, None) for name in _terms(names) if name != kind)
    return Concepts(
        {kind: tuple(names) for kind, names in members.items()},
        {word: tuple(others) for word, others in synonyms.items()},
    )


def _terms(words: str) -> list[str]:
    return [stem(word.strip("=,")) for word in words.split() if word.strip("=,")]
