"""A store that is away when it is told to be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from recollect import Recollect
from recollect.errors import RecollectError, Unavailable
from recollect.store import Commit, Driver, Op, Partition, Result, Store
from recollect.store.contract import Key, Row
from recollect.store.layers import Layer


class AwayStore(Layer):
    """Another store on a line that can be cut.

    Parameters
    ----------
    inner: the store that does the work.

    `away`: nothing gets through. `deaf`: commits take effect, and nobody hears of it. `refuse`: sessions whose appends fail
    with that error. `tried` counts the commits that came, `orders` has the ids of those that took effect.
    """

    def __init__(self, inner: Store) -> None:
        super().__init__(inner)
        self.away = self.deaf = False
        self.refuse: dict[str, Exception] = {}
        self.tried = 0
        self.orders: list[str] = []
        self.opened = 0

    def _cut(self) -> None:
        if self.away:
            raise Unavailable("the line is cut")

    async def open(self, driver: Driver) -> None:
        self._cut()
        self.opened += 1
        await self.inner.open(driver)

    async def commit(self, partition: Partition, ops: Sequence[Op]) -> list[Result]:
        self.tried += 1
        self._cut()
        if partition.id in self.refuse:
            raise self.refuse[partition.id]
        results = await self.inner.commit(partition, ops)
        self.orders += [row.id for op in ops for row in getattr(op, "rows", ())]
        if self.deaf:
            raise Unavailable("no answer: it may have happened or not")
        return results

    async def commit_many(self, commits: Sequence[Commit]) -> list[list[Result] | RecollectError]:
        return await Store.commit_many(self, commits)

    async def get(self, table: str, key: Key) -> Row | None:
        self._cut()
        return await self.inner.get(table, key)

    async def query(self, path: str, hash: Key, **bounds: Any) -> Sequence[Any]:
        self._cut()
        return await self.inner.query(path, hash, **bounds)

    async def search(self, scope: str, **question: Any) -> Any:
        self._cut()
        return await self.inner.search(scope, **question)


def say(text: str, **more: Any) -> dict[str, Any]:
    """A message of the user's."""
    return {"role": "user", "content": text, **more}


def texts(memory: Recollect, session: str = "s") -> list[str]:
    """What was said in a session."""
    return [message.text for message in memory.session(session).tail(1000)]
