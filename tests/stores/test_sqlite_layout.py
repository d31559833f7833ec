"""The layout: what is declared is there, every path has an index, a stranger can read it."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from recollect import Recollect
from recollect.store import TABLES
from recollect.stores.sqlite import index, reads


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "layout.db"
    with Recollect(f"sqlite:///{path}") as memory:
        for user in range(5):
            for session in range(20):
                memory.session(f"{user}-{session}", user=f"u{user}").append(
                    [{"role": "user", "content": f"message {i}"} for i in range(10)]
                )
    return path


@pytest.mark.parametrize("name", sorted(TABLES))
def test_the_declared_columns_are_the_tables_columns(path: Path, name: str) -> None:
    connection = sqlite3.connect(path)
    found = {
        row[1]: (row[2], bool(row[3]) or bool(row[5]))
        for row in connection.execute(f"PRAGMA table_info(recollect_{name})")
    }
    connection.close()
    types = {"text": "TEXT", "integer": "INTEGER", "real": "REAL", "time": "TEXT", "json": "TEXT", "bytes": "BLOB"}
    assert "scope" in found
    for column in TABLES[name].columns:
        kind, required = found[column.name]
        assert kind == types[column.type], column.name
        assert required is not column.null, column.name


class _Explaining:
    """A connection that notes the plan of each statement."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.plans: list[str] = []

    def execute(self, sql: str, values: Any = ()) -> sqlite3.Cursor:
        plan = self.connection.execute(f"EXPLAIN QUERY PLAN {sql}", values).fetchall()
        self.plans += [row[3] for row in plan]
        return self.connection.execute(sql, values)


NOW = "2026-01-01T00:00:00.000000Z"


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(
    ("name", "hash"),
    [
        ("messages", ("default", "1-1")),
        ("system_messages", ("default", "1-1")),
        ("messages_by_id", ("default", "1-1", "x")),
        ("messages_by_user", ("default", "u1")),
        ("sessions", ("default",)),
        ("sessions_by_user", ("default", "u1")),
        ("preferences", ("default",)),
    ],
)
def test_every_path_reads_by_an_index(path: Path, name: str, hash: tuple[str, ...], reverse: bool) -> None:
    connection = sqlite3.connect(path)
    noting = _Explaining(connection)
    reads.query(noting, name, hash, None, None, None, None, 10, reverse, NOW)  # type: ignore[arg-type]
    scans = [plan for plan in noting.plans if plan.startswith("SCAN")]
    assert not scans, noting.plans
    if name in ("messages", "preferences"):
        assert not any("TEMP B-TREE" in plan for plan in noting.plans), noting.plans
    connection.close()


def test_durability_is_full_unless_asked_otherwise(tmp_path: Path) -> None:
    for option, expected in (("", 2), ("?synchronous=normal", 1)):
        with Recollect(f"sqlite:///{tmp_path}/d.db{option}") as memory:
            memory.session("s").append({"role": "user", "content": "x"})
            connections = memory.store._connections  # type: ignore[attr-defined]
            assert connections.writer.execute("PRAGMA synchronous").fetchone() == (expected,)
            assert connections.writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_what_was_just_said_is_found_before_and_after_it_is_moved_to_the_index(tmp_path: Path) -> None:
    with Recollect(f"sqlite:///{tmp_path}/i.db") as memory:
        session = memory.session("s")
        for number in range(600):
            session.append({"role": "user", "content": f"common word{number}"})
            if number % 37 == 0 or number > 590:
                assert [hit.item.seq for hit in memory.search(f"word{number}")] == [number + 1]
        assert len(memory.search("common", limit=10_000)) == 600
        for _ in range(300):
            session.pop()
        assert len(memory.search("common", limit=10_000)) == 300
        session.append({"role": "user", "content": "common again"})
        assert len(memory.search("common", limit=10_000)) == 301
        session.clear()
        assert memory.search("common") == []
    connection = sqlite3.connect(tmp_path / "i.db")
    connection.execute("INSERT INTO recollect_terms (recollect_terms, rank) VALUES ('integrity-check', 1)")
    assert connection.execute("SELECT value FROM recollect_meta WHERE name = 'indexed_rows'").fetchone() == (0,)
    connection.close()


def test_messages_that_come_one_by_one_are_moved_to_the_index_in_batches(tmp_path: Path) -> None:
    with Recollect(f"sqlite:///{tmp_path}/i.db") as memory, sqlite3.connect(tmp_path / "i.db") as connection:
        for number in range(1, 2 * index.BATCH + 10):
            memory.session(f"s-{number % 3}").append({"role": "user", "content": f"word{number}"})
            (moved,) = connection.execute("SELECT value FROM recollect_meta WHERE name = 'indexed_rows'").fetchone()
            assert moved == number - number % index.BATCH
    connection.close()


def test_a_repeated_id_between_new_ones_takes_no_number_and_no_place_in_the_feed(tmp_path: Path) -> None:
    with Recollect(f"sqlite:///{tmp_path}/r.db") as memory, Recollect(f"sqlite:///{tmp_path}/r.db") as other:
        session = memory.session("s")
        ids = ["a", "b", "a", "c", "c", "d", "b"]
        given = [session.append({"role": "user", "content": id, "id": id})[0].seq for id in ids]
        assert given == [1, 2, 1, 3, 3, 4, 2]
        twin = other.session("s").append({"role": "user", "content": "e", "id": "e"})
        assert twin[0].seq == 5
        again = session.append({"role": "user", "content": "e", "id": "e"})
        assert (again[0].seq, again.written) == (5, 0)
        assert session.append({"role": "user", "content": "f"})[0].seq == 6
        changes = memory.changes().items
        assert [change.first_seq for change in changes] == [1, 2, 3, 4, 5, 6]
        info = session.info()
        assert info is not None
        assert (info.message_count, info.last_seq) == (6, 6)


@pytest.mark.parametrize("second_process", [False, True])
def test_many_messages_in_the_order_of_time_are_known_to_be(tmp_path: Path, second_process: bool) -> None:
    """A user's messages are found by time in such a session by halving; one that goes back in time is read."""
    lines = [
        b'{"session":"%s","role":"user","content":"x","id":"%d","created_at":"2026-01-01T00:%02d:%02d.000000Z"}'
        % (session, i, *divmod(3000 - i if session == b"back" and i > 2990 else i, 60))
        for i in range(3000)
        for session in (b"ahead", b"back")
    ]
    with Recollect(f"sqlite:///{tmp_path}/o.db") as memory:
        assert memory.import_lines(lines, second_process=second_process).written == 6000
    with sqlite3.connect(tmp_path / "o.db") as connection:
        ordered = dict(connection.execute("SELECT session_id, time_ordered FROM recollect_sessions"))
    connection.close()
    assert ordered == {"ahead": 1, "back": 0}
