"""Several summarizers at once do the work once: threads, tasks, processes; one that dies holds nobody up for good."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from recollect import AsyncRecollect, Message, Recollect
from tests.library.summarizers import AsyncScripted, Scripted

ROOT = Path(__file__).parents[2]
TALK = [Message("user", f"This is message number {i}.") for i in range(50)]

WORKER = """
import sys, time
from pathlib import Path
from recollect import Recollect

class Model:
    name, max_input_tokens = "slow", 3000
    def summarize(self, task):
        with open(sys.argv[2], "a") as log:
            log.write("asked\\n")
        time.sleep(float(sys.argv[3]))
        return "They counted."

with Recollect(sys.argv[1], summarizer=Model()) as memory:
    print("ready", flush=True)
    sys.stdin.readline()
    print(memory.session("s").summarize().covers_seq)
"""


@pytest.mark.parametrize("url", ["memory://", "sqlite:///{}/chat.db"])
def test_threads(tmp_path: Path, url: str) -> None:
    """Eight threads want it; the model is asked once, and all get the same."""
    model = Scripted("They counted.", pause=0.1)
    with Recollect(url.format(tmp_path), summarizer=model) as memory:
        memory.session("s").append(TALK)
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda _: memory.session("s").summarize(), range(8)))
        assert len(model.tasks) == 1
        assert found == [memory.session("s").summary()] * 8


@pytest.mark.parametrize("kind", [Scripted, AsyncScripted])
def test_tasks(tmp_path: Path, kind: type[Scripted]) -> None:
    """The same for tasks of one event loop; appends go on meanwhile."""
    model = kind("They counted.", pause=0.1)

    async def main() -> None:
        async with AsyncRecollect(f"sqlite:///{tmp_path}/chat.db", summarizer=model) as memory:
            session = memory.session("s")
            await session.append(TALK)
            append = asyncio.create_task(session.append(Message("user", "And on.")))
            first, *others = await asyncio.gather(*(memory.session("s").summarize() for _ in range(8)))
            assert (await append)[0].seq == 51
            assert first is not None
            assert first.covers_seq in (30, 31)
            assert others == [first] * 7
            assert len(model.tasks) == 1

    asyncio.run(main())


def test_extractive_threads(tmp_path: Path) -> None:
    """Without a model nobody needs a claim: all make the same, and one of them is stored, once."""
    with Recollect(f"sqlite:///{tmp_path}/chat.db") as memory:
        memory.session("s").append(TALK)
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda _: memory.session("s").summarize(), range(8)))
        assert found == [memory.session("s").summary()] * 8
        assert found[0] is not None
        assert found[0].version == 1


def start(url: str, log: Path, seconds: float) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", WORKER, url, str(log), str(seconds)]
    process = subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_processes(tmp_path: Path) -> None:
    """The same for processes that share nothing but the database."""
    url, log = f"sqlite:///{tmp_path}/chat.db", tmp_path / "log"
    with Recollect(url) as memory:
        memory.session("s").append(TALK)
        workers = [start(url, log, 0.5) for _ in range(3)]
        for worker in workers:
            assert worker.stdin is not None
            worker.stdin.write("go\n")
            worker.stdin.flush()
        assert [worker.communicate(timeout=60)[0] for worker in workers] == ["30\n"] * 3
        assert log.read_text() == "asked\n"
        assert memory.session("s").summary() is not None


@pytest.mark.skipif(os.name != "posix", reason="kills as POSIX does")
def test_killed_at_work(tmp_path: Path) -> None:
    """A process killed while the model works leaves everything as it was, and its claim runs out."""
    url, log = f"sqlite:///{tmp_path}/chat.db", tmp_path / "log"
    with Recollect(url) as memory:
        session = memory.session("s")
        session.append(TALK)
        worker = start(url, log, 60)
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
        deadline = time.monotonic() + 30
        while not log.exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        worker.send_signal(signal.SIGKILL)
        worker.communicate()
        assert session.summary() is None
        begin = time.monotonic()
        assert session.summarize(wait=False) is None
        assert time.monotonic() - begin < 10
        assert "Summary" not in str(session.context().messages)
        assert session.tail(1)[0].seq == 50
    from datetime import UTC, datetime, timedelta

    with Recollect(url, clock=lambda: datetime.now(UTC) + timedelta(minutes=6)) as later:
        summary = later.session("s").summarize()
        assert summary is not None
        assert summary.covers_seq == 30


def test_a_cancelled_call_lets_go(tmp_path: Path) -> None:
    """A task cancelled while the model works gives its claim back: the next one need not wait."""

    class Hanging(Scripted):
        asked = asyncio.Event()

        async def summarize(self, task: object) -> str:  # type: ignore[override]
            self.asked.set()
            await asyncio.sleep(60)
            return ""

    model = Hanging()

    async def main() -> None:
        url = f"sqlite:///{tmp_path}/chat.db"
        async with AsyncRecollect(url, summarizer=model) as memory, AsyncRecollect(url) as other:
            await memory.session("s").append(TALK)
            task = asyncio.create_task(memory.session("s").summarize())
            await model.asked.wait()
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()
            async with asyncio.timeout(10):
                summary = await other.session("s").summarize()
            assert summary is not None
            assert summary.metadata["by"] == "extractive"

    asyncio.run(main())
