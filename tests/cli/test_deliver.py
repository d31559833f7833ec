"""``deliver``, and what ``doctor`` says of a buffer."""

from __future__ import annotations

from pathlib import Path

import pytest

from recollect import Recollect, connect
from tests.buffer.away import AwayStore, say, texts
from tests.cli.harness import Cli


@pytest.fixture
def left(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A buffer that a program has left: two messages wait, and one that is going to be refused."""
    monkeypatch.chdir(tmp_path)
    with Recollect(url) as memory:
        memory.session("s", user="ann").append(say("one"))
    store = AwayStore(connect(url))
    store.away = True
    with Recollect(store, on_unavailable="buffer") as memory:
        memory.session("s", user="ann").append([say("two"), say("three")])
        memory.session("s", user="bob").append(say("x\x1b[31m", id="bobs"))
    return tmp_path / "recollect-buffer.db"


def about_the_buffer(cli: Cli) -> list[tuple[str, str]]:
    return [(check["status"], check["text"]) for check in cli.json("doctor")["checks"] if check["about"] == "buffer"]


@pytest.mark.usefixtures("left")
def test_what_a_program_left(cli: Cli, url: str) -> None:
    ((status, text),) = about_the_buffer(cli)
    assert status == "warning"
    assert text.startswith("3 messages wait in recollect-buffer.db since 20")
    result = cli("deliver")
    assert [line.split() for line in result.stdout.splitlines()][:3] == [
        ["delivered", "2"],
        ["expired", "0"],
        ["refused", "1"],
    ]
    assert "refused: session s, bobs:" in result.stderr
    with Recollect(url) as memory:
        assert texts(memory) == ["one", "two", "three"]
    ((status, text),) = about_the_buffer(cli)
    assert (status, "refused 1 message" in text) == ("warning", True)
    assert cli.json("deliver", "--again")["refused"] == 1
    assert cli.json("deliver")["left"]["refusals"][0]["ids"] == ["bobs"]
    assert cli.json("deliver", "--drop")["dropped"] == 1
    assert cli.lines("deliver") == ["Nothing waited."]
    assert about_the_buffer(cli) == []


def test_for_another_store(left: Path, tmp_path: Path) -> None:
    other = Cli(f"sqlite:///{tmp_path}/other.db")
    assert "3 messages are for another store" in other("deliver").stderr
    assert about_the_buffer(other)[0][1] == "recollect-buffer.db holds 3 messages for another store than this one"


def test_wrong_usage(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.error("deliver") == "there is no buffer recollect-buffer.db"
    assert "one of them" in cli.error("deliver", "--again", "--drop", code=2)
    (tmp_path / "notes.txt").write_text("not a database " * 100)
    assert "no database" in cli.error("deliver", "--buffer", "notes.txt")
    monkeypatch.setenv("RECOLLECT_BUFFER_PATH", "notes.txt")
    report = cli.json("doctor", code=1)
    assert [check["status"] for check in report["checks"] if check["about"] == "buffer"] == ["problem"]


def test_a_buffer_that_is_used_and_empty(cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RECOLLECT_ON_UNAVAILABLE", "buffer")
    assert about_the_buffer(cli) == [("ok", "recollect-buffer.db: nothing waits")]
    assert not (tmp_path / "recollect-buffer.db").exists()
