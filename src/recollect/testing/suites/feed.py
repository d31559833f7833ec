"""The feed: what every commit did, complete, in commit order, without repetition."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from recollect.errors import Conflict, InvalidInput, NotFound
from recollect.model import Change, Session
from recollect.store import Delete
from recollect.testing.kit import SCOPE, Kit, a_document, a_summary, put
from recollect.testing.suite import Suite

OTHER = "other tenant"


class Feed(Suite):
    """Every commit records its changes in the same breath."""

    promise = "feed"

    async def test_entry_of_an_append(self, kit: Kit) -> None:
        """An append leaves one entry that names its session and the numbers that it gave."""
        await kit.append("s", "a")
        kit.clock.forward(1)
        await kit.append("s", "b", "c", "d")
        first, second = await kit.feed()
        assert _plain(first) == ("append", "messages", "s", 1, 1)
        assert _plain(second) == ("append", "messages", "s", 2, 4)
        assert second.at == kit.clock()

    async def test_entry_of_new_messages_only(self, kit: Kit) -> None:
        """The entry of an append names the new numbers only, and an append that writes nothing leaves none."""
        old = kit.message("a", id="a")
        await kit.append("s", old)
        await kit.append("s", old)
        await kit.append("s", old, "b", old, "c")
        assert [_plain(change) for change in await kit.feed()] == [
            ("append", "messages", "s", 1, 1),
            ("append", "messages", "s", 2, 3),
        ]

    async def test_entries_of_puts(self, kit: Kit) -> None:
        """A Put leaves an entry with its table and the partition's id."""
        await kit.put(Session(id="s"))
        await kit.put(a_summary("s", "so far", 0))
        await kit.put(a_document("u"))
        assert [_plain(change) for change in await kit.feed()] == [
            ("put", "sessions", "s", 0, 0),
            ("put", "summaries", "s", 0, 0),
            ("put", "preferences", "u", 0, 0),
        ]

    async def test_entries_of_deletes(self, kit: Kit) -> None:
        """A Delete that removed something leaves an entry with its table, `sessions` for everything; others leave none."""
        await kit.append("s", "a", "b", "c")
        await kit.put(a_summary("s", "so far", 0))
        await kit.put(a_document("u"))
        start = (await kit.feed())[-1].cursor
        for _ in range(2):
            await kit.delete(session="s", table="messages", seq=2)
            await kit.delete(session="s", table="messages")
            await kit.delete(session="s", table="summaries")
        await kit.delete(session="s")
        await kit.delete(session="s")
        await kit.delete(user="u", table="preferences")
        await kit.delete(user="u")
        found = await kit.feed(after=start)
        assert [(change.kind, change.table, change.partition) for change in found] == [
            ("delete", "messages", "s"),
            ("delete", "messages", "s"),
            ("delete", "summaries", "s"),
            ("delete", "sessions", "s"),
            ("delete", "preferences", "u"),
        ]

    async def test_one_entry_for_each_operation(self, kit: Kit) -> None:
        """The operations of one commit leave their entries in their order."""
        await kit.commit(
            "s", kit.op("a"), put(Session(id="s", title="t")), kit.op("b"), Delete(table="messages", seq=1)
        )
        assert [(change.kind, change.table) for change in await kit.feed()] == [
            ("append", "messages"),
            ("put", "sessions"),
            ("append", "messages"),
            ("delete", "messages"),
        ]

    async def test_failed_commit_leaves_no_entry(self, kit: Kit) -> None:
        """A commit that failed is not in the feed, and the entries after it go on as if it had not been."""
        await kit.append("s", "a")
        for _ in range(3):
            with pytest.raises(Conflict):
                await kit.commit("s", kit.op("b"), put(Session(id="s"), expect=99))
        await kit.append("s", "c")
        assert [_plain(change) for change in await kit.feed()] == [
            ("append", "messages", "s", 1, 1),
            ("append", "messages", "s", 2, 2),
        ]

    async def test_reading_leaves_no_entry(self, kit: Kit) -> None:
        """Reading, expiry as such and a sweep leave no entry."""
        await kit.append("s", kit.message("a", ttl=5), ttl=10)
        await kit.log("s")
        await kit.there("s")
        kit.clock.forward(5)
        await kit.log("s")
        kit.clock.forward(5)
        await kit.store.sweep()
        assert len(await kit.feed()) == 1

    async def test_cursor_goes_on(self, kit: Kit) -> None:
        """The feed behind an entry's cursor begins with the next entry; behind the last it is empty until more happens."""
        for n in range(7):
            await kit.append(f"s{n % 3}", str(n))
        whole = await kit.feed()
        for n, change in enumerate(whole):
            assert await kit.feed(after=change.cursor) == whole[n + 1 :]
        assert await kit.feed(after=whole[-1].cursor) == []
        await kit.append("s0", "more")
        (change,) = await kit.feed(after=whole[-1].cursor)
        assert _plain(change) == ("append", "messages", "s0", 4, 4)

    async def test_pages_of_the_feed(self, kit: Kit) -> None:
        """Page after page the feed is read completely and without repetition, oldest first."""
        for n in range(10):
            await kit.append(f"s{n % 3}", str(n), scope=SCOPE if n % 4 else OTHER)
        whole = await kit.feed()
        assert len(whole) == 7
        seen: list[Change] = []
        while page := await kit.feed(after=seen[-1].cursor if seen else None, limit=2):
            assert len(page) == (2 if len(seen) < 6 else 1)
            seen += page
        assert seen == whole

    async def test_feed_of_the_tenant(self, kit: Kit) -> None:
        """A tenant's feed holds its own changes and nothing of another's."""
        await kit.append("s", "a")
        await kit.append("t", "b", scope=OTHER)
        await kit.put(a_document("u"), scope=OTHER)
        await kit.append("s", "c")
        assert [_plain(change) for change in await kit.feed()] == [
            ("append", "messages", "s", 1, 1),
            ("append", "messages", "s", 2, 2),
        ]
        assert [_plain(change) for change in await kit.feed(OTHER)] == [
            ("append", "messages", "t", 1, 1),
            ("put", "preferences", "u", 0, 0),
        ]
        assert await kit.feed("a third") == []

    async def test_empty_feed(self, kit: Kit) -> None:
        """The feed of a store in which nothing happened is empty."""
        assert await kit.feed() == []

    @pytest.mark.parametrize(
        "cursor", ["", " ", "no cursor", "\0", "💬", "' OR 1=1 --", "-1", "1.5", "٣", "9" * 400], ids=ascii
    )
    async def test_what_is_no_cursor(self, kit: Kit, cursor: str) -> None:
        """Text that is no cursor raises InvalidInput."""
        await kit.append("s", "a")
        with pytest.raises(InvalidInput):
            await kit.feed(after=cursor)

    async def test_swept_entries(self, kit: Kit) -> None:
        """A sweep removes entries of the feed older than its retention; a cursor whose successors are gone raises NotFound."""
        await kit.append("s", "a")
        await kit.append("s", "b")
        kit.clock.forward(kit.retention / 2)
        await kit.append("s", "c")
        first, second, third = await kit.feed()
        kit.clock.forward(kit.retention / 2 - 1)
        assert (await kit.store.sweep()).changes == 0
        assert await kit.feed() == [first, second, third]
        kit.clock.forward(2)
        assert (await kit.store.sweep()).changes == 2
        assert await kit.feed() == [third]
        assert await kit.feed(after=second.cursor) == [third]
        assert await kit.feed(after=third.cursor) == []
        with pytest.raises(NotFound):
            await kit.feed(after=first.cursor)

    async def test_last_cursor_outlives_the_sweep(self, kit: Kit) -> None:
        """A follower who has read everything loses nothing by a sweep: its cursor stays good, however old it is."""
        await kit.append("s", "a")
        (last,) = await kit.feed()
        kit.clock.forward(kit.retention + 1)
        await kit.store.sweep()
        assert await kit.feed() == []
        assert await kit.feed(after=last.cursor) == []
        await kit.append("s", "b")
        (change,) = await kit.feed(after=last.cursor)
        assert _plain(change) == ("append", "messages", "s", 2, 2)
        assert await kit.feed() == [change]

    async def test_sweep_of_another_tenants_entries(self, kit: Kit) -> None:
        """A cursor behind which only other tenants' entries were swept stays good."""
        await kit.append("s", "a")
        (last,) = await kit.feed()
        await kit.append("t", "b", scope=OTHER)
        await kit.append("t", "c", scope=OTHER)
        kit.clock.forward(kit.retention + 1)
        await kit.store.sweep()
        assert await kit.feed(after=last.cursor) == []

    async def test_sweep_leaves_no_hole(self, kit: Kit) -> None:
        """A sweep takes from the old end of the feed only, so that no cursor skips an entry when a clock was set back."""
        await kit.append("s", "a")
        kit.clock.back(3600)
        await kit.append("s", "b")
        kit.clock.forward(3600)
        await kit.append("s", "c")
        whole = await kit.feed()
        kit.clock.forward(kit.retention - 1800)
        await kit.store.sweep()
        for n, change in enumerate(whole):
            try:
                found = await kit.feed(after=change.cursor)
            except NotFound:
                continue
            assert found == whole[n + 1 :]

    async def test_follower_among_writers(self, kit: Kit) -> None:
        """A follower that reads while many write gets every entry once, each session's numbers without a gap."""
        writers, each = 6, 10
        done: list[int] = []

        async def write(n: int) -> None:
            try:
                for i in range(each):
                    await kit.append(f"s{n % 2}", kit.message(str(i), id=f"{n} {i}"))
            finally:
                done.append(n)

        async def follow() -> None:
            cursor: str | None = None
            numbers: dict[str, int] = {"s0": 0, "s1": 0}
            cursors: set[str] = set()
            while True:
                last = len(done) == writers
                page = await kit.feed(after=cursor, limit=5)
                for change in page:
                    assert change.first_seq == numbers[change.partition] + 1
                    numbers[change.partition] = change.last_seq
                    assert change.cursor not in cursors
                    cursors.add(change.cursor)
                    cursor = change.cursor
                if last and not page:
                    break
                await kit.mode.rest()
            assert numbers == {"s0": each * writers // 2, "s1": each * writers // 2}

        await kit.together(*(partial(write, n) for n in range(writers)), follow, follow)

    async def test_two_clients_share_the_feed(self, kit: Kit) -> None:
        """Two clients of one database see one feed."""
        self.need_shared(kit)
        other = await kit.another()
        await kit.append("s", "a")
        await kit.append("s", "b", store=other)
        whole = await kit.feed()
        assert [change.first_seq for change in whole] == [1, 2]
        assert await other.changes(SCOPE, after=whole[0].cursor, limit=10) == whole[1:]


def _plain(change: Change) -> tuple[Any, ...]:
    return (change.kind, change.table, change.partition, change.first_seq, change.last_seq)
