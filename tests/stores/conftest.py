"""What the tests of the stores share: places of their own on the servers of this run, cleaned up behind them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.services.dynamodb import Dynoxide
    from tests.services.redis import RedisServer


@pytest.fixture
def name() -> Iterator[str]:
    """A schema of PostgreSQL."""
    from tests.services.postgres import schema

    with schema() as found:
        yield found


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A place whose DynamoDB tables are removed."""
    from tests.services.dynamodb import remove_tables, server_options

    server_options()
    yield tmp_path
    remove_tables(tmp_path)


@pytest.fixture
def own_dynamodb() -> Iterator[Dynoxide]:
    """A DynamoDB of the test's own, on a file."""
    from tests.services.dynamodb import BINARY, Dynoxide, server_options, temporary_file

    server_options()
    if not BINARY.exists():
        pytest.skip(f"{BINARY} is not there: make services")
    made = Dynoxide(temporary_file())
    made.start()
    yield made
    made.kill()


@pytest.fixture
def prefix(tmp_path: Path) -> Iterator[str]:
    """A prefix of Redis keys."""
    from tests.services.redis import prefix_of, remove, server_url

    found = prefix_of(tmp_path)
    yield found
    remove(server_url(), found)


@pytest.fixture
def raw() -> Iterator[Any]:
    """A client of that Redis server."""
    import redis

    from tests.services.redis import server_url

    with redis.Redis.from_url(server_url(), decode_responses=True) as client:
        yield client


@pytest.fixture
def own_redis() -> Iterator[Callable[..., RedisServer]]:
    """Redis servers of a test's own, which it may hurt."""
    from tests.services.redis import RedisServer

    made: list[RedisServer] = []

    def make(*words: str) -> RedisServer:
        made.append(RedisServer(*words).start())
        return made[-1]

    yield make
    for server in made:
        server.stop()
