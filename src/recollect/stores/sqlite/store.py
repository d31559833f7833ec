"""The SQLite store: the eight verbs over one file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal

from recollect.errors import InvalidInput, RecollectError, Unsupported
from recollect.model import Change, Message, Swept
from recollect.store import Capabilities, Commit, Driver, Filter, Found, LogText, Op, Partition, Result, Store, Stretch
from recollect.store.codec import dump_time
from recollect.store.contract import Key, Row, check_ops
from recollect.store.guards import swept_away
from recollect.stores._columns import LEAST, NotUsual, Unusual
from recollect.stores._sql import CHANGE_COLUMNS, change_of
from recollect.stores.sqlite import encoded, index, pages, reads
from recollect.stores.sqlite.changes import Changes, remove_messages, remove_session
from recollect.stores.sqlite.connections import Connections
from recollect.stores.sqlite.schema import script
from recollect.stores.sqlite.writer import Writer

SWEEP_SESSIONS = 50
SWEEP_ROWS = 2000
REINDEX_ROWS = 500
"""A sweep and a reindexing work in small transactions, so that appends come in between."""

_FEED_BOUNDS = """
SELECT coalesce((SELECT max(id) FROM recollect_changes), 0),
    (SELECT value FROM recollect_meta WHERE name = 'swept_change'),
    coalesce((SELECT change_id FROM recollect_swept WHERE scope = ?), 0)
"""
_SWEPT = """
INSERT INTO recollect_swept (scope, change_id)
SELECT scope, max(id) FROM recollect_changes WHERE id > ? AND id <= ? GROUP BY scope
ON CONFLICT (scope) DO UPDATE SET change_id = excluded.change_id
"""


class SQLiteStore(Store):
    """One SQLite file, or a database in memory.

    Parameters
    ----------
    path: the file, made if it is not there; None for a database in memory that is gone on close.
    synchronous: ``full``: an acknowledged commit survives a power cut. ``normal``: it survives the process, not
        always the machine: what was committed in the last moments before a power cut may be gone, never torn.
    mode: ``rwc``, ``rw`` (the file must be there) or ``ro``.
    busy_timeout: seconds to wait for another process's write before `Unavailable`.
    feed_retention: seconds that entries of the feed are kept by `sweep`.
    """

    kind: ClassVar[str] = "sqlite"
    templates: ClassVar[tuple[str, ...]] = ("sql",)

    def __init__(
        self,
        path: str | None = None,
        *,
        synchronous: Literal["full", "normal"] | str = "full",
        mode: Literal["rwc", "rw", "ro"] | str = "rwc",
        busy_timeout: float = 60.0,
        feed_retention: float = 7 * 86400,
    ) -> None:
        self._connections = Connections(path, synchronous=synchronous, mode=mode, busy_timeout=busy_timeout)
        self._retention = timedelta(seconds=feed_retention)
        self.capabilities = Capabilities(
            text_search=True,
            vector_search=False,
            feed="store",
            push=False,
            index_consistency="immediate",
            item_bytes=256 * 1024 * 1024,
            commit_ops=10_000,
            durable=path is not None,
            vectors=True,
        )

    @property
    def url(self) -> str:
        return f"sqlite:///{self._connections.path}" if self._connections.path else "sqlite://"

    async def open(self, driver: Driver) -> None:
        self.driver = driver
        # A short read of a file takes less time than the hop to a thread and back, and waits for no writer. In memory
        # the one connection may be another thread's just then.
        self._in_place = not driver.blocking and self._connections.path is not None
        self._writer = Writer(self._connections, Changes(driver))
        self._write = driver.batched(self._writer.begin)
        self._unusual = Unusual()
        self._pages = pages.Pages()
        await driver.run(self._connections.open)

    async def create_tables(self, driver: Driver) -> list[str]:
        missing = await self.check_tables(driver)
        await super().create_tables(driver)
        return [self._connections.shown] if missing else []

    async def check_tables(self, driver: Driver) -> list[str]:
        path = self._connections.path
        if path is None:
            return []
        if not self._connections.exists():
            return [f"there is no file {path}"]
        return await Store.check_tables(SQLiteStore(path, mode="ro"), driver)

    def template(self, form: str) -> str:
        return script() if form in self.templates else super().template(form)

    async def close(self) -> None:
        if self._connections.is_open:
            await self.driver.run(self._connections.close)

    def _now(self) -> str:
        return dump_time(self.driver.now())

    async def commit(self, partition: Partition, ops: Sequence[Op]) -> list[Result]:
        check_ops(ops, self.capabilities)
        commit = Commit(partition, ops)
        if self.driver.blocking:
            return self._writer.run_one(commit)
        results: list[Result] = await self._write(commit)
        return results

    async def commit_many(self, commits: Sequence[Commit]) -> list[list[Result] | RecollectError]:
        for commit in commits:
            check_ops(commit.ops, self.capabilities)
        outcomes = await self.driver.run(self._writer.run, commits)
        found: list[list[Result] | RecollectError] = []
        for outcome in outcomes:
            if isinstance(outcome, BaseException) and not isinstance(outcome, RecollectError):
                raise outcome
            found.append(outcome)
        return found

    async def get(self, table: str, key: Key) -> Row | None:
        return self._get(table, key) if self._in_place else await self.driver.run(self._get, table, key)

    def _get(self, table: str, key: Key) -> Row | None:
        with self._connections.reading() as connection:
            return reads.get(connection, table, key, self._now())

    async def query(
        self,
        path: str,
        hash: Key,
        *,
        after: Key | None = None,
        before: Key | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int,
        reverse: bool = False,
    ) -> Sequence[Any]:
        if self._in_place and path in reads.LOGS:
            try:
                return self._query(path, hash, after, before, since, until, limit, reverse, reads.few_messages)
            except reads.NotShort:
                pass
        return await self.driver.run(self._query, path, hash, after, before, since, until, limit, reverse)

    def _query(
        self,
        path: str,
        hash: Key,
        after: Key | None,
        before: Key | None,
        since: datetime | None,
        until: datetime | None,
        limit: int,
        reverse: bool,
        decode: reads.Decode = reads.all_messages,
    ) -> list[Any]:
        with self._connections.reading() as connection:
            return reads.query(connection, path, hash, after, before, since, until, limit, reverse, self._now(), decode)

    async def stretches(
        self, path: Literal["messages", "vectors"], scope: str, asked: Sequence[Stretch]
    ) -> list[Sequence[Any]]:
        return await self.driver.run(self._stretches, path, scope, asked)

    def _stretches(self, path: str, scope: str, asked: Sequence[Stretch]) -> list[Sequence[Any]]:
        now = self._now()
        with self._connections.reading() as connection:
            return [
                reads.query(
                    connection, path, (scope, id), (first - 1,), (last + 1,), None, None, last - first + 1, False, now
                )
                for id, first, last in asked
            ]

    async def query_json(
        self, hash: Key, *, after: Key | None = None, before: Key | None = None, limit: int, reverse: bool = False
    ) -> LogText | None:
        if limit < LEAST or hash in self._unusual:
            return None
        if self._in_place:
            try:
                return self._query_json(hash, after, before, limit, reverse, True)
            except reads.NotShort:
                pass
        return await self.driver.run(self._query_json, hash, after, before, limit, reverse, False)

    def _query_json(
        self, hash: Key, after: Key | None, before: Key | None, limit: int, reverse: bool, short: bool
    ) -> LogText | None:
        now = self._now()
        page = (hash, after, before, limit, reverse)
        with self._connections.reading() as connection:
            if page in self._pages:
                state = pages.state(connection, hash, now)
                kept = None if state is None else self._pages.get(page, state)
                if kept is not None:
                    return kept
            try:
                found = encoded.log_text(connection, hash, after, before, limit, reverse, now, short)
            except NotUsual:
                self._unusual.add(hash)
                return None
        if found is None:
            return None
        state, text = found
        self._pages.put(page, state, text.more and not reverse, text)
        return text

    async def search(
        self,
        scope: str,
        *,
        terms: Sequence[str],
        vector: Sequence[float] | None = None,
        model: str = "",
        limit: int,
        filter: Filter = Filter(),
    ) -> Found:
        if vector is not None:
            raise Unsupported("the SQLite store has no vector search: recall compares the vectors itself")
        if not terms:
            return Found()
        return await self.driver.run(self._search, scope, terms, limit, filter)

    def _search(self, scope: str, terms: Sequence[str], limit: int, filter: Filter) -> Found:
        with self._connections.reading() as connection:
            return index.search(connection, scope, terms, limit, filter, self._now())

    async def changes(self, scope: str, *, after: str | None = None, limit: int) -> list[Change]:
        return await self.driver.run(self._changes, scope, after, limit)

    def _changes(self, scope: str, after: str | None, limit: int) -> list[Change]:
        if after is not None and not (after.isascii() and after.isdigit() and len(after) < 19):
            raise InvalidInput(f"not a cursor of this feed: {after[:40]!r}", field="after")
        with self._connections.reading() as connection:
            connection.execute("BEGIN")
            newest, swept, own = connection.execute(_FEED_BOUNDS, (scope,)).fetchone()
            start = swept if after is None else int(after)
            if start > newest:
                raise InvalidInput(f"not a cursor of this feed: {after!r}", field="after")
            if start < own:
                raise swept_away()
            rows = connection.execute(
                f"SELECT {CHANGE_COLUMNS} FROM recollect_changes WHERE id > ? AND scope = ? ORDER BY id LIMIT ?",
                (max(start, swept), scope, limit),
            )
            return list(map(change_of, rows))

    async def index_version(self) -> int:
        return await self.driver.run(self._index_version)

    def _index_version(self) -> int:
        with self._connections.reading() as connection:
            return index.version(connection)

    async def mark_index(self, version: int) -> None:
        await self.driver.run(self._mark_index, version)

    def _mark_index(self, version: int) -> None:
        def mark() -> tuple[int, int]:
            index.set_version(self._connections.writer, version)
            return 0, 0

        self._transaction(mark)

    async def reindex(self, version: int, terms: Callable[[Message], str], progress: Callable[[int], object]) -> int:
        place = done = 0
        while True:
            place, count = await self.driver.run(self._renew, place, terms)
            done += count
            if count < REINDEX_ROWS:
                await self.mark_index(version)
                return done
            progress(done)

    def _renew(self, place: int, terms: Callable[[Message], str]) -> tuple[int, int]:
        writer = self._connections.writer
        return self._transaction(lambda: index.renew(writer, place, REINDEX_ROWS, terms))

    async def sweep(self) -> Swept:
        return await self.driver.run(self._sweep)

    def _sweep(self) -> Swept:
        sessions = messages = changes = 0
        while (found := self._transaction(self._sweep_sessions))[0]:
            sessions, messages = sessions + found[0], messages + found[1]
        while (found := self._transaction(self._sweep_messages))[0]:
            messages += found[0]
        while (found := self._transaction(self._sweep_changes))[0]:
            changes += found[0]
        writer = self._connections.writer
        if deleted := self._transaction(lambda: (index.scrub(writer), 0))[0]:
            with self._connections.write_lock, self._connections.translated():
                (held_up, *_) = writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            # A reader of another process can hold the log; then the next sweep tries again.
            if not held_up:
                self._transaction(lambda: (index.scrubbed(writer, deleted), 0))
        return Swept(sessions=sessions, messages=messages, changes=changes)

    def _transaction(self, work: Any) -> tuple[int, int]:
        connections = self._connections
        with connections.write_lock, connections.translated():
            connections.begin()
            try:
                result: tuple[int, int] = work()
                connections.writer.execute("COMMIT")
            except BaseException:
                if connections.writer.in_transaction:
                    connections.writer.execute("ROLLBACK")
                raise
            return result

    def _sweep_sessions(self) -> tuple[int, int]:
        writer = self._connections.writer
        numbers = writer.execute(
            "SELECT session_no FROM recollect_sessions WHERE expires_at <= ? LIMIT ?", (self._now(), SWEEP_SESSIONS)
        ).fetchall()
        return len(numbers), sum(remove_session(writer, number) for (number,) in numbers)

    def _sweep_messages(self) -> tuple[int, int]:
        writer = self._connections.writer
        rows = writer.execute(
            "SELECT position, session_no FROM recollect_messages WHERE expires_at <= ? LIMIT ?",
            (self._now(), SWEEP_ROWS),
        ).fetchall()
        for position, number in rows:
            remove_messages(writer, "position = ?", (position,))
            writer.execute(
                "UPDATE recollect_sessions SET message_count = message_count - 1 WHERE session_no = ?", (number,)
            )
        return len(rows), 0

    def _sweep_changes(self) -> tuple[int, int]:
        """Remove old entries; the newest row stays, hidden and blank, so that its number is not given again."""
        writer = self._connections.writer
        oldest = dump_time(self.driver.now() - self._retention)
        swept, newest = writer.execute(
            "SELECT (SELECT value FROM recollect_meta WHERE name = 'swept_change'),"
            " coalesce((SELECT max(id) FROM recollect_changes), 0)"
        ).fetchone()
        young = writer.execute(
            "SELECT id FROM recollect_changes WHERE id > ? AND at > ? ORDER BY id LIMIT 1", (swept, oldest)
        ).fetchone()
        last = min(young[0] - 1 if young else newest, swept + SWEEP_ROWS)
        if last <= swept:
            return 0, 0
        index.flush(writer)
        writer.execute("UPDATE recollect_meta SET value = ? WHERE name = 'swept_change'", (last,))
        writer.execute(_SWEPT, (swept, last))
        writer.execute("DELETE FROM recollect_changes WHERE id <= ? AND id < ?", (last, newest))
        writer.execute("UPDATE recollect_changes SET scope = '', partition_id = '' WHERE id <= ?", (last,))
        return last - swept, 0
