"""``/api/v1/chat``, with and without a stream, over real connections."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi.testclient import TestClient

from recollect.server import create_app
from recollect.settings import load_settings
from tests.server.harness import Stream, events, problem

if TYPE_CHECKING:
    from tests.servers import ModelServer

    Serve = Callable[[Any], Any]


CHAT = "/api/v1/chat"


@pytest.fixture
def client(model_server: ModelServer, serve_app: Serve) -> Iterator[httpx.Client]:
    """A client of a server with the test's model, over a socket."""
    with connected(serve_app, model_server) as found:
        yield found


@contextmanager
def connected(serve_app: Serve, model_server: ModelServer | None, **told: Any) -> Iterator[httpx.Client]:
    if model_server is not None:
        told = {"llm_model": "test-1", "llm_base_url": model_server.url, "llm_timeout": 2, **told}
    settings = load_settings(os.devnull, **{"url": "memory://", "log_level": "error", **told})
    with serve_app(create_app(settings)) as url, httpx.Client(base_url=url, timeout=20) as client:
        yield client


def stored(client: Any, session: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = client.get(f"/api/v1/sessions/{session}/messages").json()["items"]
    return items


def wait_for(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.02)


def test_offline_needs_no_model(api: TestClient) -> None:
    api.post(
        "/api/v1/sessions/old/messages", json={"role": "user", "content": "My dog is Rex"}, params={"user_id": "ann"}
    )
    turn = api.post(CHAT, json={"message": "Who is my dog?", "user_id": "ann"}).json()
    assert "My dog is Rex" in turn["reply"]
    assert turn["message"]["content"] == turn["reply"]
    assert turn["sources"][0]["session_id"] == "old"
    assert turn["usage"]["model"] == "offline"
    assert [m["role"] for m in stored(api, turn["session_id"])] == ["user", "assistant"]
    assert api.get(f"/api/v1/sessions/{turn['session_id']}").json()["title"] == "Who is my dog?"


def test_a_model_answers(client: httpx.Client, model_server: ModelServer) -> None:
    answer = client.post(
        CHAT, json={"message": "Hello", "session_id": "a/b", "user_id": "ann", "metadata": {"via": "x"}}
    )
    turn = answer.json()
    assert turn["session_id"] == "a/b"
    assert turn["reply"] == model_server.reply
    assert turn["usage"] == {
        "model": "test-1",
        "context_tokens": turn["usage"]["context_tokens"],
        "prompt_tokens": 11,
        "completion_tokens": 4,
    }
    question, reply = stored(client, "a%2Fb")
    assert question == turn["user_message"]
    assert question["metadata"] == {"via": "x"}
    assert reply == turn["message"]
    assert client.get("/api/v1/about").json()["model"] == {"name": "test-1", "base_url": model_server.url}


def test_a_stream_is_start_deltas_done(client: httpx.Client, model_server: ModelServer) -> None:
    answer = client.post(CHAT, json={"message": "Hello", "stream": True})
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    found = events(answer.text)
    assert [name for name, _ in found] == ["start", *["delta"] * len(model_server.pieces), "done"]
    start, done = found[0][1], found[-1][1]
    assert "".join(data["text"] for name, data in found if name == "delta") == done["reply"] == model_server.reply
    assert start["session_id"] == done["session_id"]
    assert start["user_message"] == done["user_message"]
    assert stored(client, start["session_id"])[1] == done["message"]
    assert client.post(CHAT, json={"message": "Hello"}).json().keys() == done.keys()


def test_events_come_as_the_model_speaks(client: httpx.Client, model_server: ModelServer) -> None:
    model_server.mode, model_server.pause = "slow", 0.3
    times = []
    with Stream(client, {"message": "Hello"}) as stream:
        times = [time.monotonic() for name, _ in stream if name == "delta"]
    assert len(times) == 4
    assert times[-1] - times[0] > 0.6


def test_a_silent_model_does_not_keep_the_start_back(
    model_server: ModelServer, serve_app: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recollect.server.streaming.START_GRACE", 0.1)
    monkeypatch.setattr("recollect.server.streaming.KEEP_ALIVE", 0.2)
    model_server.mode, model_server.pause = "slow", 0.7
    with connected(serve_app, model_server) as client:
        answer = client.post(CHAT, json={"message": "Hello", "stream": True})
    assert answer.text.startswith("event: start")
    assert ": still there\n\n" in answer.text
    assert events(answer.text)[-1][0] == "done"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("mode", "status", "name", "retry"),
    [
        ("unauthorized", 502, "model-failed", None),
        ("missing", 502, "model-failed", None),
        ("html", 502, "model-failed", None),
        ("fails", 503, "model-unavailable", "5"),
        ("limited", 503, "model-unavailable", "42"),
        ("empty", 503, "model-unavailable", "5"),
        ("garbage", 503, "model-unavailable", "5"),
        ("hangs", 503, "model-unavailable", "5"),
    ],
)
def test_a_model_that_fails_at_once_is_a_status(
    client: httpx.Client, model_server: ModelServer, mode: str, status: int, name: str, retry: str | None, stream: bool
) -> None:
    model_server.mode, model_server.failures, model_server.retry_after = mode, 99, "41.5"
    answer = client.post(CHAT, json={"message": "Hello", "session_id": "s", "stream": stream})
    body = problem(answer, status, name)
    assert answer.headers.get("retry-after") == retry
    assert "your message is stored" in body["detail"]
    assert body["session_id"] == "s"
    assert stored(client, "s") == [body["user_message"]]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("mode", ["dies", "error", "truncated"])
def test_a_reply_that_breaks_off_is_kept(
    client: httpx.Client, model_server: ModelServer, mode: str, stream: bool
) -> None:
    model_server.mode = mode
    answer = client.post(CHAT, json={"message": "Hello", "session_id": "s", "stream": stream})
    if stream:
        assert answer.status_code == 200
        name, body = events(answer.text)[-1]
        assert name == "error"
        assert body["status"] == 503
    else:
        body = problem(answer, 503, "model-unavailable")
    question, partial = stored(client, "s")
    assert question == body["user_message"]
    assert partial == body["partial"]
    assert partial["metadata"]["partial"] is True
    assert partial["metadata"]["error"]
    assert model_server.reply.startswith(partial["content"])


def test_a_client_that_hangs_up_leaves_what_was_produced(client: httpx.Client, model_server: ModelServer) -> None:
    model_server.mode = "slow"
    with Stream(client, {"message": "Hello", "session_id": "s"}) as stream:
        said = next(data["text"] for name, data in stream if name == "delta")
    wait_for(lambda: len(stored(client, "s")) == 2)
    partial = stored(client, "s")[1]
    assert partial["content"].startswith(said)
    assert partial["content"] != model_server.reply
    assert partial["metadata"]["partial"] is True
    assert "error" not in partial["metadata"]
    wait_for(lambda: model_server.open == 0)
    assert 'recollect_chat_turns_total{outcome="left"} 1.0' in client.get("/metrics").text


def test_a_client_that_hangs_up_before_the_first_word(client: httpx.Client, model_server: ModelServer) -> None:
    model_server.mode, model_server.pause = "slow", 1
    with pytest.raises(httpx.ReadTimeout):
        client.post(CHAT, json={"message": "Hello", "session_id": "s", "stream": True}, timeout=0.3)
    wait_for(lambda: 'outcome="left"} 1.0' in client.get("/metrics").text)
    assert [m["role"] for m in stored(client, "s")] == ["user"]


def test_without_a_stream_a_client_that_hangs_up_still_gets_its_answer_stored(
    client: httpx.Client, model_server: ModelServer
) -> None:
    model_server.mode = "slow"
    body = {"message": "Hello", "session_id": "s", "message_id": "m-1"}
    with pytest.raises(httpx.ReadTimeout):
        client.post(CHAT, json=body, timeout=0.2)
    turn = client.post(CHAT, json=body).json()
    assert turn["reply"] == model_server.reply
    assert [m["content"] for m in stored(client, "s")] == ["Hello", model_server.reply]
    assert len(model_server.requests) == 1


@pytest.mark.parametrize("stream", [False, True])
def test_a_repeated_request_is_answered_once(client: httpx.Client, model_server: ModelServer, stream: bool) -> None:
    body = {"message": "Hello", "session_id": "s", "message_id": "m-1", "stream": stream}
    first, again = (client.post(CHAT, json=body) for _ in range(2))
    if stream:
        assert events(first.text)[-1] == events(again.text)[-1]
    else:
        assert first.json() == again.json()
    assert len(model_server.requests) == 1
    problem(client.post(CHAT, json={**body, "message": "Else"}), 409, "conflict")


@pytest.mark.parametrize("stream", [False, True])
def test_what_cannot_be_a_turn_is_refused_before_anything_is_stored(serve_app: Serve, stream: bool) -> None:
    with connected(serve_app, None, max_context_tokens=50) as client:
        for body, status, name in (
            ({"message": "   "}, 400, "invalid-input"),
            ({"message": "Hi", "session_id": "x" * 600}, 400, "invalid-input"),
            ({"message": "Hi", "session_id": ""}, 422, "validation"),
            ({"message": 5}, 422, "validation"),
            ({}, 422, "validation"),
            ({"message": "Hi", "sesion_id": "s"}, 422, "validation"),
            ({"message": "many words " * 200}, 413, "too-large"),
        ):
            problem(client.post(CHAT, json={**body, "stream": stream}), status, name)
        assert client.get("/api/v1/sessions").json()["items"] == []
        client.post(CHAT, json={"message": "Hi", "session_id": "s", "user_id": "ann"})
        problem(
            client.post(CHAT, json={"message": "Hi", "session_id": "s", "user_id": "bob", "stream": stream}),
            409,
            "conflict",
        )


def test_many_streams_at_once_do_not_mix(client: httpx.Client, model_server: ModelServer) -> None:
    from concurrent.futures import ThreadPoolExecutor

    model_server.mode, model_server.pause = "slow", 0.05

    def ask(n: int) -> list[tuple[str, dict[str, Any]]]:
        return events(client.post(CHAT, json={"message": f"Hello {n}", "session_id": f"s{n}", "stream": True}).text)

    with ThreadPoolExecutor(10) as pool:
        for n, found in enumerate(pool.map(ask, range(10))):
            assert found[-1][1]["session_id"] == f"s{n}"
            assert found[-1][1]["user_message"]["content"] == f"Hello {n}"
