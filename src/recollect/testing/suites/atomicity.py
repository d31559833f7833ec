"""All or nothing: a commit has happened entirely or not at all, and repeating it is safe."""

from __future__ import annotations

import pytest

from recollect.errors import Conflict, RecollectError
from recollect.model import Session, Summary
from recollect.store import ABSENT, Append, Appended, Commit, Delete, Partition, SessionDefaults
from recollect.testing.kit import SCOPE, Kit, a_document, a_summary, put
from recollect.testing.suite import Suite


class Atomicity(Suite):
    """A commit happens entirely or not at all."""

    promise = "atomicity"

    async def test_one_result_for_each_operation(self, kit: Kit) -> None:
        """A commit applies its operations in their order and gives one result for each."""
        results = await kit.commit(
            "s",
            kit.op("a", "b"),
            put(Session(id="s", title="t")),
            put(a_summary("s")),
            Delete(table="messages", seq=1),
            Delete(table="summaries"),
            kit.op("c"),
        )
        assert [type(result) for result in results] == [Appended, Session, Summary, int, int, Appended]
        assert [row.seq for row in results[0]] == [1, 2]
        assert (results[1].title, results[1].version, results[1].message_count) == ("t", 2, 2)
        assert (results[2].version, results[3], results[4]) == (1, 1, 1)
        assert await kit.contents("s") == ["b", "c"]
        assert await kit.store.get("summaries", (SCOPE, "s")) is None

    async def test_empty_commit(self, kit: Kit) -> None:
        """A commit of no operations gives no results and changes nothing."""
        assert await kit.commit("s") == []
        assert await kit.header("s") is None
        assert await kit.feed() == []

    async def test_failed_commit_of_a_new_session(self, kit: Kit) -> None:
        """When an operation fails, those before it in the same commit leave no trace: no header, message or entry."""
        with pytest.raises(Conflict):
            await kit.commit("s", kit.op(kit.message("a", id="a"), user="u"), put(Session(id="s"), expect=ABSENT))
        assert await kit.header("s") is None
        assert await kit.log("s") == []
        assert await kit.feed() == []
        assert await kit.rows("sessions", SCOPE) == []
        assert await kit.rows("sessions_by_user", SCOPE, "u") == []
        assert await kit.rows("messages_by_user", SCOPE, "u") == []
        assert await kit.rows("messages_by_id", SCOPE, "s", "a") == []

    async def test_failed_commit_of_a_known_session(self, kit: Kit) -> None:
        """A failed commit leaves everything of its partition as it was, the deleted rows and the numbers too."""
        await kit.append("s", kit.message("a", id="a"), kit.message("b", id="b"), user="u", terms=["a", "b"])
        await kit.put(a_summary("s"))
        header, rows = await kit.there("s"), await kit.log("s")
        summary, feed = await kit.store.get("summaries", (SCOPE, "s")), await kit.feed()
        kit.clock.forward(5)
        with pytest.raises(Conflict):
            await kit.commit(
                "s",
                kit.op(kit.message("c", id="c"), terms=["c"]),
                put(a_summary("s", "other", 3)),
                put(Session(id="s", title="other", user_id="other")),
                Delete(table="messages", seq=1),
                Delete(table="summaries"),
                Delete(table="messages"),
                put(Session(id="s"), expect=99),
            )
        assert await kit.there("s") == header
        assert await kit.log("s") == rows
        assert await kit.store.get("summaries", (SCOPE, "s")) == summary
        assert await kit.feed() == feed
        assert await kit.rows("sessions_by_user", SCOPE, "u") == [header]
        assert await kit.finds(term="c")
        assert await kit.finds("a", term="a")
        (row,) = await kit.append("s", kit.message("c again", id="c"))
        assert (row.seq, row.content) == (3, "c again")

    async def test_failed_commit_after_the_session_was_deleted_in_it(self, kit: Kit) -> None:
        """A commit that deletes everything and then fails has deleted nothing."""
        await kit.append("s", "a", user="u")
        before = (await kit.there("s"), await kit.log("s"), await kit.feed())
        with pytest.raises(Conflict):
            await kit.commit("s", Delete(), kit.op("b"), put(Session(id="s"), expect=99))
        assert (await kit.there("s"), await kit.log("s"), await kit.feed()) == before

    async def test_failed_append_writes_none_of_its_rows(self, kit: Kit) -> None:
        """An append that the session's owner forbids writes none of its messages."""
        await kit.append("s", "a", user="u")
        with pytest.raises(Conflict):
            await kit.append("s", "b", "c", user="other")
        assert await kit.contents("s") == ["a"]
        assert (await kit.there("s")).last_seq == 1

    async def test_later_operations_see_earlier_ones(self, kit: Kit) -> None:
        """Each operation of a commit sees what those before it did."""
        first, again, header, count = await kit.commit(
            "s",
            kit.op(kit.message("a", id="a")),
            kit.op(kit.message("again", id="a"), kit.message("b", id="b")),
            put(Session(id="s", title="t"), expect=1),
            Delete(table="messages"),
        )
        assert again[0] == first[0]
        assert (again.written, header.version, header.message_count, count) == (1, 2, 2, 2)
        assert (await kit.there("s")).message_count == 0

    async def test_repeated_append_writes_nothing(self, kit: Kit) -> None:
        """A message whose id is already in the session is not written again; the stored one is returned in its place."""
        first = await kit.append("s", kit.message("a", id="a"), kit.message("b", id="b"))
        again = await kit.append("s", kit.message("other", id="b", role="assistant"), kit.message("other", id="a"))
        assert list(again) == [first[1], first[0]]
        assert (first.written, again.written) == (2, 0)
        assert await kit.contents("s") == ["a", "b"]
        assert (await kit.there("s")).last_seq == 2

    async def test_mixed_append(self, kit: Kit) -> None:
        """Among old and new messages only the new are written; all come back in the order given."""
        (old,) = await kit.append("s", kit.message("old", id="old"))
        stored = await kit.append(
            "s", kit.message("x", id="x"), kit.message("changed", id="old"), kit.message("y", id="y")
        )
        assert [(row.id, row.seq, row.content) for row in stored] == [("x", 2, "x"), ("old", 1, "old"), ("y", 3, "y")]
        assert stored[1] == old
        assert stored.written == 2
        assert await kit.contents("s") == ["old", "x", "y"]

    async def test_id_twice_in_one_append(self, kit: Kit) -> None:
        """An id that comes twice in one append is written once, with the first message, and returned in both places."""
        stored = await kit.append("s", kit.message("a", id="a"), kit.message("b", id="b"), kit.message("c", id="a"))
        assert [(row.seq, row.content) for row in stored] == [(1, "a"), (2, "b"), (1, "a")]
        assert stored.written == 2
        assert await kit.contents("s") == ["a", "b"]

    async def test_ids_belong_to_their_session(self, kit: Kit) -> None:
        """The same id in another session is another message."""
        await kit.append("s", kit.message("a", id="a"))
        (row,) = stored = await kit.append("t", kit.message("b", id="a"))
        assert (stored.written, row.seq, row.content) == (1, 1, "b")

    async def test_deleted_id_is_free(self, kit: Kit) -> None:
        """The id of a deleted message is free again."""
        await kit.append("s", kit.message("a", id="a"), kit.message("b", id="b"))
        await kit.delete(session="s", table="messages", seq=1)
        (row,) = await kit.append("s", kit.message("a again", id="a"))
        assert (row.seq, row.content) == (3, "a again")
        await kit.delete(session="s", table="messages")
        stored = await kit.append("s", kit.message("a third", id="a"), kit.message("b again", id="b"))
        assert ([row.seq for row in stored], stored.written) == ([4, 5], 2)

    async def test_repeated_append_keeps_the_words(self, kit: Kit) -> None:
        """A repeated append does not change by which terms the message is found."""
        await kit.append("s", kit.message("a", id="a"), terms=["first"])
        await kit.append("s", kit.message("a", id="a"), terms=["second"])
        assert await kit.finds("a", term="first")
        assert await kit.finds(term="second")

    async def test_many_commits_have_an_outcome_each(self, kit: Kit) -> None:
        """Of many commits each is atomic by itself: one that fails is its error in the list and hinders no other."""
        await kit.append("taken", "x", user="u")
        outcomes = await kit.store.commit_many(
            [
                Commit(Partition(SCOPE, "session", "s"), [kit.op("a")]),
                Commit(Partition(SCOPE, "session", "taken"), [kit.op("y", user="other")]),
                Commit(Partition(SCOPE, "session", "s"), [kit.op("b"), put(Session(id="s"), expect=ABSENT)]),
                Commit(Partition(SCOPE, "user", "u"), [put(a_document("u", {"k": 1}))]),
                Commit(Partition(SCOPE, "session", "s"), [kit.op("c")]),
            ]
        )
        assert [isinstance(outcome, RecollectError) for outcome in outcomes] == [False, True, True, False, False]
        assert isinstance(outcomes[1], Conflict)
        assert isinstance(outcomes[2], Conflict)
        assert await kit.contents("s") == ["a", "c"]
        assert await kit.contents("taken") == ["x"]
        first, last = outcomes[0], outcomes[4]
        assert isinstance(first, list)
        assert isinstance(last, list)
        assert [row.seq for result in (first[0], last[0]) if isinstance(result, Appended) for row in result] == [1, 2]
        found = [(change.table, change.partition) for change in await kit.feed()]
        expected = [("messages", "taken"), ("messages", "s"), ("preferences", "u"), ("messages", "s")]
        whole = kit.store.capabilities.feed != "partition"
        assert (found if whole else sorted(found)) == (expected if whole else sorted(expected))

    async def test_no_commits(self, kit: Kit) -> None:
        """No commits give no outcomes."""
        assert await kit.store.commit_many([]) == []

    async def test_many_commits_at_scale(self, kit: Kit) -> None:
        """Many commits sent at once give the same numbers as one after the other."""
        commits = [Commit(Partition(SCOPE, "session", f"s{n % 7}"), [kit.op(str(n))]) for n in range(210)]
        outcomes = await kit.store.commit_many(commits)
        assert len(outcomes) == 210
        assert not [outcome for outcome in outcomes if isinstance(outcome, RecollectError)]
        for n in range(7):
            rows = await kit.log(f"s{n}")
            assert [row.seq for row in rows] == list(range(1, 31))
            assert [row.content for row in rows] == [str(i) for i in range(n, 210, 7)]

    async def test_append_of_nothing(self, kit: Kit) -> None:
        """An append of no messages writes none."""
        (result,) = await kit.store.commit(
            Partition(SCOPE, "session", "s"), [Append(rows=[], terms=[], session=SessionDefaults())]
        )
        assert isinstance(result, Appended)
        assert (list(result), result.written) == ([], 0)
        assert await kit.log("s") == []
