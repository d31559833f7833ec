"""``sessions``, ``show``, ``search``."""

from __future__ import annotations

from typing import Any

import pytest
from typer.testing import CliRunner

from recollect import Recollect
from recollect.cli.app import app
from tests.cli.harness import Cli


@pytest.mark.usefixtures("filled")
def test_sessions_are_listed_latest_first(cli: Cli) -> None:
    head, *rows = cli.lines("sessions")
    assert head.split() == ["session", "user", "title", "messages", "last", "activity"]
    assert [row.split()[0] for row in rows] == ["work", "trip", "ko"]
    assert rows[1].split() == ["trip", "ann", "A", "trip", "in", "May", "2", "just", "now"]


@pytest.mark.usefixtures("filled")
def test_sessions_of_one_user_and_a_limit(cli: Cli) -> None:
    assert [s["id"] for s in cli.jsonl("sessions", "--user", "ann")] == ["trip", "ko"]
    result = cli("sessions", "-n", "1")
    assert "work" in result.stdout
    assert "--limit 2" in result.stderr
    assert "--limit" not in cli("sessions", "-n", "3").stderr


def test_more_sessions_than_a_page(cli: Cli, url: str) -> None:
    with Recollect(url) as memory:
        for number in range(620):
            memory.session(f"s{number}").append({"role": "user", "content": "x"})
    assert len(cli.jsonl("sessions", "--limit", "610")) == 610
    assert len(cli.jsonl("sessions", "--limit", "1000000")) == 620


def test_an_empty_store_says_how_to_begin_and_is_not_made(cli: Cli, tmp_path: Any) -> None:
    result = cli("sessions")
    assert "No conversations" in result.stdout
    assert "recollect chat" in result.stdout
    assert "recollect import" in result.stdout
    assert "no database" in result.stderr
    assert list(tmp_path.iterdir()) == []
    assert cli("sessions", "--json").stdout == ""


@pytest.mark.usefixtures("filled")
def test_columns_of_wide_characters_align(cli: Cli, url: str) -> None:
    from rich.cells import cell_len

    with Recollect(url) as memory:
        memory.session("대화-하나", "사용자").update(title="부산 여행")
        memory.session("😀").append({"role": "user", "content": "x"})
    head, *rows = cli("sessions").stdout.splitlines()
    place = head.index("messages") + len("messages")
    for row in rows:
        taken = next(n for n in range(len(row) + 1) if cell_len(row[:n]) >= place)
        assert row[taken - 1].isdigit()
        assert row[taken : taken + 2] == "  "


@pytest.mark.usefixtures("filled")
def test_show_is_a_transcript(cli: Cli) -> None:
    lines = cli.lines("show", "trip")
    assert lines[0] == "A trip in May"
    assert lines[1].startswith("session trip · user ann · 2 messages · ")
    assert [line.split("  ")[0] for line in lines if line.startswith("#")] == ["#1 user Ann", "#2 assistant"]
    assert "  Lisbon is lovely in May." in lines
    assert "id m2" not in "\n".join(lines)
    assert "  id m2 · " in "\n".join(cli.lines("show", "trip", "-v"))
    assert '  metadata {"model": "x"}' in cli.lines("show", "trip", "-v")


def test_show_takes_a_part(cli: Cli, url: str) -> None:
    with Recollect(url) as memory:
        memory.session("long").append([{"role": "user", "content": f"number {n}"} for n in range(1, 1202)])
    assert [m["seq"] for m in cli.jsonl("show", "long")] == list(range(1, 1202))
    assert [m["seq"] for m in cli.jsonl("show", "long", "--tail", "3")] == [1199, 1200, 1201]
    assert [m["seq"] for m in cli.jsonl("show", "long", "-n", "700")] == list(range(502, 1202))
    assert [m["seq"] for m in cli.jsonl("show", "long", "--after", "4", "--before", "7")] == [5, 6]
    assert [m["seq"] for m in cli.jsonl("show", "long", "--before", "7", "--tail", "2")] == [5, 6]
    assert cli.jsonl("show", "long", "--until", "2020-01-01") == []
    assert len(cli.jsonl("show", "long", "--since", "1h")) == 1201


def test_everything_that_is_no_text_is_shown_in_a_line(cli: Cli, url: str) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Seoul"}'}}
    langchain = {"id": "call_2", "name": "clock", "args": {"zone": "KST"}, "type": "tool_call"}
    with Recollect(url) as memory:
        memory.session("tools").append(
            [
                {"role": "assistant", "content": None, "tool_calls": [call, langchain]},
                {"role": "tool", "content": "18 °C", "tool_call_id": "call_1"},
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "Look:"},
                        {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 4000}},
                        {"type": "image_url", "image_url": "https://example.org/a.png"},
                        {"type": "image", "source": {"type": "base64", "media_type": "image/webp", "data": "A" * 40}},
                        {"type": "input_audio", "input_audio": {"format": "wav"}},
                    ],
                },
                {"role": "assistant", "content": [{"type": "tool_use", "id": "tu", "name": "find", "input": {"q": 1}}]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "tu", "content": "found it"}]},
                {"role": "assistant", "type": "reasoning", "summary": "thinking"},
            ]
        )
    lines = cli.lines("show", "tools")
    for expected in (
        '  → weather {"city": "Seoul"}  call_1',
        '  → clock {"zone": "KST"}  call_2',
        "  ← answers call_1",
        "  18 °C",
        "  Look:",
        "  [image: image/png, 3.0 kB]",
        "  [image: https://example.org/a.png]",
        "  [image: image/webp, 30 B]",
        '  [input_audio: {"input_audio": {"format": "wav"}}]',
        '  → find {"q": 1}  tu',
        "  ← answers tu",
        "  found it",
        '  [{"type": "reasoning", "summary": "thinking"}]',
    ):
        assert expected in lines


def test_what_is_stored_cannot_command_the_terminal(cli: Cli, url: str) -> None:
    evil = "\x1b[2J\x1b]0;owned\x07\x9b31m\rover"
    with Recollect(url) as memory:
        memory.session(f"s{evil}", f"u{evil}").append(
            {"role": "user", "content": f"hello {evil}", "name": f"n{evil}", "metadata": {evil: evil}}
        )
        memory.session(f"s{evil}").update(title=f"t{evil}")
    for words in (["sessions"], ["show", f"s{evil}", "-v"], ["search", "hello"], ["show", f"no{evil}"]):
        result = cli(*words, code=1 if words[-1].startswith("no") else 0)
        shown = result.stdout + result.stderr
        assert "owned" in shown
        for character in "\x1b\x07\x9b\r":
            assert character not in shown.replace("\r\n", "\n")


@pytest.mark.usefixtures("filled")
def test_rich_markup_in_messages_is_text(cli: Cli, url: str) -> None:
    with Recollect(url) as memory:
        memory.session("[bold]id[/bold]", "[u]").append({"role": "user", "content": "[red]not red[/red] :smile:"})
    assert "  [red]not red[/red] :smile:" in cli.lines("show", "[bold]id[/bold]")
    assert "[red]not red[/red]" in cli("search", "smile").stdout
    assert "[bold]id[/bold]" in cli("sessions").stdout


@pytest.mark.usefixtures("filled")
def test_search_shows_where_and_what(cli: Cli) -> None:
    found = cli.lines("search", "lisbon")
    assert len(found) == 4
    assert {line.split()[1] for line in found[::2]} == {"trip", "work"}
    hits = cli.jsonl("search", "lisbon", "--user", "ann")
    assert [hit["message"]["session_id"] for hit in hits] == ["trip"]
    assert hits[0]["score"] > 0
    assert [h["message"]["id"] for h in cli.jsonl("search", "may", "--role", "user")] == ["m1"]
    assert cli.jsonl("search", "may", "--session", "work") == []
    assert cli.jsonl("search", "may", "--until", "2020-01-01") == []
    assert len(cli.jsonl("search", "may", "-n", "1")) == 1
    assert cli.jsonl("search", "창가")[0]["message"]["session_id"] == "ko"
    assert cli.jsonl("search", "--since", "2024-05-01", "--until", "2024-05-02", "자리")[0]["message"]["seq"] == 1
    assert len(cli.jsonl("search", "lovely", "may")) == 2
    assert cli.lines("search", "zeppelin") == ["Nothing found for 'zeppelin'."]
    assert cli.lines("search", "???") == ["Nothing found for '???'."]
    assert cli.jsonl("search", "--", "--drop") == []


def test_a_long_hit_is_shown_around_what_matches(cli: Cli, url: str) -> None:
    with Recollect(url) as memory:
        memory.session("s").append({"role": "user", "content": "word " * 400 + "the zeppelin lands" + " word" * 400})
    (_, passage) = cli.lines("search", "zeppelin")
    assert "the zeppelin lands" in passage
    assert passage.strip().startswith("…")
    assert passage.endswith("…")
    assert len(passage) < 400


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        (["show", "nix"], 1, "there is no session 'nix'"),
        (["show", "x" * 600], 2, "longer than 512 bytes"),
        (["search", "x", "--role", "wizard"], 2, "unknown role 'wizard'"),
        (["sessions", "--scope", ""], 2, "scope is empty"),
        (["sessions", "--user", ""], 2, "user is empty"),
    ],
)
@pytest.mark.usefixtures("filled")
def test_bad_input_is_one_clear_line(cli: Cli, words: list[str], code: int, expected: str) -> None:
    assert expected in cli.error(*words, code=code)


@pytest.mark.parametrize(
    "words",
    [
        ["sessions", "--limit", "0"],
        ["sessions", "--limit", "many"],
        ["show"],
        ["show", "a", "b"],
        ["show", "a", "--tail", "-1"],
        ["search"],
        ["search", "x", "--since", "yesterday"],
        ["search", "x", "--limit", "10001"],
        ["sessions", "--bogus"],
        ["bogus"],
    ],
)
def test_wrong_usage_is_2(cli: Cli, words: list[str]) -> None:
    result = cli(*words, code=2)
    assert result.stdout == ""
    assert "Usage" in result.stderr


@pytest.mark.usefixtures("filled")
def test_scopes_do_not_see_each_other(cli: Cli) -> None:
    assert cli.jsonl("sessions", "--scope", "other") == []
    assert cli.jsonl("search", "lisbon", "--scope", "other") == []
    assert "--scope other" in cli("sessions", "--scope", "other").stdout


def test_where_there_is_no_database_the_one_that_will_be_is_named() -> None:
    result = CliRunner().invoke(app, ["sessions"])
    assert result.stdout.splitlines()[0] == "No conversations in sqlite:///recollect.db yet."
