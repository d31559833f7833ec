"""Random histories: any store against the memory store, step by step."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from recollect.store import PATHS, BlockingDriver, Filter, Partition, Store
from recollect.store.driver import drive
from recollect.testing import drafts
from recollect.testing.clock import ManualClock
from recollect.testing.drafts import SCOPES, SESSIONS, STEPS, TERMS, TTLS, USERS, CommitDraft, Draft
from recollect.testing.kit import ALL, place
from recollect.testing.modes import Mode
from recollect.testing.twins import Twins

MakeStore = Callable[[Path], Store]

_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108
"""A history does not need a disk: nobody pulls the plug here, and it makes thousands of commits."""

_POOLS = {"session_id": drafts.sessions, "user_id": drafts.users, "id": drafts.ids}


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
        self.mode, self.make, self.retention = mode, make, retention
        self.clock = ManualClock()
        self.driver = mode.driver(self.clock)
        self.directory = tempfile.TemporaryDirectory(prefix="recollect-", dir=_MEMORY)
        self.twins = Twins(mode, make(Path(self.directory.name)), oracle(), lag=lag)
        mode.run(self.twins.store.open(self.driver))
        drive(self.twins.oracle.open(BlockingDriver(self.clock)))
        self.touched = Partition(SCOPES[0], "session", SESSIONS[0])

    def teardown(self) -> None:
        """Compare everything once more, also after a sweep and with the clock set back, then close."""
        try:
            if not self.twins.differ:
                self.look_at_everything()
                self.sweep()
                self.clock.back(max(TTLS) + 1)
                self.look_at_everything()
        finally:
            self.mode.run(self.twins.store.close())
            self.driver.close()
            self.mode.close()
            self.directory.cleanup()

    @invariant()
    def partition_is_the_same(self) -> None:
        """After each step the partition that it touched reads the same, and the feed of its tenant."""
        compare = self.twins.session if self.touched.kind == "session" else self.twins.user
        compare(self.touched.scope, self.touched.id)
        self.twins.feed(self.touched.scope)

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
        self.twins.commit_many([commit.commit(now) for commit in commits])
        for commit in commits:
            self.touched = commit.partition
            self.partition_is_the_same()

    def _commit(self, draft: CommitDraft) -> None:
        self.touched = draft.partition
        self.twins.commit(*draft.commit(self.clock()))

    # -- time ------------------------------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from(STEPS))
    def wait(self, seconds: float) -> None:
        """The clock goes on, often to the very instant at which something expires."""
        self.clock.forward(seconds)

    @rule(seconds=st.sampled_from(TTLS))
    def wait_for_expiry(self, seconds: float) -> None:
        """The clock goes on by a whole lifetime."""
        self.clock.forward(seconds)

    @rule(seconds=st.sampled_from((0.000001, 1.0, 3600.0)))
    def set_back(self, seconds: float) -> None:
        """The clock is set back. A sweep goes before, for a store may remove the expired whenever it likes."""
        self.sweep()
        self.clock.back(seconds)
        self.twins.set_back = True

    @rule()
    def wait_for_the_feed(self) -> None:
        """The clock goes on past the retention of the feed."""
        self.clock.forward(self.retention + 0.25)

    @rule()
    def sweep(self) -> None:
        """Both are swept. What that counts depends on what a store removed before, so it is not compared."""
        self.mode.run(self.twins.store.sweep())
        drive(self.twins.oracle.sweep())

    @precondition(lambda self: self.twins.store.capabilities.durable)
    @rule()
    def reopen(self) -> None:
        """A durable store is closed and opened by a new client."""
        self.mode.run(self.twins.store.close())
        self.twins.store = self.make(Path(self.directory.name))
        self.mode.run(self.twins.store.open(self.driver))

    # -- reading ---------------------------------------------------------------------------------------------------

    @rule()
    def look_at_everything(self) -> None:
        """Every session, every user, every word reads the same."""
        for scope in SCOPES:
            for session in SESSIONS:
                self.twins.session(scope, session)
                self.twins.messages(scope, session, 20)
            for user in USERS:
                self.twins.user(scope, user)
            for term in TERMS:
                self.twins.search(scope, [term], Filter())

    @rule(data=st.data(), scope=drafts.scopes)
    def query(self, data: st.DataObject, scope: str) -> None:
        """Any path, with any bounds."""
        for name, path in PATHS.items():
            hash: tuple[str, ...] = (scope,)
            for column in path.hash[1:]:
                hash = (*hash, data.draw(_POOLS[column], label=column))
            whole = list(drive(self.twins.oracle.query(name, hash, limit=ALL)))
            bounds: dict[str, Any] = {}
            for bound in ("after", "before"):
                bounded: bool = data.draw(st.booleans(), label=f"with {bound}")
                if whole and bounded:
                    bounds[bound] = place(data.draw(st.sampled_from(whole), label=bound), name)
            if path.table == "messages":
                for bound in ("since", "until"):
                    ago: float | None = data.draw(st.sampled_from((None, None, 0.0, 1.0, 10.0)), label=bound)
                    if ago is not None:
                        bounds[bound] = self.clock() - timedelta(seconds=ago)
            self.twins.path(name, hash, bounds)

    @rule(scope=drafts.scopes, limit=st.integers(1, 5), pick=st.integers(0, 30))
    def changes(self, scope: str, limit: int, pick: int) -> None:
        """The feed behind a cursor seen before."""
        self.twins.feed(scope, pick=pick, limit=limit)

    @rule(scope=drafts.scopes, terms=st.lists(drafts.words, min_size=1, max_size=3), wanted=drafts.filters)
    def search(self, scope: str, terms: list[str], wanted: drafts.FilterDraft) -> None:
        """Any terms, with any filter."""
        self.twins.search(scope, terms, wanted.filter(self.clock()))
        self.twins.search(scope, terms, Filter())


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
