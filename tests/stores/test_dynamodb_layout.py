"""What a stranger finds in the tables, with boto3 alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from recollect import Recollect
from recollect.client import DEFAULT_SCOPE
from recollect.stores.dynamodb import keys
from tests.services.dynamodb import make_store, options_of, prefix_of, raw_client


def _items(place: Path, table: str, **query: Any) -> list[dict[str, Any]]:
    name = f"{prefix_of(place)}-{table}"
    found = raw_client().query(TableName=name, **query) if query else raw_client().scan(TableName=name)
    items: list[dict[str, Any]] = found["Items"]
    return items


def _plain(item: dict[str, Any], *names: str) -> tuple[Any, ...]:
    return tuple(next(iter(item[name].values())) if name in item else None for name in names)


def test_a_conversation_reads_as_documented(place: Path) -> None:
    with Recollect(make_store(place)) as memory:
        session = memory.session("trip", user="ann")
        session.append({"role": "user", "content": "부산 \0 ", "id": "m-1", "metadata": {"k": [1]}})
        session.append({"role": "assistant", "content": "Seat 12A."})
    found = _items(
        place,
        "conversations",
        KeyConditionExpression="session_id = :s AND #t BETWEEN :a AND :b",
        ExpressionAttributeNames={"#t": "timestamp"},
        ExpressionAttributeValues={":s": {"S": "trip"}, ":a": {"S": "0"}, ":b": {"S": "9999"}},
    )
    assert [_plain(item, "role", "content", "user_id", "seq") for item in found] == [
        ("user", "부산 \0 ", "ann", "1"),
        ("assistant", "Seat 12A.", "ann", "2"),
    ]
    assert _plain(found[0], "message_id", "metadata") == ("m-1", '{"k":[1]}')
    instants = [datetime.fromisoformat(item["timestamp"]["S"]) for item in found]
    assert instants[0] < instants[1]
    assert abs(instants[1] - datetime.now(UTC)) < timedelta(minutes=5)


def test_a_user_is_read_by_the_documented_index(place: Path) -> None:
    with Recollect(make_store(place)) as memory:
        for name in ("one", "two"):
            memory.session(name, user="ann").append({"role": "user", "content": name})
        memory.session("other", user="bob").append({"role": "user", "content": "x"})
        memory.session("late").append({"role": "user", "content": "late"})
        memory.session("late", user="ann").append({"role": "user", "content": "later"})
        memory.sweep()
    found = _items(
        place,
        "conversations",
        IndexName="UserIdIndex",
        KeyConditionExpression="user_id = :u",
        ExpressionAttributeValues={":u": {"S": "ann"}},
    )
    assert [item["content"]["S"] for item in found] == ["one", "two", "late", "later"]


def test_preferences_read_as_documented(place: Path) -> None:
    with Recollect(make_store(place)) as memory:
        memory.user("ann").preferences.set("seat", "window")
    (item,) = _items(place, "preferences")
    assert _plain(item, "user_id", "preferences", "version") == ("ann", '{"seat":"window"}', "1")
    assert item["created_at"]["S"] == item["updated_at"]["S"]


def test_the_tables_have_the_documented_keys(place: Path) -> None:
    with Recollect(make_store(place)) as memory:
        memory.open()
    described = {
        name: raw_client().describe_table(TableName=f"{prefix_of(place)}-{name}")["Table"]
        for name in ("conversations", "preferences", "graph")
    }

    def key(schema: list[dict[str, str]]) -> list[str]:
        return [part["AttributeName"] for part in schema]

    assert key(described["conversations"]["KeySchema"]) == ["session_id", "timestamp"]
    assert key(described["preferences"]["KeySchema"]) == ["user_id"]
    assert key(described["graph"]["KeySchema"]) == ["node_id", "edge_id"]
    indexes = {i["IndexName"]: key(i["KeySchema"]) for t in described.values() for i in t["GlobalSecondaryIndexes"]}
    assert indexes["UserIdIndex"] == ["user_id", "timestamp"]
    assert indexes["RelationshipTypeIndex"] == ["relationship_type", "created_at"]


def test_messages_of_one_instant_and_of_a_clock_set_back_are_all_kept_in_order(place: Path) -> None:
    now = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
    clock = [now]
    with Recollect(make_store(place), clock=lambda: clock[0]) as memory:
        session = memory.session("s")
        session.append([{"role": "user", "content": str(n)} for n in range(5)])
        clock[0] = now - timedelta(hours=1)
        session.append({"role": "user", "content": "5"})
    with Recollect(make_store(place), clock=lambda: now - timedelta(hours=2)) as memory:
        memory.session("s").append({"role": "user", "content": "6"})
        assert [row.content for row in memory.session("s").tail(9)] == list("0123456")
    stamps = sorted(i["timestamp"]["S"] for i in _items(place, "conversations") if "message_id" in i)
    assert stamps[:2] == ["2026-11-21T12:00:00.000000Z", "2026-11-21T12:00:00.000001Z"]
    assert len(set(stamps)) == 7


def test_keys_of_tenants_cannot_meet() -> None:
    assert keys.DEFAULT_SCOPE == DEFAULT_SCOPE
    pairs = [
        (scope, id)
        for scope in (DEFAULT_SCOPE, "a", "a:b", "1:a", "@", "@1:a")
        for id in ("x", "@x", "@:x", "@1:a:x", "b:x", ":x", "1:a:x")
    ]
    assert len({keys.key(*pair) for pair in pairs}) == len(pairs)
    assert keys.key(DEFAULT_SCOPE, "trip") == "trip"
    assert keys.key("tenant", "trip") == "@6:tenant:trip"
    assert max(len(keys.key(scope * 128, "💬" * 128).encode()) for scope in ("💬", "가")) <= 2048


def test_a_message_over_400_kb_is_several_items_and_one_message(place: Path) -> None:
    text = "가나다💬" * 900_000  # 11.7 MB
    parts = [{"type": "text", "text": "x" * 500_000}, {"type": "image_url", "image_url": {"url": "y" * 500_000}}]
    with Recollect(make_store(place)) as memory:
        session = memory.session("big")
        session.append({"role": "user", "content": text, "id": "big"})
        session.append({"role": "user", "content": parts, "metadata": {"m": "z" * 450_000}})
        session.append({"role": "user", "content": "small"})
        for rows in (session.tail(3), session.read(limit=10).items):
            assert [row.seq for row in rows] == [1, 2, 3]
            assert rows[0].content == text
            assert rows[1].to_provider()["content"] == parts
            assert rows[1].metadata == {"m": "z" * 450_000}
        assert len(session.append({"role": "user", "content": text, "id": "big"})[0].text) == len(text)
        assert (session.info() or session).message_count == 3  # type: ignore[union-attr]
        memory.session("big").clear()
        memory.sweep()
    left = [item for item in _items(place, "conversations") if item["timestamp"]["S"] != "~session"]
    assert left == []


def test_an_id_that_expired_more_than_once_is_swept(place: Path) -> None:
    clock = [datetime(2026, 11, 21, 12, 0, tzinfo=UTC)]
    with Recollect(make_store(place), clock=lambda: clock[0]) as memory:
        session = memory.session("s")
        for n in range(3):
            session.append({"role": "user", "content": str(n), "id": "again"}, ttl=1)
            clock[0] += timedelta(seconds=2)
        assert memory.sweep().messages == 3
        assert session.append({"role": "user", "content": "3", "id": "again"})[0].seq == 4
    assert [_plain(item, "seq") for item in _items(place, "index")] == [("4",)]


def test_long_content_is_compressed_when_asked(place: Path) -> None:
    text = "the same words again " * 2000
    with Recollect(make_store(place, compress="zstd")) as memory:
        memory.session("s").append({"role": "user", "content": text})
    (item,) = [item for item in _items(place, "conversations") if "message_id" in item]
    assert "content" not in item
    assert len(item["content_zstd"]["B"]) < len(text) / 20
    with Recollect(make_store(place)) as memory:
        assert memory.session("s").tail()[0].content == text


def test_a_number_costs_one_request_more_than_the_tail(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = make_store(place)
    with Recollect(store) as memory:
        session = memory.session("s")
        session.append([{"role": "user", "content": str(n)} for n in range(1000)])
        asked: list[str] = []
        request = store._client.request

        def watched(operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
            asked.append(operation)
            return request(operation, arguments)

        monkeypatch.setattr(store._client, "request", watched)
        assert [row.seq for row in session.tail(20)] == list(range(981, 1001))
        assert asked == ["query"]
        for after in (0, 500, 511, 512, 513, 900, 979):
            asked.clear()
            page = session.read(after=after, limit=20)
            assert [row.seq for row in page.items] == list(range(after + 1, after + 21))
            assert asked == ["batch_get_item", "query"]
        asked.clear()
        session.append({"role": "user", "content": "one more"})
        assert asked == ["transact_write_items"]


def test_what_is_forgotten_leaves_only_its_mark(place: Path) -> None:
    with Recollect(make_store(place)) as memory:
        session = memory.session("s", user="ann")
        session.append([{"role": "user", "content": "secret"} for _ in range(150)])
        session.save_summary("secret", covers_seq=3)
        memory.user("ann").preferences.set("secret", True)
        memory.user("ann").forget()
    for table in ("conversations", "index", "preferences"):
        assert [item for item in _items(place, table) if item.get("timestamp", {}).get("S") != "~session"] == []
    (mark,) = _items(place, "conversations")
    assert "deleted_at" in mark
    assert "owner" not in mark


def test_table_names_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    from recollect.connect import connect
    from recollect.stores.dynamodb import DynamoDBStore, schema

    monkeypatch.setenv("AWS_DYNAMODB_CONVERSATIONS_TABLE", "chats")
    monkeypatch.setenv("AWS_DYNAMODB_PREFERENCES_TABLE", "likes")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    store = connect("dynamodb://")
    assert isinstance(store, DynamoDBStore)
    names = schema.names(store.options)
    assert (names.conversations, names.preferences, names.graph) == ("chats", "likes", "recollect-graph")
    assert store.options.region == "eu-central-1"
    assert connect("dynamodb://us-east-1/app").url == "dynamodb://us-east-1/app?conversations=chats&preferences=likes"
    assert options_of(Path("/x")).prefix == prefix_of(Path("/x"))


def test_the_costs_are_those_of_the_page(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
    store = make_store(place)
    with Recollect(store, clock=lambda: now) as memory:
        spent: list[tuple[str, float]] = []
        request = store._client.request

        def metered(operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
            answer = request(operation, arguments | {"ReturnConsumedCapacity": "TOTAL"})
            found = answer.get("ConsumedCapacity", [])
            units = sum(part["CapacityUnits"] for part in ([found] if isinstance(found, dict) else found))
            spent.append((operation, units))
            return answer

        session = memory.session("s", user="u")
        for _ in range(3):
            session.append({"role": "user", "content": "x" * 300})
        if not store.options.endpoint_url:
            pytest.skip("the figures are those of one item of exactly this size")
        monkeypatch.setattr(store._client, "request", metered)
        session.append({"role": "user", "content": "x" * 300})
        assert spent == [("transact_write_items", 9.0)]
        session.append([{"role": "user", "content": "x" * 300}] * 400)
        spent.clear()
        session.append({"role": "user", "content": "x" * 300})
        session.tail(20)
        assert spent == [("transact_write_items", 9.0), ("query", 3.0)]
        spent.clear()
        session.read(after=200, limit=20)
        assert [operation for operation, _ in spent] == ["batch_get_item", "query"]
        assert sum(units for _, units in spent) <= 6
        memory.changes(limit=1000)
        after = memory.changes(limit=1000).items[-1].cursor
        spent.clear()
        assert memory.changes(after).items == []
        assert spent == [("query", 1.0)]
