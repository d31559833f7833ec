"""Connections that do not wait for ever: `statement_timeout` is the server's, and a server that stands still does not keep it."""

from __future__ import annotations

import time
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen

T = TypeVar("T")

GRACE = 5.0
"""Seconds beyond `statement_timeout` in which the server may say so itself."""


def _limited(gen: PQGen[T], limit: float) -> PQGen[T]:
    """The same exchange with the server; `psycopg.OperationalError` where nothing has come for so many seconds.

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
                raise psycopg.OperationalError(f"no answer for {limit:g} seconds")
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
