"""Random histories: any store against the memory store, step by step."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Coroutine
from datetime import timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from recollect.errors import RecollectError
from recollect.model import Change, Message
from recollect.store import PATHS, Append, Appended, BlockingDriver, Candidate, Filter, Partition, Store
from recollect.store.driver import drive
from recollect.testing import drafts
from recollect.testing.clock import ManualClock
from recollect.testing.drafts import SESSIONS, STEPS, USERS, CommitDraft, Draft
from recollect.testing.kit import ALL, place
from recollect.testing.modes import Mode

MakeStore = Callable[[Path], Store]
Call = Callable[[Store], Coroutine[Any, Any, Any]]


_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108
"""A history does not need a disk: nobody pulls the plug here, and it makes thousands of commits."""

_POOLS = {"session_id": drafts.sessions, "user_id": drafts.users, "id": drafts.ids}


class Written(NamedTuple):
    """An `Appended`, compared by its count too."""

    rows: list[Message]
    written: int


class StoreMachine(RuleBasedStateMachine):
    """Runs the same history on two stores and compares results and errors.

    Parameters
    ----------
    mode: how the store under test is driven. make: gives a store for a directory. oracle: gives the memory store.
    retention: seconds that a sweep leaves entries of the feed, in both. lag: see `Suite.lag`.
    """

    def __init__(
        self, mode: Mode, make: MakeStore, oracle: Callable[[], Store], *, retention: float, lag: float = 0.0
    ) -> None:
        super().__init__()
        self.mode, self.make, self.retention, self.lag = mode, make, retention, lag
        self.clock = ManualClock()
        self.driver = mode.driver(self.clock)
        self.directory = tempfile.TemporaryDirectory(prefix="recollect-", dir=_MEMORY)
        self.store, self.oracle = make(Path(self.directory.name)), oracle()
        mode.run(self.store.open(self.driver))
        drive(self.oracle.open(BlockingDriver(self.clock)))
        self.differs = False
        self.touched = Partition(drafts.SCOPES[0], "session", SESSIONS[0])
        self.cursors: list[tuple[str, str, str]] = []
        self.terms: dict[tuple[str, str, int], list[str]] = {}

    def teardown(self) -> None:
        """Compare everything once more, unless a difference is known already, then close."""
        try:
            for scope in () if self.differs else drafts.SCOPES:
                for session in SESSIONS:
                    self._compare_session(scope, session)
                for user in USERS:
                    self._compare_user(scope, user)
        finally:
            self.mode.run(self.store.close())
            self.driver.close()
            self.mode.close()
            self.directory.cleanup()

    # -- comparing -------------------------------------------------------------------------------------------------

    def both(self, call: Call) -> tuple[Any, Any]:
        """What a call gives on the store and on the oracle: a value, or the class of the error."""
        return _outcome(lambda: self.mode.run(call(self.store))), _outcome(lambda: drive(call(self.oracle)))

    def same(self, call: Call) -> Any:
        """Both give the same; what it is."""
        if self.lag and self.store.capabilities.index_consistency == "eventual":
            self.mode.run(self.driver.sleep(self.lag))
        mine, theirs = self.both(call)
        self.differs = self.differs or mine != theirs
        assert mine == theirs, f"\n{self.store.kind}: {mine}\n{self.oracle.kind}: {theirs}"
        return mine

    @invariant()
    def partition_is_the_same(self) -> None:
        """After each step the partition that it touched reads the same."""
        compare = self._compare_session if self.touched.kind == "session" else self._compare_user
        compare(self.touched.scope, self.touched.id)

    def _compare_session(self, scope: str, session: str) -> None:
        header = self.same(lambda store: store.get("sessions", (scope, session)))
        rows = self.same(lambda store: store.query("messages", (scope, session), limit=ALL))
        self.same(lambda store: store.query("messages", (scope, session), limit=2, reverse=True))
        self.same(lambda store: store.get("summaries", (scope, session)))
        self.same(lambda store: store.query("sessions", (scope,), limit=ALL))
        if header is not None:
            assert header.message_count == len(rows)
            assert header.last_seq >= max((row.seq for row in rows), default=0)

    def _compare_user(self, scope: str, user: str) -> None:
        self.same(lambda store: store.get("preferences", (scope, user)))
        self.same(lambda store: store.query("messages_by_user", (scope, user), limit=ALL))
        self.same(lambda store: store.query("sessions_by_user", (scope, user), limit=ALL))
        self.same(lambda store: store.query("preferences", (scope,), limit=ALL))

    # -- writing ---------------------------------------------------------------------------------------------------

    @rule(partition=drafts.session_partitions, draft=drafts.appends)
    def append(self, partition: Partition, draft: Draft) -> None:
        """One append, the most common commit."""
        self._commit(CommitDraft(partition, [draft]))

    @rule(partition=drafts.session_partitions, draft=drafts.session_ops)
    def write_session(self, partition: Partition, draft: Draft) -> None:
        """One operation on a session."""
        self._commit(CommitDraft(partition, [draft]))

    @rule(partition=drafts.user_partitions, draft=drafts.user_ops)
    def write_user(self, partition: Partition, draft: Draft) -> None:
        """One operation on a user."""
        self._commit(CommitDraft(partition, [draft]))

    @rule(commit=drafts.commits)
    def commit(self, commit: CommitDraft) -> None:
        """Several operations, all or nothing."""
        self._commit(commit)

    @rule(commits=st.lists(drafts.commits, min_size=2, max_size=4))
    def commit_many(self, commits: list[CommitDraft]) -> None:
        """Several commits, each with an outcome of its own."""
        now = self.clock()
        given = [commit.commit(now) for commit in commits]
        for (partition, ops), results in zip(given, self.same(lambda store: store.commit_many(given)), strict=True):
            if isinstance(results, list):
                self._remember(partition, ops, results)
        self.touched = commits[-1].partition
        for commit in commits[:-1]:
            if commit.partition.kind == "session":
                self._compare_session(commit.partition.scope, commit.partition.id)

    def _commit(self, draft: CommitDraft) -> None:
        partition, ops = draft.commit(self.clock())
        self.touched = partition
        results = self.same(lambda store: store.commit(partition, ops))
        if isinstance(results, list):
            self._remember(partition, ops, results)

    def _remember(self, partition: Partition, ops: Any, results: list[Any]) -> None:
        """Keep the terms of each new message, those of its first row, for judging the order of a search."""
        for op, result in zip(ops, results, strict=True):
            if not isinstance(op, Append):
                continue
            newest_before = max((row.seq for row in result.rows), default=0) - result.written
            for message, given in zip(reversed(result.rows), reversed(op.terms), strict=True):
                if message.seq > newest_before:
                    self.terms[partition.scope, partition.id, message.seq] = given.split()

    # -- time ------------------------------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from(STEPS))
    def wait(self, seconds: float) -> None:
        """The clock goes on, often to the very instant at which something expires."""
        self.clock.forward(seconds)

    @rule(seconds=st.sampled_from((0.000001, 1.0, 3600.0)))
    def set_back(self, seconds: float) -> None:
        """The clock is set back. A sweep goes before, for a store may remove the expired whenever it likes."""
        self.sweep()
        self.clock.back(seconds)

    @rule()
    def wait_for_the_feed(self) -> None:
        """The clock goes on past the retention of the feed."""
        self.clock.forward(self.retention + 0.25)

    @rule()
    def sweep(self) -> None:
        """Both are swept. What that counts depends on what a store removed before, so it is not compared."""
        self.mode.run(self.store.sweep())
        drive(self.oracle.sweep())

    @precondition(lambda self: self.store.capabilities.durable)
    @rule()
    def reopen(self) -> None:
        """A durable store is closed and opened by a new client."""
        self.mode.run(self.store.close())
        self.store = self.make(Path(self.directory.name))
        self.mode.run(self.store.open(self.driver))

    # -- reading ---------------------------------------------------------------------------------------------------

    @rule(scope=drafts.scopes, session=drafts.sessions, seq=drafts.seqs)
    def get(self, scope: str, session: str, seq: int) -> None:
        """One message by its number."""
        self.same(lambda store: store.get("messages", (scope, session, seq)))

    @rule(data=st.data(), scope=drafts.scopes)
    def query(self, data: st.DataObject, scope: str) -> None:
        """Any path, with any bounds."""
        for path in PATHS:
            self._query(data, path, scope)

    def _query(self, data: st.DataObject, path: str, scope: str) -> None:
        hash: tuple[str, ...] = (scope,)
        for column in PATHS[path].hash[1:]:
            hash = (*hash, data.draw(_POOLS[column], label=column))
        whole = list(drive(self.oracle.query(path, hash, limit=ALL)))
        bounds: dict[str, Any] = {}
        for name in ("after", "before"):
            bounded: bool = data.draw(st.booleans(), label=f"with {name}")
            if whole and bounded:
                bounds[name] = place(data.draw(st.sampled_from(whole), label=name), path)
        if PATHS[path].table == "messages":
            for name in ("since", "until"):
                ago: float | None = data.draw(st.sampled_from((None, None, 0.0, 1.0, 10.0)), label=name)
                if ago is not None:
                    bounds[name] = self.clock() - timedelta(seconds=ago)
        for limit in (1, 3, ALL):
            for reverse in (False, True):
                self.same(partial(_query, path, hash, limit=limit, reverse=reverse, **bounds))

    @rule(scope=drafts.scopes, limit=st.integers(1, 5), pick=st.integers(0, 30), behind=st.booleans())
    def changes(self, scope: str, limit: int, pick: int, behind: bool) -> None:
        """The feed, from its beginning or behind a cursor seen before.

        Entries that say a session is gone are left out: whether one is written for an expired session depends on
        whether the store still knew of it.
        """
        cursors = [found for found in self.cursors if found[0] == scope]
        mine_after = theirs_after = None
        if behind and cursors:
            _, mine_after, theirs_after = cursors[pick % len(cursors)]
        mine = _outcome(lambda: self.mode.run(self.store.changes(scope, after=mine_after, limit=ALL)))
        theirs = _outcome(lambda: drive(self.oracle.changes(scope, after=theirs_after, limit=ALL)))
        if isinstance(mine, type) or isinstance(theirs, type):
            assert mine == theirs, f"behind {mine_after!r}: {mine}, oracle behind {theirs_after!r}: {theirs}"
            return
        page = self.mode.run(self.store.changes(scope, after=mine_after, limit=limit))
        assert page == mine[:limit]
        mine, theirs = _comparable(mine), _comparable(theirs)
        if self.store.capabilities.feed == "partition":
            mine, theirs = sorted(mine, key=_partition), sorted(theirs, key=_partition)
        assert [change.replace(cursor="") for change in mine] == [change.replace(cursor="") for change in theirs]
        pairs = {(scope, m.cursor, t.cursor) for m, t in zip(mine, theirs, strict=True)}
        self.cursors += sorted(pairs - set(self.cursors))

    @precondition(lambda self: self.store.capabilities.text_search)
    @rule(scope=drafts.scopes, terms=st.lists(drafts.words, min_size=1, max_size=3), wanted=drafts.filters)
    def search(self, scope: str, terms: list[str], wanted: drafts.FilterDraft) -> None:
        """The same messages are found; the better one comes first where nobody could doubt which that is."""
        for filter in (Filter(), wanted.filter(self.clock())):
            mine, theirs = self.both(partial(_search, scope, terms=terms, limit=ALL, filter=filter))
            assert sorted(map(_key, mine)) == sorted(map(_key, theirs))
            assert {_key(hit): hit.row for hit in mine} == {_key(hit): hit.row for hit in theirs}
            assert [hit.score for hit in mine] == sorted((hit.score for hit in mine), reverse=True)
            page = self.mode.run(self.store.search(scope, terms=terms, limit=3, filter=filter))
            assert len(page) == min(3, len(mine))
            for first, second in pairwise(mine):
                assert not self._clearly_better(scope, terms, second.row, first.row)

    def _clearly_better(self, scope: str, wanted: list[str], one: Message, other: Message) -> bool:
        mine = self.terms.get((scope, one.session_id, one.seq), [])
        theirs = self.terms.get((scope, other.session_id, other.seq), [])
        counts = [(mine.count(term), theirs.count(term)) for term in set(wanted)]
        return (
            len(mine) <= len(theirs)
            and all(a >= b for a, b in counts)
            and any(a > b + 1 or a > b == 0 for a, b in counts)
        )


def check_histories(
    mode: Callable[[], Mode], make: MakeStore, oracle: Callable[[], Store], *, retention: float, lag: float = 0.0
) -> None:
    """Run random histories as the Hypothesis profile in force says; raises on the first difference, shrunk.

    Parameters
    ----------
    The same as those of `StoreMachine`; `mode` gives a new mode for each history.
    """
    run_state_machine_as_test(
        lambda: StoreMachine(mode(), make, oracle, retention=retention, lag=lag),  # type: ignore[arg-type]
        settings=settings(
            deadline=None,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
            phases=[phase for phase in settings().phases if phase is not Phase.explain],
        ),
    )


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


def _partition(change: Change) -> str:
    return change.partition


def _key(hit: Candidate) -> tuple[str, int]:
    return (hit.row.session_id, hit.row.seq)
