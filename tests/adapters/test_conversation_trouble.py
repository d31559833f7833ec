"""`ConversationMemoryService` in trouble: what is large, closed, lent, away, or not as it should be."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from recollect import (
    ConfigError,
    LimitExceeded,
    Recollect,
    Unavailable,
    connect,
)
from recollect.adapters.conversation import ConversationMemoryService
from recollect.testing import FaultyStore
from tests.services.dynamodb import (
    Dynoxide,
    make_store,
    options_of,
    raw_client,
    remove_tables,
    server_options,
    tables_of,
    temporary_file,
)


def test_ten_megabytes(one: ConversationMemoryService, tmp_path: Path) -> None:
    text = "ten megabytes " * 750_000
    assert one.store_conversation_message("s", "m", "user", text)
    assert one.retrieve_conversation_history("s")[0]["content"] == text
    small = Recollect(connect(f"sqlite:///{tmp_path}/x.db"))
    with small, ConversationMemoryService(small) as service, pytest.raises(LimitExceeded):
        service.store_conversation_message("s", "m", "user", "x" * (small.store.capabilities.item_bytes + 1))


def test_a_client_that_was_handed_in_stays_open() -> None:
    with Recollect("memory://", ttl=60) as memory:
        with ConversationMemoryService(memory) as service:
            service.store_conversation_message("s", "m", "user", "x")
        assert memory.session("s").tail(1)[0].text == "x"
        with ConversationMemoryService(memory, scope="other") as service:
            assert service.retrieve_conversation_history("s") == []
            assert all(service.create_tables_if_not_exist().values())
        with pytest.raises(ConfigError):
            ConversationMemoryService(memory, ttl=5)


def test_a_lifetime(tmp_path: Path) -> None:
    with ConversationMemoryService(f"sqlite:///{tmp_path}/a.db", ttl=3600) as service:
        service.store_conversation_message("s", "m", "user", "x")
        info = service.memory.session("s").info()
        assert info is not None
        assert info.expires_at is not None


def test_a_closed_service_says_so(tmp_path: Path) -> None:
    service = ConversationMemoryService(f"sqlite:///{tmp_path}/a.db")
    service.store_conversation_message("s", "m", "user", "x")
    service.close()
    service.close()
    with pytest.raises(ConfigError, match="closed"):
        service.retrieve_conversation_history("s")


def test_a_write_whose_answer_was_lost_is_repeated_safely() -> None:
    store = FaultyStore(connect("memory://"))
    with ConversationMemoryService(store) as service:
        for when in ("before", "after"):
            store.fail(when=when)
            with pytest.raises(Unavailable):
                service.store_conversation_message("s", when, "user", when)
            assert service.store_conversation_message("s", when, "user", when)
        assert [message["content"] for message in service.retrieve_conversation_history("s")] == ["before", "after"]


def test_dynamodb_by_url_and_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tables have the names that the URL and the environment give, and a stranger finds the items in them."""
    prefix = options_of(tmp_path).prefix
    monkeypatch.setenv("AWS_DYNAMODB_PREFERENCES_TABLE", f"{prefix}-likes")
    url = f"dynamodb://us-east-1/{prefix}?endpoint_url={server_options().endpoint_url}&create=false"
    try:
        with ConversationMemoryService(url) as service:
            with pytest.raises(ConfigError, match="recollect store create"):
                service.retrieve_conversation_history("s")
            made = service.create_tables_if_not_exist()
            assert made[f"{prefix}-conversations"] is made[f"{prefix}-likes"] is True
            service.store_conversation_message("s", "m", "user", "Hi", "ann")
            service.store_user_preferences("ann", {"genre": "jazz"})
            assert len(service.retrieve_user_conversations("ann")) == 1
        item = raw_client().get_item(TableName=f"{prefix}-likes", Key={"user_id": {"S": "ann"}})["Item"]
        assert json.loads(item["preferences"]["S"]) == {"genre": "jazz"}
    finally:
        raw_client().delete_table(TableName=f"{prefix}-likes")
        for table in ("conversations", "index", "changes", "graph"):
            raw_client().delete_table(TableName=f"{prefix}-{table}")


def test_tables_are_made_for_a_client_that_was_handed_in(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no table"):
        Recollect(make_store(tmp_path, create=False)).open()
    memory = Recollect(make_store(tmp_path, create=False))
    try:
        with closing(memory), ConversationMemoryService(memory, scope="tenant") as service:
            assert all(service.create_tables_if_not_exist().values())
            assert service.store_conversation_message("s", "m", "user", "x")
            assert all(service.create_tables_if_not_exist().values())
    finally:
        remove_tables(tmp_path)


def test_a_table_that_does_not_fit_is_false_and_none_is_made_beside_it(tmp_path: Path) -> None:
    name = f"{options_of(tmp_path).prefix}-preferences"
    raw_client().create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": "other", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "other", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    try:
        with ConversationMemoryService(make_store(tmp_path)) as service:
            made = service.create_tables_if_not_exist()
            assert name in made and not any(made.values())
            assert tables_of(tmp_path) == [name]
            with pytest.raises(ConfigError, match="key"):
                service.retrieve_user_preferences("ann")
    finally:
        remove_tables(tmp_path)


def test_a_server_that_is_away_is_no_empty_history(tmp_path: Path) -> None:
    server = Dynoxide(temporary_file())
    server.start()
    url = f"dynamodb://us-east-1/t?endpoint_url={server.endpoint}&attempts=1&timeout=2&connect_timeout=1"
    server_options()  # credentials
    try:
        with ConversationMemoryService(url) as service:
            service.store_conversation_message("s", "1", "user", "before")
            server.kill()
            for call in (
                lambda: service.store_conversation_message("s", "2", "user", "while it is away"),
                lambda: service.retrieve_conversation_history("s"),
                lambda: service.retrieve_user_preferences("ann"),
                lambda: service.delete_conversation_history("s"),
            ):
                with pytest.raises(Unavailable):
                    call()
            server.start()
            service.store_conversation_message("s", "2", "user", "while it is away")
            assert [message["message_id"] for message in service.retrieve_conversation_history("s")] == ["1", "2"]
        server.kill()
        with ConversationMemoryService(url) as service, pytest.raises(Unavailable):
            service.create_tables_if_not_exist()
    finally:
        server.kill()


def test_a_long_history_is_read_whole(tmp_path: Path) -> None:
    with Recollect(f"sqlite:///{tmp_path}/a.db") as memory:
        memory.session("s", "ann").append([{"role": "user", "content": str(n)} for n in range(2500)])
        service = ConversationMemoryService(memory)
        for found in (service.retrieve_conversation_history("s"), service.retrieve_user_conversations("ann")):
            assert [message["content"] for message in found] == [str(n) for n in range(2500)]
        found = service.retrieve_conversation_history("s", limit=1500)
        assert [message["content"] for message in found] == [str(n) for n in range(1000, 2500)]


def test_threads_share_a_service_from_the_first_call(tmp_path: Path) -> None:
    with ConversationMemoryService(f"sqlite:///{tmp_path}/a.db") as service:
        barrier = threading.Barrier(6)

        def write(number: int) -> bool:
            barrier.wait(10)
            return service.store_conversation_message("s", str(number), "user", "x")

        with ThreadPoolExecutor(6) as threads:
            assert all(threads.map(write, range(6)))
        assert len(service.retrieve_conversation_history("s")) == 6
