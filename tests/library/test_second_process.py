"""An import whose lines are read in a second process: the same as without, and nothing is left of the process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from recollect import AsyncRecollect, InvalidInput, Recollect, Unavailable, parsing


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsing, "CHUNK_LINES", 100)


def some_lines(count: int) -> list[bytes]:
    """Lines of several sessions, shapes and scripts; some without an id or a time, one that is blank."""
    made = []
    for i in range(count):
        line: dict[str, Any] = {
            "session": f"s-{i % 7}",
            "user": f"u-{i % 7}",
            "role": "user",
            "content": f"말 {i} said",
        }
        if i % 3 == 0:
            line |= {"id": f"m-{i}", "metadata": {"n": i, "deep": {"a": [1.5, None, "é"]}}}
        if i % 4 == 0:
            line |= {"created_at": f"2025-01-01T00:00:00.{i:06}Z", "custom": {"b": [i]}}
        if i % 5 == 0:
            line["content"] = [{"type": "text", "text": f"part {i}"}, {"type": "image_url", "image_url": {"url": "x"}}]
        if i % 11 == 0:
            line |= {"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f"}}]}
        made.append(json.dumps(line).encode() + b"\n")
    made[10:10] = [b"\n"]
    return made


def held(memory: Recollect) -> list[dict[str, Any]]:
    """All that is stored, without the instants that the clock gave."""
    return [
        {key: value for key, value in line.items() if key != "created_at" or str(value).startswith("2025")}
        for line in memory.export_lines()
    ]


def processes() -> set[str]:
    """The children of this process."""
    try:
        with open(f"/proc/self/task/{os.getpid()}/children") as file:  # noqa: PTH123
            return set(file.read().split())
    except OSError:
        return set()


@pytest.mark.parametrize("count", [1, 99, 100, 101, 1005])
def test_the_same_as_in_one_process(tmp_path_factory: pytest.TempPathFactory, count: int) -> None:
    """Whatever the length of the source: the same messages under the same ids, and a second import finds them all."""
    before = processes()
    lines = some_lines(count)
    results = []
    for second in (False, True):
        folder = tmp_path_factory.mktemp("import")
        with Recollect(f"sqlite:///{folder}/chat.db") as memory:
            read: list[int] = []
            report = memory.import_lines(lines, second_process=second, progress=lambda n, _, to=read: to.append(n))  # type: ignore[misc]
            again = memory.import_lines(iter(lines), second_process=second)
            assert (report.written, report.lines, report.failed) == (count, len(lines), 0)
            assert (again.written, again.known) == (0, count)
            assert read[-1] == len(lines)
            results.append((held(memory), report.sessions, memory.search("said", limit=2000)))
    assert sorted(results[0][0], key=str) == sorted(results[1][0], key=str)
    assert results[0][1] == results[1][1]
    assert {hit.item.id for hit in results[0][2]} == {hit.item.id for hit in results[1][2]}
    assert processes() == before


def test_interleaved_sessions(url: str) -> None:
    """Rows are brought together by session; each keeps its order, another owner's line is named, the rest is there."""
    lines = [
        b'{"session":"s-%d","role":"user","content":"%d","id":"%d"}\n' % (i * 7919 % 900, i, i) for i in range(12_000)
    ]
    with Recollect(url) as memory:
        memory.session("s-5", user="ann").append({"role": "user", "content": "mine"})
        lines[6000] = b'{"session":"s-5","user":"bob","role":"user","content":"not mine"}\n'
        shown: list[int] = []
        report = memory.import_lines(
            lines, on_error="skip", second_process=True, progress=lambda read, _: shown.append(read)
        )
        assert (report.lines, report.written, report.failed) == (12_000, 11_999, 1)
        assert [error.line for error in report.errors] == [6001]
        assert shown[-1] == 12_000
        assert shown == sorted(shown)
        for name in ("s-0", "s-7", "s-899"):
            numbers = [int(message.text) for message in memory.session(name).read(limit=100)]
            assert numbers == sorted(numbers)
            assert len(numbers) >= 13
        with pytest.raises(InvalidInput, match="line 6001: session 's-5' belongs to another user"):
            memory.import_lines(lines, second_process=True)


@pytest.mark.parametrize("on_error", ["stop", "skip"])
def test_a_bad_line_far_in(url: str, on_error: Any) -> None:
    """Its number and reason come back; what stands before it is there, and with ``skip`` also the rest."""
    lines = some_lines(1000)
    lines[500] = b'{"session": "s", "role": "nobody", "content": "x"}\n'
    before = processes()
    with Recollect(url) as memory:
        if on_error == "stop":
            with pytest.raises(InvalidInput, match=r"line 501: unknown role 'nobody'.* \(499 messages before it"):
                memory.import_lines(lines, on_error=on_error, second_process=True)
            assert memory.stats().messages == 499
        else:
            report = memory.import_lines(lines, on_error=on_error, second_process=True)
            assert [(error.line, error.reason[:12]) for error in report.errors] == [(501, "unknown role")]
            assert memory.stats().messages == report.written == 999
    assert processes() == before


def test_the_process_dies(url: str) -> None:
    """`Unavailable`; importing again completes what is missing."""
    lines = some_lines(25_000)
    before = processes()

    def kill(*_: int) -> None:
        for child in processes() - before:
            os.kill(int(child), signal.SIGKILL)

    if not before and not os.path.exists("/proc/self/task"):  # noqa: PTH110
        pytest.skip("no /proc to find the process by")
    with Recollect(url) as memory:
        with pytest.raises(Unavailable, match="has ended"):
            memory.import_lines(lines, second_process=True, progress=kill)
        assert 0 < memory.stats().messages < 25_000
        memory.import_lines(lines, second_process=True)
        assert memory.stats().messages == 25_000
    assert processes() == before


@pytest.mark.parametrize("after", [1, 3])
def test_an_import_that_is_given_up(url: str, after: int) -> None:
    """Whatever is on its way then, neither the process nor the thread that listens to it is left."""
    before, calls = processes(), []

    def give_up(*_: int) -> None:
        calls.append(1)
        if len(calls) == after:
            raise KeyError("enough")

    with Recollect(url) as memory:
        with pytest.raises(KeyError, match="enough"):
            memory.import_lines(some_lines(60_000), second_process=True, progress=give_up)
        assert 0 < memory.stats().messages < 60_000
    assert processes() == before
    assert "recollect-import" not in {thread.name for thread in threading.enumerate()}


def test_a_file_of_the_current_folder_is_not_run(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The process takes its modules from where this one has them: a ``queue.py`` that lies about is not one of them."""
    folder = tmp_path / "elsewhere"
    (folder / "recollect").mkdir(parents=True)
    (folder / "recollect" / "__init__.py").write_text("")
    (folder / "queue.py").write_text("raise SystemExit('foreign')")
    monkeypatch.chdir(folder)
    with Recollect(url) as memory:
        assert memory.import_lines(some_lines(1000), second_process=True).written == 1000
    assert capfd.readouterr() == ("", "")


def test_nothing_is_left_where_it_stops(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also while batches wait that nobody will take: no thread stays behind, and none fails on half a frame."""
    monkeypatch.setattr(parsing, "CHUNK_LINES", 10_000)
    line = '{"session": "s", "role": "user", "content": "a word"}\n'
    before, threads = processes(), threading.active_count()

    def stop(*_: int) -> None:
        time.sleep(0.5)  # in which the process gets ahead
        raise KeyboardInterrupt

    with Recollect(url) as memory, pytest.raises(KeyboardInterrupt):
        memory.import_lines([line.encode()] * 60_000, second_process=True, progress=stop)
    assert processes() == before
    assert threading.active_count() == threads


def test_cancelled_before_the_process_begins(url: str) -> None:
    """An import that is cancelled while its first lines are read leaves no process that waits for more."""
    before = processes()
    reading = threading.Event()

    def source() -> Iterator[bytes]:
        reading.set()
        time.sleep(0.2)
        yield from some_lines(1000)

    async def main() -> None:
        async with AsyncRecollect(url) as memory:
            task = asyncio.create_task(memory.import_lines(source(), second_process=True))
            while not reading.is_set():  # noqa: ASYNC110 (of another thread)
                await asyncio.sleep(0.001)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(main())
    assert processes() == before


def test_a_source_that_fails(url: str) -> None:
    """What the iterator of lines raises comes out, and the process is ended."""
    before = processes()

    def source() -> Iterator[bytes]:
        yield from some_lines(700)
        raise OSError("the disk is gone")

    with Recollect(url) as memory, pytest.raises(OSError, match="the disk is gone"):
        memory.import_lines(source(), second_process=True)
    assert processes() == before


def test_what_a_second_process_cannot_know(url: str) -> None:
    """A counter or a clock of one's own, and lines that are no bytes, are refused before anything is written."""
    lines = some_lines(300)
    with Recollect(url, count_tokens=len) as memory, pytest.raises(InvalidInput, match="counter"):
        memory.import_lines(lines, second_process=True)
    with Recollect(url, clock=lambda: datetime(2026, 1, 1, tzinfo=UTC)) as memory, pytest.raises(InvalidInput):
        memory.import_lines(lines, second_process=True)
    with Recollect(url) as memory:
        with pytest.raises(InvalidInput, match="bytes"):
            memory.import_lines([line.decode() for line in lines], second_process=True)
        assert memory.stats().messages == 0


def test_the_loop_goes_on(url: str) -> None:
    """While an async import reads and writes, other tasks of the loop have their turn."""

    async def main() -> int:
        async with AsyncRecollect(url) as memory:
            ticks = 0

            async def tick() -> None:
                nonlocal ticks
                while True:
                    ticks += 1
                    await asyncio.sleep(0.001)

            ticking = asyncio.create_task(tick())
            await memory.import_lines(some_lines(5000), second_process=True)
            ticking.cancel()
            assert (await memory.stats()).messages == 5000
            return ticks

    assert asyncio.run(main()) > 10
