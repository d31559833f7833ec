"""Rows brought together by session: none is lost, each session's keep their order, and groups are of the size they may be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recollect.core import regroup
from recollect.core.lines import Gathering
from recollect.core.regroup import Group, Pool

Rows = list[tuple[str, str | None, int]]

rows = st.lists(
    st.tuples(st.sampled_from("abcdef"), st.sampled_from([None, "u"]), st.integers(0, 40)), min_size=1, max_size=200
)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    small = {"BATCH_LINES": 10, "BATCH_BYTES": 200, "HELD_ROWS": 30, "HELD_BYTES": 600, "ENOUGH": 6}
    for name, value in small.items():
        monkeypatch.setattr(regroup, name, value)


def put(pool: Pool, number: int, row: tuple[str, str | None, int]) -> None:
    session, user, size = row
    message = (f"id-{number}", "user", "x" * size, "2026-01-01T00:00:00.000000Z", 1, "", None)
    pool.add(Gathering(session, user, [(message, number, 2 + size)]))
    pool.read(1, 100)


def pooled(given: Rows) -> list[Group]:
    pool = Pool()
    groups: list[Group] = []
    for number, row in enumerate(given):
        put(pool, number, row)
        groups += pool.ready()
    return [*groups, *pool.rest()]


@given(given=rows)
def test_all_comes_out_in_each_session_s_order(given: Rows) -> None:
    groups = pooled(given)
    out: dict[str, list[tuple[str | None, int]]] = {}
    for group in groups:
        for run in map(Gathering.run, group.runs):
            assert run.columns.ids == tuple(f"id-{line}" for line in run.lines)
            assert run.columns.texts == tuple("x" * given[line][2] for line in run.lines)
            out.setdefault(run.session, []).extend((run.user, line) for line in run.lines)
    wanted: dict[str, list[tuple[str | None, int]]] = {}
    for number, (session, user, _) in enumerate(given):
        wanted.setdefault(session, []).append((user, number))
    assert out == wanted
    assert (sum(group.lines for group in groups), sum(group.bytes for group in groups)) == (
        len(given),
        100 * len(given),
    )


@given(given=rows)
def test_groups_have_bounds(given: Rows) -> None:
    """No more rows than a batch, and no more bytes than it with one row over."""
    for group in pooled(given):
        assert sum(len(run.rows) for run in group.runs) <= 10
        assert sum(size for run in group.runs for _, _, size in run.rows) < 200 + 50
        assert group.lines > 0


@given(given=rows)
def test_little_is_held(given: Rows) -> None:
    pool = Pool()
    held = 0
    for number, row in enumerate(given):
        put(pool, number, row)
        held += 1
        for group in pool.ready():
            held -= sum(len(run.rows) for run in group.runs)
        assert held <= 30


def read_far() -> Pool:
    """A pool that is empty, some way into a source."""
    pool = Pool()
    for number in range(60):
        put(pool, number, ("before", None, 1))
    assert len(list(pool.rest())) > 1
    return pool


def test_the_beginning_does_not_wait_for_all_that_may_be_held() -> None:
    """Only half of what was read so far is held back."""
    pool = Pool()
    for number in range(10):
        put(pool, number, (f"one {number}", None, 1))
    (first,) = pool.ready()
    assert len(first.runs) == 10
    for number in range(10):
        put(pool, number, (f"one {number}", None, 1))
    assert list(pool.ready()) == []


def test_the_fullest_go_first() -> None:
    """And what comes often enough waits for nothing."""
    pool = read_far()
    for number in range(25):
        put(pool, number, ("many" if number % 2 else f"one {number}", None, 1))
    assert list(pool.ready()) == []
    for number in range(25, 32):
        put(pool, number, ("many", None, 1))
    (first,) = pool.ready()
    assert {run.session for run in first.runs} == {"many"}
    steady = Pool()
    for number in range(12):
        put(steady, number, ("many", None, 1))
    assert len(list(steady.ready())) == 1


def test_what_was_read_without_rows_is_told() -> None:
    """Blank lines and bad ones."""
    pool = Pool()
    pool.read(3, 30)
    assert list(pool.rest()) == [Group([], 3, 30)]
    assert list(pool.rest()) == []
