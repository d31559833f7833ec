"""The memory store keeps every promise: it is the oracle for all others."""

from __future__ import annotations

from pathlib import Path

from recollect.store import Store
from recollect.stores.memory import MemoryStore
from recollect.testing import StoreSuites


class TestMemory(StoreSuites):
    name = "memory"

    def make_store(self, place: Path) -> Store:
        return MemoryStore()

    def make_oracle(self) -> Store:
        return MemoryStore()
