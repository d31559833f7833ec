"""The PostgreSQL store: the eight verbs over one schema."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from msgspec.structs import replace

from recollect.errors import ConfigError, RecollectError, Unsupported, missing_extra
from recollect.model import Change, Message, Swept
from recollect.store import (
    Append,
    Attach,
    Capabilities,
    Commit,
    Driver,
    Filter,
    Found,
    LogText,
    Op,
    Partition,
    Result,
    Store,
    Stretch,
)
from recollect.store.contract import Key, Row, check_ops

try:
    import psycopg  # noqa: F401
except ImportError as error:  # pragma: no cover
    raise missing_extra("psycopg", "postgres") from error

from recollect.stores._columns import Extent, NotUsual, Unusual
from recollect.stores.postgres import bulk, commits, layout, pgvector, schema
from recollect.stores.postgres.feed import Feed, place_of
from recollect.stores.postgres.links import Link, Run, not_open
from recollect.stores.postgres.names import in_schema
from recollect.stores.postgres.pages import Pages
from recollect.stores.postgres.push import Listener
from recollect.stores.postgres.reads import MAX_SEQ, Reads
from recollect.stores.postgres.reindex import Reindex
from recollect.stores.postgres.rows import ITEM_BYTES
from recollect.stores.postgres.search import Search
from recollect.stores.postgres.settings import Settings, from_url, of_borrowed
from recollect.stores.postgres.text import escape

if TYPE_CHECKING:
    from psycopg import AsyncConnection, Connection
    from psycopg_pool import AsyncConnectionPool, ConnectionPool

SWEEP_SESSIONS = 50
STRETCHES = 1000
"""Parts of logs that one statement reads."""
SWEEP_ROWS = 2000
"""A sweep works in small transactions, so that appends come in between."""


class PostgresStore(Store):
    """One schema of a PostgreSQL database.

    Parameters
    ----------
    settings: where it is and how it is used (`settings.from_url`); None where a pool or a connection is handed in.
    pool: a pool of yours (psycopg_pool), open; it stays open.
    connection: a connection of yours. What is done goes into your own transaction where one is open, and is neither
        committed nor rolled back here; calls on it come one at a time.
    schema, feed_retention: as in the URL, for a pool or a connection of yours.
    statement_timeout: seconds, 0 for no limit, for a pool or a connection of yours: then a statement is cancelled from
        here. What does not even end then is given up, and its connection closed.
    """

    kind: ClassVar[str] = "postgresql"
    templates: ClassVar[tuple[str, ...]] = ("sql",)

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        pool: ConnectionPool[Any] | AsyncConnectionPool[Any] | None = None,
        connection: Connection[Any] | AsyncConnection[Any] | None = None,
        schema: str = "recollect",
        feed_retention: float = 7 * 86400,
        statement_timeout: float = 60.0,
    ) -> None:
        if sum(given is not None for given in (settings, pool, connection)) != 1:
            raise ConfigError("a PostgreSQL store is given its settings, a pool or a connection: one of them")
        if settings is None:
            settings = of_borrowed(schema, pool or connection, feed_retention, statement_timeout)
        self._settings = settings
        self._pool = pool
        self._connection = connection
        self._link: Link | None = None
        self._listener: Listener | None = None
        self._retention = timedelta(seconds=settings.feed_retention)
        self._statements = commits.Statements(settings.schema)
        self._reads = Reads(settings.schema)
        self._pages = Pages(settings.schema)
        self._unusual = Unusual()
        self._search = Search(settings.schema)
        self._feed = Feed(settings.schema)
        self._reindex = Reindex(settings.schema)
        self.capabilities = Capabilities(
            text_search=True,
            vector_search=False,
            feed="scope",
            push=settings.push,
            index_consistency="immediate",
            item_bytes=ITEM_BYTES,
            commit_ops=10_000,
            durable=True,
            vectors=True,
        )

    @classmethod
    def from_url(cls, netloc: str, path: str, options: dict[str, str]) -> PostgresStore:
        """The store of ``postgresql://netloc/path?options``; takes the options that it knows out of `options`."""
        return cls(from_url(netloc, path, options))

    @property
    def url(self) -> str:
        return self._settings.url

    @property
    def _open_link(self) -> Link:
        if self._link is None:
            raise not_open()
        return self._link

    async def open(self, driver: Driver) -> None:
        if self._link is not None:
            return
        self.driver = driver
        link = self._make_link(driver)
        try:
            await schema.prepare(link, self._settings.schema, shown=self._settings.shown)
            is_searched = await pgvector.prepare(link, self._settings.schema)
        except BaseException:
            await link.close()
            raise
        self._link = link
        self.capabilities = replace(self.capabilities, vector_search=is_searched)
        if self.capabilities.push:
            self._listener = Listener(self._settings, driver)

    async def create_tables(self, driver: Driver) -> list[str]:
        name, shown = self._settings.schema, self._settings.shown
        link = self._make_link(driver)
        try:
            made = [f"the schema {name}"] if await schema.missing(link, name, shown=shown) else []
            await super().create_tables(driver)
            made += await link.transaction(lambda run: layout.mend(run, name), unhurried=True)
            wrong = await layout.differences(link.fetch, name)
        finally:
            await link.close()
        if wrong:
            raise ConfigError(f"{shown}: {'; '.join(wrong)}")
        return made

    async def check_tables(self, driver: Driver) -> list[str]:
        name, shown = self._settings.schema, self._settings.shown
        link = self._make_link(driver)
        try:
            return await schema.missing(link, name, shown=shown) or await layout.differences(link.fetch, name)
        except ConfigError as error:
            return [str(error)]
        finally:
            await link.close()

    def template(self, form: str) -> str:
        return schema.script(self._settings.schema) if form in self.templates else super().template(form)

    def _make_link(self, driver: Driver) -> Link:
        if self._pool is None and self._connection is None:
            if driver.blocking:
                from recollect.stores.postgres.blocking import BlockingLink

                return BlockingLink(self._settings, driver)
            from recollect.stores.postgres.native import NativeLink

            return NativeLink(self._settings, driver)
        from recollect.stores.postgres.borrowed import borrowed_link

        return borrowed_link(self._settings, driver, pool=self._pool, connection=self._connection)

    async def close(self) -> None:
        link, self._link = self._link, None
        listener, self._listener = self._listener, None
        if listener is not None:
            await listener.close()
        if link is not None:
            await link.close()

    async def commit(self, partition: Partition, ops: Sequence[Op]) -> list[Result]:
        check_ops(ops, self.capabilities)
        link, now = self._open_link, self.driver.now()
        if not ops:
            return []
        if len(ops) == 1 and isinstance(ops[0], Append) and link.is_alone:
            return [await commits.append_alone(link.fetch, self._statements, partition, ops[0], now)]
        if self.capabilities.vector_search and link.is_alone:
            for op in ops:
                if isinstance(op, Attach):
                    await self._statements.vectors.index(link, op)
        repeatable = commits.is_repeatable(ops)
        if len(ops) == 1:

            async def run(sql: str, values: Any) -> Any:
                return await link.fetch(sql, values, repeatable=repeatable)

            return [await commits.apply(run, self._statements, partition, ops[0], now)]

        async def whole(run: Run) -> list[Result]:
            return [await commits.apply(run, self._statements, partition, op, now) for op in ops]

        return await link.transaction(whole, repeatable=repeatable)

    async def commit_many(self, commits: Sequence[Commit]) -> list[list[Result] | RecollectError]:
        for commit in commits:
            check_ops(commit.ops, self.capabilities)
        return await bulk.commit_many(
            self._open_link, self._statements, commits, self.driver.now(), lambda one: self.commit(*one)
        )

    async def get(self, table: str, key: Key) -> Row | None:
        link = self._open_link
        sql, values, record = self._reads.get(table, key, self.driver.now())
        if not sql:
            return None
        rows = await link.fetch(sql, values)
        found: Row | None = record(rows[0]) if rows else None
        return found

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
        link = self._open_link
        sql, values, record = self._reads.query(
            path, hash, after, before, since, until, limit, reverse, self.driver.now()
        )
        return list(map(record, await link.fetch(sql, values))) if sql else []

    async def stretches(
        self, path: Literal["messages", "vectors"], scope: str, asked: Sequence[Stretch]
    ) -> list[Sequence[Any]]:
        found: list[Sequence[Any]] = [[] for _ in asked]
        for start in range(0, len(asked), STRETCHES):
            some = asked[start : start + STRETCHES]
            sql, values, record = self._reads.stretches(path, scope, some, self.driver.now())
            parts: list[list[Any]] = [[] for _ in some]
            for number, *row in await self._open_link.fetch(sql, values):
                parts[number - 1].append(record(row))
            found[start : start + len(some)] = parts
        return found

    async def query_json(
        self, hash: Key, *, after: Key | None = None, before: Key | None = None, limit: int, reverse: bool = False
    ) -> LogText | None:
        link = self._open_link
        stretch = Extent.of(after, before, limit, reverse, MAX_SEQ)
        asked = None if hash in self._unusual else self._pages.ask(hash, stretch, self.driver.now())
        if asked is None:
            return None
        rows = await link.fetch(*asked)
        try:
            return self._pages.read(rows, hash, stretch)
        except NotUsual:
            self._unusual.add(hash)
            return None

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
            if not self.capabilities.vector_search:
                raise Unsupported(
                    "PostgreSQL searches vectors with the extension vector (pgvector), 0.8 or newer, which is not"
                    " here: recall compares the vectors itself"
                )
            return await self._statements.vectors.nearest(
                self._open_link, scope, vector, model, limit, filter, self.driver.now()
            )
        return await self._search.run(self._open_link, scope, terms, limit, filter, self.driver.now())

    async def changes(self, scope: str, *, after: str | None = None, limit: int) -> list[Change]:
        return await self._feed.changes(self._open_link, scope, after, limit)

    async def wait(self, scope: str, after: str | None, seconds: float) -> None:
        if self._link is None:
            raise not_open()
        if self._listener is None:
            await super().wait(scope, after, seconds)
        else:
            await self._listener.wait(escape(scope), place_of(after), seconds)

    async def index_version(self) -> int:
        return await self._reindex.version(self._open_link)

    async def mark_index(self, version: int) -> None:
        await self._reindex.mark(self._open_link, version)

    async def reindex(self, version: int, terms: Callable[[Message], str], progress: Callable[[int], object]) -> int:
        return await self._reindex.run(self._open_link, version, terms, progress)

    async def sweep(self) -> Swept:
        link, now = self._open_link, self.driver.now()
        sessions = messages = changes = 0

        async def call(sql: str, *values: Any) -> tuple[int, ...]:
            ((*counts,),) = await link.fetch(in_schema(sql, self._settings.schema), values)
            return tuple(counts)

        while (found := await call("SELECT * FROM recollect.sweep_sessions($1, $2)", now, str(SWEEP_SESSIONS)))[0]:
            sessions, messages = sessions + found[0], messages + found[1]
        while (found := await call("SELECT recollect.sweep_messages($1, $2)", now, str(SWEEP_ROWS)))[0]:
            messages += found[0]
        await self._feed.settled(link)
        oldest = now - self._retention
        while (found := await call("SELECT recollect.sweep_changes($1, $2)", oldest, str(SWEEP_ROWS)))[0]:
            changes += found[0]
        return Swept(sessions=sessions, messages=messages, changes=changes)
