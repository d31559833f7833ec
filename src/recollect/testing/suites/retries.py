"""Repeating is safe: after a failure that leaves one in doubt, the same call again writes once."""

from __future__ import annotations

import asyncio
from functools import partial
from random import Random

import pytest

from recollect.errors import Conflict, RecollectError, Unavailable
from recollect.model import Preferences
from recollect.store import ABSENT, Commit, Partition
from recollect.testing.faults import FaultyStore, When
from recollect.testing.kit import SCOPE, Kit, a_document, put
from recollect.testing.suite import Suite


class Retries(Suite):
    """A failed, cancelled or timed-out call has committed entirely or not at all, and may be repeated."""

    promise = "retries"

    @pytest.mark.parametrize("when", ["before", "after"])
    async def test_ambiguous_append(self, kit: Kit, when: When) -> None:
        """An append that failed, no one knows when, is repeated with the same ids and writes once."""
        faulty = FaultyStore(kit.store)
        rows = [kit.message(str(n)) for n in range(3)]
        await kit.append("s", "first", store=faulty)
        faulty.fail(1, when)
        with pytest.raises(Unavailable):
            await kit.append("s", *rows, store=faulty)
        stored = await kit.append("s", *rows, store=faulty)
        assert [row.seq for row in stored] == [2, 3, 4]
        assert stored.written == (3 if when == "before" else 0)
        assert await kit.contents("s") == ["first", "0", "1", "2"]
        assert (await kit.there("s")).message_count == 4
        assert len(await kit.feed()) == 2

    @pytest.mark.parametrize("when", ["before", "after"])
    async def test_ambiguous_first_append(self, kit: Kit, when: When) -> None:
        """The append that begins a session may fail and be repeated like any other."""
        faulty = FaultyStore(kit.store)
        message = kit.message("a")
        faulty.fail(1, when)
        with pytest.raises(Unavailable):
            await kit.append("s", message, store=faulty, user="u", ttl=100)
        assert (await kit.header("s") is None) == (when == "before")
        (row,) = await kit.append("s", message, store=faulty, user="u", ttl=100)
        assert row.seq == 1
        header = await kit.there("s")
        assert (header.message_count, header.last_seq, header.version) == (1, 1, 1)

    async def test_many_ambiguous_failures(self, kit: Kit) -> None:
        """However often a connection fails, repeating each append until it is acknowledged writes every message once, in order."""
        faulty, random = FaultyStore(kit.store), Random(7)
        for n in range(25):
            message = kit.message(str(n))
            while True:
                if random.random() < 0.5:
                    faulty.fail(1, "before" if random.random() < 0.5 else "after")
                try:
                    (row,) = await kit.append("s", message, store=faulty)
                    break
                except Unavailable:
                    continue
            assert row.seq == n + 1
        assert faulty.applied > 25
        assert await kit.contents("s") == [str(n) for n in range(25)]
        changes = await kit.feed()
        assert [(change.first_seq, change.last_seq) for change in changes] == [(n, n) for n in range(1, 26)]

    async def test_many_writers_with_failures(self, kit: Kit) -> None:
        """Many writers over a connection that fails all the time lose nothing and double nothing."""
        writers, each = 4, 8

        async def write(n: int) -> None:
            faulty, random = FaultyStore(kit.store), Random(n)
            for i in range(each):
                rows = [kit.message(f"{n} {i}", id=f"{n} {i}", name=str(n)), kit.message("shared", id=f"shared {i}")]
                while True:
                    if random.random() < 0.4:
                        faulty.fail(1, "before" if random.random() < 0.5 else "after")
                    try:
                        await kit.append("s", *rows, store=faulty)
                        break
                    except Unavailable:
                        continue

        await kit.together(*(partial(write, n) for n in range(writers)))
        rows = await kit.log("s")
        assert [row.seq for row in rows] == list(range(1, each * (writers + 1) + 1))
        for n in range(writers):
            assert [row.content for row in rows if row.name == str(n)] == [f"{n} {i}" for i in range(each)]
        assert [row.id for row in rows if row.content == "shared"] == [f"shared {i}" for i in range(each)]

    @pytest.mark.parametrize("when", ["before", "after"])
    async def test_ambiguous_guarded_put(self, kit: Kit, when: When) -> None:
        """A guarded Put that failed is written at most once: repeated, it succeeds or raises Conflict, and the version tells."""
        faulty = FaultyStore(kit.store)
        partition = Partition(SCOPE, "user", "u")
        faulty.fail(1, when)
        with pytest.raises(Unavailable):
            await faulty.commit(partition, [put(a_document("u", {"k": 1}), expect=ABSENT)])
        if when == "before":
            await faulty.commit(partition, [put(a_document("u", {"k": 1}), expect=ABSENT)])
        else:
            with pytest.raises(Conflict):
                await faulty.commit(partition, [put(a_document("u", {"k": 1}), expect=ABSENT)])
        row = await kit.store.get("preferences", (SCOPE, "u"))
        assert isinstance(row, Preferences)
        assert (row.version, row.values) == (1, {"k": 1})

    async def test_ambiguous_many(self, kit: Kit) -> None:
        """Of many commits only those that failed need to be repeated, and repeating all of them is as good."""
        faulty = FaultyStore(kit.store)
        commits = [Commit(Partition(SCOPE, "session", f"s{n % 3}"), [kit.op(str(n))]) for n in range(9)]
        faulty.fail(2, "before")
        faulty.fail(6, "after")
        outcomes = await faulty.commit_many(commits)
        assert [n for n, outcome in enumerate(outcomes) if isinstance(outcome, RecollectError)] == [1, 5]
        again = await kit.store.commit_many(commits)
        assert not [outcome for outcome in again if isinstance(outcome, RecollectError)]
        for n in range(3):
            rows = await kit.log(f"s{n}")
            assert [row.seq for row in rows] == [1, 2, 3]
            assert {row.content for row in rows} == {str(i) for i in range(n, 9, 3)}

    @pytest.mark.parametrize("when", ["before", "after"])
    async def test_cancelled_at_the_commit(self, async_kit: Kit, when: When) -> None:
        """A call that is cancelled while it commits leaves the store in order, and may be repeated."""
        kit, faulty = async_kit, FaultyStore(async_kit.store)
        rows = [kit.message("a"), kit.message("b")]
        faulty.cancel(1, when)
        with pytest.raises(asyncio.CancelledError):
            await kit.append("s", *rows, store=faulty)
        assert len(await kit.log("s")) in (0, 2)
        stored = await kit.append("s", *rows, store=faulty)
        assert [row.seq for row in stored] == [1, 2]
        assert await kit.contents("s") == ["a", "b"]

    async def test_cancelled_anywhere(self, async_kit: Kit) -> None:
        """A call that is cancelled at any moment has committed entirely or not at all, and disturbs no other."""
        kit = async_kit
        batches = [[kit.message(f"{n} {i}", id=f"{n} {i}") for i in range(3)] for n in range(40)]
        tasks = []
        for n, batch in enumerate(batches):
            task = asyncio.create_task(kit.append("s", *batch))
            tasks.append(task)
            for _ in range(n % 5):
                await asyncio.sleep(0)
            if n % 2:
                task.cancel()
            if n % 10 == 9:
                await asyncio.wait(tasks)
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        unexpected = [o for o in outcomes if isinstance(o, BaseException) and not isinstance(o, asyncio.CancelledError)]
        assert unexpected == []
        for batch in batches:
            await kit.append("s", *batch)
        rows = await kit.log("s")
        assert [row.seq for row in rows] == list(range(1, 121))
        for batch in batches:
            own = [row.seq for row in rows if row.id in {message.id for message in batch}]
            assert own == [own[0], own[0] + 1, own[0] + 2]
        assert sum(change.last_seq - change.first_seq + 1 for change in await kit.feed()) == 120

    async def test_timed_out(self, async_kit: Kit) -> None:
        """A call that its caller stops waiting for has committed entirely or not at all, and the store goes on."""
        kit = async_kit
        for n in range(30):
            rows = [kit.message(f"{n} {i}", id=f"{n} {i}") for i in range(2)]
            try:
                async with asyncio.timeout(0.0001 * (n % 7)):
                    await kit.append("s", *rows)
            except TimeoutError:
                pass
            await kit.append("s", *rows)
        assert await kit.contents("s") == [f"{n} {i}" for n in range(30) for i in range(2)]

    async def test_close_after_a_cancellation(self, async_kit: Kit) -> None:
        """A store closes in order after calls on it were cancelled."""
        kit = async_kit
        tasks = [asyncio.create_task(kit.append(f"s{n}", "a", "b")) for n in range(10)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await kit.store.close()
        if kit.store.capabilities.durable:
            await kit.reopen()
            for n in range(10):
                assert await kit.contents(f"s{n}") in ([], ["a", "b"])

    async def test_reads_may_be_cancelled(self, async_kit: Kit) -> None:
        """A read that is cancelled disturbs no call after it."""
        kit = async_kit
        await kit.append("s", *(str(n) for n in range(50)))
        for turn in range(20):
            reads = (kit.log("s"), kit.rows("sessions", SCOPE), kit.feed(), kit.there("s"))
            tasks = [asyncio.create_task(read) for read in reads]
            for _ in range(turn % 4):
                await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            assert len(await kit.log("s")) == 50

    async def test_slow_commits(self, kit: Kit) -> None:
        """A commit that takes its time is overtaken by others and gets its numbers when it commits."""
        slow = FaultyStore(kit.store)
        slow.delay(0.05)

        async def late() -> None:
            await kit.append("s", kit.message("late", id="late"), store=slow)

        async def early() -> None:
            for n in range(3):
                await kit.append("s", kit.message(str(n), id=str(n)))

        await kit.together(late, early)
        rows = await kit.log("s")
        assert [row.seq for row in rows] == [1, 2, 3, 4]
        assert [row.content for row in rows if row.id != "late"] == ["0", "1", "2"]
