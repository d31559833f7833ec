"""Push: a store that says it wakes a follower does so, well before the follower would have looked by itself."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from functools import partial

from recollect.model import Change, Session
from recollect.store import Store
from recollect.testing.kit import SCOPE, Kit, a_document
from recollect.testing.modes import Call
from recollect.testing.suite import Suite

LONG = 60.0
"""Seconds that a wait of these tests may take: so long that a poll in disguise would be seen."""
SOON = 10.0
"""Seconds until it must have been woken, on a machine that has much else to do."""
OTHER = "other tenant"


class Push(Suite):
    """Where the capabilities say `push`, `wait` is woken by a commit."""

    promise = "push"
    needs = "push"

    async def test_commit_wakes_who_waits(self, kit: Kit) -> None:
        """A wait ends as soon as a commit of anybody has added to the scope's feed: an append, a Put or a Delete."""
        await kit.append("s", "a")
        writes: tuple[Call[object], ...] = (
            partial(kit.append, "s", "b"),
            partial(kit.append, "new", "c", "d"),
            partial(kit.put, Session(id="s", title="t")),
            partial(kit.put, a_document("u")),
            partial(kit.delete, session="s", table="messages", seq=1),
            partial(kit.delete, session="s"),
        )
        for write in writes:
            cursor = (await kit.feed())[-1].cursor

            async def writer(write: Call[object] = write) -> float:
                await kit.driver.sleep(0.1)
                await write()
                return time.monotonic()

            woken, written = await kit.together(partial(_woken, kit, cursor), writer)
            assert woken - written < SOON
            assert len(await kit.feed(after=cursor)) == 1

    async def test_commit_of_another_client_wakes(self, kit: Kit) -> None:
        """A commit of another client of the same database wakes, too."""
        self.need_shared(kit)
        other = await kit.another()
        await kit.append("s", "a")
        cursor = (await kit.feed())[-1].cursor

        async def writer() -> float:
            await kit.driver.sleep(0.1)
            await kit.append("s", "b", store=other)
            return time.monotonic()

        woken, written = await kit.together(partial(_woken, kit, cursor), writer)
        assert woken - written < SOON

    async def test_what_came_before_the_wait(self, kit: Kit) -> None:
        """A wait does not begin where something is behind the cursor already, also if it came between the last look and the wait."""
        began = time.monotonic()
        await kit.append("s", "a")
        await kit.store.wait(SCOPE, None, LONG)
        cursor = (await kit.feed())[-1].cursor
        assert await kit.feed(after=cursor) == []
        await kit.append("s", "b")
        await kit.store.wait(SCOPE, cursor, LONG)
        assert time.monotonic() - began < SOON

    async def test_wait_that_nothing_ends(self, kit: Kit) -> None:
        """A wait for which nothing comes ends when its seconds are over, and what another tenant does is nothing."""
        await kit.append("s", "a")
        cursor = (await kit.feed())[-1].cursor
        await kit.store.wait(SCOPE, cursor, 0)
        began = time.monotonic()

        async def writer() -> None:
            await kit.append("s", "b", scope=OTHER)

        await kit.together(partial(kit.store.wait, SCOPE, cursor, 0.5), writer)
        assert time.monotonic() - began < SOON
        assert await kit.feed(after=cursor) == []

    async def test_many_wait(self, kit: Kit) -> None:
        """Any number of calls may wait at once, each for its own scope and cursor."""
        scopes = [SCOPE, OTHER, "a third", SCOPE, OTHER, SCOPE]

        async def wait(scope: str) -> None:
            await kit.store.wait(scope, None, LONG)

        async def writer() -> None:
            await kit.driver.sleep(0.1)
            for scope in dict.fromkeys(scopes):
                await kit.append("s", "a", scope=scope)

        began = time.monotonic()
        await kit.together(*(partial(wait, scope) for scope in scopes), writer)
        assert time.monotonic() - began < SOON

    async def test_follower_among_many_writers(self, kit: Kit) -> None:
        """A follower that waits whenever it has read everything gets every entry of many writers, the last one as soon as the first."""
        writers, each = 6, 8

        async def write(n: int) -> float:
            for i in range(each):
                await kit.append(f"s{n % 3}", kit.message(str(i), id=f"{n} {i}"))
                await kit.driver.sleep(0.01 * (n % 3))
            return time.monotonic()

        async def follow() -> float:
            found: list[Change] = []
            while sum(change.last_seq - change.first_seq + 1 for change in found) < writers * each:
                cursor = found[-1].cursor if found else None
                page = await kit.feed(after=cursor)
                found += page
                if not page:
                    await kit.store.wait(SCOPE, cursor, LONG)
            return time.monotonic()

        *written, read = await kit.together(*(partial(write, n) for n in range(writers)), follow)
        assert read - max(written) < SOON

    async def test_close_ends_a_wait(self, kit: Kit) -> None:
        """Closing the store ends the waits on it."""
        other = await kit.another()
        await kit.append("s", "a")
        cursor = (await kit.feed())[-1].cursor

        async def closer() -> None:
            await kit.driver.sleep(0.2)
            await other.close()

        began = time.monotonic()
        await kit.together(partial(_wait_in_vain, other, cursor), closer)
        assert time.monotonic() - began < SOON

    async def test_cancelled_wait(self, async_kit: Kit) -> None:
        """A cancelled wait leaves the store usable, and others wait on."""
        kit = async_kit
        await kit.append("s", "a")
        cursor = (await kit.feed())[-1].cursor
        tasks = [asyncio.create_task(kit.store.wait(SCOPE, cursor, LONG)) for _ in range(20)]
        last = asyncio.create_task(kit.store.wait(SCOPE, cursor, LONG))
        await asyncio.sleep(0.1)
        for task in tasks:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes)
        assert not last.done()
        began = time.monotonic()
        await kit.append("s", "b")
        await last
        assert time.monotonic() - began < SOON


async def _woken(kit: Kit, cursor: str) -> float:
    await kit.store.wait(SCOPE, cursor, LONG)
    return time.monotonic()


async def _wait_in_vain(store: Store, cursor: str) -> None:
    with suppress(Exception):  # some say that they are closed
        await store.wait(SCOPE, cursor, LONG)
