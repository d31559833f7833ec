"""The life of a client: opened once, by whoever comes first, and closed once."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

from recollect.core.base import Base
from recollect.core.reindex import check_index
from recollect.errors import ConfigError
from recollect.store import Driver, Store

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Lock


class Opening:
    """A store that is opened on first use, or on ``async with``, and closed with the client."""

    def _start(self, store: Store, driver: Driver, base: Base, parent: Opening | None = None) -> None:
        """Before the first use.

        Parameters
        ----------
        parent: the client that opens and closes the store for this one; None if it does so itself.
        """
        self._store, self._driver, self._base = store, driver, base
        self._state = "new" if parent is None else "child"
        self._opened = False
        self._parent = parent
        self._opening: tuple[AbstractEventLoop, Lock] | None = None

    async def open(self) -> None:
        """Open the store: check its schema or create it. Done by itself on first use."""
        await self._ready()

    async def close(self) -> None:
        """Close the store and let go of threads. Closing twice is harmless."""
        if self._parent is not None:
            return
        was, self._state = self._state, "closed"
        if self._driver.blocking:
            if was == "open":
                await self._store.close()
        else:
            async with self._turn():  # behind a task that is still opening
                if self._opened:
                    await self._store.close()
                    self._opened = False
        self._driver.close()

    async def __aenter__(self) -> Self:
        await self._ready()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _ready(self) -> Base:
        if self._state == "open":
            return self._base
        if self._parent is not None:
            await self._parent._ready()
            return self._base
        if self._state == "closed":
            raise ConfigError("this client is closed: make a new one")
        if self._driver.blocking:
            await self._store.open(self._driver)
            self._base.views.index_fits = await check_index(self._base)
            self._state = "open"
            return self._base
        async with self._turn():
            if self._state == "new":
                self._opened = True
                await self._store.open(self._driver)
                self._base.views.index_fits = await check_index(self._base)
                if self._state == "new":
                    self._state = "open"
        return await self._ready() if self._state == "closed" else self._base

    def _turn(self) -> Lock:
        """The lock of the running loop under which the store is opened and closed."""
        from asyncio import Lock, get_running_loop

        loop = get_running_loop()
        if self._opening is None or self._opening[0] is not loop:
            self._opening = (loop, Lock())
        return self._opening[1]
