"""Many writers of one session in one process: their appends go together, and each still has its own outcome."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from recollect import AsyncRecollect, Recollect
from recollect.errors import Conflict, Unavailable
from recollect.stores.dynamodb import turns
from tests.services.dynamodb import Dynoxide, make_store
from tests.torture.proxy import Proxy

Request = Callable[[str, dict[str, Any]], dict[str, Any]]


class _Gate:
    """Holds the first transaction until `open`, and counts all."""

    def __init__(self, store: Any) -> None:
        self._request: Request = store._client.request
        self._first = True
        self._fail: Exception | None = None
        self.reached, self._opened = threading.Event(), threading.Event()
        self.sizes: list[int] = []
        store._client.request = self

    def __call__(self, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        if operation != "transact_write_items":
            return self._request(operation, arguments)
        self.sizes.append(len(arguments["TransactItems"]))
        if self._first:
            self._first = False
            self.reached.set()
            assert self._opened.wait(20)
        elif self._fail is not None:
            raise self._fail
        return self._request(operation, arguments)

    def open(self, fail: Exception | None = None) -> None:
        """Let it through; what follows fails if `fail` is given."""
        self._fail = self._fail or fail
        self._opened.set()


@contextmanager
def _held(gate: _Gate, call: Callable[[], object]) -> Iterator[None]:
    """Inside, a commit to session `s` is on its way."""
    thread = threading.Thread(target=call)
    thread.start()
    assert gate.reached.wait(20)
    try:
        yield
    finally:
        gate.open()
        thread.join(20)


def _wait(memory: Recollect | AsyncRecollect, count: int) -> None:
    store: Any = memory.store
    for _ in range(4000):
        if len(store._cache.slot("s").queue.waiting) == count:
            return
        time.sleep(0.005)
    raise AssertionError("they do not wait")


def _together(
    memory: Recollect, calls: list[Callable[[], Any]], gate: _Gate, fail: Exception | None = None
) -> list[Any]:
    """Outcomes of calls that wait, in their order, for one that is on its way."""
    outcomes: list[Any] = [None] * len(calls)

    def work(n: int) -> None:
        try:
            outcomes[n] = calls[n]()
        except Exception as error:
            outcomes[n] = error

    threads = [threading.Thread(target=work, args=(n,)) for n in range(len(calls))]
    with _held(gate, lambda: memory.session("s").append({"role": "user", "content": "first", "id": "first"})):
        for n, thread in enumerate(threads):
            thread.start()
            _wait(memory, n + 1)
        gate.open(fail)
    for thread in threads:
        thread.join(20)
    return outcomes


def _append(memory: Recollect, id: str, user: str | None = None) -> Callable[[], Any]:
    return lambda: memory.session("s", user=user).append({"role": "user", "content": id, "id": id})[0]


@pytest.fixture
def memory(place: Path) -> Iterator[Recollect]:
    """A client with an empty session `s` that it knows."""
    with Recollect(make_store(place)) as memory:
        memory.open()
        assert memory.session("s").tail(1) == []
        yield memory


def test_appends_that_wait_go_in_one_transaction(memory: Recollect) -> None:
    gate = _Gate(memory.store)
    outcomes = _together(memory, [_append(memory, f"m{n}") for n in range(12)], gate)
    assert [message.seq for message in outcomes] == list(range(2, 14))
    assert [message.content for message in outcomes] == [f"m{n}" for n in range(12)]
    assert len(gate.sizes) == 2
    assert [message.id for message in memory.session("s").tail(20)] == ["first", *(f"m{n}" for n in range(12))]
    changes = [change for change in memory.changes() if change.kind == "append"]
    assert [(change.first_seq, change.last_seq) for change in changes] == [(n, n) for n in range(1, 14)]


def test_the_same_id_from_two_is_one_message(memory: Recollect) -> None:
    memory.session("s").append({"role": "user", "content": "stored", "id": "old"})
    gate = _Gate(memory.store)
    outcomes = _together(memory, [_append(memory, id) for id in ("a", "b", "a", "old")], gate)
    assert [message.seq for message in outcomes] == [3, 4, 3, 1]
    assert outcomes[3].content == "stored"
    assert [message.id for message in memory.session("s").tail(20)] == ["old", "first", "a", "b"]


def test_one_that_is_refused_does_not_take_the_others_with_it(memory: Recollect) -> None:
    gate = _Gate(memory.store)
    calls = [_append(memory, "a", "ann"), _append(memory, "b", "ben"), _append(memory, "c", "ann")]
    first, second, third = _together(memory, calls, gate)
    assert isinstance(second, Conflict)
    assert {first.seq, third.seq} == {2, 3}
    assert sorted(message.id for message in memory.session("s").tail(20)) == ["a", "c", "first"]
    info = memory.session("s").info()
    assert info is not None
    assert info.user_id == "ann"


def test_what_is_no_append_goes_alone_and_in_its_place(memory: Recollect) -> None:
    memory.session("s").append({"role": "user", "content": "zero", "id": "zero"})
    gate = _Gate(memory.store)
    calls = [
        _append(memory, "a"),
        _append(memory, "b"),
        lambda: memory.session("s").update(title="t"),
        _append(memory, "c"),
    ]
    outcomes = _together(memory, calls, gate)
    assert [outcomes[n].seq for n in (0, 1, 3)] == [3, 4, 5]
    assert len(gate.sizes) == 4  # the first, a and b, the title, c
    kinds = [(change.kind, change.first_seq) for change in memory.changes()]
    assert kinds == [*(("append", n) for n in (1, 2, 3, 4)), ("put", 0), ("append", 5)]


def test_no_more_go_together_than_one_transaction_takes(memory: Recollect) -> None:
    gate = _Gate(memory.store)

    def twenty(name: str) -> Callable[[], Any]:
        rows = [{"role": "user", "content": "x", "id": f"{name}{n}"} for n in range(20)]
        return lambda: memory.session("s").append(rows)

    outcomes = _together(memory, [twenty(name) for name in "abcde"], gate)
    assert [message.seq for rows in outcomes for message in rows] == list(range(2, 102))
    assert len(gate.sizes) == 4
    assert max(gate.sizes) <= 100


def test_those_who_went_together_fail_together(memory: Recollect) -> None:
    gate = _Gate(memory.store)
    failure = Unavailable("the line is dead", retryable=False)
    outcomes = _together(memory, [_append(memory, f"m{n}") for n in range(5)], gate, failure)
    assert len(gate.sizes) == 2
    assert all(isinstance(error, Unavailable) and not error.retryable for error in outcomes)
    assert len({id(error) for error in outcomes}) == 5
    gate._fail = None
    assert _append(memory, "m3")().seq == 2


def test_who_waits_too_long_goes_without_a_turn(memory: Recollect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "PATIENCE", 0.05)
    gate = _Gate(memory.store)
    with _held(gate, _append(memory, "slow")):
        assert _append(memory, "quick")().seq == 1
    assert [message.id for message in memory.session("s").tail(20)] == ["quick", "slow"]
    assert _append(memory, "after")().seq == 3


@pytest.mark.parametrize("who", ["leader", "company"])
def test_a_cancelled_task_leaves_the_others_their_outcome(place: Path, who: str) -> None:
    async def run() -> None:
        async with AsyncRecollect(make_store(place)) as memory:
            session = memory.session("s")
            await session.append({"role": "user", "content": "zero", "id": "zero"})
            gate = _Gate(memory.store)

            def append(id: str) -> asyncio.Task[Any]:
                return asyncio.create_task(session.append({"role": "user", "content": id, "id": id}))

            first = append("first")
            await asyncio.to_thread(gate.reached.wait, 20)
            tasks = [append(f"m{n}") for n in range(4)]
            await asyncio.to_thread(_wait, memory, 4)
            gone = first if who == "leader" else tasks[1]
            gone.cancel()
            with pytest.raises(asyncio.CancelledError):
                await gone
            gate.open()
            left = [task for task in (first, *tasks) if task is not gone]
            stored = [message for (message,) in await asyncio.gather(*left)]
            ids = [message.id for message in await session.tail(20)]
            assert len(ids) == len(set(ids))
            assert {message.id for message in stored} <= set(ids)
            assert [message.seq for message in stored] == [ids.index(message.id) + 1 for message in stored]
            assert len(gate.sizes) == 2
            if who == "company":
                assert "m1" not in ids

    asyncio.run(run())


def test_threads_of_two_clients_over_connections_that_are_cut(own_dynamodb: Dynoxide) -> None:
    """Nothing is lost, doubled or out of its writer's order, whatever went together and whoever heard of it."""
    writers, each = 6, 8
    numbers: dict[str, int] = {}

    def work(memory: Recollect, name: str) -> None:
        for n in range(each):
            message = {"role": "user", "content": f"{name}-{n}", "id": f"{name}-{n}"}
            for _ in range(50):
                try:
                    (stored,) = memory.session("s").append(message)
                    numbers[stored.id] = stored.seq
                    break
                except Unavailable:
                    continue

    with Recollect(f"dynamodb://us-east-1/app?endpoint_url={own_dynamodb.endpoint}") as memory:
        memory.open()
    with Proxy(own_dynamodb.port, seed=7, mean=20_000) as proxy, ExitStack() as stack:
        url = f"dynamodb://us-east-1/app?endpoint_url=http://127.0.0.1:{proxy.port}"
        clients = [stack.enter_context(Recollect(url)) for _ in range(2)]
        threads = [
            threading.Thread(target=work, args=(client, f"{c}{w}"))
            for c, client in enumerate(clients)
            for w in range(writers)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        proxy.calm()
        stack.close()
        assert proxy.close() > 0
    with Recollect(f"dynamodb://us-east-1/app?endpoint_url={own_dynamodb.endpoint}") as memory:
        rows = memory.session("s").tail(1000)
        assert [row.seq for row in rows] == list(range(1, 2 * writers * each + 1))
        assert {row.id: row.seq for row in rows} == numbers
        for c in range(2):
            for w in range(writers):
                own = [row.content for row in rows if row.id.startswith(f"{c}{w}-")]
                assert own == [f"{c}{w}-{n}" for n in range(each)]
        told = [change for change in memory.changes(limit=1000) if change.kind == "append"]
        assert [n for change in told for n in range(change.first_seq, change.last_seq + 1)] == [row.seq for row in rows]
