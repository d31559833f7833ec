"""What can go wrong with a Redis server or the way to it while it runs: said in the user's words, nothing lost, nothing doubled."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import redis
import redis.asyncio

from recollect import AsyncRecollect, CorruptRecord, Recollect, RecollectError, Unavailable, connect
from recollect.model import Preferences
from recollect.store import Partition, Put
from recollect.store.driver import drive
from recollect.stores.redis import Options, RedisStore
from tests.services import redis as servers
from tests.services.redis import Proxy, RedisServer

HI = {"role": "user", "content": "hi"}


@pytest.fixture
def url(prefix: str) -> str:
    return f"{servers.server_url()}?prefix={prefix}"


def texts(memory: Recollect, session: str = "s") -> list[Any]:
    return [row.content for row in memory.session(session).tail(10_000)]


@pytest.mark.parametrize("retries", [0, 3])
def test_scripts_that_the_server_forgot_are_sent_again(url: str, raw: Any, retries: int) -> None:
    with Recollect(f"{url}&retries={retries}") as memory:
        for n in range(5):
            raw.script_flush()
            memory.session("s").append({"role": "user", "content": str(n)})
            raw.script_flush()
            assert memory.session("s").info() is not None
        raw.script_flush()
        memory.import_lines(
            [{"session": f"s{n}", "role": "user", "content": str(i)} for i in range(5) for n in range(9)]
        )
        assert texts(memory) == list("01234")
        assert all(texts(memory, f"s{n}") == list("01234") for n in range(9))


def test_a_server_killed_and_started_again_has_everything_and_clients_go_on(
    own_redis: Callable[..., RedisServer],
) -> None:
    server = own_redis()
    with Recollect(f"{server.url}?retries=10") as memory:
        session = memory.session("s", user="u")
        acknowledged: list[str] = []

        def write() -> None:
            for n in range(300):
                (row,) = session.append({"role": "user", "content": str(n), "id": f"m-{n}"})
                acknowledged.append(row.id)

        writer = threading.Thread(target=write)
        writer.start()
        for _ in range(2):
            seen = len(acknowledged)
            deadline = time.monotonic() + 20
            while len(acknowledged) < seen + 40 and writer.is_alive() and time.monotonic() < deadline:
                time.sleep(0.001)
            server.kill()
            server.start()
        writer.join(60)
        assert not writer.is_alive()
        assert len(acknowledged) == 300
        rows = session.tail(1000)
        assert [row.seq for row in rows] == list(range(1, 301)), "numbers are contiguous"
        assert [row.id for row in rows] == acknowledged, "nothing acknowledged is lost, nothing doubled"
        assert [row.id for row in memory.user("u").sessions()] == ["s"]
        feed = [n for change in memory.changes(limit=1000) for n in range(change.first_seq, change.last_seq + 1)]
        assert feed == list(range(1, 301))


def test_while_the_server_is_away_it_is_said_and_then_all_goes_on(own_redis: Callable[..., RedisServer]) -> None:
    server = own_redis()
    with Recollect(f"{server.url}?retries=1") as memory:
        memory.session("s").append(HI)
        server.kill()
        for call in (lambda: memory.session("s").append(HI), lambda: memory.session("s").tail(), memory.sessions):
            with pytest.raises(Unavailable) as caught:
                call()
            assert caught.value.retryable
            assert isinstance(caught.value.__cause__, Exception)
        server.start()
        memory.session("s").append(HI)
        assert texts(memory) == ["hi", "hi"]

    async def the_same() -> None:
        async with AsyncRecollect(f"{server.url}?retries=1&prefix=a") as memory:
            await asyncio.gather(*(memory.session("s").append(HI) for _ in range(5)))
            server.kill()
            with pytest.raises(Unavailable):
                await memory.session("s").append(HI)
            server.start()
            await asyncio.gather(*(memory.session("s").append(HI) for _ in range(5)))
            assert len(await memory.session("s").tail()) == 10

    asyncio.run(the_same())


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    proxy = Proxy(int(servers.server_url().split(":")[2].split("/")[0]))
    yield proxy
    proxy.close()


@pytest.mark.parametrize("how", ["lose", "hold"])
def test_an_append_without_an_answer_is_repeated_and_not_doubled(proxy: Proxy, prefix: str, how: str) -> None:
    url = f"redis://127.0.0.1:{proxy.port}?prefix={prefix}&timeout=0.3"
    with Recollect(url) as memory:
        session = memory.session("s", user="u")
        session.append(HI)
        for n in range(5):
            setattr(proxy, how, 1)
            (row,) = session.append({"role": "user", "content": str(n)})
            assert row.seq == n + 2
        assert proxy.lost == 5
        assert texts(memory) == ["hi", *"01234"]
        assert [(change.first_seq, change.last_seq) for change in memory.changes()] == [(n, n) for n in range(1, 7)]

    async def the_same() -> None:
        async with AsyncRecollect(url) as memory:
            session = memory.session("a")
            await session.append(HI)
            setattr(proxy, how, 1)
            await session.append(HI)
            assert [row.seq for row in await session.tail()] == [1, 2]

    asyncio.run(the_same())


def test_a_put_without_an_answer_is_not_repeated_and_says_so(proxy: Proxy, prefix: str, raw: Any) -> None:
    with Recollect(f"redis://127.0.0.1:{proxy.port}?prefix={prefix}&timeout=0.3") as memory:
        preferences = memory.user("u").preferences
        preferences.put({"k": 1})
        now = datetime(2026, 11, 21, tzinfo=UTC)
        partition, row = (
            Partition("default", "user", "u"),
            Preferences(user_id="u", values={"k": 2}, created_at=now, updated_at=now),
        )
        proxy.lose = 1
        with pytest.raises(Unavailable, match="may or may not have happened") as caught:
            drive(memory.store.commit(partition, [Put(table="preferences", row=row)]))
        assert caught.value.retryable
        assert raw.hget(f"{prefix}:{{default}}:user:u:preferences", "version") == "2", "once, not twice"
        assert preferences.get() == {"k": 2}


def test_a_full_server_refuses_writes_and_goes_on_reading(own_redis: Callable[..., RedisServer]) -> None:
    server = own_redis()
    with Recollect(server.url) as memory:
        memory.session("s", user="u").append(HI)
        with server.client() as client:
            client.config_set("maxmemory", "100kb")
            with pytest.raises(Unavailable, match="out of memory") as caught:
                memory.session("s").append(HI)
            assert not caught.value.retryable
            with pytest.raises(Unavailable, match="out of memory"):
                memory.session("new").append(HI)
            with pytest.raises(Unavailable, match="out of memory"):
                memory.user("u").preferences.put({"k": 1})
            assert texts(memory) == ["hi"]
            assert [row.id for row in memory.sessions()] == ["s"]
            assert len(memory.changes()) == 1
            memory.session("s").delete()
            client.config_set("maxmemory", "0")
        memory.session("s").append(HI)
        assert texts(memory) == ["hi"]


def test_a_replica_is_named_as_what_it_is(own_redis: Callable[..., RedisServer]) -> None:
    primary, replica = own_redis(), own_redis()
    with Recollect(primary.url) as memory:
        memory.session("s").append(HI)
    with replica.client() as client:
        client.replicaof("127.0.0.1", primary.port)
        deadline = time.monotonic() + 20
        while client.info("replication")["master_link_status"] != "up":
            assert time.monotonic() < deadline
            time.sleep(0.02)
    with Recollect(replica.url) as memory:
        assert texts(memory) == ["hi"]
        with pytest.raises(Unavailable, match="replica") as caught:
            memory.session("s").append(HI)
        assert not caught.value.retryable


def test_threads_wait_for_a_connection_and_not_for_ever(url: str, raw: Any) -> None:
    with Recollect(f"{url}&pool_size=2&timeout=0.5") as memory:
        session = memory.session("s")
        errors: list[BaseException] = []

        def write(name: int) -> None:
            try:
                for n in range(20):
                    session.append({"role": "user", "content": "x", "id": f"{name}-{n}"})
            except RecollectError as error:
                errors.append(error)

        threads = [threading.Thread(target=write, args=(n,)) for n in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        assert len(session.tail(1000)) == 200
        raw.client_pause(3000, all=True)
        try:
            with pytest.raises(Unavailable):
                session.tail()
        finally:
            raw.client_unpause()
        assert len(session.tail(1000)) == 200


def test_cancelled_calls_leave_the_connections_usable(url: str) -> None:
    async def main() -> None:
        async with AsyncRecollect(f"{url}&pool_size=4") as memory:
            session = memory.session("s")
            for turn in range(30):
                tasks = [asyncio.create_task(session.append({"role": "user", "content": str(n)})) for n in range(8)]
                for _ in range(turn % 6):
                    await asyncio.sleep(0)
                for task in tasks[::2]:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                assert all(not task.cancelled() for task in tasks[1::2])
            rows = await session.tail(1000)
            assert [row.seq for row in rows] == list(range(1, len(rows) + 1))
            assert len(rows) >= 120

    asyncio.run(main())


def test_one_client_in_one_loop_after_the_other(url: str) -> None:
    store = connect(url)

    async def use(n: int) -> int:
        async with AsyncRecollect(store) as memory:
            await memory.session("s").append({"role": "user", "content": str(n)})
            return len(await memory.session("s").tail())

    assert [asyncio.run(use(n)) for n in range(3)] == [1, 2, 3]


@pytest.mark.parametrize("decode", [True, False])
def test_a_borrowed_client_is_used_and_never_closed(prefix: str, decode: bool) -> None:
    client = redis.Redis.from_url(servers.server_url(), decode_responses=decode)
    with Recollect(RedisStore(Options(prefix=prefix), client=client)) as memory:
        memory.session("s", user="é").append({"role": "user", "content": "안녕"})
        assert texts(memory) == ["안녕"]
        assert [row.user_id for row in memory.sessions()] == ["é"]
        assert len(memory.changes()) == 1
        assert memory.sweep().sessions == 0
        assert prefix in memory.store.url
    assert client.ping() is True
    client.close()

    async def the_same() -> None:
        client = redis.asyncio.Redis.from_url(servers.server_url(), decode_responses=decode)
        async with AsyncRecollect(RedisStore(Options(prefix=prefix), client=client)) as memory:
            await memory.session("s").append(HI)
            assert len(await memory.session("s").tail()) == 2
        assert await client.ping() is True
        await client.aclose()

    asyncio.run(the_same())


def test_a_record_that_does_not_decode_is_named(url: str, raw: Any, prefix: str) -> None:
    with Recollect(url) as memory:
        memory.session("s").append(HI)
        own = f"{prefix}:{{default}}:session:s:"
        raw.xadd(f"{own}messages", {"id": "x", "role": "user"}, id="2-0")
        with pytest.raises(CorruptRecord, match="session 's'"):
            memory.session("s").tail()
        raw.xdel(f"{own}messages", "2-0")
        raw.hset(f"{own}header", "metadata", "{no json")
        with pytest.raises(CorruptRecord, match="header of session 's'"):
            memory.session("s").info()


def test_the_servers_clock_set_back_keeps_the_feed_in_order(url: str, raw: Any, prefix: str) -> None:
    ahead = int(datetime(2090, 1, 1, tzinfo=UTC).timestamp() * 1000)
    with Recollect(f"{url}&shards=2") as memory:
        for _ in range(2):
            memory.session("s").append(HI)
        (stream,) = raw.keys(f"{prefix}:*:changes")
        fields = {"kind": "put", "table": "sessions", "partition": "s", "first_seq": 0, "last_seq": 0}
        raw.xadd(stream, {**fields, "at": "2026-11-21T00:52:30.000001Z"}, id=f"{ahead}-5")
        for n in range(3):
            memory.session("s").append(HI)
            memory.session("s").update(title=str(n))
        found = [(change.kind, change.first_seq) for change in memory.changes()]
        tail = [("append", 3), ("put", 0), ("append", 4), ("put", 0), ("append", 5), ("put", 0)]
        assert found == [("append", 1), ("append", 2), ("put", 0), *tail]
