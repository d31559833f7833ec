"""Requests a second: the server's hot routes beside an empty FastAPI route, on the same machine under the same load.

    python bench/server.py [--seconds 4] [--connections 16] [--url sqlite:///bench.db?synchronous=normal]

Each server runs alone under uvicorn in a process of its own; the load comes from this process, by plain HTTP/1.1 over
connections that stay open. Rounds alternate, and the median counts, so that a busy machine troubles all alike; the
processor time of a request (all threads of the server) hardly depends on what else runs.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

MANY = 500
"""Sessions whose pages together are more than a store keeps encoded: each is read from the database each time."""

MESSAGE = {"role": "user", "content": "Could you book the early train to Busan for me and my dog Rex, please?"}


def serve_empty(port: int) -> None:
    """The floor: one route that does nothing."""
    import uvicorn
    from fastapi import FastAPI

    app = FastAPI()

    @app.get("/")
    @app.post("/")
    async def empty() -> dict[str, str]:
        return {}

    uvicorn.run(app, port=port, access_log=False, log_level="warning")


def serve_recollect(port: int, url: str) -> None:
    """The server as ``recollect serve`` runs it, logs and limits and all."""
    from recollect.server import run
    from recollect.settings import load_settings

    run(load_settings(os.devnull, port=port, url=url, log_format="json", requests_per_minute=60_000_000))


@contextmanager
def server(kind: str, url: str) -> Iterator[tuple[int, int]]:
    """A server in a process of its own; gives its port and process id."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    command = [sys.executable, __file__, "--serve", kind, "--port", str(port), "--url", url]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if time.monotonic() > deadline or process.poll() is not None:
                    raise SystemExit(f"{kind} does not start") from None
                time.sleep(0.05)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(20)


class Client(asyncio.Protocol):
    """One connection that asks again as soon as it is answered."""

    def __init__(self, make: Callable[[], bytes]) -> None:
        self._make = make
        self._buffer = b""
        self.answered = 0
        self.failed = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self._make())

    def data_received(self, data: bytes) -> None:
        self._buffer = buffer = self._buffer + data if self._buffer else data
        end = buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        start = buffer.find(b"content-length: ") + 16
        length = int(buffer[start : buffer.find(b"\r\n", start)])
        if len(buffer) < end + 4 + length:
            return
        self.answered += 1
        self.failed += buffer[9:10] != b"2"
        self._buffer = b""
        self.transport.write(self._make())


def processor_seconds(pid: int) -> float:
    """What a process has used; 0 where there is no /proc."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def load(port: int, pid: int, make: Callable[[], bytes], connections: int, seconds: float) -> tuple[float, float]:
    """Requests a second, and microseconds of processor time for each, after a warm-up."""
    loop = asyncio.get_running_loop()
    clients = [(await loop.create_connection(lambda: Client(make), "127.0.0.1", port))[1] for _ in range(connections)]
    await asyncio.sleep(seconds / 4)
    before, began, used = sum(client.answered for client in clients), time.perf_counter(), processor_seconds(pid)
    await asyncio.sleep(seconds)
    count, used = sum(client.answered for client in clients) - before, processor_seconds(pid) - used
    rate = count / (time.perf_counter() - began)
    for client in clients:
        client.transport.close()
    if failed := sum(client.failed for client in clients):
        raise SystemExit(f"{failed} requests failed")
    return rate, used / count * 1e6


def request(method: str, path: str, body: bytes = b"") -> bytes:
    """The bytes of a request."""
    head = f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n"
    if body:
        head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--url", default="", help="one store; memory and SQLite when not given")
    parser.add_argument("--serve", choices=["empty", "recollect"], help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve == "empty":
        return serve_empty(given.port)
    if given.serve:
        return serve_recollect(given.port, given.url)
    with tempfile.TemporaryDirectory() as folder:
        urls = (
            [given.url]
            if given.url
            else [
                "memory://",
                f"sqlite:///{Path(folder) / 'normal.db'}?synchronous=normal",
                f"sqlite:///{Path(folder) / 'full.db'}",
            ]
        )
        for url in urls:
            measure(url, given.seconds, given.rounds, given.connections)
    return None


def measure(url: str, seconds: float, rounds: int, connections: int) -> None:
    """One store's table."""
    body = json.dumps(MESSAGE).encode()
    path = "/api/v1/sessions/bench-{}/messages"
    number = iter(range(10**9))
    hundred = json.dumps([MESSAGE] * 100).encode()
    fill = request("POST", path.format("full"), hundred)
    cases: dict[str, tuple[str, Callable[[], bytes]]] = {
        "empty FastAPI route, GET": ("empty", lambda: request("GET", "/")),
        "empty FastAPI route, POST": ("empty", lambda: request("POST", "/", body)),
        "GET messages, limit=1": ("recollect", lambda: request("GET", path.format("full") + "?limit=1")),
        "GET messages, limit=20": ("recollect", lambda: request("GET", path.format("full") + "?limit=20&order=desc")),
        "GET messages, limit=100": ("recollect", lambda: request("GET", path.format("full"))),
        f"GET messages, {MANY} sessions": (
            "recollect",
            lambda: request("GET", path.format(f"of-{next(number) % MANY}")),
        ),
        "POST messages, one session": ("recollect", lambda: request("POST", path.format("one"), body)),
        "POST messages, 100 sessions": ("recollect", lambda: request("POST", path.format(next(number) % 100), body)),
        "GET healthz": ("recollect", lambda: request("GET", "/healthz")),
    }
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in cases}
    with server("empty", url) as empty, server("recollect", url) as ours:
        asyncio.run(load(*ours, lambda: fill, 1, 0.2))
        connection = http.client.HTTPConnection("127.0.0.1", ours[0])
        for one in range(MANY):
            connection.request("POST", path.format(f"of-{one}"), hundred, {"content-type": "application/json"})
            connection.getresponse().read()
        connection.close()
        for _ in range(rounds):
            for name, (kind, make) in cases.items():
                found[name].append(asyncio.run(load(*(empty if kind == "empty" else ours), make, connections, seconds)))
    shown = url.partition("://")[0] + ("" if "?" not in url else "?" + url.partition("?")[2])
    print(f"\n{shown}, {connections} connections")
    print(f"{'':<32}{'requests/s':>12}{'of empty':>10}{'CPU us':>10}{'of empty':>10}")
    for name, measured in found.items():
        rate, used = (statistics.median(column) for column in zip(*measured, strict=True))
        base = "empty FastAPI route, " + ("POST" if "POST" in name else "GET")
        base_rate, base_used = (statistics.median(column) for column in zip(*found[base], strict=True))
        share = base_used / used if used else 0
        print(f"{name:<32}{rate:>12,.0f}{rate / base_rate:>10.0%}{used:>10.0f}{share:>10.0%}")


if __name__ == "__main__":
    main()
