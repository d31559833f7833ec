"""``chat``, in pipes and for machines."""

from __future__ import annotations

import pytest

from recollect import Recollect
from recollect.cli.conversation import new_session_id
from tests.cli.harness import Cli
from tests.servers import ModelServer, model_server, unused_port

__all__ = ["model_server", "unused_port"]


@pytest.fixture(autouse=True)
def who(monkeypatch: pytest.MonkeyPatch) -> None:
    """The person at the keyboard."""
    monkeypatch.setenv("LOGNAME", "ann")


def contents(cli: Cli, session: str) -> list[str]:
    return [message["content"] for message in cli.jsonl("show", session)]


def test_a_line_is_a_message_and_an_answer_a_line_of_json(cli: Cli) -> None:
    first, second = cli.jsonl("chat", input="I like window seats.\n\nWhich seats do I like?\n")
    assert first["session_id"] == second["session_id"]
    assert "window seats" in second["reply"]
    assert second["sources"][0]["text"] == "I like window seats."
    assert set(second) >= {"session_id", "reply", "message", "sources", "usage"}
    shown = cli.jsonl("show", first["session_id"])
    assert [m["role"] for m in shown] == ["user", "assistant", "user", "assistant"]
    assert {m["user_id"] for m in shown} == {"ann"}


def test_it_remembers_across_sessions(cli: Cli) -> None:
    (first,) = cli.jsonl("chat", input="제 고양이 이름은 나비예요\n")
    (second,) = cli.jsonl("chat", input="고양이 이름이 뭐였지?\n")
    assert first["session_id"] != second["session_id"]
    assert "나비" in second["reply"]
    (stranger,) = cli.jsonl("chat", "--user", "bob", input="고양이 이름이 뭐였지?\n")
    assert "나비" not in stranger["reply"]


def test_text_for_people_and_nothing_else(cli: Cli) -> None:
    result = cli("chat", "-m", "hello there", "--session", "s")
    assert "\x1b" not in result.stdout
    assert "you ›" not in result.stdout
    assert result.stdout.rstrip("\n") == contents(cli, "s")[1]


def test_go_on_in_a_session(cli: Cli, filled: str) -> None:
    (turn,) = cli.jsonl("chat", "--session", "work", input="Which invoice is late?\n")
    assert turn["session_id"] == "work"
    assert "Lisbon" in turn["reply"]
    assert {m["user_id"] for m in cli.jsonl("show", "work")} == {"bob"}, "it stays its owner's"
    assert "belongs to user 'bob', not to 'ann'" in cli.error("chat", "--session", "work", "--user", "ann")
    (turn,) = cli.jsonl("chat", "--continue", input="hello\n")
    assert turn["session_id"] == "trip"
    assert "has no session yet" in cli.error("chat", "--continue", "--user", "new")
    assert "one of them" in cli.error("chat", "--continue", "--session", "x", code=2)


def test_all_of_standard_input_as_one_message(cli: Cli) -> None:
    (turn,) = cli.jsonl("chat", "-m", "-", input="one\ntwo\n")
    assert turn["user_message"]["content"].splitlines() == ["one", "two"]
    assert "needs text" in cli.error("chat", "-m", "", code=1)
    assert cli("chat", input="").stdout == ""
    assert cli("chat", input="\n \n").stdout == ""


def test_bytes_that_are_no_text(cli: Cli) -> None:
    (turn,) = cli.jsonl("chat", input=b"caf\xe9 \x00 au lait\n")
    assert turn["user_message"]["content"].startswith("caf�")


def test_a_model_answers(cli: Cli, model_server: ModelServer, monkeypatch: pytest.MonkeyPatch) -> None:
    model = ["--base-url", model_server.url, "--model", "m", "--api-key", "secret"]
    assert cli("chat", "-m", "hello", *model).stdout == model_server.reply + "\n"
    assert model_server.headers[0]["authorization"] == "Bearer secret"
    monkeypatch.setenv("RECOLLECT_LLM_BASE_URL", model_server.url)
    monkeypatch.setenv("RECOLLECT_LLM_MODEL", "n")
    monkeypatch.setenv("RECOLLECT_LLM_API_KEY", "other")
    (turn,) = cli.jsonl("chat", input="hello again\n")
    assert turn["usage"]["model"] == "n"
    assert model_server.requests[-1]["messages"][-1]["content"] == "hello again"


def test_a_failing_model_says_so_and_the_conversation_goes_on(cli: Cli, model_server: ModelServer) -> None:
    model_server.mode = "unauthorized"
    model = ["--base-url", model_server.url, "--model", "m", "--session", "s"]
    result = cli("chat", *model, code=1, input="one\ntwo\n")
    assert result.stderr.count("error: ") == 2
    assert contents(cli, "s") == ["one", "two"]
    turns = cli.jsonl("chat", *model, code=1, input="three\n")
    assert (turns[0]["session_id"], turns[0]["message"]) == ("s", "three")
    assert "stored" in turns[0]["error"]
    model_server.mode = "normal"
    assert cli.jsonl("chat", *model, input="four\n")[0]["reply"] == model_server.reply


def test_what_a_model_said_before_it_died_is_kept(cli: Cli, model_server: ModelServer) -> None:
    model_server.mode = "dies"
    result = cli("chat", "-m", "x", "-s", "s", "--base-url", model_server.url, "--model", "m", code=1)
    assert result.stdout == "Hello from\n"
    asked, partial = cli.jsonl("show", "s")
    assert (asked["content"], partial["content"]) == ("x", "Hello from")
    assert partial["metadata"]["partial"] is True


def test_settings_that_cannot_be(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "RECOLLECT_LLM_MODEL" in cli.error("chat", "-m", "x", "--base-url", "http://localhost:1/v1")
    assert "over the context budget" in cli.error("chat", "-m", "word " * 200, "--max-context-tokens", "50")
    cli("chat", "--max-context-tokens", "0", code=2)
    monkeypatch.setenv("RECOLLECT_TTL", "soon")
    assert "RECOLLECT_TTL is a number" in cli.error("chat", "-m", "x")


def test_sessions_live_as_long_as_configured(cli: Cli, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECOLLECT_TTL", "3600")
    monkeypatch.setenv("RECOLLECT_SLIDING", "true")
    cli("chat", "-m", "x", "-s", "s")
    with Recollect(url) as memory:
        header = memory.session("s").info()
        assert header is not None
        assert header.ttl == 3600


def test_session_ids_can_be_told_apart() -> None:
    assert len({new_session_id() for _ in range(1000)}) == 1000


def test_json_is_json_whatever_is_said(cli: Cli) -> None:
    said = '"quotes" \\ {"json": [1]} 한국어 😀 \u2028 /quit'
    (turn,) = cli.jsonl("chat", input=f"{said}\n")
    assert turn["user_message"]["content"] == said


def test_json_takes_slashes_as_words(cli: Cli) -> None:
    (turn,) = cli.jsonl("chat", input="/quit\n")
    assert turn["user_message"]["content"] == "/quit"
