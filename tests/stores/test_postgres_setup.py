"""What can be wrong with a server, a schema or rights before anything works: said in the user's words, nothing spoilt."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from recollect import ConfigError, Recollect, RecollectError, Unavailable
from recollect.stores.postgres import schema as migrations
from tests.services.postgres import Server, execute, own_server, postgres_url, url_of

HI = {"role": "user", "content": "hi"}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server of this module's own, that its tests stop and start."""
    made = own_server().start()
    yield made
    made.remove()


def test_nobody_listens(name: str) -> None:
    began = time.monotonic()
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:1/x is away") as caught:
        Recollect("postgresql://u:secret@127.0.0.1:1/x").open()
    assert caught.value.retryable
    assert "secret" not in str(caught.value)
    assert time.monotonic() - began < 5


def test_a_host_that_does_not_answer_is_given_up_after_connect_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        with pytest.raises(Unavailable, match="is away"):
            Recollect(f"postgresql://u@127.0.0.1:{silent.getsockname()[1]}/x?connect_timeout=2").open()
        assert 1 < time.monotonic() - began < 6


def test_a_host_without_a_name_and_a_database_that_is_not_there() -> None:
    with pytest.raises(RecollectError, match=r"nowhere\.invalid"):
        Recollect("postgresql://u@nowhere.invalid/x?connect_timeout=2").open()
    with pytest.raises(ConfigError, match="does not exist"):
        Recollect(postgres_url().rpartition("/")[0] + "/no_such_database").open()


def test_a_wrong_password(server: Server) -> None:
    execute("CREATE ROLE locked LOGIN PASSWORD 'right'", server.url)
    server.stop()
    server.ask_passwords("locked")
    server.start()
    at = f"127.0.0.1:{server.port}/postgres"
    with pytest.raises(ConfigError, match="password") as caught:
        Recollect(f"postgresql://locked:wrong-one@{at}").open()
    assert "wrong-one" not in str(caught.value)
    # The right one is let in, and may not make a schema.
    with pytest.raises(ConfigError, match="lacks a right"):
        Recollect(f"postgresql://locked:right@{at}").open()
    execute("CREATE SCHEMA theirs AUTHORIZATION locked", server.url)
    with Recollect(f"postgresql://locked:right@{at}?schema=theirs") as memory:
        memory.session("s").append(HI)
        assert memory.store.url == f"postgresql://locked@{at}?schema=theirs"


def test_options_are_checked_and_none_is_ignored() -> None:
    for option, said in (
        ("schem=x", "unknown option for postgresql://: schem"),
        ("pool_size=0", "pool_size is a number from 1 on"),
        ("pool_size=2.5", "pool_size is a whole number"),
        ("connect_timeout=soon", "connect_timeout is a number"),
        ("statement_timeout=-1", "statement_timeout is a number"),
        ("synchronous_commit=maybe", "synchronous_commit is on, off"),
        ("prepare=perhaps", "prepare is on or off"),
        ("options=-c x=y", "unknown option"),
        ("password=x", "unknown option"),
    ):
        with pytest.raises(ConfigError, match=said):
            Recollect(f"postgresql://h/x?{option}")


def test_the_url_shows_no_password() -> None:
    store = Recollect("postgres://ann:s%40cret@[::1]:5433,other/chat?sslmode=require&application_name=app").store
    assert store.url == "postgresql://ann@[::1]:5433,other/chat"
    assert store.kind == "postgresql"


def test_the_driver_is_missing() -> None:
    script = "import sys; sys.modules['psycopg'] = None\nfrom recollect import Recollect\nRecollect('postgresql://h/x')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert 'ConfigError: psycopg is not installed: pip install "recollect[postgres]"' in done.stderr


def test_import_recollect_does_not_load_the_driver() -> None:
    script = "import sys, recollect; recollect.Recollect('memory://').open(); sys.exit('psycopg' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], timeout=60, check=False).returncode == 0


def test_a_schema_of_a_newer_version_is_refused_and_left_alone(name: str) -> None:
    with Recollect(url_of(name)):
        pass
    execute(f"UPDATE {name}.meta SET value = 999 WHERE name = 'schema'")
    with pytest.raises(ConfigError, match="newer Recollect"):
        Recollect(url_of(name)).open()
    assert execute(f"SELECT value FROM {name}.meta WHERE name = 'schema'") == [(999,)]


def test_tables_of_somebody_else_are_left_alone(name: str) -> None:
    execute(f"CREATE SCHEMA {name}")
    execute(f"CREATE TABLE {name}.messages (x int)")
    with pytest.raises(ConfigError, match=rf"the schema {name} .* not Recollect's \(messages\)"):
        Recollect(url_of(name)).open()
    execute(f"ALTER TABLE {name}.messages RENAME TO theirs")
    with Recollect(url_of(name)) as memory:
        memory.session("s").append(HI)
    assert execute(f"SELECT count(*) FROM {name}.theirs") == [(0,)]


def test_a_table_meta_of_somebody_else(name: str) -> None:
    execute(f"CREATE SCHEMA {name}")
    execute(f"CREATE TABLE {name}.meta (key text)")
    with pytest.raises(ConfigError, match="meta that is not Recollect's"):
        Recollect(url_of(name)).open()


def test_servers_that_start_at_once_do_not_collide(name: str) -> None:
    script = f"from recollect import Recollect; Recollect({url_of(name)!r}).open()"
    running = [subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True) for _ in range(6)]
    for process in running:
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
    assert execute(f"SELECT count(*) FROM {name}.meta WHERE name = 'schema'") == [(1,)]


def test_tables_of_an_older_version_are_brought_up_to_date_with_what_is_in_them(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as older:
        older.setattr(migrations, "MIGRATIONS", migrations.MIGRATIONS[:5])
        older.setattr(migrations, "NEWEST", 5)
        with Recollect(url_of(name)) as memory:
            memory.session("s").append([HI, HI])
            cursor = memory.changes().items[-1].cursor
    with Recollect(url_of(name)) as memory:
        assert execute(f"SELECT value FROM {name}.meta WHERE name = 'schema'") == [(migrations.NEWEST,)]
        memory.session("s").append([HI, HI])
        memory.import_lines({"session": "s", "role": "user", "content": "x"} for _ in range(200))
        assert [row.seq for row in memory.session("s").tail(1000)] == list(range(1, 205))
        assert [change.last_seq for change in memory.changes(after=cursor)] == [4, 204]


def test_an_upgrade_that_was_broken_off_is_none(name: str) -> None:
    execute(f"CREATE SCHEMA {name}")
    # The last migration cannot be applied: a function of this name with another result is there already.
    execute(f"CREATE FUNCTION {name}.leave_many(timestamptz, json) RETURNS text LANGUAGE sql AS 'SELECT NULL::text'")
    with pytest.raises(RecollectError):
        Recollect(url_of(name)).open()
    assert execute(f"SELECT count(*) FROM pg_tables WHERE schemaname = '{name}'") == [(0,)]


def test_a_read_only_standby_is_read_and_says_so_when_it_is_written_to(server: Server) -> None:
    with Recollect(server.url) as memory:
        memory.session("standby").append({"role": "user", "content": "before"})
    standby = server.copy()
    standby.start()
    try:
        with Recollect(standby.url) as memory:
            assert [row.content for row in memory.session("standby").tail()] == ["before"]
            assert len(memory.search("before")) == 1
            with pytest.raises(Unavailable, match="read-only") as caught:
                memory.session("standby").append(HI)
            assert not caught.value.retryable
        with pytest.raises(ConfigError, match="standby without Recollect's tables"):
            Recollect(f"{standby.url}?schema=absent").open()
    finally:
        standby.remove()


def test_a_dump_that_was_loaded_into_another_server_begins_its_feed_anew(name: str) -> None:
    with Recollect(url_of(name)) as memory:
        memory.session("s").append(HI)
        cursor = memory.changes().items[-1].cursor
        # As if the tables had come from a server whose transactions were a billion further.
        execute(f"UPDATE {name}.changes SET tx = tx + 1000000000")
        execute(f"UPDATE {name}.sessions SET feed_tx = feed_tx + 1000000000")
        execute(f"UPDATE {name}.meta SET value = 1 WHERE name = 'cluster'")
    with Recollect(url_of(name)) as memory:
        memory.session("s").append(HI)
        assert [change.first_seq for change in memory.changes()] == [2]
        with pytest.raises(RecollectError, match="begin anew"):
            memory.changes(after=cursor)
        assert [row.seq for row in memory.session("s").tail()] == [1, 2]
