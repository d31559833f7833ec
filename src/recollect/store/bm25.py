"""Okapi BM25 with the always positive idf (Robertson & Zaragoza 2009, as Lucene has it).

The average length is a constant, not the collection's: a raw score then does not change because of other people's
messages, and a store needs no running total for it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

K1 = 1.2
B = 0.75
AVERAGE_LENGTH = 24.0
"""Terms in a typical chat message."""


def idf(documents: int, having: int) -> float:
    """The weight of a term that `having` of `documents` rows contain."""
    return math.log(1.0 + (max(documents, having) - having + 0.5) / (having + 0.5))


def score(terms: Sequence[str], weights: Mapping[str, float]) -> float:
    """BM25 of a row's terms for a query given as term weights; 0.0 when they share none."""
    norm = K1 * (1.0 - B + B * len(terms) / AVERAGE_LENGTH)
    counts: dict[str, int] = {}
    for term in terms:
        if term in weights:
            counts[term] = counts.get(term, 0) + 1
    return sum(weights[term] * n * (K1 + 1.0) / (n + norm) for term, n in counts.items())
