"""The stores that are tortured, each on a fresh database."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from tests.torture.run import Target


@contextmanager
def sqlite() -> Iterator[Target]:
    """A file, with full durability."""
    with tempfile.TemporaryDirectory() as folder:
        yield Target(f"sqlite:///{Path(folder) / 'torture.db'}")


TARGETS: dict[str, Callable[[], AbstractContextManager[Target]]] = {"sqlite": sqlite}
