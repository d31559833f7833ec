"""The layout: what is declared is there, every path has an index, a stranger can read it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from recollect import ConfigError, CorruptRecord, Recollect
from recollect.store import TABLES
from recollect.stores._columns import Extent
from recollect.stores.postgres.commits import Statements
from recollect.stores.postgres.pages import Pages
from recollect.stores.postgres.reads import MAX_SEQ, Reads
from recollect.stores.postgres.settings import PLANNER
from tests.services.postgres import postgres_url, schema, url_of

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def _ask(sql: str, *values: Any) -> list[tuple[Any, ...]]:
    with psycopg.connect(postgres_url(), autocommit=True, options=" ".join(PLANNER)) as connection:
        cursor = psycopg.RawCursor(connection)
        cursor.execute(sql, values or None)
        return cursor.fetchall() if cursor.description else []


@pytest.fixture
def filled(name: str) -> str:
    with Recollect(url_of(name)) as memory:
        for user in range(3):
            for number in range(10):
                memory.session(f"{user}-{number}", user=f"u{user}").append(
                    [{"role": "user", "content": f"message {i}"} for i in range(5)]
                )
    return name


@pytest.mark.parametrize("table", sorted(TABLES))
def test_the_declared_columns_are_the_tables_columns(filled: str, table: str) -> None:
    found = {
        column: (kind, required == "NO")
        for column, kind, required in _ask(
            "SELECT column_name, data_type, is_nullable FROM information_schema.columns"
            " WHERE table_schema = $1 AND table_name = $2",
            filled,
            table,
        )
    }
    types = {
        "text": {"text"},
        "integer": {"bigint"},
        "real": {"double precision"},
        "time": {"timestamp with time zone"},
        "json": {"jsonb", "json"},
        "bytes": {"bytea"},
    }
    assert found["scope"] == ("text", True)
    for column in TABLES[table].columns:
        kind, required = found[column.name]
        assert kind in types[column.type], column.name
        assert required is not column.null, column.name
    if "metadata" in found:
        assert found["metadata"][0] == "jsonb"


@pytest.mark.parametrize("analyzed", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(
    ("path", "hash", "index"),
    [
        ("messages", ("default", "1-1"), "messages_pkey"),
        ("system_messages", ("default", "1-1"), "messages_"),
        ("messages_by_id", ("default", "1-1", "x"), "messages_id"),
        ("vectors", ("default", "1-1"), "vectors_pkey"),
        ("messages_by_user", ("default", "u1"), "messages_user"),
        ("sessions", ("default",), "sessions_activity"),
        ("sessions_by_user", ("default", "u1"), "sessions_user"),
        ("preferences", ("default",), "preferences_pkey"),
    ],
)
def test_every_path_reads_by_its_index(
    filled: str, path: str, hash: tuple[str, ...], index: str, reverse: bool, analyzed: bool
) -> None:
    if analyzed:
        _ask(f"ANALYZE {filled}.sessions")
        _ask(f"ANALYZE {filled}.messages")
    sql, values, _ = Reads(filled).query(path, hash, None, None, None, None, 10, reverse, NOW)
    plan = "\n".join(row[0] for row in _ask(f"EXPLAIN {sql}", *values))
    assert "Seq Scan" not in plan, plan
    assert index in plan, plan
    if path in ("messages", "vectors", "preferences"):
        assert "Sort" not in plan, plan


@pytest.mark.parametrize("analyzed", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("after", [None, (5,)])
def test_a_page_as_json_reads_no_more(filled: str, after: tuple[int] | None, reverse: bool, analyzed: bool) -> None:
    if analyzed:
        _ask(f"ANALYZE {filled}.sessions")
        _ask(f"ANALYZE {filled}.messages")
    asked = Pages(filled).ask(("default", "1-1"), Extent.of(after, None, 10, reverse, MAX_SEQ), NOW)
    assert asked is not None
    plan = "\n".join(row[0] for row in _ask(f"EXPLAIN {asked[0]}", *asked[1]))
    assert "Seq Scan" not in plan, plan
    assert "Sort" not in plan, plan
    assert "Index Scan using messages_pkey" in plan, plan


@pytest.mark.parametrize(
    ("column", "value", "decodes"),
    [
        ("created_at", "'infinity'", False),
        ("created_at", "'0044-03-15 12:00:00+00 BC'", False),
        ("created_at", "'2026-11-01 00:00:00+00'", True),
        ("content", "E'\\x01x'", False),
        ("content", "NULL", True),
        ("role", "'wizard\"'", True),
        ("metadata", '\'{"b": 1, "a": {"c": 1.50}}\'', True),
    ],
)
def test_rows_written_by_hand(name: str, column: str, value: str, decodes: bool) -> None:
    """As messages or as JSON text, what does not decode is named, and what does is the same."""
    with Recollect(url_of(name)) as memory:
        session = memory.session("s")
        session.append([{"role": "user", "content": f"message {i}"} for i in range(12)])
        _ask(f"UPDATE {name}.messages SET {column} = {value} WHERE seq = 5")
        for read in (session.read, session.read_json):
            if not decodes:
                with pytest.raises(CorruptRecord):
                    read()
        if decodes:
            rows = b",".join(row.to_json() for row in session.read())
            assert session.read_json() == b'{"items":[%b],"cursor":null}' % rows


@pytest.mark.parametrize("rows", [1, 60, 150, 250, 400, 2000])
def test_an_append_reads_one_row_of_each_index_also_while_the_tables_are_new(name: str, rows: int) -> None:
    with Recollect(url_of(name)) as memory:
        memory.session("s", user="u").append([{"role": "user", "content": "x"}] * rows)
        values = (
            "default",
            "s",
            "u",
            NOW,
            "id",
            "user",
            "x",
            None,
            None,
            "{}",
            None,
            None,
            None,
            "{}",
            NOW,
            None,
            "1",
            "x",
        )
        plan = "\n".join(row[0] for row in _ask(f"EXPLAIN {Statements(name).append_one}", *values))
    assert "Index Scan using sessions_key" in plan, plan
    assert "Index Scan using messages_id" in plan, plan


def test_a_stranger_can_read_it(name: str) -> None:
    with Recollect(url_of(name)) as memory:
        session = memory.session("trip", user="ann")
        session.append(
            [
                {"role": "system", "content": "You are a travel agent."},
                {"role": "user", "content": "부산행 창가 자리로 예약해 주세요."},
                {"role": "assistant", "content": "Seat 12A.", "metadata": {"model": "llama3.2"}},
            ]
        )
        session.append({"role": "user", "content": "One-time code 4711"}, ttl=300)
        session.save_summary("A trip to Busan, seat 12A.", covers_seq=3)
        memory.user("ann").preferences.set("seat", "window")
    assert _ask(f"SELECT session_id, user_id, message_count, last_seq FROM {name}.sessions") == [("trip", "ann", 4, 4)]
    assert _ask(f"SELECT seq, role, content, metadata->>'model' FROM {name}.messages ORDER BY session_no, seq") == [
        (1, "system", "You are a travel agent.", None),
        (2, "user", "부산행 창가 자리로 예약해 주세요.", None),
        (3, "assistant", "Seat 12A.", "llama3.2"),
        (4, "user", "One-time code 4711", None),
    ]
    assert _ask(f"SELECT user_id, preferences->>'seat', version FROM {name}.preferences") == [("ann", "window", 1)]
    assert _ask(f"SELECT text, covers_seq FROM {name}.summaries") == [("A trip to Busan, seat 12A.", 3)]
    assert _ask(f"SELECT kind, table_name, first_seq, last_seq FROM {name}.changes ORDER BY tx, id") == [
        ("append", "messages", 1, 3),
        ("append", "messages", 4, 4),
        ("put", "summaries", 0, 0),
        ("put", "preferences", 0, 0),
    ]
    ((expires, created),) = _ask(f"SELECT expires_at, created_at FROM {name}.messages WHERE seq = 4")
    assert (expires - created).total_seconds() == 300
    assert _ask(f"SELECT terms FROM {name}.messages WHERE seq = 3") == [("seat 12a",)]


def test_what_postgresql_cannot_hold_is_escaped_and_the_rest_is_as_it_is(name: str) -> None:
    texts = ["plain", "a\0b", "\1", "\0\1\2\0\0", "\1\1", "\2", "", "한국어"]
    with Recollect(url_of(name)) as memory:
        memory.session("s").append([{"role": "user", "content": text, "id": f"i{text}"} for text in texts])
        assert [row.content for row in memory.session("s").tail()] == texts
        assert [row.id for row in memory.session("s").tail()] == [f"i{text}" for text in texts]
    stored = [text for (text,) in _ask(f"SELECT content FROM {name}.messages ORDER BY seq")]
    assert stored == [
        "plain", "a\1\1b", "\1\2", "\1\1\1\2\2\1\1\1\1", "\1\2\1\2", "\2", "", "한국어",
    ]  # fmt: skip
    ids = [id for (id,) in _ask(f"SELECT id FROM {name}.messages ORDER BY id")]
    by_code_point = sorted(f"i{text}" for text in texts)
    assert [by_code_point.index(f"i{texts[stored.index(id[1:])]}") for id in ids] == list(range(len(texts)))


def test_the_exact_text_of_metadata_is_kept_where_jsonb_would_change_it(name: str) -> None:
    kept: list[dict[str, Any]] = [{}, {"a": 1, "b": [1.5, None, True]}, {"b": 1, "aa": {"c": "x"}}, {"n": 2**63 - 1}]
    changed: list[dict[str, Any]] = [
        {"model": "x", "lang": "en"}, {"a": 1e300}, {"a": -0.0}, {"a": "\0"}, {"\0": 1}, {"a": {"y": 1, "x": 2}}, {"é": 1, "ab": 2, "z": 3},
    ]  # fmt: skip
    with Recollect(url_of(name)) as memory:
        memory.session("s").append([{"role": "user", "content": "x", "metadata": data} for data in kept + changed])
        assert [repr(row.metadata) for row in memory.session("s").tail()] == [repr(data) for data in kept + changed]
    rows = _ask(f"SELECT seq, metadata_exact IS NULL, metadata FROM {name}.messages ORDER BY seq")
    assert [exact for _, exact, _ in rows] == [True] * len(kept) + [False] * len(changed)
    assert [data for _, _, data in rows][: len(kept) + 2] == [*kept, changed[0], {"a": 10**300}]


def test_a_record_that_does_not_decode_is_named(name: str) -> None:
    with Recollect(url_of(name)) as memory:
        memory.session("s").append({"role": "user", "content": "x"})
        _ask(f"UPDATE {name}.messages SET content = chr(1) || 'written by hand'")
        with pytest.raises(CorruptRecord, match="message 1 of session 's'"):
            memory.session("s").tail()
        memory.session("other").append({"role": "user", "content": "x"})


def test_any_name_is_a_schema_and_two_are_apart() -> None:
    with schema('My "Chat".%s; --') as odd, schema() as other:
        with (
            Recollect(f"{postgres_url()}?schema=My+%22Chat%22.%25s%3B+--") as memory,
            Recollect(url_of(other)) as second,
        ):
            memory.session("s").append({"role": "user", "content": "here"})
            memory.session("s").append({"role": "user", "content": "again"})
            assert second.session("s").tail() == []
            assert len(memory.search("again")) == 1
            assert memory.sweep().messages == 0
        quoted = '"' + odd.replace('"', '""') + '"'
        assert _ask(f"SELECT count(*) FROM {quoted}.messages") == [(2,)]


@pytest.mark.parametrize("bad", ["", "a$b", "x" * 64])
def test_what_is_no_name_of_a_schema_is_refused(bad: str) -> None:
    with pytest.raises(ConfigError, match="schema"):
        Recollect(f"postgresql://localhost/x?schema={bad}")


def test_a_search_counts_by_the_index_and_finds_what_is_common(name: str) -> None:
    with Recollect(url_of(name)) as memory:
        memory.import_lines(
            {"session": f"s{n % 50}", "role": "user", "content": f"common word{n} {'half' if n % 2 else 'other'}"}
            for n in range(7000)
        )
        assert [hit.item.content for hit in memory.search("word4321")] == ["common word4321 half"]
        best = memory.search("common word17", limit=5)
        assert best[0].item.content == "common word17 half"
        assert len(memory.search("common", limit=6500)) == 6500
        _ask(f"ANALYZE {name}.messages")
        assert memory.search("common half word18", limit=3)[0].item.content == "common word18 other"


def test_a_term_longer_than_an_index_entry_is_found(name: str) -> None:
    from recollect.connect import connect
    from recollect.model import Message
    from recollect.store import Append, BlockingDriver, Partition, SessionDefaults
    from recollect.store.driver import drive

    store = connect(url_of(name))
    drive(store.open(BlockingDriver()))
    long = ["가" * 3000, "가" * 3000 + "나", "x" * 501]
    rows = [Message("user", str(n), id=str(n), created_at=NOW) for n in range(len(long))]
    op = Append(rows=rows, terms=[f"{term} short" for term in long], session=SessionDefaults())
    drive(store.commit(Partition("default", "session", "s"), [op]))
    for n, term in enumerate(long):
        assert [hit.row.id for hit in drive(store.search("default", terms=[term], limit=9))] == [str(n)]
    assert len(drive(store.search("default", terms=["short"], limit=9))) == 3
    drive(store.close())
