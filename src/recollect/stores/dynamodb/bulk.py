"""Many commits at once: those of different sessions and users on the way together, those of one in their order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, TypeVar

from recollect.errors import RecollectError
from recollect.store import BlockingDriver, Commit, Driver, Op, Partition, Result, Signal
from recollect.store.driver import drive

T = TypeVar("T")
Outcome = list[Result] | RecollectError


class ThreadsDriver(Driver):
    """The driver that a store was given; but in threads that call `begin` it blocks, so that they need nobody's event loop."""

    def __init__(self, given: Driver) -> None:
        self._given = given
        super().__init__(self._now)
        self.blocking = given.blocking
        self._blocking = BlockingDriver()
        self._thread = threading.local()

    def _now(self) -> datetime:
        return self._given.now()

    def begin(self) -> None:
        """From now on this thread blocks."""
        self._thread.blocks = True

    def _driver(self) -> Driver:
        return self._blocking if getattr(self._thread, "blocks", False) else self._given

    async def run(self, call: Callable[..., T], *args: Any) -> T:
        return await self._driver().run(call, *args)

    async def sleep(self, seconds: float) -> None:
        await self._driver().sleep(seconds)

    def signal(self) -> Signal:
        return self._driver().signal()


def commit_all(
    commit: Callable[[Partition, Sequence[Op]], Coroutine[Any, Any, list[Result]]],
    commits: Sequence[Commit],
    driver: ThreadsDriver,
    at_once: int,
) -> list[Outcome]:
    """The outcome of each commit, in the order of `commits`.

    Parameters
    ----------
    commit: applies one. at_once: partitions on the way together.
    """
    outcomes: list[Any] = [None] * len(commits)
    groups: dict[Partition, list[int]] = {}
    for place, (partition, _) in enumerate(commits):
        groups.setdefault(partition, []).append(place)

    def one(places: list[int]) -> None:
        for place in places:
            try:
                outcomes[place] = drive(commit(*commits[place]))
            except RecollectError as error:
                outcomes[place] = error

    with ThreadPoolExecutor(min(at_once, len(groups)), "recollect-bulk", initializer=driver.begin) as pool:
        for done in [pool.submit(one, places) for places in groups.values()]:
            done.result()
    return outcomes
