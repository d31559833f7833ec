"""The base of every suite: fixtures for both modes, and tests written once as ``async def``."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from recollect.store import Store
from recollect.testing.kit import Kit
from recollect.testing.modes import MODES, AsyncMode, Mode


class Suite:
    """Tests of one promise. The author of a store makes a subclass that says how a store is made.

    Attributes
    ----------
    promise: a word or two for what the suite holds, the column of the matrix.
    name: what the store is called in the matrix; the class's name when empty.
    feed_retention: seconds that the store's `sweep` keeps entries of the feed.
    lag: seconds that paths which cross partitions and search may lag, where the capabilities say that they do.
    needs: the capability without which the suite's tests are skipped, because `Capabilities` does not claim it.
    shared: whether two clients may have one database open; looked at for durable stores only.
    """

    promise: ClassVar[str] = ""
    name: ClassVar[str] = ""
    feed_retention: ClassVar[float] = 7 * 86400
    lag: ClassVar[float] = 0.0
    needs: ClassVar[str] = ""
    shared: ClassVar[bool] = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name, test in list(vars(cls).items()):
            if not name.startswith("test_"):
                continue
            if not (test.__doc__ or "").strip().endswith("."):
                raise TypeError(f"{cls.__name__}.{name} needs a docstring: the sentence of the contract that it holds")
            elsewhere = [base for base in cls.__mro__[1:] if issubclass(base, Suite) and name in vars(base)]
            if elsewhere and cls.promise != elsewhere[0].promise:
                raise TypeError(f"{cls.__name__}.{name} would hide the test of {elsewhere[0].__name__}")
            if inspect.iscoroutinefunction(test):
                setattr(cls, name, _in_its_mode(test, cls.needs))

    def make_store(self, place: Path) -> Store:
        """A new store object, not open.

        Parameters
        ----------
        place: an empty directory, one a test. The same place must give the same data, if the store is durable; a
            server's store makes a schema or a key prefix of ``place.name`` and the parent's name.
        """
        raise NotImplementedError("say how your store is made: def make_store(self, place): return MyStore(...)")

    def make_oracle(self) -> Store:
        """A new memory store, with which random histories are compared."""
        raise NotImplementedError(
            "hand in the oracle: def make_oracle(self): return recollect.stores.memory.MemoryStore()"
        )

    def remove(self, place: Path) -> None:
        """Remove what `make_store` left at a place; nothing has to be done for files."""

    @pytest.fixture(params=MODES, ids=lambda mode: mode.name)
    def mode(self, request: pytest.FixtureRequest) -> Mode:
        """Blocking, then async."""
        made: Mode = request.param()
        return made

    @pytest.fixture
    def kit(self, mode: Mode, tmp_path: Path) -> Iterator[Kit]:
        """An open store with its clock, in both modes."""
        yield from self._kit(mode, tmp_path)

    @pytest.fixture
    def async_kit(self, tmp_path: Path) -> Iterator[Kit]:
        """The same for what only tasks have: cancellation."""
        yield from self._kit(AsyncMode(), tmp_path)

    def _kit(self, mode: Mode, place: Path) -> Iterator[Kit]:
        kit = Kit(mode, lambda: self.make_store(place), retention=self.feed_retention, lag=self.lag)
        try:
            kit.start()
            yield kit
        finally:
            try:
                kit.stop()
            finally:
                self.remove(place)

    def need_shared(self, kit: Kit) -> None:
        """Skip unless two clients may have the database open."""
        kit.need_durable()
        if not self.shared:
            kit.skip("one client at a time")


def _in_its_mode(test: Callable[..., Coroutine[Any, Any, None]], needs: str) -> Callable[..., None]:
    @functools.wraps(test)
    def run(self: Suite, **fixtures: Any) -> None:
        kit: Kit = fixtures.get("kit") or fixtures["async_kit"]
        if needs and not getattr(kit.store.capabilities, needs):
            kit.skip(f"the store does not claim {needs}")
        kit.mode.run(test(self, **fixtures))

    return run
