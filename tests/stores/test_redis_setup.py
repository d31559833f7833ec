"""What can be wrong with a Redis server, a URL or a client of the wrong kind: said in the user's words, nothing spoilt."""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis
import redis.asyncio

from recollect import AsyncRecollect, ConfigError, CorruptRecord, Recollect, RecollectError, Unavailable, connect
from recollect.stores.redis import RedisStore
from tests.services import redis as servers
from tests.services.redis import RedisServer

HI = {"role": "user", "content": "hi"}


@pytest.fixture
def url(prefix: str) -> str:
    return f"{servers.server_url()}?prefix={prefix}"


def test_a_wrong_password_is_said_and_a_right_one_is_not_shown(own_redis: Callable[..., RedisServer]) -> None:
    server = own_redis("--requirepass", "s3cret")
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


def test_a_user_without_permission_is_told(own_redis: Callable[..., RedisServer]) -> None:
    server = own_redis()
    with server.client() as client:
        client.acl_setuser("reader", enabled=True, passwords=["+p"], keys="*", categories=["+@read", "+@connection"])
    with pytest.raises(ConfigError, match="permit"):
        Recollect(f"redis://reader:p@127.0.0.1:{server.port}").open()


@pytest.mark.parametrize("left_out", ["", "+info +config|get"])
def test_the_acl_rule_of_the_page_is_enough(own_redis: Callable[..., RedisServer], left_out: str) -> None:
    page = (Path(__file__).parents[2] / "docs/stores/redis.md").read_text("utf-8")
    (rule,) = (line for line in page.splitlines() if line.startswith("ACL SETUSER"))
    server = own_redis()
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
    own_redis: Callable[..., RedisServer],
) -> None:
    server = own_redis()
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


def test_warnings_of_the_set_up(own_redis: Callable[..., RedisServer]) -> None:
    with Recollect(own_redis().url) as memory:
        assert memory.warnings() == []
    lossy = own_redis("--appendonly", "no", "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
    with Recollect(lossy.url) as memory:
        evicts, forgets = memory.warnings()
        assert "allkeys-lru" in evicts
        assert "loses everything" in forgets
        with lossy.client() as client:
            client.config_set("save", "60 1")
        assert "snapshots" in memory.warnings()[1]
    with Recollect(own_redis("--appendonly", "yes", "--appendfsync", "everysec").url) as memory:
        (fsync,) = memory.warnings()
        assert "everysec" in fsync


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


def test_without_the_client_library_the_line_that_installs_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("recollect.stores.redis")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "hiredis", None)
    with pytest.raises(ConfigError, match=r'pip install "recollect\[redis\]"'):
        connect("redis://localhost")
