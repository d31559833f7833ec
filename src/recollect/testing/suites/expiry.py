"""Expired is gone: for every verb, at the exact instant, by the driver's clock alone."""

from __future__ import annotations

from datetime import timedelta

import pytest

from recollect.errors import Conflict
from recollect.model import Session
from recollect.store import ABSENT
from recollect.testing.kit import SCOPE, Kit, a_summary
from recollect.testing.suite import Suite

TICK = 0.000001


class Expiry(Suite):
    """A row whose `expires_at` is not after now is not there."""

    promise = "expiry"

    async def test_message_at_its_instant(self, kit: Kit) -> None:
        """A message is there until its `expires_at` and gone at that very instant, for every way of reading it."""
        await kit.append(
            "s", kit.message("a", id="a", ttl=10, role="system"), kit.message("b", id="b"), user="u", terms=["w", "w"]
        )
        for seconds, left in ((0, "ab"), (10 - TICK, "ab"), (TICK, "b")):
            kit.clock.forward(seconds)
            assert await kit.contents("s") == list(left)
            assert await kit.contents("s", reverse=True, limit=2) == list(left)[::-1]
            assert (await kit.there("s")).message_count == len(left)
            assert (await kit.rows("sessions", SCOPE))[0].message_count == len(left)
            assert (await kit.rows("sessions_by_user", SCOPE, "u"))[0].message_count == len(left)
            assert len(await kit.rows("messages_by_user", SCOPE, "u")) == len(left)
            assert len(await kit.rows("system_messages", SCOPE, "s")) == len(left) - 1
            assert len(await kit.rows("messages_by_id", SCOPE, "s", "a")) == len(left) - 1
            assert (await kit.store.get("messages", (SCOPE, "s", 1)) is None) == (left == "b")
            assert await kit.finds(*left, term="w")

    async def test_session_at_its_instant(self, kit: Kit) -> None:
        """A session is gone at its `expires_at` with all that it holds, for every way of reading it."""
        await kit.append("s", kit.message("a", id="a", role="system"), user="u", ttl=10, terms=["w"])
        await kit.put(a_summary("s"))
        for seconds, there in ((0, True), (10 - TICK, True), (TICK, False)):
            kit.clock.forward(seconds)
            assert (await kit.header("s") is not None) is there
            assert (await kit.store.get("messages", (SCOPE, "s", 1)) is not None) is there
            assert (await kit.store.get("summaries", (SCOPE, "s")) is not None) is there
            for path, hash in (
                ("messages", ("s",)),
                ("system_messages", ("s",)),
                ("messages_by_id", ("s", "a")),
                ("messages_by_user", ("u",)),
                ("sessions", ()),
                ("sessions_by_user", ("u",)),
            ):
                assert len(await kit.rows(path, SCOPE, *hash)) == there, path
            assert await kit.finds(*["a"] * there, term="w")

    async def test_expiry_is_the_drivers(self, kit: Kit) -> None:
        """Expiry is judged by the driver's clock at the time of reading: set back, it shows what has not expired yet."""
        await kit.append("s", kit.message("a", ttl=10))
        kit.clock.forward(9)
        kit.clock.back(3600)
        assert await kit.contents("s") == ["a"]
        kit.clock.forward(3601)
        assert await kit.contents("s") == []

    async def test_ttl_is_exact(self, kit: Kit) -> None:
        """A session's `expires_at` is the instant at which it was made plus its ttl, to the microsecond."""
        created = kit.clock()
        await kit.append("s", "a", ttl=12.345678)
        await kit.append("for ever", "a")
        header = await kit.there("s")
        assert header.created_at == created
        assert header.expires_at == created + timedelta(seconds=12.345678)
        assert (await kit.there("for ever")).expires_at is None

    async def test_fixed_ttl_does_not_slide(self, kit: Kit) -> None:
        """A ttl that does not slide counts from the session's creation, however often it is appended to."""
        created = kit.clock()
        await kit.append("s", "a", ttl=10)
        kit.clock.forward(6)
        await kit.append("s", "b", ttl=10)
        header = await kit.there("s")
        assert header.ttl is None
        assert header.expires_at == created + timedelta(seconds=10)
        kit.clock.forward(4)
        assert await kit.header("s") is None

    async def test_sliding_ttl(self, kit: Kit) -> None:
        """A sliding ttl begins anew with each append."""
        await kit.append("s", "a", ttl=10, sliding=True)
        assert (await kit.there("s")).ttl == 10
        for _ in range(3):
            kit.clock.forward(9)
            await kit.append("s", "b")
            assert (await kit.there("s")).expires_at == kit.clock() + timedelta(seconds=10)
        kit.clock.forward(10)
        assert await kit.header("s") is None

    async def test_a_clock_that_is_behind_shortens_no_life(self, kit: Kit) -> None:
        """An append by a writer whose clock is behind leaves the session the time that it had."""
        await kit.append("s", "a", ttl=10, sliding=True)
        expires = (await kit.there("s")).expires_at
        kit.clock.back(5)
        await kit.append("s", "b")
        await kit.append("s", "c", "d")
        assert (await kit.there("s")).expires_at == expires
        kit.clock.forward(14)
        assert await kit.contents("s") == ["a", "b", "c", "d"]

    async def test_repeated_append_slides(self, kit: Kit) -> None:
        """An append slides the ttl also when it brings nothing new."""
        message = kit.message("a", id="a")
        await kit.append("s", message, ttl=10, sliding=True)
        kit.clock.forward(9)
        await kit.append("s", message)
        assert (await kit.there("s")).expires_at == kit.clock() + timedelta(seconds=10)

    async def test_reading_does_not_slide(self, kit: Kit) -> None:
        """Reading does not prolong a sliding session."""
        await kit.append("s", "a", ttl=10, sliding=True)
        kit.clock.forward(9)
        assert await kit.contents("s") == ["a"]
        kit.clock.forward(1)
        assert await kit.contents("s") == []

    async def test_known_session_keeps_its_lifetime(self, kit: Kit) -> None:
        """What an append says of a new session's lifetime changes nothing in a session that is there."""
        await kit.append("s", "a")
        await kit.append("s", "b", ttl=10, sliding=True)
        header = await kit.there("s")
        assert (header.expires_at, header.ttl) == (None, None)

    async def test_lifetime_can_be_put(self, kit: Kit) -> None:
        """A Put of the header may shorten, prolong or lift the session's lifetime."""
        await kit.append("s", "a", ttl=10)
        now = kit.clock()
        header = await kit.put((await kit.there("s")).replace(expires_at=now + timedelta(seconds=20)))
        kit.clock.forward(15)
        assert await kit.contents("s") == ["a"]
        header = await kit.put(header.replace(expires_at=None))
        kit.clock.forward(1000)
        assert await kit.contents("s") == ["a"]
        await kit.put(header.replace(expires_at=kit.clock() + timedelta(seconds=1), ttl=5.0))
        await kit.append("s", "b")
        assert (await kit.there("s")).expires_at == kit.clock() + timedelta(seconds=5)

    async def test_append_to_an_expired_session(self, kit: Kit) -> None:
        """An append to an expired session begins a new one at 1, with nothing of the old."""
        await kit.append("s", kit.message("a", id="a"), "b", "c", user="u", ttl=10)
        await kit.put((await kit.there("s")).replace(title="old", metadata={"k": 1}))
        await kit.put(a_summary("s", "so far", 2))
        kit.clock.forward(10)
        (row,) = stored = await kit.append("s", kit.message("new", id="a"), user="another")
        assert (stored.written, row.seq, row.content, row.user_id) == (1, 1, "new", "another")
        assert await kit.log("s") == [row]
        assert await kit.store.get("summaries", (SCOPE, "s")) is None
        assert await kit.there("s") == Session(
            id="s",
            user_id="another",
            message_count=1,
            last_seq=1,
            created_at=kit.clock(),
            updated_at=kit.clock(),
            version=1,
        )
        assert await kit.rows("sessions_by_user", SCOPE, "u") == []
        assert await kit.rows("messages_by_user", SCOPE, "u") == []
        await kit.store.sweep()
        assert await kit.log("s") == [row]

    async def test_put_on_an_expired_session(self, kit: Kit) -> None:
        """A Put of a header whose session has expired begins a new one, with version 1 and no messages."""
        await kit.append("s", "a", "b", ttl=10)
        kit.clock.forward(10)
        header = await kit.put(Session(id="s", title="new"), expect=ABSENT)
        assert (header.version, header.message_count, header.last_seq) == (1, 0, 0)
        assert header.created_at == header.updated_at == kit.clock()
        assert await kit.log("s") == []
        (row,) = await kit.append("s", "c")
        assert row.seq == 1

    async def test_summary_of_an_expired_session(self, kit: Kit) -> None:
        """A Put of a summary of an expired session raises Conflict, as if the session had never been."""
        await kit.append("s", "a", ttl=10)
        kit.clock.forward(10)
        with pytest.raises(Conflict):
            await kit.put(a_summary("s"))
        assert await kit.header("s") is None

    async def test_expired_guard(self, kit: Kit) -> None:
        """The version of an expired session guards nothing."""
        await kit.append("s", "a", ttl=10)
        kit.clock.forward(10)
        with pytest.raises(Conflict):
            await kit.put(Session(id="s"), expect=1)
        assert await kit.header("s") is None

    async def test_id_of_an_expired_message_is_free(self, kit: Kit) -> None:
        """The id of an expired message is free again: an append of it writes a new message with a new number."""
        await kit.append("s", kit.message("a", id="a", ttl=10), "b")
        kit.clock.forward(10)
        (row,) = stored = await kit.append("s", kit.message("a again", id="a"))
        assert (stored.written, row.seq, row.content) == (1, 3, "a again")
        assert await kit.contents("s") == ["b", "a again"]
        assert await kit.rows("messages_by_id", SCOPE, "s", "a") == [row]
        assert (await kit.there("s")).message_count == 2
        await kit.store.sweep()
        assert await kit.contents("s") == ["b", "a again"]
        assert await kit.rows("messages_by_id", SCOPE, "s", "a") == [row]

    async def test_delete_of_what_has_expired(self, kit: Kit) -> None:
        """A Delete counts only what was there to be read: nothing expired."""
        await kit.append("s", kit.message("a", ttl=10), "b", kit.message("c", ttl=10))
        await kit.append("t", "a", ttl=10)
        kit.clock.forward(10)
        assert await kit.delete(session="s", table="messages", seq=1) == 0
        assert await kit.delete(session="s", table="messages") == 1
        assert await kit.delete(session="s") == 1
        assert await kit.delete(session="t", table="messages") == 0
        assert await kit.delete(session="t") == 0

    async def test_session_of_expired_messages(self, kit: Kit) -> None:
        """A session whose messages have all expired is still there, with a count of 0."""
        await kit.append("s", kit.message("a", ttl=10), kit.message("b", ttl=20))
        for count in (1, 0):
            kit.clock.forward(10)
            header = await kit.there("s")
            assert (header.message_count, header.last_seq) == (count, 2)
            assert header in await kit.rows("sessions", SCOPE)

    async def test_count_is_exact(self, kit: Kit) -> None:
        """`message_count` counts exactly what can be read, while messages expire, are deleted and are appended."""
        for n in range(12):
            await kit.append("s", kit.message(str(n), ttl=3 + n % 4), str(n), user="u")
            if n % 3 == 0:
                await kit.delete(session="s", table="messages", seq=2 * n + 1)
            if n == 7:
                await kit.store.sweep()
            kit.clock.forward(1)
            count = len(await kit.log("s"))
            assert (await kit.there("s")).message_count == count
            assert [row.message_count for row in await kit.rows("sessions_by_user", SCOPE, "u")] == [count]

    async def test_appended_already_expired(self, kit: Kit) -> None:
        """A message that has expired before it is appended gets its number and is never seen."""
        (row,) = await kit.append("s", kit.message("a", ttl=-1))
        assert row.seq == 1
        assert await kit.log("s") == []
        header = await kit.there("s")
        assert (header.message_count, header.last_seq) == (0, 1)

    async def test_sweep_removes_what_has_expired(self, kit: Kit) -> None:
        """A sweep removes what has expired, counts it by kind, and leaves everything else."""
        await kit.append("s", kit.message("a", ttl=10), "b", kit.message("c", ttl=10))
        await kit.append("gone", "x", "y", ttl=10)
        await kit.append("other", "z", ttl=11)
        kit.clock.forward(10)
        swept = await kit.store.sweep()
        assert (swept.sessions, swept.messages) == (1, 4)
        swept = await kit.store.sweep()
        assert (swept.sessions, swept.messages) == (0, 0)
        kit.clock.back(10)
        assert await kit.contents("s") == ["b"]
        assert await kit.header("gone") is None
        assert await kit.contents("other") == ["z"]
        assert (await kit.there("s")).message_count == 1

    async def test_sweep_of_a_swept_session(self, kit: Kit) -> None:
        """After a sweep a session that had expired begins again at 1, and its ids and words are forgotten."""
        await kit.append("s", kit.message("a", id="a"), "b", ttl=10, terms=["w", "w"])
        await kit.put(a_summary("s"))
        kit.clock.forward(10)
        await kit.store.sweep()
        (row,) = stored = await kit.append("s", kit.message("new", id="a"))
        assert (stored.written, row.seq) == (1, 1)
        assert await kit.store.get("summaries", (SCOPE, "s")) is None
        assert await kit.finds(term="w")

    async def test_sweep_of_every_tenant(self, kit: Kit) -> None:
        """A sweep goes over all tenants."""
        for scope in ("one", "two"):
            await kit.append("s", "a", ttl=10, scope=scope)
        kit.clock.forward(10)
        assert (await kit.store.sweep()).sessions == 2
