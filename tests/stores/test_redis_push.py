"""Followers are woken by commits: on one server, with a feed in shards, on a cluster, through a borrowed client."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import redis
import redis.asyncio

from recollect import AsyncRecollect, ConfigError, InvalidInput, Recollect, Unavailable, connect
from recollect.store import Store
from recollect.store.driver import drive
from recollect.stores.redis import Options, RedisStore
from tests.services import redis as servers
from tests.services.redis import RedisServer

HI = {"role": "user", "content": "hi"}
LONG = 20.0
"""Seconds of a wait that is to end much sooner."""

SOON = 5.0
"""Seconds within which a woken follower has surely run, also on a busy machine."""

Make = Callable[[], Store]


@pytest.fixture(params=["one", "shards", "cluster"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    """Makes stores on one place: each kind of feed."""
    prefix = servers.prefix_of(tmp_path)
    base = servers.cluster_url() if request.param == "cluster" else servers.server_url()
    url = f"{base}?prefix={prefix}" + ("&shards=4" if request.param in ("shards", "cluster") else "")
    yield lambda: connect(url)
    servers.remove(base, prefix)


def last_cursor(memory: Recollect) -> str:
    return memory.changes(limit=1000)[-1].cursor


def waited(memory: Recollect, after: str | None, seconds: float = LONG) -> None:
    drive(memory.store.wait("default", after, seconds))


def reached(seen: list[Any], count: int) -> bool:
    return len(seen) >= count


def timed(call: Callable[[], Any]) -> float:
    began = time.monotonic()
    call()
    return time.monotonic() - began


def listening(client: Any) -> int:
    """How many connections wait on a server."""
    return sum("b" in line["flags"] for line in client.client_list())


def until(holds: Callable[[], bool], seconds: float = SOON) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


# -- waking --------------------------------------------------------------------------------------------------------------


def test_a_commit_wakes_who_waits(make: Make) -> None:
    with Recollect(make()) as reader, Recollect(make()) as writer:
        assert reader.store.capabilities.push
        for after in (None, "last"):
            cursor = None if after is None else last_cursor(reader)
            thread = threading.Timer(0.2, lambda: writer.session("s").append(HI))
            thread.start()
            took = timed(partial(waited, reader, cursor))
            thread.join()
            assert 0.1 < took < SOON

    async def the_same() -> None:
        async with AsyncRecollect(make()) as reader:
            cursor = (await reader.changes(limit=1000))[-1].cursor
            wait = asyncio.create_task(reader.store.wait("default", cursor, LONG))
            await asyncio.sleep(0.2)
            assert not wait.done()
            await reader.session("t").append(HI)
            async with asyncio.timeout(SOON):
                await wait

    asyncio.run(the_same())


def test_a_commit_between_the_look_and_the_wait_wakes_at_once(make: Make) -> None:
    with Recollect(make()) as memory:
        memory.session("s").append(HI)
        cursor = last_cursor(memory)
        for n in range(8):
            memory.session(f"s{n}").append(HI)
        assert timed(partial(waited, memory, cursor)) < SOON
        assert timed(partial(waited, memory, None)) < SOON


def test_a_wait_ends_after_its_time_and_other_tenants_do_not_end_it(make: Make) -> None:
    with Recollect(make()) as memory, Recollect(make(), scope="other") as other:
        memory.session("s").append(HI)
        cursor = last_cursor(memory)
        other.session("s").append(HI)
        assert 0.25 < timed(partial(waited, memory, cursor, 0.3)) < SOON
        assert timed(partial(waited, memory, cursor, 0.0)) < SOON
        with pytest.raises(InvalidInput):
            drive(memory.store.wait("default", "no cursor", 0.1))

    async def the_same() -> None:
        async with AsyncRecollect(make()) as memory:
            began = time.monotonic()
            await memory.store.wait("default", cursor, 0.3)
            assert 0.25 < time.monotonic() - began < SOON

    asyncio.run(the_same())


def test_a_follower_gets_every_change_as_it_comes(make: Make) -> None:
    with Recollect(make()) as reader, Recollect(make()) as writer:
        seen: list[tuple[str, int, float]] = []

        def follow() -> None:
            for change in reader.follow():
                seen.append((change.partition, change.first_seq, time.monotonic()))
                if len(seen) == 20:
                    return

        thread = threading.Thread(target=follow)
        thread.start()
        written = []
        for n in range(20):
            (row,) = writer.session(f"s{n % 3}").append(HI)
            written.append((f"s{n % 3}", row.seq, time.monotonic()))
            until(partial(reached, seen, n + 1))
        thread.join(SOON)
        assert [item[:2] for item in seen] == [item[:2] for item in written]
        late = sorted(found - said for (*_, said), (*_, found) in zip(written, seen, strict=True))
        assert late[len(late) // 2] < 0.5, "woken, not asleep for the thirty seconds of a wait"


# -- connections ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def own_server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


def test_who_waits_takes_no_connection_of_the_pool(own_server: RedisServer) -> None:
    with Recollect(f"{own_server.url}?pool_size=1&timeout=1") as memory, own_server.client() as look:
        memory.session("s").append(HI)
        cursor = last_cursor(memory)
        threads = [threading.Thread(target=waited, args=(memory, cursor)) for _ in range(10)]
        for thread in threads:
            thread.start()
        until(lambda: listening(look) == 10)
        assert len(memory.session("s").tail()) == 1
        memory.session("s").append(HI)
        for thread in threads:
            thread.join(SOON)
            assert not thread.is_alive()
        assert listening(look) == 0
        before = look.info("stats")["total_connections_received"]
        cursor = last_cursor(memory)
        for _ in range(5):
            waited(memory, cursor, 0.01)
        assert look.info("stats")["total_connections_received"] == before, "connections that were answered are kept"


def test_a_cancelled_wait_frees_its_connection(own_server: RedisServer) -> None:
    async def main() -> None:
        async with AsyncRecollect(f"{own_server.url}?pool_size=2") as memory:
            with own_server.client() as look:
                await memory.session("s").append(HI)
                (change,) = await memory.changes()
                for _ in range(3):
                    waits = [asyncio.create_task(memory.store.wait("default", change.cursor, LONG)) for _ in range(10)]
                    await asyncio.to_thread(until, lambda: listening(look) == 10)
                    for wait in waits:
                        wait.cancel()
                    await asyncio.gather(*waits, return_exceptions=True)
                    assert all(wait.cancelled() for wait in waits)
                    await asyncio.to_thread(until, lambda: listening(look) == 0)
                await memory.session("s").append(HI)
                await memory.store.wait("default", change.cursor, LONG)

    asyncio.run(main())


def test_closing_ends_the_waits(own_server: RedisServer) -> None:
    memory = Recollect(own_server.url)
    memory.session("s").append(HI)
    cursor = last_cursor(memory)
    thread = threading.Thread(target=waited, args=(memory, cursor))
    thread.start()
    with own_server.client() as look:
        until(lambda: listening(look) == 1)
        memory.close()
        thread.join(SOON)
        assert not thread.is_alive()
        until(lambda: len(look.client_list()) == 1)
    with pytest.raises(ConfigError, match="closed"):
        drive(memory.store.wait("default", cursor, 1))

    async def the_same() -> None:
        memory = AsyncRecollect(own_server.url)
        (change,) = await memory.changes()
        wait = asyncio.create_task(memory.store.wait("default", change.cursor, LONG))
        await asyncio.sleep(0.1)
        await memory.close()
        async with asyncio.timeout(SOON):
            await wait

    asyncio.run(the_same())


@pytest.mark.parametrize("protocol", [2, 3])
def test_a_borrowed_client_is_waited_with_beside_its_pool(own_server: RedisServer, protocol: int) -> None:
    options = Options()
    pool = redis.ConnectionPool(port=own_server.port, max_connections=1, protocol=protocol, socket_timeout=0.5)
    client = redis.Redis(connection_pool=pool)
    with Recollect(RedisStore(options, client=client)) as memory:
        memory.session("s").append(HI)
        cursor = last_cursor(memory)
        assert timed(partial(waited, memory, cursor, 0.8)) > 0.75, "its timeout is not ours"
        thread = threading.Timer(0.1, lambda: memory.session("s").append(HI))
        thread.start()
        assert timed(partial(waited, memory, cursor)) < SOON
        thread.join()
    assert client.ping()
    client.close()

    async def the_same() -> None:
        client = redis.asyncio.Redis(
            port=own_server.port, max_connections=2, protocol=protocol, socket_timeout=0.5, decode_responses=True
        )
        async with AsyncRecollect(RedisStore(options, client=client)) as memory:
            cursor = (await memory.changes())[-1].cursor
            began = time.monotonic()
            await memory.store.wait("default", cursor, 0.8)
            assert time.monotonic() - began > 0.75
            wait = asyncio.create_task(memory.store.wait("default", cursor, LONG))
            await asyncio.sleep(0.1)
            await memory.session("s").append(HI)
            async with asyncio.timeout(SOON):
                await wait
        await client.aclose()

    asyncio.run(the_same())


# -- trouble -------------------------------------------------------------------------------------------------------------


def test_a_server_that_dies_under_who_waits(own_server: RedisServer) -> None:
    with Recollect(f"{own_server.url}?retries=0") as memory:
        memory.session("s").append(HI)
        cursor = last_cursor(memory)
        told: list[Unavailable] = []
        seen: list[int] = []

        def follow() -> None:
            after = cursor
            while len(seen) < 2:
                try:
                    for change in memory.follow(after=after):
                        seen.append(change.first_seq)
                        after = change.cursor
                        if len(seen) == 2:
                            return
                except Unavailable as error:
                    told.append(error)

        thread = threading.Thread(target=follow)
        thread.start()
        with own_server.client() as look:
            until(lambda: listening(look) == 1)
        own_server.kill()
        until(lambda: bool(told))
        assert seen == []
        own_server.start()
        for n in (1, 2):
            memory.session("s").append(HI)
            until(partial(reached, seen, n))
        assert seen == [2, 3]
        thread.join(SOON)
        assert not thread.is_alive()
        assert told[0].retryable, "the follower is told as whoever reads is, and goes on behind its cursor"


def test_a_server_without_a_connection_to_spare_is_looked_at(own_server: RedisServer) -> None:
    async def main() -> None:
        async with AsyncRecollect(own_server.url) as memory:
            await memory.session("s").append(HI)
            (change,) = await memory.changes()
            with own_server.client() as look:
                look.config_set("maxclients", len(look.client_list()))
                began = time.monotonic()
                await memory.store.wait("default", change.cursor, LONG)
                assert 0.3 < time.monotonic() - began < SOON, "neither at once, over and over, nor after the whole time"
                look.config_set("maxclients", 100)

    asyncio.run(main())


def test_a_user_who_may_not_wait_is_told(own_server: RedisServer) -> None:
    with own_server.client() as client:
        client.acl_setuser("u", enabled=True, passwords=["+p"], keys="*", categories=["+@all"], commands=["-xread"])
    with Recollect(f"redis://u:p@127.0.0.1:{own_server.port}") as memory:
        memory.session("s").append(HI)
        with pytest.raises(ConfigError, match="permit"):
            drive(memory.store.wait("default", last_cursor(memory), LONG))


def test_a_cluster_that_loses_a_server_under_who_waits() -> None:
    made: list[RedisServer] = []
    url = servers.start_cluster(made)
    try:
        with Recollect(f"{url}?retries=0&timeout=1&shards=6") as memory:
            memory.session("s").append(HI)
            cursor = last_cursor(memory)
            thread = threading.Thread(target=waited, args=(memory, cursor))
            thread.start()
            until(lambda: sum(listening(client) for client in map(RedisServer.client, made)) == 6)
            made[-1].kill()
            thread.join(SOON)
            assert not thread.is_alive()
            with pytest.raises(Unavailable):
                memory.changes(after=cursor)
            made[-1].start()
            until(lambda: all(server.client().cluster("INFO")["cluster_state"] == "ok" for server in made), 20)
            thread = threading.Thread(target=waited, args=(memory, cursor))
            thread.start()
            time.sleep(0.2)
            assert thread.is_alive()
            memory.session("s").append(HI)
            thread.join(SOON)
            assert not thread.is_alive()
    finally:
        for server in made:
            server.stop()
