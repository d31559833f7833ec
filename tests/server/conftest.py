"""A server without keys on the memory store."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from tests.server.harness import serving


@pytest.fixture
def api() -> Iterator[TestClient]:
    """A client of it."""
    with serving() as client:
        yield client
