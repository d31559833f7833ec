"""Random histories of what is written many at once: SQLite's way for an import does as the memory store, whatever comes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test
from msgspec import Struct

from recollect.model import Message, Session
from recollect.store import Append, BlockingDriver, Commit, Partition, Put, SessionDefaults, Store
from recollect.store.driver import drive
from recollect.store.prepared import Prepared, columns_of, row_of
from recollect.stores.memory import MemoryStore
from recollect.stores.sqlite import SQLiteStore, bulk, index
from recollect.stores.sqlite.changes import Changes
from recollect.testing import drafts
from recollect.testing.clock import ManualClock
from recollect.testing.drafts import CommitDraft
from recollect.testing.machine import MakeStore, StoreMachine
from recollect.testing.modes import MODES, Mode

SESSIONS = (*drafts.SESSIONS, "t", "é", " ")


class RunDraft(Struct, frozen=True):
    """The rows of one session as an import brings them; a message that is marked has an id from the pool, which may be there."""

    session: str
    user: str | None
    rows: list[tuple[drafts.Row, bool]]
    ttl: float | None

    def commit(self, scope: str, now: datetime, numbers: Iterator[int], *, echo: bool, columns: bool) -> Commit:
        """The commit at this instant."""
        made = [
            row.message(now) if repeated else row.message(now).replace(id=f"new-{next(numbers)}")
            for row, repeated in self.rows
        ]
        terms = [" ".join(row.terms) for row, _ in self.rows]
        rows: Sequence[Message] = Prepared(columns_of(list(map(row_of, made, terms)))) if columns else made
        defaults = SessionDefaults(user_id=self.user, ttl=self.ttl)
        return Commit(
            Partition(scope, "session", self.session), [Append(rows=rows, terms=terms, session=defaults, echo=echo)]
        )


# Nearly all of it is what goes the short way: ids never seen, no lifetimes, an owner that stays.
_rarely = st.sampled_from((False,) * 40 + (True,))
_usual = st.builds(
    drafts.Row,
    id=drafts.ids,
    role=st.sampled_from(drafts.ROLES),
    content=st.sampled_from(drafts.CONTENTS),
    terms=drafts.terms,
    ttl=st.sampled_from((None,) * 12 + (2.5,)),
    ago=st.sampled_from((0.0, 0.000001, 1.0, 10.0, -1.0)),
)
_rows = st.lists(st.tuples(_usual, _rarely), min_size=1, max_size=6)
_in_order = _rows.map(lambda rows: sorted(rows, key=lambda pair: -pair[0].ago))
_runs = st.builds(
    RunDraft,
    session=st.sampled_from(SESSIONS),
    user=st.sampled_from((None,) * 6 + drafts.USERS[:1] * 3 + drafts.USERS[1:2]),
    rows=st.one_of(_in_order, _in_order, _rows),
    ttl=st.sampled_from((None,) * 30 + (10.0,)),
)
_imports = st.lists(_runs, min_size=1, max_size=6, unique_by=lambda run: run.session)


class Imports(StoreMachine):
    """The histories of the kit, with imports in them."""

    def __init__(self, mode: Mode, make: MakeStore) -> None:
        super().__init__(mode, make, MemoryStore, retention=7 * 86400)
        self._numbers = count()

    @rule(scope=drafts.scopes, runs=_imports, columns=st.booleans())
    def bring_in(self, scope: str, runs: list[RunDraft], columns: bool) -> None:
        """Many appends at once, each to a session of its own, and nobody wants to see the messages again."""
        commits = self._commits(scope, runs, echo=False, columns=columns)
        mine, theirs = self.twins.both(lambda store: store.commit_many(commits))
        self.twins.check(_counts(mine) == _counts(theirs), f"{_counts(mine)}, the oracle {_counts(theirs)}")
        self.twins.remember_all(commits, theirs)
        self._look_at(commits)

    @rule(scope=drafts.scopes, runs=_imports, others=st.lists(drafts.commits, max_size=1), again=st.booleans())
    def bring_in_among_others(self, scope: str, runs: list[RunDraft], others: list[CommitDraft], again: bool) -> None:
        """The same, with what else may be written, and with one of them twice."""
        commits = self._commits(scope, runs, echo=True, columns=False)
        commits += [other.commit(self.clock()) for other in others]
        commits += commits[:1] if again else []
        self.twins.commit_many(commits)
        self._look_at(commits)

    def _commits(self, scope: str, runs: list[RunDraft], *, echo: bool, columns: bool) -> list[Commit]:
        now = self.clock()
        return [run.commit(scope, now, self._numbers, echo=echo, columns=columns) for run in runs]

    def _look_at(self, commits: list[Commit]) -> None:
        for partition, _ in commits:
            self.touched = partition
            self.partition_is_the_same()
            if partition.kind == "session":
                ago = self.clock() - timedelta(seconds=1)
                self.twins.path("messages", (partition.scope, partition.id), {"since": ago})

    def teardown(self) -> None:
        """The index holds the terms of all rows, and no others."""
        try:
            if not self.twins.differ:
                self._check_index()
        finally:
            super().teardown()

    def _check_index(self) -> None:
        store = self.twins.store
        assert isinstance(store, SQLiteStore)
        connection = store._connections.writer

        def flush() -> tuple[int, int]:
            index.flush(connection)
            return 0, 0

        store._transaction(flush)
        connection.execute("INSERT INTO recollect_terms (recollect_terms) VALUES ('integrity-check')")
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        connection.execute("CREATE VIRTUAL TABLE temp.places USING fts5vocab (main, recollect_terms, instance)")
        found = set(connection.execute("SELECT doc, offset, term FROM temp.places"))
        connection.execute("DROP TABLE temp.places")
        rows = connection.execute("SELECT position, terms FROM recollect_messages WHERE terms <> ''").fetchall()
        held = {(row, place, term) for row, terms in rows for place, term in enumerate(terms.split(" "))}
        self.twins.check(found == held, f"the index has {found}, the rows {held}")
        counted = connection.execute("SELECT value FROM recollect_meta WHERE name = 'indexed_rows'").fetchone()
        self.twins.check(counted == (len(rows),), f"{counted} are said to be indexed, {len(rows)} rows have terms")


def _make(place: Path) -> Store:
    return SQLiteStore(str(place / "recollect.db"))


def _counts(outcomes: list[Any]) -> list[Any]:
    """How many messages each commit wrote, or the class of its error."""
    return [outcome if isinstance(outcome, type) else outcome[0].written for outcome in outcomes]


@pytest.mark.parametrize("kind", MODES, ids=lambda mode: mode.name)
def test_imports_among_everything_else(kind: type[Mode], monkeypatch: pytest.MonkeyPatch) -> None:
    """Same numbers, order, headers, feed and search, and an index that fits the rows."""
    ways = {True: 0, False: 0}
    together = Changes.apply_all

    def counted(changes: Changes, *about: Any) -> Any:
        try:
            found = together(changes, *about)
        except bulk.Unusual:
            ways[False] += 1
            raise
        ways[True] += 1
        return found

    monkeypatch.setattr(Changes, "apply_all", counted)
    # So small that what a test can write is much.
    for module, name, value in ((bulk, "LEAST", 2), (bulk, "LEAST_ROWS", 4), (index, "BATCH", 8), (index, "BULK", 4)):
        monkeypatch.setattr(module, name, value)
    monkeypatch.setattr(bulk, "_HEADERS_AT_ONCE", 2)
    monkeypatch.setattr(bulk, "_HEADERS", bulk._HEADERS.replace(", ".join("?" * 250), "?, ?"))
    given = settings()
    run_state_machine_as_test(
        lambda: Imports(kind(), _make),  # type: ignore[arg-type]
        settings=settings(
            given,
            deadline=None,
            max_examples=max(1, given.max_examples // 4),
            stateful_step_count=20,
            suppress_health_check=list(HealthCheck),
            phases=[phase for phase in given.phases if phase is not Phase.explain],
        ),
    )
    assert min(ways.values()) > 0, "each way was gone"


def test_an_import_renews_a_session_that_slides(tmp_path: Path) -> None:
    """Also one that has no end yet, because its header was written so."""
    clock = ManualClock()
    store = SQLiteStore(str(tmp_path / "s.db"))
    drive(store.open(BlockingDriver(clock)))
    session = Partition("t", "session", "s")
    drive(store.commit(session, [Put(table="sessions", row=Session(id="s", ttl=10.0))]))
    rows = [Message("user", "x", id=str(n), created_at=clock(), tokens=1) for n in range(2 * bulk.LEAST_ROWS)]
    drive(store.commit_many([Commit(session, [Append(rows=rows, terms=["x"] * len(rows))])]))
    assert drive(store.get("sessions", ("t", "s"))).expires_at == clock() + timedelta(seconds=10)  # type: ignore[union-attr]
    clock.forward(10)
    assert drive(store.get("sessions", ("t", "s"))) is None
    drive(store.close())
