"""Two stores that live through the same: the one under test and the oracle, compared answer by answer."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

from recollect.errors import NotFound, RecollectError
from recollect.model import Change, Message
from recollect.store import Append, Appended, Candidate, Filter, Op, Partition, Store
from recollect.store.driver import drive
from recollect.testing.kit import ALL
from recollect.testing.modes import Mode

Call = Callable[[Store], Coroutine[Any, Any, Any]]


class Written(NamedTuple):
    """An `Appended`, compared by its count too."""

    rows: list[Message]
    written: int


class Twins:
    """A store and the oracle.

    Parameters
    ----------
    mode: how the store is driven; the oracle is always driven blocking. lag: see `Suite.lag`.
    """

    def __init__(self, mode: Mode, store: Store, oracle: Store, *, lag: float = 0.0) -> None:
        self.mode, self.store, self.oracle, self.lag = mode, store, oracle, lag
        self.differ = False
        self.set_back = False
        self._cursors: list[tuple[str, str, str]] = []
        self._terms: dict[tuple[str, str, int], list[str]] = {}

    def both(self, call: Call) -> tuple[Any, Any]:
        """What a call gives on the store and on the oracle: a value, or the class of the error."""
        if self.lag and self.store.capabilities.index_consistency == "eventual":
            self.mode.run(self.store.driver.sleep(self.lag))
        return _outcome(lambda: self.mode.run(call(self.store))), _outcome(lambda: drive(call(self.oracle)))

    def same(self, call: Call) -> Any:
        """Both give the same; what it is."""
        mine, theirs = self.both(call)
        self.check(mine == theirs, f"{mine}\n{self.oracle.kind}: {theirs}")
        return mine

    def check(self, holds: bool, message: object) -> None:
        """Raise AssertionError unless it holds, and remember that the two differ."""
        self.differ = self.differ or not holds
        assert holds, f"\n{self.store.kind}: {message}"

    def commit(self, partition: Partition, ops: Sequence[Op]) -> None:
        """The same commit on both."""
        self._remember(partition, ops, self.same(lambda store: store.commit(partition, ops)))

    def commit_many(self, commits: Sequence[Any]) -> None:
        """The same commits on both, sent at once."""
        self.remember_all(commits, self.same(lambda store: store.commit_many(commits)))

    def remember_all(self, commits: Sequence[Any], outcomes: Sequence[Any]) -> None:
        """Keep what is needed to judge the order of a search, of commits and their outcomes."""
        for (partition, ops), results in zip(commits, outcomes, strict=True):
            self._remember(partition, ops, results)

    def session(self, scope: str, session: str) -> None:
        """A session reads the same."""
        header = self.same(lambda store: store.get("sessions", (scope, session)))
        rows = self.same(lambda store: store.query("messages", (scope, session), limit=ALL))
        self.same(lambda store: store.get("summaries", (scope, session)))
        for reverse in (False, True):
            for path, hash in (("messages", (scope, session)), ("sessions", (scope,))):
                self.same(partial(_query, path, hash, limit=2, reverse=reverse))
        if header is not None:
            self.check(header.message_count == len(rows), f"counts {header.message_count}, gives {len(rows)}")
            highest = max((row.seq for row in rows), default=0)
            self.check(header.last_seq >= highest, f"last_seq {header.last_seq} below {highest}")

    def messages(self, scope: str, session: str, last: int) -> None:
        """Every message of a session reads the same by its number."""
        for seq in range(last + 1):
            self.same(partial(_get, "messages", (scope, session, seq)))

    def user(self, scope: str, user: str) -> None:
        """A user reads the same."""
        self.same(lambda store: store.get("preferences", (scope, user)))
        for path, hash in (
            ("messages_by_user", (scope, user)),
            ("sessions_by_user", (scope, user)),
            ("preferences", (scope,)),
        ):
            self.same(partial(_query, path, hash, limit=ALL))
            self.same(partial(_query, path, hash, limit=2, reverse=True))

    def path(self, path: str, hash: tuple[str, ...], bounds: dict[str, Any]) -> None:
        """A path reads the same, both ways, short and long."""
        for limit in (1, 3, ALL):
            for reverse in (False, True):
                self.same(partial(_query, path, hash, limit=limit, reverse=reverse, **bounds))

    def feed(self, scope: str, *, pick: int | None = None, limit: int = 3) -> None:
        """The feed reads the same, from its beginning or behind one of the cursors seen before.

        Entries that say a session is gone are left out: whether one is written for an expired session depends on
        whether the store still knew of it.
        """
        cursors = [found for found in self._cursors if found[0] == scope]
        mine_after = theirs_after = None
        if pick is not None and cursors:
            _, mine_after, theirs_after = cursors[pick % len(cursors)]
        mine = _outcome(lambda: self.mode.run(self.store.changes(scope, after=mine_after, limit=ALL)))
        theirs = _outcome(lambda: drive(self.oracle.changes(scope, after=theirs_after, limit=ALL)))
        if self.set_back and self.store.capabilities.feed != "store" and self._differ(mine, theirs):
            self._swept_further(mine, theirs)
            return
        if isinstance(mine, type) or isinstance(theirs, type):
            self.check(mine == theirs, f"behind {mine_after!r} {mine}\noracle behind {theirs_after!r}: {theirs}")
            return
        page = self.mode.run(self.store.changes(scope, after=mine_after, limit=limit))
        self.check(page == mine[:limit], f"a page of {limit} is not the beginning of the feed: {page}")
        mine, theirs = _comparable(mine), _comparable(theirs)
        same = _without_cursors(mine) == _without_cursors(theirs)
        if not same and self.store.capabilities.feed == "partition":
            # In another order the cursors stand for other places, so none is kept.
            mine, theirs = sorted(mine, key=_partition), sorted(theirs, key=_partition)
            same = _without_cursors(mine) == _without_cursors(theirs)
            self.check(same, f"behind {mine_after!r} {mine}\noracle behind {theirs_after!r}: {theirs}")
            return
        self.check(same, f"behind {mine_after!r} {mine}\noracle behind {theirs_after!r}: {theirs}")
        pairs = {(scope, m.cursor, t.cursor) for m, t in zip(mine, theirs, strict=True)}
        self._cursors += sorted(pairs - set(self._cursors))

    def _differ(self, mine: Any, theirs: Any) -> bool:
        if isinstance(mine, type) or isinstance(theirs, type):
            return bool(mine != theirs)
        return sorted(map(repr, _without_cursors(_comparable(mine)))) != sorted(
            map(repr, _without_cursors(_comparable(theirs)))
        )

    def _swept_further(self, mine: Any, theirs: Any) -> None:
        """A feed for each tenant may be swept where the oracle's one feed for all keeps what lies behind another's entry.

        So after a clock was set back fewer entries may be there, or their cursors be gone; never others.
        """
        if isinstance(mine, type):
            self.check(mine is NotFound, f"raises {mine}, the oracle gives {theirs}")
            return
        known = [] if isinstance(theirs, type) else _without_cursors(_comparable(theirs))
        found = _without_cursors(_comparable(mine))
        fewer = len(found) <= len(known) and all(change in known for change in found)
        self.check(fewer, f"{mine}\noracle: {theirs}")

    def search(self, scope: str, terms: list[str], filter: Filter) -> None:
        """The same messages are found; the better one comes first where nobody could doubt which that is."""
        if not self.store.capabilities.text_search:
            return
        mine, theirs = self.both(partial(_search, scope, terms=terms, limit=ALL, filter=filter))
        same = {_key(hit): hit.row for hit in mine} == {_key(hit): hit.row for hit in theirs} and len(mine) == len(
            theirs
        )
        self.check(same, f"{terms} {filter} finds {mine}\n{self.oracle.kind}: {theirs}")
        scores = [hit.score for hit in mine]
        self.check(scores == sorted(scores, reverse=True), f"{terms} is not in the order of its scores: {scores}")
        page = self.mode.run(self.store.search(scope, terms=terms, limit=3, filter=filter))
        self.check(len(page) == min(3, len(mine)), f"{terms} with a limit of 3 finds {len(page)} of {len(mine)}")
        for first, second in pairwise(mine):
            better = self._clearly_better(scope, terms, second.row, first.row)
            self.check(not better, f"{terms} has {first} before {second}")

    def _clearly_better(self, scope: str, wanted: list[str], one: Message, other: Message) -> bool:
        mine = self._terms.get((scope, one.session_id, one.seq), [])
        theirs = self._terms.get((scope, other.session_id, other.seq), [])
        counts = [(mine.count(term), theirs.count(term)) for term in set(wanted)]
        return (
            len(mine) <= len(theirs)
            and all(a >= b for a, b in counts)
            and any(a > b + 1 or a > b == 0 for a, b in counts)
        )

    def _remember(self, partition: Partition, ops: Sequence[Op], results: Any) -> None:
        """Keep the terms of each new message, those of its first row, for judging the order of a search."""
        if not isinstance(results, list):
            return
        for op, result in zip(ops, results, strict=True):
            if not isinstance(op, Append):
                continue
            newest_before = max((row.seq for row in result.rows), default=0) - result.written
            for message, given in zip(reversed(result.rows), reversed(op.terms), strict=True):
                if message.seq > newest_before:
                    self._terms[partition.scope, partition.id, message.seq] = given.split()


async def _get(table: str, key: tuple[Any, ...], store: Store) -> Any:
    return await store.get(table, key)


async def _query(path: str, hash: tuple[str, ...], store: Store, **bounds: Any) -> Any:
    return await store.query(path, hash, **bounds)


async def _search(scope: str, store: Store, **how: Any) -> Any:
    return await store.search(scope, **how)


def _outcome(call: Callable[[], Any]) -> Any:
    try:
        return _plain(call())
    except RecollectError as error:
        return type(error)


def _plain(value: Any) -> Any:
    """A result as something that compares by all that it says."""
    if isinstance(value, Appended):
        return Written(list(value), value.written)
    if isinstance(value, RecollectError):
        return type(value)
    if isinstance(value, list | tuple) and not isinstance(value, Candidate):
        return [_plain(item) for item in value]
    return value


def _comparable(changes: list[Change]) -> list[Change]:
    return [change for change in changes if (change.kind, change.table) != ("delete", "sessions")]


def _without_cursors(changes: list[Change]) -> list[Change]:
    return [change.replace(cursor="") for change in changes]


def _partition(change: Change) -> str:
    return change.partition


def _key(hit: Candidate) -> tuple[str, int]:
    return (hit.row.session_id, hit.row.seq)
