"""The stores that are tortured, each on a fresh database and a server of its own."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.torture.run import Target


@contextmanager
def sqlite() -> Iterator[Target]:
    """A file, with full durability."""
    with tempfile.TemporaryDirectory() as folder:
        yield Target(f"sqlite:///{Path(folder) / 'torture.db'}", impatient="busy_timeout=0.02")


@contextmanager
def redis() -> Iterator[Target]:
    """A server that writes every command to its disk before it answers."""
    from tests.services.redis import RedisServer

    with RedisServer() as server:
        yield Target(server.url, server.kill, server.start, server.port, "retries=0&timeout=1&connect_timeout=1")


@contextmanager
def postgres() -> Iterator[Target]:
    """A server that flushes every commit; it is killed as a crash of its own would end it."""
    from tests.services.postgres import own_server

    server = own_server().start()
    try:
        yield Target(server.url, lambda: server.stop(signal.SIGQUIT), server.start, server.port, "connect_timeout=1")
    finally:
        server.remove()


@contextmanager
def dynamodb() -> Iterator[Target]:
    """The emulator on a file."""
    from tests.services.dynamodb import BINARY, Dynoxide, temporary_file

    if not BINARY.exists():
        pytest.skip("needs dynoxide: make services")
    os.environ.setdefault("AWS_ACCESS_KEY_ID", "test")
    os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "test")
    server = Dynoxide(temporary_file())
    server.start()
    try:
        yield Target(
            f"dynamodb://us-east-1/torture?endpoint_url={server.endpoint}&create=true&ttl=false",
            server.kill,
            server.start,
            server.port,
            "attempts=2&timeout=1&connect_timeout=1",
        )
    finally:
        server.kill()


TARGETS: dict[str, Callable[[], AbstractContextManager[Target]]] = {
    "sqlite": sqlite,
    "postgres": postgres,
    "redis": redis,
    "dynamodb": dynamodb,
}
