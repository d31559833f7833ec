"""The DynamoDB store keeps every promise, on a real server."""

from __future__ import annotations

from pathlib import Path

from recollect.store import Store
from recollect.stores.memory import MemoryStore
from recollect.testing import StoreSuites
from tests.services.dynamodb import make_store, remove_tables


class TestDynamoDB(StoreSuites):
    name = "dynamodb://"

    def make_store(self, place: Path) -> Store:
        return make_store(place)

    def make_oracle(self) -> Store:
        return MemoryStore()

    def remove(self, place: Path) -> None:
        remove_tables(place)
