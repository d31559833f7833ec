"""Isolation: any text is an id, ids that look alike are not the same, and no tenant sees another."""

from __future__ import annotations

import pytest

from recollect.model import Preferences, Session, Summary
from recollect.testing.kit import SCOPE, Kit, a_document, a_summary
from recollect.testing.suite import Suite

HOSTILE = (
    "/", "a/b", "a", "b", "A", "a ", " a", "a\0", "a\0b", "\0", "\0\0", ".", "..", "../../etc/passwd", "a//b", "\\",
    "'", '"', "`", "'; DROP TABLE messages; --", "%", "_", "a%", "*", "?", "[a]", "{a}", "a}", ":", "a:b", "#", ",",
    "$1", "${a}", "%s", "%00", "&amp;", "<b>", "\n", "a\nb", "\r\n", "\t", " ", "  ", "0", "00", "-1", "1e3", "NULL",
    "None", "true", "nan", "é", "e\u0301", "ﬁ", "fi", "ß", "ss", "SS", "ı", "i", "I", "İ", "K", "k", "\u212a", "\u200b",
    "\ufeffa", "\u202ea", "💬", "👩‍👩‍👧", "한국어", "\u1112\u1161\u11ab", "\ud55c", "\ud7ff", "\ue000", "\uffff", "\U0010ffff",
    "\x7f", "x" * 512, "x" * 511 + "y", "x" * 511, "가" * 170 + "ab", "💬" * 128,
)  # fmt: skip
"""Ids that a key of one piece, a path, a pattern, a query or a collation would mix up."""

PAIRS = (
    (("a", "b/c"), ("a/b", "c")),
    (("a", "b:c"), ("a:b", "c")),
    (("a", "\0b"), ("a\0", "b")),
    (("a", "bc"), ("ab", "c")),
    (("a", "a"), ("A", "a")),
    (("1", "23"), ("12", "3")),
)


class Isolation(Suite):
    """Nothing of one id, session, user or tenant is seen under another."""

    promise = "isolation"

    async def test_any_text_is_a_session(self, kit: Kit) -> None:
        """Session ids are any text up to 512 bytes of UTF-8, compared by code point: none is mistaken for another."""
        for n, session in enumerate(HOSTILE):
            await kit.append(session, kit.message(str(n), id=str(n)), terms=[f"word word{n}"])
            await kit.put(a_summary(session, str(n), n))
        assert len(await kit.rows("sessions", SCOPE)) == len(HOSTILE)
        for n, session in enumerate(HOSTILE):
            (row,) = await kit.log(session)
            assert (row.content, row.session_id, row.seq) == (str(n), session, 1)
            header = await kit.there(session)
            assert (header.id, header.message_count) == (session, 1)
            assert await kit.rows("messages_by_id", SCOPE, session, str(n)) == [row]
            summary = await kit.store.get("summaries", (SCOPE, session))
            assert isinstance(summary, Summary)
            assert (summary.session_id, summary.covers_seq) == (session, n)
            assert await kit.finds(str(n), term=f"word{n}")
            assert await kit.finds(str(n), term="word", session_id=session)

    async def test_order_of_any_text(self, kit: Kit) -> None:
        """Ids are ordered by code point, in the order of the path and at its bounds."""
        for session in HOSTILE:
            await kit.put(Session(id=session))
        expected = sorted(HOSTILE)
        rows = await kit.rows("sessions", SCOPE)
        assert [row.id for row in rows] == expected
        seen: list[Session] = []
        while page := await kit.rows(
            "sessions", SCOPE, limit=9, before=(seen[-1].updated_at, seen[-1].id) if seen else None, reverse=True
        ):
            seen += page
        assert [row.id for row in seen] == expected[::-1]

    async def test_any_text_is_a_user(self, kit: Kit) -> None:
        """User ids are any text: each user has its own sessions, messages and preferences."""
        for n, user in enumerate(HOSTILE):
            await kit.append(f"session {n}", kit.message(str(n), id=str(n)), user=user, terms=["word"])
            await kit.put(a_document(user, {"n": n}))
        for n, user in enumerate(HOSTILE):
            assert [row.id for row in await kit.rows("sessions_by_user", SCOPE, user)] == [f"session {n}"]
            (row,) = await kit.rows("messages_by_user", SCOPE, user)
            assert (row.content, row.user_id) == (str(n), user)
            assert await kit.finds(str(n), term="word", user_id=user)
            document = await kit.store.get("preferences", (SCOPE, user))
            assert isinstance(document, Preferences)
            assert (document.user_id, document.values) == (user, {"n": n})
        assert [row.user_id for row in await kit.rows("preferences", SCOPE)] == sorted(HOSTILE)

    async def test_any_text_is_a_message_id(self, kit: Kit) -> None:
        """Message ids are any text: each is a message of its own, and repeating one is still found out."""
        rows = [kit.message(str(n), id=id) for n, id in enumerate(HOSTILE)]
        stored = await kit.append("s", *rows)
        assert stored.written == len(HOSTILE)
        again = await kit.append("s", *rows)
        assert (list(again), again.written) == (list(stored), 0)
        for n, id in enumerate(HOSTILE):
            (row,) = await kit.rows("messages_by_id", SCOPE, "s", id)
            assert (row.id, row.content, row.seq) == (id, str(n), n + 1)

    async def test_any_text_is_a_tenant(self, kit: Kit) -> None:
        """Scopes are any text: each tenant has its own rows, numbers, words and feed."""
        for n, scope in enumerate(HOSTILE):
            await kit.append("s", kit.message(str(n), id="same"), scope=scope, user="u", terms=[f"word word{n}"])
            await kit.put(a_document("u", {"n": n}), scope=scope)
        for n, scope in enumerate(HOSTILE):
            (row,) = await kit.log("s", scope=scope)
            assert (row.content, row.seq) == (str(n), 1)
            assert await kit.rows("sessions", scope) == [await kit.there("s", scope)]
            assert await kit.finds("same", term="word", scope=scope)
            assert await kit.finds("same", term=f"word{n}", scope=scope)
            document = await kit.store.get("preferences", (scope, "u"))
            assert isinstance(document, Preferences)
            assert document.values == {"n": n}
            assert [change.table for change in await kit.feed(scope)] == ["messages", "preferences"]

    async def test_delete_by_any_text(self, kit: Kit) -> None:
        """A Delete removes the session of exactly that id and nothing else."""
        for n, session in enumerate(HOSTILE):
            await kit.append(session, str(n))
        for session in HOSTILE[::2]:
            assert await kit.delete(session=session) == 2
        assert [row.id for row in await kit.rows("sessions", SCOPE)] == sorted(HOSTILE[1::2])
        for n, session in enumerate(HOSTILE):
            assert await kit.contents(session) == ([str(n)] if n % 2 else [])

    async def test_feed_names_any_text(self, kit: Kit) -> None:
        """The feed names partitions by their exact ids."""
        for session in HOSTILE:
            await kit.put(Session(id=session))
        assert [change.partition for change in await kit.feed()] == list(HOSTILE)

    async def test_any_text_fails_alike(self, kit: Kit) -> None:
        """Two ids never share a partition: what a commit does in one is not seen in any other."""
        for session in HOSTILE:
            assert await kit.header(session) is None, f"{session!r} is there before it was written"
            await kit.append(session, "x")

    @pytest.mark.parametrize(("one", "two"), PAIRS, ids=ascii)
    async def test_keys_of_two_pieces(self, kit: Kit, one: tuple[str, str], two: tuple[str, str]) -> None:
        """A tenant and an id that read the same when joined with another tenant and id stay apart."""
        for n, (scope, name) in enumerate((one, two)):
            await kit.append(name, kit.message(str(n), id="same"), scope=scope, user=name, terms=[f"word word{n}"])
            await kit.put(a_document(name, {"n": n}), scope=scope)
        for n, (scope, name) in enumerate((one, two)):
            (row,) = await kit.log(name, scope=scope)
            assert (row.content, row.seq) == (str(n), 1)
            assert await kit.rows("messages_by_user", scope, name) == [row]
            assert await kit.rows("messages_by_id", scope, name, "same") == [row]
            assert [header.id for header in await kit.rows("sessions_by_user", scope, name)] == [name]
            assert await kit.finds("same", term="word", scope=scope)
            assert await kit.finds("same", term=f"word{n}", scope=scope)
            (document,) = await kit.rows("preferences", scope)
            assert document.values == {"n": n}

    async def test_session_and_id_stay_apart(self, kit: Kit) -> None:
        """A session and a message id that read the same when joined with another session and id stay apart."""
        for (session, id), _ in PAIRS:
            await kit.append(session, kit.message("one", id=id))
        for _, (session, id) in PAIRS:
            (row,) = stored = await kit.append(session, kit.message("two", id=id))
            assert (row.content, stored.written) == ("two", 1)

    async def test_two_tenants(self, kit: Kit) -> None:
        """Nothing that one tenant writes, deletes or clears is seen by another, by any verb."""
        for scope, word in (("one", "a"), ("two", "b")):
            await kit.append("s", kit.message(word, id="x", role="system"), user="u", terms=["w"], scope=scope)
            await kit.put(a_summary("s", word, 1), scope=scope)
            await kit.put(a_document("u", {"k": word}), scope=scope)
        assert await kit.delete(session="s", scope="one") == 3
        assert await kit.delete(user="u", scope="one") == 1
        assert await kit.header("s", "one") is None
        (row,) = await kit.log("s", scope="two")
        assert row.content == "b"
        for path, hash in (
            ("system_messages", ("s",)),
            ("messages_by_id", ("s", "x")),
            ("messages_by_user", ("u",)),
            ("sessions", ()),
            ("sessions_by_user", ("u",)),
            ("preferences", ()),
        ):
            assert len(await kit.rows(path, "two", *hash)) == 1, path
            assert await kit.rows(path, "one", *hash) == [], path
        assert await kit.store.get("summaries", ("two", "s")) is not None
        assert await kit.finds(term="w", scope="one")
        assert await kit.finds("x", term="w", scope="two")
        (row,) = await kit.append("s", "again", scope="one")
        assert row.seq == 1
