"""`ConversationMemoryService` on every store: its results, its errors, two writers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from recollect import (
    Conflict,
    InvalidInput,
    Store,
)
from recollect.adapters.conversation import ConversationMemoryService

NOON = datetime(2026, 5, 3, 12, tzinfo=UTC)


@pytest.fixture
def service(store: Store) -> Iterator[ConversationMemoryService]:
    with ConversationMemoryService(store) as made:
        yield made


def fill(service: ConversationMemoryService, session: str, count: int, user: str | None = None) -> None:
    for number in range(count):
        role = ("user", "assistant")[number % 2]
        when = NOON + timedelta(minutes=number)
        assert service.store_conversation_message(
            session, f"m-{number}", role, f"text {number}", user, {"n": number}, when
        )


def test_tables_are_made_and_named(service: ConversationMemoryService) -> None:
    made = service.create_tables_if_not_exist()
    assert made
    assert all(value is True for value in made.values())
    assert set(made) == set(service.memory.store.table_names())
    fill(service, "s", 1)
    assert service.create_tables_if_not_exist() == made
    assert len(service.retrieve_conversation_history("s")) == 1


def test_history(service: ConversationMemoryService) -> None:
    fill(service, "s", 5, "ann")
    history = service.retrieve_conversation_history("s")
    assert history[1] == {
        "session_id": "s",
        "timestamp": "2026-05-03T12:01:00+00:00",
        "message_id": "m-1",
        "role": "assistant",
        "content": "text 1",
        "user_id": "ann",
        "metadata": {"n": 1},
    }
    assert json.loads(json.dumps(history)) == history
    ids = [message["message_id"] for message in history]
    assert ids == [f"m-{number}" for number in range(5)]

    def found(**bounds: Any) -> list[str]:
        return [message["message_id"] for message in service.retrieve_conversation_history("s", **bounds)]

    assert found(limit=2) == ["m-3", "m-4"]
    assert found(limit=0) == []
    assert found(start_time=NOON + timedelta(minutes=3)) == ["m-3", "m-4"]
    assert found(start_time=history[1]["timestamp"], end_time=history[3]["timestamp"]) == ["m-1", "m-2", "m-3"]
    assert found(end_time="2026-05-03T14:02:00+02:00", limit=2) == ["m-1", "m-2"]
    assert found(start_time=NOON, end_time=datetime.max.replace(tzinfo=UTC)) == ids
    assert found(start_time=NOON + timedelta(days=1)) == []
    assert service.retrieve_conversation_history("nobody's") == []


def test_a_users_conversations(service: ConversationMemoryService) -> None:
    fill(service, "a", 3, "ann")
    fill(service, "b", 2, "ann")
    fill(service, "c", 2, "bob")
    service.store_conversation_message(
        "b", "late", "user", "the latest", user_id="ann", timestamp=NOON + timedelta(hours=1)
    )
    found = service.retrieve_user_conversations("ann")
    assert len(found) == 6
    assert {message["session_id"] for message in found} == {"a", "b"}
    assert [message["timestamp"] for message in found] == sorted(message["timestamp"] for message in found)
    assert [message["message_id"] for message in service.retrieve_user_conversations("ann", limit=1)] == ["late"]
    assert service.retrieve_user_conversations("nobody") == []


def test_deleting(service: ConversationMemoryService) -> None:
    fill(service, "s", 3)
    assert service.delete_conversation_history("s") is True
    assert service.delete_conversation_history("s") is False
    assert service.retrieve_conversation_history("s") == []


def test_preferences(service: ConversationMemoryService) -> None:
    assert service.retrieve_user_preferences("ann") is None
    assert service.update_user_preference("ann", "genres", ["jazz"]) is True
    assert service.retrieve_user_preferences("ann") == {"genres": ["jazz"]}
    assert service.store_user_preferences("ann", {"city": "부산", "budget": 49.5, "with": {"dog": True}}) is True
    assert service.update_user_preference("ann", "city", "Seoul") is True
    assert service.retrieve_user_preferences("ann") == {"city": "Seoul", "budget": 49.5, "with": {"dog": True}}
    assert service.delete_user_preferences("ann") is True
    assert service.delete_user_preferences("ann") is False
    assert service.retrieve_user_preferences("ann") is None


def test_preferences_written_by_many_at_once(service: ConversationMemoryService) -> None:
    service.memory.open()
    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(lambda n: service.update_user_preference("ann", f"key-{n}", n), range(24)))
    assert service.retrieve_user_preferences("ann") == {f"key-{n}": n for n in range(24)}


def test_messages_written_by_many_at_once(service: ConversationMemoryService) -> None:
    service.memory.open()

    def write(number: int) -> bool:
        return service.store_conversation_message("s", f"m-{number % 20}", "user", f"text {number % 20}")

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(write, range(40)))
    history = service.retrieve_conversation_history("s")
    assert sorted(message["message_id"] for message in history) == sorted(f"m-{n}" for n in range(20))


def test_context(service: ConversationMemoryService) -> None:
    fill(service, "s", 14, "ann")
    service.store_user_preferences("ann", {"genre": "jazz"})
    context = service.get_context_for_response("s", "ann")
    assert [message["message_id"] for message in context["recent_messages"]] == [f"m-{n}" for n in range(4, 14)]
    assert context["user_preferences"] == {"genre": "jazz"}
    assert context["conversation_summary"] == {
        "text": None,
        "covers_seq": 0,
        "message_count": 14,
        "first_message_at": "2026-05-03T12:00:00+00:00",
        "last_message_at": "2026-05-03T12:13:00+00:00",
    }
    service.memory.session("s").save_summary("Ann likes jazz.", covers_seq=4)
    context = service.get_context_for_response("s", message_limit=0)
    assert (context["recent_messages"], context["user_preferences"]) == ([], None)
    assert context["conversation_summary"]["text"] == "Ann likes jazz."
    assert context["conversation_summary"]["covers_seq"] == 4
    with pytest.raises(Conflict):
        service.get_context_for_response("s", "eve")


def test_context_of_nothing(service: ConversationMemoryService) -> None:
    context = service.get_context_for_response("none", "ann")
    assert (context["recent_messages"], context["user_preferences"]) == ([], None)
    assert context["conversation_summary"]["message_count"] == 0


def test_statistics(service: ConversationMemoryService) -> None:
    fill(service, "a", 3, "ann")
    fill(service, "b", 2)
    found = service.get_memory_statistics()
    assert (found["total_messages"], found["total_sessions"], found["total_users"]) == (5, 2, 1)
    assert found["messages_by_role"] == {"assistant": 2, "user": 3}
    assert found["messages_by_day"] == {"2026-05-03": 5}
    assert (found["first_message_at"], found["last_message_at"]) == (
        "2026-05-03T12:00:00+00:00",
        "2026-05-03T12:02:00+00:00",
    )
    assert (found["store"], found["location"]) == (service.memory.store.kind, service.memory.store.url)
    assert json.dumps(found)


def test_a_message_again_is_stored_once(service: ConversationMemoryService) -> None:
    for _ in range(2):
        assert service.store_conversation_message("s", "m", "human", "Hi") is True
    assert [message["role"] for message in service.retrieve_conversation_history("s")] == ["human"]
    for role, content in (("human", "Hello"), ("user", "Hi")):
        with pytest.raises(Conflict, match="already stands for another"):
            service.store_conversation_message("s", "m", role, content)
    assert len(service.retrieve_conversation_history("s")) == 1


def test_the_order_is_that_of_storing_when_a_clock_jumps(service: ConversationMemoryService) -> None:
    for number, minutes in enumerate((0, -90, 5, 5)):
        service.store_conversation_message("s", str(number), "user", "x", timestamp=NOON + timedelta(minutes=minutes))
    assert [message["message_id"] for message in service.retrieve_conversation_history("s")] == list("0123")
    assert [message["message_id"] for message in service.retrieve_conversation_history("s", limit=2)] == list("23")


def test_timestamps_are_kept(one: ConversationMemoryService) -> None:
    written = datetime.now(UTC).isoformat()
    for given, shown in (
        (written, written),
        ("2026-05-03T12:00:00Z", "2026-05-03T12:00:00+00:00"),
        (datetime(2026, 5, 3, 21, tzinfo=timezone(timedelta(hours=9))), "2026-05-03T12:00:00+00:00"),
    ):
        one.store_conversation_message("s", shown, "user", "x", timestamp=given)
        assert one.retrieve_conversation_history("s")[-1]["timestamp"] == shown


def test_parts_and_hostile_text(service: ConversationMemoryService) -> None:
    parts: list[dict[str, Any]] = [
        {"type": "text", "text": "창가 자리"},
        {"type": "image_url", "image_url": {"url": "data:,"}},
    ]
    session = "s/../'; DROP TABLE messages; --\0 세션"
    for _ in range(2):
        assert service.store_conversation_message(session, "\0 id", "user", parts, "사용자 #~")
    assert service.store_conversation_message(session, "empty", "user", "")
    assert [message["content"] for message in service.retrieve_conversation_history(session)] == [parts, ""]
    assert len(service.retrieve_user_conversations("사용자 #~")) == 2


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("session", {"session_id": ""}),
        ("session", {"session_id": "x" * 513}),
        ("session", {"session_id": None}),
        ("message_id", {"message_id": None}),
        ("id", {"message_id": ""}),
        ("role", {"role": "robot"}),
        ("role", {"role": None}),
        ("content", {"content": None}),
        ("content", {"content": 7}),
        ("content", {"content": "\ud800"}),
        ("user", {"user_id": 3}),
        ("metadata", {"metadata": "text"}),
        ("metadata.x", {"metadata": {"x": float("nan")}}),
        ("timestamp", {"timestamp": datetime(2026, 5, 3)}),
        ("timestamp", {"timestamp": "2026-05-03T12:00:00"}),
        ("timestamp", {"timestamp": "yesterday"}),
        ("timestamp", {"timestamp": 1_777_000_000}),
    ],
)
def test_bad_messages_are_refused(one: ConversationMemoryService, field: str, given: dict[str, Any]) -> None:
    good: dict[str, Any] = {"session_id": "s", "message_id": "m", "role": "user", "content": "x"}
    with pytest.raises(InvalidInput) as caught:
        one.store_conversation_message(**{**good, **given})
    assert caught.value.field == field
    assert one.get_memory_statistics()["total_messages"] == 0


def test_other_bad_arguments_are_refused(one: ConversationMemoryService) -> None:
    for bad in (
        lambda: one.retrieve_conversation_history("s", limit=-1),
        lambda: one.retrieve_conversation_history("s", limit="2"),  # type: ignore[arg-type]
        lambda: one.retrieve_conversation_history("s", start_time="2026-05-03"),
        lambda: one.retrieve_conversation_history("s", end_time=datetime(2026, 5, 3)),
        lambda: one.retrieve_user_conversations(""),
        lambda: one.retrieve_user_conversations("u", limit=True),
        lambda: one.get_context_for_response("s", message_limit=None),  # type: ignore[arg-type]
        lambda: one.get_context_for_response("s", message_limit=-1),
        lambda: one.store_user_preferences("u", ["jazz"]),  # type: ignore[arg-type]
        lambda: one.store_user_preferences("u", None),  # type: ignore[arg-type]
        lambda: one.update_user_preference("u", "", 1),
        lambda: one.update_user_preference("u", "x", object()),
    ):
        with pytest.raises(InvalidInput):
            bad()
    assert one.retrieve_user_preferences("u") is None


def test_a_session_is_its_users(service: ConversationMemoryService) -> None:
    service.store_conversation_message("s", "1", "user", "anonymous yet")
    service.store_conversation_message("s", "2", "user", "mine", user_id="ann")
    service.store_conversation_message("s", "3", "assistant", "no user named")
    assert [message["user_id"] for message in service.retrieve_conversation_history("s")] == ["ann"] * 3
    with pytest.raises(Conflict):
        service.store_conversation_message("s", "4", "user", "not mine", user_id="eve")
    assert len(service.retrieve_conversation_history("s")) == 3
