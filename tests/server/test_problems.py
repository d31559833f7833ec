"""Errors: every class, as a problem with a type that never changes, and nothing of the inside."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fastapi.testclient import TestClient

from recollect import (
    AsyncRecollect,
    ConfigError,
    Conflict,
    CorruptRecord,
    InvalidAnswer,
    InvalidInput,
    LimitExceeded,
    NotFound,
    Unavailable,
    Unsupported,
)
from tests.server.harness import problem, serving

PATH = "/api/v1/sessions/s/messages"


@pytest.mark.parametrize(
    ("error", "status", "name"),
    [
        (InvalidInput("not so", field="limit"), 400, "invalid-input"),
        (NotFound("gone"), 404, "not-found"),
        (Conflict("lost"), 409, "conflict"),
        (LimitExceeded("too much"), 413, "too-large"),
        (Unsupported("cannot"), 501, "unsupported"),
        (InvalidAnswer("prose"), 502, "invalid-answer"),
        (Unavailable("away"), 503, "store-unavailable"),
        (Unavailable("full", retryable=False), 503, "store-unavailable"),
        (ConfigError("sqlite:///secret.db is wrong"), 500, "internal"),
        (CorruptRecord("secret bytes"), 500, "internal"),
        (ZeroDivisionError("secret value"), 500, "internal"),
    ],
)
@pytest.mark.parametrize("path", [PATH, "/api/v1/sessions"])
def test_every_error_is_a_problem(
    path: str,
    error: Exception,
    status: int,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    memory = AsyncRecollect("memory://")

    async def fail(*_: Any, **__: Any) -> None:
        raise error

    with serving(memory) as api:
        monkeypatch.setattr(type(memory.store), "query", fail)
        answer = api.get(path)
    body = problem(answer, status, name)
    assert ("retry-after" in answer.headers) == (status == 503)
    if status == 500:
        assert "secret" not in answer.text
        assert "secret" in capsys.readouterr().err
    else:
        assert body["detail"] == str(error)
    if isinstance(error, InvalidInput):
        assert body["field"] == "limit"


def test_a_bug_is_logged_with_its_traceback_and_the_id_of_the_request(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    memory = AsyncRecollect("memory://")

    async def fail(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("a bug")

    with serving(memory, log_format="json") as api:
        monkeypatch.setattr(type(memory.store), "get", fail)
        answer = api.get("/api/v1/sessions/s", headers={"x-request-id": "abc-123"})
    problem(answer, 500, "internal")
    assert answer.headers["x-request-id"] == "abc-123"
    (line,) = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert line["request_id"] == "abc-123"
    assert line["route"] == "/api/v1/sessions/{session_id}"
    assert "ZeroDivisionError: a bug" in line["exception"]


def test_routes_and_methods_that_are_not_there(api: TestClient) -> None:
    problem(api.get("/api/v1/nowhere"), 404, "no-such-route")
    problem(api.get("/api/v1/users/u/nothing"), 404, "no-such-route")
    wrong = api.put("/api/v1/sessions/s")
    problem(wrong, 405, "method-not-allowed")
    assert wrong.headers["allow"] == "DELETE, GET, HEAD, PATCH"
    wrong = api.delete(PATH)
    problem(wrong, 405, "method-not-allowed")
    assert wrong.headers["allow"] == "GET, HEAD, POST"


@pytest.mark.parametrize("given", ["ok-1", "a" * 128])
def test_a_request_id_comes_back(api: TestClient, given: str) -> None:
    assert api.get("/healthz", headers={"x-request-id": given}).headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["a" * 129, "a b", "<script>", ""])
def test_a_request_id_that_does_not_belong_in_a_log_is_replaced(api: TestClient, given: str) -> None:
    found = api.get("/healthz", headers={"x-request-id": given}).headers["x-request-id"]
    assert found
    assert found != given


def test_the_log_has_a_line_for_each_request_and_nothing_private(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(log_level="info", log_format="json", api_keys="secret-key:secret-scope") as api:
        key = {"authorization": "Bearer secret-key"}
        api.post(
            "/api/v1/sessions/secret-session/messages?user_id=secret-user",
            json={"role": "user", "content": "secret words"},
            headers=key,
        )
        api.post("/api/v1/chat", json={"message": "secret words?", "user_id": "secret-user"}, headers=key)
        api.post("/api/v1/chat", json={"message": "", "user_id": ["secret-user"]}, headers=key)
        api.get("/api/v1/users/secret-user/messages", headers={"authorization": "Bearer secret-wrong-key"})
    lines = capsys.readouterr().err
    assert "secret" not in lines
    found = [json.loads(line) for line in lines.splitlines()]
    assert [line["status"] for line in found] == [201, 200, 422, 401]
    assert found[0]["route"] == "/api/v1/sessions/{session_id}/messages"
    assert found[0]["ms"] > 0
    assert {line["event"] for line in found} == {"request"}


def test_a_body_that_is_no_object_is_told_as_the_body(api: TestClient) -> None:
    assert problem(api.post("/api/v1/chat", json=[]), 422, "validation")["detail"].startswith("body: ")


def test_a_validation_error_does_not_repeat_what_was_sent(api: TestClient) -> None:
    answer = api.post("/api/v1/chat", json={"message": {"secret": "value"}, "token": "secret-token"})
    body = problem(answer, 422, "validation")
    assert "secret" not in answer.text
    assert {error["field"] for error in body["errors"]} == {"message", "token"}


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("POST", "/api/v1/users/ann/memories", {"content": "x", "ttl": True}, "ttl"),
        ("POST", "/api/v1/users/ann/memories", {"content": "x", "ttl": "60"}, "ttl"),
        ("POST", "/api/v1/users/ann/memories", {"content": "x", "created_at": 0}, "created_at"),
        ("POST", "/api/v1/documents", {"text": "x", "chunk_tokens": "40"}, "chunk_tokens"),
        ("POST", "/api/v1/chat", {"message": "x", "stream": 0}, "stream"),
        ("POST", "/api/v1/sessions/s/summary", {"max_recent": False}, "max_recent"),
        ("PATCH", "/api/v1/sessions/s", {"sliding": "yes"}, "sliding"),
    ],
)
def test_values_of_another_kind_are_refused(
    method: str, path: str, body: dict[str, Any], field: str, api: TestClient
) -> None:
    """They are not taken for what they may have been meant to be: `true` as a lifetime would be one second."""
    found = problem(api.request(method, path, json=body), 422, "validation")
    assert found["errors"][0]["field"].startswith(field)
