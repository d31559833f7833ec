"""Fidelity: everything comes back exactly as it was given."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from recollect.model import Message, Part, Preferences, Session, Summary
from recollect.testing.kit import SCOPE, Kit
from recollect.testing.suite import Suite

JSON_VALUES: dict[str, Any] = {
    "": "empty key",
    "nothing": None,
    "yes": True,
    "no": False,
    "numbers": [0, -1, 2**53 + 1, 2**63 - 1, -(2**63), 0.1, -2.5e-300, 1e300, 1.0],
    "text": "\0 \x1f \x7f \u2028 \ufeff \uffff 💬 e\u0301 é 한국어 \\ \" ' </script>",
    "nested": {"a": [{"b": [[], {}, [None]]}]},
    "💬": "\r\n\t",
}


class Fidelity(Suite):
    """Nothing is lost or changed on the way."""

    promise = "fidelity"

    async def test_message_round_trip(self, kit: Kit) -> None:
        """Every field of a message comes back exactly as it was given."""
        now = kit.clock()
        given = kit.message(
            "text",
            id="an id",
            role="assistant",
            name="a name",
            metadata=JSON_VALUES,
            created_at=now - timedelta(days=1, microseconds=1),
            tool_calls=[{"id": "call", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}],
            tool_call_id="call",
            extra={"refusal": None, **JSON_VALUES},
            tokens=1234,
            expires_at=now + timedelta(seconds=0.5),
        )
        (stored,) = await kit.append("s", given, user="u")
        assert stored == given.replace(seq=1, session_id="s", user_id="u")
        (read,) = await kit.log("s")
        assert read == stored
        assert repr(read.metadata) == repr(stored.metadata)
        for instant in (read.created_at, read.expires_at):
            assert instant is not None
            assert instant.utcoffset() == timedelta(0)

    @pytest.mark.parametrize(
        "content",
        [
            "",
            "\0",
            "a\0b\0",
            " \r\n\t\u2028 ",
            "\ufeff💬 e\u0301 é ﷺ 한국어 日本語 \U0010ffff \uffff",
            None,
            [],
            [Part(type="text", text="")],
            [
                Part(type="text", text="a\0b"),
                Part(type="image_url", image_url={"url": "data:image/png;base64,AAAA", "detail": None}),
                Part(type="tool_use", id="t", name="f", input={"a": [1, 2.5, None, True]}),
                Part(type="made up", **{"": [], "💬": {}}),
            ],
            ["a bare string", Part(type="text", text="b")],
            '["looks like JSON"]',
            "{}",
            "null",
        ],
        ids=lambda content: ascii(content)[:30],
    )
    async def test_content_round_trip(self, kit: Kit, content: Any) -> None:
        """Content comes back as it was: empty, None, any text, or a list of the provider's parts."""
        (stored,) = await kit.append("s", kit.message(content))
        (read,) = await kit.log("s")
        assert stored.content == read.content == content
        assert type(read.content) is type(content)
        if isinstance(content, list):
            assert isinstance(read.content, list)
            assert [type(part) for part in read.content] == [type(part) for part in content]

    @pytest.mark.parametrize("empty", [None, "", [], {}], ids=repr)
    async def test_empty_is_not_none(self, kit: Kit, empty: Any) -> None:
        """What is empty stays empty and what is None stays None."""
        text = empty if isinstance(empty, str) else None
        calls = empty if isinstance(empty, list) else None
        given = kit.message(
            "a", name=text, tool_call_id=text, tool_calls=calls, extra={"k": empty}, metadata={"k": empty}
        )
        await kit.append("s", given)
        (read,) = await kit.log("s")
        assert (read.name, read.tool_call_id, read.tool_calls) == (text, text, calls)
        assert (read.extra, read.metadata) == ({"k": empty}, {"k": empty})

    async def test_session_round_trip(self, kit: Kit) -> None:
        """Every field of a session's header comes back exactly as it was given."""
        now = kit.clock()
        for title in ("", "\0 💬", None):
            given = Session(
                id="s",
                user_id="u",
                title=title,
                metadata=JSON_VALUES,
                expires_at=now + timedelta(days=400),
                ttl=0.1 + 0.2,
            )
            stored = await kit.put(given)
            assert stored == given.replace(created_at=now, updated_at=now, version=stored.version)
            assert await kit.there("s") == stored
            assert repr((await kit.there("s")).metadata) == repr(JSON_VALUES)

    async def test_summary_round_trip(self, kit: Kit) -> None:
        """Every field of a summary comes back exactly as it was given."""
        await kit.append("s", "a")
        for text in ("", "\0 💬 요약"):
            given = Summary(
                session_id="s",
                text=text,
                covers_seq=2**40,
                metadata=JSON_VALUES,
                tokens=17,
                created_at=datetime(2020, 1, 2, 3, 4, 5, 6, tzinfo=UTC),
                updated_at=datetime(2021, 1, 2, 3, 4, 5, 0, tzinfo=UTC),
            )
            stored = await kit.put(given)
            assert stored == given.replace(version=stored.version)
            assert await kit.store.get("summaries", (SCOPE, "s")) == stored

    async def test_preferences_round_trip(self, kit: Kit) -> None:
        """Every field of a preference document comes back exactly as it was given."""
        for values in (JSON_VALUES, {}):
            given = Preferences(
                user_id="u",
                values=values,
                created_at=datetime(2020, 1, 2, 3, 4, 5, 6, tzinfo=UTC),
                updated_at=datetime(2021, 1, 2, 3, 4, 5, 999999, tzinfo=UTC),
            )
            stored = await kit.put(given)
            assert stored == given.replace(version=stored.version)
            read = await kit.store.get("preferences", (SCOPE, "u"))
            assert read == stored
            assert isinstance(read, Preferences)
            assert repr(read.values) == repr(values)

    @pytest.mark.parametrize(
        "instant",
        [
            datetime(1, 1, 1, tzinfo=UTC),
            datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
            datetime(1970, 1, 1, tzinfo=UTC),
            datetime(2026, 2, 28, 23, 59, 59, 500000, tzinfo=UTC),
            datetime(2026, 11, 21, 9, 30, 0, 1, tzinfo=timezone(timedelta(hours=5, minutes=45))),
            datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        ],
        ids=str,
    )
    async def test_instants(self, kit: Kit, instant: datetime) -> None:
        """An instant comes back to the microsecond, from the year 1 to the year 9999, and is ordered by time."""
        middle = kit.message("b", created_at=datetime(2000, 1, 1, tzinfo=UTC))
        await kit.append("s", kit.message("a", created_at=instant), middle, user="u")
        first, second = await kit.log("s")
        assert (first.created_at, second.created_at) == (instant, middle.created_at)
        assert first.created_at is not None
        assert first.created_at.utcoffset() is not None
        rows = await kit.rows("messages_by_user", SCOPE, "u")
        assert [row.created_at for row in rows] == sorted([instant, datetime(2000, 1, 1, tzinfo=UTC)])

    async def test_roles_are_any_text(self, kit: Kit) -> None:
        """The role is kept as it is given: checking it is not the store's business."""
        roles = ["system", "user", "assistant", "tool", "System", "system ", "💬"]
        await kit.append("s", *(kit.message("x", role=role) for role in roles))
        assert [row.role for row in await kit.log("s")] == roles
        assert [row.seq for row in await kit.rows("system_messages", SCOPE, "s")] == [1]

    async def test_rows_belong_to_their_reader(self, kit: Kit) -> None:
        """What a reader changes in a row that it was given changes nothing in the store."""

        def spoil(row: Any) -> None:
            for name in ("metadata", "extra", "values"):
                getattr(row, name, {})["spoilt"] = True
            if isinstance(row, Message):
                assert isinstance(row.content, list)
                assert row.tool_calls is not None
                row.content.append(Part(type="spoilt"))
                row.tool_calls[0]["spoilt"] = True

        given = kit.message(
            [Part(type="text", text="a")], id="a", tool_calls=[{"k": 1}], metadata={"k": {}}, extra={"k": 1}
        )
        (stored,) = await kit.append("s", given, user="u")
        header = await kit.put(Session(id="s", user_id="u", metadata={"k": 1}))
        document = await kit.put(
            Preferences(user_id="u", values={"k": 1}, created_at=header.created_at, updated_at=header.created_at)
        )
        for row in (stored, header, document):
            spoil(row)
        for _ in range(2):
            (message,) = await kit.log("s")
            assert (message.content, message.tool_calls) == ([Part(type="text", text="a")], [{"k": 1}])
            assert (message.metadata, message.extra) == ({"k": {}}, {"k": 1})
            session = await kit.there("s")
            assert session.metadata == {"k": 1}
            preferences = await kit.store.get("preferences", (SCOPE, "u"))
            assert isinstance(preferences, Preferences)
            assert preferences.values == {"k": 1}
            for row in (message, session, preferences, *await kit.rows("messages_by_user", SCOPE, "u")):
                spoil(row)

    async def test_large_content(self, kit: Kit) -> None:
        """Content of 10 MB, or the largest that the capabilities name, comes back whole."""
        size = min(10_000_000, kit.store.capabilities.item_bytes // 2)
        text = ("\0é💬 한 " * (size // 14 + 1))[: size // 3]
        given = kit.message(text, id="large")
        await kit.append("s", given, "after")
        large, after = await kit.log("s")
        assert large.content == text
        assert (after.seq, after.content) == (2, "after")
        assert isinstance(large, Message)

    async def test_many_rows_in_one_append(self, kit: Kit) -> None:
        """An append may bring thousands of messages at once."""
        rows = [kit.message(str(n), id=f"{n}") for n in range(3000)]
        stored = await kit.append("s", *rows)
        again = await kit.append("s", *rows)
        assert stored.written == 3000
        assert again.written == 0
        assert list(again) == list(stored)
        assert [row.seq for row in await kit.log("s")] == list(range(1, 3001))
