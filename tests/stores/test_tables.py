"""``recollect store create | check | template`` on every store, its server a real one."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from recollect import ConfigError, Recollect, connect


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """The command line."""
    return subprocess.run(
        [sys.executable, "-m", "recollect.cli", "store", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def url_of(kind: str, place: Path) -> str:
    """The URL of a database in which nothing is made yet."""
    if kind == "sqlite":
        return f"sqlite:///{place}/new.db"
    if kind == "postgres":
        from tests.services.postgres import postgres_url

        return f"{postgres_url()}?schema=t_{place.name.lower()[-20:]}".replace("-", "_")
    from tests.services import dynamodb

    options = dynamodb.options_of(place)
    return f"dynamodb://us-east-1/{options.prefix}?endpoint_url={options.endpoint_url}&create=false&ttl=false"


@pytest.fixture(params=["sqlite", "postgres", "dynamodb"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A URL for each store that has something to make; what was made is removed."""
    found = url_of(request.param, tmp_path)
    yield found
    if request.param == "postgres":
        import psycopg

        bare, _, schema = found.partition("?schema=")
        with psycopg.connect(bare, autocommit=True) as connection:
            connection.execute(f'DROP SCHEMA IF EXISTS "{schema}" CASCADE')
    elif request.param == "dynamodb":
        from tests.services import dynamodb

        dynamodb.remove_tables(tmp_path)


def test_check_create_check(url: str) -> None:
    """Nothing there: said, and nothing made by looking. Created: named. Again: nothing to do, and it works."""
    for _ in range(2):
        looked = run("check", "--url", url)
        assert looked.returncode == 1, looked.stderr
        assert "no " in looked.stdout or "not there" in looked.stdout
    made = run("create", "--url", url, "--json")
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["created"]
    again = run("create", "--url", url)
    assert (again.returncode, again.stdout[:17]) == (0, "Nothing to create")
    looked = run("check", "--url", url, "--json")
    assert (looked.returncode, json.loads(looked.stdout)["differences"]) == (0, [])
    with Recollect(url) as memory:
        assert memory.session("s").append({"role": "user", "content": "x"})[0].seq == 1


def test_a_client_that_is_open_is_not_asked(tmp_path: Path) -> None:
    with Recollect(f"sqlite:///{tmp_path}/a.db") as memory, pytest.raises(ConfigError, match="not open yet"):
        memory.create_tables()


def test_the_sql_of_sqlite(tmp_path: Path) -> None:
    """The script alone makes a file that works, byte for byte the tables that the store makes itself."""
    path = tmp_path / "by-script.db"
    printed = run("template", "--url", f"sqlite:///{path}")
    with sqlite3.connect(path) as connection:
        connection.executescript(printed.stdout)
    connection.close()
    assert run("check", "--url", f"sqlite:///{path}").returncode == 0
    with Recollect(f"sqlite:///{tmp_path}/by-store.db") as memory:
        memory.open()
    for name in ("by-script.db", "by-store.db"):
        with Recollect(f"sqlite:///{tmp_path}/{name}") as memory:
            memory.session("s").append({"role": "user", "content": "found"})
            assert len(memory.search("found")) == 1
    shapes = [_shape(tmp_path / name) for name in ("by-script.db", "by-store.db")]
    assert shapes[0] == shapes[1]


def _shape(path: Path) -> list[Any]:
    connection = sqlite3.connect(path)
    found = connection.execute("SELECT type, name, sql FROM sqlite_schema ORDER BY 1, 2").fetchall()
    connection.close()
    return found


def test_the_sql_of_postgresql(tmp_path: Path) -> None:
    """The script makes a schema that the store finds complete."""
    import psycopg

    url = url_of("postgres", tmp_path)
    bare, _, schema = url.partition("?schema=")
    printed = run("template", "--url", url)
    assert printed.returncode == 0, printed.stderr
    with psycopg.connect(bare, autocommit=True) as connection:
        connection.execute(printed.stdout.encode())
        try:
            assert run("check", "--url", url).returncode == 0
            with Recollect(url) as memory:
                memory.session("s").append({"role": "user", "content": "found"})
                assert len(memory.search("found")) == 1
        finally:
            connection.execute(f'DROP SCHEMA "{schema}" CASCADE')


def test_a_table_of_somebody_else(tmp_path: Path) -> None:
    """A table of the right name and another key is named with what is wrong; nothing is made beside it."""
    from tests.services import dynamodb

    url = url_of("dynamodb", tmp_path)
    prefix = dynamodb.prefix_of(tmp_path)
    client = dynamodb.raw_client()
    name = next(n for n in _names(url) if "conversations" in n)
    assert name.startswith(prefix)
    client.create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": "other", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "other", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    looked = run("check", "--url", url)
    assert looked.returncode == 1
    assert f"{name}: its key is other (HASH), not session_id (HASH) + timestamp (RANGE)" in looked.stdout
    client.delete_table(TableName=name)


def _names(url: str) -> list[str]:
    printed = run("template", "--form", "ddbsh", "--url", url)
    return [line.split('"')[1] for line in printed.stdout.splitlines() if line.startswith("CREATE TABLE IF NOT EXISTS")]


def test_templates_need_nothing() -> None:
    """They are printed with no database there; an unknown form, and a store that needs nothing, say so."""
    printed = run("template", "--url", "dynamodb://eu-central-1/app")
    assert printed.stdout.startswith("AWSTemplateFormatVersion")
    assert "app-conversations" in printed.stdout
    script = run("template", "--form", "ddbsh", "--url", "dynamodb://eu-central-1/app").stdout
    assert script.count("CREATE TABLE IF NOT EXISTS") == len(_names("dynamodb://eu-central-1/app")) > 3
    assert "DROP" not in script.upper()
    for words in (("--form", "cloudformation", "--url", "sqlite:///x.db"), ("--url", "redis://localhost")):
        refused = run("template", *words)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert "template" in refused.stderr


def test_a_store_that_needs_nothing_made() -> None:
    """Redis and memory: nothing to create; a server that is away is said as it is."""
    assert run("create", "--url", "memory://").stdout.startswith("Nothing to create")
    assert connect("redis://localhost").templates == ()
    away = run("check", "--url", "redis://127.0.0.1:1")
    assert away.returncode == 1
    assert "127.0.0.1:1" in away.stderr
