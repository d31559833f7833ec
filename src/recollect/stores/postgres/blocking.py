"""The blocking way to wait: connections shared by threads. No coroutine of this page suspends."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Iterable
from typing import Any

import psycopg
from psycopg.rows import tuple_row

from recollect.errors import Unavailable
from recollect.store import Driver
from recollect.stores.postgres.adapt import adapt, has_rows
from recollect.stores.postgres.links import Link, Rows, Values, not_open
from recollect.stores.postgres.settings import Settings, is_quiet


class BlockingLink(Link):
    """A pool: connections are made when they are needed, in the caller's own thread, so that the caller sees why one
    could not be made; the last one used is the next one taken."""

    def __init__(self, settings: Settings, driver: Driver) -> None:
        super().__init__(driver, shown=settings.shown, patience=settings.connect_timeout)
        self._settings = settings
        self._free = threading.Semaphore(settings.pool_size)
        self._idle: deque[psycopg.Connection] = deque()
        self._pid = os.getpid()
        self._open = True

    async def take(self) -> psycopg.Connection:
        if not self._open:
            raise not_open()
        if self._pid != os.getpid():
            self._forked()
        if not self._free.acquire(timeout=self._settings.pool_timeout):
            raise Unavailable(self._settings.all_busy)
        try:
            while (connection := self._idle_one()) is not None:
                if is_quiet(connection):
                    return connection
                connection.close()
            return self._connect()
        except BaseException:
            self._free.release()
            raise

    def _idle_one(self) -> psycopg.Connection | None:
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _connect(self) -> psycopg.Connection:
        deadline = time.monotonic() + self._settings.connect_timeout
        while True:
            try:
                connection = psycopg.Connection.connect(
                    self._settings.conninfo, autocommit=True, prepare_threshold=self._settings.prepare_threshold
                )
                adapt(connection)
                return connection
            except psycopg.OperationalError as error:
                if not self._settings.is_starting(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    async def give(self, connection: psycopg.Connection) -> None:
        if self._open:
            self._idle.append(connection)
            self._free.release()
            if not self._open:
                self._close_idle()
        else:
            connection.close()

    async def drop(self, connection: psycopg.Connection) -> None:
        connection.close()
        self._free.release()

    async def run(self, connection: psycopg.Connection, sql: str, values: Values) -> Rows:
        cursor = psycopg.RawCursor(connection, row_factory=tuple_row)
        cursor.execute(sql, values or None, binary=True)
        return cursor.fetchall() if has_rows(cursor) else []

    async def copy(self, connection: psycopg.Connection, sql: str, data: Iterable[bytes]) -> None:
        with psycopg.RawCursor(connection).copy(sql) as copy:
            for piece in data:
                copy.write(piece)

    async def close(self) -> None:
        self._open = False
        self._close_idle()

    def _close_idle(self) -> None:
        while (connection := self._idle_one()) is not None:
            connection.close()

    def _forked(self) -> None:
        """In a child after a fork: the parent's connections must not be used, not even closed."""
        _abandoned.append(self._idle)
        self._idle = deque()
        self._free = threading.Semaphore(self._settings.pool_size)
        self._pid = os.getpid()


_abandoned: list[Any] = []
"""Connections of the parent process, kept from the garbage collector: closing them would end the parent's sessions."""
