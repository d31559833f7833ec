"""A user's messages across sessions, page by page in both directions, against a plain sort."""

from __future__ import annotations

import itertools
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recollect import InvalidInput, Message, Recollect, UserHandle
from recollect.testing.clock import ManualClock
from tests.library.harness import Opener

SYNC = pytest.mark.parametrize("mode", ["sync"], indirect=True)
FUZZ = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
DAY = datetime(2024, 5, 1, tzinfo=UTC)
_serial = itertools.count()
Stored = list[Message]


def at(seconds: float) -> datetime:
    return DAY + timedelta(seconds=seconds)


def say(seconds: float, **more: Any) -> dict[str, Any]:
    return {"role": "user", "content": "x", "created_at": at(seconds), **more}


def expected(stored: Stored, since: datetime | None, until: datetime | None, reverse: bool) -> Stored:
    """By time, then session, then number: the order that the path declares."""
    rows = [
        row
        for row in stored
        if row.created_at is not None
        and (since is None or row.created_at >= since)
        and (until is None or row.created_at < until)
    ]
    rows.sort(key=lambda row: (row.created_at, row.session_id, row.seq), reverse=reverse)
    return rows


def paged(user: UserHandle, limit: int, **options: Any) -> Stored:
    found: Stored = []
    cursor = None
    while True:
        page = user.messages(limit=limit, cursor=cursor, **options)
        found += page
        assert len(page) <= limit
        if page.cursor is None:
            return found
        assert len(page) == limit, "a short page that is not the last"
        cursor = page.cursor


def check(user: UserHandle, stored: Stored, limits: tuple[int, ...], since: Any = None, until: Any = None) -> None:
    for reverse in (False, True):
        right = expected(stored, since, until, reverse)
        for limit in limits:
            found = paged(user, limit, since=since, until=until, reverse=reverse)
            assert [(m.session_id, m.seq) for m in found] == [(m.session_id, m.seq) for m in right]
            assert found == right


TIMES = st.lists(st.integers(0, 12), max_size=8)
BOUND = st.none() | st.integers(-1, 13)


@SYNC
@FUZZ
@given(
    sessions=st.lists(st.tuples(st.sampled_from(["a", "b", "é", "ﬁ", "z", "👍", "B"]), TIMES), max_size=10),
    since=BOUND,
    until=BOUND,
    limit=st.integers(1, 9),
)
def test_any_times_in_any_order(
    memory: Recollect, sessions: list[tuple[str, list[int]]], since: int | None, until: int | None, limit: int
) -> None:
    """Interleaved and equal times, in and out of order, appended in turns: as the plain sort has it."""
    user = memory.user(f"u{next(_serial)}")
    stored: Stored = []
    for name, times in sessions:
        stored += memory.session(f"{name} {user.id}", user.id).append([say(time) for time in times])
    low, high = (None if bound is None else at(bound) for bound in (since, until))
    check(user, stored, (limit,), low, high)


@SYNC
def test_many_sessions(memory: Recollect) -> None:
    """A hundred sessions, each of them over a stretch of time of its own, some out of order, some at one instant."""
    chance = random.Random(5)
    stored: Stored = []
    for i in range(100):
        begin = chance.randrange(1000)
        times = sorted(begin + chance.randrange(60) for _ in range(chance.randrange(1, 12)))
        if i % 4 == 0:
            chance.shuffle(times)
        if i % 5 == 0:
            times = [500] * len(times)
        stored += memory.session(f"s{i * 37 % 100}", "u").append([say(time) for time in times])
    for name in ("x", "y"):
        memory.session(name, "other").append([say(time) for time in range(500)])
    memory.session("nobodys").append([say(time) for time in range(500)])
    check(memory.user("u"), stored, (1, 17, 100, 10_000))
    for since, until in ((500, 501), (400, 600), (0, 0), (600, 400), (None, 300), (900, None)):
        check(
            memory.user("u"),
            stored,
            (13,),
            since if since is None else at(since),
            until if until is None else at(until),
        )


@SYNC
def test_old_sessions_imported_after_new_ones(memory: Recollect) -> None:
    """Sessions that come in from the newest to the oldest, and lines of many sessions mixed."""
    lines = [
        {"session": f"s{i % 7}", "user": "u", "role": "user", "content": str(i), "created_at": at(-i * 10).isoformat()}
        for i in range(200)
    ]
    assert memory.import_lines(lines).written == 200
    stored = [message for i in range(7) for message in memory.session(f"s{i}").read()]
    check(memory.user("u"), stored, (1, 9, 500))
    newest_first = memory.user("u").messages(limit=200)
    assert [message.content for message in newest_first] == [str(i) for i in range(200)]


@SYNC
def test_long_sessions_that_overlap(memory: Recollect) -> None:
    """Long logs with gaps from messages that were removed, one of them out of order in a single place."""
    stored: Stored = []
    for name, step in (("a", 1), ("b", 3), ("c", 7)):
        session = memory.session(name, "u")
        session.append([say(i * step) for i in range(700)])
        session.append(say(50 if name == "b" else 5000))
        for _ in range(5):
            session.append(say(9000))
            session.pop()
        stored += session.read(limit=10_000)
    check(memory.user("u"), stored, (64, 999))
    check(memory.user("u"), stored, (50,), at(40), at(60))


def test_the_most_usual_calls(memory: Recollect) -> None:
    """Newest first unless told otherwise, a hundred at a time; instants are exact at both ends."""
    memory.session("a", "u").append([say(i) for i in range(0, 120, 2)])
    memory.session("b", "u").append([say(i) for i in range(1, 120, 2)])
    user = memory.user("u")
    page = user.messages()
    assert (len(page), page[0].created_at, page[-1].created_at) == (100, at(119), at(20))
    rest = user.messages(cursor=page.cursor)
    assert (len(rest), rest.cursor, rest[-1].created_at) == (20, None, at(0))
    assert [m.created_at for m in user.messages(since=at(5), until=at(8), reverse=False)] == [at(5), at(6), at(7)]
    tick = timedelta(microseconds=1)
    assert [m.created_at for m in user.messages(since=at(5) + tick, until=at(6) + tick)] == [at(6)]
    assert memory.user("nobody").messages().items == []


def test_cursors_of_other_questions_are_refused(memory: Recollect) -> None:
    """A cursor belongs to its user, bounds, direction and scope."""
    memory.session("a", "u").append([say(i) for i in range(9)])
    cursor = memory.user("u").messages(limit=2).cursor
    for user, options in (
        (memory.user("v"), {}),
        (memory.in_scope("x").user("u"), {}),
        (memory.user("u"), {"reverse": False}),
        (memory.user("u"), {"since": at(0)}),
        (memory.user("u"), {"until": at(0)}),
    ):
        with pytest.raises(InvalidInput, match="another query"):
            user.messages(cursor=cursor, **options)
    assert len(memory.user("u").messages(limit=5, cursor=cursor)) == 5


def test_pages_while_others_append(memory: Recollect) -> None:
    """Messages that come meanwhile neither shift nor repeat what a cursor has still to show."""
    memory.session("a", "u").append([say(i) for i in range(10)])
    user = memory.user("u")
    page = user.messages(limit=4)
    memory.session("a", "u").append(say(100))
    memory.session("b", "u").append(say(8.5))
    seen = [m.created_at for m in page]
    while page.cursor:
        page = user.messages(limit=4, cursor=page.cursor)
        seen += [m.created_at for m in page]
    assert seen == [at(i) for i in reversed(range(10))]


def test_expired_and_removed_are_not_there(opener: Opener) -> None:
    """Messages and sessions that have expired, were popped or deleted leave the user's messages at once."""
    clock = ManualClock()
    memory = opener(clock=clock)
    memory.session("a", "u").append([say(1), say(2, ttl=5), say(3)])
    memory.session("b", "u", ttl=5).append([say(1), say(2)])
    memory.session("c", "u").append([say(0), say(9)])
    user = memory.user("u")
    assert len(user.messages()) == 7
    memory.session("c").pop()
    clock.forward(5)
    right = [(at(0), "c"), (at(1), "a"), (at(3), "a")]
    for reverse in (False, True):
        for limit in (1, 2, 10):
            found = paged(user, limit, reverse=reverse)
            assert [(m.created_at, m.session_id) for m in found] == (right[::-1] if reverse else right)
    memory.sweep()
    assert [(m.created_at, m.session_id) for m in user.messages(reverse=False)] == right
    memory.session("a").clear()
    memory.session("c").delete()
    assert user.messages().items == []
