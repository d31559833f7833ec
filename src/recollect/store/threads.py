"""The async driver. A module of its own, so that those who never use an event loop do not load one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from queue import SimpleQueue
from typing import Any, TypeVar

from recollect.store.driver import Begin, Clock, Driver, Signal, utc_now

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
        self._batches: list[_Batch] = []
        self._idle = 0
        self._closed = False
        self._lock = threading.Lock()

    async def run(self, call: Callable[..., T], *args: Any) -> T:
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._start((future, call, args))
        return await future

    def batched(self, begin: Begin) -> Callable[[Any], Awaitable[Any]]:
        batch = _Batch(begin)
        self._batches.append(batch)
        return batch.run

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

    def signal(self) -> Signal:
        return _Given()

    def _work(self) -> None:
        while (job := self._queue.get()) is not None:
            future, call, args = job
            if not future.cancelled():
                result, error = None, None
                try:
                    result = call(*args)
                except BaseException as caught:
                    error = caught
                _soon(future.get_loop(), _settle, future, result, error)
            del job, future, call, args
            with self._lock:
                self._idle += 1

    def close(self) -> None:
        with self._lock:
            self._closed = True
            threads, self._threads = self._threads, []
            batches, self._batches = self._batches, []
        for batch in batches:
            batch.close()
        for _ in threads:
            self._queue.put(None)
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join()


class _Given(Signal):
    """Belongs to the loop on which it was made."""

    def __init__(self) -> None:
        self._future = asyncio.get_running_loop().create_future()

    def give(self) -> None:
        _soon(self._future.get_loop(), _settle, self._future, None, None)

    async def wait(self, seconds: float) -> bool:
        await asyncio.wait((self._future,), timeout=seconds)
        return self._future.done()


def run_apart(awaitable: Awaitable[T]) -> T:
    """Run to its end what needs an event loop, in a thread with one of its own: this thread's may be running."""
    outcome: SimpleQueue[tuple[T | None, BaseException | None]] = SimpleQueue()

    async def waited() -> T:
        return await awaitable

    def work() -> None:
        try:
            outcome.put((asyncio.run(waited()), None))
        except BaseException as error:
            outcome.put((None, error))

    threading.Thread(target=work, name="recollect-loop", daemon=True).start()
    result, error = outcome.get()
    if error is not None:
        raise error
    return result  # type: ignore[return-value]


PATIENCE = 16
"""Steps of an event loop that a batch is held open for, as long as they bring more: some hundred microseconds in all."""

LATELY = 64
"""Batches for which it is remembered that one had several items. Who waits for each append before the next is not held up."""


class _Batch:
    """Items from any loop, handled in batches: begun in place when the loop has nothing more to hand in, ended by a
    thread of their own.

    That thread is not one of the driver's workers: those may all be waiting for what the batch holds.

    Parameters
    ----------
    begin: see `Driver.batched`.
    """

    def __init__(self, begin: Begin) -> None:
        self._begin = begin
        self._lock = threading.Lock()
        self._waiting: list[_Waiting] = []
        self._turn_of: asyncio.AbstractEventLoop | None = None
        self._number = 0
        self._under_way = False
        self._ends: SimpleQueue[tuple[Callable[[], list[Any]], list[_Waiting]] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._crowded = 0
        self._closed = False

    async def run(self, item: Any) -> Any:
        """Wait for a batch with this item in it; its outcome."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        with self._lock:
            self._waiting.append((future, item))
            # A loop that has stopped may never run again; if it does, its turn is not the latest any more.
            mine = not self._under_way and (self._turn_of is None or not self._turn_of.is_running())
            number = self._give_turn(loop) if mine else 0
        if mine:
            loop.call_soon(self._turn, number)
        return await future

    def close(self) -> None:
        """End the thread, behind what it still has to end."""
        with self._lock:
            self._closed = True
            thread, self._thread = self._thread, None
        if thread is not None:
            self._ends.put(None)
            if thread is not threading.current_thread():
                thread.join()

    def _give_turn(self, loop: asyncio.AbstractEventLoop) -> int:
        """Say that a loop begins the next batch; the number of its turn."""
        self._turn_of = loop
        self._number += 1
        return self._number

    def _turn(self, number: int, seen: int = 0, quiet: bool = False, patience: int = PATIENCE) -> None:
        """Begin a batch of all that waits, on a loop's own thread. Where several came together lately, it is held open
        while they come: a flush costs the same for all of them as for one.

        Parameters
        ----------
        number: of the turn; only the latest counts, once.
        seen: how many waited a step of the loop before. quiet: whether that step brought none.
        patience: steps that are waited for at most.
        """
        loop = asyncio.get_running_loop()
        with self._lock:
            if number != self._number or self._under_way:
                return
            count = len(self._waiting)
            if count > 1:
                self._crowded = LATELY
            if patience and self._crowded and (count > seen or not quiet) and self._is_all_of(loop):
                loop.call_soon(self._turn, number, count, count <= seen, patience - 1)
                return
            self._crowded = max(0, self._crowded - 1)
            batch = [pair for pair in self._waiting if not pair[0].cancelled()]
            self._waiting = []
            self._turn_of = None
            self._under_way = bool(batch)
            if not batch:
                return
        try:
            end = self._begin([item for _, item in batch])
        except BaseException as error:
            end = [error] * len(batch)
        if isinstance(end, list):
            self._hand_out(batch, end, loop)
            return
        self._ends.put((end, batch))
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="recollect-batch", daemon=True)
                self._thread.start()
            if self._closed:  # of a call under way: its thread ends with it
                self._ends.put(None)
                self._thread = None

    def _is_all_of(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Whether only this loop waits: it may be about to close, and another one must not wait for it any longer."""
        return all(future.get_loop() is loop for future, _ in self._waiting)

    def _work(self) -> None:
        while (job := self._ends.get()) is not None:
            end, batch = job
            try:
                outcomes = end()
            except BaseException as error:
                outcomes = [error] * len(batch)
            self._hand_out(batch, outcomes, None)
            del job, end, batch, outcomes

    def _hand_out(self, batch: list[_Waiting], outcomes: list[Any], here: asyncio.AbstractEventLoop | None) -> None:
        """Give each item's outcome to who waits for it, on their loops; `here` is the one that this runs on."""
        by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Any]]] = {}
        for (future, _), outcome in zip(batch, outcomes, strict=True):
            by_loop.setdefault(future.get_loop(), []).append((future, outcome))
        with self._lock:  # before they are told: who hands in the next one then begins with it
            waited_for = self._under_way = bool(self._waiting)
        for loop, settled in by_loop.items():
            if loop is here:
                _settle_all(settled)
            else:
                _soon(loop, _settle_all, settled)
        if waited_for:
            self._next_turn()

    def _next_turn(self) -> None:
        """Let a loop begin the next batch on which somebody still waits: any other may have stopped."""
        while True:
            with self._lock:
                self._under_way = False
                self._waiting = [pair for pair in self._waiting if not _is_over(pair[0])]
                if not self._waiting:
                    return
                loops = [future.get_loop() for future, _ in self._waiting]
                loop = next((loop for loop in loops if loop.is_running()), loops[0])
                number = self._give_turn(loop)
            if _soon(loop, self._turn, number):
                return


def _is_over(future: asyncio.Future[Any]) -> bool:
    return future.cancelled() or future.get_loop().is_closed()


_Waiting = tuple["asyncio.Future[Any]", Any]


def _soon(loop: asyncio.AbstractEventLoop, call: Callable[..., None], *args: Any) -> bool:
    """Whether a loop could be told; a closed one has nobody who waits."""
    try:
        loop.call_soon_threadsafe(call, *args)
    except RuntimeError:
        return False
    return True


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
