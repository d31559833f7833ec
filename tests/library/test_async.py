"""The async client among tasks: cancelled, shared, on one loop after another."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from recollect import AsyncRecollect, ConfigError, Unavailable
from tests.library.loops import SlowStart, run, say


def test_a_cancelled_append_is_there_entirely_or_not_at_all(url: str) -> None:
    """Cancelled two hundred times at random moments: no half, no hole, and the client goes on."""
    chance = random.Random(7)

    async def main() -> None:
        async with AsyncRecollect(url) as memory:
            session = memory.session("s", "u")
            acknowledged = cancelled = 0
            for batch in range(200):
                task = asyncio.create_task(session.append([say(f"{batch}", id=f"{batch}.{n}") for n in range(3)]))
                for _ in range(chance.choice((0, 1, 2, 3, 10, 30))):
                    await asyncio.sleep(0)
                if batch % 4:
                    cancelled += task.cancel()
                try:
                    await task
                    acknowledged += 1
                    assert await session.tail(3) == task.result()
                except asyncio.CancelledError:
                    pass
            (last,) = await session.append(say("last"))
            stored = (await session.read(limit=10_000)).items
            assert [message.seq for message in stored] == list(range(1, len(stored) + 1))
            assert stored[-1] == last
            batches = [message.content for message in stored[:-1]]
            assert [batches.count(one) for one in dict.fromkeys(batches)] == [3] * (len(batches) // 3)
            assert len(batches) >= 3 * acknowledged
            assert acknowledged
            assert cancelled
            again = await session.append([say("x", id=f"{batch}.{n}") for batch in range(200) for n in range(3)])
            assert again.written == 600 - len(batches)
            info = await session.info()
            assert info is not None
            assert info.message_count == 601

    run(main)


def test_many_cancelled_at_once(url: str) -> None:
    """Tasks that wait behind others and are cancelled in between; preferences, imports and reads among them."""
    chance = random.Random(3)

    async def main() -> None:
        async with AsyncRecollect(url) as memory:
            calls: list[Callable[[int], Awaitable[Any]]] = [
                lambda i: memory.session(f"s{i % 5}").append([say(f"{i}", id=f"{i} {n}") for n in range(2)]),
                lambda i: memory.user("u").preferences.set(f"k{i}", i),
                lambda i: memory.import_lines([{"session": "in", **say(f"{i}", id=f"{i} {n}")} for n in range(2)]),
                lambda i: memory.session(f"s{i % 5}").window(5),
                lambda i: memory.search(f"{i}"),
            ]
            tasks = [asyncio.ensure_future(calls[i % len(calls)](i)) for i in range(200)]
            while not all(task.done() for task in tasks):
                chance.choice(tasks).cancel()
                await asyncio.sleep(0.0005 * chance.random())
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            done = [not isinstance(outcome, BaseException) for outcome in outcomes]
            assert all(ok or isinstance(o, asyncio.CancelledError) for ok, o in zip(done, outcomes, strict=True))
            preferences = await memory.user("u").preferences.get()
            assert all(preferences[f"k{i}"] == i for i in range(1, 200, 5) if done[i])
            for name in ("s0", "s1", "s2", "s3", "s4", "in"):
                stored = (await memory.session(name).read(limit=1000)).items
                assert [message.seq for message in stored] == list(range(1, len(stored) + 1))
                assert len(stored) % 2 == 0
                assert all(a.content == b.content for a, b in zip(stored[::2], stored[1::2], strict=True))

    run(main)


def test_opened_once_by_many_tasks(url: str) -> None:
    """Twenty tasks that find a client not open yet open it once, in whatever scope they are."""
    store = SlowStart(url)

    async def main() -> None:
        memory = AsyncRecollect(store)
        twin = memory.in_scope("other")
        await asyncio.gather(*((memory, twin)[i % 2].session("s").append(say(f"{i}")) for i in range(20)))
        assert store.opened == 1
        assert len(await memory.session("s").tail(100)) == len(await twin.session("s").tail(100)) == 10
        await memory.close()
        await memory.close()

    run(main)


def test_opening_that_fails_or_is_cancelled_may_be_tried_again(url: str) -> None:
    """A client whose store was away opens with the next call; one whose first task was cancelled likewise."""

    async def main() -> None:
        memory = AsyncRecollect(SlowStart(url, failures=1))
        found = await asyncio.gather(*(memory.session("s").append(say("x")) for _ in range(5)), return_exceptions=True)
        assert [type(one) for one in found if isinstance(one, BaseException)] == [Unavailable]
        await memory.close()
        memory = AsyncRecollect(SlowStart(url))
        first = asyncio.create_task(memory.session("t").append(say("x")))
        others = [asyncio.create_task(memory.session("t").append(say("x"))) for _ in range(3)]
        await asyncio.sleep(0)
        first.cancel()
        assert len(await asyncio.gather(*others)) == 3
        await memory.close()

    run(main)


def test_one_loop_after_the_other(url: str) -> None:
    """A client that was made outside any loop serves one loop, and then another."""
    memory = AsyncRecollect(url)

    async def main() -> int:
        await asyncio.gather(*(memory.session("s").append(say("x")) for _ in range(10)))
        return len(await memory.session("s").tail(1000))

    assert [run(main) for _ in range(3)] == [10, 20, 30]
    asyncio.run(memory.close())


def test_a_loop_after_one_that_could_not_open(url: str) -> None:
    """When the store was away for all tasks of the first loop, those of the second may open it."""
    memory = AsyncRecollect(SlowStart(url, failures=3))

    async def main() -> list[Any]:
        tasks = (memory.session("s").append(say("x")) for _ in range(3))
        return await asyncio.gather(*tasks, return_exceptions=True)

    assert [type(one) for one in run(main)] == [Unavailable] * 3
    assert [one for one in run(main) if isinstance(one, BaseException)] == []
    asyncio.run(memory.close())


def test_async_with_and_async_for(url: str) -> None:
    """`async with` opens and closes, also on an error; an export may be left in the middle."""

    async def main() -> None:
        memory = AsyncRecollect(url)

        async def use() -> None:
            async with memory as entered:
                assert entered is memory
                await memory.session("s", "u").append([say(f"{i}") for i in range(700)])
                assert [line["content"] async for line in memory.export_lines()] == [f"{i}" for i in range(700)]
                export = memory.export_lines(user="u")
                assert (await anext(export))["content"] == "0"
                await export.aclose()  # type: ignore[attr-defined]
                async for _ in memory.export_lines():
                    break
                await memory.session("s").append(say("on"))
                raise LookupError

        with pytest.raises(LookupError):
            await use()
        with pytest.raises(ConfigError):
            await memory.session("s").tail()

    run(main)


def test_the_loop_goes_on_while_the_database_is_busy(tmp_path: Path) -> None:
    """An append that waits for another process's write blocks its own task only."""

    async def main() -> None:
        async with AsyncRecollect(f"sqlite:///{tmp_path}/chat.db") as memory:
            await memory.session("s").append(say("first"))
            with closing(sqlite3.connect(tmp_path / "chat.db", isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                waiting = asyncio.create_task(memory.session("s").append(say("second")))
                ticks = 0
                while ticks < 20:
                    await asyncio.sleep(0.005)
                    ticks += 1
                assert not waiting.done()
                assert [m.content for m in await memory.session("s").tail()] == ["first"]
                other.execute("ROLLBACK")
            assert [m.seq for m in await waiting] == [2]

    run(main)
