"""The feed, followed: nothing is missed, nothing comes twice, whoever writes."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from queue import Queue

import pytest

from recollect import AsyncRecollect, Change, InvalidInput, NotFound, Recollect
from recollect.core import feed


@pytest.fixture
def path(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/chat.db?synchronous=normal"


def test_it_goes_on_with_what_comes(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was there, then what another client commits; pages have no seams."""
    monkeypatch.setattr(feed, "PAGE", 3)
    seen: Queue[Change] = Queue()

    def follow() -> None:
        with Recollect(path) as memory:
            for change in memory.follow():
                seen.put(change)
                if change.partition == "last":
                    return

    with Recollect(path) as memory:
        for i in range(7):
            memory.session(f"before-{i}").append({"role": "user", "content": "x"})
        thread = threading.Thread(target=follow)
        thread.start()
        first = [seen.get(timeout=10).partition for _ in range(7)]
        for i in range(7):
            memory.session(f"after-{i}").append({"role": "user", "content": "x"})
        memory.session("last").append({"role": "user", "content": "x"})
        thread.join(10)
    assert not thread.is_alive()
    assert first == [f"before-{i}" for i in range(7)]
    assert [seen.get_nowait().partition for _ in range(8)] == [*(f"after-{i}" for i in range(7)), "last"]


def test_from_a_cursor_and_left(path: str) -> None:
    """A follower begins behind its cursor; one that is cancelled or left leaves the client in order."""

    async def main() -> None:
        async with AsyncRecollect(path) as memory:
            session = memory.session("s")
            for _ in range(3):
                await session.append({"role": "user", "content": "x"})
            cursor = (await memory.changes()).items[1].cursor
            async for change in memory.follow(cursor):
                assert change.first_seq == 3
                break

            async def wait() -> Change:
                async for change in memory.follow(change_3):
                    return change
                raise AssertionError("a feed has no end")

            change_3 = change.cursor
            waiting = asyncio.create_task(wait())
            await asyncio.sleep(0.05)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            waiting = asyncio.create_task(wait())
            await session.append({"role": "user", "content": "x"})
            assert (await asyncio.wait_for(waiting, 10)).first_seq == 4

    asyncio.run(main())


def test_a_wrong_cursor(path: str) -> None:
    """What is no cursor is refused when the follower begins; one whose successors are swept is not there."""
    with Recollect(path + "&feed_retention=0") as memory:
        memory.session("s").append({"role": "user", "content": "x"})
        cursor = memory.changes().items[0].cursor
        memory.session("s").append({"role": "user", "content": "x"})
        for wrong in ("nonsense", 7):
            with pytest.raises(InvalidInput):
                next(memory.follow(wrong))  # type: ignore[arg-type]
        memory.sweep()
        with pytest.raises(NotFound):
            next(memory.follow(cursor))
