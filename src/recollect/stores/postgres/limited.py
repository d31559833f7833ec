"""Connections that do not wait for ever: `statement_timeout` is the server's, and a server that stands still does not keep it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
from psycopg import capabilities
from psycopg.abc import PQGen

T = TypeVar("T")

GRACE = 5.0
"""Seconds beyond `statement_timeout` in which the server may say so itself."""


class NoAnswer(psycopg.OperationalError):
    """Nothing has come from the server for too long."""


def _limited(gen: PQGen[T], limit: float) -> PQGen[T]:
    """The same exchange with the server; `NoAnswer` where nothing has come for so many seconds: `gen` may go on then.

    Whoever drives it sends nothing, many times a second, while there is nothing to be read or written.
    """
    since: float | None = None
    try:
        wanted: Any = next(gen)
        while True:
            ready = yield wanted
            if ready:
                since = None
            elif since is None:
                since = time.monotonic()
            elif time.monotonic() - since > limit:
                raise NoAnswer(f"no answer for {limit:g} seconds")
            wanted = gen.send(ready)
    except StopIteration as stop:
        result: T = stop.value
        return result


class Connection(psycopg.Connection):
    """A connection of the blocking way to wait. `limit`: seconds; None for none."""

    limit: float | None = None

    def wait(self, gen: PQGen[T], *args: Any, **kwargs: Any) -> T:
        return super().wait(gen if self.limit is None else _limited(gen, self.limit), *args, **kwargs)


class AsyncConnection(psycopg.AsyncConnection):
    """A connection of the async way to wait. `limit`: seconds; None for none."""

    limit: float | None = None

    async def wait(self, gen: PQGen[T], *args: Any, **kwargs: Any) -> T:
        return await super().wait(gen if self.limit is None else _limited(gen, self.limit), *args, **kwargs)


class Lent:
    """A connection of the user's, as cursors see it: the same, but a statement that gives no answer is cancelled; one that
    does not even end then raises `NoAnswer`, and the connection is of no use any more.

    The server's `statement_timeout` stays as the user has it.

    Parameters
    ----------
    limit: seconds.
    """

    def __init__(self, connection: Any, limit: float) -> None:
        self._connection = connection
        self._limit = limit

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def wait(self, gen: PQGen[T], *args: Any, **kwargs: Any) -> Any:
        """Consume a generator operating on the connection."""
        try:
            return self._connection.wait(_limited(gen, self._limit), *args, **kwargs)
        except NoAnswer as silence:
            with _or(silence):
                self._connection.cancel_safe(timeout=GRACE)
            with _or(silence, NoAnswer):
                return self._connection.wait(_limited(gen, GRACE), *args, **kwargs)


class AsyncLent(Lent):
    """The same for an async connection."""

    async def wait(self, gen: PQGen[T], *args: Any, **kwargs: Any) -> Any:
        """Consume a generator operating on the connection."""
        try:
            return await self._connection.wait(_limited(gen, self._limit), *args, **kwargs)
        except NoAnswer as silence:
            with _or(silence):
                await self._connection.cancel_safe(timeout=GRACE)
            with _or(silence, NoAnswer):
                return await self._connection.wait(_limited(gen, GRACE), *args, **kwargs)


@contextmanager
def _or(silence: NoAnswer, kind: type[psycopg.Error] = psycopg.Error) -> Iterator[None]:
    """Raise `silence` in place of an error of this kind."""
    if not capabilities.has_cancel_safe():  # an older libpq would wait for a frozen server in the cancelling, too
        raise silence
    try:
        yield
    except kind:
        raise silence from None
