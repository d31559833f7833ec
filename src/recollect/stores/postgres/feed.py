"""The feed: entries in the order of (tx, id), up to the oldest transaction that is still open.

An entry becomes visible with its commit, but transactions commit in another order than they began. So a reader stops
below ``pg_snapshot_xmin``: nothing can appear there any more. What is committed above it waits until the older
transactions have ended; they are short, so a reader who could have seen more waits a moment for them.
"""

from __future__ import annotations

import re

from recollect.errors import InvalidInput
from recollect.model import Change
from recollect.store.guards import swept_away
from recollect.stores.postgres.links import Link, Rows
from recollect.stores.postgres.names import in_schema
from recollect.stores.postgres.rows import CHANGE_COLUMNS, change_of
from recollect.stores.postgres.text import escape

PAUSES = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128)
"""Seconds, one after the other, that a reader waits for an older transaction: a quarter of a second in all. A longer
one (a migration, a load of the user's own) holds the feed back until it ends."""

_CURSOR = re.compile(r"(\d{1,18})-(\d{1,18})", re.ASCII)
_BOUNDS = """
SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint, pg_snapshot_xmax(pg_current_snapshot())::text::bigint,
    coalesce((SELECT w.tx FROM recollect.swept AS w WHERE w.scope = $1), 0),
    coalesce((SELECT w.id FROM recollect.swept AS w WHERE w.scope = $1), 0),
    coalesce((SELECT c.tx FROM recollect.changes AS c WHERE c.scope = $1 ORDER BY c.tx DESC, c.id DESC LIMIT 1), 0)
"""
_BOUND = 5
"""Columns of `_BOUNDS`."""
_PAGE = f"""
SELECT b.*, p.* FROM ({_BOUNDS}) AS b (low, high, swept_tx, swept_id, newest)
LEFT JOIN LATERAL (
    SELECT {CHANGE_COLUMNS} FROM recollect.changes AS c
    WHERE c.scope = $1 AND (c.tx, c.id) > ($2, $3) AND c.tx < b.low
    ORDER BY c.tx, c.id LIMIT $4
) AS p ON true
ORDER BY p.tx, p.id
"""
"""The page and what it has to be judged by, as they were at one instant: a sweep in between would leave a gap that nobody sees."""


class Feed:
    """The feed, for one schema."""

    def __init__(self, schema: str) -> None:
        self._bounds = in_schema(_BOUNDS, schema)
        self._page = in_schema(_PAGE, schema)

    async def changes(self, link: Link, scope: str, after: str | None, limit: int) -> list[Change]:
        """Entries behind a cursor."""
        start = place_of(after)
        values = (escape(scope), str(start[0]), str(start[1]), str(max(0, min(limit, 2**62))))
        rows = await link.fetch(self._page, values)
        low, newest = rows[0][0], rows[0][_BOUND - 1]
        found = _changes(rows, after, start)
        if len(found) < limit and newest >= low:
            await self._wait(link, values[0], low, newest)
            found = _changes(await link.fetch(self._page, values), after, start)
        return found

    async def settled(self, link: Link) -> None:
        """Wait a moment for the transactions that are open now."""
        ((low, high, *_),) = await link.fetch(self._bounds, ("",))
        await self._wait(link, "", low, high - 1)

    async def _wait(self, link: Link, scope: str, low: int, wanted: int) -> None:
        for pause in PAUSES:
            if low > wanted:
                return
            await link.driver.sleep(pause)
            ((low, *_),) = await link.fetch(self._bounds, (scope,))


def _changes(rows: Rows, after: str | None, start: tuple[int, int]) -> list[Change]:
    """The entries of a page. Raises `InvalidInput` and `NotFound` for a cursor that has no place in this feed."""
    _, high, *swept, _ = rows[0][:_BOUND]
    if start[0] >= high:
        raise InvalidInput(f"not a cursor of this feed: {after!r}", field="after")
    if after is not None and start < tuple(swept):
        raise swept_away()
    return [change_of(row[_BOUND:]) for row in rows if row[_BOUND] is not None]


def place_of(cursor: str | None) -> tuple[int, int]:
    """The transaction and the entry of a cursor; before all others for None. Raises `InvalidInput` for what is none."""
    if cursor is None:
        return 0, 0
    match = _CURSOR.fullmatch(cursor)
    if match is None:
        raise InvalidInput(f"not a cursor of this feed: {cursor[:40]!r}", field="after")
    return int(match[1]), int(match[2])
