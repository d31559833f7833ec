"""How a store waits: the one seam between async and sync.

Everything above is written once as ``async def``. With the blocking driver no coroutine ever suspends, so a caller
can run one to its end without an event loop (`drive`); with the async driver the same calls go to worker threads.
"""

from __future__ import annotations

import os
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any, TypeVar

T = TypeVar("T")
Clock = Callable[[], datetime]
Begin = Callable[[list[Any]], Callable[[], list[Any]] | list[Any]]

_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


_DIGITS = 20
_chances: deque[str] = deque()
"""The random ends of ids to come. Asking the system for each id costs a third of it, and hands the interpreter lock to
whichever thread waits for it."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_chances.clear)


def _more_chances() -> str:
    digits = os.urandom(128 * _DIGITS).hex()
    found = [
        f"{digits[i : i + 3]}-{_VARIANT[digits[i + 3]]}{digits[i + 4 : i + 7]}-{digits[i + 7 : i + 19]}"
        for i in range(0, len(digits), _DIGITS)
    ]
    _chances.extend(found[1:])
    return found[0]


def utc_now() -> datetime:
    """The system's clock, timezone-aware."""
    return datetime.now(UTC)


class Signal(ABC):
    """What one waits for and another one gives, once, from whatever thread."""

    @abstractmethod
    def give(self) -> None:
        """Wake who waits, and whoever will."""

    @abstractmethod
    async def wait(self, seconds: float) -> bool:
        """Wait for it, so long at most; whether it was given."""


class Driver(ABC):
    """The world as a store and the core may see it: time, waiting, blocking calls.

    Parameters
    ----------
    clock: gives the present instant, timezone-aware. All expiry is judged by it.
    """

    blocking: bool

    def __init__(self, clock: Clock = utc_now) -> None:
        self.now = clock
        self._moment = (0, "00000000-0000-7")

    def new_id(self, now: datetime | None = None) -> str:
        """A UUID of version 7 (RFC 9562): ids made in one stretch of time lie together in an index.

        Parameters
        ----------
        now: the instant in it, if it is at hand.
        """
        instant = self.now() if now is None else now
        milliseconds = int(instant.timestamp() * 1000) & 0xFFFFFFFFFFFF
        known, moment = self._moment
        if milliseconds != known:
            digits = f"{milliseconds:012x}"
            moment = f"{digits[:8]}-{digits[8:]}-7"
            self._moment = (milliseconds, moment)
        try:
            chance = _chances.pop()
        except IndexError:
            chance = _more_chances()
        return moment + chance

    @abstractmethod
    async def run(self, call: Callable[..., T], *args: Any) -> T:
        """Call something that blocks. Once it has begun it ends, even if the waiting task is cancelled."""

    def batched(self, begin: Begin) -> Callable[[Any], Awaitable[Any]]:
        """A function of one item over a call of many: what waits while a call runs goes into the next one together.

        Parameters
        ----------
        begin: takes items in the order they came, and begins with them: what must not block. It gives the function that
            ends it, where blocking is allowed, with an outcome for each item; or, where nothing is left to do, the
            outcomes. An outcome that is an exception is raised to whoever gave the item.
        """

        async def alone(item: Any) -> Any:
            end = begin([item])
            (outcome,) = end if isinstance(end, list) else await self.run(end)
            if isinstance(outcome, BaseException):
                raise outcome
            return outcome

        return alone

    async def finish(self, awaitable: Awaitable[T]) -> T:
        """Wait for something that may suspend, and is not ours: what a user's coroutine function gave."""
        return await awaitable

    @abstractmethod
    async def sleep(self, seconds: float) -> None:
        """Wait."""

    def signal(self) -> Signal:
        """A signal for one task, or with the blocking driver one thread, to wait for."""
        return _Event()

    def mutex(self) -> AbstractContextManager[Any]:
        """A lock for what several calls of `run` may touch at once."""
        return threading.Lock()

    def close(self) -> None:
        """Let go of threads."""


class _Event(Signal):
    def __init__(self) -> None:
        self._event = threading.Event()

    def give(self) -> None:
        self._event.set()

    async def wait(self, seconds: float) -> bool:
        return self._event.wait(seconds)


class BlockingDriver(Driver):
    """Calls in the caller's own thread; nothing suspends."""

    blocking = True

    async def run(self, call: Callable[..., T], *args: Any) -> T:
        return call(*args)

    async def finish(self, awaitable: Awaitable[T]) -> T:
        from recollect.store.threads import run_apart

        return run_apart(awaitable)

    async def sleep(self, seconds: float) -> None:
        time.sleep(seconds)  # noqa: ASYNC251


def drive(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never suspends to its end and return its result.

    Raises `RuntimeError` if it suspends: something below it awaited a real event.
    """
    try:
        coroutine.send(None)
    except StopIteration as stop:
        value: T = stop.value
        return value
    coroutine.close()
    raise RuntimeError("a blocking call suspended: a store ignored its driver")
