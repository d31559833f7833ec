"""``/api/v1/sessions``: headers, context, summary."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.server.harness import problem, serving

SESSION = "/api/v1/sessions/s"
HI = {"role": "user", "content": "Hi"}


def say(api: TestClient, session: str, user: str | None = None, text: str = "Hi") -> None:
    params = {} if user is None else {"user_id": user}
    assert api.post(f"/api/v1/sessions/{session}/messages", json={**HI, "content": text}, params=params).is_success


def test_a_session_shows_its_header(api: TestClient) -> None:
    say(api, "s", "ann")
    header = api.get(SESSION).json()
    assert header["session_id"] == header["id"] == "s"
    assert header["user_id"] == "ann"
    assert header["message_count"] == header["last_seq"] == 1
    assert header["created_at"].endswith("Z")


def test_sessions_are_listed_latest_first_page_by_page(api: TestClient) -> None:
    for name in ("a", "b", "c"):
        say(api, name, "ann" if name != "b" else None)
    say(api, "a")
    assert [item["id"] for item in api.get("/api/v1/sessions").json()["items"]] == ["a", "c", "b"]
    assert [item["id"] for item in api.get("/api/v1/sessions?user_id=ann").json()["items"]] == ["a", "c"]
    assert api.get("/api/v1/users/ann/sessions").json() == api.get("/api/v1/sessions?user_id=ann").json()
    first = api.get("/api/v1/sessions?limit=2").json()
    second = api.get("/api/v1/sessions", params={"limit": 2, "cursor": first["cursor"]}).json()
    assert [item["id"] for item in second["items"]] == ["b"]
    assert second["cursor"] is None


def test_title_and_metadata_change_and_the_rest_stays(api: TestClient) -> None:
    say(api, "s")
    patch = {"title": "Trip", "metadata": {"topic": "travel", "stars": 5}}
    assert api.patch(SESSION, json=patch).json()["title"] == "Trip"
    changed = api.patch(SESSION, json={"metadata": {"stars": None}}).json()
    assert changed["title"] == "Trip"
    assert changed["metadata"] == {"topic": "travel"}
    assert api.patch(SESSION, json={"title": None}).json()["title"] is None
    assert api.patch(SESSION, json={"user_id": "ann"}).json()["user_id"] == "ann"
    problem(api.patch(SESSION, json={"user_id": "bob"}), 409, "conflict")


def test_a_lifetime_is_given_and_taken(api: TestClient) -> None:
    say(api, "s")
    assert api.patch(SESSION, json={"ttl": 3600, "sliding": True}).json()["ttl"] == 3600
    header = api.patch(SESSION, json={"ttl": None}).json()
    assert header["ttl"] is None
    assert header["expires_at"] is None


@pytest.mark.parametrize("body", [{"titel": "x"}, {"title": 5}, {"ttl": -1}, {"metadata": []}, []])
def test_a_patch_not_of_the_described_form(api: TestClient, body: Any) -> None:
    say(api, "s")
    problem(api.patch(SESSION, json=body), 422, "validation")


def test_what_is_not_there_is_404(api: TestClient) -> None:
    for response in (
        api.get(SESSION),
        api.patch(SESSION, json={"title": "x"}),
        api.delete(SESSION),
        api.delete("/api/v1/session/s"),
        api.get(f"{SESSION}/summary"),
        api.post(f"{SESSION}/summary", json={"text": "x", "covers_seq": 0}),
    ):
        problem(response, 404, "not-found")
    assert api.get("/api/v1/sessions").json()["items"] == []


@pytest.mark.parametrize("path", ["/api/v1/sessions/a%2Fmessages", "/api/v1/session/a%2Fmessages"])
def test_delete_removes_all_of_it_by_both_names(api: TestClient, path: str) -> None:
    say(api, "a%2Fmessages", "ann")
    say(api, "a")
    assert api.delete(path).status_code == 204
    problem(api.get("/api/v1/sessions/a%2Fmessages"), 404, "not-found")
    assert api.get("/api/v1/sessions/a%2Fmessages/messages").json()["items"] == []
    assert api.get("/api/v1/sessions/a").json()["message_count"] == 1


def test_a_summary_is_stored_replaced_and_guarded(api: TestClient) -> None:
    say(api, "s")
    stored = api.post(f"{SESSION}/summary", json={"text": "They said hi.", "covers_seq": 1, "metadata": {"by": "me"}})
    assert stored.status_code == 200
    assert stored.json() == api.get(f"{SESSION}/summary").json()
    assert stored.json()["metadata"] == {"by": "me"}
    assert api.post(f"{SESSION}/summary", json={"text": "Again", "covers_seq": 1}).json()["version"] == 2
    problem(api.post(f"{SESSION}/summary", json={"text": "x", "covers_seq": 1, "expect": 1}), 409, "conflict")
    problem(api.post(f"{SESSION}/summary", json={"text": "x", "covers_seq": 9}), 400, "invalid-input")
    problem(api.post(f"{SESSION}/summary", json={"text": "   ", "covers_seq": 1}), 400, "invalid-input")
    assert problem(api.post(f"{SESSION}/summary", json={"covers_seq": 1}), 422, "validation")["field"] == "text"


def test_the_context_is_what_the_library_builds(api: TestClient) -> None:
    api.post(f"{SESSION}/messages", json=[{"role": "system", "content": "Be kind."}, HI], params={"user_id": "ann"})
    api.put("/api/v1/users/ann/preferences", json={"genre": "jazz"})
    context = api.get(f"{SESSION}/context").json()
    assert context["messages"][0] == {"role": "system", "content": "Be kind."}
    assert "jazz" in context["messages"][1]["content"]
    assert context["messages"][-1] == HI
    assert {section["name"] for section in context["sections"]} >= {"instructions", "preferences", "window"}
    assert context["tokens"] <= context["max_tokens"] == 4000
    assert api.get(f"{SESSION}/context", params={"max_tokens": 100, "query": "jazz"}).json()["max_tokens"] == 100
    problem(api.get(f"{SESSION}/context?max_tokens=1"), 413, "too-large")
    without = api.get(f"{SESSION}/context", params={"shares": '{"preferences": 0}'}).json()
    assert "jazz" not in str(without["messages"])
    for shares in ("", "half", "[]", '{"nosuch": 0.5}', '{"window": 2}', '{"window": null}'):
        refused = api.get(f"{SESSION}/context", params={"shares": shares})
        assert problem(refused, 400, "invalid-input")["field"] == "shares"
    problem(api.get(f"{SESSION}/context?max_tokens=0"), 422, "validation")


def test_the_budget_of_the_settings_is_the_default() -> None:
    with serving(max_context_tokens=123) as api:
        assert api.get(f"{SESSION}/context").json()["max_tokens"] == 123
