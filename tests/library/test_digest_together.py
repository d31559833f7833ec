"""Several digesters share the work and double nothing: threads, tasks, processes; one that is killed is followed."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from recollect import AsyncRecollect, ExtractionTask, Message, Recollect, Statement, Unavailable
from recollect.core.digest_marks import CLAIM_SECONDS
from recollect.store import Op, Partition
from recollect.stores.memory import MemoryStore
from recollect.testing.clock import ManualClock
from tests.library.extractors import AsyncScripted, Scripted

ROOT = Path(__file__).parents[2]
SESSIONS, EACH = 12, 25

WORKER = """
import sys, time
from recollect import Recollect, Statement

class Model:
    name, max_input_tokens, max_known = "slow", 3000, 0
    def extract(self, task):
        with open(sys.argv[2], "a") as log:
            log.write("".join(f"{task.session_id} {one.text}\\n" for one in task.messages))
        time.sleep(float(sys.argv[3]))
        return [Statement(content=f"Said: {one.text}", messages=[one.id]) for one in task.messages]

with Recollect(sys.argv[1]) as memory:
    print("ready", flush=True)
    sys.stdin.readline()
    print(memory.digest(Model()).messages)
"""


class Failing(MemoryStore):
    """A store that takes so many commits more."""

    left = 10_000

    async def commit(self, partition: Partition, ops: Sequence[Op]) -> list[Any]:
        if self.left == 0:
            raise Unavailable("dead")
        self.left -= 1
        return await super().commit(partition, ops)


def fill(memory: Recollect) -> list[str]:
    """Sessions of one user; what the extractor has to be asked about, once each."""
    for number in range(SESSIONS):
        memory.session(f"s{number}", user="ann").append([Message("user", f"{number}.{i}") for i in range(EACH)])
    return sorted(f"s{number} {number}.{i}" for number in range(SESSIONS) for i in range(EACH))


def said(memory: Recollect) -> list[str]:
    """All that is kept, closed or not."""
    return sorted(one.content for one in memory.user("ann").memories(10_000, closed=True))


@pytest.mark.parametrize("url", ["memory://", "sqlite:///{}/chat.db"])
def test_threads(tmp_path: Path, url: str) -> None:
    """Each message is asked about once, and kept once."""
    model = Scripted(pause=0.01)
    with Recollect(url.format(tmp_path)) as memory:
        expected = fill(memory)
        with ThreadPoolExecutor(4) as pool:
            reports = list(pool.map(lambda _: memory.digest(model), range(4)))
        assert sorted(f"{task.session_id} {one.text}" for task in model.tasks for one in task.messages) == expected
        assert sum(report.messages for report in reports) == len(expected)
        assert len(said(memory)) == len(set(said(memory))) == len(expected)


def test_tasks() -> None:
    """The same for tasks of one event loop; one that does not wait leaves the rest."""

    async def main() -> None:
        model = AsyncScripted()
        async with AsyncRecollect("memory://") as memory:
            for number in range(SESSIONS):
                await memory.session(f"s{number}", user="ann").append(Message("user", f"{number}"))
            reports = await asyncio.gather(*(memory.digest(model, wait=index > 0) for index in range(4)))
            assert sum(report.messages for report in reports) == SESSIONS == len(model.seen)

    asyncio.run(main())


def test_a_statement_said_in_two_sessions_at_once(tmp_path: Path) -> None:
    """Is one memory, whoever comes first."""
    with Recollect(f"sqlite:///{tmp_path}/chat.db") as memory:
        for number in range(30):
            memory.session(f"s{number}", user="ann").append(Message("user", f"I love fruit number {number % 3}"))
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: memory.digest(), range(4)))
        assert len(said(memory)) == 3


def test_a_cancelled_digest() -> None:
    """Lets go of the session: the next one goes on at once."""

    class Hanging(AsyncScripted):
        async def extract(self, task: ExtractionTask) -> list[Statement]:  # type: ignore[override]
            await asyncio.sleep(60)
            return []

    async def main() -> None:
        async with AsyncRecollect("memory://") as memory:
            await memory.session("s", user="ann").append(Message("user", "one"))
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await memory.digest(Hanging())
            assert (await memory.digest(Scripted(), wait=False)).messages == 1

    asyncio.run(main())


def test_clocks_that_jump() -> None:
    """A claim that was made by a clock far ahead, or in the past, holds nobody up."""

    class Dies(Scripted):
        def extract(self, task: ExtractionTask) -> list[Statement]:
            store.left = 0
            raise RuntimeError("dead")

    for days in (400, -400):
        clock, store = ManualClock(), Failing()
        with Recollect(store, clock=clock) as memory:
            memory.session("s", user="ann").append(Message("user", "one"))
            clock.forward(days * 86400)
            with pytest.raises(RuntimeError):
                memory.digest(Dies())
            store.left = 10_000
            clock.forward(-days * 86400)
            assert memory.digest(Scripted(), wait=False).messages == 1


def test_a_slot_filled_by_two_at_once(tmp_path: Path) -> None:
    """One statement holds at the end, whoever comes first: the one that was said last."""
    homes = ["Busan", "Seoul", "Paris", "Berlin"]
    for turn in range(5):
        with Recollect(f"sqlite:///{tmp_path}/{turn}.db") as memory:
            for number, home in enumerate(homes):
                memory.session(f"s{number}", user="ann").append(Message("user", f"I live in {home}"))
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(lambda _, memory=memory: memory.digest(), range(4)))
            assert [one.content for one in memory.user("ann").memories()] == ["Lives in Berlin."]
            assert len(said(memory)) == 4


def worker(url: str, log: Path, pause: float) -> subprocess.Popen[str]:
    """A process that digests when it is told to."""
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER, url, str(log), str(pause)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_processes(tmp_path: Path) -> None:
    """Two programs on one feed."""
    url, log = f"sqlite:///{tmp_path}/chat.db", tmp_path / "log"
    with Recollect(url) as memory:
        expected = fill(memory)
        both = [worker(url, log, 0.02) for _ in range(2)]
        for process in both:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        counts = [int(process.communicate(timeout=60)[0]) for process in both]
        assert sum(counts) == len(expected)
        assert sorted(log.read_text().split("\n"))[1:] == expected
        assert len(said(memory)) == len(set(said(memory))) == len(expected)


def test_killed_and_resumed(tmp_path: Path) -> None:
    """What a killed program was at is digested by the next, when its claim has run out; nothing is kept twice."""
    url, log = f"sqlite:///{tmp_path}/chat.db", tmp_path / "log"
    clock = ManualClock()
    with Recollect(url, clock=clock) as memory:
        expected = fill(memory)
        process = worker(url, log, 0.05)
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
        while not log.exists() or log.read_text().count("\n") < 100:
            time.sleep(0.005)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        clock.set(datetime.now(UTC))
        clock.forward(CLAIM_SECONDS + 1)
        model = Scripted()
        memory.digest(model)
        assert len(said(memory)) == len(set(said(memory))) == len(expected)
        assert len(model.seen) <= len(expected) - 60


@pytest.mark.parametrize("write", range(1, 14))
def test_stopped_at_any_write(write: int) -> None:
    """Whichever write is the last before the end: the next digest keeps each statement once, and asks again only for a
    batch whose answer was not stored."""

    clock = ManualClock()
    store = Failing()
    with Recollect(store, clock=clock) as memory:
        memory.session("s", user="ann").append(
            [Message("user", text) for text in ("I live in Busan", "I love tea", "I live in Seoul", "I hate tea")]
        )
        store.left = write
        try:
            memory.digest()
        except Unavailable:
            pass
        store.left = 10_000
        clock.forward(CLAIM_SECONDS + 1)
        memory.digest()
        assert said(memory) == ["Does not like tea.", "Likes tea.", "Lives in Busan.", "Lives in Seoul."]
        assert sorted(one.content for one in memory.user("ann").memories()) == ["Does not like tea.", "Lives in Seoul."]
