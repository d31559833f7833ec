"""Many appends to many sessions at once, table by table: an import's way.

Appended one by one, each session's header, counters and entry of the feed are statements of their own, and the pages of
a message table that is clustered by session are visited at random. Here the headers are read together, and all rows of
a table are written by one statement, in the order of its key.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import chain, compress, count, repeat
from operator import attrgetter
from typing import Any

from recollect.model import Message
from recollect.store import Append, Appended, Commit
from recollect.store.codec import dump_time
from recollect.store.prepared import Columns, prepared
from recollect.stores.sqlite import index
from recollect.stores.sqlite.append import COUNT_UP, INSERT_NEW, MINUTE, Head, filled
from recollect.stores.sqlite.by_user import MAX_SEQ

LEAST = 16
LEAST_ROWS = 256
"""Commits, or rows of a single one, for which this way is worth looking at."""

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
_INSERT_PLAIN = """
INSERT INTO recollect_messages (position, scope, session_no, session_id, seq, id, role, content, user_id, metadata,
    extra, created_at, tokens, terms)
VALUES (?1, ?2, ?1 >> 32, ?3, ?1 & 0xffffffff, ?4, ?5, ?6, ?7, '{}', '{}', ?8, ?9, ?10)
"""
"""Of a row that has no more: a third faster than with each column a value."""
_NUMBER = attrgetter("number")
_KNOWN = "SELECT 1 FROM recollect_messages WHERE session_no = ? AND id = ?"


def worthwhile(commits: Sequence[Commit]) -> bool:
    """Whether `append_all` may be faster for them than one after the other."""
    if len(commits) >= LEAST:
        return True
    rows = sum(len(op.rows) for commit in commits for op in commit.ops if isinstance(op, Append))
    return rows >= LEAST_ROWS * max(1, len(commits))


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
    columns = {session: prepared(op.rows, op.terms) for session, op in appends.items()}
    heads = _heads(connection, scope, appends, columns)
    new = _new_heads(connection, appends, columns, heads, text)
    before = {session: head.last for session, head in heads.items()}
    runs = []
    results = []
    for session, op in appends.items():
        head = heads.get(session) or new[session]
        rows = columns[session]
        if len(set(rows.ids)) < len(rows) or head.last + len(rows) > MAX_SEQ:
            raise Unusual
        run = Rows(scope, session, head.owner, head.number, head.last + 1, rows)
        runs.append(run)
        _count(head, rows, text)
        appended = Appended(run.messages() if op.echo else ())
        appended.written = len(rows)
        results.append([appended])
    runs.sort(key=_NUMBER)
    try:
        connection.executemany(_INSERT_PLAIN, chain.from_iterable(map(Rows.plain, runs)))
    except sqlite3.IntegrityError as error:  # an id that is there
        raise Unusual from error
    others = [values for run in runs for values in run.others()]
    if others and connection.executemany(INSERT_NEW, others).rowcount < len(others):
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


class Rows:
    """The rows of an append under their numbers.

    Parameters
    ----------
    number: of the session. first: the ``seq`` of the first of them.
    """

    __slots__ = ("first", "number", "owner", "rows", "scope", "session")

    def __init__(self, scope: str, session: str, owner: str | None, number: int, first: int, rows: Columns) -> None:
        self.scope = scope
        self.session = session
        self.owner = owner
        self.number = number
        self.first = first
        self.rows = rows

    def plain(self) -> Iterator[tuple[Any, ...]]:
        """The values of `_INSERT_PLAIN`, for rows that have no more."""
        rows = self.rows
        values = zip(
            count(self.number << 32 | self.first),
            repeat(self.scope),
            repeat(self.session),
            rows.ids,
            rows.roles,
            rows.texts,
            repeat(self.owner),
            rows.created,
            rows.tokens,
            index.encode_all(rows.terms),
            strict=False,  # three of them are endless
        )
        return compress(values, [place not in rows.more for place in range(len(rows))]) if rows.more else values

    def others(self) -> Iterator[tuple[Any, ...]]:
        """The values of `INSERT_NEW`, for rows that have more."""
        number, rows = self.number, self.rows
        for place, more in rows.more.items():
            seq = self.first + place
            said = (rows.ids[place], rows.roles[place], rows.texts[place])
            head = (number << 32 | seq, self.scope, number, self.session, seq, *said)
            calls = (more.tool_calls, more.tool_call_id, more.extra)
            tail = (rows.created[place], more.expires_at, rows.tokens[place], index.encode(rows.terms[place]))
            yield (*head, more.parts, more.name, self.owner, more.metadata, *calls, *tail)

    def messages(self) -> Iterator[Message]:
        """The messages as they are stored."""
        for place in range(len(self.rows)):
            message = self.rows.message(place)
            yield message.replace(seq=self.first + place, session_id=self.session, user_id=self.owner)


def _count(head: Head, rows: Columns, now: str) -> None:
    """Count a header on by rows."""
    created = list(rows.created)
    in_order = sorted(created)
    if created != in_order or created[0] < head.latest:
        head.ordered = 0
    head.last += len(rows)
    head.latest = max(head.latest, in_order[-1])
    head.earliest = min(head.earliest, in_order[0])
    head.updated = max(head.updated, min(in_order[-1], now))


def _heads(
    connection: sqlite3.Connection, scope: str, appends: dict[str, Append], columns: dict[str, Columns]
) -> dict[str, Head]:
    """The headers that are there."""
    heads: dict[str, Head] = {}
    sessions = list(appends)
    for start in range(0, len(sessions), _HEADERS_AT_ONCE):
        some = filled(sessions[start : start + _HEADERS_AT_ONCE], _HEADERS_AT_ONCE)
        for row in connection.execute(_HEADERS, (scope, *some)):
            session, number, owner, last, updated, ttl, earliest, latest, ordered, minute, expires = row
            wanted = appends[session].session.user_id
            if expires is not None or ttl is not None or (wanted is not None and wanted != owner):
                raise Unusual
            heads[session] = Head(number, owner, last, updated, None, earliest, latest, ordered, minute)
    session, head = next(iter(heads.items()), (None, None))
    if session is not None and head is not None:  # a look at one tells an import that is repeated
        known = connection.execute(_KNOWN, (head.number, columns[session].ids[0])).fetchone()
        if known is not None:
            raise Unusual
    return heads


def _new_heads(
    connection: sqlite3.Connection,
    appends: dict[str, Append],
    columns: dict[str, Columns],
    heads: dict[str, Head],
    now: str,
) -> dict[str, Head]:
    """Headers for the sessions that are not there, under the numbers that SQLite would give them."""
    (number,) = connection.execute("SELECT coalesce(max(session_no), 0) FROM recollect_sessions").fetchone()
    new: dict[str, Head] = {}
    for session, op in appends.items():
        if session not in heads:
            number += 1
            begun = min(now, *columns[session].created)
            new[session] = Head(number, op.session.user_id, 0, begun, None, "9", "", 1, begun[:16])
    return new
