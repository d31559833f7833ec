"""What tests of adapters get: a fresh store of every kind."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from recollect import Store, connect
from tests.services import dynamodb, postgres, redis


@pytest.fixture(params=["memory", "sqlite", "postgres", "redis", "dynamodb"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A store of each kind, not open; what it wrote is removed."""
    kind = request.param
    if kind == "memory":
        yield connect("memory://")
    elif kind == "sqlite":
        yield connect(f"sqlite:///{tmp_path}/chat.db?synchronous=normal")
    elif kind == "postgres":
        schema = f"test_{sha256(str(tmp_path).encode()).hexdigest()[:16]}"
        yield connect(f"{postgres.postgres_url()}?schema={postgres.use_schema(schema)}")
        postgres.drop_schema(schema)
    elif kind == "redis":
        yield connect(f"{redis.server_url()}?prefix={redis.prefix_of(tmp_path)}")
        redis.remove(redis.server_url(), redis.prefix_of(tmp_path))
    else:
        yield dynamodb.make_store(tmp_path)
        dynamodb.remove_tables(tmp_path)
