"""Servers that tests start: ours in a process of its own, any ASGI app, and a small OpenAI-compatible endpoint."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response, StreamingResponse


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def serve(app: Any) -> Iterator[str]:
    """Run an ASGI app in a thread of this process; gives its URL."""
    listener = socket.socket(proto=socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="critical", loop="asyncio", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + 10
    while not server.started:
        assert time.monotonic() < deadline, "the test's own server does not start"
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


@dataclass
class ModelServer:
    """An OpenAI-compatible endpoint that misbehaves as told.

    Parameters
    ----------
    mode: ``normal``, ``slow`` (`pause` seconds before each piece), ``fails`` (500 the first `failures` times),
        ``limited`` (429, with ``Retry-After: retry_after`` where set, the first `failures` times), ``dies``
        (the connection breaks after two pieces), ``truncated`` (ends without a last piece), ``garbage`` (not JSON),
        ``weird`` (JSON of no known shape), ``empty`` (no text), ``error`` (an error object in the stream), ``html``,
        ``unauthorized``, ``missing``, ``no_usage`` (refuses stream_options), ``hangs`` (never answers).
    pieces: of the reply. requests: bodies received. headers: of the requests. open: streams being written now.
    """

    url: str = ""
    mode: str = "normal"
    pieces: list[str] = field(default_factory=lambda: ["Hello", " from", " the", " model."])
    pause: float = 0.2
    failures: int = 1
    retry_after: str | None = "0.1"
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    open: int = 0

    @property
    def reply(self) -> str:
        """The whole reply."""
        return "".join(self.pieces)

    def app(self) -> FastAPI:
        """The endpoint."""
        app = FastAPI()
        app.post("/v1/chat/completions", response_model=None)(self._complete)
        return app

    async def _complete(self, request: Request) -> Response:
        body = await request.json()
        self.requests.append(body)
        self.headers.append(dict(request.headers))
        refusal = self._refusal(body)
        if refusal is not None:
            return refusal
        if self.mode == "hangs":
            await asyncio.sleep(600)
        return StreamingResponse(self._stream(body, len(self.requests)), media_type="text/event-stream")

    def _refusal(self, body: dict[str, Any]) -> Response | None:
        def error(status: int, message: str, **headers: str) -> Response:
            return JSONResponse({"error": {"message": message, "type": "test"}}, status, headers)

        early = len(self.requests) <= self.failures
        if self.mode == "fails" and early:
            return error(500, "the model crashed")
        if self.mode == "limited" and early:
            headers = {} if self.retry_after is None else {"retry-after": self.retry_after}
            return error(429, "slow down", **headers)
        if self.mode == "unauthorized":
            return error(401, "wrong key")
        if self.mode == "missing":
            return error(404, "model not found")
        if self.mode == "no_usage" and "stream_options" in body:
            return error(400, "Unrecognized request argument supplied: stream_options")
        if self.mode == "html":
            return HTMLResponse("<h1>It works!</h1>")
        return None

    async def _stream(self, body: dict[str, Any], number: int) -> AsyncIterator[bytes]:
        self.open += 1
        try:
            if self.mode == "empty":
                yield self._piece(body, {"role": "assistant", "content": ""})
            elif self.mode == "garbage":
                yield b"data: <<< not JSON >>>\n\n"
            elif self.mode == "weird":
                yield b'data: [1, 2]\n\ndata: {"choices": "none"}\n\ndata: {"choices": [null]}\n\n'
            else:
                async for event in self._text(body):
                    yield event
            if self.mode == "truncated":
                return
            yield self._piece(body, {}, finish="stop")
            if (body.get("stream_options") or {}).get("include_usage"):
                usage = {"prompt_tokens": 11, "completion_tokens": len(self.pieces), "total_tokens": 15}
                yield self._event({"id": "c", "object": "chat.completion.chunk", "choices": [], "usage": usage})
            yield b"data: [DONE]\n\n"
        finally:
            self.open -= 1

    async def _text(self, body: dict[str, Any]) -> AsyncIterator[bytes]:
        for index, text in enumerate(self.pieces):
            if self.mode == "slow":
                await asyncio.sleep(self.pause)
            if index == 2 and self.mode == "dies":
                raise ConnectionResetError("as told")
            if index == 2 and self.mode == "error":
                yield self._event({"error": {"message": "out of memory", "code": 507}})
                return
            yield self._piece(body, {"content": text})

    def _piece(self, body: dict[str, Any], delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return self._event(
            {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": body["model"], "choices": [choice]}
        )

    @staticmethod
    def _event(data: dict[str, Any]) -> bytes:
        try:
            return f"data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()
        except UnicodeEncodeError:  # half a surrogate pair is sent as its escape
            return f"data: {json.dumps(data)}\n\n".encode()


@pytest.fixture
def model_server() -> Iterator[ModelServer]:
    """An OpenAI-compatible endpoint on loopback, well-behaved until told otherwise."""
    server = ModelServer()
    with serve(server.app()) as url:
        server.url = f"{url}/v1"
        yield server


@pytest.fixture
def unused_port() -> int:
    """A port that nobody listens on."""
    return free_port()


class ServerProcess:
    """``recollect serve`` in a process of its own, on a free loopback port.

    Parameters
    ----------
    folder: where it runs; its output goes to ``out.txt`` there. env: ``RECOLLECT_*`` without the prefix.
    """

    def __init__(self, folder: Path, **env: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("RECOLLECT_", "OPENAI_"))}
        given = {"HOST": "127.0.0.1", "PORT": str(self.port), "LOG_FORMAT": "json", **env}
        self._env = {**kept, **{f"RECOLLECT_{name}": value for name, value in given.items()}}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def output(self) -> str:
        """All that it has said, over all its starts."""
        return (self.folder / "out.txt").read_text("utf-8")

    def start(self, seconds: float = 30) -> None:
        """Start it and wait until it answers."""
        self.launch()
        deadline = time.monotonic() + seconds
        while True:
            try:
                with urllib.request.urlopen(f"{self.url}/healthz", timeout=5):
                    return
            except (OSError, http.client.HTTPException):
                code = self.process.poll()
                assert code is None and time.monotonic() < deadline, (
                    f"the server does not start ({code}):\n{self.output}"
                )
                time.sleep(0.02)

    def launch(self) -> None:
        """Start it and do not wait."""
        code = "from recollect.settings import load_settings; from recollect.server import run; run(load_settings())"
        with (self.folder / "out.txt").open("ab") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-c", code], cwd=self.folder, env=self._env, stdout=out, stderr=subprocess.STDOUT
            )

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The process."""
        assert self._process is not None, "not started"
        return self._process

    def kill(self) -> None:
        """What a power cut does to it."""
        self.process.kill()
        self.process.wait(30)

    def stop(self, seconds: float = 30) -> int:
        """Ask it to stop, wait, and give its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def __enter__(self) -> ServerProcess:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(30)


@pytest.fixture
def serve_app() -> Callable[[Any], AbstractContextManager[str]]:
    """`serve`, for tests that get it from here."""
    return serve


@pytest.fixture
def make_server(tmp_path: Path) -> Iterator[Callable[..., ServerProcess]]:
    """Makes `ServerProcess`es that run in folders of their own, and ends them."""
    made: list[ServerProcess] = []

    def make(**env: str) -> ServerProcess:
        folder = tmp_path / f"server-{len(made) + 1}"
        folder.mkdir()
        made.append(ServerProcess(folder, **env))
        return made[-1]

    yield make
    for server in made:
        server.__exit__()
