"""The async driver. A module of its own, so that those who never use an event loop do not load one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from queue import SimpleQueue
from typing import Any, TypeVar

from recollect.store.driver import Clock, Driver, utc_now

T = TypeVar("T")
_Job = tuple["asyncio.Future[Any] | None", Callable[..., Any], tuple[Any, ...]]


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
        self._start((future, call, args))
        return await future

    def batched(self, call: Callable[[list[Any]], list[Any]]) -> Callable[[Any], Awaitable[Any]]:
        return _Batch(call, self._start).run

    def _start(self, job: _Job) -> None:
        self._queue.put(job)
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

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def _work(self) -> None:
        while (job := self._queue.get()) is not None:
            future, call, args = job
            if future is None:
                call(*args)
            elif not future.cancelled():
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


class _Batch:
    """Items from any loop, handed in batches to one thread at a time.

    Parameters
    ----------
    call: handles a batch. start: gives a job to a worker thread.
    """

    def __init__(self, call: Callable[[list[Any]], list[Any]], start: Callable[[_Job], None]) -> None:
        self._call = call
        self._start = start
        self._lock = threading.Lock()
        self._waiting: list[tuple[asyncio.Future[Any], Any]] = []
        self._running = False

    async def run(self, item: Any) -> Any:
        """Wait for a batch with this item in it; its outcome."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        with self._lock:
            self._waiting.append((future, item))
            start, self._running = not self._running, True
        if start:
            self._start((None, self._work, ()))
        return await future

    def _work(self) -> None:
        while True:
            with self._lock:
                batch, self._waiting = self._waiting, []
                if not batch:
                    self._running = False
                    return
            batch = [pair for pair in batch if not pair[0].cancelled()]
            if not batch:
                continue
            try:
                outcomes = self._call([item for _, item in batch])
            except BaseException as error:
                outcomes = [error] * len(batch)
            by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Any]]] = {}
            for (future, _), outcome in zip(batch, outcomes, strict=True):
                by_loop.setdefault(future.get_loop(), []).append((future, outcome))
            for loop, settled in by_loop.items():
                try:
                    loop.call_soon_threadsafe(_settle_all, settled)
                except RuntimeError:
                    pass  # the loop is closed: nobody waits any more


def _settle_all(settled: list[tuple[asyncio.Future[Any], Any]]) -> None:
    for future, outcome in settled:
        if isinstance(outcome, BaseException):
            _settle(future, None, outcome)
        else:
            _settle(future, outcome, None)


def _settle(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.cancelled():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
