"""The async way to wait: connections of an event loop."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterable

import psycopg
from psycopg.rows import tuple_row

from recollect.errors import Unavailable
from recollect.store import Driver
from recollect.stores.postgres.adapt import adapt, has_rows
from recollect.stores.postgres.limited import AsyncConnection
from recollect.stores.postgres.links import Link, Rows, Values, not_open
from recollect.stores.postgres.settings import Settings, is_quiet


class _Loop:
    """What one event loop has: a connection is of use only to the loop that made it."""

    def __init__(self, size: int) -> None:
        self.free = asyncio.Semaphore(size)
        self.idle: deque[psycopg.AsyncConnection] = deque()


class NativeLink(Link):
    """The same pool as `BlockingLink`, for tasks."""

    def __init__(self, settings: Settings, driver: Driver) -> None:
        super().__init__(driver, shown=settings.shown, patience=settings.connect_timeout)
        self._settings = settings
        self._loops: dict[asyncio.AbstractEventLoop, _Loop] = {}
        self._open = True

    def _mine(self) -> _Loop:
        return self._loops[asyncio.get_running_loop()]

    async def _begin_loop(self) -> _Loop:
        """The first call on an event loop; those that are closed meanwhile are tidied up."""
        for loop in [loop for loop in self._loops if loop.is_closed()]:
            await _close_all(self._loops.pop(loop).idle)
        return self._loops.setdefault(asyncio.get_running_loop(), _Loop(self._settings.pool_size))

    async def take(self) -> psycopg.AsyncConnection:
        if not self._open:
            raise not_open()
        mine = self._loops.get(asyncio.get_running_loop()) or await self._begin_loop()
        if mine.free.locked():
            try:
                async with asyncio.timeout(self._settings.pool_timeout):
                    await mine.free.acquire()
            except TimeoutError:
                raise Unavailable(self._settings.all_busy) from None
        else:
            await mine.free.acquire()
        try:
            while mine.idle:
                connection = mine.idle.pop()
                if is_quiet(connection):
                    return connection
                await connection.close()
            return await self._connect()
        except BaseException:
            mine.free.release()
            raise

    async def _connect(self) -> psycopg.AsyncConnection:
        deadline = time.monotonic() + self._settings.connect_timeout
        while True:
            try:
                connection = await AsyncConnection.connect(
                    self._settings.conninfo, autocommit=True, prepare_threshold=self._settings.prepare_threshold
                )
                connection.limit = self._settings.limit
                adapt(connection)
                return connection
            except psycopg.OperationalError as error:
                if not self._settings.is_starting(error) or time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.05)

    async def give(self, connection: psycopg.AsyncConnection) -> None:
        mine = self._mine()
        if self._open:
            mine.idle.append(connection)
        else:
            await connection.close()
        mine.free.release()

    async def drop(self, connection: psycopg.AsyncConnection) -> None:
        self._mine().free.release()
        await connection.close()

    async def run(self, connection: psycopg.AsyncConnection, sql: str, values: Values) -> Rows:
        cursor = psycopg.AsyncRawCursor(connection, row_factory=tuple_row)
        await cursor.execute(sql, values or None, binary=True)
        return await cursor.fetchall() if has_rows(cursor) else []

    async def copy(self, connection: psycopg.AsyncConnection, sql: str, data: Iterable[bytes]) -> None:
        async with psycopg.AsyncRawCursor(connection).copy(sql) as copy:
            for piece in data:
                await copy.write(piece)

    def hurry(self, connection: AsyncConnection, is_limited: bool) -> None:
        connection.limit = self._settings.limit if is_limited else None

    async def close(self) -> None:
        self._open = False
        for mine in self._loops.values():
            await _close_all(mine.idle)


async def _close_all(idle: deque[psycopg.AsyncConnection]) -> None:
    while idle:
        await idle.pop().close()
