"""Pools and connections of the user's own: used, never closed; a connection's transaction is the user's to end.

One connection is closed all the same: one that is left in the middle of an answer which does not come.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from inspect import iscoroutinefunction
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

from recollect.errors import ConfigError, Unavailable
from recollect.store import Driver
from recollect.stores.postgres.adapt import adapt, has_rows
from recollect.stores.postgres.limited import AsyncLent, Lent
from recollect.stores.postgres.links import Link, Rows, Values
from recollect.stores.postgres.settings import Settings


def borrowed_link(settings: Settings, driver: Driver, *, pool: Any, connection: Any) -> Link:
    """A link over a pool or a connection of the user's. Raises `ConfigError` for one of the other mode."""
    given = pool if connection is None else connection
    is_async = isinstance(given, psycopg.AsyncConnection)
    if connection is None:
        is_async = iscoroutinefunction(pool.getconn)
    if is_async == driver.blocking:
        client, kind = ("Recollect", "an async") if driver.blocking else ("AsyncRecollect", "a blocking")
        raise ConfigError(f"{client} was given {kind} {type(given).__name__}: hand in the other kind")
    if connection is None:
        return _OfPool(settings, driver, pool)
    return _OfConnection(settings, driver, connection)


class _Borrowed(Link):
    def __init__(self, settings: Settings, driver: Driver, patience: float) -> None:
        super().__init__(driver, shown=settings.shown, patience=patience)
        self._limit = settings.limit
        self._unhurried: set[int] = set()

    def hurry(self, connection: Any, is_limited: bool) -> None:
        (self._unhurried.discard if is_limited else self._unhurried.add)(id(connection))

    def _limited(self, connection: Any) -> Any:
        if self._limit is None or id(connection) in self._unhurried:
            return connection
        return (Lent if self.driver.blocking else AsyncLent)(connection, self._limit)

    async def _wait(self, value: Any) -> Any:
        """What a method of psycopg gives: itself where it blocks, awaited where it is async."""
        return value if self.driver.blocking else await value

    async def run(self, connection: Any, sql: str, values: Values) -> Rows:
        kind: Any = psycopg.RawCursor if self.driver.blocking else psycopg.AsyncRawCursor
        cursor = kind(self._limited(connection), row_factory=tuple_row)
        adapt(cursor)
        await self._wait(cursor.execute(sql, values or None, binary=True))
        rows: Rows = await self._wait(cursor.fetchall()) if has_rows(cursor) else []
        return rows

    async def copy(self, connection: Any, sql: str, data: Iterable[bytes]) -> None:
        if self.driver.blocking:
            with psycopg.RawCursor(self._limited(connection)).copy(sql) as copy:
                for piece in data:
                    copy.write(piece)
        else:
            async with psycopg.AsyncRawCursor(self._limited(connection)).copy(sql) as copy:
                for piece in data:
                    await copy.write(piece)

    async def close(self) -> None:
        """Nothing here is ours."""


class _OfPool(_Borrowed):
    def __init__(self, settings: Settings, driver: Driver, pool: Any) -> None:
        super().__init__(settings, driver, settings.connect_timeout)
        self._pool = pool
        self._changed: set[int] = set()

    async def take(self) -> Any:
        from psycopg_pool import PoolClosed, PoolTimeout

        try:
            connection = await self._wait(self._pool.getconn())
        except PoolTimeout as error:
            raise Unavailable(f"the pool gave no connection to {self.shown}: {error}") from error
        except PoolClosed as error:
            raise ConfigError(f"the pool is not open: {error}") from error
        if not connection.autocommit:
            # Costs no trip: psycopg keeps it on this side.
            await self._wait(connection.set_autocommit(True))
            self._changed.add(id(connection))
        return connection

    async def give(self, connection: Any) -> None:
        if id(connection) in self._changed:
            self._changed.discard(id(connection))
            await self._wait(connection.set_autocommit(False))
        await self._wait(self._pool.putconn(connection))

    async def drop(self, connection: Any) -> None:
        self._changed.discard(id(connection))
        await self._wait(connection.close())
        await self._wait(self._pool.putconn(connection))


class _OfConnection(_Borrowed):
    """What the user has begun, the user ends: in a transaction everything here happens behind a savepoint, so that it is
    all or nothing, and what fails leaves the transaction usable. Nothing is tried twice."""

    is_alone = False
    max_tries = 1

    def __init__(self, settings: Settings, driver: Driver, connection: Any) -> None:
        super().__init__(settings, driver, 0.0)
        self._connection = connection
        self._turn: Any = None

    async def take(self) -> Any:
        if self._connection.closed:
            raise ConfigError("the connection that was handed in is closed")
        if self._turn is None:
            self._turn = _turn(self.driver)
        await self._wait(self._turn.acquire())
        return self._connection

    async def give(self, connection: Any) -> None:
        """It was never ours: it is free for the next call."""
        self._turn.release()

    async def drop(self, connection: Any) -> None:
        if connection.info.transaction_status == TransactionStatus.ACTIVE:
            await self._wait(connection.close())
        self._turn.release()

    async def fetch(self, sql: str, values: Values = (), *, repeatable: bool = True) -> Rows:
        if self._is_bare(self._connection):
            return await super().fetch(sql, values, repeatable=repeatable)
        return await self.transaction(lambda run: run(sql, values), repeatable=False)

    @staticmethod
    def _is_bare(connection: Any) -> bool:
        """Whether there is no transaction, and none begins by itself."""
        return bool(connection.autocommit) and connection.info.transaction_status == TransactionStatus.IDLE

    async def begin(self, connection: Any) -> None:
        self._whole = self._is_bare(connection)
        await self.run(connection, "BEGIN" if self._whole else "SAVEPOINT recollect", ())

    async def take_time(self, connection: Any) -> None:
        """In a transaction of the user's own the server's limit stays as the user has it."""
        if self._whole:
            await super().take_time(connection)
        else:
            self.hurry(connection, False)

    async def end(self, connection: Any) -> None:
        await self.run(connection, "COMMIT" if self._whole else "RELEASE SAVEPOINT recollect", ())

    async def undo(self, connection: Any) -> None:
        if self._whole:
            await super().undo(connection)
        elif connection.info.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
            with suppress(psycopg.Error):
                await self.run(connection, "ROLLBACK TO SAVEPOINT recollect", ())
                await self.run(connection, "RELEASE SAVEPOINT recollect", ())


def _turn(driver: Driver) -> Any:
    if driver.blocking:
        from threading import Lock

        return Lock()
    from asyncio import Lock as AsyncLock

    return AsyncLock()
