"""``forget``, ``sweep``, ``version``."""

from __future__ import annotations

import platform
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

import recollect
from recollect import Recollect
from recollect.cli.app import app
from tests.cli.harness import Cli


@pytest.mark.usefixtures("filled")
def test_forget_asks_first(cli: Cli, url: str) -> None:
    assert "--yes" in cli.error("forget", "ann", code=2)
    assert "--yes" in cli.error("forget", "ann", "--json", code=2)
    assert cli.json("stats", "--user", "ann")["messages"] == 3
    receipt = cli.json("forget", "ann", "--yes")
    expected = {"user_id": "ann", "sessions": 2, "messages": 3, "summaries": 0, "preferences": 1, "memories": 0}
    assert receipt.items() >= expected.items()
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
