"""The Redis store: the eight verbs over streams, hashes and sorted sets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal

from recollect.errors import ConfigError, RecollectError, Unsupported
from recollect.model import Change, Message, Swept
from recollect.store import (
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
from recollect.store.codec import dump_time
from recollect.store.contract import Key, Row, check_ops
from recollect.stores.redis import schema
from recollect.stores.redis.by_user import messages_by_user
from recollect.stores.redis.checks import warnings
from recollect.stores.redis.connections import borrowed_wire, make_wire
from recollect.stores.redis.documents import vector_kind
from recollect.stores.redis.feed import Feed
from recollect.stores.redis.index import Index, has_search
from recollect.stores.redis.keys import Keys
from recollect.stores.redis.options import CLUSTER_SHARDS, Options
from recollect.stores.redis.paths import Paths
from recollect.stores.redis.reads import MAX_SEQ, Reads
from recollect.stores.redis.reindex import Reindexing
from recollect.stores.redis.sweeper import sweep_sessions
from recollect.stores.redis.wire import Wire
from recollect.stores.redis.writes import results_of, unit_of

AT_ONCE = 500
"""Commits in one pipeline at most."""

_NO_SEARCH = (
    "this Redis has no text search and no vector search: a database made on a server with RediSearch (2.10 or newer, no"
    " cluster) has both, sqlite:// and postgresql:// have text"
)


class RedisStore(Store):
    """One Redis server, or a Redis Cluster.

    Parameters
    ----------
    options: how to reach it, and under which keys.
    client: a ``redis.Redis`` (or, for an async client of ours, a ``redis.asyncio.Redis``) of the user's own to go through;
        it is never closed. What `options` says of the connection is then not used.
    """

    kind: ClassVar[str] = "redis"

    def __init__(self, options: Options = Options(), *, client: Any = None) -> None:
        self._options = options
        self._client = client
        self._wire: Wire | None = None
        self._usual_shards = CLUSTER_SHARDS if options.cluster else 1
        self._lay_out(options.shards or self._usual_shards, indexed=False)

    def _lay_out(self, shards: int, *, indexed: bool) -> None:
        self._keys = Keys(self._options.prefix, shards, indexed=indexed)
        self.capabilities = Capabilities(
            text_search=indexed,
            vector_search=indexed,
            feed="scope" if shards == 1 else "partition",
            push=True,
            index_consistency="immediate",
            item_bytes=64 * 1024 * 1024,
            commit_ops=10_000,
            durable=True,
            vectors=True,
        )

    @property
    def url(self) -> str:
        return self._options.url if self._client is None else f"redis:// (a client handed in, {self._options.prefix})"

    async def open(self, driver: Driver) -> None:
        if self._wire is not None:
            return
        self.driver = driver
        options = self._options
        wire = make_wire(options, driver) if self._client is None else borrowed_wire(self._client, options, driver)
        try:
            searchable = self._database == 0 and await has_search(wire)
            shards, indexed = await schema.check(
                wire,
                self._keys.meta,
                shards=options.shards,
                usual=self._usual_shards,
                searchable=searchable,
                where=options.where,
            )
            if indexed and not searchable:
                # What it writes would not be indexed, so others would search in vain.
                raise ConfigError(
                    f"{options.where}: this database is indexed by RediSearch, which is not there or not permitted to"
                    " this user; docs/stores/redis.md has how to do without"
                )
            self._lay_out(shards, indexed=indexed)
        except BaseException:
            await wire.close()
            raise
        self._known_scopes: set[str] = set()
        self._reads = Reads(wire, self._keys)
        self._paths = Paths(wire, self._keys)
        self._index = Index(wire, self._keys, self._reads, driver, patience=options.timeout)
        self._feed = Feed(wire, self._keys, timedelta(seconds=options.feed_retention))
        self._wire = wire

    async def close(self) -> None:
        wire, self._wire = self._wire, None
        if wire is not None:
            await wire.close()

    @property
    def _database(self) -> int:
        """The number of the database; RediSearch knows only 0."""
        if self._client is None:
            return self._options.db
        return int(self._client.connection_pool.connection_kwargs.get("db") or 0)

    @property
    def _open_wire(self) -> Wire:
        if self._wire is None:
            raise ConfigError("this store is not open, or closed")
        return self._wire

    def _check_open(self) -> None:
        assert self._open_wire is not None

    def _now(self) -> str:
        return dump_time(self.driver.now())

    async def _note_scope(self, wire: Wire, scope: str) -> None:
        """Put a tenant on the list that a sweep goes through, and make its index, before anything is written for it."""
        new = await wire.ask(self._keys.scopes, ("SADD", self._keys.scopes, scope))
        if self._keys.indexed:
            await self._index.prepare(scope, new=bool(new))
        self._known_scopes.add(scope)

    async def _note_vectors(self, scope: str, ops: Sequence[Op]) -> None:
        """Make the indexes for vectors that are about to be written."""
        attached = (vector for op in ops if isinstance(op, Attach) for vector in op.vectors)
        for kind in {vector_kind(vector.model, len(vector.data)) for vector in attached} - {""}:
            await self._index.prepare(scope, kind)

    async def commit(self, partition: Partition, ops: Sequence[Op]) -> list[Result]:
        wire = self._open_wire
        check_ops(ops, self.capabilities)
        if not ops:
            return []
        if partition.scope not in self._known_scopes:
            await self._note_scope(wire, partition.scope)
        if self._keys.indexed:
            await self._note_vectors(partition.scope, ops)
        unit = unit_of(self._keys, partition, ops, self.driver.now())
        return results_of(partition, ops, await wire.ask(unit.key, *unit.commands, again=unit.again))

    async def commit_many(self, commits: Sequence[Commit]) -> list[list[Result] | RecollectError]:
        wire = self._open_wire
        outcomes: list[list[Result] | RecollectError] = []
        for start in range(0, len(commits), AT_ONCE):
            some = commits[start : start + AT_ONCE]
            now = self.driver.now()
            for commit in some:
                check_ops(commit.ops, self.capabilities)
                if commit.partition.scope not in self._known_scopes:
                    await self._note_scope(wire, commit.partition.scope)
                if self._keys.indexed:
                    await self._note_vectors(commit.partition.scope, commit.ops)
            units = [unit_of(self._keys, partition, ops, now) for partition, ops in some]
            for (partition, ops), found in zip(some, await wire.ask_all(units), strict=True):
                try:
                    outcomes.append(found if isinstance(found, RecollectError) else results_of(partition, ops, found))
                except RecollectError as error:
                    outcomes.append(error)
        return outcomes

    async def get(self, table: str, key: Key) -> Row | None:
        self._check_open()
        return await self._reads.get(table, key, self._now())

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
        now = self._now()
        if limit < 1:
            return []
        if path in ("sessions", "sessions_by_user"):
            return await self._paths.sessions(hash, now, after=after, before=before, limit=limit, reverse=reverse)
        if path == "preferences":
            return await self._paths.preferences(hash[0], after=after, before=before, limit=limit, reverse=reverse)
        bounds: dict[str, Any] = {"since": since, "until": until, "limit": limit, "reverse": reverse}
        if path == "messages_by_user":
            return await messages_by_user(self._reads, self._paths, hash, now, after=after, before=before, **bounds)
        bounds |= {"low": after[0] + 1 if after else 0, "high": before[0] - 1 if before else MAX_SEQ}
        if path == "vectors":
            place = {name: bounds[name] for name in ("low", "high", "limit", "reverse")}
            return await self._reads.vectors(hash[0], hash[1], now, **place)
        if path == "messages":
            return await self._reads.log(hash[0], hash[1], now, **bounds)
        if path == "system_messages":
            return await self._reads.system(hash[0], hash[1], now, **bounds)
        if path == "messages_by_id":
            return await self._reads.by_id(hash[0], hash[1], hash[2], now, **bounds)
        raise Unsupported(f"no path {path!r}")

    async def stretches(
        self, path: Literal["messages", "vectors"], scope: str, asked: Sequence[Stretch]
    ) -> list[Sequence[Any]]:
        self._check_open()
        return await self._reads.stretches(path, scope, asked, self._now())

    async def query_json(
        self, hash: Key, *, after: Key | None = None, before: Key | None = None, limit: int, reverse: bool = False
    ) -> LogText | None:
        self._check_open()
        low, high = after[0] + 1 if after else 0, before[0] - 1 if before else MAX_SEQ
        return await self._reads.log_text(
            hash[0], hash[1], self._now(), low=low, high=high, limit=limit, reverse=reverse
        )

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
        if not self.capabilities.text_search:
            raise Unsupported(_NO_SEARCH)
        if vector is not None:
            return await self._index.nearest(scope, vector, model, limit, filter)
        return await self._index.by_terms(scope, terms, limit, filter)

    async def changes(self, scope: str, *, after: str | None = None, limit: int) -> list[Change]:
        self._check_open()
        return await self._feed.changes(scope, after, limit)

    async def wait(self, scope: str, after: str | None, seconds: float) -> None:
        self._check_open()
        await self._feed.wait(scope, after, seconds)

    async def index_version(self) -> int:
        found = await self._open_wire.ask(self._keys.meta, ("HGET", self._keys.meta, "terms_version"))
        return int(found or 0)

    async def mark_index(self, version: int) -> None:
        await self._open_wire.ask(self._keys.meta, ("HSETNX", self._keys.meta, "terms_version", version))

    async def reindex(self, version: int, terms: Callable[[Message], str], progress: Callable[[int], object]) -> int:
        wire, keys = self._open_wire, self._keys
        if not keys.indexed:
            return 0
        work = Reindexing(wire, keys, self._reads, self._paths, self.driver, terms, progress)
        for scope in sorted(await wire.ask(keys.scopes, ("SMEMBERS", keys.scopes))):
            await self._index.prepare(scope)
            await work.scope(scope)
        await wire.ask(keys.meta, ("HSET", keys.meta, "terms_version", version))
        return work.done

    async def warnings(self) -> list[str]:
        return await warnings(self._open_wire)

    async def sweep(self) -> Swept:
        wire, now = self._open_wire, self.driver.now()
        sessions = messages = changes = 0
        # Our own too: a FLUSHALL under a running client takes the list with it.
        noted = await wire.ask(self._keys.scopes, ("SMEMBERS", self._keys.scopes))
        for scope in sorted({*noted, *self._known_scopes}):
            gone, parts = await sweep_sessions(wire, self._keys, scope, now)
            sessions, messages = sessions + gone, messages + parts
            changes += await self._feed.sweep(scope, now)
        return Swept(sessions=sessions, messages=messages, changes=changes)
