"""The two ways in which a store is driven: blocking, and on an event loop. Every test runs in both."""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, ClassVar, TypeVar

from recollect.store import BlockingDriver, Driver
from recollect.store.driver import Clock, drive
from recollect.store.threads import AsyncDriver

T = TypeVar("T")
Call = Callable[[], Coroutine[Any, Any, T]]


class Mode(ABC):
    """Makes drivers and runs coroutines."""

    name: ClassVar[str]

    @abstractmethod
    def driver(self, clock: Clock) -> Driver:
        """A driver of this mode."""

    @abstractmethod
    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end."""

    @abstractmethod
    async def together(self, calls: Sequence[Call[T]]) -> list[T]:
        """Run all calls at once and return their results in the order given; the first error is raised at the end."""

    @abstractmethod
    async def rest(self) -> None:
        """Let the others have a turn."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the event loop."""


class BlockingMode(Mode):
    """Each coroutine runs to its end in the caller's thread; calls at once are threads."""

    name = "blocking"

    def driver(self, clock: Clock) -> Driver:
        return BlockingDriver(clock)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return drive(coroutine)

    async def together(self, calls: Sequence[Call[T]]) -> list[T]:
        start = threading.Barrier(len(calls))
        results: dict[int, T] = {}
        errors: list[BaseException] = []

        def work(place: int, call: Call[T]) -> None:
            try:
                start.wait()
                results[place] = drive(call())
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=pair, daemon=True) for pair in enumerate(calls)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]
        return [results[place] for place in range(len(calls))]

    async def rest(self) -> None:
        threading.Event().wait(0.0005)

    def close(self) -> None:
        pass


class AsyncMode(Mode):
    """Coroutines run on an event loop of their own; calls at once are tasks."""

    name = "async"

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()

    def driver(self, clock: Clock) -> Driver:
        return AsyncDriver(clock)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(coroutine)

    async def together(self, calls: Sequence[Call[T]]) -> list[T]:
        outcomes: list[T | BaseException] = await asyncio.gather(*(call() for call in calls), return_exceptions=True)
        results: list[T] = []
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
            results.append(outcome)
        return results

    async def rest(self) -> None:
        await asyncio.sleep(0)

    def close(self) -> None:
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()


MODES: tuple[type[Mode], ...] = (BlockingMode, AsyncMode)
