"""Paths that cross partitions: sessions of a tenant or a user by activity, preferences by user.

Each is a sorted set with equal scores, so that Redis orders it by its members' bytes: the second of the last activity
and the session's id, or the user's id. The commit that changes a session moves its member in the same call, so a path never lags. Where a
tenant has several shards, each has its own, and they are merged here.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from recollect.model import Preferences, Session
from recollect.store.codec import dump_time
from recollect.store.contract import Key
from recollect.stores.redis.keys import Keys, encode
from recollect.stores.redis.records import PREFERENCE_FIELDS, Header, preferences_of
from recollect.stores.redis.scripts import HEADERS
from recollect.stores.redis.wire import Unit, Wire, settled

PAGE = 500
EVERYTHING = -1
"""As a limit of Redis."""

SECOND = 19
AT = SECOND + 1
"""Where the session's id begins in a member ``2026-11-21T00:52:30 <id>``."""


class Paths:
    """Reads across partitions.

    Parameters
    ----------
    wire: to the server. keys: makes keys.
    """

    def __init__(self, wire: Wire, keys: Keys) -> None:
        self._wire = wire
        self._keys = keys

    async def sessions(
        self, hash: Key, now: str, *, after: Key | None, before: Key | None, limit: int, reverse: bool
    ) -> list[Session]:
        """Live sessions of a tenant, or of a user, in the order of their activity."""
        name = f"user:{encode(hash[1])}:sessions" if len(hash) > 1 else "sessions"
        low = "-" if after is None else f"[{dump_time(after[0])[:SECOND]}"
        high = "+" if before is None else f"[{dump_time(before[0])[:SECOND]}~"
        out: list[Session] = []
        while len(out) < limit:
            count = min(PAGE, limit - len(out))
            page = await self.members(hash[0], name, low, high, count, reverse)
            ended = len(page) < count
            if not ended:
                # The list is exact to the second, so the last one has to be whole.
                last = page[-1][:SECOND]
                page = [member for member in page if member[:SECOND] != last]
                page += await self.members(hash[0], name, f"[{last}", f"[{last}~", EVERYTHING, reverse)
                low, high = (low, f"({last}") if reverse else (f"({last}~", high)
            headers = await self.headers(hash[0], [member[AT:] for member in page], now)
            rows = [header.row for header in headers if header and hash[1:] in ((), (header.row.user_id,))]
            rows.sort(key=_activity, reverse=reverse)
            out += [
                row
                for row in rows
                if (after is None or _activity(row) > after) and (before is None or _activity(row) < before)
            ]
            if ended:
                break
        return out[:limit]

    async def preferences(
        self, scope: str, *, after: Key | None, before: Key | None, limit: int, reverse: bool
    ) -> list[Preferences]:
        """Documents of a tenant in the order of the users' ids."""
        low = "-" if after is None else f"({after[0]}"
        high = "+" if before is None else f"({before[0]}"
        out: list[Preferences] = []
        while len(out) < limit:
            count = min(PAGE, limit - len(out))
            users = await self.members(scope, "preferences", low, high, count, reverse)
            documents = [self._keys.user(scope, user).document for user in users]
            units = [Unit(key, (("HMGET", key, *PREFERENCE_FIELDS),)) for key in documents]
            rows = settled(await self._wire.ask_all(units))
            out += [preferences_of(row) for row in rows if row[0] is not None]
            if len(users) < count:
                break
            low, high = (low, f"({users[-1]}") if reverse else (f"({users[-1]}", high)
        return out

    async def headers(self, scope: str, ids: Sequence[str], now: str) -> list[Header | None]:
        """Headers of sessions, in the order of the ids; None for one that is not there."""
        by_base: dict[str, list[int]] = {}
        keys = []
        for n, id in enumerate(ids):
            base, own = self._keys.session(scope, id)
            keys.append(own)
            by_base.setdefault(base, []).append(n)
        groups = list(by_base.values())
        units = []
        for numbers in groups:
            pairs = tuple(key for n in numbers for key in (keys[n].header, keys[n].expiring))
            units.append(Unit(pairs[0], (HEADERS(pairs, now),)))
        out: list[Header | None] = [None] * len(ids)
        for numbers, rows in zip(groups, settled(await self._wire.ask_all(units)), strict=True):
            for n, row in zip(numbers, rows, strict=True):
                # A member names a session by its id; a header that says another is not its own.
                out[n] = Header(row) if row and row[0] == ids[n] else None
        return out

    async def members(self, scope: str, name: str, low: str, high: str, limit: int, reverse: bool) -> list[str]:
        """The first members of a path, over all shards."""
        edges = (high, low) if reverse else (low, high)
        way = "ZREVRANGEBYLEX" if reverse else "ZRANGEBYLEX"
        keys = [f"{base}{name}" for base in self._keys.bases(scope)]
        units = [Unit(key, ((way, key, *edges, "LIMIT", 0, limit),)) for key in keys]
        shards = settled(await self._wire.ask_all(units))
        # UTF-8 and code points have the same order, and a page of every shard holds a page of them all.
        return sorted((member for members in shards for member in members), reverse=reverse)[
            : None if limit == EVERYTHING else limit
        ]


def _activity(row: Session) -> tuple[datetime, str]:
    assert row.updated_at is not None
    return (row.updated_at, row.id)
