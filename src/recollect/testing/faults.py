"""A store that fails when it is told to, before or after a commit took effect."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar, Literal

from recollect.errors import Unavailable
from recollect.model import Change, Swept
from recollect.store import Driver, Filter, Found, Op, Partition, Result, Store
from recollect.store.contract import Key, Row

When = Literal["before", "after"]


class FaultyStore(Store):
    """Another store behind a bad connection. Reads pass; commits fail as planned.

    Parameters
    ----------
    store: the store that does the work.

    `commits` counts the commits that were tried, `applied` those that the store below acknowledged.
    """

    kind: ClassVar[str] = "faulty"

    def __init__(self, store: Store) -> None:
        self.inner = store
        self.capabilities = store.capabilities
        self.commits = 0
        self.applied = 0
        self._plan: dict[int, tuple[When, BaseException]] = {}
        self._delays: dict[int, float] = {}

    def fail(self, nth: int = 1, when: When = "after", error: BaseException | None = None) -> None:
        """Fail the `nth` commit from now, before it reaches the store or after it took effect there.

        Raises what `error` says; by default `Unavailable`, which is what a lost connection looks like in both cases.
        """
        self._plan[self.commits + nth] = (when, error or Unavailable("the connection was lost"))

    def cancel(self, nth: int = 1, when: When = "after") -> None:
        """Cancel the task of the `nth` commit from now."""
        self.fail(nth, when, asyncio.CancelledError())

    def delay(self, seconds: float, nth: int = 1) -> None:
        """Hold the `nth` commit from now for a while before it goes on."""
        self._delays[self.commits + nth] = seconds

    @property
    def url(self) -> str:
        return self.inner.url

    @property
    def driver(self) -> Driver:  # type: ignore[override]
        """The driver of the store below."""
        return self.inner.driver

    async def open(self, driver: Driver) -> None:
        await self.inner.open(driver)

    async def close(self) -> None:
        await self.inner.close()

    async def commit(self, partition: Partition, ops: Sequence[Op]) -> list[Result]:
        self.commits += 1
        number = self.commits
        when, error = self._plan.pop(number, ("after", None))
        if seconds := self._delays.pop(number, 0.0):
            await self.driver.sleep(seconds)
        if error is not None and when == "before":
            raise error
        results = await self.inner.commit(partition, ops)
        self.applied += 1
        if error is not None:
            raise error
        return results

    async def get(self, table: str, key: Key) -> Row | None:
        return await self.inner.get(table, key)

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
        return await self.inner.query(
            path, hash, after=after, before=before, since=since, until=until, limit=limit, reverse=reverse
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
        return await self.inner.search(scope, terms=terms, vector=vector, model=model, limit=limit, filter=filter)

    async def changes(self, scope: str, *, after: str | None = None, limit: int) -> list[Change]:
        return await self.inner.changes(scope, after=after, limit=limit)

    def table_names(self) -> tuple[str, ...]:
        return self.inner.table_names()

    async def warnings(self) -> list[str]:
        return await self.inner.warnings()

    async def sweep(self) -> Swept:
        return await self.inner.sweep()
