"""Connections cut anywhere, in the middle of a request or of a reply: nothing acknowledged is lost, nothing doubled."""

from __future__ import annotations

import asyncio
import random
import socket
import threading
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from recollect import AsyncRecollect, Message, Recollect, Unavailable
from recollect.model import Preferences
from recollect.store import Partition, Put
from recollect.store.driver import drive, utc_now
from tests.services import redis as servers
from tests.services.redis import Passing, Relay

WRITERS = 4
EACH = 40
PATIENCE = 100
"""Tries of one append. That so many are cut has no chance."""


class Scissors(Relay):
    """Each connection is cut after so many bytes one way, drawn anew.

    Parameters
    ----------
    port: of the server. mean: bytes that a connection carries each way on average. seed: of the dice.
    """

    def __init__(self, port: int, *, mean: int, seed: int) -> None:
        self.mean = mean
        self._dice = random.Random(seed)
        self.cuts = 0
        super().__init__(port)

    def _way(self, replies: bool) -> Passing:
        return partial(self._until_cut, int(self._dice.expovariate(1 / self.mean)))

    def _until_cut(self, left: int, source: socket.socket, target: socket.socket) -> None:
        while data := source.recv(65536):
            if left < len(data):
                self.cuts += 1
                target.sendall(data[:left])
                return
            target.sendall(data)
            left -= len(data)


@pytest.fixture(params=[1, 2, 3])
def scissors(request: pytest.FixtureRequest) -> Iterator[Scissors]:
    port = int(servers.server_url().split(":")[2].split("/")[0])
    scissors = Scissors(port, mean=4000, seed=request.param)
    yield scissors
    scissors.close()


def batch(writer: int, n: int) -> list[Message]:
    """Sometimes one message, sometimes some; long ones among them, so that cuts lie within."""
    count = 1 + (writer + n) % 3 * (n % 2)
    return [Message("user", f"{writer} {n} {i} " + "x" * (n % 5 * 300), id=f"{writer}-{n}-{i}") for i in range(count)]


def check(url: str, acknowledged: dict[str, list[str]]) -> None:
    """Every acknowledged message once, in its writer's order; numbers and feed without a gap."""
    with Recollect(url) as memory:
        for session, ids in acknowledged.items():
            rows = memory.session(session).tail(10_000)
            assert [row.seq for row in rows] == list(range(1, len(rows) + 1))
            found = [row.id for row in rows]
            assert len(set(found)) == len(found)
            assert set(found) == set(ids)
            for writer in range(WRITERS):
                own = [id for id in found if id.startswith(f"{writer}-")]
                assert own == [id for id in ids if id.startswith(f"{writer}-")]
            info = memory.session(session).info()
            assert info is not None
            assert (info.message_count, info.last_seq) == (len(rows), len(rows))
            feed = [
                seq
                for change in memory.changes(limit=10_000)
                if change.partition == session
                for seq in range(change.first_seq, change.last_seq + 1)
            ]
            assert feed == list(range(1, len(rows) + 1))


def test_appends_over_connections_that_are_cut_anywhere(scissors: Scissors, prefix: str) -> None:
    url = f"redis://127.0.0.1:{scissors.port}?prefix={prefix}&timeout=5&retries=2"
    acknowledged: dict[str, list[str]] = {"shared": [], "own": []}
    errors: list[BaseException] = []
    told: list[Unavailable] = []
    lock = threading.Lock()

    def write(memory: Recollect, writer: int) -> None:
        try:
            for n in range(EACH):
                for session in ("shared", "own") if writer == 0 else ("shared",):
                    messages = batch(writer, n)
                    for _ in range(PATIENCE):
                        try:
                            rows = memory.session(session, user="u").append(messages)
                            break
                        except Unavailable as error:
                            told.append(error)
                    with lock:
                        acknowledged[session] += [row.id for row in rows]
        except BaseException as error:
            errors.append(error)

    memory = opened(url)
    threads = [threading.Thread(target=write, args=(memory, writer)) for writer in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    memory.close()
    assert errors == []
    assert scissors.cuts > 20
    assert all(error.retryable for error in told)
    check(f"{servers.server_url()}?prefix={prefix}", acknowledged)


def opened(url: str) -> Recollect:
    for _ in range(PATIENCE):
        memory = Recollect(url)
        try:
            memory.open()
        except Unavailable:
            continue
        return memory
    raise AssertionError("never open")


def test_the_same_from_tasks(scissors: Scissors, prefix: str) -> None:
    acknowledged: dict[str, list[str]] = {"shared": []}
    told: list[Unavailable] = []

    async def write(memory: AsyncRecollect, writer: int) -> None:
        for n in range(EACH // 2):
            messages = batch(writer, n)
            for _ in range(PATIENCE):
                try:
                    rows = await memory.session("shared", user="u").append(messages)
                    break
                except Unavailable as error:
                    told.append(error)
            acknowledged["shared"] += [row.id for row in rows]

    async def main() -> None:
        memory = AsyncRecollect(f"redis://127.0.0.1:{scissors.port}?prefix={prefix}&retries=3&pool_size=3")
        for _ in range(PATIENCE):
            try:
                await memory.open()
                break
            except Unavailable:
                continue
        await asyncio.gather(*(write(memory, writer) for writer in range(WRITERS)))
        await memory.close()

    asyncio.run(main())
    assert scissors.cuts > 10
    assert all(error.retryable for error in told)
    check(f"{servers.server_url()}?prefix={prefix}", acknowledged)


def test_an_import_over_connections_that_are_cut_anywhere(scissors: Scissors, prefix: str) -> None:
    """Many commits in one go: those that got no answer are sent again, and their messages are there once."""
    scissors.mean = 40_000
    lines = [
        {"session": f"s{n % 7}", "user": "u", "role": "user", "content": "x" * (n % 200), "id": f"m-{n}"}
        for n in range(210)
    ]
    memory = opened(f"redis://127.0.0.1:{scissors.port}?prefix={prefix}&retries=0")
    for _ in range(PATIENCE):
        try:
            memory.import_lines(lines)
            break
        except Unavailable:
            continue
    memory.close()
    with Recollect(f"{servers.server_url()}?prefix={prefix}") as memory:
        for n in range(7):
            rows = memory.session(f"s{n}").tail(1000)
            assert [row.id for row in rows] == [f"m-{i}" for i in range(n, 210, 7)]
            assert [row.seq for row in rows] == list(range(1, 31))


def test_puts_over_connections_that_are_cut_anywhere(scissors: Scissors, prefix: str) -> None:
    """A put without an answer has happened once or not at all, and its error says that either may be."""
    scissors.mean = 1500
    memory = opened(f"redis://127.0.0.1:{scissors.port}?prefix={prefix}&retries=2")
    partition = Partition("default", "user", "u")
    version, doubtful = 1, 0
    with Recollect(f"{servers.server_url()}?prefix={prefix}") as direct:
        direct.user("u").preferences.put({"the script": "is known to the server"})
        for n in range(60):
            now = utc_now()
            row = Preferences(user_id="u", values={"n": n}, created_at=now, updated_at=now)
            done: Any = None
            try:
                (done,) = drive(memory.store.commit(partition, [Put(table="preferences", row=row)]))
            except Unavailable as error:
                sure = "may or may not" not in str(error)
            found = drive(direct.store.get("preferences", ("default", "u")))
            stored = 0 if found is None else found.version  # type: ignore[union-attr]
            if done is not None:
                assert (stored, done.version) == (version + 1, version + 1)
            elif sure:
                assert stored == version
            else:
                doubtful += 1
                assert stored in (version, version + 1)
            version = stored
    memory.close()
    assert doubtful > 0
    assert version > 10
