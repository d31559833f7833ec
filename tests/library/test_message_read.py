"""Reading: pages, bounds, cursors, tail; and what pop, clear and delete leave."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from recollect import InvalidInput, Message, Page, Recollect, SessionHandle

START = datetime(2024, 1, 1, tzinfo=UTC)
N = 250


def fill(session: SessionHandle, count: int = N) -> None:
    session.append([Message("user", str(i), created_at=START + timedelta(minutes=i)) for i in range(1, count + 1)])


def numbers(page: Page[Message] | list[Message]) -> list[int]:
    return [message.seq for message in page]


BOUNDS: list[dict[str, Any]] = [
    {},
    {"after": 0},
    {"after": 100},
    {"after": N},
    {"after": N + 10},
    {"before": 0},
    {"before": 1},
    {"before": 50},
    {"before": N + 10},
    {"after": 20, "before": 21},
    {"after": 20, "before": 22},
    {"after": 30, "before": 10},
    {"since": START + timedelta(minutes=10)},
    {"until": START + timedelta(minutes=10)},
    {"since": START + timedelta(minutes=10), "until": START + timedelta(minutes=90)},
    {"since": START + timedelta(minutes=10), "until": START + timedelta(minutes=10)},
    {"since": START + timedelta(minutes=10), "until": START},
    {"since": START + timedelta(days=9)},
    {"until": START - timedelta(days=9)},
    {"since": START + timedelta(minutes=10, microseconds=1), "after": 12, "before": 200},
    {"after": 2**70},
    {"before": 2**70},
]


def expected(after: int = 0, before: int | None = None, since: Any = None, until: Any = None) -> list[int]:
    return [
        n
        for n in range(1, N + 1)
        if n > after
        and (before is None or n < before)
        and (since is None or START + timedelta(minutes=n) >= since)
        and (until is None or START + timedelta(minutes=n) < until)
    ]


def test_bounds_and_pages(memory: Recollect) -> None:
    """Every combination of bounds, in both directions, page by page, gives each message once, in order, to the end."""
    session = memory.session("s")
    fill(session)
    for bounds in BOUNDS:
        want = expected(**bounds)
        for reverse in (False, True):
            for limit in (1000, 100, 7 if len(want) < 60 else 77, max(len(want), 1)):
                got: list[int] = []
                cursor = None
                while True:
                    page = session.read(**bounds, limit=limit, reverse=reverse, cursor=cursor)
                    got += numbers(page)
                    assert len(page) <= limit
                    if page.cursor is None:
                        break
                    assert len(page) == limit
                    cursor = page.cursor
                assert got == (want[::-1] if reverse else want), (bounds, reverse, limit)


def test_times_out_of_order(memory: Recollect) -> None:
    """`since` and `until` find the right messages also where clocks went back."""
    session = memory.session("s")
    minutes = [5, 3, 9, 1, 9, 7, 2, 8]
    session.append([Message("user", str(m), created_at=START + timedelta(minutes=m)) for m in minutes])
    page = session.read(since=START + timedelta(minutes=3), until=START + timedelta(minutes=9))
    assert [m.content for m in page] == ["5", "3", "7", "8"]


def test_a_page_is_a_sequence(memory: Recollect) -> None:
    """A page has length, items and indexes; the last one has no cursor, also when it is exactly full."""
    session = memory.session("s")
    fill(session, 4)
    page = session.read(limit=2)
    assert (len(page), page[0].seq, page[-1].seq, numbers(page.items)) == (2, 1, 2, [1, 2])
    last = session.read(limit=2, cursor=page.cursor)
    assert (numbers(last), last.cursor) == ([3, 4], None)
    empty = memory.session("nobody").read()
    assert (list(empty), empty.cursor, len(empty)) == ([], None, 0)


def test_reading_on_while_others_append(memory: Recollect) -> None:
    """A reader that goes on by cursor sees every message once, also those appended meanwhile."""
    session = memory.session("s")
    fill(session, 10)
    page = session.read(limit=4)
    got = numbers(page)
    fill(session, 5)
    while page.cursor:
        page = session.read(limit=4, cursor=page.cursor)
        got += numbers(page)
    assert got == list(range(1, 16))


def test_cursors_of_other_queries_are_refused(memory: Recollect) -> None:
    """A cursor belongs to its query: another session, scope, bound, direction or call refuses it."""
    session = memory.session("s", "u")
    fill(session, 10)
    memory.session("t", "u").append({"role": "user", "content": "x"})
    cursor = session.read(limit=2).cursor
    assert cursor is not None
    assert numbers(session.read(limit=5, cursor=cursor)) == [3, 4, 5, 6, 7]
    users = memory.user("u")
    for other in (
        lambda: memory.session("t").read(cursor=cursor),
        lambda: memory.in_scope("x").session("s").read(cursor=cursor),
        lambda: session.read(cursor=cursor, reverse=True),
        lambda: session.read(cursor=cursor, after=1),
        lambda: session.read(cursor=cursor, before=100),
        lambda: session.read(cursor=cursor, since=START),
        lambda: session.read(cursor=cursor, until=START),
        lambda: users.sessions(cursor=cursor),
        lambda: users.messages(cursor=cursor),
        lambda: memory.sessions(cursor=cursor),
        lambda: users.messages(cursor=memory.sessions(limit=1).cursor),
        lambda: memory.user("v").sessions(cursor=users.sessions(limit=1).cursor),
        lambda: memory.sessions(cursor=users.sessions(limit=1).cursor),
        lambda: memory.in_scope("x").sessions(cursor=memory.sessions(limit=1).cursor),
    ):
        with pytest.raises(InvalidInput) as caught:
            other()
        assert caught.value.field == "cursor"


@pytest.mark.parametrize(
    "garbage", ["", "x", "AAAA", "=", "é", "bnVsbA", "W10", "WzFd", "e30", "\0", "a" * 10_000, 5, b"x"]
)
def test_garbage_is_no_cursor(garbage: Any) -> None:
    """Text that is no cursor is refused as such."""
    with Recollect("memory://") as memory:
        for call in (memory.session("s").read, memory.sessions, memory.user("u").sessions, memory.user("u").messages):
            with pytest.raises(InvalidInput) as caught:
                call(cursor=garbage)
            assert caught.value.field == "cursor"


def test_tail(memory: Recollect) -> None:
    """The last messages, oldest first; all of them when there are fewer."""
    session = memory.session("s")
    fill(session, 30)
    assert numbers(session.tail()) == list(range(11, 31))
    assert numbers(session.tail(3)) == [28, 29, 30]
    assert numbers(session.tail(0)) == []
    assert numbers(session.tail(10**6)) == list(range(1, 31))
    assert numbers(session.tail(2**63)) == list(range(1, 31))
    assert memory.session("nobody").tail() == []


def test_get(memory: Recollect) -> None:
    """One message by its number, or None for a number that nothing has."""
    session = memory.session("s")
    fill(session, 3)
    assert [found and found.content for found in map(session.get, (0, 1, 3, 4, 2**32, 2**63, 2**70))] == [
        None, "1", "3", None, None, None, None
    ]  # fmt: skip


def test_pop(memory: Recollect) -> None:
    """`pop` removes and returns the last message; its number is not given again."""
    session = memory.session("s", "u")
    assert session.pop() is None
    fill(session, 3)
    popped = session.pop()
    assert popped is not None
    assert (popped.seq, popped.content) == (3, "3")
    assert numbers(session.read()) == [1, 2]
    assert session.append({"role": "user", "content": "x"})[0].seq == 4
    assert [found.seq for found in (session.pop(), session.pop(), session.pop()) if found] == [4, 2, 1]
    assert session.pop() is None
    info = session.info()
    assert info is not None
    assert (info.message_count, info.last_seq) == (0, 4)
    assert session.append({"role": "user", "content": "x"})[0].seq == 5


@pytest.mark.parametrize("mode", ["sync"], indirect=True)
def test_two_threads_never_pop_the_same(memory: Recollect) -> None:
    """Every message is popped by one caller."""
    session = memory.session("s")
    fill(session, 120)
    got: list[int] = []

    def take() -> None:
        while (found := session.pop()) is not None:
            got.append(found.seq)

    threads = [threading.Thread(target=take) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == list(range(1, 121))


def test_clear(memory: Recollect) -> None:
    """`clear` removes messages and summary and says how many messages; the header stays, numbers go on."""
    session = memory.session("s", "u")
    assert session.clear() == 0
    assert session.info() is None
    fill(session, 3)
    session.update(title="Trip", metadata={"a": 1})
    session.save_summary("So far.", covers_seq=2)
    assert session.clear() == 3
    assert session.clear() == 0
    assert (session.tail(), session.summary(), memory.search("1"), session.window()) == ([], None, [], [])
    info = session.info()
    assert info is not None
    assert (info.title, info.metadata, info.message_count, info.last_seq) == ("Trip", {"a": 1}, 0, 3)
    assert session.append({"role": "user", "content": "x"})[0].seq == 4


def test_delete(memory: Recollect) -> None:
    """`delete` removes everything and says whether there was anything; a later append begins again at 1."""
    session = memory.session("s", "u")
    assert session.delete() is False
    fill(session, 3)
    session.update(title="Trip")
    session.save_summary("So far.", covers_seq=2)
    assert session.delete() is True
    assert session.delete() is False
    assert (session.info(), session.tail(), session.summary(), session.get(1)) == (None, [], None, None)
    assert memory.sessions().items == []
    assert memory.user("u").messages().items == []
    assert memory.search("1") == []
    (again,) = memory.session("s", "other").append({"role": "user", "content": "x"})
    assert (again.seq, again.user_id) == (1, "other")
    info = memory.session("s").info()
    assert info is not None
    assert (info.title, info.message_count) == (None, 1)
