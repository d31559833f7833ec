"""The seam: statements on a connection of a pool, written once; `blocking.py` and `native.py` are the two ways to wait."""

from __future__ import annotations

import random
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import psycopg
from psycopg.pq import TransactionStatus

from recollect.errors import ConfigError, RecollectError
from recollect.store import Driver
from recollect.stores.postgres.errors import is_undone, translate

T = TypeVar("T")
Values = Sequence[Any]
Rows = list[tuple[Any, ...]]
Run = Callable[[str, Values], Awaitable[Rows]]
Copy = Callable[[str, Iterable[bytes]], Awaitable[None]]


class Link(ABC):
    """Runs statements. Each call has a connection for itself, and gives it back in the state it got it.

    Parameters
    ----------
    driver: waits between tries. shown: the database, for messages. patience: seconds that a lost connection is
        replaced and the call repeated, where repeating is safe.
    """

    is_alone = True
    """Whether `fetch` has a transaction to itself."""
    max_tries = 12
    """Of what the server undid for the sake of another transaction (a deadlock, a serialization failure)."""

    def __init__(self, driver: Driver, *, shown: str, patience: float) -> None:
        self.driver = driver
        self.shown = shown
        self.patience = patience

    @abstractmethod
    async def take(self) -> Any:
        """A connection, idle. Raises what the driver raises, or an error of ours."""

    @abstractmethod
    async def give(self, connection: Any) -> None:
        """Give a connection back."""

    @abstractmethod
    async def drop(self, connection: Any) -> None:
        """Give a connection back that cannot be used any more."""

    @abstractmethod
    async def run(self, connection: Any, sql: str, values: Values) -> Rows:
        """One statement; its rows."""

    @abstractmethod
    async def copy(self, connection: Any, sql: str, data: Iterable[bytes]) -> None:
        """One ``COPY ... FROM STDIN``, with its data in pieces."""

    @abstractmethod
    def hurry(self, connection: Any, is_limited: bool) -> None:
        """Whether this connection gives up a statement that has no answer for too long, or waits for it."""

    @abstractmethod
    async def close(self) -> None:
        """Close the connections that are ours."""

    async def fetch(self, sql: str, values: Values = (), *, repeatable: bool = True) -> Rows:
        """One statement in a transaction of its own.

        Parameters
        ----------
        values: for ``$1``, ``$2`` and so on. repeatable: whether it may run again when nobody knows if it ran.
        """
        return await self._patiently(lambda connection: self.run(connection, sql, values), repeatable)

    async def transaction(
        self, work: Callable[[Run], Awaitable[T]], *, repeatable: bool = True, unhurried: bool = False
    ) -> T:
        """Several statements, all or nothing.

        Parameters
        ----------
        work: may be called again if `repeatable`. unhurried: may take as long as it takes; for what reads or writes whole
            tables, or waits for somebody who does.
        """
        return await self.loading(lambda run, _: work(run), repeatable=repeatable, unhurried=unhurried)

    async def loading(
        self, work: Callable[[Run, Copy], Awaitable[T]], *, repeatable: bool = True, unhurried: bool = False
    ) -> T:
        """The same, with COPY among the statements."""

        async def whole(connection: Any) -> T:
            await self.begin(connection)
            try:
                if unhurried:
                    await self.take_time(connection)
                result = await work(
                    lambda sql, values: self.run(connection, sql, values),
                    lambda sql, data: self.copy(connection, sql, data),
                )
                await self.end(connection)
            except BaseException:
                await self.undo(connection)
                raise
            finally:
                self.hurry(connection, True)
            return result

        return await self._patiently(whole, repeatable)

    async def begin(self, connection: Any) -> None:
        """Begin what `end` makes permanent and `undo` takes back."""
        await self.run(connection, "BEGIN ISOLATION LEVEL READ COMMITTED", ())

    async def take_time(self, connection: Any) -> None:
        """No limit to how long the statements of this transaction take."""
        self.hurry(connection, False)
        await self.run(connection, "SELECT set_config('statement_timeout', '0', true)", ())

    async def end(self, connection: Any) -> None:
        """Make it permanent."""
        await self.run(connection, "COMMIT", ())

    async def undo(self, connection: Any) -> None:
        """Take it back. Where that fails the connection is dropped, and the server takes it back."""
        if connection.info.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
            with suppress(psycopg.Error):
                await self.run(connection, "ROLLBACK", ())

    async def _patiently(self, call: Callable[[Any], Awaitable[T]], repeatable: bool) -> T:
        tries = 0
        deadline = time.monotonic() + self.patience
        while True:
            try:
                connection = await self.take()
            except psycopg.Error as error:
                raise translate(error, self.shown) from error
            try:
                result = await call(connection)
            except psycopg.Error as error:
                lost = connection.closed
                await self._put_back(connection)
                tries += 1
                again = is_undone(error) and tries < self.max_tries
                if not again and not (lost and repeatable and time.monotonic() < deadline):
                    raise translate(error, self.shown) from error
            except BaseException:
                await self._put_back(connection)
                raise
            else:
                await self.give(connection)
                return result
            await self.driver.sleep(random.uniform(0, min(0.002 * 2**tries, 0.2)))

    async def _put_back(self, connection: Any) -> None:
        if connection.closed or connection.info.transaction_status != TransactionStatus.IDLE:
            await self.drop(connection)
        else:
            await self.give(connection)


def not_open() -> RecollectError:
    """The error for a store that is not open, or no longer."""
    return ConfigError("this store is not open")
