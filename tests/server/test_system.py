"""Search, figures, the feed, health, the page, the description."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

import recollect
from recollect import AsyncRecollect, Unavailable
from recollect.server.routes import system
from recollect.server.schemas import StatsOut
from tests.server.harness import problem, serving

HI = {"role": "user", "content": "My dog is called Rex"}


def test_search_finds_words_and_narrows(api: TestClient) -> None:
    api.post("/api/v1/sessions/a/messages", json=HI, params={"user_id": "ann"})
    api.post("/api/v1/sessions/b/messages", json={"role": "assistant", "content": "A dog!"}, params={"user_id": "bob"})
    found = api.get("/api/v1/search?q=dog").json()
    assert found["cursor"] is None
    assert len(found["items"]) == 2
    hit = found["items"][0]
    assert hit["score"] > 0
    assert sum(hit["explain"].values()) == pytest.approx(hit["score"])
    for narrower in ("user_id=ann", "session_id=a", "role=user", "limit=1&user_id=ann"):
        (only,) = api.get(f"/api/v1/search?q=dog&{narrower}").json()["items"]
        assert only["message"]["content"] == HI["content"]
    assert api.get("/api/v1/search", params={"q": "dog", "until": "2000-01-01T00:00:00Z"}).json()["items"] == []
    assert api.get("/api/v1/search?q=").json()["items"] == []
    assert problem(api.get("/api/v1/search"), 422, "validation")["field"] == "q"


def test_figures_of_a_scope_a_user_a_session(api: TestClient) -> None:
    api.post("/api/v1/sessions/a/messages", json=[HI, HI], params={"user_id": "ann"})
    api.post("/api/v1/sessions/b/messages", json=HI)
    short = api.get("/api/v1/stats").json()
    assert (short["messages"], short["tokens"], short["messages_by_role"], short["detail"]) == (3, None, None, False)
    StatsOut.model_validate(short, extra="forbid")
    assert api.get("/api/v1/stats?user_id=ann").json()["messages"] == 2
    detail = api.get("/api/v1/stats?session_id=b&detail=true").json()
    assert detail["messages_by_role"] == {"user": 1}
    assert sum(detail["messages_by_day"].values()) == 1
    assert sum(detail["messages_by_hour"].values()) == sum(detail["sessions_by_day"].values()) == 1
    assert set(detail["lengths"]) == {"count", "mean", "median", "p95", "max"}
    assert (detail["active_sessions"], detail["latency"]) == (1, None)
    ann = api.get("/api/v1/stats?user_id=ann&detail=true").json()
    assert ann["lengths"]["count"] == ann["messages"] == 2
    assert StatsOut.model_validate(detail, extra="forbid").tokens == sum(detail["tokens_by_role"].values())


def test_the_feed_goes_on_from_a_cursor(api: TestClient) -> None:
    for _ in range(3):
        api.post("/api/v1/sessions/a/messages", json=HI)
    first = api.get("/api/v1/changes?limit=2").json()
    assert [change["kind"] for change in first["items"]] == ["append", "append"]
    rest = api.get("/api/v1/changes", params={"after": first["cursor"]}).json()
    assert [(change["first_seq"], change["last_seq"]) for change in rest["items"]] == [(3, 3)]
    assert rest["cursor"] is None
    problem(api.get("/api/v1/changes?after=nonsense"), 400, "invalid-input")


def test_about_says_what_it_runs_on(api: TestClient) -> None:
    assert api.get("/api/v1/about").json() == {
        "name": "recollect",
        "version": recollect.__version__,
        "store": {"kind": "memory", "url": "memory://"},
        "model": None,
        "scope": "default",
        "auth": False,
    }


def test_health_is_of_the_process_and_readiness_of_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = AsyncRecollect("memory://")
    with serving(memory) as api:
        assert api.get("/healthz").json() == {"status": "ok"}
        assert api.get("/readyz").json() == {"status": "ready"}

        async def away(*_: Any) -> None:
            raise Unavailable("the disk is gone")

        monkeypatch.setattr(type(memory.store), "get", away)
        assert api.get("/healthz").is_success
        answer = api.get("/readyz")
        assert "disk" in problem(answer, 503, "store-unavailable")["detail"]
        assert int(answer.headers["retry-after"]) > 0
        assert "recollect_store_up 0.0" in api.get("/metrics").text

        async def silent(*_: Any) -> None:
            await asyncio.sleep(60)

        monkeypatch.setattr(type(memory.store), "get", silent)
        began = time.monotonic()
        problem(api.get("/readyz"), 503, "store-unavailable")
        assert time.monotonic() - began < 10


def test_metrics_count_by_template_and_hold_no_ids(api: TestClient) -> None:
    api.post("/api/v1/sessions/secret-session/messages", json=[HI, HI], params={"user_id": "secret-user"})
    api.get("/api/v1/sessions/secret-session")
    api.get("/nowhere/secret-path")
    api.request("BREW", "/healthz")
    api.post("/api/v1/chat", json={"message": "Hello"})
    text = api.get("/metrics").text
    assert 'method="POST",route="/api/v1/sessions/{session_id}/messages",status="201"} 1.0' in text
    assert 'route="unmatched",status="404"' in text
    assert 'method="other"' in text
    assert "recollect_messages_appended_total 2.0" in text
    assert 'recollect_chat_turns_total{outcome="answered"} 1.0' in text
    assert "recollect_store_up 1.0" in text
    assert "secret" not in text


def test_the_page_and_its_files_are_served_under_a_strict_policy(
    api: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = api.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    script = min(system.PAGE.glob("*.js")).name
    for answer in (page, api.get(f"/static/{script}")):
        assert answer.status_code == 200
        assert answer.headers["content-security-policy"].startswith("default-src 'self'; img-src 'self' data: https:")
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-content-type-options"] == "nosniff"
    for path in ("/static/no-such-file.js", "/static/..%2f..%2fapp.py", "/static/%2e%2e/%2e%2e/py.typed", "/static/"):
        problem(api.get(path), 404, "no-such-route")
    monkeypatch.setattr(system, "PAGE", tmp_path)
    problem(api.get("/"), 404, "not-found")


def test_the_description_is_whole_and_pleasant(api: TestClient) -> None:
    schema = api.get("/openapi.json").json()
    assert api.get("/docs").status_code == 200
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            place = f"{method} {path}"
            assert operation["summary"], place
            assert operation["description"], place
            assert operation["tags"], place
            declared = {parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "path"}
            assert declared == {part[1:-1] for part in path.split("/") if part.startswith("{")}, place
            if path.endswith(("/accept", "/dismiss")):
                assert "requestBody" not in operation, place
            elif method in ("post", "put", "patch"):
                # A summary is made when nothing is said.
                assert operation["requestBody"]["required"] != path.endswith("/summary"), place
    references = json.dumps(schema).split('"#/components/schemas/')[1:]
    assert {reference.partition('"')[0] for reference in references} <= set(schema["components"]["schemas"])
    assert "HTTPValidationError" not in schema["components"]["schemas"]
    assert "security" not in schema
    with serving(api_keys="key-1:a") as locked:
        schema = locked.get("/openapi.json").json()
        assert schema["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
        assert schema["security"] == [{"key": []}]


def test_every_route_of_the_contract_is_there(api: TestClient) -> None:
    paths = api.get("/openapi.json").json()["paths"]
    found = {f"{method.upper()} {path}" for path, operations in paths.items() for method in operations}
    session, user = "/api/v1/sessions/{session_id}", "/api/v1/users/{user_id}"
    assert found == {
        "POST /api/v1/chat",
        "GET /api/v1/sessions",
        f"GET {session}",
        f"PATCH {session}",
        f"DELETE {session}",
        f"POST {session}/messages",
        f"GET {session}/messages",
        f"GET {session}/context",
        f"GET {session}/summary",
        f"POST {session}/summary",
        f"GET {user}/preferences",
        f"PUT {user}/preferences",
        f"PATCH {user}/preferences",
        f"DELETE {user}/preferences",
        f"GET {user}/suggestions",
        f"POST {user}/suggestions/{{suggestion_id}}/accept",
        f"POST {user}/suggestions/{{suggestion_id}}/dismiss",
        f"GET {user}/messages",
        f"GET {user}/sessions",
        f"DELETE {user}",
        f"POST {user}/memories",
        f"GET {user}/memories",
        f"GET {user}/memories/search",
        f"GET {user}/memories/{{memory_id}}",
        f"DELETE {user}/memories/{{memory_id}}",
        "POST /api/v1/documents",
        "GET /api/v1/documents",
        "GET /api/v1/documents/search",
        "GET /api/v1/documents/{document_id}",
        "GET /api/v1/documents/{document_id}/passages",
        "DELETE /api/v1/documents/{document_id}",
        "GET /api/v1/search",
        "GET /api/v1/stats",
        "GET /api/v1/changes",
        "GET /api/v1/about",
        "GET /healthz",
        "GET /readyz",
        "GET /metrics",
    }


def test_every_route_refuses_a_parameter_that_it_does_not_have(api: TestClient) -> None:
    """Before anything is done, with the names of those it has, which are those of the description. Pages take any."""
    for path, operations in api.get("/openapi.json").json()["paths"].items():
        for method, operation in operations.items():
            names = sorted(about["name"] for about in operation.get("parameters", []) if about["in"] == "query")
            place = path.replace("{", "").replace("}", "")
            found = problem(api.request(method.upper(), f"{place}?nosuch=1", json={}), 422, "validation")
            assert found["field"] == "nosuch"
            assert found["detail"].endswith(f"there are {', '.join(names)}" if names else "there is none here")
    assert problem(api.delete("/api/v1/session/s?soft=true"), 422, "validation")["field"] == "soft"
    assert (
        problem(api.get("/api/v1/search?q=x&user=ann&userid=ann"), 422, "validation")["errors"][1]["field"] == "userid"
    )
    assert problem(api.get("/api/v1/search?q=x&q=y"), 422, "validation")["field"] == "q"
    assert problem(api.put("/api/v1/stats?nosuch=1"), 405, "method-not-allowed")
    assert problem(api.get("/api/v1/nosuch?nosuch=1"), 404, "no-such-route")
    for page in ("/", "/favicon.ico", "/docs", "/openapi.json", "/static/app.js", "/static/openapi/swagger-ui.css"):
        assert api.get(f"{page}?v=1").is_success, page


def test_head_is_get_without_a_body(api: TestClient) -> None:
    answer = api.head("/healthz")
    assert answer.status_code == 200
    assert answer.content == b""
    assert answer.headers["content-length"] == str(len(api.get("/healthz").content))
    assert api.head("/").status_code == 200
    assert api.head("/nowhere").status_code == 404
