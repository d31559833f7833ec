"""What every test of the library gets: a store of each kind, and a client of each kind on it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from recollect import Recollect, Store
from tests.library.harness import Mode, Opener, client


@pytest.fixture(params=["memory", "sqlite", "file"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a fresh store: in this process, SQLite in memory, an SQLite file."""
    return {
        "memory": "memory://",
        "sqlite": "sqlite://",
        "file": f"sqlite:///{tmp_path}/chat.db?synchronous=normal",
    }[request.param]


@pytest.fixture(params=["sync", "async"])
def mode(request: pytest.FixtureRequest) -> Mode:
    """Which of the two clients."""
    found: Mode = request.param
    return found


@pytest.fixture
def opener(url: str, mode: Mode) -> Iterator[Opener]:
    """Makes clients of `mode`, on `url` unless told otherwise; closes them."""
    made: list[Recollect] = []
    with asyncio.Runner() as runner:

        def make(store: str | Store | None = None, **options: Any) -> Recollect:
            made.append(client(mode, runner, url if store is None else store, **options))
            return made[-1]

        yield make
        for one in reversed(made):
            one.close()


@pytest.fixture
def memory(opener: Opener) -> Recollect:
    """A client on a fresh store."""
    return opener()
