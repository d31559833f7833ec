"""The commits of one process on one session: one at a time, for together they would only make each other lose.

Appends that wait for the same turn go into one transaction when it comes: the header is written once for all of them, and
many writers of one session are as fast as many writers of many.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from copy import copy

from recollect.errors import ConfigError, RecollectError, Unavailable
from recollect.store import Append, Driver, Op, Result, Signal
from recollect.stores.dynamodb.items import message_bytes

MOST_COMMITS = 30
MOST_MESSAGES = 45
MOST_BYTES = 1_000_000
"""What goes together, so that one transaction takes it."""

PATIENCE = 30.0
"""Seconds until who waits goes without a turn: right is what the header's guard lets through, a turn only saves races."""

_SHARED = (Unavailable, ConfigError)
"""Failures that say nothing of what was to be written, so that all who went together have the same one."""


class Queue:
    """Who waits for the turn at one session."""

    __slots__ = ("lock", "taken", "waiting")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.taken = False
        self.waiting: deque[_Waiter] = deque()

    async def enter(self, ops: Sequence[Op], driver: Driver) -> Turn | list[Result]:
        """Wait for a turn, or for another one's turn to bring what this commit gives.

        Raises what the commit of all together raised.
        """
        while True:
            with self.lock:
                if not self.taken:
                    self.taken = True
                    return Turn(self, ops, ())
                waiter = _Waiter(ops, driver.signal())
                self.waiting.append(waiter)
            try:
                while not await waiter.signal.wait(PATIENCE):
                    if self._leave(waiter):
                        return Turn(self, ops, (), mine=False)
            except BaseException:
                if not self._leave(waiter) and waiter.turn is not None:
                    waiter.turn.let_go()
                raise
            if waiter.turn is not None:
                return waiter.turn
            if waiter.error is not None:
                raise waiter.error
            if waiter.results is not None:
                return waiter.results

    def _leave(self, waiter: _Waiter) -> bool:
        with self.lock:
            try:
                self.waiting.remove(waiter)
            except ValueError:
                return False
            return True

    def go_on(self) -> None:
        """Give the turn to who waits longest, and to those who can go with that one."""
        with self.lock:
            if not self.waiting:
                self.taken = False
                return
            first = self.waiting.popleft()
            commits, messages, size = 1, first.messages, first.size
            company: list[_Waiter] = []
            while messages and self.waiting and commits < MOST_COMMITS:
                other = self.waiting[0]
                commits, messages, size = commits + 1, messages + other.messages, size + other.size
                if not other.messages or messages > MOST_MESSAGES or size > MOST_BYTES:
                    break
                company.append(self.waiting.popleft())
            first.turn = Turn(self, first.ops, company)
        first.signal.give()


class _Waiter:
    """A commit that waits.

    `messages` is 0 for one that does not go together with others: what it gives may depend on more than its own messages.
    """

    __slots__ = ("error", "messages", "ops", "results", "signal", "size", "turn")

    def __init__(self, ops: Sequence[Op], signal: Signal) -> None:
        self.ops = ops
        self.signal = signal
        rows = [row for op in ops if isinstance(op, Append) for row in op.rows]
        self.messages = len(rows) if all(isinstance(op, Append) for op in ops) else 0
        self.size = sum(map(message_bytes, rows)) if 0 < self.messages <= MOST_MESSAGES else 0
        self.turn: Turn | None = None
        self.results: list[Result] | None = None
        self.error: RecollectError | None = None


class Turn:
    """A commit's time at a session, for itself and for those in its company.

    It ends when nobody holds it any more: neither who leads it nor a request that is still on its way when the leader was
    cancelled. Then the company has its results, the failure of all, or nothing, and tries again.

    Parameters
    ----------
    ops: the leader's own. mine: whether others wait for its end.
    """

    def __init__(self, queue: Queue, ops: Sequence[Op], company: Sequence[_Waiter], *, mine: bool = True) -> None:
        self.ops: list[Op] = [*ops, *(op for waiter in company for op in waiter.ops)]
        self.own = len(ops)
        self.results: list[Result] = []
        """What the operations give if the request that is on its way lands."""
        self.landed = False
        self.error: RecollectError | None = None
        self._queue = queue
        self._company = company
        self._mine = mine
        self._holds = 1

    @property
    def has_company(self) -> bool:
        """Whether others go with the leader."""
        return bool(self._company)

    def dismiss(self) -> None:
        """Go alone: the others wait for turns of their own."""
        company, self._company = self._company, ()
        del self.ops[self.own :]
        for waiter in company:
            waiter.signal.give()

    def hold(self) -> bool:
        """Keep it from ending; whether it has not ended already."""
        with self._queue.lock:
            if self._holds:
                self._holds += 1
                return True
            return False

    def let_go(self) -> None:
        """Hold it no longer."""
        with self._queue.lock:
            self._holds -= 1
            if self._holds:
                return
        self.pass_on()
        at = self.own
        for waiter in self._company:
            end = at + len(waiter.ops)
            if self.landed:
                waiter.results = self.results[at:end]
            elif isinstance(self.error, _SHARED):
                waiter.error = copy(self.error)
                waiter.error.__cause__ = self.error
            waiter.signal.give()
            at = end

    def pass_on(self) -> None:
        """Let the next ones begin, also while this goes on."""
        if self._mine:
            self._mine = False
            self._queue.go_on()
