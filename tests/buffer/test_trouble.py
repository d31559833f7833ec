"""Full, broken, shared, forked, cancelled: the buffer when things go wrong."""

from __future__ import annotations

import asyncio
import os
import re
import sqlite3
import stat
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from recollect import AsyncRecollect, ConfigError, InvalidInput, Recollect, Unavailable
from recollect.store import Partition, Result, buffer, delivery, journal
from recollect.stores.memory import MemoryStore
from tests.buffer.away import AwayStore, say, texts

Make = Callable[..., Recollect]


def test_the_limit(make: Make, store: AwayStore) -> None:
    """When it is full, `Unavailable` says why; what was kept stays, and there is room again behind the delivery."""
    memory = make(buffer_bytes=2000)
    memory.open()
    store.away = True
    kept = 2
    memory.session("s").append([say("x" * 100), say("x" * 100)])
    while memory.buffered().bytes + 600 < 2000:
        kept += memory.session("s").append(say("x" * 100)).buffered
    assert kept > 2
    with pytest.raises(Unavailable, match=r"the line is cut; and the buffer .* is full: its limit is 2,000 bytes"):
        memory.session("s").append(say("x" * 1000))
    with pytest.raises(Unavailable, match="is full"):
        memory.session("s").append(say("x" * 3000))
    assert memory.buffered().waiting == kept
    assert memory.buffered().bytes <= 2000
    store.away = False
    assert len(texts(memory)) == kept
    store.away = True
    assert memory.session("s").append(say("x")).buffered == 1


def test_a_small_one_beside_a_large_one(make: Make, store: AwayStore) -> None:
    """Of what is kept together only what does not fit is left out."""
    memory = make(buffer_bytes=1000)
    memory.open()
    store.away = True
    with pytest.raises(Unavailable):
        memory.session("s").append(say("x" * 2000))
    assert memory.session("s").append(say("small")).buffered == 1


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"on_unavailable": "wait"}, "on_unavailable"),
        ({"on_unavailable": None}, "on_unavailable"),
        ({"on_unavailable": "raise"}, "buffer_path"),
        ({"on_unavailable": "raise", "buffer_path": None, "buffer_bytes": 5}, "buffer_bytes"),
        ({"buffer_bytes": 0}, "buffer_bytes"),
        ({"buffer_bytes": 1.5}, "buffer_bytes"),
        ({"buffer_path": ""}, "buffer_path"),
        ({"buffer_path": 5}, "buffer_path"),
    ],
)
def test_options_that_cannot_be(make: Make, options: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        make(**options)
    assert caught.value.field == field


def test_files_that_cannot_be(make: Make, tmp_path: Path) -> None:
    """Said when the client opens, not when the store is away."""
    (tmp_path / "notes.txt").write_text("not a database " * 1000)
    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("CREATE TABLE mine (x)")
    other.close()
    before = (tmp_path / "other.db").read_bytes()
    with Recollect(f"sqlite:///{tmp_path}/chat.db"):
        pass
    for name in ("notes.txt", "other.db", "chat.db", ".", "missing/buffer.db"):
        memory = make(buffer_path=tmp_path / name)
        with pytest.raises(ConfigError, match=re.escape(str(tmp_path / name))):
            memory.open()
    assert (tmp_path / "other.db").read_bytes() == before, "it is left as it is"


def test_a_newer_file(make: Make, path: Path) -> None:
    make().open()
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA user_version = 99")
    other.close()
    with pytest.raises(ConfigError, match="newer Recollect"):
        make().open()


def test_it_is_nobody_elses_business(make: Make, path: Path) -> None:
    """What people said lies in it."""
    make().open()
    assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0


def test_entries_for_another_store(make: Make, store: AwayStore) -> None:
    """A file that two applications share, or a URL that changed: they are shown, and never delivered to the wrong store."""

    class Elsewhere(AwayStore):
        @property
        def url(self) -> str:
            return "memory://elsewhere"

    elsewhere = Elsewhere(MemoryStore())
    elsewhere.away = store.away = True
    make(store=elsewhere).session("s").append([say("theirs"), say("too")])
    mine = make()
    mine.session("s").append(say("mine"))
    assert (mine.buffered().waiting, mine.buffered().elsewhere) == (1, 2)
    store.away = False
    assert mine.deliver(refused="again").delivered == 1
    assert texts(mine) == ["mine"]
    assert mine.buffered().elsewhere == 2


def test_the_file_cannot_be_written(make: Make, store: AwayStore, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "BUSY_SECONDS", 0.05)
    memory = make()
    memory.open()
    store.away = True
    other = sqlite3.connect(path)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match=r"the line is cut; and the buffer .* cannot be used: database is locked"):
        memory.session("s").append(say("x"))
    other.close()
    assert memory.session("s").append(say("x")).buffered == 1


def test_a_pause_behind_a_failure(memory: Recollect, store: AwayStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """For a moment nobody asks a store that just failed; then one does."""
    monkeypatch.setattr(buffer, "FIRST_PAUSE", 0.3)
    memory.open()
    store.away = True
    memory.session("s").append(say("0"))
    tried = store.tried
    for n in range(1, 10):
        assert memory.session(f"s{n}").append(say(str(n))).buffered == 1
    assert store.tried == tried
    store.away = False
    assert memory.session("s").append(say("x")).buffered == 1
    assert texts(memory) == ["0", "x"], "a read asks in any case"
    store.away = True
    memory.session("s").append(say("y"))
    store.away = False
    time.sleep(0.35)
    assert memory.session("s").append(say("10")).written == 1
    assert texts(memory) == ["0", "x", "y", "10"]


def test_the_pause_grows_to_its_longest(memory: Recollect, store: AwayStore, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(buffer, "monotonic", lambda: now)
    monkeypatch.setattr(buffer, "FIRST_PAUSE", 1.0)
    memory.open()
    store.away = True
    for pause in (1, 2, 4, 5, 5, *[5] * 30):
        tried = store.tried
        memory.session("s").append(say("x"))
        now += pause - 0.001
        memory.session("s").append(say("x"))
        assert store.tried == tried + 1
        now += 0.002
    store.away = False
    assert memory.session("s").append(say("x")).written == 1


def test_many_threads(store: AwayStore, path: Path) -> None:
    """Each keeps its own order, over several cuts of the line."""
    with Recollect(store, on_unavailable="buffer", buffer_path=path) as memory, ThreadPoolExecutor(8) as pool:
        stop = threading.Event()

        def cut() -> None:
            while not stop.is_set():
                store.away = not store.away
                time.sleep(0.01)

        cutter = threading.Thread(target=cut)
        cutter.start()

        def write(name: int) -> None:
            for n in range(60):
                memory.session(f"s{name % 3}").append(say("x", id=f"{name}-{n}"))

        list(pool.map(write, range(8)))
        stop.set()
        cutter.join()
        store.away = False
        memory.deliver()
        for session in range(3):
            found = memory.session(f"s{session}").tail(10_000)
            assert [message.seq for message in found] == list(range(1, len(found) + 1))
            for name in range(session, 8, 3):
                mine = [message.id for message in found if message.id.startswith(f"{name}-")]
                assert mine == [f"{name}-{n}" for n in range(60)]


def test_many_tasks(store: AwayStore, path: Path) -> None:
    """The same for tasks of one loop; some are cancelled, and have happened or not."""

    async def main() -> None:
        async with AsyncRecollect(store, on_unavailable="buffer", buffer_path=path) as memory:

            async def write(name: int) -> None:
                for n in range(40):
                    if n % 10 == 5:
                        store.away = not store.away
                    appending = asyncio.ensure_future(memory.session("s").append(say("x", id=f"{name}-{n}")))
                    if n % 7 == 6:
                        await asyncio.sleep(0)
                        appending.cancel()
                    await asyncio.wait([appending])

            await asyncio.gather(*map(write, range(8)))
            store.away = False
            await memory.deliver()
            found = await memory.session("s").tail(10_000)
            assert [message.seq for message in found] == list(range(1, len(found) + 1))
            assert len({message.id for message in found}) == len(found)
            for name in range(8):
                mine = [int(message.id.split("-")[1]) for message in found if message.id.startswith(f"{name}-")]
                assert mine == sorted(mine)
                assert {n for n in range(40) if n % 7 != 6} <= set(mine)

    asyncio.run(main())


def test_one_asks_and_the_others_do_not_wait(path: Path) -> None:
    """While a store hangs, one append finds out; the others are kept meanwhile. Reads wait for that one answer."""

    class Hangs(AwayStore):
        answer: asyncio.Event | None = None
        asked: asyncio.Event

        async def commit(self, partition: Partition, ops: Any) -> list[Result]:
            if self.answer is not None:
                self.tried += 1
                self.asked.set()
                await self.answer.wait()
                raise Unavailable("no answer")
            return await super().commit(partition, ops)

    async def main() -> None:
        store = Hangs(MemoryStore())
        async with AsyncRecollect(store, on_unavailable="buffer", buffer_path=path) as memory:
            store.away = True
            await memory.session("s").append(say("0"))
            store.away, store.answer, store.tried = False, asyncio.Event(), 0
            store.asked = asyncio.Event()
            prober = asyncio.ensure_future(memory.session("s").append(say("1")))
            await store.asked.wait()
            kept = await asyncio.gather(*(memory.session(f"o{n}").append(say("x")) for n in range(50)))
            assert {one.buffered for one in kept} == {1}
            reads = [asyncio.ensure_future(memory.session("s").tail()) for _ in range(20)]
            await asyncio.sleep(0.05)
            assert not prober.done()
            assert store.tried == 1
            store.answer.set()
            assert (await prober).buffered == 1
            errors = await asyncio.gather(*reads, return_exceptions=True)
            assert {type(error) for error in errors} == {Unavailable}
            assert store.tried == 1, "who waits for the turn takes the answer of the one before"
            store.answer = None
            assert [m.text for m in await memory.session("s").tail()] == ["0", "1"]

    asyncio.run(main())


def test_a_cancelled_delivery_is_taken_up_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "PARCEL_ROWS", 1)

    class Slow(AwayStore):
        async def commit(self, partition: Partition, ops: Any) -> list[Result]:
            results = await super().commit(partition, ops)
            await asyncio.sleep(0.05)
            return results

    async def main() -> None:
        store = Slow(MemoryStore())
        async with AsyncRecollect(store, on_unavailable="buffer", buffer_path=path) as memory:
            store.away = True
            for n in range(20):
                await memory.session("s").append(say(str(n)))
            store.away = False
            for _ in range(3):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.13):
                        await memory.deliver()
            assert 0 < (await memory.buffered()).waiting < 20
            await memory.deliver()
            assert [m.text for m in await memory.session("s").tail(100)] == [str(n) for n in range(20)]

    asyncio.run(main())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_has_a_connection_of_its_own(store: AwayStore, path: Path) -> None:
    with Recollect(store, on_unavailable="buffer", buffer_path=path) as memory:
        store.away = True
        memory.session("s").append(say("parent"))
        child = os.fork()
        if child == 0:
            try:
                for n in range(20):
                    memory.session("s").append(say(f"child {n}"))
            finally:
                os._exit(0 if memory.buffered().waiting >= 21 else 1)
        for n in range(20):
            memory.session("s").append(say(f"parent {n}"))
        assert os.waitpid(child, 0)[1] == 0
        store.away = False
        found = texts(memory)
        assert len(found) == 41
        assert [text for text in found if text.startswith("child")] == [f"child {n}" for n in range(20)]


def test_closing_and_what_is_not_open(make: Make, store: AwayStore, path: Path) -> None:
    memory = make()
    assert memory.buffered().to_dict() == {
        "path": str(path),
        "waiting": 0,
        "oldest": None,
        "refused": 0,
        "refusals": [],
        "elsewhere": 0,
        "bytes": 0,
    }
    assert not path.exists(), "asking makes no file"
    store.away = True
    memory.session("s").append(say("x"))
    memory.close()
    memory.close()
    with pytest.raises(ConfigError, match="closed"):
        memory.session("s").append(say("y"))
    assert make().buffered().waiting == 1


def test_the_default_file(make: Make, store: AwayStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    memory = make(buffer_path=None)
    memory.open()
    assert memory.buffered().path == "recollect-buffer.db"
    assert (tmp_path / "recollect-buffer.db").is_file()


def test_ops_that_are_no_append_pass(memory: Recollect, store: AwayStore) -> None:
    """What is below works as without a buffer."""
    memory.session("s", user="u").append(say("one"))
    memory.session("s").update(title="t")
    memory.session("s").save_summary("sum", covers_seq=1)
    memory.user("u").preferences.set("a", 1)
    assert memory.import_lines([{"session": "s", **say("two")}]).written == 1
    assert len(memory.changes()) == 5
    assert memory.sweep().messages == 0
    assert memory.store.kind == "memory"
    assert memory.store.capabilities.text_search
    assert memory.store.url == "memory://"
    assert memory.warnings() == []
    assert memory.user("u").forget().messages == 2
