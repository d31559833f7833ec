"""``doctor``."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from recollect import Recollect
from recollect.cli import checks
from recollect.stores.memory import MemoryStore
from tests.cli.harness import Cli
from tests.servers import ModelServer, model_server, unused_port

__all__ = ["model_server", "unused_port"]


def findings(cli: Cli, code: int = 0) -> dict[str, dict[str, Any]]:
    report = cli.json("doctor", code=code)
    assert report["ok"] is (code == 0)
    return {check["about"]: check for check in report["checks"]}


@pytest.mark.usefixtures("filled")
def test_all_is_well(cli: Cli) -> None:
    found = findings(cli)
    assert {"Python", "Recollect", "store", "reading", "writing", "disk", "SQLite", "file", "journal", "clock"} <= set(
        found
    )
    assert "4 messages in 3 sessions" in found["reading"]["text"]
    assert found["journal"]["text"].startswith("WAL")
    assert "FTS5" in found["SQLite"]["text"]
    lines = cli.lines("doctor")
    assert all(line[0] in "✓!✗ " for line in lines if line and "warning" not in line and "well" not in line)


def test_the_doctor_leaves_nothing_behind(cli: Cli, filled: str, tmp_path: Path) -> None:
    before = sorted(path.name for path in tmp_path.iterdir() if "-" not in path.name)
    cli("doctor")
    assert sorted(path.name for path in tmp_path.iterdir() if "-" not in path.name) == before
    with Recollect(filled) as memory:
        assert memory.stats().messages == 4
        assert memory.in_scope("recollect-doctor").stats().messages == 0


def test_a_database_that_is_not_there_yet_is_no_problem(cli: Cli, tmp_path: Path) -> None:
    assert "not there yet" in findings(cli)["store"]["text"]
    assert list(tmp_path.iterdir()) == []


def test_memory_does_not_last() -> None:
    assert findings(Cli("memory://"))["durability"]["status"] == "warning"


def test_what_a_store_warns_of_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    async def warnings(self: MemoryStore) -> list[str]:
        return ["the server may forget: tell it not to"]

    assert "set-up" not in findings(Cli("memory://"))
    monkeypatch.setattr(MemoryStore, "warnings", warnings)
    check = findings(Cli("memory://"))["set-up"]
    assert (check["status"], check["text"], check["todo"]) == ("warning", "the server may forget", "tell it not to")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgres", "not a store URL"),
        ("sqlite:///x.db?turbo=1", "unknown option"),
        ("sqlite:////no/such/folder/x.db", "/no/such/folder does not exist"),
    ],
)
def test_a_url_that_cannot_be(url: str, expected: str) -> None:
    check = findings(Cli(url), code=1)["store"]
    assert (check["status"], expected in check["text"]) == ("problem", True)
    assert check["todo"]


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_text("not a database, but long enough to have a header of a hundred bytes" * 20)
    assert "not an SQLite database" in findings(Cli("sqlite:///x.db"), code=1)["store"]["text"]


def test_a_newer_database(cli: Cli, filled: str, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "chat.db") as connection:
        connection.execute("UPDATE recollect_meta SET value = 999 WHERE name = 'schema'")
    connection.close()
    assert "newer Recollect" in findings(cli, code=1)["store"]["text"]
    assert "newer Recollect" in cli.error("sessions")
    assert "✗ store" in cli("doctor", code=1).stdout


def test_a_damaged_file(cli: Cli, url: str, tmp_path: Path) -> None:
    with Recollect(url) as memory:
        memory.session("s").append([{"role": "user", "content": "x" * 500} for _ in range(500)])
    path = tmp_path / "chat.db"
    data = bytearray(path.read_bytes())
    for page in range(8, len(data) // 4096):
        data[page * 4096 : page * 4096 + 200] = b"\xa5" * 200
    path.write_bytes(data)
    found = findings(cli, code=1)
    assert "problem" in {found[about]["status"] for about in found}


def test_a_clock_set_back(cli: Cli, filled: str) -> None:
    from datetime import UTC, datetime, timedelta

    with Recollect(filled, clock=lambda: datetime.now(UTC) + timedelta(hours=3)) as memory:
        memory.session("future").append({"role": "user", "content": "x"})
    check = findings(cli)["clock of writers"]
    assert check["status"] == "warning"
    assert "in the future" in check["text"]


def test_a_misspelt_variable(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECOLLECT_LLM_MODLE", "x")
    assert "is it RECOLLECT_LLM_MODEL?" in findings(cli)["environment"]["todo"]


def test_the_chat_model(cli: Cli, monkeypatch: pytest.MonkeyPatch, model_server: ModelServer, unused_port: int) -> None:
    assert "none set" in findings(cli)["chat model"]["text"]
    monkeypatch.setenv("RECOLLECT_LLM_BASE_URL", model_server.url)
    assert "RECOLLECT_LLM_MODEL is not" in findings(cli, code=1)["chat model"]["text"]
    monkeypatch.setenv("RECOLLECT_LLM_MODEL", "m")
    assert "is there" in findings(cli)["chat model"]["text"]
    monkeypatch.setenv("RECOLLECT_LLM_BASE_URL", f"http://127.0.0.1:{unused_port}/v1")
    assert "cannot be reached" in findings(cli, code=1)["chat model"]["text"]
    monkeypatch.setenv("RECOLLECT_LLM_BASE_URL", "file:///etc/passwd")
    assert "no http(s) URL" in findings(cli, code=1)["chat model"]["text"]


def test_a_missing_extra(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(checks.EXTRAS, "tiktoken", ("no_such_module",))
    monkeypatch.setitem(checks.EXTRAS, "cli", ("typer", "no_such_module"))
    found = findings(cli)
    assert 'pip install "recollect[tiktoken]"' in found["extra tiktoken"]["text"]
    assert found["extra cli"]["status"] == "warning"


def test_a_configuration_that_is_no_toml(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "recollect.toml").write_text("url = \n")
    assert "not TOML" in cli.error("doctor")
