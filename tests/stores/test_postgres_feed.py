"""The feed of the PostgreSQL store: nothing is passed by, whatever order transactions commit in; NOTIFY wakes who asks."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from recollect import InvalidInput, NotFound, Recollect
from recollect.stores.postgres import PostgresStore
from recollect.testing.clock import START
from tests.services.postgres import patient_feed, postgres_url, url_of


class Follower:
    """Reads the feed from where it was, all the time."""

    def __init__(self, memory: Recollect) -> None:
        self._memory = memory
        self.numbers: dict[str, list[int]] = {}
        self._cursor: str | None = None
        self._cursors: set[str] = set()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._done.is_set():
            self._page()
        while self._page():
            pass

    def _page(self) -> bool:
        page = self._memory.changes(after=self._cursor, limit=7).items
        for change in page:
            assert change.cursor not in self._cursors
            self._cursors.add(change.cursor)
            self._cursor = change.cursor
            self.numbers.setdefault(change.partition, []).extend(range(change.first_seq, change.last_seq + 1))
        return bool(page)

    def stop(self) -> dict[str, list[int]]:
        self._done.set()
        self._thread.join(60)
        return self.numbers


def test_a_follower_among_writers_and_long_transactions_misses_nothing(name: str) -> None:
    writers, each = 8, 40
    with Recollect(f"{url_of(name)}&pool_size={writers + 2}") as memory:
        memory.open()
        followers = [Follower(memory) for _ in range(2)]

        def short(n: int) -> None:
            session = memory.session(f"s{n % 3}")
            for i in range(each):
                session.append({"role": "user", "content": str(i), "id": f"{n}-{i}"})

        def long(n: int) -> None:
            # Writes something of its own first, so that its number is old when it appends, and commits late.
            for i in range(6):
                with psycopg.connect(postgres_url()) as connection:
                    connection.execute("SELECT pg_current_xact_id()")
                    time.sleep(0.02)
                    with Recollect(PostgresStore(connection=connection, schema=name)) as inside:
                        session = inside.session(f"s{n % 3}")
                        session.append({"role": "user", "content": "late", "id": f"long-{n}-{i}"})
                        session.append({"role": "user", "content": "late", "id": f"long-{n}-{i}-b"})
                    time.sleep(0.02)
                    if i == 3:
                        connection.rollback()

        threads = [threading.Thread(target=short, args=(n,)) for n in range(writers)]
        threads += [threading.Thread(target=long, args=(n,)) for n in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        found = [follower.stop() for follower in followers]
        for n in range(3):
            rows = memory.session(f"s{n}").tail(10_000)
            assert [row.seq for row in rows] == list(range(1, len(rows) + 1))
            for numbers in found:
                assert numbers[f"s{n}"] == [row.seq for row in rows], "complete, once each, in commit order"
        assert sum(len(numbers) for numbers in found[0].values()) == writers * each + 3 * 5 * 2


def test_an_entry_waits_for_an_older_transaction_and_comes_when_it_ends(name: str) -> None:
    with Recollect(url_of(name)) as memory:
        memory.session("before").append({"role": "user", "content": "x"})
        cursor = memory.changes().items[-1].cursor
        with psycopg.connect(postgres_url()) as older:
            older.execute("SELECT pg_current_xact_id()")
            memory.session("s").append({"role": "user", "content": "x"})
            assert memory.changes(after=cursor).items == [], "an older transaction may still write before it"
            assert len(memory.session("s").tail()) == 1
        assert [change.partition for change in memory.changes(after=cursor)] == ["s"]


def test_a_patient_reader_and_a_sweep_wait_for_a_slow_writer(name: str) -> None:
    """As the suites of the kit do on a server that they share (`patient_feed`)."""
    now = START
    with Recollect(url_of(name), clock=lambda: now) as memory, psycopg.connect(postgres_url()) as slow, patient_feed():

        def open_for(seconds: float) -> threading.Timer:
            slow.execute("SELECT pg_current_xact_id()")
            ended = threading.Timer(seconds, slow.rollback)
            ended.start()
            return ended

        memory.open()
        ended = open_for(0.5)
        memory.session("s").append({"role": "user", "content": "x"})
        (change,) = memory.changes()
        ended.join()
        ended = open_for(0.5)
        memory.session("s").append({"role": "user", "content": "x"})
        now += timedelta(days=8)
        assert memory.sweep().changes == 2
        ended.join()
        with pytest.raises(NotFound):
            memory.changes(after=change.cursor)


def test_a_sweep_in_the_middle_of_a_reading_is_no_silent_gap(name: str) -> None:
    """What was swept between a reader's two looks at the database is not passed by: the cursor's successors are gone."""
    now = START
    with Recollect(url_of(name), clock=lambda: now) as memory:
        for n in range(3):
            memory.session("s").append({"role": "user", "content": str(n)})
        first = memory.changes().items[0].cursor
        now += timedelta(days=8)
        memory.session("s").append({"role": "user", "content": "young"})
        assert isinstance(memory.store, PostgresStore)
        feed, link = memory.store._feed, memory.store._open_link
        fetch = link.fetch

        async def swept_before(sql: str, values: Any = (), **how: Any) -> Any:
            if sql == feed._page:
                memory.sweep()
            return await fetch(sql, values, **how)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(link, "fetch", swept_before)
            with pytest.raises(NotFound):
                memory.changes(after=first)
        assert [change.last_seq for change in memory.changes()] == [4]


def test_a_cursor_of_another_feed_is_none(name: str) -> None:
    with Recollect(url_of(name)) as memory:
        memory.session("s").append({"role": "user", "content": "x"})
        for cursor in ("1", "-", "1-", "1-2-3", "1.5", f"{10**17}-1"):
            with pytest.raises(InvalidInput):
                memory.changes(after=cursor)


def test_who_asks_is_woken_by_notify_and_nobody_else_pays_for_it(name: str) -> None:
    with Recollect(url_of(name), scope="a\0b") as memory, psycopg.connect(postgres_url(), autocommit=True) as listener:
        memory.session("s").append({"role": "user", "content": "x"})
        listener.execute(f"LISTEN {name}")
        memory.session("s").append({"role": "user", "content": "unheard"})
        assert list(listener.notifies(timeout=0.1)) == []
        assert listener.execute(f"SELECT {name}.follow('me', 60)").fetchone() == (name,)
        for write in (
            lambda: memory.session("s").append({"role": "user", "content": "heard"}),
            lambda: memory.session("new").append([{"role": "user", "content": "heard"}] * 2),
            lambda: memory.user("u").preferences.set("k", 1),
            lambda: memory.session("s").delete(),
        ):
            write()
            heard = [notice.payload for notice in listener.notifies(timeout=2, stop_after=1)]
            assert heard == ["a\1\1b"]
        listener.execute(f"SELECT {name}.follow('me', 0)")
        memory.session("s").append({"role": "user", "content": "unheard"})
        assert list(listener.notifies(timeout=0.1)) == []
