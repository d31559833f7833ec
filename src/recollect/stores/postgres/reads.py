"""Reads: one statement each, filtered by the present instant."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from recollect.errors import Unsupported
from recollect.store import PATHS, Stretch
from recollect.store.contract import Key, Row
from recollect.stores.postgres.names import in_schema
from recollect.stores.postgres.rows import (
    MESSAGE_COLUMNS,
    PREFERENCE_COLUMNS,
    SESSION_COLUMNS,
    SUMMARY_COLUMNS,
    VECTOR_COLUMNS,
    message_of,
    preferences_of,
    session_of,
    summary_of,
    vector_of,
)
from recollect.stores.postgres.text import escape

MAX_SEQ = 2**63 - 1

_COUNTED = SESSION_COLUMNS.replace(
    "s.message_count",
    "s.message_count - (SELECT count(*) FROM recollect.messages AS x"
    " WHERE x.session_no = s.session_no AND x.expires_at <= $1) AS message_count",
)
_LIVE_SESSION = "(s.expires_at IS NULL OR s.expires_at > $1)"
_LIVE_MESSAGE = "(m.expires_at IS NULL OR m.expires_at > $1)"
_NUMBER = (
    f"(SELECT s.session_no FROM recollect.sessions AS s WHERE s.scope = $2 AND s.session_id = $3 AND {_LIVE_SESSION})"
)
_LOG = f"SELECT {MESSAGE_COLUMNS} FROM recollect.messages AS m WHERE m.session_no = {_NUMBER} AND {_LIVE_MESSAGE}"

# The orders below also steer the planner: of two indexes that look alike to it, it takes the one that gives the order.
_GET: dict[str, tuple[str, Callable[[Any], Row]]] = {
    "sessions": (
        f"SELECT {_COUNTED} FROM recollect.sessions AS s WHERE s.scope = $2 AND s.session_id = $3 AND {_LIVE_SESSION}",
        session_of,
    ),
    "messages": (f"{_LOG} AND m.seq BETWEEN $4 AND $4 ORDER BY m.seq LIMIT 1", message_of),
    "summaries": (f"SELECT {SUMMARY_COLUMNS} FROM recollect.summaries AS y WHERE y.session_no = {_NUMBER}", summary_of),
    "preferences": (
        f"SELECT {PREFERENCE_COLUMNS} FROM recollect.preferences AS p WHERE p.scope = $1 AND p.user_id = $2",
        preferences_of,
    ),
}


# Each part is a look into the primary key; without LATERAL and its LIMIT the planner may read the table instead.
_PARTS = f"""
FROM unnest($3::text[], $4::text[]::bigint[], $5::text[]::bigint[]) WITH ORDINALITY AS q (session_id, first, last, n)
JOIN recollect.sessions AS s ON s.scope = $2 AND s.session_id = q.session_id AND {_LIVE_SESSION}
CROSS JOIN LATERAL (
    SELECT x.* FROM recollect.{{table}} AS x
    WHERE x.session_no = s.session_no AND x.seq BETWEEN q.first AND q.last ORDER BY x.seq LIMIT q.last - q.first + 1
) AS {{alias}}
"""
_STRETCHES: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "messages": (
        f"SELECT q.n, {MESSAGE_COLUMNS}{_PARTS.format(table='messages', alias='m')}WHERE {_LIVE_MESSAGE}"
        " ORDER BY q.n, m.seq",
        message_of,
    ),
    "vectors": (
        f"SELECT q.n, {VECTOR_COLUMNS}{_PARTS.format(table='vectors', alias='v')}WHERE EXISTS (SELECT"
        f" FROM recollect.messages AS m WHERE m.session_no = v.session_no AND m.seq = v.seq AND {_LIVE_MESSAGE})"
        " ORDER BY q.n, v.seq",
        vector_of,
    ),
}


class Statement(NamedTuple):
    """A statement, its values, and what makes a record of a row; without SQL there is nothing to ask."""

    sql: str
    values: tuple[Any, ...]
    record: Callable[[Any], Any]


_NOTHING = Statement("", (), message_of)


class Reads:
    """The statements, for one schema."""

    def __init__(self, schema: str) -> None:
        self._schema = schema
        self._get: dict[str, tuple[str, Callable[[Any], Row]]] = {
            name: (in_schema(sql, schema), record) for name, (sql, record) in _GET.items()
        }
        self._made: dict[tuple[Any, ...], str] = {}

    def get(self, table: str, key: Key, now: datetime) -> Statement:
        """One live row by its key."""
        if table not in self._get:
            raise Unsupported(f"no table {table!r}")
        sql, record = self._get[table]
        texts = tuple(escape(part) for part in key[:2])
        if table == "preferences":
            return Statement(sql, texts, record)
        if table == "messages":
            return Statement(sql, (now, *texts, str(key[2])), record) if 0 < key[2] <= MAX_SEQ else _NOTHING
        return Statement(sql, (now, *texts), record)

    def query(
        self,
        path: str,
        hash: Key,
        after: Key | None,
        before: Key | None,
        since: datetime | None,
        until: datetime | None,
        limit: int,
        reverse: bool,
        now: datetime,
    ) -> Statement:
        """A page of a declared path."""
        declared = PATHS.get(path)
        if declared is None or path not in _PATHS:
            raise Unsupported(f"no path {path!r}")
        if limit < 1:
            return _NOTHING
        begin, table, order, record = _PATHS[path]
        if declared.table != "messages":
            since = until = None
        values: list[Any] = [] if path == "preferences" else [now]
        values += [escape(part) for part in hash]
        bounds = (
            (after, ">", order),
            (before, "<", order),
            (None if since is None else (since,), ">=", "m.created_at"),
            (None if until is None else (until,), "<", "m.created_at"),
        )
        shape: tuple[Any, ...] = (path, reverse, *(bound is None for bound, _, _ in bounds))
        sql = self._made.get(shape)
        if sql is None:
            sql = self._made[shape] = in_schema(_made(begin, table, order, bounds, reverse, len(values)), self._schema)
        for bound, _, _ in bounds:
            if bound is not None:
                values += [_value(part) for part in bound]
        values.append(str(min(limit, MAX_SEQ)))
        return Statement(sql, tuple(values), record)

    def stretches(self, path: str, scope: str, asked: Sequence[Stretch], now: datetime) -> Statement:
        """Parts of logs; each row begins with the number of its part."""
        sql, record = _STRETCHES[path]
        ids, firsts, lasts = zip(*asked, strict=True)
        values = (now, escape(scope), list(map(escape, ids)), list(map(_value, firsts)), list(map(_value, lasts)))
        return Statement(in_schema(sql, self._schema), values, record)


def _value(part: Any) -> Any:
    if isinstance(part, str):
        return escape(part)
    if isinstance(part, int):
        return str(max(min(part, MAX_SEQ), -MAX_SEQ))
    return part


def _made(begin: str, table: str, order: str, bounds: Any, reverse: bool, count: int) -> str:
    sql = begin
    for bound, sign, columns in bounds:
        if bound is None:
            continue
        places = ", ".join(f"${count + n}" for n in range(1, len(bound) + 1))
        count += len(bound)
        sql += f" AND ({columns}) {sign} ({places})"
        if table == "sessions":
            # The index by activity holds the minute.
            minute = (
                f"date_bin('1 minute', ${count - len(bound) + 1}::timestamptz, timestamptz '2000-01-01 00:00:00+00')"
            )
            sql += f" AND s.active_minute {sign}= {minute}"
    first = "s.active_minute, " if table == "sessions" else ""
    way = " DESC" if reverse else ""
    by = ", ".join(column + way for column in (first + order).split(", "))
    return f"{sql} ORDER BY {by} LIMIT ${count + 1}"


_PATHS: dict[str, tuple[str, str, str, Callable[[Any], Any]]] = {
    "messages": (_LOG, "messages", "m.seq", message_of),
    "system_messages": (f"{_LOG} AND m.role = 'system'", "messages", "m.seq", message_of),
    "messages_by_id": (
        f"SELECT {MESSAGE_COLUMNS} FROM recollect.messages AS m WHERE m.ctid ="
        f" (SELECT k.ctid FROM recollect.messages AS k WHERE k.session_no = {_NUMBER} AND k.id BETWEEN $4 AND $4"
        f" ORDER BY k.id LIMIT 1) AND {_LIVE_MESSAGE}",
        "messages",
        "m.seq",
        message_of,
    ),
    "vectors": (
        f"SELECT {VECTOR_COLUMNS} FROM recollect.vectors AS v WHERE v.session_no = {_NUMBER} AND EXISTS"
        f" (SELECT FROM recollect.messages AS m WHERE m.session_no = v.session_no AND m.seq = v.seq AND {_LIVE_MESSAGE})",
        "vectors",
        "v.seq",
        vector_of,
    ),
    "messages_by_user": (
        f"SELECT {MESSAGE_COLUMNS} FROM recollect.messages AS m WHERE m.scope = $2 AND m.user_id = $3 AND {_LIVE_MESSAGE}"
        f" AND EXISTS (SELECT FROM recollect.sessions AS s WHERE s.session_no = m.session_no AND {_LIVE_SESSION})",
        "messages",
        "m.created_at, m.session_id, m.seq",
        message_of,
    ),
    "sessions": (
        f"SELECT {_COUNTED} FROM recollect.sessions AS s WHERE s.scope = $2 AND {_LIVE_SESSION}",
        "sessions",
        "s.updated_at, s.session_id",
        session_of,
    ),
    "sessions_by_user": (
        f"SELECT {_COUNTED} FROM recollect.sessions AS s WHERE s.scope = $2 AND s.user_id = $3 AND {_LIVE_SESSION}",
        "sessions",
        "s.updated_at, s.session_id",
        session_of,
    ),
    "preferences": (
        f"SELECT {PREFERENCE_COLUMNS} FROM recollect.preferences AS p WHERE p.scope = $1",
        "preferences",
        "p.user_id",
        preferences_of,
    ),
}
