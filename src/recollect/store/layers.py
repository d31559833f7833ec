"""A store over a store: what a layer does not do itself, the store below does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

from recollect.errors import RecollectError
from recollect.model import Buffered, Change, Delivered, Message, Swept
from recollect.store.contract import Capabilities, Commit, Key, Op, Partition, Result, Row
from recollect.store.driver import Driver
from recollect.store.optional import LogText, Store, Stretch


class Layer(Store):
    """Hands every call to the store below. A layer is a subclass that does something before or behind.

    Parameters
    ----------
    inner: the store below.
    """

    def __init__(self, inner: Store) -> None:
        self.inner = inner

    @property
    def kind(self) -> str:  # type: ignore[override]
        """That of the store below."""
        return self.inner.kind

    @property
    def templates(self) -> tuple[str, ...]:  # type: ignore[override]
        """Those of the store below."""
        return self.inner.templates

    @property
    def capabilities(self) -> Capabilities:  # type: ignore[override]
        """Those of the store below."""
        return self.inner.capabilities

    @property
    def driver(self) -> Driver:  # type: ignore[override]
        """The driver of the store below."""
        return self.inner.driver

    @property
    def url(self) -> str:
        return self.inner.url

    async def open(self, driver: Driver) -> None:
        await self.inner.open(driver)

    async def close(self) -> None:
        await self.inner.close()

    async def reach(self) -> None:
        """Called before an open store below is asked for anything, for layers that open it late."""

    async def commit(self, partition: Partition, ops: Sequence[Op]) -> list[Result]:
        await self.reach()
        return await self.inner.commit(partition, ops)

    async def commit_many(self, commits: Sequence[Commit]) -> list[list[Result] | RecollectError]:
        await self.reach()
        return await self.inner.commit_many(commits)

    async def get(self, table: str, key: Key) -> Row | None:
        await self.reach()
        return await self.inner.get(table, key)

    async def query(self, path: str, hash: Key, **bounds: Any) -> Sequence[Any]:
        await self.reach()
        return await self.inner.query(path, hash, **bounds)

    async def stretches(
        self, path: Literal["messages", "vectors"], scope: str, asked: Sequence[Stretch]
    ) -> list[Sequence[Any]]:
        await self.reach()
        return await self.inner.stretches(path, scope, asked)

    async def query_json(self, hash: Key, **bounds: Any) -> LogText | None:
        await self.reach()
        return await self.inner.query_json(hash, **bounds)

    async def search(self, scope: str, **question: Any) -> Any:
        await self.reach()
        return await self.inner.search(scope, **question)

    async def changes(self, scope: str, *, after: str | None = None, limit: int) -> list[Change]:
        await self.reach()
        return await self.inner.changes(scope, after=after, limit=limit)

    async def wait(self, scope: str, after: str | None, seconds: float) -> None:
        await self.reach()
        await self.inner.wait(scope, after, seconds)

    async def create_tables(self, driver: Driver) -> list[str]:
        return await self.inner.create_tables(driver)

    async def check_tables(self, driver: Driver) -> list[str]:
        return await self.inner.check_tables(driver)

    def table_names(self) -> tuple[str, ...]:
        return self.inner.table_names()

    def template(self, form: str) -> str:
        return self.inner.template(form)

    async def buffered(self, driver: Driver) -> Buffered:
        return await self.inner.buffered(driver)

    async def deliver(self, refused: Literal["keep", "again", "drop"]) -> Delivered:
        return await self.inner.deliver(refused)

    async def index_version(self) -> int:
        await self.reach()
        return await self.inner.index_version()

    async def mark_index(self, version: int) -> None:
        await self.reach()
        await self.inner.mark_index(version)

    async def reindex(self, version: int, terms: Callable[[Message], str], progress: Callable[[int], object]) -> int:
        await self.reach()
        return await self.inner.reindex(version, terms, progress)

    async def warnings(self) -> list[str]:
        await self.reach()
        return await self.inner.warnings()

    async def sweep(self) -> Swept:
        await self.reach()
        return await self.inner.sweep()
