"""Vectors on PostgreSQL: with pgvector the nearest are found by its index, whatever is filtered; without it all else works."""

from __future__ import annotations

import asyncio
import math
import random
import struct
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from recollect import InvalidInput, Message, Recollect, Unsupported
from recollect.connect import connect
from recollect.model import Vector
from recollect.store import Append, Attach, BlockingDriver, Commit, Delete, Filter, Found, Partition, SessionDefaults
from recollect.store.driver import drive
from recollect.store.threads import AsyncDriver
from recollect.stores.postgres import PostgresStore, vectors
from tests.services.postgres import Server, execute, own_server, postgres_url

NOW = datetime(2026, 11, 21, tzinfo=UTC)
DIMENSIONS = 24


def _unit(numbers: list[float]) -> list[float]:
    length = math.sqrt(sum(number * number for number in numbers))
    return [number / length for number in numbers]


def _packed(numbers: list[float]) -> bytes:
    return struct.pack(f"<{len(numbers)}e", *numbers)


class World:
    """A store with messages and their vectors, and the same kept here."""

    def __init__(self, url: str) -> None:
        self.now = NOW
        self.store = connect(url)
        assert isinstance(self.store, PostgresStore)
        drive(self.store.open(BlockingDriver(lambda: self.now)))
        self.dice = random.Random(7)
        self.vectors: dict[str, tuple[Message, list[float], str]] = {}

    def say(self, session: str, count: int, *, user: str | None, model: str = "m", **fields: Any) -> list[Message]:
        """Messages with a vector each."""
        rows = [
            Message(
                **{
                    "role": "user",
                    "content": "x",
                    "id": f"{session}-{n}-{self.dice.random()}",
                    "created_at": NOW,
                    **fields,
                }
            )
            for n in range(count)
        ]
        op = Append(rows=rows, terms=[""] * count, session=SessionDefaults(user_id=user))
        ((stored,),) = drive(self.store.commit_many([Commit(Partition("t", "session", session), [op])]))  # type: ignore[misc]
        self.attach(session, stored, model)  # type: ignore[arg-type]
        return stored  # type: ignore[return-value]

    def attach(self, session: str, rows: list[Message], model: str = "m") -> None:
        found = []
        for row in rows:
            numbers = _unit([self.dice.gauss(0, 1) for _ in range(DIMENSIONS)])
            self.vectors[row.id or ""] = (row, numbers, model)
            found.append(Vector(session_id=session, seq=row.seq, id=row.id or "", model=model, data=_packed(numbers)))
        (kept,) = drive(self.store.commit(Partition("t", "session", session), [Attach(vectors=found)]))
        assert kept == len(rows)

    def nearest(self, wanted: list[float], limit: int, model: str = "m", **filter: Any) -> Found:
        return drive(self.store.search("t", terms=(), vector=wanted, model=model, limit=limit, filter=Filter(**filter)))

    def best(self, wanted: list[float], limit: int, model: str = "m", **filter: Any) -> list[str]:
        """What should be found."""
        scored = [
            (sum(a * b for a, b in zip(wanted, numbers, strict=True)), id)
            for id, (row, numbers, of) in self.vectors.items()
            if of == model
            and (row.expires_at is None or row.expires_at > self.now)
            and all(
                getattr(row, key) == value if key in ("session_id", "user_id", "role") else row.created_at >= value
                for key, value in filter.items()
            )
        ]
        return [id for _, id in sorted(scored, reverse=True)[:limit]]

    def direction(self) -> list[float]:
        return _unit([self.dice.gauss(0, 1) for _ in range(DIMENSIONS)])


@pytest.fixture
def world(name: str) -> Iterator[World]:
    made = World(f"{postgres_url()}?schema={name}")
    if not made.store.capabilities.vector_search:
        pytest.skip("the server has no pgvector")
    yield made
    drive(made.store.close())


def _index_scans(name: str) -> int:
    ((count,),) = execute(
        f"SELECT coalesce(sum(idx_scan), 0)::bigint FROM pg_stat_user_indexes WHERE schemaname = '{name}'"
        " AND indexrelname ~ '^vectors_[0-9a-f]{16}$'"
    )
    return int(count)


def test_the_index_gives_the_nearest_within_every_filter(
    world: World, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(6):
        world.say(f"s{n}", 200, user=f"u{n % 3}", role="assistant" if n % 2 else "user")
    world.say("rare", 3, user="u9", role="tool", created_at=NOW + timedelta(hours=1))
    world.say("short", 100, user="u1", expires_at=NOW + timedelta(seconds=10))
    world.say("foreign", 100, user="u1", model='it\'s \\ "other"')
    filters: list[dict[str, Any]] = [
        {}, {"user_id": "u1"}, {"session_id": "s2"}, {"role": "assistant"}, {"user_id": "u0", "role": "assistant"},
        {"role": "tool"}, {"since": NOW + timedelta(minutes=1)}, {"user_id": "nobody"}, {"session_id": "no such"},
    ]  # fmt: skip
    for few in (0, 50, 10**6):
        monkeypatch.setattr(vectors, "FEW", few)
        before = _index_scans(name)
        for now in (NOW, NOW + timedelta(seconds=10)):
            world.now = now
            for filter in filters:
                for limit in (1, 10, 150):
                    wanted = world.direction()
                    found = world.nearest(wanted, limit, **filter)
                    expected = world.best(wanted, limit, **filter)
                    assert len(found) == len(expected), (few, filter, limit)
                    scores = [score for _, score in found]
                    assert scores == sorted(scores, reverse=True)
                    # Halves round: neighbours may change places. The index may miss one now and then.
                    common = len({row.id for row, _ in found} & set(expected))
                    assert common >= 0.95 * len(expected) - 1, (few, filter, limit)
                    for row, score in found:
                        exact = sum(a * b for a, b in zip(wanted, world.vectors[row.id or ""][1], strict=True))
                        assert abs(score - exact) < 0.01
        drive(world.store.close())
        drive(world.store.open(BlockingDriver(lambda: world.now)))
        assert (_index_scans(name) > before) is (few == 0 or few == 50)
    (found,) = [world.nearest(world.direction(), 500, model='it\'s \\ "other"')]
    assert {row.session_id for row, _ in found} == {"foreign"}


def test_models_and_lengths_have_an_index_each(world: World, name: str) -> None:
    (row, other) = world.say("s", 2, user=None)
    for model, length in (("a", 3), ("a", 4), ("b", 3), ("x", 4001), ("y", 16_001), ("z", 0)):
        vector = Vector(session_id="s", seq=row.seq, id=row.id or "", model=model, data=_packed([0.5] * length))
        assert drive(world.store.commit(Partition("t", "session", "s"), [Attach(vectors=[vector])])) == [1]
        found = world.nearest([1.0] * length, 10, model=model)
        assert [hit.id for hit, _ in found] == ([row.id] if 0 < length <= 16_000 else [])
        assert [v.data for v in drive(world.store.query("vectors", ("t", "s"), limit=1))] == [vector.data]
    indexes = execute(f"SELECT indexdef FROM pg_indexes WHERE schemaname = '{name}' AND indexdef ~ 'hnsw'")
    assert len(indexes) == 4, "m of 24 dimensions, a of 3 and of 4, b of 3"
    assert [hit.id for hit, _ in world.nearest(world.vectors[other.id or ""][1], 10)] == [other.id]


def test_what_cannot_be_compared_is_kept_and_not_found(world: World) -> None:
    rows = world.say("s", 5, user=None)
    odd = [
        b"",
        b"\0",
        b"\0" * 48,
        struct.pack("<24e", math.nan, *[1.0] * 23),
        struct.pack("<24e", -math.inf, *[1.0] * 23),
    ]
    given = [
        Vector(session_id="s", seq=row.seq, id=row.id or "", model="m", data=data)
        for row, data in zip(rows, odd, strict=True)
    ]
    assert drive(world.store.commit(Partition("t", "session", "s"), [Attach(vectors=given)])) == [5]
    assert list(drive(world.store.query("vectors", ("t", "s"), limit=9))) == given
    assert world.nearest(world.direction(), 10) == []
    assert world.nearest([0.0] * 24, 10) == []
    for bad in ([math.nan] * 24, [math.inf] * 24):
        with pytest.raises(InvalidInput):
            world.nearest(bad, 10)
    subnormal = given[0].replace(data=struct.pack("<24e", 2.0**-24, *[0.0] * 23))
    drive(world.store.commit(Partition("t", "session", "s"), [Attach(vectors=[subnormal])]))
    assert [row.seq for row, _ in world.nearest([1.0] + [0.0] * 23, 10)] == [1]


def test_a_vector_goes_with_its_message_whoever_removes_it(world: World, name: str) -> None:
    soon = NOW + timedelta(seconds=10)
    for session in ("one", "all", "gone", "known"):
        world.say(session, 5, user=None)
    world.say("swept", 5, user=None, expires_at=soon)
    short = world.say("imported", 5, user=None, expires_at=soon)
    drive(world.store.commit(Partition("t", "session", "one"), [Delete(table="messages", seq=2)]))
    drive(world.store.commit(Partition("t", "session", "all"), [Delete(table="messages")]))
    drive(world.store.commit(Partition("t", "session", "gone"), [Delete()]))
    execute(f"DELETE FROM {name}.messages WHERE session_id = 'known' AND seq > 3")
    world.now = soon
    again = [row.replace(expires_at=None) for row in short] + [
        Message("user", str(n), id=str(n), created_at=NOW) for n in range(200)
    ]
    op = Append(rows=again, terms=[""] * len(again), session=SessionDefaults())
    drive(world.store.commit_many([Commit(Partition("t", "session", "imported"), [op])]))
    drive(world.store.sweep())
    left = execute(f"SELECT session_id, array_agg(seq ORDER BY seq) FROM {name}.vectors GROUP BY 1 ORDER BY 1")
    assert left == [("known", [1, 2, 3]), ("one", [1, 3, 4, 5])]


def test_attaching_while_messages_go_leaves_no_orphan(world: World, name: str) -> None:
    def work(n: int) -> None:
        dice = random.Random(n)
        for _ in range(25):
            session = f"s{dice.randrange(3)}"
            partition = Partition("t", "session", session)
            row = Message("user", "x", id=f"{dice.random()}", created_at=NOW)
            op = Append(rows=[row], terms=[""], session=SessionDefaults())
            (stored,) = drive(world.store.commit(partition, [op]))
            assert isinstance(stored, list)
            (message,) = stored
            vector = Vector(
                session_id=session, seq=message.seq, id=row.id or "", model=f"m{n % 2}",
                data=_packed(_unit([dice.gauss(0, 1) for _ in range(8)])),
            )  # fmt: skip
            drive(world.store.commit(partition, [Attach(vectors=[vector])]))
            drive(world.store.commit(partition, [Delete(table="messages", seq=dice.randrange(1, message.seq + 1))]))
            if dice.random() < 0.1:
                drive(world.store.commit(partition, [Delete()]))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert execute(
        f"SELECT count(*) FROM {name}.vectors AS v LEFT JOIN {name}.messages AS m"
        " ON m.session_no = v.session_no AND m.seq = v.seq AND m.id = v.id WHERE m.seq IS NULL"
    ) == [(0,)]


def test_an_attach_repeats_safely_and_commits_with_others(world: World) -> None:
    (row,) = world.say("s", 1, user=None)
    vector = Vector(session_id="s", seq=1, id=row.id or "", model="m", data=_packed([1.0] * 24))
    partition = Partition("t", "session", "s")
    assert drive(world.store.commit(partition, [Attach(vectors=[vector, vector]), Attach(vectors=[])])) == [2, 0]
    assert drive(world.store.commit(Partition("t", "user", "s"), [Attach(vectors=[vector])])) == [0]
    outcomes = drive(world.store.commit_many([Commit(partition, [Attach(vectors=[vector])])] * 3))
    assert outcomes == [[1]] * 3


def test_async(name: str) -> None:
    async def run() -> None:
        store = connect(f"{postgres_url()}?schema={name}")
        await store.open(AsyncDriver(lambda: NOW))
        op = Append(rows=[Message("user", "x", id="a", created_at=NOW)], terms=[""], session=SessionDefaults())
        partition = Partition("t", "session", "s")
        await store.commit(partition, [op])
        vector = Vector(session_id="s", seq=1, id="a", model="m", data=_packed([1.0, 0.0]))
        calls = [store.commit(partition, [Attach(vectors=[vector])]) for _ in range(8)]
        assert await asyncio.gather(*calls) == [[1]] * 8
        if store.capabilities.vector_search:
            assert len(await store.search("t", terms=(), vector=[1, 0], model="m", limit=5)) == 1
        await store.close()

    asyncio.run(run())


# -- with and without the extension --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    made = own_server().start()
    execute("CREATE ROLE chat LOGIN", made.url)
    yield made
    made.remove()


def _database(server: Server, name: str, owner: str = "chat") -> str:
    execute(f"CREATE DATABASE {name} OWNER {owner}", server.url)
    return f"postgresql://chat@127.0.0.1:{server.port}/{name}"


def _use(memory: Recollect) -> Found | None:
    """Keep a vector, and look for it where that can be."""
    store = memory.store
    (stored,) = memory.session("s").append({"role": "user", "content": "x"})
    vector = Vector(session_id="s", seq=stored.seq, id=stored.id or "", model="m", data=_packed([0.6, 0.8]))
    assert drive(store.commit(Partition("default", "session", "s"), [Attach(vectors=[vector])])) == [1]
    assert vector in drive(store.query("vectors", ("default", "s"), limit=10))
    if not store.capabilities.vector_search:
        with pytest.raises(Unsupported, match="pgvector"):
            drive(store.search("default", terms=(), vector=[0.6, 0.8], model="m", limit=10))
        return None
    return drive(store.search("default", terms=(), vector=[0.6, 0.8], model="m", limit=10))


def test_a_role_that_may_not_make_it_does_without_until_somebody_does(server: Server) -> None:
    url = _database(server, "poor", owner="postgres")
    admin = url.replace("chat@", "postgres@")
    execute("CREATE SCHEMA recollect AUTHORIZATION chat", admin)
    with Recollect(url) as early:
        assert _use(early) is None
        assert "permission denied" not in server.log.read_text(), "it was not even tried"
        # Somewhere else than usual, with a name that has to be quoted.
        execute('CREATE SCHEMA "Ext; --"', admin)
        execute('CREATE EXTENSION vector SCHEMA "Ext; --"', admin)
        execute('GRANT USAGE ON SCHEMA "Ext; --" TO chat', admin)
        with Recollect(url) as late:
            assert late.store.capabilities.vector_search
            found = _use(late)
            assert found is not None
            assert len(found) == 2, "what was kept before is found too"
            # A client that does not know of it yet goes on, and what it keeps is found.
            assert _use(early) is None
            found = _use(late)
            assert found is not None
            assert len(found) == 4
    # A second schema, beside the first, with a name as odd.
    with Recollect(f"{url}?schema=recollect") as again:
        assert again.store.capabilities.vector_search


def test_clients_that_open_at_once_make_it_once(server: Server) -> None:
    url = _database(server, "many").replace("chat@", "postgres@")
    errors: list[BaseException] = []

    def open_it(schema: str) -> None:
        try:
            with Recollect(f"{url}?schema={schema}") as memory:
                memory.open()
                assert memory.store.capabilities.vector_search
        except BaseException as error:
            errors.append(error)

    threads = [
        threading.Thread(target=open_it, args=(name,)) for name in ("one", "one", "one", "two", "two", "%s;%25%27")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not errors
    for name in ("one", "two", "%25s;%25'"):
        with Recollect(f"{url}?schema={name}") as memory:
            found = _use(memory)
            assert found is not None
            assert len(found) == 1


def test_on_a_connection_of_the_users_own(server: Server) -> None:
    url = _database(server, "mine")
    execute("CREATE EXTENSION vector", url.replace("chat@", "postgres@"))
    with psycopg.connect(url) as connection, Recollect(PostgresStore(connection=connection)) as memory:
        assert memory.store.capabilities.vector_search
        found = _use(memory)
        assert found is not None
        assert len(found) == 1
        connection.commit()
        assert connection.execute("SHOW enable_sort").fetchone() == ("on",)
        with suppress(psycopg.Error):
            connection.execute("SHOW hnsw.ef_search")
    assert execute("SELECT count(*) FROM recollect.vectors", url) == [(1,)]
