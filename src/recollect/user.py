"""The handle of one user, async: sessions, messages across them, preferences, memories."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from recollect.core import records
from recollect.core.areas import USER
from recollect.core.checks import (
    check_count,
    check_id,
    check_object,
    check_optional_time,
    refuse,
)
from recollect.core.cursors import read_cursor
from recollect.core.forget import forget_user
from recollect.core.pages import cut_page, page_of_sessions
from recollect.core.statistics import total_stats
from recollect.model import (
    JSON,
    Hit,
    Message,
    Page,
    Preferences,
    Receipt,
    Session,
    Stats,
)
from recollect.namespace import AsyncNamespaceHandle
from recollect.store import ABSENT, ANY

if TYPE_CHECKING:
    from recollect.client import AsyncRecollect


class AsyncUserPreferences:
    """The preference document of a user: a JSON object, changed atomically."""

    def __init__(self, memory: AsyncRecollect, user: str) -> None:
        self._memory = memory
        self._user = user

    async def get(self) -> dict[str, JSON]:
        """The document; empty if there is none."""
        found = await self.record()
        return found.values if found else {}

    async def record(self) -> Preferences | None:
        """The document with its version and times, or None."""
        return await (await self._memory._ready()).preferences(self._user)

    async def put(self, values: Mapping[str, JSON], *, expect: int | None = None) -> Preferences:
        """Replace the document.

        Parameters
        ----------
        expect: the version that must be stored (0: none); `Conflict` otherwise. None writes in any case.
        """
        base = await self._memory._ready()
        if not isinstance(values, Mapping):
            refuse("preferences", values)
        guard = ANY if expect is None else check_count(expect, "expect", least=0, most=None) or ABSENT
        return await records.put_preferences(base, self._user, values, expect=guard)

    async def merge(self, patch: Mapping[str, JSON]) -> Preferences:
        """Apply a JSON merge patch (RFC 7396), atomically: objects are merged, None removes."""
        base = await self._memory._ready()
        if not isinstance(patch, Mapping):
            refuse("patch", patch)
        checked = check_object(patch, "patch")
        return await records.change_preferences(base, self._user, lambda values: records.merge_patch(values, checked))

    async def set(self, key: str, value: JSON) -> Preferences:
        """Set one key, atomically: concurrent writers of other keys lose nothing."""
        base = await self._memory._ready()
        name = check_id(key, "key")
        return await records.change_preferences(base, self._user, lambda values: {**values, name: value})

    async def remove(self, key: str) -> bool:
        """Remove one key, atomically; whether it was there."""
        base = await self._memory._ready()
        name = check_id(key, "key")
        there = False

        def without(values: dict[str, JSON]) -> dict[str, JSON]:
            nonlocal there
            there = name in values
            return {other: value for other, value in values.items() if other != name}

        if await base.preferences(self._user) is None:
            return False
        await records.change_preferences(base, self._user, without)
        return there

    async def delete(self) -> bool:
        """Remove the document; whether there was one. Its version goes with it: the next one begins at 1 again."""
        return await records.delete_preferences(await self._memory._ready(), self._user)


class AsyncUserHandle(AsyncNamespaceHandle):
    """One user: sessions, messages across them, preferences, and the namespace ``("user", ID)`` of memories."""

    def __init__(self, memory: AsyncRecollect, id: str) -> None:
        self._id = check_id(id, "user")
        super().__init__(memory, (USER, self._id))
        self._preferences = AsyncUserPreferences(memory, self._id)

    @property
    def id(self) -> str:
        """The user's id."""
        return self._id

    @property
    def preferences(self) -> AsyncUserPreferences:
        """The user's preference document."""
        return self._preferences

    async def sessions(self, limit: int = 20, *, cursor: str | None = None) -> Page[Session]:
        """The user's sessions, latest activity first."""
        base = await self._memory._ready()
        return await page_of_sessions(base, "sessions_by_user", (base.scope, self._id), limit, cursor)

    async def messages(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 100,
        cursor: str | None = None,
        reverse: bool = True,
    ) -> Page[Message]:
        """The user's messages across sessions, by time; newest first unless `reverse` is false."""
        base = await self._memory._ready()
        check_count(limit, "limit")
        since, until = check_optional_time(since, "since"), check_optional_time(until, "until")
        question = ("messages", base.scope, self._id, since, until, reverse)
        place = read_cursor(question, cursor, (datetime, str, int))
        rows = await base.store.query(
            "messages_by_user",
            (base.scope, self._id),
            after=None if reverse else place,
            before=place if reverse else None,
            since=since,
            until=until,
            limit=limit + 1,
            reverse=reverse,
        )
        return cut_page(rows, limit, question, lambda row: (row.created_at, row.session_id, row.seq))

    async def recall(
        self,
        query: str,
        *,
        limit: int = 10,
        session: str | None = None,
        role: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        where: Mapping[str, JSON] | None = None,
        as_of: datetime | None = None,
        offset: int = 0,
    ) -> list[Hit]:
        """What the user's messages, memories and documents have that answers the query best.

        The parameters are those of `AsyncRecollect.search`; `session` and `role` leave messages only.
        """
        return await self._memory.search(
            query,
            limit=limit,
            user=self._id,
            session=session,
            role=role,
            since=since,
            until=until,
            where=where,
            as_of=as_of,
            offset=offset,
        )

    async def stats(self, *, detail: bool = True) -> Stats:
        """Figures of the user's sessions. With `detail` every message is read once, for roles, days, tokens and more: see `Stats`."""
        return await total_stats(await self._memory._ready(), user_id=self._id, detail=detail)

    async def forget(self) -> Receipt:
        """Remove everything about this user, everywhere, and say how much it was. Safe to repeat."""
        return await forget_user(await self._memory._ready(), self._id)
