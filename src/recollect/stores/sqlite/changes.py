"""What a commit does to the tables. Every statement here runs inside the writer's transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from recollect.errors import Conflict, InvalidInput
from recollect.model import Preferences, Session, Summary
from recollect.store import Append, Attach, Commit, Delete, Driver, Partition, Put, Result
from recollect.store.codec import dump_object, dump_time
from recollect.store.contract import Row
from recollect.store.guards import next_version
from recollect.stores._sql import (
    SUMMARY_COLUMNS,
    summary_of,
)
from recollect.stores.sqlite import bulk, index, pages, vectors
from recollect.stores.sqlite.append import Next, adopt, append, append_alone, append_next
from recollect.stores.sqlite.by_user import MAX_SEQ
from recollect.stores.sqlite.reads import NotShort, get_preferences, get_session, live_count

_HEADER = """
SELECT session_no, user_id, last_seq, updated_at, expires_at, ttl, first_message_at, last_message_at, time_ordered,
    active_minute
FROM recollect_sessions WHERE scope = ? AND session_id = ?
"""
_CHANGE = """
INSERT INTO recollect_changes (scope, kind, table_name, partition_id, session_no, first_seq, last_seq, at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""


class Changes:
    """Applies commits.

    Parameters
    ----------
    driver: gives the present instant.

    ``index_due`` says that `finish` has something to do.
    """

    def __init__(self, driver: Driver) -> None:
        self._now = driver.now
        self._nexts: dict[Partition, Next] = {}
        self.index_due = False

    def apply(self, connection: sqlite3.Connection, commit: Commit, *, short: bool = False) -> list[Result]:
        """All operations of one commit. With `short` it raises `NotShort` before work that has no bound."""
        work = Work(connection, commit.partition, self._now(), self._nexts, short)
        results = [work.do(op) for op in commit.ops]
        self.index_due |= work.index_due
        return results

    def apply_alone(self, connection: sqlite3.Connection, commit: Commit) -> list[Result] | None:
        """The commit as one statement that is a transaction by itself; None, with nothing done, where it takes more."""
        op = commit.ops[0] if len(commit.ops) == 1 else None
        if type(op) is not Append or len(op.rows) != 1:
            return None
        appended = append_alone(connection, commit.partition, op, self._nexts, dump_time(self._now()))
        return None if appended is None else [appended]

    def apply_all(self, connection: sqlite3.Connection, commits: Sequence[Commit]) -> list[list[Result]]:
        """Many commits table by table. Raises `bulk.Unusual` where they have to be done one by one."""
        results = bulk.append_all(connection, commits, self._now())
        self.index_due = True
        return [list(result) for result in results]

    def finish(self, connection: sqlite3.Connection) -> None:
        """Before the transaction ends: what is done once for all its commits."""
        if self.index_due:
            self.index_due = False
            index.flush(connection)


class Work:
    """One commit: its partition, its instant, and what is remembered of headers.

    Parameters
    ----------
    short: whether `NotShort` is raised before work without a bound.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        partition: Partition,
        now: datetime,
        nexts: dict[Partition, Next],
        short: bool,
    ) -> None:
        self.connection = connection
        self.execute = connection.execute
        self.partition = partition
        self.scope, self.kind, self.id = partition
        self.nexts = nexts
        self._short = short
        self.instant = now
        self.index_due = False
        self.now = dump_time(now)

    def do(self, op: Append | Put | Delete | Attach) -> Result:
        if isinstance(op, Append):
            return (len(op.rows) == 1 and append_next(self, op)) or append(self, op)
        if isinstance(op, Put):
            return self.put(op)
        if isinstance(op, Attach):
            return vectors.attach(self, op)
        return self.delete(op)

    def unbounded(self) -> None:
        """Say that what comes next touches any number of rows."""
        if self._short:
            raise NotShort

    def header(self) -> tuple[Any, ...] | None:
        """The live header's row of `_HEADER`; an expired session is removed on the way."""
        row: tuple[Any, ...] | None = self.execute(_HEADER, (self.scope, self.id)).fetchone()
        if row is not None and row[4] is not None and row[4] <= self.now:
            self.unbounded()
            remove_session(self.connection, row[0])
            self.record("delete", "sessions", row[0])
            return None
        return row

    def put(self, op: Put) -> Row:
        row = op.row
        if isinstance(row, Preferences):
            return self._put_preferences(row, op.expect)
        if isinstance(row, Session):
            return self._put_session(row, op.expect)
        if isinstance(row, Summary):
            return self._put_summary(row, op.expect)
        raise InvalidInput("messages are appended, not put", field="table")

    def _put_session(self, row: Session, expect: int) -> Session:
        header = self.header()
        known = get_session(self.connection, self.scope, self.id, self.now) if header else None
        version = self._next_version(expect, known.version if known else None, "the header")
        if header is not None and header[1] != row.user_id:
            adopt(self, header[0], row.user_id)
        expires = None if row.expires_at is None else dump_time(row.expires_at)
        self.execute(
            "INSERT INTO recollect_sessions (scope, session_id, user_id, title, metadata, created_at, updated_at,"
            " active_minute, expires_at, ttl, version) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (scope, session_id) DO UPDATE SET user_id = excluded.user_id, title = excluded.title,"
            " metadata = excluded.metadata, expires_at = excluded.expires_at, ttl = excluded.ttl,"
            " version = excluded.version",
            (
                self.scope,
                self.id,
                row.user_id,
                row.title,
                dump_object(row.metadata),
                self.now,
                self.now,
                self.now[:16],
                expires,
                row.ttl,
                version,
            ),
        )
        self.record("put", "sessions")
        owned = known or Session(id=self.id, created_at=self.instant, updated_at=self.instant)
        return row.replace(
            message_count=owned.message_count,
            last_seq=owned.last_seq,
            created_at=owned.created_at,
            updated_at=owned.updated_at,
            version=version,
        )

    def _put_summary(self, row: Summary, expect: int) -> Summary:
        header = self.header()
        if header is None:
            raise Conflict(f"session {self.id!r} is not there to be summarised")
        known = self.execute(
            f"SELECT {SUMMARY_COLUMNS} FROM recollect_summaries WHERE session_no = ?", (header[0],)
        ).fetchone()
        version = self._next_version(expect, summary_of(known).version if known else None, "the summary")
        assert row.created_at is not None
        assert row.updated_at is not None
        self.execute(
            f"INSERT OR REPLACE INTO recollect_summaries (session_no, scope, {SUMMARY_COLUMNS})"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                header[0],
                self.scope,
                self.id,
                row.text,
                row.covers_seq,
                dump_object(row.metadata),
                row.tokens,
                dump_time(row.created_at),
                dump_time(row.updated_at),
                version,
            ),
        )
        self.record("put", "summaries", header[0])
        return row.replace(version=version)

    def _put_preferences(self, row: Preferences, expect: int) -> Preferences:
        known = get_preferences(self.connection, self.scope, self.id)
        version = self._next_version(expect, known.version if known else None, "the preferences")
        assert row.created_at is not None
        assert row.updated_at is not None
        self.execute(
            "INSERT OR REPLACE INTO recollect_preferences (scope, user_id, preferences, created_at, updated_at, version)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (
                self.scope,
                self.id,
                dump_object(row.values),
                dump_time(row.created_at),
                dump_time(row.updated_at),
                version,
            ),
        )
        self.record("put", "preferences")
        return row.replace(version=version)

    def _next_version(self, expect: int, version: int | None, what: str) -> int:
        return next_version(expect, version, f"{what} of {self.id!r}")

    def delete(self, op: Delete) -> int:
        if self.kind == "user":
            return self._delete_preferences() if op.table in (None, "preferences") else 0
        header = self.header()
        if header is None or op.table == "preferences":
            return 0
        number = header[0]
        if op.table == "messages" and op.seq is not None:
            if not 0 < op.seq <= MAX_SEQ:
                return 0
            readable = self.remove_messages(number, "position = ?", (number << 32 | op.seq,))
            if readable:
                self.record("delete", "messages", number, op.seq, op.seq)
            return readable
        count = 0
        if op.table in (None, "summaries"):
            count += self.execute("DELETE FROM recollect_summaries WHERE session_no = ?", (number,)).rowcount
        if op.table in (None, "messages"):
            count += self.remove_messages(number, "position BETWEEN ? AND ?", (number << 32, number << 32 | MAX_SEQ))
        if op.table is None:
            remove_session(self.connection, number)
            count += 1
        if count:
            self.record("delete", op.table or "sessions", number)
        return count

    def remove_messages(self, number: int, where: str, values: tuple[Any, ...]) -> int:
        """Remove messages; how many of them could be read."""
        readable = live_count(self.connection, where, values, self.now)
        removed = remove_messages(self.connection, where, values)
        self.execute(
            "UPDATE recollect_sessions SET message_count = message_count - ? WHERE session_no = ?", (removed, number)
        )
        return readable

    def _delete_preferences(self) -> int:
        count = self.execute(
            "DELETE FROM recollect_preferences WHERE scope = ? AND user_id = ?", (self.scope, self.id)
        ).rowcount
        if count:
            index.mark_deleted(self.connection)
            self.record("delete", "preferences")
        return count

    def record(self, kind: str, table: str, number: int | None = None, first: int = 0, last: int = 0) -> int:
        """An entry of the feed; its id."""
        values = (self.scope, kind, table, self.id, number, first, last, self.now)
        change = self.execute(_CHANGE, values).lastrowid
        assert change is not None
        return change


def remove_messages(connection: sqlite3.Connection, where: str, values: tuple[Any, ...]) -> int:
    """Remove messages, their terms and their vectors; how many messages.

    Parameters
    ----------
    where: a condition on ``position``.
    """
    index.forget(connection, where, values)
    connection.execute(f"DELETE FROM recollect_vectors WHERE {where}", values)
    pages.rewrite(connection)
    return connection.execute(f"DELETE FROM recollect_messages WHERE {where}", values).rowcount


def remove_session(connection: sqlite3.Connection, number: int) -> int:
    """Remove all of a session; how many messages."""
    bounds = (number << 32, number << 32 | MAX_SEQ)
    removed = remove_messages(connection, "position BETWEEN ? AND ?", bounds)
    connection.execute("DELETE FROM recollect_summaries WHERE session_no = ?", (number,))
    connection.execute("DELETE FROM recollect_sessions WHERE session_no = ?", (number,))
    return removed
