"""A client of each kind, whose store can be cut off."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from recollect import Recollect
from recollect.store import buffer
from recollect.stores.memory import MemoryStore
from tests.buffer.away import AwayStore
from tests.library.harness import Mode, client

Make = Callable[..., Recollect]


@pytest.fixture(params=["sync", "async"])
def mode(request: pytest.FixtureRequest) -> Mode:
    """Which of the two clients."""
    found: Mode = request.param
    return found


@pytest.fixture
def store() -> AwayStore:
    """A store that can be cut off."""
    return AwayStore(MemoryStore())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The buffer's file."""
    return tmp_path / "buffer.db"


@pytest.fixture
def make(mode: Mode, store: AwayStore, path: Path) -> Iterator[Make]:
    """Makes clients that buffer, on the store; closes them."""
    made: list[Recollect] = []
    with asyncio.Runner() as runner:

        def of(**options: Any) -> Recollect:
            given = {"store": store, "on_unavailable": "buffer", "buffer_path": path, **options}
            made.append(client(mode, runner, **given))
            return made[-1]

        yield of
        for one in reversed(made):
            one.close()


@pytest.fixture
def memory(make: Make) -> Recollect:
    """A client that buffers."""
    return make()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pause after a failure: the next call tries again."""
    monkeypatch.setattr(buffer, "FIRST_PAUSE", 0.0)
