"""What tests of examples share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from recollect.adapters.conversation import ConversationMemoryService


@pytest.fixture
def no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is configured, neither a store nor a model."""
    for name in list(os.environ):
        if name.startswith(("RECOLLECT_", "OPENAI_")) and "TEST" not in name:
            monkeypatch.delenv(name)


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[ConversationMemoryService]:
    """A service on a file."""
    with ConversationMemoryService(f"sqlite:///{tmp_path}/chat.db?synchronous=normal") as made:
        yield made
