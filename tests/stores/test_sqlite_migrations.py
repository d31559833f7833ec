"""Files of an older schema: opened, they are of the newest, and nothing in them is lost."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from recollect import Recollect
from recollect.stores.sqlite import connections, schema

TEXTS = [
    "the piano in the hall",
    "it's C++, isn't it?",
    "pizza 🍕 tonight",
    "창가 자리 예약",
    "भारत की राजधानी",
    "É déjà vu",
]


def of_schema(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make and read files as the version with this schema did."""
    monkeypatch.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:number])
    for module in (schema, connections):
        monkeypatch.setattr(module, "NEWEST", number)


def test_the_index_of_words_is_made_anew_for_its_new_tokenizer(tmp_path: Path) -> None:
    """What was in it and what waited to be moved there are found, each once, and what was removed is not."""
    file = tmp_path / "old.db"
    with pytest.MonkeyPatch.context() as older:
        of_schema(4, older)
        with Recollect(f"sqlite:///{file}") as memory:
            many = [{"role": "user", "content": TEXTS[i % len(TEXTS)]} for i in range(96)]
            memory.session("moved").append(many)
            memory.session("moved").pop()
            memory.session("waiting").append({"role": "user", "content": "a piano and 🍕"})
            memory.session("empty").append({"role": "user", "content": ""})
    with Recollect(f"sqlite:///{file}") as memory:
        memory.session("empty").delete()  # what has no words is not in the index, and the check would miss it
        assert indexed(file) == 96
        for query, count in (("piano", 17), ("🍕", 17), ("c++", 16), ("예약", 16), ("राजधानी", 16), ("déjà", 15)):
            assert len(memory.search(query, limit=200)) == count, query
        memory.session("waiting").append([{"role": "user", "content": f"piano {i}"} for i in range(70)])
        assert len(memory.search("piano", limit=200)) == 87
        memory.session("moved").delete()
        assert len(memory.search("piano", limit=200)) == 71
    assert indexed(file) == 71


def indexed(file: Path) -> int:
    """How many rows the index holds; it holds what their terms say, and the file is of the newest schema."""
    with sqlite3.connect(file) as connection:
        connection.execute("INSERT INTO recollect_terms (recollect_terms, rank) VALUES ('integrity-check', 1)")
        (counted,) = connection.execute("SELECT value FROM recollect_meta WHERE name = 'indexed_rows'").fetchone()
        assert counted == connection.execute("SELECT count(*) FROM recollect_messages WHERE terms <> ''").fetchone()[0]
        assert connection.execute("SELECT value FROM recollect_meta WHERE name = 'schema'").fetchone() == (
            schema.NEWEST,
        )
    connection.close()
    return int(counted)


def test_every_printable_character_is_part_of_a_term(tmp_path: Path) -> None:
    """As the tokenizer splits at blanks alone, terms reach the vocabulary as the analyzer made them."""
    with Recollect(f"sqlite:///{tmp_path}/terms.db") as memory:
        memory.session("s").append([{"role": "user", "content": "x"}] * 64)
    with sqlite3.connect(tmp_path / "terms.db") as connection:
        terms = [f"a{chr(point)}b" for point in range(33, 127)] + ["ünïcode", "창가", "~f09f8d95"]
        connection.execute("INSERT INTO recollect_terms (rowid, terms) VALUES (1, ?)", (" ".join(terms),))
        (known,) = zip(*connection.execute("SELECT term FROM recollect_vocabulary"), strict=True)
        assert {term.lower() for term in terms} <= set(known)
    connection.close()
