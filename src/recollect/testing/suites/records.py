"""Records: versions and guards, columns that the store owns, owners of sessions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from recollect.errors import Conflict
from recollect.model import Preferences, Session, Summary
from recollect.store import ABSENT, ANY
from recollect.testing.kit import SCOPE, Kit, a_document, a_summary, put
from recollect.testing.suite import Suite


class Records(Suite):
    """A guarded write wins or raises Conflict; the store keeps its own columns."""

    promise = "records"

    @pytest.mark.parametrize("row", [Session(id="x"), a_document("x")], ids=["sessions", "preferences"])
    async def test_versions(self, kit: Kit, row: Session | Preferences) -> None:
        """The stored version is 1, and one more with every Put; the version that the row carries is ignored."""
        for expected in (1, 2, 3):
            assert (await _put(kit, row.replace(version=77))).version == expected

    async def test_summary_versions(self, kit: Kit) -> None:
        """A summary's version begins at 1 and grows by one with every Put."""
        await kit.append("s", "a")
        for expected in (1, 2, 3):
            row = await kit.put(a_summary("s", str(expected), 1, version=77))
            assert (row.version, row.text) == (expected, str(expected))
            assert await kit.store.get("summaries", (SCOPE, "s")) == row

    @pytest.mark.parametrize("table", ["sessions", "summaries", "preferences"])
    async def test_guard_absent(self, kit: Kit, table: str) -> None:
        """A Put that expects ABSENT creates the row once, and raises Conflict when it is there."""
        row = await _example(kit, table)
        assert (await _put(kit, row, expect=ABSENT)).version == 1
        before = await _get(kit, row)
        with pytest.raises(Conflict):
            await _put(kit, row, expect=ABSENT)
        assert await _get(kit, row) == before

    @pytest.mark.parametrize("table", ["sessions", "summaries", "preferences"])
    async def test_guard_version(self, kit: Kit, table: str) -> None:
        """A Put that expects a version is written only if that version is stored, and else raises Conflict."""
        row = await _example(kit, table)
        with pytest.raises(Conflict):
            await _put(kit, row, expect=1)
        assert await _get(kit, row) is None
        await _put(kit, row)
        assert (await _put(kit, row, expect=1)).version == 2
        for wrong in (1, 3, 0):
            with pytest.raises(Conflict):
                await _put(kit, row, expect=wrong)
        assert (await _put(kit, row, expect=2)).version == 3
        assert (await _put(kit, row, expect=ANY)).version == 4

    @pytest.mark.parametrize("table", ["sessions", "summaries", "preferences"])
    async def test_deleted_version(self, kit: Kit, table: str) -> None:
        """After a Delete the row is absent: its old version guards nothing, and it begins again at 1."""
        row = await _example(kit, table)
        await _put(kit, row)
        await _put(kit, row)
        if table == "preferences":
            assert await kit.delete(user="x", table="preferences") == 1
        elif table == "summaries":
            assert await kit.delete(session="x", table="summaries") == 1
        else:
            assert await kit.delete(session="x") == 1
        assert await _get(kit, row) is None
        with pytest.raises(Conflict):
            await _put(kit, row, expect=2)
        assert (await _put(kit, row, expect=ABSENT)).version == 1

    async def test_guards_of_many_writers(self, kit: Kit) -> None:
        """Of many writers that expect the same version exactly one wins, so no update is lost."""
        await kit.put(a_document("u", {"count": 0}))

        async def increment() -> int:
            lost = 0
            for _ in range(5):
                while True:
                    row = await kit.store.get("preferences", (SCOPE, "u"))
                    assert isinstance(row, Preferences)
                    try:
                        await kit.put(row.replace(values={"count": row.values["count"] + 1}), expect=row.version)
                        break
                    except Conflict:
                        lost += 1
                        await kit.mode.rest()
            return lost

        await kit.together(*[increment] * 5)
        row = await kit.store.get("preferences", (SCOPE, "u"))
        assert isinstance(row, Preferences)
        assert (row.values, row.version) == ({"count": 25}, 26)

    async def test_append_leaves_the_version(self, kit: Kit) -> None:
        """An append does not change the version of the header: only a Put does."""
        await kit.append("s", "a")
        await kit.append("s", "b")
        assert (await kit.there("s")).version == 1
        assert (await kit.put(Session(id="s"), expect=1)).version == 2

    async def test_new_header(self, kit: Kit) -> None:
        """An append creates the header of its session, with what it says of it."""
        now = kit.clock()
        await kit.append("s", "a", user="u", ttl=10.5, sliding=True)
        assert await kit.there("s") == Session(
            id="s",
            user_id="u",
            message_count=1,
            last_seq=1,
            created_at=now,
            updated_at=now,
            expires_at=now + timedelta(seconds=10.5),
            ttl=10.5,
            version=1,
        )

    async def test_owned_columns_of_a_new_row(self, kit: Kit) -> None:
        """A Put of a new header starts the columns that the store owns at zero and now, whatever the row carries."""
        old = datetime(2001, 1, 1, tzinfo=UTC)
        header = await kit.put(Session(id="s", message_count=5, last_seq=7, created_at=old, updated_at=old))
        now = kit.clock()
        assert header == Session(id="s", created_at=now, updated_at=now, version=1)
        assert await kit.there("s") == header
        (row,) = await kit.append("s", "a")
        assert row.seq == 1

    async def test_owned_columns_of_a_known_row(self, kit: Kit) -> None:
        """A Put of a known header leaves the columns that the store owns as they are, and changes the others."""
        created = kit.clock()
        await kit.append("s", "a", "b", user="u")
        kit.clock.forward(5)
        await kit.append("s", "c")
        updated = kit.clock()
        kit.clock.forward(5)
        old = datetime(2001, 1, 1, tzinfo=UTC)
        given = Session(
            id="s",
            user_id="v",
            title="t",
            metadata={"k": 1},
            message_count=50,
            last_seq=70,
            created_at=old,
            updated_at=old,
            expires_at=updated + timedelta(days=1),
            ttl=5.5,
        )
        header = await kit.put(given)
        expected = given.replace(message_count=3, last_seq=3, created_at=created, updated_at=updated, version=2)
        assert header == expected
        assert await kit.there("s") == expected

    async def test_put_replaces_the_row(self, kit: Kit) -> None:
        """A Put replaces the row: what the new one leaves out is gone, nothing is merged."""
        old, new = {"a": 1, "b": {"c": 2}}, {"b": {"d": 3}}
        later = kit.clock() + timedelta(seconds=99)
        await kit.put(Session(id="x", user_id="u", title="t", metadata=old, expires_at=later, ttl=9.0))
        await kit.put(Session(id="x", metadata=new))
        header = await kit.there("x")
        assert (header.user_id, header.title, header.metadata) == (None, None, new)
        assert (header.expires_at, header.ttl) == (None, None)
        instant = kit.clock()
        await kit.put(
            Summary(
                session_id="x", text="old", covers_seq=9, metadata=old, tokens=5, created_at=instant, updated_at=instant
            )
        )
        summary = await kit.put(a_summary("x", "new", 1, metadata=new, created_at=later, updated_at=later))
        assert (summary.metadata, summary.tokens, summary.created_at, summary.version) == (new, 0, later, 2)
        assert await kit.store.get("summaries", (SCOPE, "x")) == summary
        await kit.put(a_document("x", old, created_at=instant, updated_at=instant))
        document = await kit.put(a_document("x", new, created_at=instant, updated_at=instant))
        assert document.values == new
        assert await kit.store.get("preferences", (SCOPE, "x")) == document

    async def test_updated_at_does_not_go_back(self, kit: Kit) -> None:
        """`updated_at` is the time of the latest message, and does not go back when the clock does."""
        first = kit.clock()
        await kit.append("s", "a")
        kit.clock.back(3600)
        await kit.append("s", "b")
        assert (await kit.there("s")).updated_at == first
        kit.clock.forward(3601)
        await kit.append("s", "c")
        assert (await kit.there("s")).updated_at == first + timedelta(seconds=1)

    async def test_imported_history_keeps_its_dates(self, kit: Kit) -> None:
        """A new header's `created_at` is the earliest of its first messages, `updated_at` the latest, whatever their order."""
        now = kit.clock()
        early, late = now - timedelta(days=9), now - timedelta(days=2)
        dates = (now - timedelta(days=5), late, early, now - timedelta(days=3))
        await kit.append("s", *(kit.message("x", created_at=date) for date in dates), ttl=60)
        header = await kit.there("s")
        assert (header.created_at, header.updated_at) == (early, late)
        assert header.expires_at == now + timedelta(seconds=60)
        assert await kit.rows("sessions", SCOPE) == [header]
        await kit.append("t", "x")
        assert [row.id for row in await kit.rows("sessions", SCOPE, reverse=True)] == ["t", "s"]
        await kit.append("s", kit.message("y", created_at=now - timedelta(days=20)))
        header = await kit.there("s")
        assert (header.created_at, header.updated_at) == (early, late)
        await kit.append("s", kit.message("z", created_at=now - timedelta(days=1)))
        header = await kit.there("s")
        assert (header.created_at, header.updated_at) == (early, now - timedelta(days=1))

    async def test_dates_to_come_count_as_now(self, kit: Kit) -> None:
        """A message from a clock that runs ahead counts as activity of now, for the header's `created_at` and `updated_at`."""
        now = kit.clock()
        ahead = now + timedelta(hours=1)
        await kit.append("s", kit.message("x", created_at=ahead))
        header = await kit.there("s")
        assert (header.created_at, header.updated_at) == (now, now)
        assert (await kit.log("s"))[0].created_at == ahead
        later = kit.clock.forward(60)
        await kit.append("s", kit.message("y", created_at=ahead))
        assert (await kit.there("s")).updated_at == later

    async def test_activity_is_writing_messages(self, kit: Kit) -> None:
        """`updated_at` moves with new messages; a repeated append, a Put and a Delete leave it."""
        message = kit.message("a", id="a")
        first = kit.clock()
        await kit.append("s", message, "b")
        for _ in range(2):
            kit.clock.forward(1)
            await kit.append("s", message)
            await kit.put(Session(id="s"))
            await kit.put(a_summary("s"))
            await kit.delete(session="s", table="messages", seq=2)
            await kit.delete(session="s", table="summaries")
            header = await kit.there("s")
            assert (header.created_at, header.updated_at) == (first, first)

    async def test_owner_conflict(self, kit: Kit) -> None:
        """An append for another user than the session's owner raises Conflict; one for no user in particular does not."""
        await kit.append("s", "a", user="u")
        with pytest.raises(Conflict):
            await kit.append("s", "b", user="v")
        (row,) = await kit.append("s", "c")
        assert (row.seq, row.user_id) == (2, "u")
        (row,) = await kit.append("s", "d", user="u")
        assert (row.seq, row.user_id) == (3, "u")

    async def test_owner_conflict_of_a_repetition(self, kit: Kit) -> None:
        """Another user's append raises Conflict also when all its ids are there already."""
        message = kit.message("a")
        await kit.append("s", message, user="u")
        with pytest.raises(Conflict):
            await kit.append("s", message, user="v")

    async def test_adoption(self, kit: Kit) -> None:
        """A session without an owner is taken over by the first append that names one, and its messages get that user."""
        (before,) = await kit.append("s", kit.message("a", user_id="ignored"))
        assert before.user_id is None
        (row,) = await kit.append("s", "b", user="u")
        assert row.user_id == "u"
        assert (await kit.there("s")).user_id == "u"
        with pytest.raises(Conflict):
            await kit.append("s", "c", user="v")

    async def test_messages_follow_the_owner(self, kit: Kit) -> None:
        """The messages of a session carry its header's user, also those from before it was taken over or given away."""
        message = kit.message("a", id="a")
        await kit.append("s", message, terms=["w"])
        await kit.append("other", "x", user="u")
        assert await kit.rows("messages_by_user", SCOPE, "u") == await kit.log("other")
        (again,) = stored = await kit.append("s", message, user="u")
        assert (again.user_id, stored.written) == ("u", 0)
        await kit.append("s", "b", terms=["w"])
        for user in ("u", "v", None, "u"):
            if (await kit.there("s")).user_id is None:
                await kit.append("s", message, user=user)
            else:
                await kit.put((await kit.there("s")).replace(user_id=user))
            rows = await kit.log("s")
            assert [row.user_id for row in rows] == [user, user]
            assert await kit.store.get("messages", (SCOPE, "s", 1)) == rows[0]
            for name in ("u", "v"):
                found = [row for row in await kit.rows("messages_by_user", SCOPE, name) if row.session_id == "s"]
                assert found == (rows if name == user else [])
                assert await kit.finds(*(row.id for row in found), term="w", user_id=name)

    async def test_failed_change_of_owner(self, kit: Kit) -> None:
        """A commit that would have changed the owner and failed leaves the messages with the old one."""
        await kit.append("s", "a", user="u")
        rows = await kit.log("s")
        with pytest.raises(Conflict):
            await kit.commit("s", put(Session(id="s", user_id="v")), kit.op("b", user="u"))
        assert await kit.log("s") == rows
        assert await kit.rows("messages_by_user", SCOPE, "v") == []
        assert await kit.rows("messages_by_user", SCOPE, "u") == rows

    async def test_summary_needs_its_session(self, kit: Kit) -> None:
        """A Put of a summary whose session is not there raises Conflict."""
        with pytest.raises(Conflict):
            await kit.put(a_summary("s"))
        assert await kit.store.get("summaries", (SCOPE, "s")) is None
        assert await kit.header("s") is None


async def _example(kit: Kit, table: str) -> Session | Summary | Preferences:
    if table == "sessions":
        return Session(id="x")
    if table == "preferences":
        return a_document("x")
    await kit.append("x", "a")
    return a_summary("x")


async def _put(kit: Kit, row: Any, *, expect: int = ANY) -> Any:
    return await kit.put(row, expect=expect)


async def _get(kit: Kit, row: Session | Summary | Preferences) -> Any:
    if isinstance(row, Session):
        return await kit.header(row.id)
    if isinstance(row, Summary):
        return await kit.store.get("summaries", (SCOPE, row.session_id))
    return await kit.store.get("preferences", (SCOPE, row.user_id))
