"""What the tests of the async client share: a loop with a time limit, a slow store, a look at the threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from recollect import Unavailable, connect
from recollect.store import Driver
from recollect.testing.faults import FaultyStore

SOON = 20.0
"""Seconds after which something that should have ended hangs."""


def say(text: str, **more: Any) -> dict[str, Any]:
    return {"role": "user", "content": text, **more}


class SlowStart(FaultyStore):
    """A store that takes its time to open, fails as often as told, and counts."""

    def __init__(self, url: str, failures: int = 0) -> None:
        super().__init__(connect(url))
        self.opened = 0
        self.failures = failures

    async def open(self, driver: Driver) -> None:
        self.opened += 1
        await driver.sleep(0.01)
        if self.failures:
            self.failures -= 1
            raise Unavailable("not yet")
        await super().open(driver)


def run(main: Callable[[], Awaitable[Any]]) -> Any:
    async def limited() -> Any:
        return await asyncio.wait_for(main(), SOON)

    return asyncio.run(limited())


async def check_no_threads(before: set[threading.Thread]) -> None:
    """Threads that ran end; one that has just done its last work is given a moment."""
    for _ in range(200):
        left = set(threading.enumerate()) - before
        if not left:
            return
        await asyncio.sleep(0.01)
    pytest.fail(f"threads that nobody will end: {left}")
