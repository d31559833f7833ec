"""Pages of a log as JSON text: the columns of usual messages, each joined by SQLite; see `_columns`."""

from __future__ import annotations

import sqlite3
from time import perf_counter

from recollect.store import LogText
from recollect.store.contract import Key
from recollect.stores._columns import BREAK, TIME_BREAK, Columns, Extent, NotUsual
from recollect.stores.sqlite.by_user import MAX_SEQ
from recollect.stores.sqlite.pages import State, state
from recollect.stores.sqlite.reads import SHORT, NotShort

_TEXTS = f" || '{BREAK}' || ".join(f"group_concat(m.{name}, '{BREAK}')" for name in ("role", "content", "id", "tokens"))
# A content that is a text, neither NULL nor a BLOB, sorts before any BLOB.
_COLUMNS = f"""
SELECT coalesce((SELECT value FROM recollect_meta WHERE name = 'rewrites'), 0), s.last_seq, s.user_id,
    count(m.position), {_TEXTS}, group_concat(m.created_at, '{TIME_BREAK}'), group_concat(m.metadata, '\n')
FROM recollect_sessions AS s CROSS JOIN recollect_messages AS m
    ON m.name IS NULL AND m.parts IS NULL AND m.tool_calls IS NULL AND m.tool_call_id IS NULL AND m.expires_at IS NULL
    AND m.extra = '{{}}' AND m.content < x'' AND m.position BETWEEN
"""
_LIVE = "WHERE s.scope = ?1 AND s.session_id = ?2 AND (s.expires_at IS NULL OR s.expires_at > ?3)"
_UP = f"{_COLUMNS} (s.session_no << 32) + ?4 AND (s.session_no << 32) + ?5 {_LIVE}"
_DOWN = f"""{_COLUMNS}
    (s.session_no << 32) + max(?4, min(?5, s.last_seq) - ?6) AND (s.session_no << 32) + min(?5, s.last_seq)
{_LIVE}"""

_STEPS = 500
"""SQLite's steps between two looks at the clock: a dozen rows."""


def log_text(
    connection: sqlite3.Connection,
    hash: Key,
    after: Key | None,
    before: Key | None,
    limit: int,
    reverse: bool,
    now: str,
    short: bool,
) -> tuple[State, LogText] | None:
    """A page of a session's log, and the session's state then; None if there is nothing to read.

    Raises `NotUsual` if it is not of usual messages only.

    Parameters
    ----------
    short: whether `NotShort` is raised when it takes longer than `SHORT`.
    """
    stretch = Extent.of(after, before, limit, reverse, MAX_SEQ)
    low, high = stretch.low, stretch.high
    if reverse:
        row = _read(connection, _DOWN, (*hash, now, low, high, limit), short)
    else:
        row = _read(connection, _UP, (*hash, now, low, min(high, low + limit)), short)
    rewrites, last, owner, count, texts, times, metadata = row
    if last is None:  # no usual message was found, so there is no row of the session either
        found = state(connection, hash, now)
        if found is None:
            return None
        rewrites, last = found
    page = stretch.page(hash[1], owner, last, count, Columns(texts, times, metadata))
    return None if page is None else (State(rewrites, last), page)


_Row = tuple[int, int | None, str | None, int, str, str, str]


def _read(connection: sqlite3.Connection, statement: str, values: tuple[object, ...], short: bool) -> _Row:
    """The page's columns. `NotUsual` for text that is not UTF-8, and for more than a value may hold."""
    if short:
        end = perf_counter() + SHORT
        connection.set_progress_handler(lambda: perf_counter() > end, _STEPS)
    try:
        row: _Row = connection.execute(statement, values).fetchone()
    except (sqlite3.OperationalError, sqlite3.DataError) as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)  # the driver's own, of text that is not UTF-8
        if code == sqlite3.SQLITE_INTERRUPT:
            raise NotShort from None
        if code in (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_TOOBIG):
            raise NotUsual from None
        raise
    finally:
        if short:
            connection.set_progress_handler(None, 0)
    return row
