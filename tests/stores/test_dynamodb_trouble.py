"""What goes wrong at work: a server that dies, a commit that is cut off in its middle, writers in several processes."""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from recollect import AsyncRecollect, Recollect
from recollect.errors import Unavailable
from recollect.stores.dynamodb import commit
from tests.services.dynamodb import (
    Dynoxide,
    make_store,
    prefix_of,
    raw_client,
)
from tests.stores import writers
from tests.stores.forking import check_forked

HI = {"role": "user", "content": "hi"}


def _url(server: Dynoxide, **options: str) -> str:
    more = "".join(f"&{name}={value}" for name, value in options.items())
    return f"dynamodb://us-east-1/app?endpoint_url={server.endpoint}{more}"


def test_a_killed_server_costs_nothing_acknowledged(own_dynamodb: Dynoxide) -> None:
    with Recollect(_url(own_dynamodb, attempts="1", timeout="2")) as memory:
        session = memory.session("s", user="u")
        for n in range(20):
            session.append({"role": "user", "content": str(n), "id": str(n)})
        own_dynamodb.kill()
        with pytest.raises(Unavailable) as caught:
            session.append({"role": "user", "content": "20", "id": "20"})
        assert caught.value.retryable
        with pytest.raises(Unavailable):
            session.tail()
        own_dynamodb.start()
        session.append({"role": "user", "content": "20", "id": "20"})
        assert [row.content for row in session.tail(100)] == [str(n) for n in range(21)]
        assert [(c.first_seq, c.last_seq) for c in memory.changes()] == [(n, n) for n in range(1, 22)]


def test_a_server_that_hangs_is_given_up_in_time(own_dynamodb: Dynoxide) -> None:
    """What it was asked it may still do later: the repetition under the same id is none."""
    with Recollect(_url(own_dynamodb, attempts="2", timeout="1", connect_timeout="1")) as memory:
        session = memory.session("s")
        session.append({**HI, "id": "a"})
        own_dynamodb.hang()
        try:
            for call in (session.tail, lambda: session.append({**HI, "id": "b"})):
                began = time.monotonic()
                with pytest.raises(Unavailable) as caught:
                    call()
                assert caught.value.retryable
                assert time.monotonic() - began < 8
        finally:
            own_dynamodb.go_on()
        session.append({**HI, "id": "b"})
        session.append({**HI, "id": "c"})
        assert [(row.seq, row.id) for row in session.tail()] == [(1, "a"), (2, "b"), (3, "c")]


def test_killed_among_writers_every_acknowledged_message_is_there_once(own_dynamodb: Dynoxide) -> None:
    acknowledged: dict[str, int] = {}
    stop, open_now = threading.Event(), threading.Barrier(4)

    def write(name: int) -> None:
        with Recollect(_url(own_dynamodb, attempts="2", timeout="2")) as memory:
            memory.open()
            open_now.wait(60)
            session = memory.session("s")
            for n in range(1000):
                while not stop.is_set():
                    try:
                        (row,) = session.append({"role": "user", "content": "x", "id": f"{name}-{n}"})
                    except Unavailable:
                        time.sleep(0.02)
                        continue
                    acknowledged[row.id] = row.seq
                    break

    threads = [threading.Thread(target=write, args=(name,)) for name in range(3)]
    for thread in threads:
        thread.start()
    open_now.wait(60)
    for rounds in range(1, 5):
        deadline = time.monotonic() + 60
        while len(acknowledged) < 8 * rounds and time.monotonic() < deadline:
            time.sleep(0.05)
        if rounds < 4:
            own_dynamodb.kill()
            own_dynamodb.start()
    stop.set()
    for thread in threads:
        thread.join(60)
    with Recollect(_url(own_dynamodb)) as memory:
        rows = memory.session("s").tail(5000)
    assert len(acknowledged) > 20
    assert [row.seq for row in rows] == list(range(1, len(rows) + 1))
    assert len({row.id for row in rows}) == len(rows)
    assert acknowledged.items() <= {row.id: row.seq for row in rows}.items()
    for name in range(3):
        own = [int(row.id.split("-")[1]) for row in rows if row.id.startswith(f"{name}-")]
        assert own == list(range(len(own)))


def test_an_answer_lost_on_the_way_is_asked_for_again_without_doubling(place: Path) -> None:
    from botocore.exceptions import ReadTimeoutError

    store = make_store(place)
    with Recollect(store) as memory:
        session = memory.session("s")
        session.append({**HI, "id": "a"})
        real = store._client._client.transact_write_items

        def lost(**arguments: Any) -> None:
            real(**arguments)
            store._client._client.transact_write_items = real
            raise ReadTimeoutError(endpoint_url="x")

        store._client._client.transact_write_items = lost
        with pytest.raises(Unavailable):
            session.append({**HI, "id": "b"})
        (row,) = session.append({**HI, "id": "b"})
        assert row.seq == 2
        assert len(session.tail(9)) == 2


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("nth", [1, 2, 3, 4, 5, 6])
def test_a_large_commit_cut_off_anywhere_is_whole_or_not_there(
    place: Path, nth: int, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """150 messages are six transactions: the announcement, four for the stretch (at once), the showing."""
    monkeypatch.setattr(commit, "BUSY_TURNS", 2)
    rows = [{"role": "user", "content": str(n), "id": str(n)} for n in range(150)]
    store = make_store(place)
    with Recollect(store) as memory:
        memory.session("s").append({**HI, "id": "first"})
        request, counter = store._client.request, itertools.count(1)

        def cut(operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
            if operation == "transact_write_items" and next(counter) == nth:
                if when == "after":
                    request(operation, arguments)
                raise Unavailable("cut off")
            return request(operation, arguments)

        store._client.request = cut  # type: ignore[method-assign]
        with pytest.raises(Unavailable, match="cut off"):
            memory.session("s").append(rows)
        store._client.request = request  # type: ignore[method-assign]
        with Recollect(make_store(place)) as other:
            seen = len(other.session("s").tail(1000))
            assert seen in (1, 151)
            assert len(other.session("s").read(limit=1000).items) == seen
            (row,) = other.session("s").append({**HI, "id": "between"})
            assert row.seq == seen + 1
            stored = other.session("s").append(rows)
            assert sorted(row.seq for row in stored) == list(range(2, 152) if seen == 151 else range(3, 153))
        memory.sweep()
        whole = memory.session("s").tail(1000)
        assert [row.seq for row in whole] == list(range(1, 153))
        assert len({row.id for row in whole}) == 152
        changes = list(memory.changes(limit=1000))
        assert sum(c.last_seq - c.first_seq + 1 for c in changes) == 152
    table = f"{prefix_of(place)}-conversations"
    assert raw_client().scan(TableName=table, Select="COUNT")["Count"] == 153


def test_a_writer_that_comes_between_wins_and_the_large_commit_is_made_again(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit, "BUSY_TURNS", 0)
    rows = [{"role": "user", "content": str(n), "id": str(n)} for n in range(150)]
    store = make_store(place)
    with Recollect(store) as memory, Recollect(make_store(place)) as other:
        memory.session("s").append({**HI, "id": "first"})
        request, counter = store._client.request, itertools.count(1)

        def meddle(operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
            if operation == "transact_write_items" and next(counter) == 3:  # between two transactions of the stretch
                other.session("s").append({"role": "user", "content": "mine", "id": "0"})
            return request(operation, arguments)

        store._client.request = meddle  # type: ignore[method-assign]
        stored = memory.session("s").append(rows)
        assert stored[0].content == "mine"
        assert [row.seq for row in stored] == list(range(2, 152))
        memory.sweep()
        assert [row.seq for row in other.session("s").tail(500)] == list(range(1, 152))
        assert other.session("s").append({**HI, "id": "77"})[0].seq == stored[77].seq


def test_processes_write_one_session(own_dynamodb: Dynoxide) -> None:
    with Recollect(_url(own_dynamodb)) as memory:
        memory.open()
        running = [writers.start(_url(own_dynamodb), "s", name, 25) for name in ("a", "b")]
        for process in running:
            _, err = process.communicate(timeout=120)
            assert process.returncode == 0, err
        rows = memory.session("s").tail(100)
        assert [row.seq for row in rows] == list(range(1, 51))
        for name in ("a", "b"):
            assert [row.id for row in rows if row.id.startswith(name)] == [f"{name}-{n}" for n in range(25)]


async def _cancelled(place: Path) -> None:
    async with AsyncRecollect(make_store(place)) as memory:
        session = memory.session("s")
        for n in range(20):
            task = asyncio.create_task(session.append({**HI, "id": str(n)}))
            await asyncio.sleep(0.0005 * (n % 4))
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await session.append({**HI, "id": str(n)})
        assert [row.id for row in await session.tail(50)] == [str(n) for n in range(20)]


def test_a_cancelled_call_leaves_the_client_usable(place: Path) -> None:
    asyncio.run(_cancelled(place))


def test_unprocessed_items_are_asked_for_again(place: Path) -> None:
    store = make_store(place)
    with Recollect(store) as memory:
        session = memory.session("s")
        session.append([{"role": "user", "content": str(n), "id": str(n)} for n in range(60)])
        real, calls = store._client._client.batch_get_item, 0

        def throttled(**arguments: Any) -> Any:
            nonlocal calls
            calls += 1
            wanted = arguments["RequestItems"]
            (table, asked), *others = wanted.items()
            if calls % 2 == 0:
                return {"Responses": {}, "UnprocessedKeys": wanted}
            first = {table: {**asked, "Keys": asked["Keys"][:1]}}
            left = {table: {**asked, "Keys": asked["Keys"][1:]}} if asked["Keys"][1:] else {}
            return {"Responses": real(RequestItems=first)["Responses"], "UnprocessedKeys": left | dict(others)}

        store._client._client.batch_get_item = throttled
        assert [row.seq for row in session.read(after=3, limit=5).items] == [4, 5, 6, 7, 8]
        stored = session.append([{"role": "user", "content": "again", "id": str(n)} for n in range(60)])
        assert [row.content for row in stored] == [str(n) for n in range(60)]
        assert calls > 60


def test_a_forked_child_makes_its_own_connections(own_dynamodb: Dynoxide) -> None:
    check_forked(_url(own_dynamodb), children=3, each=20)


_FORKS_WHILE_OTHERS_WRITE = """
import os, sys, threading
from recollect import Recollect
from recollect.stores.dynamodb import turns
turns.PATIENCE = 3600.0
memory = Recollect(sys.argv[1])
session = memory.session("s")
session.append({"role": "user", "content": "parent"})
client = memory.store._client
inner, request = client._client, client.request
reached, go_on = threading.Event(), threading.Event()

def held(operation, arguments):
    reached.set()
    assert go_on.wait(60)
    return request(operation, arguments)

client.request = held
thread = threading.Thread(target=lambda: session.append({"role": "user", "content": "parent"}))
thread.start()
assert reached.wait(20)
pid = os.fork()
if pid == 0:
    client.request = request
    session.append({"role": "user", "content": "child"})
    os._exit(0 if client._client is not inner else 9)
assert os.waitpid(pid, 0)[1] == 0
go_on.set()
thread.join()
assert client._client is inner
assert [row.content for row in session.tail(9)] == ["parent", "child", "parent"]
memory.close()
"""


def test_a_child_does_not_wait_for_a_turn_of_its_parent(own_dynamodb: Dynoxide) -> None:
    words = [sys.executable, "-W", "ignore", "-c", _FORKS_WHILE_OTHERS_WRITE, _url(own_dynamodb)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
