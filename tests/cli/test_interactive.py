"""What a person at a terminal sees and does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from recollect import Recollect
from tests.cli.harness import Program, Terminal
from tests.servers import ModelServer, model_server

__all__ = ["model_server"]

PROMPT = "you › "
CTRL_C, CTRL_D, UP, ENTER = "\x03", "\x04", "\x1b[A", "\r"


@pytest.fixture
def chat(program: Program) -> Iterator[Terminal]:
    """A conversation with the offline answerer."""
    with program.at_terminal("chat", "--user", "ann", LC_ALL="C.UTF-8") as terminal:
        terminal.expect(PROMPT)
        yield terminal


def contents(program: Program) -> list[str]:
    with Recollect(program.url) as memory:
        (header,) = memory.sessions()
        return [message.text for message in memory.session(header.id).tail(100) if message.role == "user"]


def test_a_conversation(chat: Terminal, program: Program) -> None:
    chat.type("My cat is called Nabi." + ENTER)
    chat.expect("assistant")
    chat.expect(PROMPT)
    chat.type("/new" + ENTER)
    chat.expect("session chat-")
    chat.expect(PROMPT)
    chat.type("What is my cat called?" + ENTER)
    assert "My cat is called Nabi." in chat.expect(PROMPT)
    chat.type(CTRL_D)
    assert "To go on: recollect chat --session chat-" in chat.expect("--session chat-")
    assert chat.end() == 0


def test_commands(chat: Terminal) -> None:
    chat.type("/help" + ENTER)
    assert "/context [QUESTION]" in chat.expect(PROMPT)
    chat.type("/sessions" + ENTER)
    assert "None yet" in chat.expect(PROMPT)
    chat.type("/context" + ENTER)
    assert "Nothing yet" in chat.expect(PROMPT)
    chat.type("/history" + ENTER)
    assert "Nothing has been said" in chat.expect(PROMPT)
    chat.type("창가 자리를 좋아해요" + ENTER)
    chat.expect("assistant")
    chat.expect(PROMPT)
    chat.type("/search 창가" + ENTER)
    assert "#1  user" in chat.expect(PROMPT)
    chat.type("/context 자리" + ENTER)
    assert "window" in chat.expect(PROMPT)
    chat.type("/history 1" + ENTER)
    assert "#2 assistant" in chat.expect(PROMPT)
    chat.type("/sessions" + ENTER)
    assert "창가 자리를 좋아해요" in chat.expect(PROMPT)
    chat.type("/open" + ENTER)
    assert "Which one?" in chat.expect(PROMPT)
    chat.type("/open nix" + ENTER)
    assert "there is no session 'nix'" in chat.expect(PROMPT)
    chat.type("/open chat" + ENTER)
    assert "창가 자리를 좋아해요" in chat.expect(PROMPT)
    chat.type("/bogus" + ENTER)
    assert "no command /bogus" in chat.expect(PROMPT)
    chat.type("/history x" + ENTER)
    assert "How many?" in chat.expect(PROMPT)
    chat.type("/search" + ENTER)
    assert "What for?" in chat.expect(PROMPT)
    chat.type("/quit" + ENTER)
    assert chat.end() == 0


def test_a_paste_of_several_lines_is_one_message(chat: Terminal, program: Program) -> None:
    chat.type("\x1b[200~def f():\n    return 1\n\nf()\x1b[201~")
    chat.type(ENTER)
    chat.expect("assistant")
    chat.expect(PROMPT)
    assert contents(program) == ["def f():\n    return 1\n\nf()"]


def test_a_backslash_continues(chat: Terminal, program: Program) -> None:
    chat.type("first\\" + ENTER)
    chat.expect("... ")
    chat.type("second" + ENTER)
    chat.expect("assistant")
    chat.expect(PROMPT)
    assert contents(program) == ["first\nsecond"]


def test_lines_come_back_with_the_arrow_keys(chat: Terminal, program: Program) -> None:
    chat.type("one" + ENTER)
    chat.expect("assistant")
    chat.expect(PROMPT)
    chat.type(UP + "!" + ENTER)
    chat.expect("assistant")
    chat.expect(PROMPT)
    assert contents(program) == ["one", "one!"]


def test_a_resumed_session_shows_where_it_stands(program: Program, filled: str) -> None:
    with program.at_terminal("chat", "--session", "trip", LC_ALL="C.UTF-8") as terminal:
        shown = terminal.expect(PROMPT)
        assert "session trip · user ann" in shown
        assert "Lisbon is lovely in May." in shown
        terminal.type(UP)
        terminal.expect("Where shall we go in May?")
        terminal.interrupt()
        terminal.expect("Ctrl-C again")
        terminal.expect(PROMPT)
        terminal.type(CTRL_D)
        assert terminal.end() == 0


def test_ctrl_c_at_the_prompt(chat: Terminal) -> None:
    chat.type("half a line")
    chat.expect("half a line")
    chat.interrupt()
    chat.expect("Ctrl-C again")
    chat.expect(PROMPT)
    chat.type("/help" + ENTER)
    chat.expect(PROMPT)
    chat.interrupt()
    chat.expect("Ctrl-C again")
    chat.expect(PROMPT)
    chat.interrupt()
    assert chat.end() == 130


def test_ctrl_c_stops_an_answer_and_keeps_what_was_said(program: Program, model_server: ModelServer) -> None:
    model_server.mode, model_server.pause, model_server.pieces = "slow", 0.3, [f"piece{n} " for n in range(100)]
    model = ["--base-url", model_server.url, "--model", "m", "--session", "s"]
    with program.at_terminal("chat", *model, LC_ALL="C.UTF-8") as terminal:
        terminal.expect(PROMPT)
        terminal.type("talk" + ENTER)
        terminal.expect("piece1")
        terminal.type(CTRL_C)
        terminal.expect("(stopped; what was said is kept)")
        terminal.expect(PROMPT)
        model_server.mode, model_server.pieces = "normal", ["fine"]
        terminal.type("again" + ENTER)
        terminal.expect("fine")
        terminal.expect(PROMPT)
        terminal.type(CTRL_D)
        assert terminal.end() == 0
    with Recollect(program.url) as memory:
        _, partial, _, whole = memory.session("s").tail(10)
    assert partial.text.startswith("piece0 piece1")
    assert partial.metadata["partial"] is True
    assert whole.text == "fine"


def test_a_failing_model_says_so_and_the_conversation_goes_on(program: Program, model_server: ModelServer) -> None:
    model_server.mode = "unauthorized"
    model = ["--base-url", model_server.url, "--model", "m", "--session", "s"]
    with program.at_terminal("chat", *model, LC_ALL="C.UTF-8") as terminal:
        terminal.expect(PROMPT)
        terminal.type("hello" + ENTER)
        assert "error: " in terminal.expect(PROMPT)
        model_server.mode = "normal"
        terminal.type("hello again" + ENTER)
        terminal.expect("assistant")
        assert model_server.reply in terminal.expect(PROMPT)


def test_an_answer_is_wrapped_by_words(program: Program, model_server: ModelServer) -> None:
    model_server.pieces = ["word" + "s" * (n % 3) + " " for n in range(100)] + ["漢字" * 60, " 끝입니다"]
    model = ["--base-url", model_server.url, "--model", "m"]
    with program.at_terminal("chat", *model, columns=50, LC_ALL="C.UTF-8") as terminal:
        terminal.expect(PROMPT)
        terminal.type("hello" + ENTER)
        terminal.expect("assistant\n")
        lines = terminal.expect("끝입니다").splitlines()
    from rich.cells import cell_len

    assert len(lines) > 10
    assert all(line.startswith("  ") and cell_len(line) <= 50 for line in lines)
    assert all(line.split()[-1] in ("word", "words", "wordss") for line in lines[:8])


def test_forget_asks(program: Program, filled: str) -> None:
    with program.at_terminal("forget", "ann") as terminal:
        assert "2 sessions with 3 messages" in terminal.expect("[y/N]")
        terminal.type("n" + ENTER)
        terminal.expect("Nothing was removed")
        assert terminal.end() == 1
    with program.at_terminal("forget", "ann") as terminal:
        terminal.expect("[y/N]")
        terminal.type("y" + ENTER)
        terminal.expect("Forgot user ann")
        assert terminal.end() == 0
    with program.at_terminal("forget", "bob") as terminal:
        terminal.expect("[y/N]")
        assert terminal.end_by_interrupt() in (1, 130)
    with Recollect(filled) as memory:
        assert memory.stats().messages == 1


def test_colours_at_a_terminal_unless_they_are_not_wanted(program: Program, filled: str) -> None:
    with program.at_terminal("show", "trip") as terminal:
        terminal.expect("Lisbon is lovely")
        assert terminal.end() == 0
        assert "\x1b[1;3" in terminal.everything
    with program.at_terminal("show", "trip", NO_COLOR="1") as terminal:
        terminal.expect("Lisbon is lovely")
        assert terminal.end() == 0
        assert "\x1b[1;3" not in terminal.everything


def test_a_bar_while_it_imports(program: Program, tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    path.write_text("".join(f'{{"session":"s","role":"user","content":"m {n}","id":"{n}"}}\n' for n in range(40_000)))
    with program.at_terminal("import", str(path), columns=100) as terminal:
        terminal.expect("Importing")
        terminal.expect("messages · ")
        terminal.expect("Imported 40,000 messages", seconds=60)
        assert terminal.end() == 0


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_no_line_is_wider_than_the_terminal(program: Program, filled: str, columns: int) -> None:
    from rich.cells import cell_len

    with Recollect(filled) as memory:
        memory.session("긴-세션-이름", "사용자").append(
            {"role": "user", "content": "긴 글입니다. " * 60 + "word " * 80}
        )
        memory.session("긴-세션-이름").update(title="아주 긴 제목 " * 12)
    for words in (["sessions"], ["show", "긴-세션-이름"], ["search", "word"], ["stats", "--detail"]):
        with program.at_terminal(*words, columns=columns, LC_ALL="C.UTF-8") as terminal:
            assert terminal.end() == 0
            for line in terminal.shown.splitlines():
                if "·" not in line and "#" not in line and "--" not in line:
                    assert cell_len(line) <= columns, line
