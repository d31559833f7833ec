"""What every test of the command line gets: an empty folder, no configuration, ways to run it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from recollect import Recollect
from tests.cli.harness import Cli, Program


@pytest.fixture(autouse=True)
def nothing_configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty working folder, and no variables that change what is shown."""
    for name in list(os.environ):
        if name.startswith("RECOLLECT_") and name != "RECOLLECT_DATA":
            monkeypatch.delenv(name)
    for name in ("COLUMNS", "NO_COLOR", "FORCE_COLOR", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def url(tmp_path: Path) -> str:
    """The URL of a database that is not there yet."""
    return f"sqlite:///{tmp_path}/chat.db?synchronous=normal"


@pytest.fixture
def cli(url: str) -> Cli:
    """Runs commands in this process, on `url`."""
    return Cli(url)


@pytest.fixture
def program(url: str) -> Program:
    """Runs commands as processes, on `url`."""
    return Program(url)


@pytest.fixture
def filled(url: str) -> str:
    """A database with three sessions of two users; its URL."""
    with Recollect(url) as memory:
        trip = memory.session("trip", "ann")
        trip.append(
            [
                {"role": "user", "content": "Where shall we go in May?", "name": "Ann", "id": "m1"},
                {"role": "assistant", "content": "Lisbon is lovely in May.", "id": "m2", "metadata": {"model": "x"}},
            ]
        )
        trip.update(title="A trip in May")
        memory.session("ko", "ann").append(
            {"role": "user", "content": "창가 자리를 좋아해요", "created_at": "2024-05-01T09:00:00Z"}
        )
        memory.session("work", "bob").append({"role": "user", "content": "The invoice for Lisbon is late."})
        memory.user("ann").preferences.set("seat", "window")
    return url
