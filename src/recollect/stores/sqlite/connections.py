"""Connections to one SQLite file: a writer for one thread at a time, readers for the rest, errors in our words."""

from __future__ import annotations

import os
import random
import sqlite3
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from recollect.errors import ConfigError, CorruptRecord, RecollectError, Unavailable
from recollect.stores.sqlite.schema import APPEND_ONE, NEWEST, PAGE_BYTES, check_version, migrate, stored_version

T = TypeVar("T")

CHECKPOINT_BYTES = {"full": 1024 * 1024, "normal": 16 * 1024 * 1024}
"""The log is copied back into the file when it is this long. With full durability it is short, so that it is soon written
over rather than grown: a flush that also has to record a file's new length takes twice as long. Without a flush a
commit, a long log means fewer stalls."""

BULK_CHECKPOINT_BYTES = 16 * 1024 * 1024
"""The same while much is written: a page that several commits change is copied once."""

CACHE_KIBIBYTES = 4 * 1024
"""Of pages kept by the writing connection: what a commit of ten thousand messages changes."""

MAX_READERS = 16

_alive: weakref.WeakSet[Connections] = weakref.WeakSet()


class Connections:
    """What one process holds open on a file.

    Parameters
    ----------
    path: the file; None for a database in memory, which has one connection for everything.
    synchronous: ``full`` or ``normal``. mode: ``rwc``, ``rw`` or ``ro``.
    busy_timeout: seconds to wait for another writer.
    """

    def __init__(self, path: str | None, *, synchronous: str, mode: str, busy_timeout: float) -> None:
        self.path = path
        self.mode = mode
        self._synchronous = synchronous
        self._busy_timeout = busy_timeout
        self._immutable = False
        self._page = PAGE_BYTES
        self._users = 0
        self._reset()
        _alive.add(self)

    @property
    def shown(self) -> str:
        """The file's name for messages."""
        return self.path or "the database in memory"

    def _reset(self) -> None:
        self._open_lock = threading.Lock()
        self.write_lock = threading.Lock()
        self._writer: sqlite3.Connection | None = None
        self._copied_at = -1
        self._readers: deque[sqlite3.Connection] = deque()

    @property
    def flushes(self) -> bool:
        """Whether a commit waits for the disk. Without that, only a commit that copies the log back does."""
        return self._synchronous == "full" and self.path is not None

    @property
    def is_open(self) -> bool:
        """Whether `open` was called, and `close` not since."""
        return self._writer is not None

    def open(self) -> None:
        """Check the file, or make it."""
        with self._open_lock:
            if self._writer is None:
                with self.translated():
                    self._writer = self._open_writer()

    def close(self) -> None:
        """Close all connections. One that a thread is reading with is closed by that thread."""
        with self._open_lock, self.write_lock:
            writer, self._writer = self._writer, None
            self._close_readers()
            if writer is not None:
                writer.close()

    def _close_readers(self) -> None:
        """Close what lies ready. Who takes a connection out of the deque owns it."""
        while True:
            try:
                connection = self._readers.pop()
            except IndexError:
                return
            connection.close()

    def forked(self) -> None:
        """In a child after a fork: the parent's connections must not be touched, not even closed; open anew."""
        was_open = self._writer is not None
        _abandoned.append((self._writer, self._readers))
        self._reset()
        if was_open and self.path is not None:
            self.open()

    @property
    def writer(self) -> sqlite3.Connection:
        """The writing connection; the caller holds `write_lock`."""
        if self._writer is None:
            raise ConfigError("this store is not open")
        return self._writer

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection to read with, of this thread's for as long."""
        if self.path is None:
            with self.write_lock, self.translated():
                connection = self.writer
                try:
                    yield connection
                finally:
                    if connection.in_transaction:
                        connection.rollback()
            return
        if self._writer is None:
            raise ConfigError("this store is not open")
        with self.translated():
            try:
                connection = self._readers.pop()
            except IndexError:
                connection = self._connect()
                connection.execute(f"PRAGMA busy_timeout = {int(self._busy_timeout * 1000)}")
                connection.execute("PRAGMA query_only = 1")
            try:
                yield connection
            finally:
                if connection.in_transaction:
                    connection.rollback()
                if len(self._readers) < MAX_READERS and self._writer is not None:
                    self._readers.append(connection)
                    if self._writer is None:
                        self._close_readers()
                else:
                    connection.close()

    def begin(self, *, bulk: bool = False) -> None:
        """Begin a writing transaction, waiting for other processes; the caller holds `write_lock`.

        Waits are short and random: with SQLite's own growing ones the latest of many processes starves.

        Parameters
        ----------
        bulk: whether it writes so much that the log had better be copied back less often.
        """
        self.copy_log_at(BULK_CHECKPOINT_BYTES if bulk else None)
        if not self.begin_now():
            self._begin_patiently(self.writer)

    def copy_log_at(self, size: int | None = None) -> None:
        """How long, in bytes, the log is when a commit copies it back into the file: not given as it is usual, 0 for
        never; the caller holds `write_lock`."""
        size = CHECKPOINT_BYTES[self._synchronous] if size is None else size
        if size != self._copied_at:
            self.writer.execute(f"PRAGMA wal_autocheckpoint = {size // self._page}")
            self._copied_at = size

    def begin_now(self) -> bool:
        """Begin a writing transaction; False if another process is writing."""
        try:
            self.writer.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if not is_busy(error):
                raise
            return False
        return True

    def _begin_patiently(self, connection: sqlite3.Connection) -> None:
        deadline = time.monotonic() + self._busy_timeout
        pause = 0.0005
        while True:
            time.sleep(random.uniform(0, pause))
            pause = min(pause * 1.5, 0.02)
            try:
                connection.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                if not is_busy(error):
                    raise
                if time.monotonic() >= deadline:
                    raise Unavailable(
                        f"another process held {self.shown} for {self._busy_timeout:g} s (busy_timeout)"
                    ) from error

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Errors of the driver become ours."""
        try:
            yield
        except sqlite3.Error as error:
            raise self.translate(error) from error

    def translate(self, error: sqlite3.Error) -> RecollectError:
        """What an error of the driver means to the user."""
        code = getattr(error, "sqlite_errorcode", 0)
        primary = code & 0xFF
        if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return Unavailable(f"another process holds {self.shown}: {error}")
        if primary == sqlite3.SQLITE_FULL:
            return Unavailable(f"the disk that holds {self.shown} is full; this was not written", retryable=False)
        if primary == sqlite3.SQLITE_READONLY or (code == sqlite3.SQLITE_CANTOPEN and self.exists()):
            how = "it was opened with mode=ro" if self.mode == "ro" else "?mode=ro opens it to read"
            return Unavailable(
                f"{self.shown} cannot be written: the file or its folder is read-only ({how})", retryable=False
            )
        if primary == sqlite3.SQLITE_NOTADB:
            return ConfigError(f"{self.shown} is not an SQLite database")
        if primary == sqlite3.SQLITE_CORRUPT:
            return CorruptRecord(f"{self.shown} is damaged ({error}): restore a backup, or try sqlite3's .recover")
        if primary == sqlite3.SQLITE_CANTOPEN:
            return ConfigError(self._why_not_opened())
        if primary == sqlite3.SQLITE_IOERR:
            return Unavailable(f"the disk that holds {self.shown} failed: {error}", retryable=False)
        if isinstance(error, sqlite3.OperationalError) and "decode to UTF-8" in str(error):
            return CorruptRecord(f"{self.shown} holds text that is not UTF-8: {error}")
        if isinstance(error, sqlite3.ProgrammingError) and "closed" in str(error):
            return ConfigError("this store is closed")
        return Unavailable(f"SQLite refused: {error}", retryable=False)

    def exists(self) -> bool:
        """Whether the file is there."""
        return self.path is not None and Path(self.path).is_file()

    def _why_not_opened(self) -> str:
        path = Path(self.path or "")
        if path.is_dir():
            return f"{path} is a folder, not a database file"
        if not path.parent.exists():
            return f"the folder {path.parent} does not exist"
        if not path.exists() and self.mode != "rwc":
            return f"there is no file {path} (mode={self.mode} does not make one)"
        return f"{path} cannot be opened: no permission?"

    def _connect(self) -> sqlite3.Connection:
        if self.path is None:
            return sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False, cached_statements=512)
        uri = Path(self.path).absolute().as_uri() + f"?mode={self.mode}" + ("&immutable=1" if self._immutable else "")
        return sqlite3.connect(
            uri, uri=True, timeout=0, isolation_level=None, check_same_thread=False, cached_statements=512
        )

    def _open_writer(self) -> sqlite3.Connection:
        connection = self._connect()
        try:
            if self.mode == "ro":
                return self._open_read_only(connection)
            connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
            self._patiently(lambda: connection.execute("PRAGMA journal_mode = WAL"))
            connection.execute(f"PRAGMA synchronous = {self._synchronous}")
            if self._synchronous == "full":
                connection.execute("PRAGMA fullfsync = 1")
            (self._page,) = connection.execute("PRAGMA page_size").fetchone()
            connection.execute(f"PRAGMA cache_size = -{CACHE_KIBIBYTES}")
            connection.execute("PRAGMA journal_size_limit = 67108864")
            connection.execute("PRAGMA secure_delete = 1")
            connection.execute("PRAGMA temp_store = MEMORY")
            version = self._patiently(lambda: stored_version(connection))
            check_version(version, self.shown)
            if version < NEWEST:
                self._writer = connection
                self.begin()
                try:
                    version = stored_version(connection)
                    check_version(version, self.shown)
                    migrate(connection, version)
                    connection.execute("COMMIT")
                except BaseException:
                    connection.execute("ROLLBACK")
                    raise
            self._patiently(lambda: connection.executescript(APPEND_ONE))
            return connection
        except BaseException:
            self._writer = None
            connection.close()
            raise

    def _open_read_only(self, connection: sqlite3.Connection) -> sqlite3.Connection:
        try:
            version = self._patiently(lambda: stored_version(connection))
        except sqlite3.OperationalError as error:
            # Reading a WAL database writes beside it. On read-only media with nothing left in the log it need not.
            log = Path(f"{self.path}-wal")
            if (error.sqlite_errorcode & 0xFF) != sqlite3.SQLITE_CANTOPEN or not self.exists() or log.exists():
                raise
            connection.close()
            self._immutable = True
            connection = self._connect()
            version = stored_version(connection)
        check_version(version, self.shown)
        if version < NEWEST:
            raise ConfigError(
                f"{self.shown} is of an older schema ({version} of {NEWEST}): open it once without mode=ro"
            )
        self._patiently(lambda: connection.executescript(APPEND_ONE))
        return connection

    def _patiently(self, call: Callable[[], Any]) -> Any:
        """Call until no other process is in the way: the change to WAL and a recovery take the file for themselves."""
        deadline = time.monotonic() + self._busy_timeout
        while True:
            try:
                return call()
            except sqlite3.OperationalError as error:
                if not is_busy(error) or time.monotonic() >= deadline:
                    raise
                time.sleep(random.uniform(0.001, 0.02))


_abandoned: list[Any] = []
"""Connections of the parent process, kept from the garbage collector: closing them would drop the parent's locks."""


def is_busy(error: sqlite3.OperationalError) -> bool:
    """Whether another connection is in the way."""
    return (error.sqlite_errorcode & 0xFF) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _after_fork() -> None:
    for connections in list(_alive):
        connections.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
