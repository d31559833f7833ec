"""What is handed in together is begun together; who waits alone, or beside another event loop, is not held up."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from recollect.store import threads
from recollect.store.threads import AsyncDriver


@contextmanager
def batching(*, ends_in_thread: bool = True) -> Iterator[tuple[Callable[[Any], Awaitable[Any]], list[list[Any]]]]:
    """A call that answers each item with its text, and the batches that were begun."""
    batches: list[list[Any]] = []

    def begin(items: list[Any]) -> Any:
        batches.append(items)
        outcomes = [str(item) for item in items]
        return (lambda: outcomes) if ends_in_thread else outcomes

    driver = AsyncDriver()
    try:
        yield driver.batched(begin), batches
    finally:
        driver.close()


async def after(steps: int, call: Callable[[Any], Awaitable[Any]], item: Any) -> Any:
    """Hand an item in some steps of the loop later."""
    for _ in range(steps):
        await asyncio.sleep(0)
    return await call(item)


def test_what_comes_step_by_step_is_one_batch() -> None:
    """As requests do, of which an event loop takes in one after the other."""

    async def main() -> list[Any]:
        return list(await asyncio.gather(*(after(number // 2, call, number) for number in range(12))))

    with batching() as (call, batches):
        assert asyncio.run(main()) == [str(number) for number in range(12)]
        assert batches == [list(range(12))]


def test_one_at_a_time_waits_for_nobody() -> None:
    """Each is begun in the step behind the one in which it came."""

    async def main() -> list[int]:
        counts = []
        for number in range(5):
            waiting = asyncio.ensure_future(call(number))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            counts.append(len(batches))
            await waiting
        return counts

    with batching() as (call, batches):
        assert asyncio.run(main()) == [1, 2, 3, 4, 5]


def test_a_crowd_that_has_gone_holds_nobody_up_for_long() -> None:
    """After so many single ones a batch is begun at once again."""

    async def main() -> int:
        await asyncio.gather(*map(call, "abc"))
        for number in range(threads.LATELY):
            await call(number)
        waiting = asyncio.ensure_future(call("last"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        count = len(batches)
        await waiting
        return count

    with batching(ends_in_thread=False) as (call, batches):
        assert asyncio.run(main()) == threads.LATELY + 2


def test_a_stream_without_end_is_not_waited_for() -> None:
    """A batch is begun after some steps, whatever still comes in."""

    async def main() -> None:
        waiting = []
        for number in range(10 * threads.PATIENCE):
            waiting.append(asyncio.ensure_future(call(number)))
            await asyncio.sleep(0)
        await asyncio.gather(*waiting)

    with batching(ends_in_thread=False) as (call, batches):
        asyncio.run(main())
    assert [item for batch in batches for item in batch] == list(range(10 * threads.PATIENCE))
    assert max(map(len, batches)) <= threads.PATIENCE + 2


def in_thread(call: Callable[[Any], Awaitable[Any]], item: Any) -> tuple[threading.Thread, list[Any]]:
    """Wait for a call on a loop in a thread of its own; its answer, when there is one."""
    answers: list[Any] = []

    async def main() -> None:
        answers.append(await call(item))

    thread = threading.Thread(target=lambda: asyncio.run(main()), daemon=True)
    thread.start()
    return thread, answers


def test_a_loop_that_has_stopped_is_not_waited_for() -> None:
    """Its turn would never come: neither with what it left to be ended, nor with what it left to be begun."""
    release, begun = threading.Event(), threading.Event()

    def begin(items: list[Any]) -> Any:
        begun.set()
        return lambda: [release.wait(10), *items][1:]

    async def give_up(steps: int) -> None:
        waiting = asyncio.ensure_future(call("given up"))
        for _ in range(steps):
            await asyncio.sleep(0)
        waiting.cancel()

    driver = AsyncDriver()
    call = driver.batched(begin)
    for steps in (3, 1):  # after it was begun, and before
        release.clear()
        begun.clear()
        stopped = asyncio.new_event_loop()
        stopped.run_until_complete(give_up(steps))
        assert begun.is_set() == (steps == 3)
        thread, answers = in_thread(call, "other")
        while steps == 3 and not driver._batches[0]._waiting:
            time.sleep(0.01)
        release.set()
        thread.join(5)
        assert answers == ["other"]
        assert stopped.run_until_complete(asyncio.wait_for(call("again"), 5)) == "again"
        stopped.close()
    driver.close()


def test_loops_in_many_threads_all_get_their_answers() -> None:
    """Also while some of them end, or give up waiting."""

    def work(name: int) -> None:
        async def main() -> None:
            for number in range(50):
                given_up = asyncio.ensure_future(call((name, "given up")))
                await asyncio.sleep(0)
                given_up.cancel()
                assert await call((name, number)) == str((name, number))

        asyncio.run(main())
        done.append(name)

    done: list[int] = []
    with batching() as (call, _):
        workers = [threading.Thread(target=work, args=(name,)) for name in range(8)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(30)
    assert sorted(done) == list(range(8))
