"""What can go wrong with a server or a line in the middle of work: said in the user's words, nothing lost, nothing doubled."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from recollect import AsyncRecollect, Message, Recollect, Unavailable
from recollect.stores.postgres import settings
from tests.services.postgres import Proxy, Server, execute, own_server, postgres_url, url_of
from tests.stores.forking import check_forked

from . import writers

HI = {"role": "user", "content": "hi"}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server of this module's own, that its tests stop and start."""
    made = own_server().start()
    yield made
    made.remove()


def _check(rows: list[Message], acknowledged: dict[str, int]) -> None:
    assert [row.seq for row in rows] == list(range(1, len(rows) + 1)), "numbers are contiguous"
    stored = {row.id: row.seq for row in rows}
    assert len(stored) == len(rows), "nothing is doubled"
    for id, seq in acknowledged.items():
        assert stored.get(id) == seq, f"{id} was acknowledged as {seq}"


def _numbers(memory: Recollect, session: str) -> list[int]:
    """What the feed says of a session, page by page."""
    found: list[int] = []
    cursor: str | None = None
    while page := memory.changes(after=cursor, limit=500).items:
        cursor = page[-1].cursor
        for change in page:
            if change.partition == session:
                found += range(change.first_seq, change.last_seq + 1)
    return found


def test_a_server_that_crashes_and_comes_back_is_found_again_and_nothing_acknowledged_is_lost(server: Server) -> None:
    acknowledged: dict[str, int] = {}
    failures: list[Unavailable] = []
    done = threading.Event()
    with Recollect(f"{server.url}?connect_timeout=2") as memory:

        def write(who: str) -> None:
            number = 0
            while not done.is_set() or number < 5:
                id = f"{who}-{number}"
                try:
                    (stored,) = memory.session("crash").append({"role": "user", "content": "x", "id": id})
                except Unavailable as error:
                    failures.append(error)
                    time.sleep(0.02)
                    continue
                acknowledged[id] = stored.seq
                number += 1

        threads = [threading.Thread(target=write, args=(f"w{n}",)) for n in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(2):
            time.sleep(0.3)
            server.stop(signal.SIGQUIT)
            time.sleep(0.2)
            server.start()
        before = len(acknowledged)
        time.sleep(0.3)
        done.set()
        for thread in threads:
            thread.join(30)
        assert failures, "the server was away"
        assert all(error.retryable for error in failures)
        assert len(acknowledged) > before, "the same client goes on"
        rows = memory.session("crash").tail(1_000_000)
        _check(rows, acknowledged)
        info = memory.session("crash").info()
        assert info is not None
        assert info.message_count == len(rows)
        feed = _numbers(memory, "crash")
        assert feed == [row.seq for row in rows]


def test_while_the_server_is_away_every_call_says_so_at_once(server: Server) -> None:
    with Recollect(f"{server.url}?connect_timeout=2") as memory:
        memory.session("away").append(HI)
        server.stop()
        for call in (
            lambda: memory.session("away").append(HI),
            lambda: memory.session("away").tail(),
            lambda: memory.search("hi"),
            memory.changes,
            memory.sweep,
        ):
            began = time.monotonic()
            with pytest.raises(Unavailable, match="is away"):
                call()
            assert time.monotonic() - began < 4
        server.start()
        memory.session("away").append(HI)
        assert [row.seq for row in memory.session("away").tail()] == [1, 2]


@pytest.mark.skipif(sys.platform != "linux", reason="finds the server's processes in /proc")
def test_a_server_that_stands_still_is_given_up_and_found_again(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "GRACE", 0.5)
    url = f"{server.url}?statement_timeout=0.2&connect_timeout=2"
    with Recollect(url) as memory:
        memory.session("still").append(HI)
        calls: tuple[Callable[[], object], ...] = (
            lambda: memory.session("still").append({**HI, "id": "again"}),
            memory.changes,
        )
        with server.frozen():
            for call in calls:
                began = time.monotonic()
                with pytest.raises(Unavailable, match="is away") as caught:
                    call()
                assert caught.value.retryable
                assert time.monotonic() - began < 5
        asyncio.run(_still(server, url))
        memory.session("still").append({**HI, "id": "again"})
        assert [row.seq for row in memory.session("still").tail()] == [1, 2], "what was in doubt is there once"


async def _still(server: Server, url: str) -> None:
    async with AsyncRecollect(url) as memory:
        await memory.open()
        with server.frozen():
            began = time.monotonic()
            with pytest.raises(Unavailable, match="is away"):
                await memory.session("still").append({**HI, "id": "again"})
            assert time.monotonic() - began < 5
        assert (await memory.session("still").info()) is not None


@pytest.mark.parametrize("keep", [0, 1, 30, 200, None])
def test_a_reply_that_is_cut_in_its_middle_is_asked_for_again(server: Server, keep: int | None) -> None:
    proxy = Proxy(server.port)
    try:
        with Recollect(f"postgresql://postgres@127.0.0.1:{proxy.port}/postgres?schema=cut_{keep}") as memory:
            session = memory.session("cut-here", user="cut-here-too")
            session.append([{"role": "user", "content": f"word {n} " + "x" * 500, "id": str(n)} for n in range(20)])
            session.save_summary("so far", covers_seq=3)
            reads: tuple[Callable[[], object], ...] = (
                lambda: session.tail(20),
                lambda: session.read(after=3, limit=5).items,
                session.info,
                session.summary,
                lambda: memory.search("word", session="cut-here", limit=5),
                lambda: memory.user("cut-here-too").sessions().items,
                lambda: memory.user("cut-here-too").messages(limit=20).items,
            )
            for number, read in enumerate(reads, 1):
                expected = read()
                proxy.cut_when, proxy.keep = b"cut-here", keep
                assert read() == expected
                assert proxy.cuts == number
            for number in range(3):
                proxy.cut_when = b"cut-here"
                (stored,) = session.append({**HI, "id": f"new-{number}"})
                assert stored.seq == 21 + number
            assert proxy.cuts == len(reads) + 3
            assert [row.seq for row in session.tail(100)] == list(range(1, 24))
    finally:
        proxy.close()


def test_an_append_whose_answer_is_lost_is_repeated_and_written_once(server: Server) -> None:
    proxy = Proxy(server.port)
    try:
        with Recollect(f"postgresql://postgres@127.0.0.1:{proxy.port}/postgres") as memory:
            session = memory.session("cut", user="ann")
            session.append(HI)
            proxy.cut_when = b"the answer is lost"
            (stored,) = session.append({"role": "user", "content": "the answer is lost"})
            assert (proxy.cuts, stored.seq) == (1, 2)
            proxy.cut_when = b"so is this one"
            stored_two = session.append([{"role": "user", "content": "so is this one"}, HI])
            assert (proxy.cuts, [row.seq for row in stored_two]) == (2, [3, 4])
            assert [row.content for row in session.tail()] == ["hi", "the answer is lost", "so is this one", "hi"]
            # A Put is not repeated by itself: it may have happened, and the version tells.
            proxy.cut_when = b"a title"
            with pytest.raises(Unavailable) as caught:
                session.update(title="a title")
            assert caught.value.retryable
            info = session.info()
            assert info is not None
            assert (info.title, info.version) == ("a title", 2)
    finally:
        proxy.close()


def test_a_statement_that_takes_too_long_is_given_up(name: str) -> None:
    with Recollect(url_of(name, statement_timeout=0.3)) as memory:
        memory.session("s").append(HI)
        with psycopg.connect(postgres_url()) as other:
            other.execute(f"SELECT 1 FROM {name}.sessions FOR UPDATE")
            began = time.monotonic()
            with pytest.raises(Unavailable, match="statement_timeout") as caught:
                memory.session("s").append(HI)
            assert caught.value.retryable
            assert time.monotonic() - began < 3
        memory.session("s").append(HI)
        assert [row.seq for row in memory.session("s").tail()] == [1, 2]


def test_a_pool_whose_connections_are_all_busy(name: str) -> None:
    with Recollect(url_of(name, pool_size=1, pool_timeout=0.2)) as memory:
        memory.session("s").append(HI)
        with psycopg.connect(postgres_url()) as other:
            other.execute(f"SELECT 1 FROM {name}.sessions FOR UPDATE")
            waiting = threading.Thread(target=lambda: memory.session("s").append(HI))
            waiting.start()
            time.sleep(0.1)
            with pytest.raises(Unavailable, match="pool_size"):
                memory.session("s").tail()
        waiting.join(10)
        assert len(memory.session("s").tail()) == 2


def test_many_threads_share_few_connections_some_of_which_break(name: str) -> None:
    # The server shows the first kilobyte of a statement, and an append names its schema behind that.
    appends = f"(query ~ '{name}' OR query ~ '^-- One message more')"
    ours = f"application_name = 'recollect' AND {appends} AND pid <> pg_backend_pid()"
    most = 0
    with Recollect(url_of(name, pool_size=3)) as memory:

        def write(who: int) -> None:
            for number in range(40):
                memory.session(f"s{who % 5}").append({**HI, "id": f"{who}-{number}"})

        threads = [threading.Thread(target=write, args=(who,)) for who in range(16)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            ((count,),) = execute(f"SELECT count(*)::int FROM pg_stat_activity WHERE {ours}")
            assert isinstance(count, int)
            most = max(most, count)
            execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {ours} LIMIT 1")
            time.sleep(0.02)
        for thread in threads:
            thread.join()
        assert sum(len(memory.session(f"s{n}").tail(1000)) for n in range(5)) == 16 * 40
        # A backend that was told to end may be seen beside the one that takes its place.
        assert 1 <= most <= 3 + 2


def test_processes_write_one_session(name: str) -> None:
    names = [f"w{i}" for i in range(4)]
    running = [writers.start(url_of(name), "shared", who, 40) for who in names]
    acknowledged: dict[str, int] = {}
    for process in running:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        acknowledged |= {id: int(seq) for seq, id in (line.split() for line in out.splitlines())}
    assert len(acknowledged) == 160
    with Recollect(url_of(name)) as memory:
        _check(memory.session("shared").tail(1000), acknowledged)
        assert [change.first_seq for change in memory.changes(limit=1000)] == list(range(1, 161))


def test_a_database_whose_transactions_are_serializable_by_default(server: Server) -> None:
    execute("CREATE DATABASE strict", server.url)
    execute("ALTER DATABASE strict SET default_transaction_isolation = 'serializable'", server.url)
    with Recollect(server.url.rpartition("/")[0] + "/strict") as memory:
        threads = [
            threading.Thread(target=lambda: [memory.session("s").append(HI) for _ in range(25)]) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert [row.seq for row in memory.session("s").tail(1000)] == list(range(1, 201))
        assert _numbers(memory, "s") == list(range(1, 201))


def test_a_long_feed_is_swept_to_its_end(name: str) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    clock = [now]
    with Recollect(url_of(name, feed_retention=60), clock=lambda: clock[0]) as memory:
        memory.import_lines({"session": f"s{n}", "role": "user", "content": "x"} for n in range(2500))
        clock[0] += timedelta(seconds=30)
        memory.session("young").append(HI)
        clock[0] += timedelta(seconds=40)
        assert memory.sweep().changes == 2500
        assert [change.partition for change in memory.changes()] == ["young"]
        assert memory.sweep().changes == 0


def test_nothing_acknowledged_is_missing_after_kill_9(name: str) -> None:
    acknowledged: dict[str, int] = {}
    for turn in range(3):
        processes = [writers.start(url_of(name), "shared", f"r{turn}w{i}", 100_000) for i in range(2)]
        for process in processes:
            assert process.stdout is not None
            seq, id = process.stdout.readline().split()
            acknowledged[id] = int(seq)
        time.sleep(0.05)
        for process in processes:
            process.kill()
        for process in processes:
            assert process.stdout is not None
            assert process.stderr is not None
            lines = process.stdout.read().split("\n")[:-1]
            acknowledged |= {id: int(seq) for seq, id in (line.split() for line in lines)}
            process.wait(timeout=30)
            process.stdout.close()
            process.stderr.close()
    with Recollect(url_of(name)) as memory:
        rows = memory.session("shared").tail(1_000_000)
        _check(rows, acknowledged)
        feed = _numbers(memory, "shared")
        assert feed == [row.seq for row in rows]
    assert len(acknowledged) >= 6


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_opens_its_own_connections(name: str) -> None:
    check_forked(url_of(name), children=3, each=10)


def test_cancelled_calls_leave_the_pool_usable(name: str) -> None:
    asyncio.run(_cancel(name))


async def _cancel(name: str) -> None:
    async with AsyncRecollect(url_of(name, pool_size=2)) as memory:
        await memory.session("s").append(HI)
        with psycopg.connect(postgres_url()) as other:
            other.execute(f"SELECT 1 FROM {name}.sessions FOR UPDATE")
            tasks = [asyncio.create_task(memory.session("s").append(HI)) for _ in range(6)]
            await asyncio.sleep(0.1)
            for task in tasks:
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes)
        for _ in range(5):
            await memory.session("s").append(HI)
        assert [row.seq for row in await memory.session("s").tail()] == [1, 2, 3, 4, 5, 6]
        backends = execute(
            "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%UPDATE%' AND pid <> pg_backend_pid()"
        )
        assert backends == [(0,)]
