"""A user's messages across sessions, by time, without an index that every append would have to write.

A session knows the bounds of its messages' times. The sessions that can have the next message are opened one after the
other and merged: at most as many as messages are asked for.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from recollect.model import Message
from recollect.store.codec import dump_time
from recollect.store.contract import Key
from recollect.store.driver import drive
from recollect.store.tables import MESSAGES
from recollect.stores._merge import Place, merged
from recollect.stores._sql import columns, message_of

MAX_SEQ = 2**32 - 1

_SESSIONS = """
SELECT session_no, session_id, first_message_at, last_message_at, time_ordered, last_seq FROM recollect_sessions
WHERE scope = ? AND user_id = ? AND (expires_at IS NULL OR expires_at > ?) AND last_seq > 0
"""
_COLUMNS = columns(MESSAGES)


def first_at(connection: sqlite3.Connection, number: int, last: int, instant: str) -> int:
    """The lowest number at or behind which no message is earlier than an instant."""
    low, high = 1, last + 1
    while low < high:
        middle = (low + high) // 2
        row = connection.execute(
            "SELECT seq, created_at FROM recollect_messages WHERE position BETWEEN ? AND ? LIMIT 1",
            (number << 32 | middle, number << 32 | last),
        ).fetchone()
        if row is None or row[1] >= instant:
            high = middle
        else:
            low = row[0] + 1
    return low


def messages_by_user(
    connection: sqlite3.Connection,
    hash: Key,
    after: Key | None,
    before: Key | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    reverse: bool,
    now: str,
) -> list[Message]:
    """A page of the path ``messages_by_user``."""
    merge = _Merge(
        connection,
        user=hash[1],
        after=None if after is None else (dump_time(after[0]), after[1], after[2]),
        before=None if before is None else (dump_time(before[0]), before[1], before[2]),
        since=None if since is None else dump_time(since),
        until=None if until is None else dump_time(until),
        limit=limit,
        reverse=reverse,
        now=now,
    )
    return merge.page(connection.execute(_SESSIONS, (*hash[:2], now)).fetchall())


class _Merge:
    def __init__(
        self,
        connection: sqlite3.Connection,
        *,
        user: str,
        after: Place | None,
        before: Place | None,
        since: str | None,
        until: str | None,
        limit: int,
        reverse: bool,
        now: str,
    ) -> None:
        self._connection = connection
        self._user = user
        self._after = after
        self._before = before
        self._low = max(filter(None, (since, after and after[0])), default=None)
        self._high = min(filter(None, (until, before and before[0])), default=None)
        self._until = until
        self._limit = limit
        self._reverse = reverse
        self._now = now

    def page(self, sessions: list[tuple[Any, ...]]) -> list[Message]:
        """The first rows of all sessions together."""
        edge = 3 if self._reverse else 2
        found = filter(self._overlaps, sessions)
        rows = merged(found, lambda session: session[edge], self._log, limit=self._limit, reverse=self._reverse)
        return list(map(message_of, drive(rows)))

    def _overlaps(self, session: tuple[Any, ...]) -> bool:
        return (self._low is None or session[3] >= self._low) and (self._high is None or session[2] <= self._high)

    def _log(self, session: tuple[Any, ...]) -> _Log:
        return _Log(self._rows(session))

    def _rows(self, session: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
        """Rows of one session between the bounds, in order, read in pages."""
        number, session_id, _, _, ordered, last = session
        low, high = number << 32 | 1, number << 32 | last
        if ordered and self._low is not None:
            low = number << 32 | first_at(self._connection, number, last, self._low)
        if ordered and self._high is not None:
            high = number << 32 | min(last, first_at(self._connection, number, last, self._high + "~") - 1)
        conditions, values = self._conditions(session_id)
        way = "DESC" if self._reverse else "ASC"
        order = f"position {way}" if ordered else f"created_at {way}, position {way}"
        yield from self._connection.execute(
            f"SELECT {_COLUMNS} FROM recollect_messages WHERE position BETWEEN ? AND ? AND user_id = ?"
            f" AND (expires_at IS NULL OR expires_at > ?){conditions} ORDER BY {order} LIMIT ?",
            (low, high, self._user, self._now, *values, self._limit),
        )

    def _conditions(self, session_id: str) -> tuple[str, list[Any]]:
        """Bounds of (created_at, session_id, seq) as seen from one session."""
        text, values = "", list[Any]()
        if self._low is not None:
            text += " AND created_at >= ?"
            values.append(self._low)
        if self._until is not None:
            text += " AND created_at < ?"
            values.append(self._until)
        for bound, sign in ((self._after, ">"), (self._before, "<")):
            if bound is None:
                continue
            at, other, seq = bound
            if session_id == other:
                text += f" AND (created_at, seq) {sign} (?, ?)"
                values += [at, seq]
            else:
                beyond = session_id > other if sign == ">" else session_id < other
                text += f" AND created_at {sign}{'=' if beyond else ''} ?"
                values.append(at)
        return text, values


_AT = next(i for i, column in enumerate(MESSAGES.columns) if column.name == "created_at")


class _Log:
    def __init__(self, rows: Iterator[tuple[Any, ...]]) -> None:
        self._rows = rows

    async def next(self) -> tuple[Place, tuple[Any, ...]] | None:
        """The next row and its place."""
        row = next(self._rows, None)
        return None if row is None else ((row[_AT], row[0], row[1]), row)
