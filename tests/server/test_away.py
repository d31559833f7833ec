"""The database goes away under a running server, and comes back: real servers, stopped and started again."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.server.harness import Stream, problem
from tests.servers import ServerProcess, make_server
from tests.torture.targets import TARGETS

__all__ = ["make_server"]

PATIENCE = 15.0
"""Seconds after which an answer is no answer. The time-outs set in the URLs below are 1 or 2 s, some calls have two."""

OPTIONS = {
    "sqlite": "busy_timeout=0.5&synchronous=normal",
    "postgres": "connect_timeout=1&pool_timeout=2",
    "redis": "timeout=1&connect_timeout=1",
    "dynamodb": "timeout=1&connect_timeout=1&attempts=2",
}


@dataclass
class Backend:
    """A database that can be taken away.

    Parameters
    ----------
    url: with short time-outs. reads: whether it can still be read while it is away.
    """

    url: str
    stop: Callable[[], object]
    start: Callable[[], object]
    reads: bool = False


@contextmanager
def _of_sqlite(folder: Path) -> Iterator[Backend]:
    """Another process holds the file's lock for writing."""
    with closing(sqlite3.connect(folder / "chat.db", isolation_level=None)) as other:
        yield Backend(
            f"sqlite:///{folder}/chat.db?{OPTIONS['sqlite']}",
            lambda: other.execute("BEGIN IMMEDIATE"),
            lambda: other.execute("ROLLBACK"),
            reads=True,
        )


@pytest.fixture(params=["sqlite", "postgres", "redis", "dynamodb"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    """One of each kind."""
    with ExitStack() as stack:
        if request.param == "sqlite":
            yield stack.enter_context(_of_sqlite(tmp_path))
            return
        target = stack.enter_context(TARGETS[request.param]())
        assert target.kill is not None
        assert target.restart is not None
        url = f"{target.url}{'&' if '?' in target.url else '?'}{OPTIONS[request.param]}"
        yield Backend(url, target.kill, target.restart)


@pytest.fixture
def make(make_server: Callable[..., ServerProcess], backend: Backend) -> Callable[..., ServerProcess]:
    """Makes servers on the backend."""
    return lambda **env: make_server(URL=backend.url, **env)


Make = Callable[..., ServerProcess]


def post(
    client: httpx.Client, text: str, session: str = "s", *, as_user: str | None = None, **more: Any
) -> httpx.Response:
    user = {} if as_user is None else {"user_id": as_user}
    path = f"/api/v1/sessions/{session}/messages"
    return client.post(path, json={"role": "user", "content": text, **more}, params=user)


def texts(client: httpx.Client, session: str = "s") -> list[str]:
    answer = client.get(f"/api/v1/sessions/{session}/messages", params={"limit": 1000})
    assert answer.status_code == 200, answer.text
    items = answer.json()["items"]
    assert [item["seq"] for item in items] == list(range(1, len(items) + 1))
    return [item["content"] for item in items]


def until_ready(client: httpx.Client) -> None:
    deadline = time.monotonic() + 30
    while client.get("/readyz").status_code != 200:
        assert time.monotonic() < deadline, "it does not recover"
        time.sleep(0.1)


def until(client: httpx.Client, line: str) -> None:
    """A figure of /metrics is there."""
    deadline = time.monotonic() + 30
    while f"\n{line}\n" not in client.get("/metrics").text:
        assert time.monotonic() < deadline, client.get("/metrics").text
        time.sleep(0.1)


def test_it_is_said_and_then_all_goes_on(make: Make, backend: Backend) -> None:
    """503 with Retry-After for what needs the store, within its time-outs; and no restart when it is back."""
    with make() as server, httpx.Client(base_url=server.url, timeout=PATIENCE) as client:
        assert post(client, "before").status_code == 201
        until_ready(client)
        backend.stop()
        away: dict[str, Callable[[], httpx.Response]] = {
            "append": lambda: post(client, "lost"),
            "chat": lambda: client.post("/api/v1/chat", json={"message": "Hello", "session_id": "s"}),
        }
        if not backend.reads:
            away |= {
                "read": lambda: client.get("/api/v1/sessions/s/messages"),
                "header": lambda: client.get("/api/v1/sessions/s"),
                "sessions": lambda: client.get("/api/v1/sessions"),
                "ready": lambda: client.get("/readyz"),
            }
        for name, ask in away.items():
            answer = ask()
            said = problem(answer, 503, "store-unavailable")
            assert int(answer.headers["retry-after"]) > 0, name
            assert len(said["detail"]) > 10, name
            assert "Traceback" not in said["detail"]
        with Stream(client, {"message": "Hello", "session_id": "s"}) as stream:
            assert stream.response.status_code == 503
        assert client.get("/healthz").status_code == 200
        metrics = client.get("/metrics").text
        assert f"\nrecollect_store_up {float(backend.reads)}\n" in metrics
        backend.start()
        until_ready(client)
        assert "\nrecollect_store_up 1.0\n" in client.get("/metrics").text
        answer = post(client, "after")
        assert (answer.status_code, answer.json()["seq"]) == (201, 2)
        assert texts(client) == ["before", "after"]
        assert client.post("/api/v1/chat", json={"message": "Hello", "session_id": "s"}).status_code == 200
        assert server.process.poll() is None
        assert "Traceback" not in server.output


def test_with_a_buffer_it_goes_on_taking_messages(make: Make, backend: Backend) -> None:
    """202 and seq 0; what cannot be had is 503 as ever; and everything is there once, in order, when the store is back."""
    with make(ON_UNAVAILABLE="buffer") as server, httpx.Client(base_url=server.url, timeout=PATIENCE) as client:
        assert "buffer recollect-buffer.db" in server.output
        assert post(client, "0").status_code == 201
        assert post(client, "x", "ann's", as_user="ann").status_code == 201
        backend.stop()
        for n in range(1, 6):
            answer = post(client, str(n), id=f"id-{n}")
            assert (answer.status_code, answer.json()["seq"], answer.json()["id"]) == (202, 0, f"id-{n}")
        assert post(client, "3", id="id-3").status_code == 202, "repeated, as a client does that did not hear"
        many = client.post("/api/v1/sessions/t/messages", json=[{"role": "user", "content": c} for c in "ab"])
        assert (many.status_code, [item["seq"] for item in many.json()]) == (202, [0, 0])
        assert post(client, "y", "ann's", as_user="bob").status_code == 202, (
            "only the store can know that it is not bob's"
        )
        assert post(client, "z", "ann's", as_user="ann").status_code == 202
        problem(client.get("/api/v1/sessions/s/messages"), 503, "store-unavailable")
        problem(client.delete("/api/v1/sessions/s"), 503, "store-unavailable")
        chat = client.post("/api/v1/chat", json={"message": "Hello", "session_id": "s"})
        problem(chat, 503, "store-unavailable")
        assert '\nrecollect_buffered_messages{state="waiting"} 10.0\n' in client.get("/metrics").text
        backend.start()
        until(client, 'recollect_buffered_messages{state="waiting"} 0.0')  # with no request that would need it
        assert texts(client) == ["0", "1", "2", "3", "4", "5"]
        assert texts(client, "t") == ["a", "b"]
        assert texts(client, "ann's") == ["x", "z"]
        until(client, 'recollect_buffered_messages{state="refused"} 1.0')
        client.delete("/api/v1/users/bob")
        until(client, 'recollect_buffered_messages{state="refused"} 0.0')
        answer = post(client, "6")
        assert (answer.status_code, answer.json()["seq"]) == (201, 7)
        assert '"event": "delivered"' in server.output or '"event":"delivered"' in server.output
        assert "Traceback" not in server.output


def test_the_server_is_killed_while_the_store_is_away(make: Make, backend: Backend) -> None:
    """It starts without its store, has what it kept, and goes on keeping."""
    with make(ON_UNAVAILABLE="buffer") as server:
        with httpx.Client(base_url=server.url, timeout=PATIENCE) as client:
            post(client, "0")
            backend.stop()
            assert [post(client, text).status_code for text in "12"] == [202, 202]
            server.kill()
        server.start()
        with httpx.Client(base_url=server.url, timeout=PATIENCE) as client:
            assert post(client, "3").status_code == 202
            if not backend.reads:
                problem(client.get("/readyz"), 503, "store-unavailable")
            backend.start()
            until_ready(client)
            until(client, 'recollect_buffered_messages{state="waiting"} 0.0')
            assert texts(client) == ["0", "1", "2", "3"]
            assert post(client, "4").json()["seq"] == 5
        assert server.stop() == 0


@pytest.mark.parametrize("backend", ["redis", "dynamodb"], indirect=True)
def test_a_store_that_hangs(make: Make, backend: Backend) -> None:
    """It takes connections and says nothing: the time-out is the answer, and then all is as before."""
    owner: Any = getattr(backend.stop, "__self__", None)
    process = owner._process
    with make(ON_UNAVAILABLE="buffer") as server, httpx.Client(base_url=server.url, timeout=PATIENCE) as client:
        assert post(client, "0").status_code == 201
        process.send_signal(signal.SIGSTOP)
        os.waitpid(process.pid, os.WUNTRACED)
        try:
            assert post(client, "1").status_code == 202
            problem(client.get("/readyz"), 503, "store-unavailable")
            problem(client.get("/api/v1/sessions/other/messages"), 503, "store-unavailable")
            assert post(client, "2").status_code == 202
        finally:
            process.send_signal(signal.SIGCONT)
        until_ready(client)
        until(client, 'recollect_buffered_messages{state="waiting"} 0.0')
        assert texts(client) == ["0", "1", "2"]
