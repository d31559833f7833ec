"""Many processes on one file: nobody is turned away, nothing acknowledged is lost, whatever is killed."""

from __future__ import annotations

import json
import os
import random
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from recollect import Message, Recollect, Unavailable
from tests.stores.forking import check_forked

from . import writers


def _check_log(rows: list[Message], acknowledged: dict[str, int], names: list[str]) -> None:
    assert [row.seq for row in rows] == list(range(1, len(rows) + 1)), "numbers are contiguous"
    stored = {row.id: row.seq for row in rows}
    assert len(stored) == len(rows), "nothing is doubled"
    for message_id, seq in acknowledged.items():
        assert stored.get(message_id) == seq, f"{message_id} was acknowledged as {seq}"
    for name in names:
        own = [int(row.id.rpartition("-")[2]) for row in rows if row.id.startswith(f"{name}-")]
        assert own == list(range(len(own))), f"the order of {name} is kept"


def _intact(path: Path) -> None:
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.execute("INSERT INTO recollect_terms (recollect_terms) VALUES ('integrity-check')")
    connection.close()


def test_thirty_two_processes_write_one_session_and_none_is_turned_away(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/many.db"
    names = [f"w{i}" for i in range(32)]
    running = [writers.start(url, "shared", name, 25) for name in names]
    acknowledged: dict[str, int] = {}
    for process in running:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        acknowledged |= {id: int(seq) for seq, id in (line.split() for line in out.splitlines())}
    assert len(acknowledged) == 32 * 25
    with Recollect(url) as memory:
        rows = memory.session("shared").tail(10_000)
        info = memory.session("shared").info()
    _check_log(rows, acknowledged, names)
    assert info is not None
    assert (info.message_count, info.last_seq) == (800, 800)
    _intact(tmp_path / "many.db")


def test_nothing_acknowledged_is_missing_after_kill_9_many_times_over(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/killed.db"
    dice = random.Random(7)
    acknowledged: dict[str, int] = {}
    names = []
    for round_number in range(12):
        running = {f"r{round_number}w{i}": i for i in range(3)}
        names += list(running)
        processes = [writers.start(url, "shared", name, 100_000) for name in running]
        for process in processes:
            assert process.stdout is not None
            first = process.stdout.readline()
            assert first, process.stderr.read() if process.stderr else ""
            seq, message_id = first.split()
            acknowledged[message_id] = int(seq)
        time.sleep(dice.uniform(0.0, 0.08))
        for process in processes:
            process.kill()
        for process in processes:
            # Not communicate(): it would pass by what readline() has read ahead.
            assert process.stdout is not None
            lines = process.stdout.read().split("\n")[:-1]
            acknowledged |= {id: int(seq) for seq, id in (line.split() for line in lines)}
            process.wait(timeout=30)
            process.stdout.close()
            assert process.stderr is not None
            process.stderr.close()
    with Recollect(url) as memory:
        session = memory.session("shared")
        rows = session.tail(1_000_000)
        info = session.info()
        feed: list[int] = []
        cursor: str | None = None
        while page := memory.changes(after=cursor, limit=1000).items:
            cursor = page[-1].cursor
            for change in page:
                feed += range(change.first_seq, change.last_seq + 1)
        hits = memory.search("says", limit=10_000)
    assert len(acknowledged) > 36
    _check_log(rows, acknowledged, names)
    assert info is not None
    assert info.message_count == info.last_seq == len(rows)
    assert feed == [row.seq for row in rows], "the feed is complete and in order"
    assert len(hits) == min(len(rows), 10_000), "every message is found by its words"
    _intact(tmp_path / "killed.db")


def test_threads_share_a_client_and_their_commits(tmp_path: Path) -> None:
    with Recollect(f"sqlite:///{tmp_path}/threads.db") as memory:
        acknowledged: dict[str, int] = {}

        def write(name: str) -> None:
            for number in range(50):
                (stored,) = memory.session("s").append({"role": "user", "content": "x", "id": f"{name}-{number}"})
                acknowledged[stored.id] = stored.seq

        names = [f"t{i}" for i in range(16)]
        threads = [threading.Thread(target=write, args=(name,)) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        _check_log(memory.session("s").tail(10_000), acknowledged, names)
        assert len(acknowledged) == 800


def test_a_failing_commit_does_not_take_those_down_that_share_its_transaction(tmp_path: Path) -> None:
    with Recollect(f"sqlite:///{tmp_path}/group.db") as memory:
        memory.session("owned", user="ann").append({"role": "user", "content": "mine"})
        lines = [
            {"session": "owned", "user": "bob", "role": "user", "content": "not yours"},
            {"session": "free", "user": "bob", "role": "user", "content": "fine"},
        ]
        report = memory.import_lines(lines, on_error="skip")
        assert (report.written, report.failed) == (1, 1)
        assert [row.content for row in memory.session("owned").tail()] == ["mine"]
        assert [row.content for row in memory.session("free").tail()] == ["fine"]


def test_a_process_that_holds_the_file_too_long_is_named_and_the_store_goes_on_after_it(tmp_path: Path) -> None:
    path = tmp_path / "busy.db"
    with Recollect(f"sqlite:///{path}?busy_timeout=0.2") as memory:
        memory.session("s").append({"role": "user", "content": "before"})
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable, match="busy_timeout") as caught:
            memory.session("s").append({"role": "user", "content": "during"})
        assert caught.value.retryable
        assert [row.content for row in memory.session("s").tail()] == ["before"], "readers are not held up"
        other.execute("ROLLBACK")
        other.close()
        memory.session("s").append({"role": "user", "content": "after"})
        assert [row.seq for row in memory.session("s").tail()] == [1, 2]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_opens_its_own_connections(tmp_path: Path) -> None:
    check_forked(f"sqlite:///{tmp_path}/forked.db", children=4, each=25)
    _intact(tmp_path / "forked.db")


def test_an_import_that_is_killed_is_completed_by_the_next(tmp_path: Path) -> None:
    """The command and the process that reads for it: what was written is whole, and nothing is written twice."""
    lines = tmp_path / "lines.jsonl"
    with lines.open("wb") as file:
        for i in range(24_000):
            file.write(b'{"session":"s-%d","role":"user","content":"%d"}\n' % (i * 7919 % 150, i))
    path = tmp_path / "chat.db"
    command = [sys.executable, "-m", "recollect.cli", "import", str(lines), "--url", f"sqlite:///{path}", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        while process.poll() is None and not _count(path):
            time.sleep(0.005)
    finally:
        process.kill()
        process.wait()
    written = _count(path)
    assert written > 0
    _intact(path)
    done = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    assert (done["lines"], done["written"], done["known"]) == (24_000, 24_000 - written, written)
    with Recollect(f"sqlite:///{path}") as memory:
        for n in range(150):
            numbers = [int(message.text) for message in memory.session(f"s-{n}").read(limit=1000)]
            assert len(numbers) == 160
            assert numbers == sorted(numbers)
    _intact(path)


def _count(path: Path) -> int:
    """Messages in the file; 0 where there is none yet."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            found: tuple[int] = connection.execute("SELECT count(*) FROM recollect_messages").fetchone()
    except sqlite3.OperationalError:
        return 0
    return found[0]
