"""What the tests of the server share: an app with its client, events of a stream, problems."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from fastapi.testclient import TestClient

from recollect import AsyncRecollect
from recollect.llm import ChatModel
from recollect.server import create_app
from recollect.settings import load_settings

HERE = "http://127.0.0.1"


@contextmanager
def serving(memory: AsyncRecollect | None = None, model: ChatModel | None = None, **told: Any) -> Iterator[TestClient]:
    """An app in this process, asked as a client on this machine asks it. Its settings come from nowhere else."""
    settings = load_settings(os.devnull, **{"url": "memory://", "log_level": "error", **told})
    with TestClient(create_app(settings, memory=memory, model=model), base_url=HERE) as client:
        yield client


def problem(response: Any, status: int, name: str) -> dict[str, Any]:
    """The members of a problem response, checked to be one."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["type"] == f"urn:recollect:problem:{name}"
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    assert body["request_id"] == response.headers["x-request-id"]
    return body


def events(text: str) -> list[tuple[str, dict[str, Any]]]:
    """The events of a stream that has ended."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if line and not line.startswith(":"))
        if fields:
            found.append((fields["event"], json.loads(fields["data"])))
    return found


class Stream:
    """A chat answer read event by event, over a real connection."""

    def __init__(self, client: httpx.Client, body: dict[str, Any]) -> None:
        self._context = client.stream("POST", "/api/v1/chat", json={"stream": True, **body})

    def __enter__(self) -> Stream:
        self.response = self._context.__enter__()
        self._lines = self.response.iter_lines()
        return self

    def __exit__(self, *given: Any) -> None:
        self._context.__exit__(*given)

    def __iter__(self) -> Iterator[tuple[str, dict[str, Any]]]:
        name = ""
        for line in self._lines:
            if line.startswith("event: "):
                name = line[7:]
            elif line.startswith("data: "):
                yield name, json.loads(line[6:])
