"""The feed, followed: what has happened, then what happens."""

from __future__ import annotations

from collections.abc import AsyncIterator

from recollect.core.base import Base
from recollect.model import Change

PAGE = 500

SHORTEST, LONGEST = 0.05, 1.0
"""Seconds between two looks at a store that cannot wake a follower: short while something happens, longer when not."""

PUSHED = 30.0
"""Seconds until a look at a store that does wake its followers; a wake-up that was lost costs no more than this."""


async def follow(base: Base, after: str | None) -> AsyncIterator[Change]:
    """Every change behind the cursor, as it comes; without end."""
    pause = SHORTEST
    while True:
        found = await base.store.changes(base.scope, after=after, limit=PAGE)
        for change in found:
            yield change
        if found:
            after, pause = found[-1].cursor, SHORTEST
        elif base.store.capabilities.push:
            await base.store.wait(base.scope, after, PUSHED)
        else:
            await base.store.wait(base.scope, after, pause)
            pause = min(pause * 1.5, LONGEST)
