"""Reading: every declared path, its bounds, its direction, its limit."""

from __future__ import annotations

from datetime import timedelta, timezone
from typing import Any

import pytest

from recollect.errors import Unsupported
from recollect.model import Message
from recollect.store import Stretch
from recollect.testing.kit import SCOPE, Kit, a_document, place
from recollect.testing.suite import Suite


class Windows(Suite):
    """A path gives its rows in the order of its range, within the bounds asked for."""

    promise = "windows"

    async def test_order_and_reverse(self, kit: Kit) -> None:
        """A query gives the rows in the order of the path's range, or against it."""
        await kit.append("s", "a", "b", "c")
        assert await kit.contents("s") == ["a", "b", "c"]
        assert await kit.contents("s", reverse=True) == ["c", "b", "a"]

    async def test_limit(self, kit: Kit) -> None:
        """A query gives at most `limit` rows, from the end at which it begins."""
        await kit.append("s", *"abcde")
        assert await kit.contents("s", limit=2) == ["a", "b"]
        assert await kit.contents("s", limit=2, reverse=True) == ["e", "d"]
        assert await kit.contents("s", limit=5) == list("abcde")
        assert await kit.contents("s", limit=6) == list("abcde")

    async def test_limit_of_nothing(self, kit: Kit) -> None:
        """A limit of 0 gives nothing."""
        await kit.append("s", kit.message("a", id="a"), user="u", terms=["a"])
        await kit.put(a_document("u"))
        for path, hash in _hashes("s", "u", "a").items():
            assert await kit.rows(path, *hash, limit=0) == [], path
        assert await kit.feed(limit=0) == []
        if kit.store.capabilities.text_search:
            assert await kit.find("a", limit=0) == []

    async def test_bounds_are_exclusive(self, kit: Kit) -> None:
        """`after` and `before` are exclusive, in both directions, alone and together."""
        await kit.append("s", *"abcde")
        for reverse in (False, True):
            turn = slice(None, None, -1 if reverse else 1)
            assert await kit.contents("s", after=(2,), reverse=reverse) == ["c", "d", "e"][turn]
            assert await kit.contents("s", before=(4,), reverse=reverse) == ["a", "b", "c"][turn]
            assert await kit.contents("s", after=(1,), before=(5,), reverse=reverse) == ["b", "c", "d"][turn]
            assert await kit.contents("s", after=(2,), before=(3,), reverse=reverse) == []
            assert await kit.contents("s", after=(4,), before=(2,), reverse=reverse) == []
            assert await kit.contents("s", after=(3,), before=(3,), reverse=reverse) == []

    async def test_bounds_need_not_exist(self, kit: Kit) -> None:
        """A bound may lie where no row is: before the first, behind the last, at one that was deleted."""
        await kit.append("s", *"abcde")
        await kit.delete(session="s", table="messages", seq=3)
        assert await kit.contents("s", after=(0,)) == ["a", "b", "d", "e"]
        assert await kit.contents("s", after=(3,)) == ["d", "e"]
        assert await kit.contents("s", before=(3,), reverse=True) == ["b", "a"]
        assert await kit.contents("s", after=(5,)) == []
        assert await kit.contents("s", before=(1,)) == []
        assert await kit.contents("s", before=(10**12,)) == ["a", "b", "d", "e"]
        assert await kit.contents("s", after=(10**12,)) == []

    async def test_limit_counts_from_the_bound(self, kit: Kit) -> None:
        """With a bound, the limit counts from the bound at which the reading begins."""
        await kit.append("s", *"abcdef")
        assert await kit.contents("s", after=(2,), limit=2) == ["c", "d"]
        assert await kit.contents("s", before=(5,), limit=2) == ["a", "b"]
        assert await kit.contents("s", before=(5,), limit=2, reverse=True) == ["d", "c"]
        assert await kit.contents("s", after=(2,), limit=2, reverse=True) == ["f", "e"]

    async def test_encoded_pages(self, kit: Kit) -> None:
        """`query_json` gives None, or what `query` gives, encoded: the same messages, place and end."""
        await kit.append("s", *(kit.message(f"{n}", id=f"i{n}") for n in range(30)), user="u")
        for bounds in ({}, {"after": (4,)}, {"before": (25,)}, {"after": (9,), "before": (22,)}, {"after": (30,)}):
            for limit in (1, 8, 12, 29, 30, 31):
                for reverse in (False, True):
                    asked: dict[str, Any] = {"limit": limit, "reverse": reverse, **bounds}
                    found = await kit.store.query_json((SCOPE, "s"), **asked)
                    if found is not None:
                        asked["limit"] += 1
                        rows = await kit.log("s", **asked)
                        shown = rows[:limit]
                        assert found.text == b",".join(row.to_json() for row in shown), asked
                        assert (found.last, found.more, found.user_id) == (shown[-1].seq, len(rows) > limit, "u")

    async def test_stretches(self, kit: Kit) -> None:
        """Parts of many logs are what `query` gives of each: in the order asked, empty where nothing is."""
        for session in "st":
            await kit.append(session, *(kit.message(f"{session}{n}") for n in range(1, 7)))
        await kit.append("away", kit.message("gone"), ttl=10)
        await kit.append("s", kit.message("short", ttl=10))
        await kit.delete(session="s", table="messages", seq=3)
        kit.clock.forward(10)
        asked = [Stretch("s", 2, 4), Stretch("t", -1, 1), Stretch("nowhere", 1, 5), Stretch("s", 5, 10**12)]
        asked += [Stretch("away", 1, 1), Stretch("s", 2, 4), Stretch("t", 9, 9)] + [Stretch("t", 4, 5)] * 400
        found = await kit.store.stretches("messages", SCOPE, asked)
        wanted = [["s2", "s4"], ["t1"], [], ["s5", "s6"], [], ["s2", "s4"], [], *[["t4", "t5"]] * 400]
        assert [[row.content for row in part] for part in found] == wanted
        assert [list(part) for part in found[:2]] == [
            await kit.log("s", after=(1,), before=(5,)),
            await kit.log("t", before=(2,)),
        ]
        assert list(await kit.store.stretches("messages", SCOPE, [])) == []

    async def test_since_and_until(self, kit: Kit) -> None:
        """Of messages, `since` takes in its own instant and `until` does not."""
        now = kit.clock()
        step = timedelta(microseconds=1)
        await kit.append("s", *(kit.message(str(n), created_at=now + n * step) for n in range(5)), user="u")
        for path, hash in (("messages", "s"), ("messages_by_user", "u")):
            for reverse in (False, True):
                turn = slice(None, None, -1 if reverse else 1)

                async def found(
                    path: str = path, hash: str = hash, reverse: bool = reverse, **bounds: Any
                ) -> list[object]:
                    rows = await kit.rows(path, SCOPE, hash, reverse=reverse, **bounds)
                    return [row.content for row in rows]

                assert await found(since=now + 2 * step) == ["2", "3", "4"][turn]
                assert await found(until=now + 2 * step) == ["0", "1"][turn]
                assert await found(since=now + step, until=now + 4 * step) == ["1", "2", "3"][turn]
                assert await found(since=now + step, until=now + step) == []
                assert await found(since=now, limit=2) == (["4", "3"] if reverse else ["0", "1"])

    async def test_time_bounds_pick_and_numbers_order(self, kit: Kit) -> None:
        """`since` and `until` pick by `created_at` while the order stays that of the numbers."""
        now = kit.clock()
        hours = [5, 1, 4, 2, 3, 0]
        await kit.append("s", *(kit.message(str(h), created_at=now + timedelta(hours=h)) for h in hours))
        low, high = now + timedelta(hours=1), now + timedelta(hours=5)
        assert await kit.contents("s", since=low, until=high) == ["1", "4", "2", "3"]
        assert await kit.contents("s", since=low, until=high, reverse=True, limit=2) == ["3", "2"]
        assert await kit.contents("s", since=low, until=high, after=(2,), before=(5,)) == ["4", "2"]

    async def test_bounds_in_another_timezone(self, kit: Kit) -> None:
        """`since` and `until` are instants: the timezone in which they are written makes no difference."""
        seoul, now = timezone(timedelta(hours=9)), kit.clock()
        await kit.append("s", kit.message("a", created_at=now), kit.message("b", created_at=now + timedelta(seconds=1)))
        assert await kit.contents("s", until=(now + timedelta(seconds=1)).astimezone(seoul)) == ["a"]
        assert await kit.contents("s", since=(now + timedelta(seconds=1)).astimezone(seoul)) == ["b"]

    async def test_fewer_only_if_there_are_no_more(self, kit: Kit) -> None:
        """A page is shorter than its limit only if there are no more rows, however many were passed over."""
        rows = [kit.message(str(n), ttl=None if n % 10 == 9 else 1, role="user") for n in range(300)]
        for n in range(100, 300, 10):
            rows[n + 5] = kit.message(str(n + 5), role="system")
        await kit.append("s", *rows, user="u")
        kit.clock.forward(1)
        expected = [str(n) for n in range(300) if n % 10 == 9 or (n >= 100 and n % 10 == 5)]
        for reverse in (False, True):
            turn = expected[::-1] if reverse else expected
            assert await kit.contents("s", limit=20, reverse=reverse) == turn[:20]
            assert await kit.contents("s", limit=500, reverse=reverse) == turn
            systems = await kit.rows("system_messages", SCOPE, "s", limit=7, reverse=reverse)
            assert [row.content for row in systems] == [text for text in turn if text.endswith("5")][:7]
            own = await kit.rows("messages_by_user", SCOPE, "u", limit=20, reverse=reverse)
            assert [row.content for row in own] == turn[:20]

    async def test_pages_visit_all_once(self, kit: Kit) -> None:
        """Page after page, each beginning behind the last row of the one before, visits every row once, both ways."""
        now = kit.clock()
        for n in range(23):
            session = f"s{n % 5}"
            at = now + timedelta(seconds=n // 4)
            role = "system" if n % 3 == 0 else "user"
            await kit.append(session, kit.message(str(n), id=str(n), created_at=at, role=role), user="u")
            await kit.append("long", kit.message(str(n), created_at=at, role=role))
            await kit.put(a_document(f"user {n}"))
            kit.clock.forward(n % 2)
        for path, hash in _hashes("long", "u", "?").items():
            whole = await kit.rows(path, *hash)
            assert len(whole) == len({place(row, path) for row in whole})
            for reverse in (False, True):
                seen: list[Any] = []
                while True:
                    end = place(seen[-1], path) if seen else None
                    bound = {"before" if reverse else "after": end}
                    page = await kit.rows(path, *hash, limit=3, reverse=reverse, **bound)
                    seen += page
                    if len(page) < 3:
                        break
                assert seen == (whole[::-1] if reverse else whole), path
            if len(whole) > 4:
                low, high = place(whole[1], path), place(whole[-2], path)
                assert await kit.rows(path, *hash, after=low, before=high) == whole[2:-2], path
                assert await kit.rows(path, *hash, after=low, before=high, reverse=True) == whole[-3:1:-1], path

    async def test_system_messages(self, kit: Kit) -> None:
        """The path `system_messages` gives a session's system messages and no others."""
        roles = ["system", "user", "assistant", "system", "tool", "user"]
        await kit.append("s", *(kit.message(str(n), role=role) for n, role in enumerate(roles)))
        await kit.append("t", kit.message("other", role="system"))
        rows = await kit.rows("system_messages", SCOPE, "s")
        assert [(row.seq, row.content) for row in rows] == [(1, "0"), (4, "3")]
        assert [row.seq for row in await kit.rows("system_messages", SCOPE, "s", reverse=True, limit=1)] == [4]
        assert [row.seq for row in await kit.rows("system_messages", SCOPE, "s", after=(1,))] == [4]
        assert [row.seq for row in await kit.rows("system_messages", SCOPE, "s", before=(4,))] == [1]

    async def test_message_by_id(self, kit: Kit) -> None:
        """The path `messages_by_id` gives the one message of a session that has the id, or nothing."""
        stored = await kit.append("s", kit.message("a", id="a"), kit.message("b", id="b"))
        await kit.append("t", kit.message("other", id="c"))
        assert await kit.rows("messages_by_id", SCOPE, "s", "b") == [stored[1]]
        assert await kit.rows("messages_by_id", SCOPE, "s", "c") == []
        await kit.delete(session="s", table="messages", seq=2)
        assert await kit.rows("messages_by_id", SCOPE, "s", "b") == []

    async def test_messages_of_a_user(self, kit: Kit) -> None:
        """The path `messages_by_user` gives a user's messages across sessions by time, then session, then number."""
        now = kit.clock()
        later = now + timedelta(seconds=1)
        await kit.append("t", kit.message("5", created_at=later), kit.message("3", created_at=now), user="u")
        await kit.append("s", kit.message("1", created_at=now), kit.message("2", created_at=now), user="u")
        await kit.append("s", kit.message("4", created_at=later), user="u")
        await kit.append("other", kit.message("x", created_at=now), user="v")
        await kit.append("nobody's", kit.message("y", created_at=now))
        expected = ["1", "2", "3", "4", "5"]

        async def read() -> list[object]:
            return [row.content for row in await kit.rows("messages_by_user", SCOPE, "u")]

        assert await read() == expected
        rows = await kit.rows("messages_by_user", SCOPE, "u", reverse=True, limit=2)
        assert [row.content for row in rows] == ["5", "4"]

    async def test_sessions_by_activity(self, kit: Kit) -> None:
        """The path `sessions` gives all sessions of the scope in the order of their last activity, then of their ids."""
        for session in ("b", "a", "c"):
            await kit.append(session, "x")
        kit.clock.forward(1)
        await kit.append("b", "y")
        expected = ["a", "c", "b"]

        async def read() -> list[str]:
            return [row.id for row in await kit.rows("sessions", SCOPE)]

        assert await read() == expected
        newest = await kit.rows("sessions", SCOPE, reverse=True, limit=2)
        assert [row.id for row in newest] == ["b", "c"]
        assert [row.message_count for row in newest] == [2, 1]

    async def test_rows_of_a_path_are_whole(self, kit: Kit) -> None:
        """A row that a path gives is the same as the one that its key gives."""
        await kit.append("s", kit.message("a", metadata={"k": [1]}, ttl=50), "b", user="u", ttl=100, sliding=True)
        await kit.put(a_document("u", {"k": 1}))
        assert await kit.rows("sessions", SCOPE) == [await kit.there("s")]
        assert await kit.rows("sessions_by_user", SCOPE, "u") == [await kit.there("s")]
        assert await kit.rows("preferences", SCOPE) == [await kit.store.get("preferences", (SCOPE, "u"))]
        for row in await kit.rows("messages_by_user", SCOPE, "u"):
            assert isinstance(row, Message)
            assert row == await kit.store.get("messages", (SCOPE, "s", row.seq))

    async def test_sessions_of_a_user(self, kit: Kit) -> None:
        """The path `sessions_by_user` gives the sessions that belong to the user, and follows a change of owner."""
        await kit.append("s", "x", user="u")
        await kit.append("t", "x", user="v")
        kit.clock.forward(1)
        await kit.append("later", "x")

        async def read() -> list[str]:
            return [row.id for row in await kit.rows("sessions_by_user", SCOPE, "u")]

        assert await read() == ["s"]
        await kit.append("later", "y", user="u")
        assert await read() == ["s", "later"]
        await kit.put((await kit.there("s")).replace(user_id="v"))
        assert await read() == ["later"]

    async def test_preferences_of_all_users(self, kit: Kit) -> None:
        """The path `preferences` gives the documents of the scope in the order of the users' ids."""
        for user in ("b", "B", "a", "é", "z", "Z"):
            await kit.put(a_document(user))
        expected = ["B", "Z", "a", "b", "z", "é"]

        async def read() -> list[str]:
            return [row.user_id for row in await kit.rows("preferences", SCOPE)]

        assert await read() == expected
        rows = await kit.rows("preferences", SCOPE, after=("a",), reverse=True, limit=2)
        assert [row.user_id for row in rows] == ["é", "z"]

    async def test_nothing_there(self, kit: Kit) -> None:
        """What is not there gives an empty page, and None for a key; it is no error."""
        for path, hash in _hashes("s", "u", "a").items():
            assert await kit.rows(path, *hash) == [], path
        assert await kit.header("s") is None
        assert await kit.store.get("messages", (SCOPE, "s", 1)) is None
        assert await kit.store.get("summaries", (SCOPE, "s")) is None
        assert await kit.store.get("preferences", (SCOPE, "u")) is None
        await kit.append("s", "a")
        assert await kit.store.get("messages", (SCOPE, "s", 2)) is None
        assert await kit.store.get("messages", (SCOPE, "s", 0)) is None
        assert await kit.store.get("summaries", (SCOPE, "s")) is None

    async def test_undeclared_path(self, kit: Kit) -> None:
        """A path that is not declared raises Unsupported."""
        with pytest.raises(Unsupported):
            await kit.store.query("messages_by_mood", (SCOPE, "s"), limit=1)


def _hashes(session: str, user: str, id: str) -> dict[str, tuple[str, ...]]:
    return {
        "messages": (SCOPE, session),
        "system_messages": (SCOPE, session),
        "messages_by_id": (SCOPE, session, id),
        "messages_by_user": (SCOPE, user),
        "sessions": (SCOPE,),
        "sessions_by_user": (SCOPE, user),
        "preferences": (SCOPE,),
    }
