"""Paths that cross partitions: sessions of a tenant or a user by activity, preferences by user.

Each is a sorted set with equal scores, so that Redis orders it by its members' bytes: ``<updated_at> <session id>``,
or the user's id. The commit that changes a session moves its member in the same call, so a path never lags. Where a
tenant has several shards, each has its own, and they are merged here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from recollect.model import Preferences, Session
from recollect.store.codec import dump_time
from recollect.store.contract import Key
from recollect.stores.redis.keys import Keys, encode
from recollect.stores.redis.records import PREFERENCE_FIELDS, Header, preferences_of
from recollect.stores.redis.scripts import HEADERS
from recollect.stores.redis.wire import Unit, Wire

PAGE = 500
AT = 28
"""Where the id begins in a member ``<instant> <id>``."""

Place = tuple[int, str]
"""A member and the shard that it is in."""


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
        low = "-" if after is None else f"({dump_time(after[0])} {after[1]}"
        high = "+" if before is None else f"({dump_time(before[0])} {before[1]}"

        async def rows(members: Sequence[str]) -> list[Session | None]:
            found = await self.headers(hash[0], [member[AT:] for member in members], now)
            return [
                header.row if header and (len(hash) == 1 or header.row.user_id == hash[1]) else None
                for header in found
            ]

        return await self._merged(hash[0], name, low, high, limit, reverse, rows)

    async def preferences(
        self, scope: str, *, after: Key | None, before: Key | None, limit: int, reverse: bool
    ) -> list[Preferences]:
        """Documents of a tenant in the order of the users' ids."""
        low = "-" if after is None else f"({after[0]}"
        high = "+" if before is None else f"({before[0]}"

        async def rows(members: Sequence[str]) -> list[Preferences | None]:
            documents = [self._keys.user(scope, member).document for member in members]
            units = [Unit(key, (("HMGET", key, *PREFERENCE_FIELDS),)) for key in documents]
            found = settled(await self._wire.ask_all(units))
            return [preferences_of(row) if row[0] is not None else None for row in found]

        return await self._merged(scope, "preferences", low, high, limit, reverse, rows)

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

    async def members(
        self, scope: str, name: str, low: str, high: str, limit: int, reverse: bool
    ) -> list[list[str]]:
        """The first members of each shard's part of a path."""
        edges = (high, low) if reverse else (low, high)
        way = "ZREVRANGEBYLEX" if reverse else "ZRANGEBYLEX"
        keys = [f"{base}{name}" for base in self._keys.bases(scope)]
        return settled(
            await self._wire.ask_all([Unit(key, ((way, key, *edges, "LIMIT", 0, limit),)) for key in keys])
        )

    async def _merged(
        self,
        scope: str,
        name: str,
        low: str,
        high: str,
        limit: int,
        reverse: bool,
        rows: Callable[[Sequence[str]], Any],
    ) -> list[Any]:
        out: list[Any] = []
        while len(out) < limit:
            count = min(PAGE, limit - len(out))
            shards = await self.members(scope, name, low, high, count, reverse)
            # UTF-8 and code points have the same order, and a page of every shard holds a page of them all.
            page = sorted((member for members in shards for member in members), reverse=reverse)[:count]
            out += [row for row in (await rows(page) if page else ()) if row is not None]
            if len(page) < count:
                break
            if reverse:
                high = f"({page[-1]}"
            else:
                low = f"({page[-1]}"
        return out


def settled(answers: Sequence[Any]) -> list[Any]:
    """The answers; raises the first that is an error."""
    for found in answers:
        if isinstance(found, Exception):
            raise found
    return list(answers)
