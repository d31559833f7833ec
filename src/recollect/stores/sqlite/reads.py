"""Reads: one statement each, filtered by the present instant."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import datetime
from time import perf_counter
from typing import Any

from recollect.errors import Unsupported
from recollect.model import Message, Preferences, Session
from recollect.store.codec import dump_time
from recollect.store.contract import Key, Row
from recollect.store.tables import MESSAGES, PREFERENCES, SESSIONS, SUMMARIES
from recollect.stores._sql import (
    PREFERENCE_COLUMNS,
    columns,
    message_of,
    preferences_of,
    session_of,
    summary_of,
)
from recollect.stores.sqlite import vectors
from recollect.stores.sqlite.by_user import MAX_SEQ, first_at, messages_by_user

_M = columns(MESSAGES, "m.")
_S = columns(SESSIONS, "s.").replace(
    "s.message_count",
    "s.message_count - (SELECT count(*) FROM recollect_messages AS x"
    " WHERE x.session_no = s.session_no AND x.expires_at <= :now)",
)
_LIVE_S = "(s.expires_at IS NULL OR s.expires_at > :now)"
_LIVE_M = "(m.expires_at IS NULL OR m.expires_at > :now)"
_SESSION = "s.scope = :scope AND s.session_id = :session_id"

_LOG = (
    f"SELECT {_M} FROM recollect_sessions AS s CROSS JOIN recollect_messages AS m"
    " ON m.position BETWEEN (s.session_no << 32) + :low AND (s.session_no << 32) + :high"
    f" WHERE {_SESSION} AND {_LIVE_S} AND {_LIVE_M}"
)
_LOG_UP = f"{_LOG} ORDER BY m.position LIMIT :limit"
_LOG_DOWN = f"{_LOG} ORDER BY m.position DESC LIMIT :limit"


SHORT = 0.001
"""Seconds that a read may take in an event loop's thread: some hundreds of usual messages."""

LOGS = frozenset({"messages", "system_messages", "messages_by_id"})
"""Paths within one session: what a page of them costs depends on its own size only."""

Decode = Callable[[sqlite3.Cursor], list[Message]]


class NotShort(Exception):
    """What was begun in an event loop's thread turned out to be long; nothing of it is kept."""


def all_messages(rows: sqlite3.Cursor) -> list[Message]:
    """The messages of all rows."""
    return list(map(message_of, rows))


def few_messages(rows: sqlite3.Cursor) -> list[Message]:
    """The messages of all rows; `NotShort` if that takes longer than `SHORT`."""
    end = perf_counter() + SHORT
    found = []
    for row in rows:
        found.append(message_of(row))
        if perf_counter() > end:
            rows.close()
            raise NotShort
    return found


def get(connection: sqlite3.Connection, table: str, key: Key, now: str) -> Row | None:
    """One live row by its key."""
    if table == "sessions":
        return get_session(connection, key[0], key[1], now)
    if table == "preferences":
        return get_preferences(connection, key[0], key[1])
    if table == "summaries":
        row = connection.execute(
            f"SELECT {columns(SUMMARIES, 'y.')} FROM recollect_sessions AS s"
            f" JOIN recollect_summaries AS y ON y.session_no = s.session_no WHERE {_SESSION} AND {_LIVE_S}",
            {"scope": key[0], "session_id": key[1], "now": now},
        ).fetchone()
        return summary_of(row) if row else None
    if table == "messages":
        found = log(connection, key[:2], (key[2] - 1,), (key[2] + 1,), None, None, 1, False, now)
        return found[0] if found else None
    raise Unsupported(f"no table {table!r}")


def get_session(connection: sqlite3.Connection, scope: str, session_id: str, now: str) -> Session | None:
    """The live header of a session."""
    row = connection.execute(
        f"SELECT {_S} FROM recollect_sessions AS s WHERE {_SESSION} AND {_LIVE_S}",
        {"scope": scope, "session_id": session_id, "now": now},
    ).fetchone()
    return session_of(row) if row else None


def get_preferences(connection: sqlite3.Connection, scope: str, user_id: str) -> Preferences | None:
    """A user's preferences."""
    row = connection.execute(
        f"SELECT {PREFERENCE_COLUMNS} FROM recollect_preferences WHERE scope = ? AND user_id = ?", (scope, user_id)
    ).fetchone()
    return preferences_of(row) if row else None


def live_count(connection: sqlite3.Connection, where: str, values: tuple[Any, ...], now: str) -> int:
    """How many messages of a condition can be read."""
    row = connection.execute(
        f"SELECT count(*) FROM recollect_messages WHERE {where} AND (expires_at IS NULL OR expires_at > ?)",
        (*values, now),
    ).fetchone()
    return int(row[0])


def log(
    connection: sqlite3.Connection,
    hash: Key,
    after: Key | None,
    before: Key | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    reverse: bool,
    now: str,
    decode: Decode = all_messages,
    extra: str = "",
    **more: Any,
) -> list[Message]:
    """A stretch of a session's log."""
    low = min(after[0] + 1, MAX_SEQ) if after else 0
    high = max(0, min(before[0] - 1, MAX_SEQ)) if before else MAX_SEQ
    if low > high:
        return []
    values = {
        "scope": hash[0],
        "session_id": hash[1],
        "low": max(low, 0),
        "high": high,
        "now": now,
        "limit": limit,
        **more,
    }
    if since is None and until is None and not extra:
        return decode(connection.execute(_LOG_DOWN if reverse else _LOG_UP, values))
    conditions = extra
    if since is not None:
        values["since"] = dump_time(since)
        conditions += " AND m.created_at >= :since"
    if until is not None:
        values["until"] = dump_time(until)
        conditions += " AND m.created_at < :until"
    if since is not None or until is not None:
        _narrow(connection, values)
    order = "DESC" if reverse else "ASC"
    return decode(connection.execute(f"{_LOG}{conditions} ORDER BY m.position {order} LIMIT :limit", values))


def _narrow(connection: sqlite3.Connection, values: dict[str, Any]) -> None:
    """Where a session's times grow with its numbers, turn bounds of time into bounds of number, by halving."""
    row = connection.execute(
        "SELECT session_no, time_ordered, last_seq FROM recollect_sessions"
        " WHERE scope = :scope AND session_id = :session_id",
        values,
    ).fetchone()
    if row is None or not row[1]:
        return
    number, _, last = row
    if "since" in values:
        values["low"] = max(values["low"], first_at(connection, number, last, values["since"]))
    if "until" in values:
        values["high"] = min(values["high"], first_at(connection, number, last, values["until"]) - 1)


def query(
    connection: sqlite3.Connection,
    path: str,
    hash: Key,
    after: Key | None,
    before: Key | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    reverse: bool,
    now: str,
    decode: Decode = all_messages,
) -> list[Any]:
    """A page of a declared path.

    Parameters
    ----------
    decode: makes messages of the rows, where the path is one of `LOGS`.
    """
    if path == "messages":
        return log(connection, hash, after, before, since, until, limit, reverse, now, decode)
    if path == "system_messages":
        only = " AND m.role = 'system' AND m.position IN (SELECT (x.session_no << 32) + x.seq FROM recollect_messages"
        only += " AS x WHERE x.session_no = s.session_no AND x.role = 'system')"
        return log(connection, hash, after, before, since, until, limit, reverse, now, decode, only)
    if path == "messages_by_id":
        only = " AND m.position = (SELECT x.position FROM recollect_messages AS x"
        only += " WHERE x.session_no = s.session_no AND x.id = :message_id)"
        return log(connection, hash, after, before, since, until, limit, reverse, now, decode, only, message_id=hash[2])
    if path == "messages_by_user":
        return messages_by_user(connection, hash, after, before, since, until, limit, reverse, now)
    if path in ("sessions", "sessions_by_user"):
        return _sessions(connection, hash, after, before, limit, reverse, now)
    if path == "vectors":
        return list(vectors.query(connection, hash, after, before, limit, reverse, now))
    if path == "preferences":
        return _preferences(connection, hash, after, before, limit, reverse)
    raise Unsupported(f"no path {path!r}")


def _sessions(
    connection: sqlite3.Connection,
    hash: Key,
    after: Key | None,
    before: Key | None,
    limit: int,
    reverse: bool,
    now: str,
) -> list[Session]:
    values: dict[str, Any] = {"scope": hash[0], "now": now, "limit": limit}
    conditions = ""
    if len(hash) > 1:
        values["user_id"] = hash[1]
        conditions = " AND s.user_id = :user_id"
    for name, sign, bound in (("after", ">", after), ("before", "<", before)):
        if bound is not None:
            at = dump_time(bound[0])
            values |= {f"{name}_minute": at[:16], f"{name}_at": at, f"{name}_id": bound[1]}
            conditions += (
                f" AND s.active_minute {sign}= :{name}_minute"
                f" AND (s.updated_at, s.session_id) {sign} (:{name}_at, :{name}_id)"
            )
    order = "DESC" if reverse else "ASC"
    rows = connection.execute(
        f"SELECT {_S} FROM recollect_sessions AS s WHERE s.scope = :scope AND {_LIVE_S}{conditions}"
        f" ORDER BY s.active_minute {order}, s.updated_at {order}, s.session_id {order} LIMIT :limit",
        values,
    )
    return list(map(session_of, rows))


def _preferences(
    connection: sqlite3.Connection, hash: Key, after: Key | None, before: Key | None, limit: int, reverse: bool
) -> list[Preferences]:
    conditions, values = "", [hash[0]]
    if after is not None:
        conditions += " AND user_id > ?"
        values.append(after[0])
    if before is not None:
        conditions += " AND user_id < ?"
        values.append(before[0])
    order = "DESC" if reverse else "ASC"
    rows = connection.execute(
        f"SELECT {columns(PREFERENCES)} FROM recollect_preferences WHERE scope = ?{conditions}"
        f" ORDER BY user_id {order} LIMIT ?",
        (*values, limit),
    )
    return list(map(preferences_of, rows))
