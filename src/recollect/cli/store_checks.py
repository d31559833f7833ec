"""What `doctor` looks at in a store: whether it opens, writes and reads, and how its file and disk are."""

from __future__ import annotations

import os
import shutil
import sqlite3
import statistics
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from recollect import Recollect, RecollectError, Store
from recollect.cli.checks import OK, PROBLEM, WARNING, Check
from recollect.cli.shell import database_file
from recollect.cli.text import count, size

SCOPE = "recollect-doctor"
COMMITS = 5
SLOW_COMMIT = 0.1
SLOW_FSYNC = 0.05
LITTLE_SPACE = 200_000_000
LARGE_LOG = 256_000_000
TOLERATED_LEAD = 60.0


def storage(store: Store, scope: str, *, write: bool) -> Iterator[Check]:
    """The store itself. With `write` a few messages are written in a scope of its own, and removed."""
    path = database_file(store)
    if path is not None and not path.exists():
        yield from _not_made_yet(path)
        return
    memory = Recollect(store, scope=scope)
    began = time.perf_counter()
    try:
        memory.open()
    except RecollectError as error:
        yield Check("store", PROBLEM, str(error), "see --url" if path is None else "")
        return
    with closing(memory):
        took = (time.perf_counter() - began) * 1000
        yield Check("store", OK, f"{store.url} opens in {took:.0f} ms")
        if not store.capabilities.durable:
            yield Check("durability", WARNING, "nothing survives the process", "use sqlite:///file.db to keep it")
        yield from _set_up(memory)
        yield from _reads(memory)
        if write:
            yield from _writes(memory)
    if path is not None:
        yield from disk(path.parent)


def _not_made_yet(path: Path) -> Iterator[Check]:
    folder = path.absolute().parent
    if not folder.is_dir():
        yield Check("store", PROBLEM, f"the folder {folder} does not exist", f"mkdir -p {folder}")
    elif not os.access(folder, os.W_OK):
        yield Check("store", PROBLEM, f"the folder {folder} cannot be written", "choose another with --url")
    else:
        yield Check("store", OK, f"{path.absolute()} is not there yet; the first message makes it")
        yield from disk(folder)


def _set_up(memory: Recollect) -> Iterator[Check]:
    try:
        found = memory.warnings()
    except RecollectError as error:
        yield Check("set-up", WARNING, f"cannot be looked at: {error}")
        return
    for text in found:
        said, _, todo = text.partition(": ")
        yield Check("set-up", WARNING, said, todo)


def _reads(memory: Recollect) -> Iterator[Check]:
    try:
        found = memory.stats()
        latest = memory.sessions(1)
    except RecollectError as error:
        yield Check("reading", PROBLEM, str(error), "restore a backup, or export what can be read")
        return
    text = f"{count(found.messages, 'message')} in {count(found.sessions, 'session')} (scope {memory.scope})"
    yield Check("reading", OK, text)
    updated = latest[0].updated_at if len(latest) else None
    ahead = (updated - datetime.now(UTC)).total_seconds() if updated else 0.0
    if ahead > TOLERATED_LEAD:
        yield Check(
            "clock of writers",
            WARNING,
            f"the latest activity lies {ahead:,.0f} s in the future",
            "this machine's clock was set back, or a writer's is fast: use NTP on all of them",
        )


def _writes(memory: Recollect) -> Iterator[Check]:
    session = memory.in_scope(SCOPE).session(f"check-{uuid4()}", ttl=3600)
    times = []
    try:
        for number in range(COMMITS):
            began = time.perf_counter()
            session.append({"role": "system", "content": f"recollect doctor {number}"})
            times.append(time.perf_counter() - began)
        whole = len(session.tail(COMMITS)) == COMMITS
        session.delete()
    except RecollectError as error:
        yield Check("writing", PROBLEM, str(error))
        return
    middle = statistics.median(times)
    if not whole:
        yield Check("writing", PROBLEM, "what was written does not read back", "report this, with the store's URL")
    elif middle > SLOW_COMMIT:
        text = f"a commit takes {middle * 1000:.0f} ms"
        yield Check("writing", WARNING, text, "a slow disk or a busy server; sqlite:///...?synchronous=normal helps")
    else:
        yield Check("writing", OK, f"a commit takes {middle * 1000:.1f} ms")


def disk(folder: Path) -> Iterator[Check]:
    """Free space, and how long the disk takes to say that something is safe."""
    free = shutil.disk_usage(folder).free
    if free < LITTLE_SPACE:
        yield Check(
            "disk", WARNING, f"{size(free)} free in {folder.absolute()}", "make room: a full disk refuses messages"
        )
    else:
        yield Check("disk", OK, f"{size(free)} free in {folder.absolute()}")
    took = _fsync(folder)
    if took is not None and took > SLOW_FSYNC:
        text = f"fsync takes {took * 1000:.0f} ms: so long does every message wait"
        yield Check("fsync", WARNING, text, "another disk, or sqlite:///...?synchronous=normal")
    elif took is not None:
        yield Check("fsync", OK, f"{took * 1000:.1f} ms")


def _fsync(folder: Path) -> float | None:
    """The median time of an fsync in seconds; None where nothing can be written."""
    path = folder / f".recollect-doctor-{uuid4().hex}"
    times = []
    try:
        with path.open("xb", buffering=0) as file:
            for _ in range(COMMITS):
                file.write(b"x" * 4096)
                began = time.perf_counter()
                os.fsync(file.fileno())
                times.append(time.perf_counter() - began)
    except OSError:
        return None
    finally:
        path.unlink(missing_ok=True)
    return statistics.median(times)


def sqlite(store: Store) -> Iterator[Check]:
    """SQLite: the library, and the file as SQLite itself sees it."""
    with closing(sqlite3.connect(":memory:")) as connection:
        try:
            connection.execute("CREATE VIRTUAL TABLE t USING fts5(x)")
        except sqlite3.Error:
            todo = "use a Python whose SQLite has FTS5 (those of python.org, Debian, conda have)"
            yield Check("SQLite", PROBLEM, f"{sqlite3.sqlite_version} without FTS5: no search", todo)
        else:
            yield Check("SQLite", OK, f"{sqlite3.sqlite_version} with FTS5")
    path = database_file(store)
    if path is not None and path.is_file():
        yield from _file(path.absolute())


def _file(path: Path) -> Iterator[Check]:
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=5)) as connection:
            (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
            found = [row[0] for row in connection.execute("PRAGMA quick_check(5)")]
    except sqlite3.Error as error:
        yield Check("file", PROBLEM, f"{path}: {error}", "restore a backup, or try sqlite3's .recover")
        return
    if found == ["ok"]:
        yield Check("file", OK, f"{path}, {size(path.stat().st_size)}, sound (quick_check)")
    else:
        yield Check("file", PROBLEM, f"{path} is damaged: {found[0]}", "restore a backup, or try sqlite3's .recover")
    if mode != "wal":
        yield Check(
            "journal", WARNING, f"{mode}: readers and writers wait for each other", "is the disk a network one?"
        )
        return
    log = Path(f"{path}-wal")
    length = log.stat().st_size if log.exists() else 0
    if length > LARGE_LOG:
        todo = "a reader holds a very old view: find a process that keeps the file open"
        yield Check("journal", WARNING, f"the write-ahead log has {size(length)}", todo)
    else:
        yield Check("journal", OK, f"WAL, {size(length)}")
