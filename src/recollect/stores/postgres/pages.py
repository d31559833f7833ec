"""Pages of a log as JSON text: the columns of usual messages, each joined by PostgreSQL; see `_columns`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from recollect.store import LogText
from recollect.store.contract import Key
from recollect.stores._columns import BREAK, LEAST, TIME_BREAK, Columns, Extent, NotUsual
from recollect.stores.postgres.names import in_schema
from recollect.stores.postgres.text import MARK, escape, unescape_or_none

MOST = 1000
"""Messages of a page that is read so. With `_LONG` it keeps a column far below the gigabyte that a value may have: an
error would break the transaction of whoever lends us a connection."""

_LONG = 100_000
"""Bytes of a content that is no usual one. To know them PostgreSQL does not unpack the content."""

_TEXTS = f" || '{BREAK}' || ".join(f"string_agg(u.{name}, '{BREAK}')" for name in ("role", "content", "id", "tokens"))
_PAGE = f"""
SELECT s.last_seq, s.user_id, p.*
FROM recollect.sessions AS s CROSS JOIN LATERAL (
    SELECT count(*), {_TEXTS}, string_agg(u.at, '{TIME_BREAK}'), string_agg(u.metadata, '\n')
    FROM (
        SELECT m.role, m.content, m.id, m.tokens::text AS tokens,
            to_char(m.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at,
            coalesce(m.metadata_exact::text, m.metadata::text) AS metadata
        FROM recollect.messages AS m
        WHERE m.session_no = s.session_no AND m.seq BETWEEN {{low}} AND {{high}}
            AND octet_length(m.content) < {_LONG} AND m.name IS NULL AND m.parts IS NULL AND m.tool_calls IS NULL
            AND m.tool_call_id IS NULL AND m.expires_at IS NULL AND m.extra::text = '{{{{}}}}'
            AND m.created_at BETWEEN '0001-01-01 00:00:00+00' AND '9999-12-31 23:59:59.999999+00'
        ORDER BY m.seq
    ) AS u
) AS p
WHERE s.scope = $2 AND s.session_id = $3 AND (s.expires_at IS NULL OR s.expires_at > $1)
"""
_UP = _PAGE.format(low="$4::bigint", high="$5::bigint")
_DOWN = _PAGE.format(
    low="greatest($4::bigint, least($5::bigint, s.last_seq) - $6::bigint)", high="least($5::bigint, s.last_seq)"
)


class Pages:
    """The statements, for one schema."""

    def __init__(self, schema: str) -> None:
        self._up, self._down = in_schema(_UP, schema), in_schema(_DOWN, schema)

    def ask(self, hash: Key, stretch: Extent, now: datetime) -> tuple[str, tuple[Any, ...]] | None:
        """A statement and its values; None for a page that is better read by rows."""
        low, high, limit, reverse = stretch
        if not LEAST <= limit <= MOST:
            return None
        values = (now, *map(escape, hash), str(low))
        if reverse:
            return self._down, (*values, str(high), str(limit))
        return self._up, (*values, str(min(high, low + limit)))

    def read(self, rows: Sequence[Any], hash: Key, stretch: Extent) -> LogText | None:
        """The page; None if it is empty. Raises `NotUsual`."""
        if not rows:
            return None
        last, owner, count, texts, times, metadata = rows[0]
        if count and MARK in texts:
            raise NotUsual
        return stretch.page(hash[1], unescape_or_none(owner), last, count, Columns(texts, times, metadata))
