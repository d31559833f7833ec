"""What can be wrong with a Redis server or the way to it: said in the user's words, nothing lost, nothing doubled."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import redis
import redis.asyncio

from recollect import AsyncRecollect, ConfigError, CorruptRecord, Recollect, RecollectError, Unavailable, connect
from recollect.model import Preferences
from recollect.store import Partition, Put
from recollect.store.driver import drive
from recollect.stores.redis import Options, RedisStore
from tests.services import redis as servers
from tests.services.redis import RedisServer

HI = {"role": "user", "content": "hi"}


@pytest.fixture
def prefix(tmp_path: Path) -> Iterator[str]:
    prefix = servers.prefix_of(tmp_path)
    yield prefix
    servers.remove(servers.server_url(), prefix)


@pytest.fixture
def url(prefix: str) -> str:
    return f"{servers.server_url()}?prefix={prefix}"


@pytest.fixture
def raw() -> Iterator[Any]:
    with redis.Redis.from_url(servers.server_url(), decode_responses=True) as client:
        yield client


@pytest.fixture
def own_server() -> Iterator[Callable[..., RedisServer]]:
    """Servers of a test's own, which it may hurt."""
    made: list[RedisServer] = []

    def make(*words: str) -> RedisServer:
        made.append(RedisServer(*words).start())
        return made[-1]

    yield make
    for server in made:
        server.stop()


def texts(memory: Recollect, session: str = "s") -> list[Any]:
    return [row.content for row in memory.session(session).tail(10_000)]


# -- set-up --------------------------------------------------------------------------------------------------------------


def test_a_wrong_password_is_said_and_a_right_one_is_not_shown(own_server: Callable[..., RedisServer]) -> None:
    server = own_server("--requirepass", "s3cret")
    for url in (f"redis://:wrong@127.0.0.1:{server.port}", f"redis://127.0.0.1:{server.port}"):
        began = time.monotonic()
        with pytest.raises(ConfigError, match=r"password|Authentication") as caught:
            Recollect(url).open()
        assert "wrong" not in str(caught.value).replace("wrong number", "")
        assert time.monotonic() - began < 1, "what cannot become right is not tried again"
    with Recollect(f"redis://:s3cret@127.0.0.1:{server.port}/2?prefix=app") as memory:
        memory.session("s").append(HI)
        assert memory.store.url == f"redis://127.0.0.1:{server.port}/2?prefix=app"
        assert "s3cret" not in repr(memory.store.url)


def test_a_user_without_permission_is_told(own_server: Callable[..., RedisServer]) -> None:
    server = own_server()
    with server.client() as client:
        client.acl_setuser("reader", enabled=True, passwords=["+p"], keys="*", categories=["+@read", "+@connection"])
    with pytest.raises(ConfigError, match="permit"):
        Recollect(f"redis://reader:p@127.0.0.1:{server.port}").open()


@pytest.mark.parametrize("left_out", ["", "+info +config|get"])
def test_the_acl_rule_of_the_page_is_enough(own_server: Callable[..., RedisServer], left_out: str) -> None:
    page = (Path(__file__).parents[2] / "docs/stores/redis.md").read_text("utf-8")
    (rule,) = (line for line in page.splitlines() if line.startswith("ACL SETUSER"))
    server = own_server()
    with server.client() as client:
        client.execute_command(*rule.removesuffix(left_out).split())
    with Recollect(f"redis://recollect:PASSWORD@127.0.0.1:{server.port}") as memory:
        session = memory.session("s", user="ann", ttl=60)
        session.append([HI, {"role": "system", "content": "Be brief."}])
        session.append(HI, ttl=1)
        session.update(title="t")
        session.save_summary("A greeting.", covers_seq=1)
        memory.user("ann").preferences.set("seat", "window")
        assert len(session.tail(5)) == 3
        assert [found.id for found in memory.user("ann").sessions()] == ["s"]
        assert len(memory.user("ann").messages()) == 3
        assert len(memory.search("hi")) > 0
        assert next(iter(memory.follow())).kind == "append"
        assert memory.stats().messages == 3
        if left_out:
            with pytest.raises(ConfigError, match=r"'info' command.*ACL rule"):
                memory.warnings()
        else:
            assert memory.warnings() == []
        memory.sweep()
        memory.user("ann").forget()
        assert session.tail(5) == []


def test_an_old_server_that_does_not_know_what_a_client_says_of_itself_is_used_all_the_same(
    own_server: Callable[..., RedisServer],
) -> None:
    server = own_server()
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "u", "on", ">p", "~*", "+@all", "-client")
        with Recollect(f"redis://u:p@127.0.0.1:{server.port}") as memory:
            memory.session("s").append(HI)
        with Recollect(server.url) as memory:
            memory.session("s").append(HI)
            assert "recollect" in [found["name"] for found in client.client_list()]

    async def later() -> None:
        async with AsyncRecollect(f"redis://u:p@127.0.0.1:{server.port}") as memory:
            assert len(await memory.session("s").tail(5)) == 2

    asyncio.run(later())


def test_nobody_there_is_unavailable_at_once() -> None:
    port = servers.free_port()
    began = time.monotonic()
    with pytest.raises(Unavailable, match=str(port)) as caught:
        Recollect(f"redis://127.0.0.1:{port}?retries=1").open()
    assert caught.value.retryable
    assert time.monotonic() - began < 2
    with pytest.raises(Unavailable):
        Recollect("redis://no-such-host.invalid:6379?retries=0").open()
    with pytest.raises(Unavailable):
        Recollect(f"redis+cluster://127.0.0.1:{port}?retries=0").open()


def test_a_server_that_does_not_answer_costs_the_timeout_and_no_more() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        url = f"redis://127.0.0.1:{listener.getsockname()[1]}?timeout=0.2&connect_timeout=0.2"
        began = time.monotonic()
        with pytest.raises(Unavailable):
            Recollect(url).open()

        async def the_same() -> None:
            with pytest.raises(Unavailable):
                await AsyncRecollect(url).open()

        asyncio.run(the_same())
        assert time.monotonic() - began < 3


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("redis://localhost/x", "database number"),
        ("redis://a,b", "one server"),
        ("redis://localhost:99999", "not a port"),
        ("redis://localhost?timeout=soon", "timeout"),
        ("redis://localhost?prefix=a{b}", "prefix"),
        ("redis://localhost?pool_size=0", "pool_size"),
        ("redis://localhost?shards=0", "shards"),
        ("redis://localhost?turbo=1", "unknown option"),
        ("redis://localhost?ca=x", "rediss"),
        ("redis+cluster://localhost/1", "database 0"),
        ("rediss://localhost?cert=x", "go together"),
        ("rediss://localhost?verify=maybe", "true or false"),
    ],
)
def test_a_url_that_cannot_be(url: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        connect(url)


def test_a_certificate_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match=r"no file /no/such/ca\.pem"):
        Recollect("rediss://localhost?ca=/no/such/ca.pem").open()


def test_tls_to_a_server_without_it_is_told(prefix: str) -> None:
    with pytest.raises(RecollectError) as caught:
        Recollect(servers.server_url().replace("redis://", "rediss://") + "?retries=0&timeout=1").open()
    assert isinstance(caught.value, ConfigError | Unavailable)


def test_a_newer_layout_is_refused_and_left_alone(url: str, raw: Any, prefix: str) -> None:
    Recollect(url).open()
    raw.hset(f"{prefix}:meta", "schema", 99)
    with pytest.raises(ConfigError, match="newer Recollect"):
        Recollect(url).open()
    assert raw.hget(f"{prefix}:meta", "schema") == "99"


def test_keys_of_somebody_else_are_refused_and_left_alone(url: str, raw: Any, prefix: str) -> None:
    raw.set(f"{prefix}:meta", "mine")
    with pytest.raises(ConfigError, match="another prefix"):
        Recollect(url).open()
    assert raw.get(f"{prefix}:meta") == "mine"
    raw.delete(f"{prefix}:meta")
    raw.hset(f"{prefix}:meta", "schema", "theirs")
    with pytest.raises(ConfigError, match="another prefix"):
        Recollect(url).open()
    raw.delete(f"{prefix}:meta")
    with Recollect(url) as memory:
        raw.set(f"{prefix}:{{default}}:session:s:header", "mine")
        with pytest.raises(CorruptRecord):
            memory.session("s").append(HI)
        assert raw.get(f"{prefix}:{{default}}:session:s:header") == "mine"


def test_the_number_of_shards_belongs_to_the_database(url: str) -> None:
    with Recollect(f"{url}&shards=4") as memory:
        assert memory.store.capabilities.feed == "partition"
        for n in range(20):
            memory.session(f"s{n}", user="u").append(HI)
    with Recollect(url) as memory:
        assert memory.store.capabilities.feed == "partition"
        assert len(memory.user("u").sessions(100)) == 20
        assert len(memory.changes(limit=100)) == 20
    with pytest.raises(ConfigError, match="shards=4"):
        Recollect(f"{url}&shards=1").open()


def test_warnings_of_the_set_up(own_server: Callable[..., RedisServer]) -> None:
    with Recollect(own_server().url) as memory:
        assert memory.warnings() == []
    lossy = own_server("--appendonly", "no", "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
    with Recollect(lossy.url) as memory:
        evicts, forgets = memory.warnings()
        assert "allkeys-lru" in evicts
        assert "loses everything" in forgets
        with lossy.client() as client:
            client.config_set("save", "60 1")
        assert "snapshots" in memory.warnings()[1]
    with Recollect(own_server("--appendonly", "yes", "--appendfsync", "everysec").url) as memory:
        (fsync,) = memory.warnings()
        assert "everysec" in fsync


# -- while it runs -------------------------------------------------------------------------------------------------------


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
    own_server: Callable[..., RedisServer],
) -> None:
    server = own_server()
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


def test_while_the_server_is_away_it_is_said_and_then_all_goes_on(own_server: Callable[..., RedisServer]) -> None:
    server = own_server()
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


class Proxy:
    """Between client and server; loses replies when told to."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.lose = 0
        self.hold = 0
        self.lost = 0
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._target))
            self._sockets += [client, server]
            threading.Thread(target=self._copy, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self._copy, args=(server, client, True), daemon=True).start()

    def _copy(self, source: socket.socket, target: socket.socket, replies: bool) -> None:
        try:
            while data := source.recv(65536):
                if replies and self.hold:
                    self.hold -= 1
                    self.lost += 1
                    continue  # the reply never comes
                if replies and self.lose:
                    self.lose -= 1
                    self.lost += 1
                    target.sendall(data[: len(data) // 2])
                    break  # the connection is cut in the middle of it
                target.sendall(data)
        except OSError:
            pass
        finally:
            for end in (source, target):
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def close(self) -> None:
        for end in (self._listener, *self._sockets):
            end.close()


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


def test_a_full_server_refuses_writes_and_goes_on_reading(own_server: Callable[..., RedisServer]) -> None:
    server = own_server()
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


def test_a_replica_is_named_as_what_it_is(own_server: Callable[..., RedisServer]) -> None:
    primary, replica = own_server(), own_server()
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


def test_a_client_of_the_wrong_kind_is_refused(prefix: str) -> None:
    blocking = redis.Redis.from_url(servers.server_url())
    awaited = redis.asyncio.Redis.from_url(servers.server_url())
    with pytest.raises(ConfigError, match=r"redis\.Redis"):
        Recollect(RedisStore(client=awaited)).open()

    async def wrong() -> None:
        with pytest.raises(ConfigError, match=r"redis\.asyncio\.Redis"):
            await AsyncRecollect(RedisStore(client=blocking)).open()
        await awaited.aclose()

    asyncio.run(wrong())
    with pytest.raises(ConfigError, match="not str"):
        Recollect(RedisStore(client="redis://")).open()
    blocking.close()


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


def test_without_the_client_library_the_line_that_installs_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("recollect.stores.redis")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "hiredis", None)
    with pytest.raises(ConfigError, match=r'pip install "recollect\[redis\]"'):
        connect("redis://localhost")
