"""Many appends to many sessions at once, table by table: an import's way.

Appended one by one, each session's header, counters and entry of the feed are statements of their own, and the pages of
a message table that is clustered by session are visited at random. Here the headers are read together, and all rows of
a table are written by one statement, in the order of its key.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime

from recollect.store import Append, Appended, Commit
from recollect.store.codec import dump_time
from recollect.stores.sqlite.append import COUNT_UP, INSERT_NEW, MINUTE, Head, begin, filled, numbered
from recollect.stores.sqlite.by_user import MAX_SEQ

LEAST = 16
"""Commits for which this way is worth looking at."""

_HEADERS_AT_ONCE = 250
_HEADERS = f"""
SELECT session_id, session_no, user_id, last_seq, updated_at, ttl, first_message_at, last_message_at, time_ordered,
    active_minute, expires_at
FROM recollect_sessions WHERE scope = ? AND session_id IN ({", ".join("?" * _HEADERS_AT_ONCE)})
"""
_NEW_HEADER = """
INSERT INTO recollect_sessions (session_no, scope, session_id, user_id, message_count, last_seq, created_at, updated_at,
    active_minute, first_message_at, last_message_at, time_ordered)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_CHANGES = """
INSERT INTO recollect_changes (scope, kind, table_name, partition_id, session_no, first_seq, last_seq, at)
VALUES (?, 'append', 'messages', ?, ?, ?, ?, ?)
"""
_KNOWN = "SELECT 1 FROM recollect_messages WHERE session_no = ? AND id = ?"


class Unusual(Exception):
    """One of the appends needs to be looked at by itself; what was written so far is to be undone."""


def append_all(connection: sqlite3.Connection, commits: Sequence[Commit], now: datetime) -> list[list[Appended]]:
    """Write commits of one append each, of new messages only, to sessions that live for ever.

    Raises `Unusual` for everything else: ids that are there already, owners that change, lifetimes, other operations.
    """
    scope = commits[0].partition.scope
    appends: dict[str, Append] = {}
    for partition, ops in commits:
        op = ops[0] if len(ops) == 1 else None
        usual = isinstance(op, Append) and op.rows and op.session.ttl is None
        if not usual or partition.scope != scope or partition.id in appends:
            raise Unusual
        assert isinstance(op, Append)
        appends[partition.id] = op
    text = dump_time(now)
    heads = _heads(connection, scope, appends)
    new = _new_heads(connection, appends, heads, text)
    before = {session: head.last for session, head in heads.items()}
    rows = []
    results = []
    for session, op in appends.items():
        head = heads.get(session) or new[session]
        if len({row.id for row in op.rows}) < len(op.rows) or head.last + len(op.rows) > MAX_SEQ:
            raise Unusual
        appended = Appended()
        for message, terms in zip(op.rows, op.terms, strict=True):
            stored, row = numbered(scope, session, head, message, terms, text)
            appended.append(stored)
            rows.append(row)
        appended.written = len(appended)
        results.append([appended])
    rows.sort(key=_position)
    written = connection.executemany(INSERT_NEW, rows).rowcount
    if written < len(rows):
        raise Unusual
    connection.executemany(
        _NEW_HEADER,
        [
            (
                head.number,
                scope,
                session,
                head.owner,
                head.last,
                head.last,
                min(text, head.earliest),
                head.updated,
                head.updated[:16],
                head.earliest,
                head.latest,
                head.ordered,
            )
            for session, head in new.items()
        ],
    )
    connection.executemany(
        COUNT_UP,
        [head.counted(head.last - before[session]) for session, head in heads.items()],
    )
    connection.executemany(
        MINUTE, [(head.updated[:16], head.number) for head in heads.values() if head.updated[:16] != head.minute]
    )
    connection.executemany(
        _CHANGES,
        [
            (scope, session, head.number, before.get(session, 0) + 1, head.last, text)
            for session in appends
            for head in (heads.get(session) or new[session],)
        ],
    )
    return results


def _position(row: tuple[int, ...]) -> int:
    return row[0]


def _heads(connection: sqlite3.Connection, scope: str, appends: dict[str, Append]) -> dict[str, Head]:
    """The headers that are there."""
    heads: dict[str, Head] = {}
    sessions = list(appends)
    for start in range(0, len(sessions), _HEADERS_AT_ONCE):
        some = filled(sessions[start : start + _HEADERS_AT_ONCE], _HEADERS_AT_ONCE)
        for row in connection.execute(_HEADERS, (scope, *some)):
            session, number, owner, last, updated, ttl, earliest, latest, ordered, minute, expires = row
            wanted = appends[session].session.user_id
            if expires is not None or (wanted is not None and wanted != owner):
                raise Unusual
            heads[session] = Head(number, owner, last, updated, ttl, earliest, latest, ordered, minute)
    session, head = next(iter(heads.items()), (None, None))
    if session is not None and head is not None:  # a look at one tells an import that is repeated
        known = connection.execute(_KNOWN, (head.number, appends[session].rows[0].id)).fetchone()
        if known is not None:
            raise Unusual
    return heads


def _new_heads(
    connection: sqlite3.Connection, appends: dict[str, Append], heads: dict[str, Head], now: str
) -> dict[str, Head]:
    """Headers for the sessions that are not there, under the numbers that SQLite would give them."""
    (number,) = connection.execute("SELECT coalesce(max(session_no), 0) FROM recollect_sessions").fetchone()
    new: dict[str, Head] = {}
    for session, op in appends.items():
        if session not in heads:
            number += 1
            begun = begin(op.rows, now)
            new[session] = Head(number, op.session.user_id, 0, begun, None, "9", "", 1, begun[:16])
    return new
