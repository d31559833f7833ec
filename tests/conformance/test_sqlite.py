"""The SQLite store keeps every promise, as a file and in memory."""

from __future__ import annotations

from pathlib import Path

from recollect.store import Store
from recollect.stores.memory import MemoryStore
from recollect.stores.sqlite import SQLiteStore
from recollect.testing import StoreSuites


class TestSQLiteFile(StoreSuites):
    name = "sqlite:///file"

    def make_store(self, place: Path) -> Store:
        return SQLiteStore(str(place / "recollect.db"))

    def make_oracle(self) -> Store:
        return MemoryStore()


class TestSQLiteInMemory(StoreSuites):
    name = "sqlite://"

    def make_store(self, place: Path) -> Store:
        return SQLiteStore(None)

    def make_oracle(self) -> Store:
        return MemoryStore()
