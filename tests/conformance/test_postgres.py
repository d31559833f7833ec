"""The PostgreSQL store keeps every promise, on a real server."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from recollect.connect import connect
from recollect.store import Store
from recollect.stores.memory import MemoryStore
from recollect.testing import StoreSuites
from tests.services.postgres import drop_schema, patient_feed, postgres_url, use_schema


@pytest.fixture(autouse=True)
def _others_may_write() -> Iterator[None]:
    """The suites compare the feed with what was written, also on a server that they share with a slow writer."""
    with patient_feed():
        yield


class TestPostgres(StoreSuites):
    name = "postgresql://"

    def make_store(self, place: Path) -> Store:
        return connect(f"{postgres_url()}?schema={use_schema(_schema(place))}")

    def make_oracle(self) -> Store:
        return MemoryStore()

    def remove(self, place: Path) -> None:
        drop_schema(_schema(place))


def _schema(place: Path) -> str:
    return f"test_{sha256(str(place).encode()).hexdigest()[:16]}"
