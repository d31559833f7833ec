"""``stats``, ``forget``, ``sweep``, ``version``."""

from __future__ import annotations

import platform
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

import recollect
from recollect import Recollect
from recollect.cli.app import app
from recollect.cli.upkeep import by_time
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


@pytest.mark.usefixtures("filled")
def test_forget_asks_first(cli: Cli, url: str) -> None:
    assert "--yes" in cli.error("forget", "ann", code=2)
    assert "--yes" in cli.error("forget", "ann", "--json", code=2)
    assert cli.json("stats", "--user", "ann")["messages"] == 3
    receipt = cli.json("forget", "ann", "--yes")
    assert receipt == {"user_id": "ann", "sessions": 2, "messages": 3, "summaries": 0, "preferences": 1}
    assert cli.lines("forget", "ann", "--yes") == ["Nothing was known of user ann."]
    lines = cli.lines("forget", "bob", "-y")
    assert lines[0] == "Forgot user bob."
    assert ["messages", "1"] in [line.split() for line in lines]
    with Recollect(url) as memory:
        assert memory.stats().messages == 0


def test_sweep_removes_what_has_expired(cli: Cli, url: str) -> None:
    past = datetime.now(UTC) - timedelta(hours=1)
    with Recollect(url, clock=lambda: past) as memory:
        memory.session("old").append([{"role": "user", "content": "x"}] * 3, ttl=60)
        memory.session("older", ttl=60).append({"role": "user", "content": "x"})
    swept = cli.json("sweep")
    assert swept["messages"] >= 3
    assert swept["sessions"] == 1
    assert cli.lines("sweep") == ["Nothing had expired."]


def test_version() -> None:
    found = CliRunner().invoke(app, ["version"])
    assert found.stdout.startswith(f"recollect {recollect.__version__} (Python {platform.python_version()}")
    assert CliRunner().invoke(app, ["--version"]).stdout == f"recollect {recollect.__version__}\n"
    assert recollect.__version__ in CliRunner().invoke(app, ["version", "--json"]).stdout
