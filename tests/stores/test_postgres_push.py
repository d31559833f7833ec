"""Being woken by NOTIFY: one connection for all that wait, remade when it breaks, nothing slept over."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterator

import psycopg
import pytest

from recollect import AsyncRecollect, InvalidInput, Recollect, Unavailable
from recollect.store.driver import drive
from recollect.stores.postgres import PostgresStore, hearing
from tests.services.postgres import Server, execute, own_server, postgres_url, url_of

HI = {"role": "user", "content": "hi"}
LONG, SOON = 60.0, 10.0


@pytest.fixture
def few_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the look that is there for what nobody can tell of: what is woken is woken by a notice."""
    monkeypatch.setattr(hearing, "HEARTBEAT", LONG)


def _ears(name: str) -> list[tuple[object, ...]]:
    """The backends that listen for a schema's followers: the last statement of each is one of the listener's."""
    return execute(
        "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND application_name = 'recollect'"
        f" AND query ~ '{name}' AND query ~ 'follow|xmax.s.seen|LISTEN'"
    )


class Waiting:
    """A thread in a wait behind the newest entry."""

    def __init__(self, memory: Recollect, scope: str = "default") -> None:
        self.ended: float | None = None
        found = drive(memory.store.changes(scope, limit=1000))
        self.cursor = found[-1].cursor if found else None
        self._memory, self._scope = memory, scope
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        drive(self._memory.store.wait(self._scope, self.cursor, LONG))
        self.ended = time.monotonic()

    def is_woken(self, since: float) -> bool:
        """Whether it is, soon."""
        self._thread.join(SOON)
        return self.ended is not None and self.ended - since < SOON

    @property
    def is_asleep(self) -> bool:
        return self._thread.is_alive()


def _await(check: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SOON
    while not check():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _is_listening() -> bool:
    return any(thread.name == "recollect-listen" for thread in threading.enumerate())


@pytest.mark.usefixtures("few_looks")
def test_all_that_wait_share_a_connection_which_ends_with_the_store(name: str) -> None:
    with Recollect(url_of(name, pool_size=2)) as memory:
        memory.session("s").append(HI)
        sleepers = [Waiting(memory) for _ in range(20)]
        _await(lambda: bool(execute(f"SELECT 1 FROM {name}.followers WHERE until > now()")))
        assert len(_ears(name)) == 1
        assert all(sleeper.is_asleep for sleeper in sleepers)
        assert len(memory.session("s").tail()) == 1, "the pool is not eaten"
        began = time.monotonic()
        memory.session("s").append(HI)
        assert all(sleeper.is_woken(began) for sleeper in sleepers)
        assert len(_ears(name)) == 1
    _await(lambda: _ears(name) == [])
    assert execute(f"SELECT 1 FROM {name}.followers WHERE until > now()") == []
    assert not _is_listening()


def test_nothing_is_connected_and_no_commit_notifies_while_nobody_waits(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hearing, "LINGER", 0.1)
    with Recollect(url_of(name)) as memory:
        memory.session("s").append(HI)
        assert _ears(name) == []
        for _ in range(2):
            sleeper = Waiting(memory)
            began = time.monotonic()
            memory.session("s").append(HI)
            assert sleeper.is_woken(began)
            _await(lambda: _ears(name) == [])
            assert execute(f"SELECT 1 FROM {name}.followers WHERE until > now()") == []
        _await(lambda: not _is_listening())


@pytest.mark.usefixtures("few_looks")
def test_a_connection_that_breaks_is_made_again(name: str) -> None:
    with Recollect(url_of(name)) as memory:
        memory.session("s").append(HI)
        for _ in range(3):
            sleeper = Waiting(memory)
            _await(lambda: len(_ears(name)) == 1)
            ((pid,),) = _ears(name)
            execute(f"SELECT pg_terminate_backend({pid})")
            _await(lambda pid=pid: bool(_ears(name)) and _ears(name) != [(pid,)])  # type: ignore[misc]
            began = time.monotonic()
            if sleeper.is_asleep:
                memory.session("s").append(HI)
            assert sleeper.is_woken(began)


@pytest.mark.usefixtures("few_looks")
def test_an_entry_that_waits_for_an_older_transaction_wakes_when_it_ends(name: str) -> None:
    with Recollect(url_of(name)) as memory:
        memory.session("s").append(HI)
        with psycopg.connect(postgres_url()) as older:
            older.execute("SELECT pg_current_xact_id()")
            sleeper = Waiting(memory)
            memory.session("s").append(HI)
            # Also for one that begins to wait behind the notice.
            late = Waiting(memory)
            time.sleep(0.6)
            assert sleeper.is_asleep, "nothing can be read yet"
            assert late.is_asleep
            began = time.monotonic()
        assert sleeper.is_woken(began)
        assert late.is_woken(began)
        assert len(memory.changes(after=sleeper.cursor).items) == 1


@pytest.mark.usefixtures("few_looks")
def test_a_commit_under_way_when_the_first_one_begins_to_wait_is_not_slept_over(name: str) -> None:
    with Recollect(url_of(name)) as memory:
        memory.session("s").append(HI)
        with psycopg.connect(postgres_url()) as connection:
            with Recollect(PostgresStore(connection=connection, schema=name)) as inside:
                # Nobody listens yet, so this one sends no notice.
                inside.session("s").append(HI)
            sleeper = Waiting(memory)
            _await(lambda: len(_ears(name)) == 1)
            time.sleep(0.3)
            assert sleeper.is_asleep
            began = time.monotonic()
        assert sleeper.is_woken(began)


@pytest.mark.usefixtures("few_looks")
def test_of_appends_at_once_each_is_heard_of_though_few_notify(name: str) -> None:
    writers, each = 8, 30
    with (
        Recollect(url_of(name, pool_size=writers + 2)) as memory,
        psycopg.connect(postgres_url(), autocommit=True) as listener,
    ):
        memory.session("s").append(HI)
        listener.execute(f"LISTEN {name}")
        last: dict[str, float] = {}
        seen = threading.Event()

        def follow() -> None:
            cursor, count = None, 0
            while count < writers * each + 1:
                page = memory.changes(after=cursor, limit=1000).items
                count += len(page)
                if page:
                    cursor = page[-1].cursor
                else:
                    drive(memory.store.wait("default", cursor, LONG))
            last["read"] = time.monotonic()
            seen.set()

        def write(n: int) -> None:
            for i in range(each):
                memory.session(f"s{n}").append({**HI, "id": f"{n}-{i}"})
            last["written"] = time.monotonic()

        threads = [threading.Thread(target=follow)]
        threads += [threading.Thread(target=write, args=(n,)) for n in range(writers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert seen.is_set()
        assert last["read"] - last["written"] < SOON
        heard = list(listener.notifies(timeout=0.2))
        assert 0 < len(heard) <= writers * each


def test_an_append_that_is_undone_wakes_nobody_and_keeps_nobody_from_being_woken(name: str) -> None:
    with Recollect(url_of(name)) as memory:
        memory.session("s").append(HI)
        sleeper = Waiting(memory)
        _await(lambda: len(_ears(name)) == 1)
        with psycopg.connect(postgres_url()) as connection:
            with Recollect(PostgresStore(connection=connection, schema=name)) as inside:
                inside.session("t").append(HI)
            began = time.monotonic()
            memory.session("s").append(HI)
            connection.rollback()
        assert sleeper.is_woken(began)
        assert [change.partition for change in memory.changes(after=sleeper.cursor)] == ["s"]


def test_what_is_no_cursor_is_refused_and_a_closed_store_says_so(name: str) -> None:
    memory = Recollect(url_of(name))
    memory.open()
    with pytest.raises(InvalidInput):
        drive(memory.store.wait("default", "nonsense", 1))
    memory.close()
    with pytest.raises(Exception, match="not open"):
        drive(memory.store.wait("default", None, 1))


@pytest.mark.parametrize("blocking", [True, False])
def test_without_push_a_wait_is_a_sleep(name: str, blocking: bool) -> None:
    memory = Recollect(url_of(name, push="off"))
    assert memory.store.capabilities.push is False
    with memory:
        drive(memory.store.wait("default", None, 0.01))
        assert _ears(name) == []
    with psycopg.connect(postgres_url()) as connection:
        assert PostgresStore(connection=connection, schema=name).capabilities.push is False


def test_tasks_of_several_loops_wait_on_one_connection(name: str) -> None:
    memory = AsyncRecollect(url_of(name))
    ready = threading.Barrier(3)
    ended: list[float] = []

    async def wait() -> None:
        cursor = (await memory.changes(limit=1000)).items[-1].cursor
        task = asyncio.create_task(memory.store.wait("default", cursor, LONG))
        await asyncio.sleep(0.2)
        ready.wait()
        await task
        ended.append(time.monotonic())

    asyncio.run(_append(memory))
    threads = [threading.Thread(target=asyncio.run, args=(wait(),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    ready.wait(SOON)
    assert len(_ears(name)) == 1
    began = time.monotonic()
    with Recollect(url_of(name)) as other:
        other.session("s").append(HI)
    for thread in threads:
        thread.join(SOON)
    assert len(ended) == 2
    assert max(ended) - began < SOON
    asyncio.run(memory.close())
    _await(lambda: _ears(name) == [])


async def _append(memory: AsyncRecollect) -> None:
    await memory.session("s").append(HI)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_waits_on_a_connection_of_its_own(name: str) -> None:
    with Recollect(url_of(name)) as memory:
        memory.session("s").append(HI)
        sleeper = Waiting(memory)
        _await(lambda: len(_ears(name)) == 1)
        child = os.fork()
        if child == 0:
            began = time.monotonic()
            drive(memory.store.wait("default", None, LONG))
            memory.session("s").append(HI)
            os._exit(0 if time.monotonic() - began < SOON else 1)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        assert sleeper.is_woken(time.monotonic())


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    made = own_server().start()
    yield made
    made.remove()


def test_a_follower_hears_that_the_server_is_away_and_goes_on_when_it_is_back(server: Server) -> None:
    with Recollect(f"{server.url}?connect_timeout=2") as memory:
        memory.session("s").append(HI)
        follower = memory.follow()
        assert next(follower).partition == "s"
        timer = threading.Timer(0.3, server.stop)
        timer.start()
        began = time.monotonic()
        with pytest.raises(Unavailable, match="is away"):
            next(follower)
        assert time.monotonic() - began < SOON
        timer.join()
        # A wait by itself neither fails nor sleeps on while there is nobody to ask.
        began = time.monotonic()
        drive(memory.store.wait("default", None, LONG))
        assert time.monotonic() - began < SOON
        server.start()
        follower = memory.follow(after=None)
        assert next(follower).partition == "s"
        writer = threading.Timer(0.3, lambda: memory.session("after").append(HI))
        writer.start()
        began = time.monotonic()
        assert next(follower).partition == "after"
        assert time.monotonic() - began < SOON
        writer.join()


def test_a_server_that_has_no_connection_left_for_listening_is_looked_at(server: Server) -> None:
    execute("CREATE ROLE narrow LOGIN CONNECTION LIMIT 1", server.url)
    execute("CREATE SCHEMA narrow AUTHORIZATION narrow", server.url)
    url = server.url.replace("postgres@", "narrow@")
    with Recollect(f"{url}?schema=narrow&pool_size=1") as memory:
        memory.session("s").append(HI)
        follower = memory.follow()
        assert next(follower).partition == "s"
        writer = threading.Timer(0.3, lambda: memory.session("t").append(HI))
        writer.start()
        began = time.monotonic()
        assert next(follower).partition == "t"
        assert time.monotonic() - began < SOON
        writer.join()


def test_a_standby_cannot_listen_and_is_looked_at(server: Server) -> None:
    with Recollect(server.url) as memory:
        memory.session("primary").append(HI)
        standby = server.copy()
        standby.start()
        try:
            with Recollect(standby.url) as copy:
                seen = copy.changes(limit=1000).items[-1].cursor
                follower = copy.follow(after=seen)
                writer = threading.Timer(0.3, lambda: memory.session("later").append(HI))
                writer.start()
                assert next(follower).partition == "later"
                writer.join()
        finally:
            standby.remove()
