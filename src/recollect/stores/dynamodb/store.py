"""The DynamoDB store: the eight verbs over a few tables."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar, Literal

from msgspec import structs

from recollect.errors import ConfigError, RecollectError, Unsupported
from recollect.model import Change, Message, Swept
from recollect.store import (
    PATHS,
    Attach,
    Capabilities,
    Commit,
    Delete,
    Driver,
    Filter,
    Found,
    Op,
    Partition,
    Result,
    Store,
    Stretch,
)
from recollect.store.contract import Key, Row, check_ops
from recollect.stores.dynamodb import schema, template, vector_index
from recollect.stores.dynamodb.bulk import ThreadsDriver, commit_all
from recollect.stores.dynamodb.by_user import ByUser
from recollect.stores.dynamodb.cache import Cache
from recollect.stores.dynamodb.client import Cancelled, Client
from recollect.stores.dynamodb.commit import Commits
from recollect.stores.dynamodb.feed import ChangeFeed, Feed
from recollect.stores.dynamodb.items import check_compression
from recollect.stores.dynamodb.keys import Ticks
from recollect.stores.dynamodb.listing import Listing
from recollect.stores.dynamodb.nearest import Nearest
from recollect.stores.dynamodb.options import Options
from recollect.stores.dynamodb.plan import Plan, check_sizes
from recollect.stores.dynamodb.preferences import PreferenceCommits
from recollect.stores.dynamodb.reads import Reads
from recollect.stores.dynamodb.staged import LANES
from recollect.stores.dynamodb.streams import StreamFeed
from recollect.stores.dynamodb.sweep import Sweeper
from recollect.stores.dynamodb.vectors import Vectors

STRETCHED = 2000
"""Vectors that are read by their keys; more are read as what lies between two."""


class DynamoDBStore(Store):
    """Tables of Amazon DynamoDB.

    Parameters
    ----------
    options: how they are reached and named. client: a boto3 client of your own (``boto3.client("dynamodb")``), which
        stays open when the store closes.
    """

    kind: ClassVar[str] = "dynamodb"
    templates: ClassVar[tuple[str, ...]] = ("cloudformation", "ddbsh")

    capabilities = Capabilities(
        text_search=False,
        vector_search=False,
        feed="partition",
        push=False,
        index_consistency="eventual",
        item_bytes=16 * 1024 * 1024,
        commit_ops=30,
        durable=True,
        vectors=True,
    )

    def __init__(self, options: Options = Options(), *, client: Any = None) -> None:
        self.options = options
        self._client = Client(options, client)
        self._names = schema.names(options)

    @property
    def url(self) -> str:
        return self.options.url

    async def open(self, driver: Driver) -> None:
        if self.options.compress:
            check_compression()
        if self._client.is_open:
            return
        self.driver, self._threads = driver, ThreadsDriver(driver)
        driver = self._threads
        options, client, names = self.options, self._client, self._names
        await client.open(driver)
        try:
            prepared = await schema.prepare(client, driver, options, create=options.creates)
        except BaseException:
            await client.close()
            raise
        cache, ticks = Cache(), Ticks(driver.now)
        self._cache = cache
        consistent = options.consistent_read
        self._reads = Reads(client, names, driver, consistent=consistent)
        self._listing = Listing(client, names, driver, self._reads)
        self._by_user = ByUser(self._listing, self._reads)
        self._feed: ChangeFeed = (
            StreamFeed(client, names, driver, retention=options.feed_retention, ttl=options.ttl)
            if options.feed == "streams"
            else Feed(client, names, driver, retention=options.feed_retention)
        )
        index = vector_index.find(prepared.tables["index"])
        ready = index is not None and index.ready
        self._nearest = Nearest(client, names, driver, self._reads, index) if index is not None and ready else None
        self.capabilities = structs.replace(type(self).capabilities, vector_search=ready)
        self._vectors = Vectors(client, names, driver, self._reads, cache, index)
        self._commits = Commits(
            client,
            names,
            driver,
            self._reads,
            self._vectors,
            self._feed,
            cache,
            ticks,
            compress=options.compress is not None,
        )
        self._preferences = PreferenceCommits(client, names, driver, self._feed, ticks, consistent=consistent)
        self._sweeper = Sweeper(client, names, driver, self._feed, cache, ticks, retention=options.feed_retention)

    async def create_tables(self, driver: Driver) -> list[str]:
        await self._client.open(driver)
        try:
            return (await schema.prepare(self._client, driver, self.options, create=True)).made
        finally:
            await self._client.close()

    async def check_tables(self, driver: Driver) -> list[str]:
        await self._client.open(driver)
        try:
            return await schema.check(self._client, self.options)
        finally:
            await self._client.close()

    def table_names(self) -> tuple[str, ...]:
        names = schema.names(self.options)
        return tuple(names.of(table) for table in schema.TABLES)

    def template(self, form: str) -> str:
        make = {"cloudformation": template.cloudformation, "ddbsh": template.ddbsh}.get(form)
        return super().template(form) if make is None else make(self.options)

    async def close(self) -> None:
        await self._client.close()

    def _check_open(self) -> None:
        if not self._client.is_open:
            raise ConfigError("this store is not open")

    async def commit(self, partition: Partition, ops: Sequence[Op]) -> list[Result]:
        check_ops(ops, self.capabilities)
        self._check_open()
        if not ops:
            return []
        if partition.kind == "user":
            return await self._preferences.commit(partition, ops)
        check_sizes(ops, self.capabilities.item_bytes)
        attaches = [op for op in ops if isinstance(op, Attach)]
        if len(attaches) == len(ops):
            return [*await self._vectors.attach(partition, attaches)]
        results, plan = await self._commits.commit(partition, ops)
        if plan is not None and plan.leaves_remains and any(isinstance(op, Delete) for op in ops):
            await self._tidy(plan)
        return results

    async def commit_many(self, commits: Sequence[Commit]) -> list[list[Result] | RecollectError]:
        self._check_open()
        if len({commit.partition for commit in commits}) < 2:
            return await super().commit_many(commits)
        await self._reads.know(
            {commit.partition for commit in commits if commit.partition.kind == "session"}, self._cache
        )
        at_once = max(1, self.options.connections // LANES)
        return await self._threads.run(commit_all, self.commit, commits, self._threads, at_once)

    async def _tidy(self, plan: Plan) -> None:
        """Remove what a deletion left. The commit is done: what cannot be removed now is left to the sweep."""
        try:
            await self._sweeper.clean(plan.header_written)
        except (Cancelled, RecollectError):
            pass

    async def get(self, table: str, key: Key) -> Row | None:
        self._check_open()
        if table == "preferences":
            return await self._preferences.get(key[0], key[1])
        if table == "sessions":
            return await self._reads.session(key[0], key[1])
        if table == "summaries":
            return await self._reads.summary(key[0], key[1])
        seq = key[2]
        found = await self._reads.messages(key[0], key[1], after=(seq - 1,), before=(seq + 1,), limit=1)
        return found[0] if found else None

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
        self._check_open()
        if path not in PATHS:
            raise Unsupported(f"no path {path!r}")
        if path in ("messages", "system_messages"):
            return await self._reads.messages(
                hash[0],
                hash[1],
                after=after,
                before=before,
                since=since,
                until=until,
                role="system" if path == "system_messages" else None,
                limit=limit,
                reverse=reverse,
            )
        if path == "messages_by_id":
            return await self._message_by_id(hash, after, before, since, until, limit)
        if path == "messages_by_user":
            return await self._by_user.page(
                hash[0],
                hash[1],
                after=after,
                before=before,
                since=since,
                until=until,
                limit=limit,
                reverse=reverse,
            )
        if path == "vectors":
            return await self._vectors.page(hash[0], hash[1], after=after, before=before, limit=limit, reverse=reverse)
        if path == "preferences":
            return await self._listing.preferences(hash[0], after=after, before=before, limit=limit, reverse=reverse)
        return await self._listing.sessions(
            hash[0],
            hash[1] if path == "sessions_by_user" else None,
            after=after,
            before=before,
            limit=limit,
            reverse=reverse,
        )

    async def _message_by_id(
        self,
        hash: Key,
        after: Key | None,
        before: Key | None,
        since: datetime | None,
        until: datetime | None,
        limit: int,
    ) -> list[Message]:
        found = await self._reads.message_by_id(*hash) if limit > 0 else None
        if found is None or found.created_at is None:
            return []
        inside = (
            (after is None or found.seq > after[0])
            and (before is None or found.seq < before[0])
            and (since is None or found.created_at >= since)
            and (until is None or found.created_at < until)
        )
        return [found] if inside else []

    async def stretches(
        self, path: Literal["messages", "vectors"], scope: str, asked: Sequence[Stretch]
    ) -> list[Sequence[Any]]:
        if path == "vectors" and sum(last - first for _, first, last in asked) <= STRETCHED:
            self._check_open()
            return await self._vectors.stretches(scope, asked)
        return await super().stretches(path, scope, asked)

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
        self._check_open()
        if vector is not None and self._nearest is not None:
            return await self._nearest.search(scope, vector, model, limit, filter)
        if vector is not None:
            raise Unsupported("these tables have no vector index: recall compares the vectors itself")
        raise Unsupported("DynamoDB has no text search; SQLite and PostgreSQL have it")

    async def changes(self, scope: str, *, after: str | None = None, limit: int) -> list[Change]:
        self._check_open()
        return await self._feed.changes(scope, after, limit)

    async def sweep(self) -> Swept:
        self._check_open()
        return await self._sweeper.sweep()
