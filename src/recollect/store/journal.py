"""The journal of a buffer: appends on this machine's own disk, in an SQLite file of their own.

Blocking; every call is one transaction, flushed to the disk before it returns. Several processes may share a file.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

from recollect.errors import ConfigError, CorruptRecord, RecollectError, Unavailable
from recollect.model import Buffered
from recollect.store.codec import load_time
from recollect.store.entries import COLUMNS, Entry, SessionKey, decode, refusal

T = TypeVar("T")

APPLICATION_ID = 0x52436275
VERSION = 1
BUSY_SECONDS = 10.0
SHOWN = 100
"""Refusals that `state` gives."""
HEAD_BYTES = 16 * 1024 * 1024
"""What is read of the journal at once, beside the entry that goes beyond it."""

_INSERT = """
INSERT INTO recollect_buffer
    (store, scope, session_id, user_id, appended_at, ttl, sliding, messages, body, bytes)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_SET_ASIDE = "UPDATE recollect_buffer SET error = ?, reason = ? WHERE entry = ?"

_abandoned: list[sqlite3.Connection] = []
"""Connections of the parent process, kept from the garbage collector: closing them would drop the parent's locks."""


class Journal:
    """What is kept for one store.

    Parameters
    ----------
    path: the file. store: the URL of the store, by which its entries are told from those for others.
    limit: bytes of all entries together.

    `waiting` holds the sessions that have entries to be delivered, as far as this process knows.
    """

    def __init__(self, path: str, store: str, limit: int) -> None:
        self.path = path
        self.waiting: set[SessionKey] = set()
        self._store = store
        self._limit = limit
        self._connection: sqlite3.Connection | None = None
        self._process = os.getpid()
        self._lock = threading.Lock()

    def open(self) -> None:
        """Open the file, or make it. Raises `ConfigError` for one that is not ours or cannot be made."""
        with self._alone():
            self._open()

    def close(self) -> None:
        """Close the file."""
        with self._alone():
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()

    def add(self, entries: Sequence[Entry]) -> list[Unavailable | None]:
        """Keep entries, together; for each that would exceed the limit an error.

        Raises `Unavailable` when the file cannot be written.
        """
        bodies = [entry.body() for entry in entries]

        def write(connection: sqlite3.Connection) -> list[Unavailable | None]:
            (size,) = connection.execute("SELECT bytes FROM recollect_buffer_size").fetchone()
            outcomes: list[Unavailable | None] = []
            for entry, body in zip(entries, bodies, strict=True):
                if size + len(body) > self._limit:
                    full = f"the buffer {self.path} is full: its limit is {self._limit:,} bytes (buffer_bytes)"
                    outcomes.append(Unavailable(full))
                    continue
                size += len(body)
                connection.execute(_INSERT, entry.values(self._store, body))
                outcomes.append(None)
            connection.execute("UPDATE recollect_buffer_size SET bytes = ?", (size,))
            return outcomes

        with self._alone():
            outcomes = self._write(write)
            self.waiting |= {entry.session for entry, error in zip(entries, outcomes, strict=True) if error is None}
            return outcomes

    def head(
        self, limit: int, *, session: SessionKey | None = None, without: Collection[SessionKey] = ()
    ) -> list[Entry]:
        """The first entries that wait, of one session or of all, without some sessions; in the order of the appends.

        What does not decode is set aside.
        """
        where, values = ("", ()) if session is None else (" AND scope = ? AND session_id = ?", session)
        found: list[Entry] = []
        broken: list[tuple[int, CorruptRecord]] = []
        size = 0
        with self._alone():
            with self._reading() as connection:
                rows = connection.execute(
                    f"SELECT {COLUMNS} FROM recollect_buffer WHERE store = ? AND error IS NULL{where} ORDER BY entry",
                    (self._store, *values),
                )
                for row in rows:
                    if len(found) == limit or size > HEAD_BYTES:
                        break
                    if row[1:3] in without:
                        continue
                    size += len(row[-1])
                    try:
                        found.append(decode(row))
                    except CorruptRecord as error:
                        broken.append((row[0], error))
                rows.close()
            if broken:
                self._write(lambda connection: _set_aside(connection, broken))
            if not found and not without:
                self.waiting -= set(self.waiting) if session is None else {session}
        return found

    def instants(self, session: SessionKey, first: int) -> list[tuple[int, datetime]]:
        """Number and instant of a session's entries that wait, from one on."""
        with self._alone(), self._reading() as connection:
            rows = connection.execute(
                "SELECT entry, appended_at FROM recollect_buffer WHERE store = ? AND error IS NULL"
                " AND scope = ? AND session_id = ? AND entry >= ? ORDER BY entry",
                (self._store, *session, first),
            )
            return [(number, load_time(at)) for number, at in rows]

    def settle(
        self, sessions: Collection[SessionKey], done: Collection[int], refused: Sequence[tuple[int, Exception]] = ()
    ) -> int:
        """Remove the entries that are done with, and set aside those that the store refused; the messages removed.

        Parameters
        ----------
        sessions: that they belong to.
        """

        def write(connection: sqlite3.Connection) -> int:
            _set_aside(connection, refused)
            return _remove(connection, f"entry IN ({', '.join(map(str, done))})", ())

        with self._alone():
            removed = self._write(write)
            with self._reading() as connection:
                for session in sessions:
                    (more,) = connection.execute(
                        "SELECT EXISTS (SELECT 1 FROM recollect_buffer WHERE store = ? AND error IS NULL"
                        " AND scope = ? AND session_id = ?)",
                        (self._store, *session),
                    ).fetchone()
                    if not more:
                        self.waiting.discard(session)
                self._tidy(connection)
            return removed

    def restore(self) -> None:
        """Let what was refused wait again, in its old place."""
        with self._alone():
            self._write(
                lambda connection: connection.execute(
                    "UPDATE recollect_buffer SET error = NULL, reason = NULL WHERE store = ? AND error IS NOT NULL",
                    (self._store,),
                )
            )
            self._look()

    def drop_refused(
        self, scope: str | None = None, *, session_id: str | None = None, user_id: str | None = None
    ) -> int:
        """Remove what was refused: all of it, or that of a session or a user; how many messages."""
        where, values = "store = ? AND error IS NOT NULL", [self._store]
        for name, value in (("scope", scope), ("session_id", session_id), ("user_id", user_id)):
            if value is not None:
                where, values = f"{where} AND {name} = ?", [*values, value]
        with self._alone(), self._reading() as connection:
            if connection.execute(f"SELECT 1 FROM recollect_buffer WHERE {where} LIMIT 1", values).fetchone() is None:
                return 0
            removed = self._write(lambda connection: _remove(connection, where, values))
            self._tidy(connection)
            return removed

    def state(self) -> Buffered:
        """What is kept. A file that is not there is not made; one that is not open is closed again."""
        with self._alone():
            was_open = self._connection is not None
            if not was_open and not Path(self.path).is_file():
                return Buffered(path=self.path)
            with self._reading() as connection:
                try:
                    return self._state(connection)
                finally:
                    if not was_open:
                        self._connection = None
                        connection.close()

    def _state(self, connection: sqlite3.Connection) -> Buffered:
        ask = "SELECT coalesce(sum(messages), 0), min(appended_at) FROM recollect_buffer WHERE"
        waiting, oldest = connection.execute(f"{ask} store = ? AND error IS NULL", (self._store,)).fetchone()
        refused, _ = connection.execute(f"{ask} store = ? AND error IS NOT NULL", (self._store,)).fetchone()
        elsewhere, _ = connection.execute(f"{ask} store <> ?", (self._store,)).fetchone()
        (size,) = connection.execute("SELECT bytes FROM recollect_buffer_size").fetchone()
        rows = connection.execute(
            f"SELECT {COLUMNS}, error, reason FROM recollect_buffer WHERE store = ? AND error IS NOT NULL"
            f" ORDER BY entry LIMIT {SHOWN}",
            (self._store,),
        )
        return Buffered(
            path=self.path,
            waiting=waiting,
            oldest=None if oldest is None else load_time(oldest),
            refused=refused,
            refusals=[refusal(row, error, reason) for *row, error, reason in rows],
            elsewhere=elsewhere,
            bytes=size,
        )

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One thread at a time; behind a fork with a connection of this process's own."""
        if self._process != os.getpid():
            if self._connection is not None:
                _abandoned.append(self._connection)
            self._connection, self._lock, self._process = None, threading.Lock(), os.getpid()
        with self._lock:
            yield

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._translated():
            yield self._open()

    def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with self._translated():
            connection = self._open()
            connection.execute("BEGIN IMMEDIATE")
            try:
                result = work(connection)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            return result

    def _open(self) -> sqlite3.Connection:
        if self._connection is not None:
            return self._connection
        with self._translated(opening=True):
            with suppress(OSError):  # what people said lies in it: nobody else's to read; SQLite says what is wrong
                os.close(os.open(self.path, os.O_CREAT | os.O_EXCL, 0o600))
            connection = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
            try:
                self._check_owner(connection)
                _patiently(lambda: connection.execute("PRAGMA journal_mode = WAL").fetchall())
                connection.execute("PRAGMA synchronous = FULL")
                connection.execute("PRAGMA secure_delete = ON").fetchall()
                connection.execute("BEGIN IMMEDIATE")
                if not self._check_owner(connection):
                    _make(connection)
                connection.execute("COMMIT")
            except BaseException:
                connection.close()
                raise
        self._connection = connection
        self._look()
        return connection

    def _check_owner(self, connection: sqlite3.Connection) -> bool:
        """Whether the tables are there. Raises `ConfigError` for somebody else's, before anything is changed."""
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        (owner,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if tables and owner != APPLICATION_ID:
            raise ConfigError(f"{self.path} is the database of something else: give the buffer a file of its own")
        if version > VERSION:
            raise ConfigError(f"{self.path} was made by a newer Recollect: upgrade with pip install -U recollect")
        return bool(tables)

    def _look(self) -> None:
        """Read anew which sessions have something that waits."""
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT DISTINCT scope, session_id FROM recollect_buffer WHERE store = ? AND error IS NULL",
                (self._store,),
            )
            self.waiting = set(rows.fetchall())

    def _tidy(self, connection: sqlite3.Connection) -> None:
        """Leave nothing of what was delivered in the file's log, once all of it is; another process may be in the way."""
        if not self.waiting:
            connection.execute("PRAGMA busy_timeout = 0").fetchall()
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            connection.execute(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}").fetchall()

    @contextmanager
    def _translated(self, *, opening: bool = False) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
                found: RecollectError = ConfigError(f"the buffer {self.path} is damaged, or no database: {error}")
            elif opening and code not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                found = ConfigError(f"the buffer {self.path} cannot be made or opened: {error} (buffer_path)")
            else:
                found = Unavailable(f"the buffer {self.path} cannot be used: {error}")
            raise found from error


def _set_aside(connection: sqlite3.Connection, refused: Sequence[tuple[int, Exception]]) -> None:
    for number, error in refused:
        reason = str(error).encode("utf-8", "replace").decode()
        connection.execute(_SET_ASIDE, (type(error).__name__, reason, number))


def _remove(connection: sqlite3.Connection, where: str, values: Sequence[Any]) -> int:
    rows = connection.execute(
        f"DELETE FROM recollect_buffer WHERE {where} RETURNING messages, bytes", values
    ).fetchall()
    connection.execute("UPDATE recollect_buffer_size SET bytes = bytes - ?", (sum(size for _, size in rows),))
    return sum(messages for messages, _ in rows)


def _make(connection: sqlite3.Connection) -> None:
    statement = ""
    for line in files("recollect.store").joinpath("journal.sql").read_text("utf-8").splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            connection.execute(statement)
            statement = ""
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {VERSION}")


def _patiently(call: Callable[[], T]) -> T:
    """Call until no other process is in the way: the change to WAL takes the file for itself and does not wait."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            return call()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                raise
            time.sleep(0.01)
