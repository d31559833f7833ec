"""The async driver. A module of its own, so that those who never use an event loop do not load one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

from recollect.store.driver import Clock, Driver, utc_now

T = TypeVar("T")
_Job = tuple["asyncio.Future[Any]", Callable[..., Any], tuple[Any, ...]]


class AsyncDriver(Driver):
    """Calls in a few worker threads of its own.

    A hop costs about half of `loop.run_in_executor`: one queue and one wake-up, no second future.

    Parameters
    ----------
    threads: how many calls may block at once.
    """

    blocking = False

    def __init__(self, clock: Clock = utc_now, *, threads: int = 4) -> None:
        super().__init__(clock)
        self._limit = threads
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._idle = 0
        self._closed = False
        self._lock = threading.Lock()

    async def run(self, call: Callable[..., T], *args: Any) -> T:
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._queue.put((future, call, args))
        with self._lock:
            if self._closed:  # of a call under way: its thread ends with it
                threading.Thread(target=self._work, name="recollect", daemon=True).start()
                self._queue.put(None)
            elif self._idle > 0:
                self._idle -= 1
            elif len(self._threads) < self._limit:
                thread = threading.Thread(target=self._work, name="recollect", daemon=True)
                self._threads.append(thread)
                thread.start()
        return await future

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def _work(self) -> None:
        while (job := self._queue.get()) is not None:
            future, call, args = job
            if not future.cancelled():
                result, error = None, None
                try:
                    result = call(*args)
                except BaseException as caught:
                    error = caught
                try:
                    future.get_loop().call_soon_threadsafe(_settle, future, result, error)
                except RuntimeError:
                    pass  # the loop is closed: nobody waits any more
            del job, future, call, args
            with self._lock:
                self._idle += 1

    def close(self) -> None:
        with self._lock:
            self._closed = True
            threads, self._threads = self._threads, []
        for _ in threads:
            self._queue.put(None)
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join()


def _settle(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.cancelled():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
