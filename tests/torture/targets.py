"""The stores that are tortured, each on a fresh database and a server of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from tests.torture.run import Target


@contextmanager
def sqlite() -> Iterator[Target]:
    """A file, with full durability."""
    with tempfile.TemporaryDirectory() as folder:
        yield Target(f"sqlite:///{Path(folder) / 'torture.db'}")


@contextmanager
def redis() -> Iterator[Target]:
    """A server that writes every command to its disk before it answers."""
    from tests.services.redis import RedisServer

    with RedisServer() as server:
        yield Target(server.url, server.kill, server.start)


TARGETS: dict[str, Callable[[], AbstractContextManager[Target]]] = {"sqlite": sqlite, "redis": redis}
