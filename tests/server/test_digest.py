"""The digest behind the requests, by the rules and by a model; suggestions over HTTP."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from recollect import ConfigError
from recollect.server import create_app, digesting
from recollect.settings import load_settings

if TYPE_CHECKING:
    from tests.servers import ModelServer

ANN = "/api/v1/users/ann"


def wait_for(look: Callable[[], Any], seconds: float = 15) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


@contextmanager
def connected(serve_app: Any, model: ModelServer | None = None, **told: Any) -> Iterator[httpx.Client]:
    if model is not None:
        told = {"llm_model": "test-1", "llm_base_url": model.url, "llm_timeout": 2, "summarizer": "off", **told}
    told = {"url": "memory://", "log_level": "error", "digest_every": 0.1, **told}
    app = create_app(load_settings(os.devnull, **told))
    with serve_app(app) as url, httpx.Client(base_url=url, timeout=30) as client:
        yield client


def say(client: httpx.Client, text: str, session: str = "s", **more: Any) -> None:
    answer = client.post(
        f"/api/v1/sessions/{session}/messages?user_id=ann", json={"role": "user", "content": text}, **more
    )
    assert answer.status_code == 201, answer.text


def memories(client: httpx.Client, **more: Any) -> list[str]:
    return sorted(one["content"] for one in client.get(f"{ANN}/memories", **more).json()["items"])


def test_by_the_rules(serve_app: Any) -> None:
    """What is said is known soon after; the figures say how much."""
    with connected(serve_app, digest="rules") as client:
        say(client, "I live in Seoul.")
        wait_for(lambda: memories(client) == ["Lives in Seoul."])
        say(client, "I moved to Busan!", "t")
        wait_for(lambda: memories(client) == ["Lives in Busan."])
        figures = client.get("/metrics").text
        assert 'recollect_digest_total{outcome="messages"} 2.0' in figures
        assert 'recollect_digest_total{outcome="superseding"} 1.0' in figures


def test_off_unless_asked_for(serve_app: Any) -> None:
    """Nothing is drawn by itself."""
    with connected(serve_app) as client:
        say(client, "I live in Seoul.")
        time.sleep(0.5)
        assert memories(client) == []
    with pytest.raises(ConfigError, match="RECOLLECT_LLM_MODEL"):
        create_app(load_settings(os.devnull, url="memory://", digest="model"))


def test_every_scope(serve_app: Any) -> None:
    """Of every key, each by itself."""
    with connected(serve_app, digest="rules", api_keys="k1:one,k2:two") as client:
        headers = [{"Authorization": f"Bearer {key}"} for key in ("k1", "k2")]
        say(client, "I live in Seoul.", headers=headers[0])
        say(client, "I live in Busan.", headers=headers[1])
        wait_for(lambda: memories(client, headers=headers[0]) == ["Lives in Seoul."])
        wait_for(lambda: memories(client, headers=headers[1]) == ["Lives in Busan."])


def test_a_model_that_fails_is_tried_again(
    serve_app: Any, model_server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Appends go on meanwhile, and nothing is lost."""
    monkeypatch.setattr(digesting, "FIRST_PAUSE", 0.1)
    model_server.mode = "missing"
    model_server.pieces = ['{"statements": [{"content": "Lives in Seoul.", "kind": "fact", "messages": ["m1"]}]}']
    with connected(serve_app, model_server, digest="model") as client:
        say(client, "I live in Seoul.")
        wait_for(lambda: 'recollect_digest_total{outcome="failed"} 0.0' not in client.get("/metrics").text)
        assert memories(client) == []
        model_server.mode = "normal"
        wait_for(lambda: memories(client) == ["Lives in Seoul."])


def test_a_slow_model_holds_nobody_up(serve_app: Any, model_server: ModelServer) -> None:
    """Appends, reads and the end of the server do not wait for it."""
    model_server.mode = "hangs"
    with connected(serve_app, model_server, digest="model", llm_timeout=60) as client:
        say(client, "I live in Seoul.")
        wait_for(lambda: model_server.requests)
        begin = time.monotonic()
        for number in range(5):
            say(client, f"number {number}")
    assert time.monotonic() - begin < 8


def test_suggestions(serve_app: Any) -> None:
    """Listed, accepted, dismissed."""
    with connected(serve_app, digest="rules") as client:
        say(client, "I love window seats. My favourite colour is blue.")
        found = wait_for(lambda: client.get(f"{ANN}/suggestions").json()["items"])
        wait_for(lambda: len(client.get(f"{ANN}/suggestions").json()["items"]) == 2)
        found = {one["key"]: one for one in client.get(f"{ANN}/suggestions").json()["items"]}
        assert found["likes"]["value"] == "window seats"
        assert found["likes"]["session"] == "s"
        accepted = client.post(f"{ANN}/suggestions/{found['likes']['id']}/accept")
        assert (accepted.status_code, accepted.json()) == (200, {"likes": ["window seats"]})
        assert client.get(f"{ANN}/preferences").headers["ETag"] == accepted.headers["ETag"]
        assert client.post(f"{ANN}/suggestions/{found['favourite_color']['id']}/dismiss").status_code == 204
        assert client.get(f"{ANN}/suggestions").json() == {"items": [], "cursor": None}
        for verb in ("accept", "dismiss"):
            assert client.post(f"{ANN}/suggestions/none/{verb}").status_code == 404
