"""``recollect digest``."""

from __future__ import annotations

import json
import signal

import pytest

from recollect import Message, Recollect
from tests.cli.harness import Cli, Program
from tests.servers import ModelServer

NOTHING = {"sessions": 0, "messages": 0, "statements": 0, "new": 0, "superseding": 0, "known": 0, "aside": 0}


@pytest.fixture
def told(url: str) -> str:
    """A store in which a user has said something."""
    with Recollect(url) as memory:
        memory.session("s", user="ann").append([Message("user", "I live in Seoul."), Message("user", "Good day!")])
    return url


def test_each_message_once(cli: Cli, told: str) -> None:
    assert cli.json("digest") == {**NOTHING, "sessions": 1, "messages": 2, "statements": 1, "new": 1}
    assert cli.json("digest") == NOTHING
    assert cli.lines("digest") == ["Nothing new was said."]
    with Recollect(told) as memory:
        assert [one.content for one in memory.user("ann").memories()] == ["Lives in Seoul."]
        memory.session("s").append(Message("user", "I live in Busan."))
    lines = cli.lines("digest", "--by", "rules")
    assert lines[0] == "Read 1 message of 1 session."
    assert ["superseding", "1"] in [line.split() for line in lines]


@pytest.mark.usefixtures("told")
def test_by_a_model(cli: Cli, model_server: ModelServer, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "RECOLLECT_LLM_MODEL" in cli.error("digest", "--by", "model", code=2)
    assert "rules or model" in cli.error("digest", "--by", "magic", code=2)
    monkeypatch.setenv("RECOLLECT_LLM_MODEL", "test-1")
    monkeypatch.setenv("RECOLLECT_LLM_BASE_URL", model_server.url)
    model_server.pieces = ["I found", " nothing."]
    assert cli.json("digest", "--by", "model")["aside"] == 2
    model_server.pieces = ['{"statements": [{"content": "Lives in Seoul.", "kind": "fact", "messages": ["m1"]}]}']
    assert cli.json("digest", "--by", "model") == NOTHING
    assert cli.json("digest", "--by", "model", "--again")["new"] == 1


def test_no_database(cli: Cli) -> None:
    assert cli.json("digest") == NOTHING


def test_follow(program: Program, told: str) -> None:
    """What is said meanwhile is digested soon, until Ctrl-C."""
    process = program.start("digest", "--follow", "--json", RECOLLECT_URL=told)
    assert process.stdout is not None
    try:
        assert json.loads(process.stdout.readline())["messages"] == 2
        with Recollect(told) as memory:
            memory.session("t", user="ann").append(Message("user", "I work at Naver."))
        assert json.loads(process.stdout.readline()) == {
            **NOTHING,
            "sessions": 1,
            "messages": 1,
            "statements": 1,
            "new": 1,
        }
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
    finally:
        process.kill()
        process.communicate()
