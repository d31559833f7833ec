"""How a figure is spread - mean, median, 95th percentile, largest - in one pass and in memory that does not grow with it."""

from __future__ import annotations

from collections import defaultdict
from math import ceil, exp, log

from recollect.model import Spread

RELATIVE_ERROR = 0.01
"""A quantile is off by at most one percent of its value. Each bucket is 2 % wider than the one below, so from a microsecond to a
century there are fewer than 2,500 (the layout of DDSketch: Masson et al., VLDB 2019)."""

_STEP = log((1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR))
_MIDDLE = log(2 / (1 + exp(_STEP)))


class Sketch:
    """Collects figures of 0 or more and tells their spread. Count, mean and largest are exact."""

    def __init__(self) -> None:
        self._buckets: defaultdict[int, int] = defaultdict(int)
        self._zeros = 0
        self._count = 0
        self._total = 0.0
        self._largest = 0.0

    def add(self, value: float) -> None:
        """One figure."""
        self._count += 1
        self._total += value
        if value > self._largest:
            self._largest = value
        if value > 0:
            self._buckets[ceil(log(value) / _STEP)] += 1
        else:
            self._zeros += 1

    def spread(self, *, whole: bool = False) -> Spread | None:
        """The spread; None of nothing.

        Parameters
        ----------
        whole: the figures are whole numbers, and so are the quantiles: up to 50 they are then exact.
        """
        if not self._count:
            return None
        median, p95 = (self._quantile(share) for share in (0.5, 0.95))
        return Spread(
            count=self._count,
            mean=self._total / self._count,
            median=float(round(median)) if whole else median,
            p95=float(round(p95)) if whole else p95,
            max=self._largest,
        )

    def _quantile(self, share: float) -> float:
        """The smallest figure that is not below this share of all (nearest rank)."""
        left = ceil(share * self._count) - self._zeros
        if left <= 0:
            return 0.0
        for index in sorted(self._buckets):
            left -= self._buckets[index]
            if left <= 0:
                return min(exp(index * _STEP + _MIDDLE), self._largest)
        return self._largest
