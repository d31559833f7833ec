"""Opening and closing: twice, again, with a driver and a database that belong to somebody else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import pytest

from recollect.errors import RecollectError
from recollect.model import Session
from recollect.store import Capabilities, Driver, Partition, Signal
from recollect.testing.kit import SCOPE, Kit, a_document, a_summary
from recollect.testing.suite import Suite

T = TypeVar("T")


class Lifecycle(Suite):
    """A store opens, closes and comes back with everything that it has acknowledged."""

    promise = "lifecycle"

    async def test_what_a_store_says_of_itself(self, kit: Kit) -> None:
        """A store says its kind, its URL and its capabilities, before it is open and after."""
        for store in (kit.fresh(), kit.store):
            assert isinstance(store.capabilities, Capabilities)
            assert store.kind
            assert store.kind == store.kind.lower()
            assert isinstance(store.url, str)
            assert store.url

    async def test_driver_is_the_one_given(self, kit: Kit) -> None:
        """An open store has the driver that it was opened with."""
        assert kit.store.driver is kit.driver

    async def test_open_twice(self, kit: Kit) -> None:
        """Opening twice is harmless."""
        await kit.append("s", "a")
        await kit.store.open(kit.driver)
        assert await kit.contents("s") == ["a"]
        await kit.append("s", "b")
        assert await kit.contents("s") == ["a", "b"]

    async def test_close_twice(self, kit: Kit) -> None:
        """Closing twice is harmless."""
        await kit.append("s", "a")
        await kit.store.close()
        await kit.store.close()

    async def test_close_unopened(self, kit: Kit) -> None:
        """Closing a store that was never open is harmless."""
        await kit.fresh().close()

    async def test_closed_store(self, kit: Kit) -> None:
        """A closed store refuses every verb with an error of Recollect's own, never with a driver's."""
        await kit.append("s", "a")
        store = kit.store
        await store.close()
        calls: list[Callable[[], Awaitable[Any]]] = [
            lambda: kit.append("s", "b"),
            lambda: store.get("sessions", (SCOPE, "s")),
            lambda: store.query("messages", (SCOPE, "s"), limit=1),
            lambda: kit.find("w"),
            kit.feed,
            store.sweep,
        ]
        for call in calls:
            with pytest.raises(RecollectError):
                await call()

    async def test_open_again(self, kit: Kit) -> None:
        """A store that was closed may be opened again."""
        await kit.append("s", "a")
        await kit.store.close()
        await kit.store.open(kit.driver)
        await kit.append("t", "b")
        assert await kit.contents("t") == ["b"]
        if kit.store.capabilities.durable:
            assert await kit.contents("s") == ["a"]

    async def test_borrowed_driver(self, kit: Kit) -> None:
        """A store does not close the driver that it was opened with: it belongs to whoever made it."""
        driver = _Watched(kit.driver)
        store = kit.fresh()
        await store.open(driver)
        await store.commit(Partition(SCOPE, "session", "s"), [kit.op("a")])
        await store.close()
        assert not driver.closed

    async def test_reopen_keeps_everything(self, kit: Kit) -> None:
        """A durable store that is closed and opened by a new client has kept everything that it acknowledged."""
        kit.need_durable()
        await kit.append("s", kit.message("a", id="a"), "b", "c", user="u", ttl=1000, sliding=True, terms=["w", "", ""])
        await kit.delete(session="s", table="messages", seq=3)
        await kit.put((await kit.there("s")).replace(title="t", metadata={"k": [1]}))
        await kit.put(a_summary("s"))
        await kit.put(a_document("u", {"k": 1}))
        await kit.put(a_document("u", {"k": 2}), expect=1)
        before = await _everything(kit)
        await kit.reopen()
        assert await _everything(kit) == before
        assert await kit.finds("a", term="w")
        stored = await kit.append("s", kit.message("a", id="a"), kit.message("d", id="d"))
        assert ([row.seq for row in stored], stored.written) == ([1, 4], 1)
        assert (await kit.put(Session(id="s"), expect=2)).version == 3
        cursor = before["feed"][-1].cursor
        assert [change.table for change in await kit.feed(after=cursor)] == ["messages", "sessions"]

    async def test_reopen_keeps_numbers(self, kit: Kit) -> None:
        """A durable store goes on counting after it was opened anew, also in an empty session."""
        kit.need_durable()
        await kit.append("s", "a", "b")
        await kit.delete(session="s", table="messages")
        await kit.reopen()
        (row,) = await kit.append("s", "c")
        assert row.seq == 3

    async def test_reopen_keeps_expiry(self, kit: Kit) -> None:
        """What has expired while a durable store was closed is gone when it is opened."""
        kit.need_durable()
        await kit.append("s", kit.message("a", ttl=10), "b")
        await kit.append("t", "a", ttl=10)
        kit.clock.forward(10)
        await kit.reopen()
        assert await kit.contents("s") == ["b"]
        assert await kit.header("t") is None

    async def test_reopen_after_a_sweep(self, kit: Kit) -> None:
        """Cursors of the feed go on behind a sweep of everything and a new start."""
        kit.need_durable()
        await kit.append("s", "a")
        (last,) = await kit.feed()
        kit.clock.forward(kit.retention + 1)
        await kit.store.sweep()
        await kit.reopen()
        await kit.append("s", "b")
        (change,) = await kit.feed(after=last.cursor)
        assert change.first_seq == 2
        assert change.cursor != last.cursor

    async def test_many_reopenings(self, kit: Kit) -> None:
        """Opened and closed many times over, nothing is lost and nothing doubled."""
        kit.need_durable()
        for n in range(5):
            await kit.append("s", kit.message(str(n), id=str(n)))
            await kit.reopen()
            await kit.append("s", kit.message(str(n), id=str(n)))
        assert await kit.contents("s") == ["0", "1", "2", "3", "4"]

    async def test_second_client(self, kit: Kit) -> None:
        """What one client of a durable store has acknowledged, another sees at once."""
        self.need_shared(kit)
        other = await kit.another()
        await kit.append("s", kit.message("a", id="a"), user="u")
        assert [row.content for row in await other.query("messages", (SCOPE, "s"), limit=9)] == ["a"]
        (row,) = await kit.append("s", kit.message("b", id="b"), store=other)
        assert row.seq == 2
        assert await kit.contents("s") == ["a", "b"]
        again = await kit.append("s", kit.message("a", id="a"), store=other)
        assert (again.written, again[0].seq) == (0, 1)
        await other.close()
        assert await kit.contents("s") == ["a", "b"]

    async def test_two_first_openings(self, kit: Kit) -> None:
        """Two clients may open a new database at once."""
        self.need_shared(kit)
        await kit.together(*[kit.another] * 4)
        await kit.append("s", "a")
        assert await kit.contents("s") == ["a"]

    async def test_two_stores_are_two(self, kit: Kit) -> None:
        """Two stores that are not durable have nothing in common."""
        if kit.store.capabilities.durable:
            kit.skip("the store is durable")
        other = await kit.another()
        await kit.append("s", "a")
        assert await other.get("sessions", (SCOPE, "s")) is None


class _Watched(Driver):
    """A driver that says whether it was closed."""

    def __init__(self, inner: Driver) -> None:
        super().__init__(inner.now)
        self.inner = inner
        self.blocking = inner.blocking
        self.closed = False

    async def run(self, call: Callable[..., T], *args: Any) -> T:
        return await self.inner.run(call, *args)

    async def sleep(self, seconds: float) -> None:
        await self.inner.sleep(seconds)

    def signal(self) -> Signal:
        return self.inner.signal()

    def close(self) -> None:
        self.closed = True


async def _everything(kit: Kit) -> dict[str, Any]:
    reads: dict[str, Coroutine[Any, Any, Any]] = {
        "sessions": kit.rows("sessions", SCOPE),
        "messages": kit.rows("messages", SCOPE, "s"),
        "messages_by_user": kit.rows("messages_by_user", SCOPE, "u"),
        "sessions_by_user": kit.rows("sessions_by_user", SCOPE, "u"),
        "preferences": kit.rows("preferences", SCOPE),
        "feed": kit.feed(),
    }
    found = {name: await read for name, read in reads.items()}
    found["summary"] = await kit.store.get("summaries", (SCOPE, "s"))
    return found
