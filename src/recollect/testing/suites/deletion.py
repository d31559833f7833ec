"""Deletion: what a Delete removes, what it counts, what it leaves."""

from __future__ import annotations

from recollect.testing.kit import SCOPE, Kit, a_document, a_summary
from recollect.testing.suite import Suite


class Deletion(Suite):
    """A Delete removes what it names, from every path, and nothing else."""

    promise = "deletion"

    async def test_delete_counts(self, kit: Kit) -> None:
        """A Delete gives how many rows were there to be read."""
        await kit.append("s", "a", "b", "c", "d")
        await kit.put(a_summary("s"))
        await kit.put(a_document("u"))
        assert await kit.delete(session="s", table="messages", seq=2) == 1
        assert await kit.delete(session="s", table="messages", seq=2) == 0
        assert await kit.delete(session="s", table="messages", seq=99) == 0
        assert await kit.delete(session="s", table="preferences") == 0
        assert await kit.delete(session="s", table="summaries") == 1
        assert await kit.delete(session="s", table="summaries") == 0
        await kit.put(a_summary("s"))
        assert await kit.delete(session="s") == 3 + 1 + 1
        assert await kit.delete(session="s") == 0
        assert await kit.delete(session="never", table="messages") == 0
        assert await kit.delete(user="u", table="preferences") == 1
        assert await kit.delete(user="u", table="preferences") == 0
        await kit.put(a_document("u"))
        assert await kit.delete(user="u") == 1
        assert await kit.delete(user="u") == 0

    async def test_delete_of_one_message(self, kit: Kit) -> None:
        """A Delete of one message removes it from every path, and no other."""
        await kit.append(
            "s",
            *(kit.message(text, id=text, role="system") for text in "abc"),
            user="u",
            terms=["w a", "w b", "w c"],
        )
        await kit.delete(session="s", table="messages", seq=2)
        for path, hash in (("messages", "s"), ("system_messages", "s"), ("messages_by_user", "u")):
            assert [row.content for row in await kit.rows(path, SCOPE, hash)] == ["a", "c"]
        assert await kit.rows("messages_by_id", SCOPE, "s", "b") == []
        assert await kit.finds("a", "c", term="w")
        assert await kit.finds(term="b")
        assert (await kit.there("s")).message_count == 2

    async def test_delete_touches_no_other_partition(self, kit: Kit) -> None:
        """A Delete of a message, of all messages or of a summary leaves other sessions and tenants as they are."""
        others = (("t", SCOPE), ("s", "another"))
        for session, scope in (("s", SCOPE), *others):
            await kit.append(session, kit.message("a", id="a"), "b", "c", scope=scope, terms=["w", "w", "w"])
            await kit.put(a_summary(session), scope=scope)
        await kit.delete(session="s", table="messages", seq=1)
        await kit.delete(session="s", table="messages")
        await kit.delete(session="s", table="summaries")
        for session, scope in others:
            assert await kit.contents(session, scope=scope) == ["a", "b", "c"]
            assert (await kit.there(session, scope)).message_count == 3
            assert await kit.store.get("summaries", (scope, session)) is not None
            assert len(await kit.rows("messages_by_id", scope, session, "a")) == 1
            if kit.store.capabilities.text_search:
                assert len(await kit.find("w", scope=scope)) == 3

    async def test_clear_keeps_the_session(self, kit: Kit) -> None:
        """A Delete of all messages leaves the header and the summary."""
        await kit.append("s", "a", "b", user="u", terms=["w", "w"])
        header = await kit.put((await kit.there("s")).replace(title="t", metadata={"k": 1}))
        summary = await kit.put(a_summary("s", "so far", 2))
        await kit.delete(session="s", table="messages")
        assert await kit.there("s") == header.replace(message_count=0)
        assert await kit.store.get("summaries", (SCOPE, "s")) == summary
        assert await kit.rows("messages_by_user", SCOPE, "u") == []
        assert await kit.finds(term="w")

    async def test_delete_everything(self, kit: Kit) -> None:
        """A Delete without a table removes everything in the partition, the header included, and nothing elsewhere."""
        for session in ("s", "t"):
            await kit.append(session, kit.message("a", id="a"), user="u", terms=["w"])
            await kit.put(a_summary(session))
        await kit.put(a_document("u"))
        await kit.delete(session="s")
        assert await kit.header("s") is None
        assert await kit.store.get("messages", (SCOPE, "s", 1)) is None
        assert await kit.store.get("summaries", (SCOPE, "s")) is None
        assert [row.session_id for row in await kit.rows("messages_by_user", SCOPE, "u")] == ["t"]
        assert [row.id for row in await kit.rows("sessions_by_user", SCOPE, "u")] == ["t"]
        assert [row.id for row in await kit.rows("sessions", SCOPE)] == ["t"]
        assert await kit.finds(term="w", session_id="s")
        assert await kit.finds("a", term="w")
        assert await kit.store.get("summaries", (SCOPE, "t")) is not None
        assert await kit.store.get("preferences", (SCOPE, "u")) is not None
        await kit.append("s", kit.message("again", id="a"))
        assert await kit.store.get("summaries", (SCOPE, "s")) is None
        assert await kit.contents("s") == ["again"]

    async def test_partitions_of_one_name(self, kit: Kit) -> None:
        """A session and a user of the same name are two partitions."""
        await kit.append("x", "a")
        await kit.put(a_document("x"))
        await kit.delete(user="x")
        assert await kit.contents("x") == ["a"]
        await kit.put(a_document("x"))
        await kit.delete(session="x")
        assert await kit.store.get("preferences", (SCOPE, "x")) is not None
