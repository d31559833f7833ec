"""Many processes on one Redis, killed at random: nothing acknowledged is lost, and no list misses a session."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from recollect import Message, Recollect
from tests.services import redis as servers
from tests.stores.forking import check_forked

from . import writers


@pytest.fixture(params=["server", "cluster"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    base = servers.server_url() if request.param == "server" else servers.cluster_url()
    prefix = servers.prefix_of(tmp_path)
    yield f"{base}?prefix={prefix}"
    servers.remove(base, prefix)


def _check_log(rows: list[Message], acknowledged: dict[str, int], names: list[str]) -> None:
    assert [row.seq for row in rows] == list(range(1, len(rows) + 1)), "numbers are contiguous"
    stored = {row.id: row.seq for row in rows}
    assert len(stored) == len(rows), "nothing is doubled"
    for message_id, seq in acknowledged.items():
        assert stored.get(message_id) == seq, f"{message_id} was acknowledged as {seq}"
    for name in names:
        own = [int(row.id.rpartition("-")[2]) for row in rows if row.id.startswith(f"{name}-")]
        assert own == list(range(len(own))), f"the order of {name} is kept"


def test_processes_write_one_session_together(url: str) -> None:
    names = [f"w{i}" for i in range(8)]
    running = [writers.start(url, "shared", name, 50) for name in names]
    acknowledged: dict[str, int] = {}
    for process in running:
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        acknowledged |= {id: int(seq) for seq, id in (line.split() for line in out.splitlines())}
    assert len(acknowledged) == 8 * 50
    with Recollect(url) as memory:
        rows = memory.session("shared").tail(10_000)
        info = memory.session("shared").info()
    _check_log(rows, acknowledged, names)
    assert info is not None
    assert (info.message_count, info.last_seq) == (400, 400)


def test_nothing_is_missing_after_kill_9(url: str) -> None:
    dice = random.Random(7)
    acknowledged: dict[str, dict[str, int]] = {}
    names: dict[str, list[str]] = {}
    for turn in range(4):
        # A session of its own for each turn, so that writers are killed while they make one; and one for all of them.
        places = [f"new-{turn}-{n}" for n in range(2)] + ["shared"]
        running = []
        for session in places:
            name = f"r{turn}{session}"
            names.setdefault(session, []).append(name)
            running.append((session, writers.start(url, session, name, 100_000)))
        for _, process in running[turn % 3 :]:
            assert process.stdout is not None
            assert process.stdout.read(1), process.stderr.read() if process.stderr else ""
        time.sleep(dice.uniform(0.0, 0.05))
        for _, process in running:
            process.kill()
        for n, (session, process) in enumerate(running):
            assert process.stdout is not None
            first = "" if n < turn % 3 else "?"
            lines = (first + process.stdout.read()).split("\n")[:-1]
            known = acknowledged.setdefault(session, {})
            for line in lines:
                seq, id = line.split()
                if "?" not in seq:
                    known[id] = int(seq)
            process.wait(timeout=30)
            process.stdout.close()
            assert process.stderr is not None
            process.stderr.close()
    with Recollect(url) as memory:
        feed: dict[str, list[int]] = {}
        cursor: str | None = None
        while page := memory.changes(after=cursor, limit=1000).items:
            cursor = page[-1].cursor
            for change in page:
                feed.setdefault(change.partition, []).extend(range(change.first_seq, change.last_seq + 1))
        listed = {row.id for row in memory.sessions(1000)}
        owned = {row.id for row in memory.user("u").sessions(1000)}
        there = {session for session in names if memory.session(session).info() is not None}
        assert there == listed == owned == set(feed), "whoever has a header is on every list"
        assert "shared" in there
        for session in there:
            rows = memory.session(session).tail(1_000_000)
            _check_log(rows, acknowledged[session], names[session])
            assert feed[session] == [row.seq for row in rows], "the feed is complete and in order"
        assert sum(map(len, acknowledged.values())) > 4


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_makes_its_own_connections(url: str) -> None:
    check_forked(url, children=3, each=25)
