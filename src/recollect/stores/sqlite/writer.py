"""Commits: queued by any thread, written by whichever holds the lock, many in one transaction.

With full durability a transaction costs a disk flush. Threads that wait for the lock have their commits written by
the one that holds it, in one transaction with one flush (group commit). Each commit stays atomic by itself: if one of
them fails, the transaction is undone and written again with a savepoint for each.

An event loop's commits are written in two steps (`Writer.begin`): their statements at once, in the loop's own thread, as
they take some 30 microseconds and a hop to another thread takes more; the flush, which takes a disk's time, in a thread.
With ``synchronous=normal`` there is no flush but when the log is copied back into the file: then both are done at once, and
every so often a commit goes to a thread, where alone the log may be copied.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

from recollect.errors import RecollectError
from recollect.store import Append, Commit, Delete, Result
from recollect.stores.sqlite import bulk
from recollect.stores.sqlite.changes import Changes
from recollect.stores.sqlite.connections import Connections, is_busy

GROUP = 256
"""Commits in one transaction at most, so that the first of them does not wait for ever."""

SHORT_ROWS = 64
SHORT_BYTES = 64 * 1024
"""What may be written in an event loop's thread: a millisecond or two of work."""

IN_PLACE = 128
"""Of so many transactions of an event loop two are ended in a thread: one that may copy the log back, and the one behind it,
which begins the log anew and flushes its header."""

Outcome = list[Result] | BaseException


_OF_ONE = (RecollectError, UnicodeEncodeError)
"""Errors that say something of one commit, not of the database."""


class _Job:
    __slots__ = ("commits", "outcomes")

    def __init__(self, commits: Sequence[Commit]) -> None:
        self.commits = commits
        self.outcomes: list[Outcome] | None = None


class Writer:
    """Runs commits on the writing connection.

    Parameters
    ----------
    changes: does what commits say, inside a transaction.
    """

    def __init__(self, connections: Connections, changes: Changes) -> None:
        self._connections = connections
        self._apply = changes.apply
        self._apply_alone = changes.apply_alone
        self._apply_all = changes.apply_all
        self._finish = changes.finish
        self._changes = changes
        self._begun = 0
        self._queue: deque[_Job] = deque()

    def run(self, commits: Sequence[Commit]) -> list[Outcome]:
        """Write the commits; an outcome for each."""
        if len(commits) == 1 and not bulk.worthwhile(commits):
            try:
                return [self.run_one(commits[0])]
            except Exception as error:
                return [error]
        return self._run_many(commits)

    def begin(self, commits: Sequence[Commit]) -> Callable[[], list[Outcome]] | list[Outcome]:
        """Write the statements of short commits now, without waiting for anything; the call given back flushes them.

        Commits that are not short, or would have to wait for another writer, are left to that call as a whole. It must
        be called: until then no other commit is written. Where there is nothing to wait for, the outcomes are given.
        """
        connections = self._connections
        lock = connections.write_lock
        later = partial(self.run, commits)
        if self._queue or not connections.is_open or not _short(commits) or not lock.acquire(blocking=False):
            return later
        connection = None
        try:
            connection = connections.writer
            if not connections.begin_now():
                lock.release()
                return later
            outcomes: list[Outcome] = [self._apply(connection, commit, short=True) for commit in commits]
            self._begun += 1
            if connections.flushes or self._changes.index_due or self._begun % IN_PLACE < 2:
                return partial(self._end, connection, outcomes)
            connections.copy_log_at(0)
            connection.execute("COMMIT")
        except BaseException as error:
            _undo(connection)
            lock.release()
            if isinstance(error, Exception):
                return later
            raise
        lock.release()
        return outcomes

    def _end(self, connection: sqlite3.Connection, outcomes: list[Outcome]) -> list[Outcome]:
        try:
            self._connections.copy_log_at()
            self._finish(connection)
            connection.execute("COMMIT")
        except BaseException as error:
            _undo(connection)
            return [self._translated(error)] * len(outcomes)
        finally:
            self._connections.write_lock.release()
        return outcomes

    def _translated(self, error: BaseException) -> BaseException:
        if not isinstance(error, sqlite3.Error):
            return error
        shown = self._connections.translate(error)
        shown.__cause__ = error
        return shown

    def _run_many(self, commits: Sequence[Commit]) -> list[Outcome]:
        job = _Job(commits)
        self._queue.append(job)
        with self._connections.write_lock:
            if job.outcomes is None:
                self._write(self._take(job))
        assert job.outcomes is not None
        return job.outcomes

    def run_one(self, commit: Commit) -> list[Result]:
        """Write one commit; raises what it raised."""
        lock = self._connections.write_lock
        if not self._queue and lock.acquire(blocking=False):
            try:
                return self._run_alone(commit)
            finally:
                lock.release()
        (outcome,) = self._run_many((commit,))
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def _run_alone(self, commit: Commit) -> list[Result]:
        """One commit in a transaction of its own, when nobody waits."""
        connections = self._connections
        connection = connections.writer
        try:
            connections.copy_log_at()
            try:
                done = self._apply_alone(connection, commit)
            except sqlite3.OperationalError as error:
                if not is_busy(error):
                    raise
                done = None
            if done is not None:
                return done
            connections.begin()
            results = self._apply(connection, commit)
            self._finish(connection)
            connection.execute("COMMIT")
        except BaseException as error:
            _undo(connection)
            if isinstance(error, sqlite3.Error):
                raise connections.translate(error) from error
            raise
        return results

    def _take(self, own: _Job) -> list[_Job]:
        """What waits, from the oldest, own job included."""
        jobs: list[_Job] = []
        count = 0
        while self._queue and (count < GROUP or own not in jobs):
            jobs.append(self._queue.popleft())
            count += len(jobs[-1].commits)
        return jobs

    def _write(self, jobs: list[_Job]) -> None:
        connections = self._connections
        connection = None
        try:
            connection = connections.writer
            commits = [commit for job in jobs for commit in job.commits]
            outcomes = self._together(connection, commits) or self._apart(connection, commits)
            self._finish(connection)
            connection.execute("COMMIT")
        except BaseException as error:
            _undo(connection)
            shown = self._translated(error)
            for job in jobs:
                job.outcomes = [shown] * len(job.commits)
            if not isinstance(error, Exception):
                raise
            return
        start = 0
        for job in jobs:
            job.outcomes = outcomes[start : start + len(job.commits)]
            start += len(job.commits)

    def _together(self, connection: sqlite3.Connection, commits: Sequence[Commit]) -> list[Outcome] | None:
        """All commits in a new transaction; None, with nothing done, if one of them fails."""
        if bulk.worthwhile(commits):
            self._connections.begin(bulk=True)
            try:
                return list(self._apply_all(connection, commits))
            except (bulk.Unusual, *_OF_ONE):
                connection.execute("ROLLBACK")
        self._connections.begin()
        try:
            return [self._apply(connection, commit) for commit in commits]
        except _OF_ONE:
            connection.execute("ROLLBACK")
            return None

    def _apart(self, connection: sqlite3.Connection, commits: Sequence[Commit]) -> list[Outcome]:
        """The commits that succeed in a new transaction, and the errors of the others."""
        self._connections.begin()
        outcomes: list[Outcome] = []
        for commit in commits:
            connection.execute("SAVEPOINT one")
            try:
                outcomes.append(self._apply(connection, commit))
            except _OF_ONE as error:
                connection.execute("ROLLBACK TO one")
                outcomes.append(error)
            connection.execute("RELEASE one")
        return outcomes


def _undo(connection: sqlite3.Connection | None) -> None:
    if connection is not None and connection.in_transaction:
        connection.execute("ROLLBACK")


def _short(commits: Sequence[Commit]) -> bool:
    rows = size = 0
    for commit in commits:
        for op in commit.ops:
            if isinstance(op, Append):
                rows += len(op.rows)
                size += sum(map(len, op.terms))
                for row in op.rows if rows <= SHORT_ROWS else ():
                    size += len(row.content) if isinstance(row.content, str) else SHORT_BYTES // 4
            elif isinstance(op, Delete):
                return False
            else:
                rows += 1
    return rows <= SHORT_ROWS and size <= SHORT_BYTES
