"""``stats``: counts, and what is drawn of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from recollect import Recollect
from recollect.cli.figures import by_time
from recollect.cli.text import seconds
from tests.cli.harness import Cli


@pytest.mark.usefixtures("filled")
def test_stats_count(cli: Cli) -> None:
    assert [line.split() for line in cli.lines("stats")][:3] == [["sessions", "3"], ["users", "2"], ["messages", "4"]]
    figures = cli.json("stats", "--detail")
    assert figures["messages_by_role"] == {"assistant": 1, "user": 3}
    assert cli.json("stats", "--user", "ann")["messages"] == 3
    assert cli.json("stats", "--session", "work")["messages"] == 1
    shown = cli("stats", "--detail").stdout
    assert "first message" in shown
    assert "2024-05-01 09:00" in shown
    assert "█" in shown


def test_stats_of_nothing_say_how_to_begin(cli: Cli) -> None:
    assert "recollect chat" in cli("stats").stdout
    assert cli.json("stats")["messages"] == 0
    assert "there is no session 'nix'" in cli.error("stats", "--session", "nix")
    assert "one of them" in cli.error("stats", "--session", "a", "--user", "b", code=2)


def test_bars_by_day_month_and_year_have_no_gaps() -> None:
    assert by_time({"2024-02-28": 1, "2024-03-01": 2}) == (
        "day (UTC)",
        {"2024-02-28": 1, "2024-02-29": 0, "2024-03-01": 2},
    )
    name, counts = by_time({"2023-11-30": 1, "2024-02-01": 2, "2024-02-29": 3})
    assert (name, counts) == ("month", {"2023-11": 1, "2023-12": 0, "2024-01": 0, "2024-02": 5})
    name, counts = by_time({"2019-01-01": 1, "2024-01-01": 2})
    assert (name, list(counts)) == ("year", ["2019", "2020", "2021", "2022", "2023", "2024"])


def talk(url: str) -> None:
    """Three sessions: two short ones on one day, one that goes on for a second day."""
    begin = datetime(2024, 5, 1, 9, tzinfo=UTC)
    with Recollect(url) as memory:
        for name, hours in (("a", 0), ("b", 5), ("c", 10)):
            at = begin + timedelta(hours=hours)
            memory.session(name, "ann").append(
                [
                    {"role": "user", "content": "x" * 40, "created_at": at},
                    {"role": "assistant", "content": "y" * 100, "created_at": at + timedelta(seconds=2)},
                ]
            )
        memory.session("c").append(
            {"role": "user", "content": "z" * 2000, "created_at": begin + timedelta(days=1)},
        )


def test_what_is_drawn(cli: Cli, url: str) -> None:
    talk(url)
    shown = cli.lines("stats", "--detail")
    words = [line.split() for line in shown]
    assert ["active", "now", "0"] in words
    assert ["length,", "characters", "346", "100", "2,000", "2,000"] in words
    assert ["reply", "after", "2.0", "s", "2.0", "s", "2.0", "s", "2.0", "s"] in words
    assert ["role", "messages", "tokens"] in words
    assert ["day", "(UTC)", "messages", "sessions"] in words
    assert ["2024-05-01", "6", "3", "█" * 40] in words
    assert ["2024-05-02", "1", "1", "██████▋"] in words
    (columns,) = [line for line in shown if "▅▅" in line or ("██" in line and line.startswith("   "))]
    assert columns.split() == ["██", "▅▅", "▅▅"]
    assert ["busiest", "09:00", "(3),", "14:00", "(2),", "19:00", "(2)"] in words
    assert all(len(line) <= 80 for line in shown)


def test_figures_for_machines(cli: Cli, url: str) -> None:
    talk(url)
    found = cli.json("stats", "--detail")
    assert found["sessions_by_day"] == {"2024-05-01": 3, "2024-05-02": 1}
    assert found["messages_by_hour"] == {"09": 3, "14": 2, "19": 2}
    assert set(found["lengths"]) == set(found["latency"]) == {"count", "mean", "median", "p95", "max"}
    assert found["lengths"]["max"] == 2000
    assert cli.json("stats")["lengths"] is None


def test_figures_of_a_session_without_text(cli: Cli, url: str) -> None:
    with Recollect(url) as memory:
        memory.session("calls").append({"role": "assistant", "content": None, "tool_calls": [{"id": "c"}]})
        memory.session("empty").update(title="nothing yet")
    for session in ("calls", "empty"):
        shown = cli("stats", "--detail", "--session", session).stdout
        assert "length" not in shown
        assert "reply after" not in shown


def test_spans_for_people() -> None:
    assert [
        seconds(span) for span in (0, 0.0004, 0.34, 0.9996, 1.44, 12.4, 89.9, 90, 5399, 5400, 129_600, 864_000)
    ] == [
        "0 ms",
        "0 ms",
        "340 ms",
        "1.0 s",
        "1.4 s",
        "12 s",
        "90 s",
        "1.5 min",
        "90 min",
        "1.5 h",
        "1.5 days",
        "10 days",
    ]
