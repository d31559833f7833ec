"""RediSearch where the server has it: what is indexed, that it goes with its message, and what happens without it."""

from __future__ import annotations

import asyncio
import math
import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
import redis.asyncio

from recollect import AsyncRecollect, ConfigError, Recollect, Unsupported
from recollect.errors import InvalidInput
from recollect.model import Message, Vector
from recollect.recall.analyzer import query_terms
from recollect.store import Append, Attach, Delete, Filter, Partition, SessionDefaults, Store
from recollect.store.driver import drive
from recollect.stores.memory import MemoryStore
from recollect.stores.redis import Options, RedisStore
from recollect.testing import ManualClock
from tests.services import redis as servers
from tests.services.redis import RedisServer

START = datetime(2026, 11, 21, 0, 52, 30, 1, tzinfo=UTC)


@pytest.fixture
def prefix(tmp_path: Path) -> Iterator[str]:
    prefix = servers.prefix_of(tmp_path)
    yield prefix
    servers.remove(servers.stack_url(), prefix)


@pytest.fixture
def raw() -> Iterator[Any]:
    with redis.Redis.from_url(servers.stack_url(), decode_responses=True, protocol=2) as client:
        yield client


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def memory(prefix: str, clock: ManualClock) -> Iterator[Recollect]:
    with Recollect(f"{servers.stack_url()}?prefix={prefix}", clock=clock) as memory:
        yield memory


@pytest.fixture
def own_server() -> Iterator[RedisServer]:
    with RedisServer(stack=True) as server:
        yield server


def say(store: Store, session: str, *texts: str, user: str | None = None, ttl: float | None = None) -> list[Message]:
    """Append messages whose terms are their words."""
    rows = [Message("user", text, id=f"{session} {text} {n}", created_at=START) for n, text in enumerate(texts)]
    op = Append(rows=rows, terms=list(texts), session=SessionDefaults(user_id=user, ttl=ttl))
    (found,) = drive(store.commit(Partition("default", "session", session), [op]))
    assert isinstance(found, list)
    return found


def find(store: Store, *terms: str, limit: int = 1000, **wanted: Any) -> list[str]:
    found = drive(store.search("default", terms=terms, limit=limit, filter=Filter(**wanted)))
    return [str(row.content) for row, _ in found]


def toward(degrees: float, dimensions: int = 4) -> list[float]:
    return [math.cos(math.radians(degrees)), math.sin(math.radians(degrees)), *[0.0] * (dimensions - 2)]


def attach(store: Store, row: Message, degrees: float, *, model: str = "m", dimensions: int = 4) -> None:
    data = struct.pack(f"<{dimensions}e", *toward(degrees, dimensions))
    vector = Vector(session_id=row.session_id, seq=row.seq, id=row.id, model=model, data=data)
    drive(store.commit(Partition("default", "session", row.session_id), [Attach(vectors=[vector])]))


def near(store: Store, *, model: str = "m", dimensions: int = 4, limit: int = 10, **wanted: Any) -> list[str]:
    vector = toward(0, dimensions)
    found = drive(store.search("default", terms=(), vector=vector, model=model, limit=limit, filter=Filter(**wanted)))
    return [str(row.content) for row, _ in found]


def hashes(raw: Any, prefix: str) -> list[str]:
    """The keys of what is indexed."""
    found = [key.partition("}:")[2] for key in raw.scan_iter(f"{prefix}:*")]
    return sorted(key for key in found if key.startswith(("doc:", "vec:")))


# -- what is indexed -----------------------------------------------------------------------------------------------------


def test_a_stranger_reads_what_is_indexed(memory: Recollect, raw: Any, prefix: str) -> None:
    (row,) = say(memory.store, "a b", "apple 한국", user="é")
    attach(memory.store, row, 30)
    base = f"{prefix}:{{default}}:"
    assert raw.hgetall(f"{base}doc:a%20b:1") == {
        "session": "t" + b"a b".hex(),
        "user": "t" + "é".encode().hex(),
        "role": "t" + b"user".hex(),
        "created_at": str((START - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)),
        "terms": f"t{b'apple'.hex()} t{'한국'.encode().hex()}",
    }
    (key,) = raw.scan_iter(f"{base}vec:*")
    kind, _, place = key.removeprefix(f"{base}vec:").partition(":")
    assert kind.startswith("4-")
    assert place == "a%20b:1"
    names = [name for name in raw.execute_command("FT._LIST") if name.startswith(prefix)]
    assert sorted(names) == sorted([f"{base}index:terms", f"{base}index:{kind}"])


def test_search_through_the_library_is_the_index(memory: Recollect) -> None:
    assert memory.store.capabilities.text_search
    assert memory.store.capabilities.vector_search
    memory.session("s", user="u").append({"role": "user", "content": "She likes Korean barbecue"})
    memory.session("s").append({"role": "user", "content": "서울에서 만나요"})
    assert [hit.text for hit in memory.search("barbecue")] == ["She likes Korean barbecue"]
    assert [hit.text for hit in memory.search("서울")] == ["서울에서 만나요"]
    memory.user("u").forget()
    assert memory.search("barbecue") == []


def test_scores_are_those_of_every_store(memory: Recollect) -> None:
    """Also after much was deleted, which RediSearch counts until it cleans up."""
    oracle = MemoryStore()
    drive(oracle.open(memory.store.driver))
    stores = (memory.store, oracle)
    for store in stores:
        say(store, "gone", *["common"] * 60)
        drive(store.commit(Partition("default", "session", "gone"), [Delete()]))
        say(store, "s", *(f"common w{n % 3} filler " + "x " * n + "end" for n in range(12)), "rare common", "rare rare")
    mine, theirs = (drive(store.search("default", terms=["common", "rare", "w1"], limit=50)) for store in stores)
    assert (mine.total, mine.having) == (theirs.total, theirs.having)
    assert sorted(score for _, score in mine) == pytest.approx(sorted(score for _, score in theirs))
    assert mine[0].row.content == theirs[0].row.content


def test_many_matches_are_chosen_from(memory: Recollect) -> None:
    say(memory.store, "s", *(f"common n{n}" for n in range(2500)))
    say(memory.store, "t", "common rare", "rare " + "filler " * 50)
    assert find(memory.store, "common", "rare", limit=1) == ["common rare"]
    assert len(find(memory.store, "common", limit=2600)) == 2501


def test_a_server_that_gives_few_results_at_once(own_server: RedisServer) -> None:
    with own_server.client() as client:
        client.execute_command("FT.CONFIG", "SET", "MAXSEARCHRESULTS", 20)
    with Recollect(own_server.url) as memory:
        for row in say(memory.store, "s", *(f"apple {n}" for n in range(30))):
            attach(memory.store, row, row.seq)
        assert len(find(memory.store, "apple")) == 20
        assert len(near(memory.store, limit=30)) == 20
        assert find(memory.store, "apple", "29", limit=1) == ["apple 29"]


def test_what_a_message_had_goes_with_it(memory: Recollect, raw: Any, prefix: str, clock: ManualClock) -> None:
    store = memory.store
    for session, ttl in (("one", None), ("all", None), ("gone", None), ("expired", 10.0)):
        for row in say(store, session, "apple a", "apple b", user="u", ttl=ttl):
            attach(store, row, 10)
    assert len(hashes(raw, prefix)) == 16
    drive(store.commit(Partition("default", "session", "one"), [Delete(table="messages", seq=1)]))
    drive(store.commit(Partition("default", "session", "all"), [Delete(table="messages")]))
    drive(store.commit(Partition("default", "session", "gone"), [Delete()]))
    assert len(hashes(raw, prefix)) == 6
    clock.forward(10)
    assert find(store, "apple") == ["apple b"]
    assert near(store) == ["apple b"]
    memory.sweep()
    (terms, vector) = hashes(raw, prefix)
    assert terms == "doc:one:2"
    assert vector.endswith(":one:2")
    memory.user("u").forget()
    assert hashes(raw, prefix) == []


def test_a_new_owner_is_found_by_what_was_said_before(memory: Recollect) -> None:
    for row in say(memory.store, "s", "apple a", "apple b"):
        attach(memory.store, row, 10)
    assert find(memory.store, "apple", user_id="u") == []
    memory.session("s", user="u").append({"role": "user", "content": "mine"})
    assert sorted(find(memory.store, "apple", user_id="u")) == ["apple a", "apple b"]
    assert sorted(near(memory.store, user_id="u")) == ["apple a", "apple b"]


def test_vectors_of_every_kind_beside_each_other(memory: Recollect) -> None:
    store = memory.store
    rows = say(store, "s", *"abcd")
    attach(store, rows[0], 10)
    attach(store, rows[1], 20, dimensions=8)
    attach(store, rows[2], 30, model="other model")
    attach(store, rows[3], 40)
    attach(store, rows[3], 5, dimensions=8)
    odd = Vector(session_id="s", seq=1, id=rows[0].id, model="m", data=b"odd")
    assert near(store) == ["a"]
    assert near(store, dimensions=8) == ["d", "b"]
    assert near(store, model="other model") == ["c"]
    assert near(store, model="never seen") == []
    drive(store.commit(Partition("default", "session", "s"), [Attach(vectors=[odd])]))
    assert near(store) == []
    assert find(store, "a") == ["a"], "its terms are another hash's"


def test_vectors_that_cannot_be(memory: Recollect) -> None:
    attach(memory.store, say(memory.store, "s", "a")[0], 10)
    search = memory.store.search
    assert drive(search("default", terms=(), vector=[0.0] * 4, model="m", limit=3)) == []
    assert drive(search("default", terms=(), vector=[], model="m", limit=3)) == []
    assert drive(search("nobody", terms=(), vector=[1.0] * 4, model="m", limit=3)) == []
    assert drive(search("nobody", terms=("a",), limit=3)) == []
    assert len(drive(search("default", terms=(), vector=[1e200, 0, 0, 0], model="m", limit=3))) <= 1
    with pytest.raises(InvalidInput):
        drive(search("default", terms=(), vector=[math.nan] * 4, model="m", limit=3))


def test_dates_beyond_exact_numbers(memory: Recollect, clock: ManualClock) -> None:
    late = datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    early = datetime(1, 1, 1, tzinfo=UTC)
    rows = [Message("user", name, id=name, created_at=at) for name, at in (("late", late), ("early", early))]
    drive(memory.store.commit(Partition("default", "session", "s"), [Append(rows=rows, terms=["w", "w"])]))
    assert find(memory.store, "w", since=late) == ["late"]
    assert find(memory.store, "w", until=late) == ["early"]
    assert find(memory.store, "w", since=early, until=START) == ["early"]


# -- with and without ------------------------------------------------------------------------------------------------------


def test_a_flushed_or_restarted_server_has_its_index_again(own_server: RedisServer) -> None:
    with Recollect(f"{own_server.url}?retries=10") as memory, own_server.client() as client:
        attach(memory.store, say(memory.store, "s", "apple")[0], 10)
        client.flushall()
        drive(memory.store.close())
        drive(memory.store.open(memory.store.driver))
        say(memory.store, "s", "apple before")
        client.execute_command("FT.DROPINDEX", "recollect:{default}:index:terms")
        for row in say(memory.store, "t", *(f"apple {n}" for n in range(300))):
            if row.seq < 10:
                attach(memory.store, row, 10 * row.seq)
        assert len(find(memory.store, "apple")) == 301, "who searches waits until the new index is filled"
        own_server.kill()
        own_server.start()
        assert len(find(memory.store, "apple")) == 301
        assert near(memory.store, limit=3) == ["apple 0", "apple 1", "apple 2"]
        say(memory.store, "s", "apple after")
        assert len(find(memory.store, "apple")) == 302


def test_a_client_that_may_not_search_is_refused(own_server: RedisServer) -> None:
    """It would write messages without terms, which nobody would find."""
    with own_server.client() as client:
        client.acl_setuser("u", enabled=True, passwords=["+p"], keys="*", categories=["+@all"], commands=["-ft._list"])
        url = f"redis://u:p@127.0.0.1:{own_server.port}"
        with Recollect(f"{url}?prefix=own") as memory:
            assert not memory.store.capabilities.text_search
            with pytest.raises(Unsupported, match="RediSearch"):
                find(memory.store, "apple")
        with Recollect(own_server.url) as memory:
            say(memory.store, "s", "apple")
        with pytest.raises(ConfigError, match="RediSearch"):
            Recollect(url).open()


def test_a_database_made_without_it_stays_so_until_it_is_indexed(own_server: RedisServer) -> None:
    with own_server.client() as client:
        client.hset("recollect:meta", mapping={"schema": 1, "shards": 1})
        with Recollect(own_server.url) as memory:
            assert not memory.store.capabilities.text_search
            (row,) = memory.session("s", user="u").append({"role": "user", "content": "a pear"})
            attach(memory.store, row, 10)
            memory.session("t", ttl=1000).append([{"role": "user", "content": f"apple {n}"} for n in range(1200)])
            assert [hit.text for hit in memory.search("pear")] == ["a pear"]
            assert memory.reindex().messages == 0
        assert client.hget("recollect:meta", "schema") == "2"
        assert client.execute_command("FT._LIST") == []
        client.hset("recollect:meta", "indexed", 1)
        with Recollect(own_server.url) as memory:
            assert memory.reindex().messages == 1201
            assert find(memory.store, "pear", user_id="u") == ["a pear"]
            assert len(find(memory.store, *query_terms("apple"), limit=2000)) == 1200
            assert near(memory.store, user_id="u") == ["a pear"]
        assert client.pttl("recollect:{default}:session:t:ids") == -1, "by them a sweep finds what is indexed"


def test_terms_by_other_rules_are_made_anew_while_work_goes_on(memory: Recollect, raw: Any, prefix: str) -> None:
    say(memory.store, "s", *(f"old{n}" for n in range(700)), user="u")
    say(memory.store, "t", "old alone", "")
    told = []

    def progress(done: int) -> None:
        told.append(done)
        drive(memory.store.commit(Partition("default", "session", "s"), [Delete(table="messages", seq=700)]))

    assert drive(memory.store.index_version()) in (0, 1, 2, 3)
    done = drive(memory.store.reindex(9, lambda row: "" if row.seq == 2 else f"new{row.seq}", progress))
    assert done == 701
    assert told[0] == 500
    assert drive(memory.store.index_version()) == 9
    assert find(memory.store, "old1", "old", "new2", "new700") == []
    assert sorted(find(memory.store, "new1")) == ["old alone", "old0"]
    assert find(memory.store, "new300", user_id="u") == ["old299"]
    assert len(hashes(raw, prefix)) == 699


def test_an_index_is_given_up_as_the_page_says(own_server: RedisServer) -> None:
    with Recollect(own_server.url) as memory, own_server.client() as client:
        (row,) = memory.session("s").append({"role": "user", "content": "a pear"})
        attach(memory.store, row, 10)
        client.hset("recollect:meta", "indexed", 0)
        for name in client.execute_command("FT._LIST"):
            client.execute_command("FT.DROPINDEX", name, "DD")
        assert [key for key in client.scan_iter("*") if ":doc:" in key or ":vec:" in key] == []
    with Recollect(own_server.url) as memory:
        assert not memory.store.capabilities.text_search
        assert [hit.text for hit in memory.search("pear")] == ["a pear"]
        assert len(drive(memory.store.query("vectors", ("default", "s"), limit=9))) == 1


def test_another_database_number_has_none(own_server: RedisServer) -> None:
    with Recollect(own_server.url.replace("/0", "/1")) as memory:
        assert not memory.store.capabilities.text_search
        say(memory.store, "s", "apple")


def test_a_tenant_in_shards_has_one_index(prefix: str) -> None:
    with Recollect(f"{servers.stack_url()}?prefix={prefix}&shards=4") as memory:
        for n in range(10):
            attach(memory.store, say(memory.store, f"s{n}", f"apple {n}")[0], 10 * n)
        assert sorted(find(memory.store, "apple")) == [f"apple {n}" for n in range(10)]
        assert near(memory.store, limit=2) == ["apple 0", "apple 1"]


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("decode", [True, False])
def test_a_borrowed_client_searches_too(prefix: str, protocol: int, decode: bool) -> None:
    how: dict[str, Any] = {"protocol": protocol, "decode_responses": decode}
    client = redis.Redis.from_url(servers.stack_url(), **how)
    with Recollect(RedisStore(Options(prefix=prefix), client=client)) as memory:
        assert memory.store.capabilities.text_search
        attach(memory.store, say(memory.store, "s", "apple")[0], 10)
        assert find(memory.store, "apple") == near(memory.store) == ["apple"]
        kept = drive(memory.store.query("vectors", ("default", "s"), limit=9))
        assert [vector.data for vector in kept] == [struct.pack("<4e", *toward(10))]
    client.close()

    async def the_same() -> None:
        client = redis.asyncio.Redis.from_url(servers.stack_url(), **how)
        async with AsyncRecollect(RedisStore(Options(prefix=prefix), client=client)) as memory:
            assert len(await memory.store.search("default", terms=["apple"], limit=3)) == 1
            assert len(await memory.store.search("default", terms=(), vector=toward(0), model="m", limit=3)) == 1
        await client.aclose()

    asyncio.run(the_same())
