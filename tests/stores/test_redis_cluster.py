"""A Redis Cluster that changes under the client: slots that move, a server that is away."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from recollect import AsyncRecollect, Recollect, Unavailable
from recollect.stores.redis.keys import Keys, slot
from tests.services import redis as servers
from tests.services.redis import RedisServer

HI = {"role": "user", "content": "hi"}


@pytest.fixture
def own_cluster() -> Iterator[list[RedisServer]]:
    """Three primaries of a test's own."""
    made: list[RedisServer] = []
    servers.start_cluster(made)
    yield made
    for server in made:
        server.stop()


def url_of(cluster: list[RedisServer]) -> str:
    return "redis+cluster://" + ",".join(f"127.0.0.1:{server.port}" for server in cluster)


def node(server: RedisServer) -> Any:
    return redis.Redis(port=server.port, decode_responses=True)


def who_has(cluster: list[RedisServer], number: int) -> tuple[RedisServer, RedisServer]:
    """The server that has a slot, and another."""
    with node(cluster[0]) as client:
        for first, last, (_, port, *_), *_ in client.cluster("SLOTS"):
            if first <= number <= last:
                return next(s for s in cluster if s.port == port), next(s for s in cluster if s.port != port)
    raise AssertionError("nobody has it")


def test_a_tenant_is_spread_over_the_servers(own_cluster: list[RedisServer]) -> None:
    with Recollect(url_of(own_cluster)) as memory:
        for n in range(60):
            memory.session(f"s{n}", user="u").append(HI)
        assert memory.store.capabilities.feed == "partition"
        assert memory.store.capabilities.index_consistency == "immediate"
        assert [row.id for row in memory.user("u").sessions(100)] == [f"s{n}" for n in range(59, -1, -1)]
        assert memory.warnings() == []
    for server in own_cluster:
        with node(server) as client:
            assert client.dbsize() > 0


@pytest.mark.parametrize("ttl", [None, 3600.0])
def test_a_slot_may_move_to_another_server(own_cluster: list[RedisServer], ttl: float | None) -> None:
    keys = Keys("recollect", 16).session("default", "s")[1]
    number = slot(keys.header)
    source, target = who_has(own_cluster, number)
    with Recollect(url_of(own_cluster) + "?retries=1") as memory, node(source) as giver, node(target) as taker:
        memory.session("s", user="u", ttl=ttl).append(HI)
        session = memory.session("s", user="u")
        ids = {server.port: node(server).cluster("MYID") for server in (source, target)}
        taker.cluster("SETSLOT", number, "IMPORTING", ids[source.port])
        giver.cluster("SETSLOT", number, "MIGRATING", ids[target.port])
        moving = sorted(giver.cluster("GETKEYSINSLOT", number, 100))
        written, refused = 1, 0
        first = ":user:" if ttl is None else ":due"  # what the script is not told of and finds out by itself
        for key in sorted(moving, key=lambda key: first not in key):
            giver.execute_command("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", key)
            # While its keys are in two places a session may refuse, but never half-write.
            try:
                written = session.append(HI)[0].seq
            except Unavailable:
                refused += 1
        assert refused > 0
        assert [row.seq for row in session.tail()] == list(range(1, written + 1)), "reading goes on all the while"
        for client in (taker, giver):
            client.cluster("SETSLOT", number, "NODE", ids[target.port])
        session.append(HI)
        rows = session.tail()
        assert [row.seq for row in rows] == list(range(1, written + 2))
        info = session.info()
        assert info is not None
        assert (info.message_count, info.last_seq) == (written + 1, written + 1)
        assert [row.id for row in memory.user("u").sessions()] == ["s"]

        async def the_same() -> None:
            async with AsyncRecollect(url_of(own_cluster)) as other:
                await other.session("s").append(HI)
                assert len(await other.session("s").tail()) == written + 2

        asyncio.run(the_same())


def test_a_server_that_is_away_is_said_and_the_others_go_on(own_cluster: list[RedisServer]) -> None:
    with node(own_cluster[0]) as client:
        for server in own_cluster:
            node(server).config_set("cluster-require-full-coverage", "no")
        assert client.ping()
    with Recollect(url_of(own_cluster) + "?retries=1&timeout=1") as memory:
        for n in range(30):
            memory.session(f"s{n}").append(HI)
        away = who_has(own_cluster, slot(Keys("recollect", 16).session("default", "s0")[1].header))[0]
        away.kill()
        served, refused = [], []
        for n in range(30):
            try:
                memory.session(f"s{n}").append(HI)
                served.append(n)
            except Unavailable:
                refused.append(n)
        assert 0 in refused
        assert served
        away.start()
    with Recollect(url_of(own_cluster) + "?retries=8") as memory:
        for n in range(30):
            memory.session(f"s{n}").append(HI)
            rows = memory.session(f"s{n}").tail()
            assert [row.seq for row in rows] == list(range(1, len(rows) + 1))
            assert len(rows) == (3 if n in served else 2)
