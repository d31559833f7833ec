"""A server that gives no answer on a pool or a connection of the user's own: cancelled, or given up; never waited for without end."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Iterator

import psycopg
import pytest
from psycopg_pool import AsyncConnectionPool, ConnectionPool

from recollect import AsyncRecollect, ConfigError, Recollect, Unavailable
from recollect.errors import InvalidInput
from recollect.stores.postgres import PostgresStore, limited
from tests.services.postgres import Server, own_server

HI = {"role": "user", "content": "hi"}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server of this module's own, that its tests freeze."""
    made = own_server().start()
    with Recollect(f"{made.url}?schema=lent"):
        yield made
    made.remove()


def test_the_limit_is_a_number_of_seconds(server: Server) -> None:
    with psycopg.connect(server.url) as connection, pytest.raises(InvalidInput, match="number of seconds"):
        PostgresStore(connection=connection, statement_timeout=-1)


@pytest.mark.skipif(sys.platform != "linux", reason="finds the server's processes in /proc")
def test_a_server_that_stands_still_is_given_up_on_what_the_user_lent(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limited, "GRACE", 0.5)
    with ConnectionPool(server.url, min_size=1, max_size=1, open=True) as pool:
        store = PostgresStore(pool=pool, schema="lent", statement_timeout=1.5)
        with Recollect(store) as memory:
            memory.session("s").append(HI)
            with server.frozen():
                _given_up(lambda: memory.session("s").append({**HI, "id": "again"}))
            memory.session("s").append({**HI, "id": "again"})
            assert [row.seq for row in memory.session("s").tail()] == [1, 2]
    with (
        psycopg.connect(server.url) as connection,
        Recollect(PostgresStore(connection=connection, schema="lent", statement_timeout=1.5)) as memory,
    ):
        memory.session("s").append(HI)
        with server.frozen():
            _given_up(lambda: memory.session("s").tail())
        assert connection.closed, "it is in the middle of an answer"
        with pytest.raises(ConfigError, match="closed"):
            memory.session("s").tail()
    asyncio.run(_lent(server))


def _given_up(call: Callable[[], object]) -> None:
    began = time.monotonic()
    with pytest.raises(Unavailable, match="no answer for"):
        call()
    assert time.monotonic() - began < 10


async def _lent(server: Server) -> None:
    async with (
        AsyncConnectionPool(server.url, min_size=1, max_size=1, open=False) as pool,
        AsyncRecollect(PostgresStore(pool=pool, schema="lent", statement_timeout=1.5)) as memory,
    ):
        await memory.session("s").append(HI)
        with server.frozen():
            began = time.monotonic()
            with pytest.raises(Unavailable, match="no answer for"):
                await memory.session("s").append({**HI, "id": "once more"})
            assert time.monotonic() - began < 10
        await memory.session("s").append({**HI, "id": "once more"})
        assert [row.seq for row in await memory.session("s").tail()] == [1, 2, 3, 4]


@pytest.mark.parametrize("autocommit", [True, False])
def test_a_statement_that_takes_too_long_is_cancelled_on_what_the_user_lent(server: Server, autocommit: bool) -> None:
    slow = f"slow {autocommit}"
    with Recollect(f"{server.url}?schema=lent") as memory, psycopg.connect(server.url) as blocker:
        memory.session(slow).append(HI)
        with psycopg.connect(server.url, autocommit=autocommit) as connection:
            connection.execute("CREATE TEMPORARY TABLE mine (x int)")
            lent = Recollect(PostgresStore(connection=connection, schema="lent", statement_timeout=1))
            lent.session(f"{slow}, another").append(HI)
            blocker.execute(f"UPDATE lent.sessions SET title = 'held' WHERE session_id = '{slow}'")
            for rows in ([HI], [{**HI, "id": f"{n}"} for n in range(5)]):
                with pytest.raises(Unavailable, match="longer than statement_timeout"):
                    lent.session(slow).append(rows)
            blocker.rollback()
            lent.session(slow).append(HI)
            connection.execute("INSERT INTO mine VALUES (1)")
            connection.commit()
            assert [row.seq for row in lent.session(slow).tail()] == [1, 2]
            lent.close()
        assert [row.seq for row in memory.session(f"{slow}, another").tail()] == [1]


def test_the_same_for_tasks(server: Server) -> None:
    asyncio.run(_cancelled(server))


async def _cancelled(server: Server) -> None:
    with psycopg.connect(server.url) as blocker:
        async with await psycopg.AsyncConnection.connect(server.url, autocommit=True) as connection:
            store = PostgresStore(connection=connection, schema="lent", statement_timeout=1)
            async with AsyncRecollect(store) as memory:
                await memory.session("async").append(HI)
                blocker.execute("LOCK TABLE lent.messages")
                with pytest.raises(Unavailable, match="longer than statement_timeout"):
                    await memory.session("async").append(HI)
                with pytest.raises(Unavailable, match="longer than statement_timeout"):
                    await memory.import_lines({**HI, "session": "async"} for _ in range(500))
                blocker.rollback()
                await memory.session("async").append(HI)
                assert [row.seq for row in await memory.session("async").tail()] == [1, 2]
