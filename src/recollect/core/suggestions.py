"""Preferences that a user has stated in conversation, for the application to accept or not.

A suggestion is a memory of a stated preference, read as a change of the preference document; what became of it stands in
the memory's metadata. So it is recalled, superseded and forgotten as the memory is.
"""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from recollect.core import areas, memories
from recollect.core.base import Base
from recollect.core.checks import check_count
from recollect.core.memories import memory_of
from recollect.core.reconcile import ACCEPTED, DISMISSED
from recollect.core.records import change_preferences
from recollect.errors import Conflict, NotFound
from recollect.model import JSON, Memory, Preferences
from recollect.store.codec import dump_time


class Suggestion(Struct, frozen=True, kw_only=True):
    """A preference that a user has stated.

    Parameters
    ----------
    id: of the suggestion, and of the memory behind it. content: what was stated.
    key, value: what accepting it writes into the preference document; with `listed` the value is added to the key's list.
    opposite: a key from whose list the value is then taken. session, messages: where it was said. created_at: when.
    """

    id: str
    content: str
    key: str
    value: JSON
    listed: bool = False
    opposite: str | None = None
    session: str | None = None
    messages: list[str] = []
    created_at: datetime | None = None

    def to_dict(self) -> dict[str, JSON]:
        """Every field as JSON-able data."""
        found = {name: getattr(self, name) for name in self.__struct_fields__}
        return found | {"created_at": None if self.created_at is None else dump_time(self.created_at)}


async def listed(base: Base, user_id: str, limit: int) -> list[Suggestion]:
    """The user's open suggestions, the latest first."""
    check_count(limit, "limit")
    path = (areas.USER, user_id)
    record = await base.preferences(user_id)
    values = record.values if record else {}
    found: list[Suggestion] = []
    async for rows in base.area.pages(areas.log_of(path), reverse=True):
        for row in rows:
            memory = memory_of(row, path)
            suggestion = _read(memory)
            if suggestion is None or memory.closed_at is not None or "suggestion" in memory.metadata:
                continue
            if _applied(suggestion, values) != values:
                found.append(suggestion)
                if len(found) == limit:
                    return found
    return found


async def accept(base: Base, user_id: str, id: str) -> Preferences:
    """Write a suggestion into the preference document."""
    suggestion, memory = await _get(base, user_id, id)
    if memory.closed_at is not None:
        raise Conflict(f"what suggestion {id!r} rests on holds no longer")
    stored = await change_preferences(base, user_id, lambda values: _applied(suggestion, values))
    await memories.mark(base, (areas.USER, user_id), id, suggestion=ACCEPTED)
    return stored


async def dismiss(base: Base, user_id: str, id: str) -> Suggestion:
    """Suggest it no more."""
    suggestion, _ = await _get(base, user_id, id)
    await memories.mark(base, (areas.USER, user_id), id, suggestion=DISMISSED)
    return suggestion


async def _get(base: Base, user_id: str, id: str) -> tuple[Suggestion, Memory]:
    memory = await memories.get(base, (areas.USER, user_id), id)
    suggestion = None if memory is None else _read(memory)
    if memory is None or suggestion is None:
        raise NotFound(f"no suggestion {id!r} for user {user_id!r}")
    return suggestion, memory


def _read(memory: Memory) -> Suggestion | None:
    told = memory.metadata.get("suggests")
    if not isinstance(told, dict) or not isinstance(told.get("key"), str) or not told["key"]:
        return None
    session, messages, opposite = memory.source.get("session"), memory.source.get("messages"), told.get("opposite")
    return Suggestion(
        id=memory.id,
        content=memory.content,
        key=told["key"],
        value=told.get("value"),
        listed=told.get("listed") is True,
        opposite=opposite if isinstance(opposite, str) else None,
        session=session if isinstance(session, str) else None,
        messages=[str(id) for id in messages] if isinstance(messages, list) else [],
        created_at=memory.created_at,
    )


def _applied(suggestion: Suggestion, values: dict[str, JSON]) -> dict[str, JSON]:
    """The document as it is when a suggestion is accepted."""
    changed = dict(values)
    if not suggestion.listed:
        return changed | {suggestion.key: suggestion.value}
    there = _listing(changed.get(suggestion.key))
    changed[suggestion.key] = there if _within(suggestion.value, there) else [*there, suggestion.value]
    if suggestion.opposite in changed:
        left = [value for value in _listing(changed[suggestion.opposite]) if not _within(suggestion.value, [value])]
        changed[suggestion.opposite] = left
        if not left:
            del changed[suggestion.opposite]
    return changed


def _listing(value: JSON) -> list[JSON]:
    return list(value) if isinstance(value, list) else [] if value is None else [value]


def _within(value: JSON, values: list[JSON]) -> bool:
    return _folded(value) in map(_folded, values)


def _folded(value: JSON) -> JSON:
    return value.casefold() if isinstance(value, str) else value
