"""What an event loop's thread does itself, and what it leaves to others; headers that are remembered."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

from recollect import AsyncRecollect, Conflict, Message, Recollect, Unavailable
from recollect.stores import _sql
from recollect.stores.sqlite import changes, connections, reads, writer


def say(content: str, **more: Any) -> dict[str, Any]:
    return {"role": "user", "content": content, **more}


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/chat.db"


def threads_of(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the threads in which rows become messages."""
    names: list[str] = []
    plain = _sql.message_of

    def noted(row: Any) -> Message:
        names.append(threading.current_thread().name)
        return plain(row)

    monkeypatch.setattr(reads, "message_of", noted)
    return names


@pytest.mark.parametrize("short", [1.0, -1.0])
def test_a_long_read_goes_to_a_thread(url: str, monkeypatch: pytest.MonkeyPatch, short: float) -> None:
    """A read that turns out to be long is done again elsewhere, with the same result; a short one stays where it is."""
    monkeypatch.setattr(reads, "SHORT", short)
    names = threads_of(monkeypatch)

    async def main() -> list[str]:
        async with AsyncRecollect(url) as memory:
            session = memory.session("s")
            await session.append([say(str(i)) for i in range(50)])
            names.clear()
            return [row.text for row in await session.tail(20)]

    assert asyncio.run(main()) == [str(i) for i in range(30, 50)]
    assert (names[-1] == "recollect") is (short < 0)
    assert len(names) == (20 if short > 0 else 21), "one message was enough to see that it is long"


def test_long_work_is_not_done_on_the_loop(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Taking over a session with all its messages, a large append and a removal: each in a thread; order is kept."""
    where: list[tuple[bool, str]] = []
    plain = changes.Changes.apply

    def noted(self: Any, connection: Any, commit: Any, *, short: bool = False) -> Any:
        where.append((short, threading.current_thread().name))
        return plain(self, connection, commit, short=short)

    monkeypatch.setattr(changes.Changes, "apply", noted)

    async def main() -> list[Message]:
        async with AsyncRecollect(url) as memory:
            await memory.session("s").append(say("anonymous"))
            await memory.session("s", user="u").append(say("adopted"))
            await asyncio.gather(
                memory.session("s").append([say(f"large {i}") for i in range(100)]),
                memory.session("s").append(say("behind it")),
            )
            await memory.session("gone").delete()
            return list((await memory.session("s").read(limit=200)).items)

    rows = asyncio.run(main())
    assert [row.text for row in rows] == ["anonymous", "adopted", *(f"large {i}" for i in range(100)), "behind it"]
    assert {row.user_id for row in rows} == {"u"}
    assert all(thread == "MainThread" for short, thread in where if short)
    assert all(thread == "recollect-batch" for short, thread in where if not short)
    assert any(not short for short, _ in where)


def test_without_a_flush_a_commit_is_ended_where_it_was_begun(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With ``synchronous=normal`` few commits go to a thread, where the log is copied back: it does not grow for ever."""
    monkeypatch.setitem(connections.CHECKPOINT_BYTES, "normal", 64 * 1024)
    ended: list[str] = []
    plain = writer.Writer._end

    def noted(self: Any, connection: Any, outcomes: Any) -> Any:
        ended.append(threading.current_thread().name)
        return plain(self, connection, outcomes)

    monkeypatch.setattr(writer.Writer, "_end", noted)

    def log_bytes() -> int:
        return Path(f"{url.removeprefix('sqlite:///')}-wal").stat().st_size

    async def main() -> tuple[list[Message], int]:
        async with AsyncRecollect(f"{url}?synchronous=normal") as memory:
            session = memory.session("s")
            for i in range(1000):
                await session.append(say(f"{i} " + "word " * 400))
            return await session.tail(1000), log_bytes()

    rows, size = asyncio.run(main())
    assert [(row.seq, row.text.split()[0]) for row in rows] == [(i + 1, str(i)) for i in range(1000)]
    assert 10 < len(ended) < 40
    assert set(ended) == {"recollect-batch"}
    assert size < 4 * 1024 * 1024, "of some 10 that were written"


def test_a_commit_that_fails_in_place_is_tried_again_elsewhere(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stopped it for a moment loses nothing; what does not pass is said."""
    failures = 0

    def broken(self: Any, size: int | None = None) -> None:
        nonlocal failures
        if size == 0 and failures < 3:
            failures += 1
            raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(connections.Connections, "copy_log_at", broken)

    async def main() -> list[Message]:
        async with AsyncRecollect(f"{url}?synchronous=normal") as memory:
            for i in range(10):
                assert (await memory.session("s").append(say(str(i)))).written == 1
            return await memory.session("s").tail(20)

    assert [(row.seq, row.text) for row in asyncio.run(main())] == [(i + 1, str(i)) for i in range(10)]
    assert failures == 3


def test_a_flush_that_fails_fails_all_that_waited_for_it(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was begun together and could not be flushed is not there; the next append finds all in order."""

    def broken(_: sqlite3.Connection) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    async def main() -> tuple[list[Any], list[Message]]:
        async with AsyncRecollect(url) as memory:
            session = memory.session("s")
            await session.append(say("first"))
            finish = memory.store._writer._finish  # type: ignore[attr-defined]
            memory.store._writer._finish = broken  # type: ignore[attr-defined]
            outcomes = await asyncio.gather(
                *(session.append(say(f"lost {i}")) for i in range(5)), return_exceptions=True
            )
            memory.store._writer._finish = finish  # type: ignore[attr-defined]
            await session.append(say("second"))
            return outcomes, await session.tail(10)

    outcomes, rows = asyncio.run(main())
    assert len(outcomes) == 5
    assert all(isinstance(outcome, Unavailable) for outcome in outcomes)
    assert [(row.seq, row.text) for row in rows] == [(1, "first"), (2, "second")]


def test_a_remembered_header_is_not_believed(url: str) -> None:
    """Between two appends others append, rename, take over, clear, delete and make anew: the count is always exact."""
    with Recollect(url) as one, Recollect(url) as other:
        mine, theirs = one.session("s"), other.session("s")

        def numbers() -> tuple[int, int]:
            header = mine.info()
            assert header is not None
            return header.message_count, header.last_seq

        assert [mine.append(say("a"))[0].seq, theirs.append(say("b"))[0].seq, mine.append(say("c"))[0].seq] == [1, 2, 3]
        theirs.update(title="Trip")
        assert mine.append(say("d"))[0].seq == 4
        header = mine.info()
        assert header is not None
        assert header.title == "Trip"
        other.session("s", user="u").append(say("e"))
        assert [(row.seq, row.user_id) for row in mine.append(say("f"))] == [(6, "u")]
        theirs.pop()
        assert mine.append(say("g"))[0].seq == 7
        assert numbers() == (6, 7)
        theirs.clear()
        assert mine.append(say("h"))[0].seq == 8
        assert numbers() == (1, 8)
        theirs.delete()
        other.session("new").append(say("in its place"))
        assert [(row.seq, row.user_id) for row in mine.append(say("i"))] == [(1, None)]
        assert numbers() == (1, 1)
        assert [row.text for row in one.session("new").tail()] == ["in its place"]


def test_a_repeated_id_does_not_count(url: str) -> None:
    """A repeated append right behind the first changes nothing of the header but what it was."""
    with Recollect(url) as memory:
        session = memory.session("s")
        session.append(say("a", id="a"))
        session.append(say("b", id="b"))
        before = session.info()
        again = session.append(say("other words", id="a"))
        assert [(row.seq, row.text) for row in again] == [(1, "a")]
        assert again.written == 0
        assert session.info() == before
        assert session.append(say("c"))[0].seq == 3


def test_commits_that_fail_among_others(url: str) -> None:
    """Of appends that are written together those that must be refused are, the others are there, numbered without a gap."""

    async def main() -> tuple[list[Any], list[Message]]:
        async with AsyncRecollect(url) as memory:
            await memory.session("theirs", user="a").append(say("first"))
            calls = [memory.session("theirs", user="ab"[i % 2]).append(say(str(i))) for i in range(10)]
            return await asyncio.gather(*calls, return_exceptions=True), await memory.session("theirs").tail(20)

    outcomes, rows = asyncio.run(main())
    assert [isinstance(outcome, Conflict) for outcome in outcomes] == [False, True] * 5
    assert [(row.seq, row.text) for row in rows] == [(1, "first"), (2, "0"), (3, "2"), (4, "4"), (5, "6"), (6, "8")]
