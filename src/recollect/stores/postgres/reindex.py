"""Terms made anew by other rules, while work goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from recollect.model import Message
from recollect.stores.postgres.links import Link
from recollect.stores.postgres.names import in_schema
from recollect.stores.postgres.rows import MESSAGE_COLUMNS, message_of
from recollect.stores.postgres.terms import encode

ROWS = 500
"""In one step, so that appends come in between."""

_VERSION = "SELECT value FROM recollect.meta WHERE name = 'analyzer'"
_SET_VERSION = """
INSERT INTO recollect.meta (name, value) VALUES ('analyzer', $1)
ON CONFLICT (name) DO UPDATE SET value = excluded.value
"""
_PAGE = f"""
SELECT m.session_no, m.terms, {MESSAGE_COLUMNS} FROM recollect.messages AS m
WHERE (m.session_no, m.seq) > ($1, $2) ORDER BY m.session_no, m.seq LIMIT {ROWS}
"""
_RENEW = """
UPDATE recollect.messages AS m SET terms = g.terms
FROM unnest($1::text[]::bigint[], $2::text[]::bigint[], $3::text[]) AS g (session_no, seq, terms)
WHERE m.session_no = g.session_no AND m.seq = g.seq
"""


class Reindex:
    """The rules of the index's terms, for one schema."""

    def __init__(self, schema: str) -> None:
        self._version = in_schema(_VERSION, schema)
        self._set_version = in_schema(_SET_VERSION, schema)
        self._page = in_schema(_PAGE, schema)
        self._renew = in_schema(_RENEW, schema)

    async def version(self, link: Link) -> int:
        """Of the rules by which the terms were made."""
        rows = await link.fetch(self._version)
        return int(rows[0][0]) if rows else 0

    async def mark(self, link: Link, version: int) -> None:
        """Note it."""
        await link.fetch(self._set_version, (str(version),))

    async def run(
        self, link: Link, version: int, terms: Callable[[Message], str], progress: Callable[[int], object]
    ) -> int:
        """Make all terms anew, then note the version; how many messages were looked at."""

        def changed(rows: list[tuple[Any, ...]]) -> list[tuple[str, str, str]]:
            found = []
            for number, old, *row in rows:
                message = message_of(row)
                new = encode(terms(message))
                if new != old:
                    found.append((str(number), str(message.seq), new))
            return found

        place, done = ("0", "0"), 0
        while True:
            rows = await link.fetch(self._page, place)
            if new := await link.driver.run(changed, rows):
                await link.fetch(self._renew, tuple(map(list, zip(*new, strict=True))))
            done += len(rows)
            if len(rows) < ROWS:
                await self.mark(link, version)
                return done
            place = (str(rows[-1][0]), str(rows[-1][3]))
            progress(done)
