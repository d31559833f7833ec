"""A buffer above a store: appends that the store cannot take now are kept on this machine's disk, and delivered later.

* An append that raises `Unavailable`, or that comes behind one of its session that is kept, goes into the journal. Its
  messages have their ids by then, so delivering is repeating: what an ambiguous time-out left in the store is not
  written again.
* Entries are delivered by whichever call comes when the store is back: an append delivers some, a read all that it could
  show, `deliver` everything. No thread and no task runs beside the calls.
* A read never shows a log without what was appended to it through this buffer: it delivers first, or it is `Unavailable`.
* What the store refuses for another reason is set aside. It blocks nothing, and is kept until somebody decides.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Sequence
from functools import partial
from time import monotonic
from typing import Any, Literal

from recollect.errors import RecollectError, Unavailable
from recollect.model import Buffered, Delivered
from recollect.store.contract import (
    Append,
    Appended,
    Commit,
    Delete,
    Filter,
    Key,
    Op,
    Partition,
    Result,
    Row,
)
from recollect.store.delivery import Delivery, Tally
from recollect.store.driver import Driver
from recollect.store.entries import Entry, SessionKey
from recollect.store.journal import Journal
from recollect.store.layers import Layer
from recollect.store.optional import LogText, Store
from recollect.store.tables import PATHS, TABLES

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0
"""Seconds after a failed try in which appends go into the journal at once; doubled by each failure up to the second."""
AT_ONCE = 200
"""Entries that one append delivers before its own."""


class BufferedStore(Layer):
    """A store that goes on taking appends while the one below is away.

    Parameters
    ----------
    inner: the store below. path: the journal's file. limit: bytes of all that is kept, above which appends are
        `Unavailable` again.
    """

    def __init__(self, inner: Store, path: str, limit: int) -> None:
        super().__init__(inner)
        self._journal = Journal(path, inner.url, limit)
        self._reached = False
        self._failures = self._all_failures = 0
        self._until = -math.inf
        self._why = ""

    @property
    def driver(self) -> Driver:  # type: ignore[override]
        """The driver that it was opened with; the store below may not be open yet."""
        return self._driver

    async def open(self, driver: Driver) -> None:
        """Open the journal, and the store below if it is there: one that is away is opened by the first call that can."""
        self._driver = driver
        self._turn, self._opening = _Turn(driver), _Turn(driver)
        await driver.run(self._journal.open)
        self._delivery = Delivery(self.inner, self._journal, driver, self._there)
        self._add = driver.batched(lambda entries: partial(self._journal.add, entries))
        try:
            await self.reach()
        except Unavailable as error:
            self._away(error)

    async def close(self) -> None:
        if self._reached:
            self._reached = False
            await self.inner.close()
        await self._driver.run(self._journal.close)

    async def reach(self) -> None:
        """Open the store below, if that could not be done yet."""
        if not self._reached:
            async with self._opening:
                if not self._reached:
                    await self.inner.open(self._driver)
                    self._reached = True

    def _there(self) -> None:
        self._failures, self._until = 0, -math.inf

    def _away(self, error: Unavailable) -> None:
        self._until = monotonic() + min(FIRST_PAUSE * 2**self._failures, LONGEST_PAUSE)
        self._failures = min(self._failures + 1, 20)
        self._all_failures += 1
        self._why = str(error)

    # -- appends -------------------------------------------------------------------------------------------------------

    async def commit(self, partition: Partition, ops: Sequence[Op]) -> list[Result]:
        append = ops[0] if len(ops) == 1 else None
        if not isinstance(append, Append) or not append.buffer:
            await self._catch_up_with(partition)
            results = await super().commit(partition, ops)
            if any(isinstance(op, Delete) and op.table is None for op in ops):
                await self._forget_refused(partition)
            return results
        if not await self._may_pass((partition.scope, partition.id)):
            return [await self._keep(partition, append, self._why)]
        try:
            results = await super().commit(partition, ops)
        except Unavailable as error:
            self._away(error)
            return [await self._keep(partition, append, str(error))]
        self._there()
        return results

    async def commit_many(self, commits: Sequence[Commit]) -> list[list[Result] | RecollectError]:
        """Not kept when the store is away: who sends many at once has them still."""
        for partition in {commit.partition for commit in commits}:
            await self._catch_up_with(partition)
        return await super().commit_many(commits)

    async def _may_pass(self, session: SessionKey) -> bool:
        """Whether an append may go to the store itself; on the way some of what waits is delivered."""
        waiting = self._journal.waiting
        if monotonic() < self._until:
            return False
        if waiting and self._turn.take():
            try:
                await self._send(AT_ONCE)
            except RecollectError:
                pass
            finally:
                self._turn.give_back()
        return session not in self._journal.waiting and monotonic() >= self._until

    async def _keep(self, partition: Partition, append: Append, why: str) -> Appended:
        defaults = append.session
        entry = Entry(
            scope=partition.scope,
            session_id=partition.id,
            user_id=defaults.user_id,
            at=self._driver.now(),
            ttl=defaults.ttl,
            sliding=defaults.sliding,
            rows=append.rows,
            terms=append.terms,
        )
        try:
            await self._add(entry)
        except Unavailable as error:
            raise Unavailable(f"{why}; and {error}" if why else str(error)) from error
        kept = Appended(row.replace(session_id=partition.id, user_id=defaults.user_id) for row in append.rows)
        kept.buffered = len(kept)
        return kept

    async def _forget_refused(self, partition: Partition) -> None:
        of = {"session_id" if partition.kind == "session" else "user_id": partition.id}
        await self._driver.run(partial(self._journal.drop_refused, partition.scope, **of))

    # -- delivery ------------------------------------------------------------------------------------------------------

    async def deliver(self, refused: Literal["keep", "again", "drop"]) -> Delivered:
        """Deliver everything; see `Recollect.deliver`."""
        tally = Tally()
        if refused == "drop":
            tally.dropped = await self._driver.run(self._journal.drop_refused)
        elif refused == "again":
            await self._driver.run(self._journal.restore)
        async with self._turn:
            await self._send(None, tally=tally)
        return Delivered(delivered=tally.delivered, expired=tally.expired, refused=tally.refused, dropped=tally.dropped)

    async def buffered(self, driver: Driver) -> Buffered:
        return await driver.run(self._journal.state)

    async def _catch_up_with(self, partition: Partition) -> None:
        if partition.kind == "session":
            await self._catch_up((partition.scope, partition.id))

    async def _catch_up(self, session: SessionKey | None) -> None:
        """Deliver what waits of a session, or everything; raises what stands in the way."""
        if not self._waits(session):
            return
        failures = self._all_failures
        async with self._turn:
            if self._all_failures != failures:  # of who had the turn before: no need to wait for the same again
                raise Unavailable(f"{self._why}; appends wait in the buffer {self._journal.path}")
            if self._waits(session):
                await self._send(None, session=session)

    def _waits(self, session: SessionKey | None) -> bool:
        waiting = self._journal.waiting
        return bool(waiting) if session is None else session in waiting

    async def _send(self, limit: int | None, *, session: SessionKey | None = None, tally: Tally | None = None) -> None:
        """Deliver so many entries at most, or more by less than a batch; the caller has the turn. Raises what `Delivery.send` does."""
        if self._failures:
            self._until = math.inf  # one try at a time: who comes meanwhile does not wait for its end
        try:
            await self.reach()
            await self._delivery.send(limit, session, Tally() if tally is None else tally)
        except Unavailable as error:
            if error.retryable:
                self._away(error)
            raise
        finally:
            if self._until == math.inf:
                self._until = -math.inf

    # -- reads --------------------------------------------------------------------------------------------------------

    async def get(self, table: str, key: Key) -> Row | None:
        if TABLES[table].partition == "session":
            await self._catch_up((key[0], key[1]))
        return await super().get(table, key)

    async def query(self, path: str, hash: Key, **bounds: Any) -> Sequence[Any]:
        declared = PATHS[path]
        if TABLES[declared.table].partition == "session":
            await self._catch_up(None if declared.crosses else (hash[0], hash[1]))
        return await super().query(path, hash, **bounds)

    async def query_json(self, hash: Key, **bounds: Any) -> LogText | None:
        await self._catch_up((hash[0], hash[1]))
        return await super().query_json(hash, **bounds)

    async def search(self, scope: str, *, filter: Filter = Filter(), **question: Any) -> Any:
        await self._catch_up(None if filter.session_id is None else (scope, filter.session_id))
        return await super().search(scope, filter=filter, **question)


class _Turn:
    """A lock that is waited for by the driver, in threads and in tasks of any loop alike. A forked child begins anew."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._lock = threading.Lock()
        self._process = os.getpid()

    def take(self) -> bool:
        """Take it if it is free."""
        if self._process != os.getpid():
            self._lock, self._process = threading.Lock(), os.getpid()
        return self._lock.acquire(blocking=False)

    def give_back(self) -> None:
        """Let others have it."""
        self._lock.release()

    async def __aenter__(self) -> None:
        while not self.take():
            await self._driver.sleep(0.005)

    async def __aexit__(self, *_: object) -> None:
        self.give_back()
