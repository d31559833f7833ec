"""``store check`` and ``store create`` look at what is there: each object, and what the role may do with it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import psycopg
import pytest
from psycopg_pool import ConnectionPool

from recollect import ConfigError, Recollect, Unavailable
from recollect.store.driver import BlockingDriver, drive
from recollect.stores.postgres import PostgresStore, layout, settings
from recollect.stores.postgres import schema as migrations
from tests.services.postgres import drop_schema, own_server, postgres_url, schema

PGVECTOR = {
    ("column", "vectors.embedding"),
    ("index", "vectors_model"),
    ("function", "halfvec_of"),
    ("function", "index_vectors"),
    ("function", "nearest"),
}
"""What is there only with the extension."""


@pytest.fixture
def name() -> Iterator[str]:
    with schema() as found:
        yield found


def _execute(sql: str) -> None:
    with psycopg.connect(postgres_url(), autocommit=True) as connection:
        connection.execute(sql.encode())


def _url(name: str) -> str:
    return f"{postgres_url()}?schema={name}"


def _check(url: str) -> list[str]:
    with closing(Recollect(url)) as memory:
        return memory.check_tables()


def _create(url: str) -> list[str]:
    with closing(Recollect(url)) as memory:
        return memory.create_tables()


@pytest.mark.parametrize("name", ["recollect_new", "append", "a.b", "Ünï 한국", "it's", 'My "Chat".%s; --'])
def test_a_new_schema_has_what_is_needed_and_nothing_else(name: str) -> None:
    try:
        with psycopg.connect(postgres_url()) as connection:
            store = PostgresStore(connection=connection, schema=name)
            drive(store.open(BlockingDriver()))

            async def run(sql: str, values: Any) -> list[tuple[Any, ...]]:
                return psycopg.RawCursor(connection).execute(sql.encode(), values).fetchall()

            found = drive(layout.there(run, name))
            assert set(found) - set(layout.needed(name)) <= PGVECTOR, "layout.txt has every object"
            assert drive(layout.differences(run, name)) == []
            assert drive(layout.mend(run, name)) == []
            connection.rollback()
    finally:
        drop_schema(name)


def test_what_is_missing_is_said_and_made(name: str) -> None:
    with Recollect(_url(name)) as memory:
        memory.session("s").append({"role": "user", "content": "kept"})
    _execute(f"DROP TABLE {name}.vectors, {name}.swept")
    _execute(f"DROP INDEX {name}.messages_id, {name}.messages_terms")
    _execute(f"DROP FUNCTION {name}.note, {name}.forget_vectors CASCADE")
    missing = {
        "the table vectors is missing",
        "the table swept is missing",
        "the index messages_id is missing",
        "the index messages_terms is missing",
        "the function note is missing",
        "the function forget_vectors is missing",
        "the trigger messages_gone is missing",
    }
    assert set(_check(_url(name))) == {f"{text} (schema {name})" for text in missing}
    made = _create(_url(name))
    assert {text.removesuffix(f" in the schema {name}") for text in made} == {
        text.removesuffix(" is missing") for text in missing
    }
    assert _check(_url(name)) == _create(_url(name)) == []
    with Recollect(_url(name)) as memory:
        memory.session("s").append({"role": "user", "content": "more"})
        assert len(memory.search("kept")) == 1


def test_what_differs_is_said_and_left(name: str) -> None:
    assert _create(_url(name)) == [f"the schema {name}"]
    _execute(f"ALTER TABLE {name}.messages SET UNLOGGED")
    _execute(f"ALTER TABLE {name}.messages RENAME tokens TO token_count")
    _execute(f"ALTER TABLE {name}.messages ADD mine int NOT NULL, ADD optional int")
    _execute(f'ALTER TABLE {name}.messages ALTER id TYPE varchar(40) COLLATE "C"')
    _execute(f"DROP INDEX {name}.messages_system")
    _execute(f"CREATE INDEX messages_system ON {name}.messages (session_no)")
    _execute(f"CREATE INDEX an_index_of_mine ON {name}.messages (name)")
    _execute(
        f"CREATE OR REPLACE FUNCTION {name}.live_count(in_no bigint, in_now timestamptz) RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint'"
    )
    said = _check(_url(name))
    needed = layout.needed(name)
    assert set(said) == {
        f"{text} (schema {name})"
        for text in (
            "the table messages is not logged, and has to be logged",
            "the column messages.tokens is missing",
            "the column messages.mine is not Recollect's and has no default: no row can be written",
            'the column messages.id is character varying(40) COLLATE "C" NOT NULL, and has to be text COLLATE "C" NOT NULL',
            "the index messages_system is CREATE INDEX messages_system ON recollect.messages USING btree (session_no), and has"
            f" to be {needed['index', 'messages_system']}",
            "the function live_count is not Recollect's",
        )
    }
    with pytest.raises(ConfigError, match=r"messages\.tokens is missing"):
        _create(_url(name))
    assert _check(_url(name)) == said


def test_another_versions_schema_and_what_is_not_ours(name: str) -> None:
    assert "is not there" in _check(_url(name))[0]
    _create(_url(name))
    _execute(f"UPDATE {name}.meta SET value = 2 WHERE name = 'schema'")
    assert "is of version 2; this Recollect needs" in _check(_url(name))[0]
    _execute(f"DROP SCHEMA {name} CASCADE; CREATE SCHEMA {name}; CREATE TABLE {name}.meta (name text, value bigint)")
    for look in (_check, _create):
        try:
            (said,) = look(_url(name))
        except ConfigError as error:
            said = str(error)
        assert "has a table meta that is not Recollect's" in said
    _execute(f"DROP SCHEMA {name} CASCADE; CREATE SCHEMA {name}; CREATE TYPE {name}.sessions AS (a int)")
    assert "not Recollect's (sessions)" in _check(_url(name))[0]
    with pytest.raises(ConfigError, match="PostgreSQL's own"):
        _create(_url("pg_mine"))


@pytest.mark.parametrize("lent", [False, True])
def test_what_makes_tables_or_waits_for_who_does_has_no_limit(
    name: str, lent: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "GRACE", 0.2)

    def client() -> Recollect:
        if not lent:
            return Recollect(f"{_url(name)}&statement_timeout=0.5")
        return Recollect(PostgresStore(pool=pool, schema=name, statement_timeout=0.5))

    with psycopg.connect(postgres_url()) as other, ExitStack() as stack:
        pool = stack.enter_context(ConnectionPool(postgres_url(), min_size=1, max_size=1, open=True))
        for prepare in ("CREATE TEMPORARY TABLE mine (x int)", f"DROP INDEX {name}.messages_id"):
            other.execute(prepare.encode())
            other.commit()
            other.execute("SELECT pg_advisory_xact_lock(%s)", (migrations.LOCK,))
            if "DROP INDEX" in prepare:
                other.execute(f"LOCK TABLE {name}.messages".encode())
            timer = threading.Timer(2.0, other.rollback)
            timer.start()
            began = time.monotonic()
            with closing(client()) as memory:
                assert memory.create_tables() != []
            assert time.monotonic() - began > 1.5
            timer.join()
        with client() as memory:
            memory.session("s").append({"role": "user", "content": "x"})
            other.execute(f"LOCK TABLE {name}.messages".encode())
            with pytest.raises(Unavailable, match="statement_timeout"):
                memory.session("s").append({"role": "user", "content": "x"})
            other.rollback()


def test_rights_that_are_missing_are_named_with_the_grant_that_gives_them() -> None:
    server = own_server().start()
    try:
        with psycopg.connect(server.url, autocommit=True) as admin:
            admin.execute('CREATE ROLE app LOGIN; CREATE ROLE "odd role" LOGIN')
            app = server.url.replace("postgres@", "app@")
            grants: list[str] = []

            def refused(url: str) -> str:
                with pytest.raises(ConfigError, match="lacks a right") as caught:
                    _create(url)
                grants.append(str(caught.value).rpartition(": ")[2].removeprefix("let somebody who may "))
                return str(caught.value)

            assert "lacks a right, to make the schema mine in" in refused(
                f"{server.url.replace('postgres@', 'odd%20role@')}?schema=mine"
            )
            admin.execute(grants.pop().encode())
            assert _create(f"{server.url.replace('postgres@', 'odd%20role@')}?schema=mine") == ["the schema mine"]

            admin.execute("CREATE SCHEMA recollect")
            assert "lacks a right, to make tables in the schema recollect" in refused(app)
            assert _create(server.url) == ["the schema recollect"]
            assert "lacks a right, to read the schema recollect" in refused(app)
            admin.execute(
                "GRANT USAGE ON SCHEMA recollect TO app; GRANT SELECT ON ALL TABLES IN SCHEMA recollect TO app"
            )
            admin.execute("REVOKE EXECUTE ON FUNCTION recollect.note FROM public")
            said = _check(app)
            assert [text.partition(" (")[0] for text in said] == [
                "the role app may not INSERT, UPDATE, DELETE",
                "the role app may not EXECUTE",
            ]
            with Recollect(app) as memory:
                assert memory.session("s").tail() == [], "reading is allowed"
                with pytest.raises(ConfigError, match="recollect store check"):
                    memory.session("s").append({"role": "user", "content": "x"})
            for text in said:
                admin.execute(text.rpartition(": ")[2].removesuffix(" (schema recollect)").encode())
            assert _check(app) == []
            with Recollect(app) as memory:
                memory.session("s").append({"role": "user", "content": "x"})
                memory.sweep()
            admin.execute("UPDATE recollect.meta SET value = 7 WHERE name = 'schema'")
            assert "let its owner run recollect store create" in refused(app)
    finally:
        server.remove()
