"""A clock that a test sets, so that expiry is tried without sleeping."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

START = datetime(2040, 2, 29, 12, 0, 0, 1, tzinfo=UTC)
"""Where a `ManualClock` begins. It lies ahead so that a backend's own time to live, which runs by the real clock and is
only garbage collection, never removes what the test's clock still sees; and it is no round number in any unit."""


class ManualClock:
    """A clock for `Driver` that stands still until it is told to move.

    Parameters
    ----------
    start: the first instant, timezone-aware.
    """

    def __init__(self, start: datetime = START) -> None:
        self._now = start

    def __call__(self) -> datetime:
        return self._now

    def forward(self, seconds: float) -> datetime:
        """Move on by `seconds` and return the new instant."""
        self._now += timedelta(seconds=seconds)
        return self._now

    def back(self, seconds: float) -> datetime:
        """Set back by `seconds`, as an operator or a time server may do, and return the new instant."""
        self._now -= timedelta(seconds=seconds)
        return self._now

    def set(self, instant: datetime) -> datetime:
        """Set to an instant and return it."""
        if instant.utcoffset() is None:
            raise ValueError("the clock is timezone-aware")
        self._now = instant
        return instant
