"""When the thread that wakes followers looks at the feed: at once behind a notice, until what was open then has ended."""

from __future__ import annotations

import time
from typing import Any

LEASE = 60.0
"""Seconds for which the thread asks for notices; it asks again after a third of them."""
LINGER = 15.0
"""Seconds behind the last wait until it wants no more notices, and gives the connection back."""
HEARTBEAT = 5.0
"""Seconds between two looks while nothing is heard: for what nobody could tell of, such as a commit whose statement began
before it could see the entry in ``followers``."""
GAP = 0.004
"""Seconds between two looks at least: a flood of notices is heard at once."""
PAUSES = (0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.25)
"""Seconds between looks while transactions that were open at the last notice still are; the last one again and again."""


class State:
    """What it knows of the feed.

    `_horizon` is the transaction that was next when it first looked behind the last notice; None until it looks. Once no
    older one is open, all that committed without a notice because that one was on its way can be read.
    """

    def __init__(self) -> None:
        now = time.monotonic()
        self.renew_at = now + LEASE / 3
        self.left_at = now + LINGER
        self.turned = 0.0
        self.is_called = True
        self._looked = 0.0
        self._pauses = 0
        self._horizon: int | None = None
        self._is_settled = False

    def noticed(self, _: Any) -> None:
        """A notice that came with the answer to a statement."""
        self.unsettle()

    def unsettle(self) -> None:
        """Something was or may have been committed."""
        self._horizon, self._is_settled, self._pauses = None, False, 0

    def saw(self, now: float, low: int, high: int) -> None:
        """Take in a look, with the oldest transaction open and the next one to come."""
        self._looked, self.is_called = now, False
        if self._horizon is None:
            self._horizon = high
        else:
            self._pauses += 1
        self._is_settled = low >= self._horizon

    def look_at(self) -> float:
        """When to look, if somebody waits."""
        if self.is_called or self._horizon is None:
            return self._looked + GAP
        if not self._is_settled:
            return self._looked + PAUSES[min(self._pauses, len(PAUSES) - 1)]
        return self._looked + HEARTBEAT

    def gap(self) -> float:
        """Seconds not to listen."""
        return max(0.0, self.turned + GAP - time.monotonic())

    def patience(self, is_awaited: bool) -> float:
        """Seconds until there is something to do without being called."""
        until = min(self.renew_at, self.look_at() if is_awaited else self.left_at)
        return max(0.0, until - time.monotonic())
