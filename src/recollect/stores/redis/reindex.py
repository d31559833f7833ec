"""The terms of every message made anew: by other rules, or for a database that had no index so far."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from recollect.model import Message
from recollect.store import Driver
from recollect.store.codec import dump_time
from recollect.stores.redis.documents import indexed_terms
from recollect.stores.redis.keys import Keys
from recollect.stores.redis.paths import AT, PAGE, Paths
from recollect.stores.redis.reads import Reads
from recollect.stores.redis.records import Fields
from recollect.stores.redis.scripts import COMMIT_INDEXED
from recollect.stores.redis.wire import Wire

ROWS = 500
"""Messages in one call of the script, so that appends come in between."""


class Reindexing:
    """Goes through all messages of tenants.

    Parameters
    ----------
    wire: to the server. keys: makes keys. reads, paths: read what is there. driver: tells the time.
    terms: of a message, separated by single spaces. progress: called with the messages done so far.
    """

    def __init__(
        self,
        wire: Wire,
        keys: Keys,
        reads: Reads,
        paths: Paths,
        driver: Driver,
        terms: Callable[[Message], str],
        progress: Callable[[int], object],
    ) -> None:
        self._wire = wire
        self._keys = keys
        self._reads = reads
        self._paths = paths
        self._driver = driver
        self._terms = terms
        self._progress = progress
        self.done = 0

    async def scope(self, scope: str) -> None:
        """All sessions of a tenant. One that is written to meanwhile moves on in the list, and is met again."""
        low = "-"
        while members := await self._paths.members(scope, "sessions", low, "+", PAGE, False):
            for member in members:
                await self._session(scope, member[AT:])
            low = f"({members[-1]}"

    async def _session(self, scope: str, id: str) -> None:
        last = 0
        while rows := await self._reads.log(
            scope, id, dump_time(self._driver.now()), low=last + 1, limit=ROWS, reverse=False
        ):
            await self._write(scope, id, rows)
            last = rows[-1].seq
            self.done += len(rows)
            self._progress(self.done)

    async def _write(self, scope: str, id: str, rows: Sequence[Message]) -> None:
        base, session = self._keys.session(scope, id)
        args: Fields = ["terms", 2 + 3 * len(rows)]
        for row in rows:
            args += (row.seq, row.id, indexed_terms(self._terms(row)))
        now = dump_time(self._driver.now())
        await self._wire.ask(session.header, COMMIT_INDEXED(session, now, base, id, 1, *args))
