"""Summaries: made behind turns and appends, and when asked for; a model that fails; a server that dies."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from recollect.server import create_app, summaries
from recollect.settings import load_settings
from tests.server.harness import problem, serving

if TYPE_CHECKING:
    from tests.servers import ModelServer, ServerProcess

SUMMARY = "/api/v1/sessions/s/summary"
MESSAGES = "/api/v1/sessions/s/messages"


def talk(count: int) -> list[dict[str, Any]]:
    return [{"role": "user", "content": f"This is sentence number {i} of the talk."} for i in range(count)]


def wait_for(look: Callable[[], Any], seconds: float = 15) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def summary(client: Any) -> dict[str, Any] | None:
    answer = client.get(SUMMARY)
    return answer.json() if answer.status_code == 200 else None


@contextmanager
def connected(serve_app: Any, model: ModelServer | None, **told: Any) -> Iterator[httpx.Client]:
    if model is not None:
        told = {"llm_model": "test-1", "llm_base_url": model.url, "llm_timeout": 2, **told}
    settings = load_settings(os.devnull, **{"url": "memory://", "log_level": "error", **told})
    with serve_app(create_app(settings)) as url, httpx.Client(base_url=url, timeout=30) as client:
        yield client


def test_behind_appends(serve_app: Any) -> None:
    """A session that has grown over twice the newest is summarised by itself, without a model, and then again."""
    with connected(serve_app, None, summary_max_recent=5) as client:
        client.post(MESSAGES, json=talk(10))
        client.post(MESSAGES, json=talk(1))
        found = wait_for(lambda: summary(client))
        assert (found["covers_seq"], found["metadata"]["by"]) == (6, "extractive")
        for message in talk(10):
            client.post(MESSAGES, json=message)
        wait_for(lambda: 'recollect_summaries_total{outcome="made"} 2.0' in client.get("/metrics").text)
        assert 12 <= (summary(client) or {})["covers_seq"] <= 16


def test_requests_go_first(serve_app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """While requests come thick and fast a summary waits, and not for ever."""
    monkeypatch.setattr(summaries, "MANY", -1)
    monkeypatch.setattr(summaries, "PATIENCE", 3.0)
    with connected(serve_app, None, summary_max_recent=5) as client:
        began = time.monotonic()
        client.post(MESSAGES, json=talk(11))
        wait_for(lambda: summary(client))
        assert time.monotonic() - began >= 3.0


def test_behind_turns_with_the_model(serve_app: Any, model_server: ModelServer) -> None:
    """The chat model summarises where one is set, behind the reply and not before it."""
    with connected(serve_app, model_server, summary_max_recent=2) as client:
        for i in range(4):
            turn = client.post("/api/v1/chat", json={"message": f"Message {i}", "session_id": "s"})
            assert turn.json()["reply"] == model_server.reply
        found = wait_for(lambda: summary(client))
        assert (found["text"], found["metadata"]["by"]) == (model_server.reply, "test-1")
        asked = [request["messages"][0]["content"] for request in model_server.requests]
        assert any("memory of a conversation" in str(text) for text in asked)


def test_a_slow_model_holds_nobody_up(serve_app: Any, model_server: ModelServer) -> None:
    """While a summary takes seconds, appends, reads and the end of the server do not wait for it."""
    model_server.mode = "hangs"
    with connected(serve_app, model_server, summary_max_recent=2, llm_timeout=60) as client:
        client.post(MESSAGES, json=talk(9))
        wait_for(lambda: model_server.requests)
        begin = time.monotonic()
        for message in talk(5):
            assert client.post(MESSAGES, json=message).status_code == 201
        assert len(client.get(MESSAGES).json()["items"]) == 14
        assert summary(client) is None
    assert time.monotonic() - begin < 8


def test_a_failing_model_is_tried_again(
    serve_app: Any, model_server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure changes nothing; it is tried again by itself, with a pause, and not at every message."""
    monkeypatch.setattr(summaries, "FIRST_PAUSE", 0.3)
    model_server.mode = "unauthorized"
    with connected(serve_app, model_server, summary_max_recent=2) as client:
        client.post(MESSAGES, json=talk(9))
        wait_for(lambda: model_server.requests)
        for message in talk(5):
            client.post(MESSAGES, json=message)
        assert len(model_server.requests) <= 2
        assert summary(client) is None
        model_server.mode = "normal"
        assert wait_for(lambda: summary(client))["text"] == model_server.reply
        assert 'recollect_summaries_total{outcome="failed"}' in client.get("/metrics").text


def test_made_when_asked_for() -> None:
    """Without a text it is made now; with one it is stored as before; with nothing to make it of, that is said."""
    with serving(summarizer="off") as api:
        problem(api.post(SUMMARY), 404, "not-found")
        assert api.get("/api/v1/sessions").json()["items"] == []
        api.post(MESSAGES, json=talk(10))
        assert "nothing before" in problem(api.post(SUMMARY), 404, "not-found")["detail"]
        made = api.post(SUMMARY, json={"max_recent": 4, "length": 60})
        assert made.status_code == 200
        assert made.json() == api.get(SUMMARY).json()
        assert made.json()["covers_seq"] == 6
        assert made.json()["tokens"] <= 60
        assert api.post(SUMMARY, json={"max_recent": 1, "force": False}).json()["covers_seq"] == 9
        stored = api.post(SUMMARY, json={"text": "Mine.", "covers_seq": 3}).json()
        assert (stored["text"], stored["version"]) == ("Mine.", 3)
        assert api.post(SUMMARY, json={}).json() == stored
        problem(api.post(SUMMARY, json={"max_recent": -1}), 422, "validation")
        problem(api.post(SUMMARY, json={"max_recnt": 1}), 422, "validation")
        problem(api.post(SUMMARY, json=[]), 422, "validation")
        problem(api.post(SUMMARY, content=b"{"), 400, "invalid-input")


def test_asked_for_and_the_model_fails(serve_app: Any, model_server: ModelServer) -> None:
    """The model's failure is the answer, as for a turn."""
    model_server.mode = "unauthorized"
    with connected(serve_app, model_server) as client:
        client.post(MESSAGES, json=talk(10))
        body = problem(client.post(SUMMARY, json={"max_recent": 1}), 502, "model-failed")
        assert "refuses the API key" in body["detail"]
        assert summary(client) is None


def test_off() -> None:
    """Nobody summarises where it is turned off."""
    with serving(summarizer="off", summary_max_recent=1) as api:
        api.post(MESSAGES, json=talk(30))
        time.sleep(0.2)
        assert summary(api) is None


def test_killed_before_it_was_made(make_server: Callable[..., ServerProcess], model_server: ModelServer) -> None:
    """A server killed while the model works has lost nothing: its next life summarises when the session goes on."""
    model_server.mode = "hangs"
    settings = {"LLM_MODEL": "test-1", "LLM_BASE_URL": model_server.url, "SUMMARY_MAX_RECENT": "2"}
    with make_server(**settings) as server:
        httpx.post(server.url + MESSAGES, json=talk(9))
        wait_for(lambda: model_server.requests)
        server.kill()
        model_server.mode = "normal"
        server._env["RECOLLECT_SUMMARIZER"] = "extractive"
        server.start()
        with httpx.Client(base_url=server.url) as client:
            assert len(client.get(MESSAGES).json()["items"]) == 9
            assert summary(client) is None
            assert client.post(MESSAGES, json=talk(1)[0]).status_code == 201
        assert server.stop() == 0
