"""The sketch of a spread agrees with the exact figures, within the error that it states."""

from __future__ import annotations

import random
from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from recollect.core.spread import RELATIVE_ERROR, Sketch

NEAR = RELATIVE_ERROR * 1.0001
"""The stated error, and what floats add to it."""


def exact(values: list[float], share: float) -> float:
    """The nearest rank."""
    return sorted(values)[max(0, ceil(share * len(values)) - 1)]


def sketch(values: list[float]) -> Sketch:
    made = Sketch()
    for value in values:
        made.add(value)
    return made


FIGURES = st.one_of(st.floats(1e-6, 1e10), st.integers(0, 20_000_000).map(float))


@given(st.lists(FIGURES, min_size=1, max_size=40))
def test_quantiles_are_off_by_a_percent_at_most(values: list[float]) -> None:
    found = sketch(values).spread()
    assert found is not None
    assert (found.count, found.max) == (len(values), max(values))
    assert abs(found.mean - sum(values) / len(values)) <= 1e-9 * max(values)
    for got, share in ((found.median, 0.5), (found.p95, 0.95)):
        right = exact(values, share)
        assert abs(got - right) <= NEAR * right


@given(st.lists(st.integers(0, 50).map(float), min_size=1, max_size=40))
def test_small_whole_numbers_are_exact(values: list[float]) -> None:
    found = sketch(values).spread(whole=True)
    assert found is not None
    assert (found.median, found.p95) == (exact(values, 0.5), exact(values, 0.95))


def test_nothing_has_no_spread() -> None:
    assert Sketch().spread() is None


def test_memory_does_not_grow() -> None:
    figures = random.Random(1)
    made = sketch([figures.lognormvariate(0, 12) for _ in range(100_000)])
    assert len(made._buckets) < 8000
    figures = random.Random(2)
    assert len(sketch([figures.uniform(1e-6, 3e9) for _ in range(100_000)])._buckets) < 2500
