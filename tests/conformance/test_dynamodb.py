"""The DynamoDB store keeps every promise, on a real server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from recollect.store import Store
from recollect.stores.memory import MemoryStore
from recollect.testing import StoreSuites
from tests.services.dynamodb import make_store, remove_tables


@pytest.fixture(autouse=True, scope="module")
def fewer_histories() -> Iterator[None]:
    """A step of a history is some fifty requests over the network here: a quarter of the histories, unless asked for more."""
    given = settings()
    if given.max_examples <= 100:
        settings.register_profile("network", parent=given, max_examples=max(10, given.max_examples // 4))
        settings.load_profile("network")
    yield
    settings.register_profile("given", parent=given)
    settings.load_profile("given")


class TestDynamoDB(StoreSuites):
    name = "dynamodb://"

    def make_store(self, place: Path) -> Store:
        return make_store(place)

    def make_oracle(self) -> Store:
        return MemoryStore()

    def remove(self, place: Path) -> None:
        remove_tables(place)
