"""A writer killed between a row and its index: there is nothing in between, whatever it was doing."""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from recollect import Recollect
from recollect.recall.analyzer import stem
from tests.services.redis import RedisServer
from tests.stores import indexing
from tests.torture.run import Target
from tests.torture.targets import TARGETS

ROUNDS = 5


@contextmanager
def redisearch() -> Iterator[Target]:
    """Redis with the module."""
    with RedisServer(stack=True) as server:
        yield Target(server.url)


@pytest.mark.parametrize("name", [*TARGETS, "redisearch"])
def test_every_row_is_found_and_no_hit_is_without_its_row(name: str) -> None:
    """After kills at random: each stored row by its own word, nothing by the word of a row that is not there."""
    dice = random.Random(11)
    tried: list[str] = []
    with ({**TARGETS, "redisearch": redisearch}[name])() as target:
        for round_number in range(ROUNDS):
            writers = [
                indexing.start("write", target.url, f"r{round_number}w{n}", str(dice.random())[2:8]) for n in range(2)
            ]
            said = [(writer.stdout.readline() if writer.stdout else "").strip() for writer in writers]
            assert all(said), "a writer did not begin"
            time.sleep(dice.uniform(0.02, 0.2))
            for writer in writers:
                writer.kill()
            for writer, first in zip(writers, said, strict=True):
                assert writer.stdout is not None
                tried += [first, *writer.stdout.read().split()]
                writer.communicate()
        checker = indexing.start("check", target.url)
        wrong, _ = checker.communicate("\n".join(tried), timeout=240)
        assert checker.returncode == 0
        assert wrong.split("\n") == ["", ""]
        assert len(tried) > 10 * ROUNDS
        if name == "sqlite":
            check_tables(target.url.removeprefix("sqlite:///"))


def check_tables(path: str) -> None:
    """Each row's terms are either in the index or waiting to be moved there, never both, and nothing else is."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO recollect_terms (recollect_terms) VALUES ('integrity-check')")
        (moved,) = connection.execute("SELECT value FROM recollect_meta WHERE name = 'indexed_change'").fetchone()
        rows = {row for (row,) in connection.execute("SELECT position FROM recollect_messages WHERE terms <> ''")}
        waiting = {
            row
            for (row,) in connection.execute(
                "SELECT m.position FROM recollect_changes AS c JOIN recollect_messages AS m"
                " ON m.position BETWEEN (c.session_no << 32) + c.first_seq AND (c.session_no << 32) + c.last_seq"
                " WHERE c.id > ? AND c.kind = 'append' AND m.terms <> ''",
                (moved,),
            )
        }
        term = f'"{stem(indexing.COMMON)}"'
        indexed = [
            row
            for (row,) in connection.execute("SELECT rowid FROM recollect_terms WHERE recollect_terms MATCH ?", (term,))
        ]
        (counted,) = connection.execute("SELECT value FROM recollect_meta WHERE name = 'indexed_rows'").fetchone()
    assert len(indexed) == len(set(indexed)) == int(counted) > 0
    assert waiting.isdisjoint(indexed)
    assert waiting | set(indexed) == rows


def test_the_check_sees_what_is_wrong(tmp_path: Path) -> None:
    """A check that finds nothing has to be one that could: terms that are lost, and a row that is."""
    url, words = f"sqlite:///{tmp_path}/a.db", ["an1", "an2", "an3"]
    with Recollect(url) as memory:
        memory.session("s", "u").append([indexing.message(word) for word in words])
    assert indexing.check(url, words) == []
    with closing(sqlite3.connect(tmp_path / "a.db")) as connection, connection:
        connection.execute("UPDATE recollect_messages SET terms = '' WHERE seq = 2")
    assert len(indexing.check(url, words)) == 2
    with Recollect(url) as memory:
        memory.session("s").delete()
    assert indexing.check(url, words) == []
