"""How far the digest has come: one document for the feed, one for each session, in the tenant's area of memories.

A session's mark says up to which number its messages are digested, who is at it and until when, the statements that were
drawn and are not all kept yet, and what was set aside. Every write is guarded by the version that was read: of two
programs one goes on, and the other finds out.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import Struct, field

from recollect.core.base import Base
from recollect.core.extractor import Statement
from recollect.model import Preferences, Session
from recollect.store import ABSENT, Delete, Put

FEED = "digest"

CLAIM_SECONDS = 300.0
"""How long a claim holds. A program that dies leaves it behind; an extractor that takes longer is overtaken by another."""

MOST_ASIDE = 500
"""Stretches that are remembered apart; beyond these, the two oldest become one."""


class Aside(Struct, frozen=True):
    """A stretch of a session that was set aside: its numbers, both inclusive, and why."""

    first: int
    last: int
    why: str


class Mark(Struct, frozen=True, kw_only=True):
    """How far one session is digested.

    Parameters
    ----------
    begun: when the session began, as one that was deleted and made again begins anew. seq: of the last message.
    until: when the claim of whoever is at it runs out; None when nobody is. version: of the row; 0 when there is none.
    drawn: statements that are being kept, of the messages up to `drawn_seq`; times: when the messages they come from were said.
    aside: stretches of which the extractor could make no sense.
    """

    begun: str = ""
    seq: int = 0
    until: datetime | None = None
    drawn: list[Statement] = field(default_factory=list)
    drawn_seq: int = 0
    times: dict[str, datetime] = field(default_factory=dict)
    aside: list[Aside] = field(default_factory=list)
    version: int = 0

    def claimed(self, now: datetime) -> bool:
        """Whether somebody is at work; not what a clock far ahead of this one has said."""
        return self.until is not None and timedelta(0) < self.until - now <= timedelta(seconds=CLAIM_SECONDS)


def key_of(session_id: str) -> str:
    """The key of a session's mark: nobody's name stands in it."""
    return f"{FEED}:{blake2b(session_id.encode(), digest_size=20).hexdigest()}"


async def read_mark(base: Base, header: Session) -> Mark:
    """The mark of a session; a new one if there is none, or only one of a session of the same name before it."""
    row = await base.area.preferences(key_of(header.id))
    begun = header.created_at.isoformat() if header.created_at else ""
    if row is None:
        return Mark(begun=begun)
    try:
        mark = msgspec.convert(row.values, Mark)
    except msgspec.ValidationError:
        mark = Mark()
    if mark.begun != begun:
        return Mark(begun=begun, version=row.version)
    return msgspec.structs.replace(mark, version=row.version)


async def write_mark(base: Base, session_id: str, mark: Mark, **changes: Any) -> Mark:
    """Store a changed mark; raises `Conflict` if it is not any more what was read."""
    changed = msgspec.structs.replace(mark, **changes)
    values = msgspec.to_builtins(changed)
    del values["version"]
    version = await _put(base, key_of(session_id), values, mark.version)
    return msgspec.structs.replace(changed, version=version)


def claim_until(base: Base) -> datetime:
    """When a claim that is made now runs out."""
    return base.driver.now() + timedelta(seconds=CLAIM_SECONDS)


def with_aside(known: list[Aside], new: Aside) -> list[Aside]:
    """What is set aside, with one stretch more; one that follows another for the same reason lengthens it."""
    found = list(known)
    if found and found[-1].last + 1 == new.first and found[-1].why == new.why:
        found[-1] = Aside(found[-1].first, new.last, new.why)
    else:
        found.append(new)
    if len(found) > MOST_ASIDE:
        found[:2] = [Aside(found[0].first, found[1].last, found[0].why)]
    return found


async def forget_mark(base: Base, session_id: str) -> None:
    """Remove the mark of a session that is gone; where there is none, nothing is written, not even on a full server."""
    if await base.area.preferences(key_of(session_id)) is None:
        return
    await base.area.store.commit(base.area.user_partition(key_of(session_id)), [Delete(table="preferences")])


async def read_cursor(base: Base) -> tuple[str | None, int]:
    """The place in the feed up to which all is digested, and the version it stands in; None and 0 at the beginning."""
    row = await base.area.preferences(FEED)
    if row is None:
        return None, 0
    cursor = row.values.get("cursor")
    return (cursor if isinstance(cursor, str) else None), row.version


async def write_cursor(base: Base, cursor: str, version: int) -> None:
    """Store the place; raises `Conflict` if another has moved it."""
    await _put(base, FEED, {"cursor": cursor}, version)


async def _put(base: Base, key: str, values: dict[str, Any], version: int) -> int:
    now = base.driver.now()
    row = Preferences(user_id=key, values=values, created_at=now, updated_at=now)
    put = Put(table="preferences", row=row, expect=version or ABSENT)
    (stored,) = await base.area.store.commit(base.area.user_partition(key), [put])
    assert isinstance(stored, Preferences)
    return stored.version
