"""Bytes of a body, requests a minute, requests at once."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import httpx
import pytest

from recollect import AsyncRecollect
from recollect.server import create_app
from recollect.settings import load_settings
from tests.server.harness import HERE, problem, serving

PATH = "/api/v1/sessions/s/messages"
HI = {"role": "user", "content": "Hi"}


def test_a_body_over_the_limit_is_refused_by_its_length() -> None:
    with serving(max_body_bytes=2000) as api:
        assert api.post(PATH, json={**HI, "content": "x" * 1900}).status_code == 201
        found = problem(api.post(PATH, json={**HI, "content": "x" * 2000}), 413, "too-large")
        assert "2,000" in found["detail"]
        for path in ("/api/v1/chat", "/api/v1/users/u/preferences"):
            method = "PUT" if "users" in path else "POST"
            problem(api.request(method, path, content=b"x" * 3000), 413, "too-large")


def test_a_body_without_a_length_is_not_read_beyond_the_limit() -> None:
    with serving(max_body_bytes=4096) as api:
        received = 0
        app = api.app

        async def main() -> None:
            nonlocal received
            scope = {
                "type": "http",
                "method": "POST",
                "path": PATH,
                "raw_path": PATH.encode(),
                "query_string": b"",
                "headers": [(b"host", b"127.0.0.1"), (b"transfer-encoding", b"chunked")],
                "client": ("127.0.0.1", 1),
            }
            sent: list[Any] = []

            async def receive() -> dict[str, Any]:
                nonlocal received
                received += 1
                return {"type": "http.request", "body": b"x" * 1024, "more_body": True}

            async def send(message: Any) -> None:
                sent.append(message)

            await app(scope, receive, send)
            assert sent[0]["status"] == 413

        asyncio.run(main())
        assert received == 5


def test_a_length_that_is_no_number_is_refused() -> None:
    with serving() as api:
        for length in ("abc", "-1", "1e3", "٣"):
            answer = api.post(PATH, content=b"{}", headers=[(b"content-length", length.encode())])
            problem(answer, 400, "bad-request")


def test_a_ten_megabyte_message_is_stored_and_comes_back() -> None:
    with serving() as api:
        text = "한국어 text " * 800_000
        assert len(text.encode()) > 10 * 1024 * 1024
        assert api.post(PATH, json={**HI, "content": text}).status_code == 201
        assert api.get(PATH).json()["items"][0]["content"] == text


def test_requests_a_minute_are_counted_for_each_key() -> None:
    with serving(api_keys="a-key:a,b-key:b", requests_per_minute=3) as api:
        a, b = ({"authorization": f"Bearer {name}-key"} for name in "ab")
        assert [api.get("/api/v1/sessions", headers=a).status_code for _ in range(4)] == [200, 200, 200, 429]
        refused = api.get("/api/v1/sessions", headers=a)
        problem(refused, 429, "too-many-requests")
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert api.get("/api/v1/sessions", headers=b).is_success
        assert all(api.get("/healthz").is_success for _ in range(10))


def test_no_limit_is_zero() -> None:
    with serving(requests_per_minute=0) as api:
        assert all(api.get("/api/v1/sessions").is_success for _ in range(50))


@pytest.mark.parametrize("limit", [1, 3])
def test_more_requests_at_once_are_told_to_come_back(limit: int) -> None:
    memory = AsyncRecollect("memory://")
    settings = load_settings(os.devnull, max_concurrent_requests=limit, log_level="error")
    app = create_app(settings, memory=memory)

    async def main() -> None:
        inside, leave = asyncio.Event(), asyncio.Event()
        get = memory.store.get

        async def slow(*given: Any) -> Any:
            inside.set()
            await leave.wait()
            return await get(*given)

        memory.store.get = slow  # type: ignore[method-assign, assignment]
        async with memory, httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=HERE) as api:
            waiting = [asyncio.create_task(api.get("/api/v1/sessions/s")) for _ in range(limit)]
            await inside.wait()
            await asyncio.sleep(0)
            refused = await api.get("/api/v1/sessions/s")
            problem(refused, 503, "overloaded")
            assert refused.headers["retry-after"] == "1"
            assert (await api.get("/healthz")).status_code == 200
            leave.set()
            assert [answer.status_code for answer in await asyncio.gather(*waiting)] == [404] * limit
            assert (await api.get("/api/v1/sessions/s")).status_code == 404

    asyncio.run(main())
