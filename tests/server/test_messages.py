"""``/api/v1/sessions/{id}/messages``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from recollect import Message
from recollect.server.bodies import reply
from tests.server.harness import problem

PATH = "/api/v1/sessions/s/messages"
HI = {"role": "user", "content": "Hi"}


def test_one_message_in_one_message_out(api: TestClient) -> None:
    answer = api.post(PATH, json={**HI, "id": "m-1", "metadata": {"a": [1]}})
    assert answer.status_code == 201
    stored = answer.json()
    assert stored["seq"] == 1
    assert stored["id"] == "m-1"
    assert stored["session_id"] == "s"
    assert stored["metadata"] == {"a": [1]}
    assert api.get(PATH).json() == {"items": [stored], "cursor": None}


def test_a_list_in_a_list_out_in_one_commit(api: TestClient) -> None:
    answer = api.post(PATH, json=[HI, {"role": "assistant", "content": "Hello"}])
    assert answer.status_code == 201
    assert [message["seq"] for message in answer.json()] == [1, 2]
    refused = api.post(PATH, json=[HI, {"role": "nobody", "content": "x"}])
    problem(refused, 400, "invalid-input")
    assert len(api.get(PATH).json()["items"]) == 2
    assert api.post(PATH, json=[]).status_code == 200


def test_a_known_id_answers_200_with_the_stored_one(api: TestClient) -> None:
    first = api.post(PATH, json={**HI, "id": "m-1"})
    again = api.post(PATH, json={"role": "user", "content": "Something else", "id": "m-1"})
    assert again.status_code == 200
    assert again.json() == first.json()
    both = api.post(PATH, json=[{**HI, "id": "m-1"}, {**HI, "id": "m-2"}])
    assert both.status_code == 201
    assert [message["seq"] for message in both.json()] == [1, 2]


def test_fields_of_the_provider_come_back(api: TestClient) -> None:
    given: dict[str, Any] = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "t1", "type": "function", "function": {"name": "add", "arguments": "{}"}}],
        "refusal": None,
        "x_custom": {"deep": [1, {"a": None}]},
    }
    api.post(PATH, json=given)
    api.post(PATH, json={"role": "tool", "tool_call_id": "t1", "content": [{"type": "text", "text": "2"}]})
    call, result = api.get(PATH).json()["items"]
    assert {key: call[key] for key in given} == given
    assert result["tool_call_id"] == "t1"
    assert result["content"] == [{"type": "text", "text": "2"}]


def test_the_owner_is_a_parameter(api: TestClient) -> None:
    assert api.post(PATH, json=HI, params={"user_id": "ann"}).json()["user_id"] == "ann"
    problem(api.post(PATH, json=HI, params={"user_id": "bob"}), 409, "conflict")
    assert api.post(PATH, json=HI).json()["user_id"] == "ann"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"content": "Hi"}, "role"),
        ({"role": "nobody", "content": "Hi"}, "role"),
        ({"role": "user"}, "content"),
        ({"role": "user", "content": 5}, "content"),
        ({**HI, "id": ""}, "id"),
        ({**HI, "id": "x" * 513}, "id"),
        ({**HI, "created_at": "2026-05-03T09:30:00"}, "created_at"),
        ({**HI, "created_at": "yesterday"}, "created_at"),
        ({**HI, "ttl": -1}, "ttl"),
        ({**HI, "ttl": 0}, "ttl"),
        ({**HI, "metadata": [1]}, "metadata"),
        ({**HI, "tool_calls": "x"}, "tool_calls"),
        ("Hi", "message"),
        (5, "message"),
        ([5], "message"),
    ],
)
def test_bad_messages_are_refused_by_field(api: TestClient, body: Any, field: str) -> None:
    assert problem(api.post(PATH, json=body), 400, "invalid-input")["field"] == field
    assert api.get("/api/v1/sessions/s").status_code == 404


@pytest.mark.parametrize(
    "body", [b"", b"  ", b"{", b"\xff", b'{"role": "user", "content": "\\ud800"}', b"NaN", b"[" * 10_000]
)
def test_what_is_not_json_is_refused(api: TestClient, body: bytes) -> None:
    assert problem(api.post(PATH, content=body), 400, "invalid-input")["field"] == "body"


def test_json_nested_too_deep_is_refused(api: TestClient) -> None:
    deep = b'{"role": "user", "content": "x", "metadata": {"a": ' + b"[" * 150 + b"]" * 150 + b"}}"
    assert "deep" in problem(api.post(PATH, content=deep), 400, "invalid-input")["detail"]


@pytest.mark.parametrize(
    "session_id",
    [
        "a/messages",
        "..",
        ".",
        "%2F",
        "a b",
        "한국어 😀",
        "\0",
        "a?b#c",
        "'; DROP TABLE messages; --",
        "x" * 512,
        "é" * 256,
    ],
)
def test_ids_in_paths_may_be_anything(api: TestClient, session_id: str) -> None:
    path = "/api/v1/sessions/" + quote(session_id, safe="").replace(".", "%2E")
    stored = api.post(f"{path}/messages", json=HI)
    assert stored.status_code == 201
    assert stored.json()["session_id"] == session_id
    assert api.get(f"{path}/messages").json()["items"] == [stored.json()]
    assert api.get(path).json()["id"] == session_id
    assert api.delete(path).status_code == 204
    assert api.get(path).status_code == 404


def test_ids_that_cannot_be_are_refused(api: TestClient) -> None:
    problem(api.get("/api/v1/sessions/" + "x" * 513), 400, "invalid-input")
    problem(api.get("/api/v1/sessions/%FF%FE"), 400, "invalid-input")
    problem(api.get("/api/v1/sessions//messages"), 404, "no-such-route")
    problem(api.get("/api/v1/sessions/"), 404, "no-such-route")


def test_a_page_and_its_bounds(api: TestClient) -> None:
    api.post(PATH, json=[{"role": "user", "content": str(n)} for n in range(1, 11)])

    def seqs(**params: Any) -> list[int]:
        answer = api.get(PATH, params=params)
        assert answer.status_code == 200, answer.text
        return [message["seq"] for message in answer.json()["items"]]

    assert seqs() == list(range(1, 11))
    assert seqs(after=3, before=6) == [4, 5]
    assert seqs(limit=2) == [1, 2]
    assert seqs(limit=2, order="desc") == [10, 9]
    assert seqs(since="2100-01-01T00:00:00Z") == []
    assert seqs(until="2100-01-01T00:00:00+09:00", limit=1) == [1]
    walked, cursor = [], None
    while True:
        params: dict[str, Any] = {"limit": 3, "order": "desc"} | ({"cursor": cursor} if cursor else {})
        page = api.get(PATH, params=params).json()
        walked += [message["seq"] for message in page["items"]]
        cursor = page["cursor"]
        if cursor is None:
            break
    assert walked == list(range(10, 0, -1))


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=-1", "limit"),
        ("limit=10001", "limit"),
        ("limit=many", "limit"),
        ("after=-1", "after"),
        ("after=1.5", "after"),
        ("order=up", "order"),
    ],
)
def test_parameters_not_of_the_described_form(api: TestClient, query: str, field: str) -> None:
    found = problem(api.get(f"{PATH}?{query}"), 422, "validation")
    assert found["field"] == field
    assert found["errors"][0]["message"]


@pytest.mark.parametrize(
    ("query", "field", "says"),
    [
        ("user=ann", "user", "there are after, before, cursor, limit, order, since, until"),
        ("Limit=5", "Limit", "no such parameter"),
        ("limit=5&limit=6", "limit", "more than once"),
        ("limit=5&%6Cimit=5", "limit", "more than once"),
        ("limit=5&us+er%20=x", "us er ", "no such parameter"),
        ("=5", "", "no such parameter"),
    ],
)
def test_parameters_that_there_are_not(api: TestClient, query: str, field: str, says: str) -> None:
    found = problem(api.get(f"{PATH}?{query}"), 422, "validation")
    assert found["field"] == field
    assert says in found["errors"][0]["message"]


def test_an_append_with_a_wrong_parameter_is_not_stored(api: TestClient) -> None:
    """Else it would be stored as nobody's."""
    assert problem(api.post(f"{PATH}?user=ann", json=HI), 422, "validation")["field"] == "user"
    assert problem(api.post(f"{PATH}?user_id=%FF", json=HI), 400, "invalid-input")["field"] == "user_id"
    assert problem(api.get("/api/v1/search?q=x&user_id=%FF"), 400, "invalid-input")["field"] == "user_id"
    assert api.get(PATH + "?").json()["items"] == api.get(PATH + "?&limit=5&").json()["items"] == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("since=yesterday", "since"),
        ("until=2026-01-01T00:00:00", "until"),
        ("cursor=AAAA", "cursor"),
        ("cursor=%FF", "cursor"),
        ("limit=5&since=%ED%A0%80", "since"),
    ],
)
def test_parameters_that_make_no_sense(api: TestClient, query: str, field: str) -> None:
    assert problem(api.get(f"{PATH}?{query}"), 400, "invalid-input")["field"] == field


def test_a_plus_that_came_as_a_space_is_meant(api: TestClient) -> None:
    api.post(PATH, json=HI)
    assert len(api.get(f"{PATH}?since=2020-01-01T00:00:00+09:00").json()["items"]) == 1


def test_a_cursor_of_another_query_is_refused(api: TestClient) -> None:
    api.post(PATH, json=[HI] * 5)
    cursor = api.get(f"{PATH}?limit=2").json()["cursor"]
    assert problem(api.get(f"{PATH}?limit=2&order=desc&cursor={cursor}"), 400, "invalid-input")["field"] == "cursor"


def test_nothing_there_is_an_empty_page(api: TestClient) -> None:
    assert api.get(PATH).json() == {"items": [], "cursor": None}


@pytest.mark.parametrize(
    "message",
    [
        Message("user", "Hi", id="1", created_at=datetime(2026, 5, 3, 9, 30, 0, 5, UTC), seq=1, session_id="s"),
        Message("user", "Hi", id="1", created_at=datetime(2026, 5, 3, 9, 30, tzinfo=UTC), seq=1, session_id="s"),
        Message(
            "assistant",
            None,
            id="1",
            name="Bob",
            metadata={"a": 1},
            created_at=datetime(2026, 5, 3, 9, 30, 0, 500_000, UTC),
            tool_calls=[{"id": "t"}],
            extra={"refusal": None},
            expires_at=datetime(2026, 5, 3, 9, 30, tzinfo=UTC),
        ),
        Message(
            "tool",
            "2",
            id="1",
            tool_call_id="t",
            created_at=datetime(2026, 5, 3, 9, 30, 0, 120_000, UTC),
            expires_at=datetime(2026, 5, 3, 9, 30, 0, 1, UTC),
            user_id="ann",
            tokens=7,
        ),
    ],
)
def test_the_fast_way_out_is_the_same(message: Message) -> None:
    assert message.to_json() == bytes(reply(message.to_dict()).body)
