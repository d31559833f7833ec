"""Pools and connections of the user's own: used, never closed; what the user begins, the user ends."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool, ConnectionPool

from recollect import AsyncRecollect, ConfigError, Conflict, Recollect
from recollect.stores.postgres import PostgresStore
from tests.services.postgres import postgres_url, schema

HI = {"role": "user", "content": "hi"}


@pytest.fixture
def name() -> Iterator[str]:
    with schema() as found:
        with Recollect(f"{postgres_url()}?schema={found}"):
            pass
        yield found


def _count(name: str) -> int:
    with psycopg.connect(postgres_url(), autocommit=True) as connection:
        row = connection.execute(f"SELECT count(*) FROM {name}.messages").fetchone()
        assert row is not None
        return int(row[0])


def test_appends_are_part_of_the_users_transaction(name: str) -> None:
    with psycopg.connect(postgres_url(), row_factory=dict_row) as connection:
        connection.execute("SET TIME ZONE 'Asia/Seoul'")
        with Recollect(PostgresStore(connection=connection, schema=name)) as memory:
            session = memory.session("s", user="ann")
            session.append(HI)
            session.append([HI, HI])
            assert [row.seq for row in session.tail()] == [1, 2, 3]
            assert session.tail()[0].created_at == session.tail()[0].created_at
            assert _count(name) == 0, "nobody else sees it yet"
        assert not connection.closed
        assert connection.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS
        connection.rollback()
        assert _count(name) == 0
        with Recollect(PostgresStore(connection=connection, schema=name)) as memory:
            memory.session("s", user="ann").append(HI)
        connection.commit()
        assert connection.execute("SELECT 1 AS one").fetchone() == {"one": 1}
    assert _count(name) == 1


def test_what_fails_leaves_the_users_transaction_usable(name: str) -> None:
    with psycopg.connect(postgres_url()) as connection:
        connection.execute("CREATE TEMPORARY TABLE mine (x int)")
        with Recollect(PostgresStore(connection=connection, schema=name)) as memory:
            memory.session("s", user="ann").append(HI)
            with pytest.raises(Conflict):
                memory.session("s", user="bob").append(HI)
            memory.session("s").update(title="t")
            with pytest.raises(Conflict):
                memory.session("s").save_summary("so far", covers_seq=1, expect=7)
            memory.session("s", user="ann").append(HI)
        connection.execute("INSERT INTO mine VALUES (1)")
        connection.commit()
    with Recollect(f"{postgres_url()}?schema={name}") as memory:
        assert [row.seq for row in memory.session("s").tail()] == [1, 2]
        assert len(memory.changes().items) == 3


def test_a_connection_in_autocommit_commits_each_call(name: str) -> None:
    with psycopg.connect(postgres_url(), autocommit=True) as connection:
        with Recollect(PostgresStore(connection=connection, schema=name)) as memory:
            memory.session("s").append(HI)
            assert _count(name) == 1
            with connection.transaction(force_rollback=True):
                memory.session("s").append(HI)
            memory.session("s").append(HI)
            assert [row.seq for row in memory.session("s").tail()] == [1, 2]
        assert not connection.closed


@pytest.mark.parametrize("autocommit", [False, True])
def test_a_pool_stays_open_and_its_connections_as_they_were(name: str, autocommit: bool) -> None:
    with ConnectionPool(postgres_url(), min_size=1, max_size=2, kwargs={"autocommit": autocommit}, open=True) as pool:
        with Recollect(PostgresStore(pool=pool, schema=name)) as memory:
            memory.session("s").append(HI)
            memory.session("s").append([HI, HI])
            with pytest.raises(Conflict):
                memory.session("s").save_summary("so far", covers_seq=1, expect=99)
            assert _count(name) == 3
            with pytest.raises(Conflict):
                memory.session("s", user="ann").append(HI) and memory.session("s", user="bob").append(HI)
        assert not pool.closed
        with pool.connection() as connection:
            assert connection.autocommit is autocommit
            assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        assert pool.get_stats().get("requests_num", 0) > 3


def test_async_pool_and_connection(name: str) -> None:
    async def use() -> None:
        async with AsyncConnectionPool(postgres_url(), min_size=1, max_size=3, open=False) as pool:
            async with AsyncRecollect(PostgresStore(pool=pool, schema=name)) as memory:
                await asyncio.gather(*(memory.session("s").append(HI) for _ in range(12)))
                assert [row.seq for row in await memory.session("s").tail()] == list(range(1, 13))
            assert not pool.closed
        connection = await psycopg.AsyncConnection.connect(postgres_url())
        async with connection:
            async with AsyncRecollect(PostgresStore(connection=connection, schema=name)) as memory:
                await asyncio.gather(*(memory.session("s").append(HI) for _ in range(5)))
                assert len(await memory.session("s").tail()) == 17
                assert _count(name) == 12
            await connection.rollback()
            assert not connection.closed
        assert _count(name) == 12

    asyncio.run(use())


def test_a_pool_of_the_other_kind_is_refused(name: str) -> None:
    async def use() -> None:
        async with AsyncConnectionPool(postgres_url(), min_size=1, max_size=1, open=False) as pool:
            with pytest.raises(ConfigError, match="Recollect was given an async AsyncConnectionPool"):
                Recollect(PostgresStore(pool=pool, schema=name)).open()

    asyncio.run(use())
    with ConnectionPool(postgres_url(), min_size=1, max_size=1, open=True) as blocking:

        async def wrong() -> None:
            with pytest.raises(ConfigError, match="AsyncRecollect was given a blocking ConnectionPool"):
                await AsyncRecollect(PostgresStore(pool=blocking, schema=name)).open()

        asyncio.run(wrong())


def test_one_of_settings_pool_and_connection() -> None:
    with pytest.raises(ConfigError, match="one of them"):
        PostgresStore()


def test_a_closed_connection_or_pool_is_said_to_be_closed(name: str) -> None:
    connection = psycopg.connect(postgres_url())
    connection.close()
    with pytest.raises(ConfigError, match="closed"):
        Recollect(PostgresStore(connection=connection, schema=name)).open()
    pool: Any = ConnectionPool(postgres_url(), min_size=1, max_size=1, open=False)
    with pytest.raises(ConfigError, match="not open"):
        Recollect(PostgresStore(pool=pool, schema=name)).open()


def test_one_client_serves_several_event_loops(name: str) -> None:
    memory = AsyncRecollect(f"{postgres_url()}?schema={name}")

    async def use() -> list[int]:
        await memory.session("s").append(HI)
        return [row.seq for row in await memory.session("s").tail()]

    assert asyncio.run(use()) == [1]
    assert asyncio.run(use()) == [1, 2]
    asyncio.run(memory.close())
