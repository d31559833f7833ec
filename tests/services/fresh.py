"""A fresh store of every kind, on its real server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from recollect import Store, connect
from tests.services import dynamodb, postgres, redis

KINDS = ("memory", "sqlite", "postgres", "redis", "dynamodb")

REDISEARCH = "redisearch"
"""Redis with the module, which `fresh` takes for a kind too."""


@contextmanager
def fresh(kind: str, place: Path) -> Iterator[Store]:
    """A store of one of `KINDS`, or `REDISEARCH`, not open; what it wrote is removed.

    Parameters
    ----------
    place: a folder of the test's own, whose name tells its data from others'.
    """
    if kind == "memory":
        yield connect("memory://")
    elif kind == "sqlite":
        yield connect(f"sqlite:///{place}/chat.db?synchronous=normal")
    elif kind == "postgres":
        schema = f"test_{sha256(str(place).encode()).hexdigest()[:16]}"
        yield connect(f"{postgres.postgres_url()}?schema={postgres.use_schema(schema)}")
        postgres.drop_schema(schema)
    elif kind in ("redis", REDISEARCH):
        url = redis.server_url() if kind == "redis" else redis.stack_url()
        yield connect(f"{url}?prefix={redis.prefix_of(place)}")
        redis.remove(url, redis.prefix_of(place))
    else:
        yield dynamodb.make_store(place)
        dynamodb.remove_tables(place)
