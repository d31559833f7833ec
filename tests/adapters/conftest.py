"""What tests of adapters get: a fresh store of every kind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from recollect import Store
from recollect.adapters.conversation import ConversationMemoryService
from tests.services.fresh import KINDS, fresh


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A store of each kind, not open; what it wrote is removed."""
    with fresh(request.param, tmp_path) as made:
        yield made


@pytest.fixture
def one() -> Iterator[ConversationMemoryService]:
    """A service where the kind of store does not matter."""
    with ConversationMemoryService("memory://") as made:
        yield made
