"""What a test of a suite holds in its hands: the open store, its clock, and short ways to write and read."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from datetime import timedelta
from itertools import count
from typing import Any, NoReturn, TypeVar

import pytest

from recollect.model import Change, Message, Preferences, Session, Summary
from recollect.store import (
    ANY,
    PATHS,
    Append,
    Appended,
    Delete,
    Driver,
    Filter,
    Found,
    Op,
    Partition,
    Put,
    SessionDefaults,
    Store,
)
from recollect.testing.clock import START, ManualClock
from recollect.testing.modes import Mode

T = TypeVar("T")
Record = TypeVar("Record", Session, Summary, Preferences)

SCOPE = "tenant"
ALL = 1_000_000
_TABLES: dict[type, Any] = {Session: "sessions", Summary: "summaries", Preferences: "preferences"}


class Kit:
    """One test's world.

    Parameters
    ----------
    mode: blocking or async. make: gives a new store object for this test's place. retention: seconds that a sweep leaves
    entries of the feed. lag: seconds that a path which crosses partitions may lag, where the store says that it does.
    """

    def __init__(self, mode: Mode, make: Callable[[], Store], *, retention: float, lag: float) -> None:
        self.mode = mode
        self.clock = ManualClock()
        self.driver: Driver = mode.driver(self.clock)
        self.retention = retention
        self.lag = lag
        self._make = make
        self._opened: list[Store] = []
        self._numbers = count(1)
        self.store: Store = make()

    def start(self) -> None:
        """Open the store."""
        self.mode.run(self._open(self.store))

    def stop(self) -> None:
        """Close every store that the test opened."""
        try:
            for store in self._opened:
                self.mode.run(store.close())
        finally:
            self.driver.close()
            self.mode.close()

    async def _open(self, store: Store) -> Store:
        self._opened.append(store)
        await store.open(self.driver)
        return store

    def fresh(self) -> Store:
        """A store object for the same place, not open yet."""
        return self._make()

    async def another(self) -> Store:
        """A second client of the same database, as another process would be."""
        return await self._open(self._make())

    async def reopen(self) -> None:
        """Close the store and open a new object on what it left behind."""
        await self.store.close()
        self.store = await self.another()

    def skip(self, reason: str) -> NoReturn:
        """This promise is not one of this store, and it says so itself."""
        pytest.skip(reason)

    def need_durable(self) -> None:
        """Skip unless the store says that it is durable."""
        if not self.store.capabilities.durable:
            self.skip("the store does not claim to be durable")

    async def together(self, *calls: Callable[[], Coroutine[Any, Any, T]]) -> list[T]:
        """Run calls at once: threads in blocking mode, tasks in async mode."""
        return await self.mode.together(calls)

    async def settle(self) -> None:
        """Wait for what may lag."""
        if self.store.capabilities.index_consistency == "eventual":
            await self.driver.sleep(self.lag)

    # -- writing ---------------------------------------------------------------------------------------------------

    def message(self, content: Any = "", *, role: str = "user", ttl: float | None = None, **fields: Any) -> Message:
        """A message as the core hands it over: with an id of its own and the clock's instant."""
        now = self.clock()
        given: dict[str, Any] = {
            "id": f"made-{next(self._numbers)}",
            "created_at": now,
            "expires_at": None if ttl is None else now + timedelta(seconds=ttl),
        }
        return Message(role, content, **(given | fields))

    def op(
        self,
        *messages: Message | str,
        user: str | None = None,
        ttl: float | None = None,
        sliding: bool = False,
        terms: Sequence[str] | None = None,
    ) -> Append:
        """An `Append`; bare text becomes a user's message, found by nothing unless `terms` are given."""
        rows = [self.message(item) if isinstance(item, str) else item for item in messages]
        return Append(
            rows=rows,
            terms=[""] * len(rows) if terms is None else terms,
            session=SessionDefaults(user_id=user, ttl=ttl, sliding=sliding),
        )

    async def append(
        self, session: str, *messages: Message | str, scope: str = SCOPE, store: Store | None = None, **how: Any
    ) -> Appended:
        """Append in one commit; `how` is that of `op`."""
        (result,) = await (store or self.store).commit(
            Partition(scope, "session", session), [self.op(*messages, **how)]
        )
        assert isinstance(result, Appended), f"an Append gives an Appended, not a {type(result).__name__}"
        return result

    async def put(self, row: Record, *, expect: int = ANY, scope: str = SCOPE) -> Record:
        """Put a row, in the partition that it belongs to."""
        (result,) = await self.store.commit(partition_of(row, scope), [put(row, expect=expect)])
        assert type(result) is type(row), f"a Put gives the stored row, not a {type(result).__name__}"
        return result

    async def delete(
        self,
        *,
        session: str | None = None,
        user: str | None = None,
        table: Any = None,
        seq: int | None = None,
        scope: str = SCOPE,
    ) -> int:
        """Delete in a session's or a user's partition; how many rows were there."""
        partition = Partition(scope, "user", user or "") if session is None else Partition(scope, "session", session)
        (count,) = await self.store.commit(partition, [Delete(table=table, seq=seq)])
        assert type(count) is int, f"a Delete gives a number, not a {type(count).__name__}"
        return count

    async def commit(self, session: str, *ops: Op, scope: str = SCOPE) -> list[Any]:
        """Several operations on a session in one commit."""
        return list(await self.store.commit(Partition(scope, "session", session), ops))

    # -- reading ---------------------------------------------------------------------------------------------------

    async def rows(self, path: str, *hash: str, limit: int = ALL, **bounds: Any) -> list[Any]:
        """Rows of a path; the scope comes first in `hash`."""
        if path in PATHS and PATHS[path].crosses:
            await self.settle()
        return list(await self.store.query(path, hash, limit=limit, **bounds))

    async def log(self, session: str, *, scope: str = SCOPE, **bounds: Any) -> list[Message]:
        """The messages of a session."""
        return await self.rows("messages", scope, session, **bounds)

    async def contents(self, session: str, *, scope: str = SCOPE, **bounds: Any) -> list[Any]:
        """What the messages of a session say."""
        return [row.content for row in await self.log(session, scope=scope, **bounds)]

    async def header(self, session: str, scope: str = SCOPE) -> Session | None:
        """The header of a session."""
        row = await self.store.get("sessions", (scope, session))
        assert row is None or isinstance(row, Session)
        return row

    async def there(self, session: str, scope: str = SCOPE) -> Session:
        """The header of a session that must be there."""
        header = await self.header(session, scope)
        assert header is not None, f"session {session!r} is not there"
        return header

    async def feed(self, scope: str = SCOPE, *, after: str | None = None, limit: int = ALL) -> list[Change]:
        """The feed behind a cursor."""
        return await self.store.changes(scope, after=after, limit=limit)

    async def find(self, *terms: str, scope: str = SCOPE, limit: int = ALL, **wanted: Any) -> Found:
        """Search by terms; `wanted` are the fields of a `Filter`."""
        await self.settle()
        return await self.store.search(scope, terms=terms, limit=limit, filter=Filter(**wanted))

    async def finds(self, *ids: str, term: str, scope: str = SCOPE, **wanted: Any) -> bool:
        """Whether a search gives exactly the messages with these ids; a store without search has nothing to hold."""
        if not self.store.capabilities.text_search:
            return True
        return sorted(hit.row.id for hit in await self.find(term, scope=scope, **wanted)) == sorted(ids)


def a_summary(session: str, text: str = "so far", covers: int = 1, **fields: Any) -> Summary:
    """A summary as the core hands it over: with its instants."""
    given: dict[str, Any] = {"created_at": START, "updated_at": START}
    return Summary(session_id=session, text=text, covers_seq=covers, **(given | fields))


def a_document(user: str, values: dict[str, Any] | None = None, **fields: Any) -> Preferences:
    """A preference document as the core hands it over: with its instants."""
    given: dict[str, Any] = {"created_at": START, "updated_at": START}
    return Preferences(user_id=user, values={} if values is None else values, **(given | fields))


def put(row: Session | Summary | Preferences, *, expect: int = ANY) -> Put:
    """A `Put` of a row, into the table of its kind."""
    return Put(table=_TABLES[type(row)], row=row, expect=expect)


def partition_of(row: Session | Summary | Preferences, scope: str = SCOPE) -> Partition:
    """Where a row lives."""
    if isinstance(row, Preferences):
        return Partition(scope, "user", row.user_id)
    return Partition(scope, "session", row.id if isinstance(row, Session) else row.session_id)


def place(row: Any, path: str) -> tuple[Any, ...]:
    """A row's place on a path: the values of its range columns, as a bound takes them."""
    names = {"session_id": "id"} if isinstance(row, Session) else {}
    return tuple(getattr(row, names.get(column, column)) for column in PATHS[path].range)
