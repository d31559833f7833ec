"""``/api/v1/users/{id}``: messages, preferences, forgetting."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.server.harness import problem

PREFERENCES = "/api/v1/users/ann/preferences"
HI = {"role": "user", "content": "Hi"}


def test_preferences_are_the_document_itself(api: TestClient) -> None:
    empty = api.get(PREFERENCES)
    assert empty.json() == {}
    assert empty.headers["etag"] == '"0"'
    stored = api.put(PREFERENCES, json={"genre": "jazz", "size": {"shoe": 42}})
    assert stored.json() == {"genre": "jazz", "size": {"shoe": 42}}
    assert stored.headers["etag"] == '"1"'
    assert api.get(PREFERENCES).json() == stored.json()
    assert api.get("/api/v1/users/bob/preferences").json() == {}


@pytest.mark.parametrize("media", ["application/json", "application/merge-patch+json"])
def test_patch_is_a_merge_patch(api: TestClient, media: str) -> None:
    api.put(PREFERENCES, json={"genre": "jazz", "size": {"shoe": 42, "hat": 58}})
    patched = api.patch(
        PREFERENCES, content=b'{"genre": null, "size": {"hat": null, "coat": 50}}', headers={"content-type": media}
    )
    assert patched.json() == {"size": {"shoe": 42, "coat": 50}}
    assert api.patch(PREFERENCES, json={}).json() == patched.json()


def test_patches_at_once_lose_nothing(api: TestClient) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: api.patch(PREFERENCES, json={f"k{n}": n}), range(40)))
    assert all(answer.is_success for answer in answers)
    assert api.get(PREFERENCES).json() == {f"k{n}": n for n in range(40)}


def test_a_version_guards_against_another_writer(api: TestClient) -> None:
    version = api.put(PREFERENCES, json={"a": 1}).headers["etag"]
    assert api.put(PREFERENCES, json={"a": 2}, headers={"if-match": version}).is_success
    problem(api.put(PREFERENCES, json={"a": 3}, headers={"if-match": version}), 409, "conflict")
    problem(api.patch(PREFERENCES, json={"a": 3}, headers={"if-match": version}), 409, "conflict")
    problem(api.put(PREFERENCES, json={"a": 3}, headers={"if-match": '"nonsense"'}), 409, "conflict")
    problem(api.put(PREFERENCES, json={"a": 3}, headers={"if-none-match": "*"}), 409, "conflict")
    assert api.patch(PREFERENCES, json={"b": 1}, headers={"if-match": '"2"'}).json() == {"a": 2, "b": 1}
    assert api.put(PREFERENCES, json={"a": 4}, headers={"if-match": "*"}).json() == {"a": 4}
    fresh = "/api/v1/users/new/preferences"
    problem(api.put(fresh, json={}, headers={"if-match": "*"}), 409, "conflict")
    assert api.put(fresh, json={"a": 1}, headers={"if-none-match": "*"}).is_success


def test_delete_is_safe_to_repeat(api: TestClient) -> None:
    api.put(PREFERENCES, json={"a": 1})
    assert api.delete(PREFERENCES).status_code == 204
    assert api.delete(PREFERENCES).status_code == 204
    assert api.get(PREFERENCES).json() == {}


@pytest.mark.parametrize("body", [b"[]", b"5", b'"x"', b"null", b"{", b""])
def test_preferences_are_an_object(api: TestClient, body: bytes) -> None:
    for method in ("PUT", "PATCH"):
        assert problem(api.request(method, PREFERENCES, content=body), 400, "invalid-input")["field"] == "body"


def test_messages_across_sessions_by_time(api: TestClient) -> None:
    for n, session in enumerate(("a", "b", "a")):
        message = {**HI, "created_at": f"2026-05-0{n + 1}T00:00:00Z", "content": str(n)}
        api.post(f"/api/v1/sessions/{session}/messages", json=message, params={"user_id": "ann"})
    api.post("/api/v1/sessions/c/messages", json=HI, params={"user_id": "bob"})

    def contents(**params: Any) -> list[str]:
        return [m["content"] for m in api.get("/api/v1/users/ann/messages", params=params).json()["items"]]

    assert contents() == ["2", "1", "0"]
    assert contents(order="asc") == ["0", "1", "2"]
    assert contents(since="2026-05-02T00:00:00Z", until="2026-05-03T00:00:00Z") == ["1"]
    first = api.get("/api/v1/users/ann/messages?limit=2").json()
    assert contents(limit=2, cursor=first["cursor"]) == ["0"]
    problem(api.get("/api/v1/users/ann/messages?since=2026-05-02"), 400, "invalid-input")


def test_forget_leaves_nothing_and_says_how_much(api: TestClient) -> None:
    for session in ("a", "b"):
        api.post(f"/api/v1/sessions/{session}/messages", json=[HI, HI], params={"user_id": "ann/1"})
    api.post("/api/v1/sessions/c/messages", json=HI, params={"user_id": "ann"})
    api.put("/api/v1/users/ann%2F1/preferences", json={"a": 1})
    receipt = api.delete("/api/v1/users/ann%2F1")
    assert receipt.json() == {
        "sessions": 2,
        "messages": 4,
        "summaries": 0,
        "preferences": 1,
        "memories": 0,
        "documents": 0,
    }
    assert set(api.delete("/api/v1/users/ann%2F1").json().values()) == {0}
    assert api.get("/api/v1/users/ann%2F1/messages").json()["items"] == []
    assert [item["id"] for item in api.get("/api/v1/sessions").json()["items"]] == ["c"]
    assert api.get("/api/v1/search?q=Hi&user_id=ann/1").json()["items"] == []
