"""The blocking way to wait: connections shared by threads. No coroutine of this page suspends."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import psycopg
from psycopg.rows import tuple_row

from recollect.errors import Unavailable
from recollect.store import Driver
from recollect.stores.postgres.adapt import adapt, has_rows
from recollect.stores.postgres.limited import Connection
from recollect.stores.postgres.links import Link, Rows, Values, not_open
from recollect.stores.postgres.settings import Settings, is_quiet

FRESH = 0.05
"""Seconds for which a connection that was just used is taken as it is. To look at it hands the interpreter lock to whichever
thread waits for it."""


class BlockingLink(Link):
    """A pool: connections are made when they are needed, in the caller's own thread, so that the caller sees why one
    could not be made; the last one used is the next one taken."""

    def __init__(self, settings: Settings, driver: Driver) -> None:
        super().__init__(driver, shown=settings.shown, patience=settings.connect_timeout)
        self._settings = settings
        self._begin_anew()
        self._open = True

    def _begin_anew(self) -> None:
        self._pid = os.getpid()
        self._idle: deque[tuple[psycopg.Connection, float]] = deque()
        self._made = 0
        self._waiting = 0
        self._freed = threading.Condition()

    async def take(self) -> psycopg.Connection:
        if not self._open:
            raise not_open()
        if self._pid != os.getpid():
            self._forked()
        return self._idle_one() or self._wait_for_one() or self._make_one()

    def _idle_one(self) -> psycopg.Connection | None:
        """The one that was used last, if it is still one."""
        while True:
            try:
                connection, since = self._idle.pop()
            except IndexError:
                return None
            if time.monotonic() - since < FRESH or is_quiet(connection):
                return connection
            connection.close()
            with self._freed:
                self._made -= 1

    def _wait_for_one(self) -> psycopg.Connection | None:
        """A connection that was given back; None where one more may be made."""
        deadline = time.monotonic() + self._settings.pool_timeout
        with self._freed:
            # The look goes behind this: who gives back appends first and looks for waiters then.
            self._waiting += 1
            try:
                while True:
                    connection = self._idle_one()
                    if connection is not None:
                        return connection
                    if self._made < self._settings.pool_size:
                        self._made += 1
                        return None
                    left = deadline - time.monotonic()
                    if left <= 0:
                        raise Unavailable(self._settings.all_busy)
                    self._freed.wait(left)
            finally:
                self._waiting -= 1

    def _make_one(self) -> psycopg.Connection:
        try:
            return self._connect()
        except BaseException:
            self._forget_one()
            raise

    def _forget_one(self) -> None:
        with self._freed:
            self._made -= 1
            self._freed.notify()

    def _connect(self) -> psycopg.Connection:
        deadline = time.monotonic() + self._settings.connect_timeout
        while True:
            try:
                connection = Connection.connect(
                    self._settings.conninfo, autocommit=True, prepare_threshold=self._settings.prepare_threshold
                )
                connection.limit = self._settings.limit
                adapt(connection)
                return connection
            except psycopg.OperationalError as error:
                if not self._settings.is_starting(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    async def give(self, connection: psycopg.Connection) -> None:
        if not self._open:
            await self.drop(connection)
            return
        self._idle.append((connection, time.monotonic()))
        if self._waiting:
            with self._freed:
                self._freed.notify()
        if not self._open:
            self._close_idle()

    async def drop(self, connection: psycopg.Connection) -> None:
        connection.close()
        self._forget_one()

    async def run(self, connection: psycopg.Connection, sql: str, values: Values) -> Rows:
        cursor = psycopg.RawCursor(connection, row_factory=tuple_row)
        cursor.execute(sql, values or None, binary=True)
        return cursor.fetchall() if has_rows(cursor) else []

    async def copy(self, connection: psycopg.Connection, sql: str, data: Iterable[bytes]) -> None:
        with psycopg.RawCursor(connection).copy(sql) as copy:
            for piece in data:
                copy.write(piece)

    def hurry(self, connection: Connection, is_limited: bool) -> None:
        connection.limit = self._settings.limit if is_limited else None

    async def close(self) -> None:
        self._open = False
        self._close_idle()

    def _close_idle(self) -> None:
        while self._idle:
            with suppress(IndexError):
                connection, _ = self._idle.pop()
                connection.close()
                self._forget_one()

    def _forked(self) -> None:
        """In a child after a fork: the parent's connections must not be used, not even closed."""
        _abandoned.append(self._idle)
        self._begin_anew()


_abandoned: list[Any] = []
"""Connections of the parent process, kept from the garbage collector: closing them would end the parent's sessions."""
