"""What keeps a store in order: its tables, its index, what has expired, what waits for it."""

from __future__ import annotations

from typing import Literal

from recollect.core.reindex import Progress as ReindexProgress
from recollect.core.reindex import Reindexed, check_index, reindex
from recollect.errors import ConfigError, InvalidInput
from recollect.model import Buffered, Delivered, Swept
from recollect.opening import Opening

RefusedRule = Literal["keep", "again", "drop"]


class Upkeep(Opening):
    """What the one who runs the program asks of the store."""

    async def buffered(self) -> Buffered:
        """What is kept for a store that was away: what waits, what was refused, of all tenants together.

        Asks the buffer and not the store. All zero with ``on_unavailable="raise"``.
        """
        return await self._store.buffered(self._driver)

    async def deliver(self, *, refused: RefusedRule = "keep") -> Delivered:
        """Deliver everything that the buffer keeps for this store, in the order of the appends.

        Parameters
        ----------
        refused: what becomes of what the store refused before: ``keep`` leaves it, ``again`` tries it once more in its old
            place, ``drop`` removes it for good.

        Raises `Unavailable` if the store is (still) away; what was delivered by then stays delivered.
        """
        if refused not in ("keep", "again", "drop"):
            raise InvalidInput(f"refused is keep, again or drop, not {refused!r}", field="refused")
        return await (await self._ready()).store.deliver(refused)

    async def sweep(self) -> Swept:
        """Remove what has expired (it is never read anyway), old entries of the feed, and deleted remains on disk."""
        return await (await self._ready()).store.sweep()

    async def create_tables(self) -> list[str]:
        """Make what the store needs and is not there: tables, a schema, a file; the names of what was made.

        For set-up by hand, where the program itself may not. Called before the client is open.
        Raises `ConfigError` for what is there and does not fit, `Unavailable` if the database is away.
        """
        self._not_open()
        return await self._store.create_tables(self._driver)

    async def check_tables(self) -> list[str]:
        """What of the store's tables is missing or not as it is needed, a sentence each; nothing is made.

        Called before the client is open. Raises `Unavailable` if the database is away.
        """
        self._not_open()
        return await self._store.check_tables(self._driver)

    def _not_open(self) -> None:
        if self._state != "new":
            raise ConfigError("tables are made and checked by a client that is not open yet")

    async def warnings(self) -> list[str]:
        """What in the database's set-up endangers what is promised, with what to do about it; empty if all is well."""
        base = await self._ready()
        stale = (
            [] if await check_index(base) else ["the index was made by other rules: recollect reindex makes it anew"]
        )
        return [*stale, *await base.store.warnings()]

    async def reindex(self, progress: ReindexProgress | None = None) -> Reindexed:
        """Make anew what is derived of the messages: the index of words, of all tenants, where it was made by another
        version's rules; and vectors by the embedder that is set, for what has none of its model.

        Parameters
        ----------
        progress: called with ``"terms"`` or ``"vectors"`` and how many messages are done.

        Everything else goes on meanwhile. Raises `Unavailable` when the embedder is away; what it has made is kept.
        """
        return await reindex(await self._ready(), progress)
