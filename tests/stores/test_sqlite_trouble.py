"""What can be wrong with a file, a disk or a schema: said in the user's words, nothing lost."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from recollect import ConfigError, CorruptRecord, Message, Recollect, Unavailable
from recollect.connect import connect
from recollect.store import Append, BlockingDriver, Commit, Partition
from recollect.store.driver import drive
from tests.cli.harness import Cli

HI = {"role": "user", "content": "hi"}


def _fill(path: Path) -> None:
    with Recollect(f"sqlite:///{path}") as memory:
        memory.session("s", user="u").append(HI)


def test_a_file_that_is_not_a_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("these are notes, not a database\n" * 200)
    before = path.read_bytes()
    with pytest.raises(ConfigError, match=r"notes\.txt is not an SQLite database"):
        Recollect(f"sqlite:///{path}").open()
    assert path.read_bytes() == before


def test_a_database_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    _fill(path)
    other = sqlite3.connect(path)
    other.execute("UPDATE recollect_meta SET value = 999 WHERE name = 'schema'")
    other.commit()
    other.close()
    with pytest.raises(ConfigError, match="newer Recollect"):
        Recollect(f"sqlite:///{path}").open()


def test_a_database_with_other_tables_is_shared_with_them(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    other = sqlite3.connect(path)
    other.executescript("CREATE TABLE messages (x); INSERT INTO messages VALUES (1); PRAGMA user_version = 7;")
    other.close()
    _fill(path)
    other = sqlite3.connect(path)
    assert other.execute("SELECT x FROM messages").fetchall() == [(1,)]
    assert other.execute("PRAGMA user_version").fetchone() == (7,)
    assert other.execute("SELECT session_id, seq, role, content FROM recollect_messages").fetchall() == [
        ("s", 1, "user", "hi")
    ]
    other.close()


def test_a_missing_folder_a_folder_and_a_missing_file_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"folder .*nowhere does not exist"):
        Recollect(f"sqlite:///{tmp_path}/nowhere/x.db").open()
    with pytest.raises(ConfigError, match="is a folder"):
        Recollect(f"sqlite:///{tmp_path}").open()
    with pytest.raises(ConfigError, match="there is no file"):
        Recollect(f"sqlite:///{tmp_path}/x.db?mode=rw").open()


def test_read_only_mode_reads_and_refuses_to_write(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    _fill(path)
    with Recollect(f"sqlite:///{path}?mode=ro") as memory:
        assert [row.content for row in memory.session("s").tail()] == ["hi"]
        assert memory.search("hi")[0].item.seq == 1
        with pytest.raises(Unavailable, match="read-only") as caught:
            memory.session("s").append(HI)
        assert not caught.value.retryable


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of three megabytes."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"needs root, to mount a small disk: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_is_said_and_nothing_acknowledged_is_lost(small_disk: Path) -> None:
    with Recollect(f"sqlite:///{small_disk}/full.db") as memory:
        session = memory.session("s")
        acknowledged = 0

        def fill() -> None:
            nonlocal acknowledged
            for _ in range(10_000):
                session.append({"role": "user", "content": "x" * 10_000})
                acknowledged += 1

        with pytest.raises(Unavailable, match="is full") as caught:
            fill()
        assert not caught.value.retryable
        assert acknowledged > 10
        assert [row.seq for row in session.tail(100_000)] == list(range(1, acknowledged + 1))
    with Recollect(f"sqlite:///{small_disk}/full.db") as memory:
        assert len(memory.session("s").tail(100_000)) == acknowledged


def test_an_import_onto_a_full_disk_says_what_is_kept_and_how_to_go_on(small_disk: Path, tmp_path: Path) -> None:
    lines = tmp_path / "lines.jsonl"
    long = "x" * 900
    made = (f'{{"session": "s", "role": "user", "content": "{n} {long}"}}' for n in range(5000))
    lines.write_text("\n".join(made))
    said = Cli(f"sqlite:///{small_disk}/full.db")("import", str(lines), code=1).stderr
    assert "is full; this was not written" in said
    assert "What was written before is kept. Import again" in said


def test_read_only_media_is_read_and_writing_to_it_is_refused_in_clear_words(small_disk: Path) -> None:
    path = small_disk / "media.db"
    _fill(path)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with Recollect(f"sqlite:///{path}?mode=ro") as memory:
        assert [row.content for row in memory.session("s").tail()] == ["hi"]
    with pytest.raises(Unavailable, match="read-only"):
        Recollect(f"sqlite:///{path}").session("s").append(HI)


def test_a_damaged_page_is_said_to_be_damage(tmp_path: Path) -> None:
    path = tmp_path / "torn.db"
    with Recollect(f"sqlite:///{path}") as memory:
        memory.import_lines({"session": "s", "role": "user", "content": "word " * 50} for _ in range(2000))
    with path.open("r+b") as file:
        file.seek(4096 * 40)
        file.write(os.urandom(4096 * 60))

    def use() -> None:
        with Recollect(f"sqlite:///{path}") as memory:
            memory.session("s").tail(2000)
            memory.stats(detail=True)
            memory.session("s").delete()

    with pytest.raises(CorruptRecord):
        use()


def test_a_record_that_does_not_decode_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bad.db"
    _fill(path)
    other = sqlite3.connect(path)
    other.execute("UPDATE recollect_messages SET metadata = '{not json'")
    other.commit()
    other.close()
    with Recollect(f"sqlite:///{path}") as memory:
        with pytest.raises(CorruptRecord, match="message 1 of session 's'"):
            memory.session("s").tail()
        memory.session("other").append(HI)


def test_a_store_that_is_closed_says_so(tmp_path: Path) -> None:
    memory = Recollect(f"sqlite:///{tmp_path}/closed.db")
    memory.session("s").append(HI)
    memory.close()
    memory.close()
    with pytest.raises(ConfigError, match="closed"):
        memory.session("s").tail()


def test_many_processes_make_the_file_at_once(tmp_path: Path) -> None:
    script = f"from recollect import Recollect; Recollect('sqlite:///{tmp_path}/new.db').open()"
    running = [subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True) for _ in range(8)]
    for process in running:
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err


def test_a_copy_of_the_files_of_a_killed_process_opens_whole(tmp_path: Path) -> None:
    memory = Recollect(f"sqlite:///{tmp_path}/live.db")
    for number in range(20):
        memory.session("s").append({"role": "user", "content": str(number)})
    (tmp_path / "copy").mkdir()
    for name in ("live.db", "live.db-wal"):
        shutil.copy(tmp_path / name, tmp_path / "copy" / name)
    memory.close()
    with Recollect(f"sqlite:///{tmp_path}/copy/live.db") as copied:
        assert [row.content for row in copied.session("s").tail(100)] == [str(number) for number in range(20)]


def test_one_of_many_that_cannot_be_written_leaves_the_others(tmp_path: Path) -> None:
    """Many commits are written table by table; what one of them cannot do is said, and the others are there."""
    store, driver = connect(f"sqlite:///{tmp_path}/m.db"), BlockingDriver()
    drive(store.open(driver))

    def commit(number: int) -> Commit:
        text = "half \ud83c of a pair" if number == 7 else "whole"
        row = Message("user", text, id="m", created_at=driver.now(), tokens=1)
        return Commit(Partition("t", "session", f"s-{number:02}"), [Append(rows=[row], terms=["word"])])

    with pytest.raises(UnicodeEncodeError):
        drive(store.commit_many(list(map(commit, range(40)))))
    written = [number for number in range(40) if drive(store.query("messages", ("t", f"s-{number:02}"), limit=9))]
    drive(store.close())
    assert written == [number for number in range(40) if number != 7]
