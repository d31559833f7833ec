"""The async client closed: at rest, while it opens, under way; and what is left of it."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recollect import AsyncRecollect, ConfigError, Recollect, RecollectError
from tests.library.loops import SlowStart, check_no_threads, run, say

CALLS: dict[str, Callable[[Any], Any]] = {
    "append": lambda m: m.session("s").append(say("x")),
    "tail": lambda m: m.session("s").tail(),
    "window": lambda m: m.session("s").window(),
    "context": lambda m: m.session("s").context(),
    "info": lambda m: m.session("s").info(),
    "update": lambda m: m.session("s").update(title="x"),
    "messages": lambda m: m.user("u").messages(),
    "set": lambda m: m.user("u").preferences.set("a", 1),
    "forget": lambda m: m.user("u").forget(),
    "search": lambda m: m.search("x"),
    "sessions": lambda m: m.sessions(),
    "stats": lambda m: m.stats(),
    "changes": lambda m: m.changes(),
    "sweep": lambda m: m.sweep(),
    "import": lambda m: m.import_lines([]),
    "open": lambda m: m.open(),
    "scope": lambda m: m.in_scope("x").search("x"),
}


@pytest.mark.parametrize("used", [True, False])
@pytest.mark.parametrize("call", CALLS)
def test_a_closed_client_says_so(url: str, call: str, used: bool) -> None:
    """Every call on a closed client, and on its handles, is a `ConfigError`; closing again is harmless."""

    async def main() -> None:
        memory = AsyncRecollect(url)
        twin = memory.in_scope("x")
        if used:
            await memory.session("s").append(say("x"))
        await twin.close()
        assert not used or await memory.session("s").tail(1)
        await memory.close()
        for client in (memory, twin):
            with pytest.raises(ConfigError, match="closed"):
                await CALLS[call](client)
        with pytest.raises(ConfigError, match="closed"):
            async for _ in memory.export_lines():
                pass
        await memory.close()

    run(main)
    sync = Recollect(url)
    if used:
        sync.session("s").append(say("x"))
    sync.close()
    with pytest.raises(ConfigError, match="closed"):
        CALLS[call](sync)
    sync.close()


def test_an_export_across_a_close(url: str) -> None:
    """An export that is under way when the client is closed raises, rather than hang or end as if it were whole."""

    async def main() -> None:
        memory = AsyncRecollect(url)
        await memory.session("s").append([say(f"{i}") for i in range(3000)])
        seen = 0

        async def export() -> None:
            nonlocal seen
            async for _ in memory.export_lines():
                seen += 1
                if seen == 10:
                    await memory.close()

        with pytest.raises(RecollectError):
            await export()
        assert 10 <= seen < 3000

    run(main)
    with Recollect(url) as sync:
        sync.session("t").append([say(f"{i}") for i in range(3000)])
        lines = sync.export_lines(session="t")
        next(lines)
        sync.close()
        with pytest.raises(RecollectError):
            list(lines)


def test_closing_while_it_opens(url: str) -> None:
    """A client that is closed while its store is being opened is closed afterwards, and so is the store."""

    async def main() -> None:
        before = set(threading.enumerate())
        memory = AsyncRecollect(SlowStart(url))
        opening = asyncio.create_task(memory.session("s").append(say("x")))
        await asyncio.sleep(0.001)
        await memory.close()
        (outcome,) = await asyncio.gather(opening, return_exceptions=True)
        assert not isinstance(outcome, BaseException) or isinstance(outcome, RecollectError), repr(outcome)
        with pytest.raises(ConfigError, match="closed"):
            await memory.session("s").append(say("x"))
        await check_no_threads(before)

    run(main)


def test_a_cancelled_close_may_be_repeated(tmp_path: Path) -> None:
    """When the task that closes is cancelled, the next `close` ends what it left."""

    async def main() -> None:
        before = set(threading.enumerate())
        memory = AsyncRecollect(f"sqlite:///{tmp_path}/chat.db")
        await memory.session("s").append(say("x"))
        closing_task = asyncio.create_task(memory.close())
        await asyncio.sleep(0)
        closing_task.cancel()
        await asyncio.gather(closing_task, return_exceptions=True)
        await memory.close()
        await check_no_threads(before)

    run(main)


def test_closing_under_way(url: str) -> None:
    """Calls that run or wait when the client is closed end: done, or with an error of ours; no thread is left."""

    async def main() -> None:
        before = set(threading.enumerate())
        for delay in (0, 0.0005, 0.002, 0.005):
            memory = AsyncRecollect(url)
            await memory.open()
            calls = (CALLS["append"], CALLS["context"], CALLS["set"], CALLS["forget"])
            tasks = [asyncio.ensure_future(calls[i % 4](memory)) for i in range(60)]
            await asyncio.sleep(delay)
            await memory.close()
            for outcome in await asyncio.gather(*tasks, return_exceptions=True):
                assert not isinstance(outcome, BaseException) or isinstance(outcome, RecollectError), repr(outcome)
        await check_no_threads(before)

    run(main)


def test_nothing_is_left_behind(url: str) -> None:
    """After `close` no thread of ours runs, and nothing complains when it is collected."""
    before = set(threading.enumerate())

    async def main() -> None:
        async with AsyncRecollect(url) as memory:
            await asyncio.gather(*(memory.session("s").append(say("x")) for _ in range(20)))

    run(main)
    gc.collect()
    assert not set(threading.enumerate()) - before
