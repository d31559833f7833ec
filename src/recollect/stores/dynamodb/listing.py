"""Paths that cross partitions. The indexes say where to look; the rows are read from their own partitions.

An index may lag and may name what is gone: what is read from the partition is the truth, and what does not belong is left
out. The sessions' indexes hold the minute of the last activity only, so that an append seldom has to write them.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any

from recollect.model import Preferences, Session
from recollect.store import Driver
from recollect.store.codec import dump_time
from recollect.store.contract import Key
from recollect.stores.dynamodb.client import Client
from recollect.stores.dynamodb.header import Header, header_of
from recollect.stores.dynamodb.items import preferences_of
from recollect.stores.dynamodb.keys import key
from recollect.stores.dynamodb.pages import Pages
from recollect.stores.dynamodb.reads import Reads
from recollect.stores.dynamodb.schema import Names
from recollect.stores.dynamodb.values import Item, text

MINUTE = 16
"""Characters of an instant up to its minute."""

PAGE = 100


class Listing:
    """Sessions of a tenant and of a user, preferences of a tenant."""

    def __init__(self, client: Client, names: Names, driver: Driver, reads: Reads) -> None:
        self._client = client
        self._names = names
        self._driver = driver
        self._reads = reads

    async def sessions(
        self, scope: str, user: str | None, *, after: Key | None, before: Key | None, limit: int, reverse: bool
    ) -> list[Session]:
        """A page of the path ``sessions``, or ``sessions_by_user``, by activity."""
        if limit < 1:
            return []
        low = None if after is None else (dump_time(after[0]), after[1])
        high = None if before is None else (dump_time(before[0]), before[1])
        now, seen = dump_time(self._driver.now()), set[str]()
        out: list[Session] = []
        minutes = _Minutes(self._pages(scope, user, low and low[0], high and high[0], reverse=reverse))
        while (keys := await minutes.next()) is not None:
            headers = await self.headers(session for session in keys if session not in seen)
            seen.update(keys)
            rows = []
            for header in headers:
                place = (header.updated_at, header.id)
                if not header.live(now) or (user is not None and header.owner != user):
                    continue
                if (low is None or place > low) and (high is None or place < high):
                    rows.append((place, header))
            rows.sort(key=lambda row: row[0], reverse=reverse)
            for _, header in rows[: limit - len(out)]:
                out.append(await self._reads.counted(header, now))
            if len(out) >= limit:
                break
        return out

    async def headers_of(self, scope: str, user: str) -> list[Header]:
        """The headers of all live sessions of a user."""
        now = dump_time(self._driver.now())
        minutes = _Minutes(self._pages(scope, user, None, None, reverse=False))
        keys: dict[str, None] = {}
        while (some := await minutes.next()) is not None:
            keys |= dict.fromkeys(some)
        return [header for header in await self.headers(keys) if header.owner == user and header.live(now)]

    async def headers(self, sessions: Iterable[str]) -> list[Header]:
        """Headers by partition keys; what is gone is left out."""
        table = self._names.conversations
        wanted = [{"session_id": text(session), "timestamp": text("~session")} for session in sessions]
        found = await self._client.get_many({table: wanted})
        return [header_of(item) for item in found[table]]

    def _pages(self, scope: str, user: str | None, low: str | None, high: str | None, *, reverse: bool) -> Pages:
        index, hash, value = ("ScopeIndex", "scope", scope)
        if user is not None:
            index, hash, value = ("OwnerIndex", "owner_key", key(scope, user))
        query: dict[str, Any] = {
            "TableName": self._names.conversations,
            "IndexName": index,
            "KeyConditionExpression": "#h = :hash AND active BETWEEN :low AND :high",
            "ExpressionAttributeNames": {"#h": hash},
            "ExpressionAttributeValues": {
                ":hash": text(value),
                ":low": text(low[:MINUTE] if low else "0"),
                ":high": text(high[:MINUTE] if high else "~"),
            },
            "ScanIndexForward": not reverse,
        }
        return Pages(self._client, query)

    async def preferences(
        self, scope: str, *, after: Key | None, before: Key | None, limit: int, reverse: bool
    ) -> list[Preferences]:
        """A page of the path ``preferences``, by the users' ids."""
        condition, values = "#s = :scope", {":scope": text(scope)}
        start, end = (None if after is None else after[0]), (None if before is None else before[0])
        if start is not None and end is not None:
            if start >= end:
                return []
            condition += " AND id BETWEEN :low AND :high"
            values |= {":low": text(start), ":high": text(end)}
        elif start is not None:
            condition += " AND id > :low"
            values |= {":low": text(start)}
        elif end is not None:
            condition += " AND id < :high"
            values |= {":high": text(end)}
        out: list[Preferences] = []
        pages = Pages(
            self._client,
            {
                "TableName": self._names.preferences,
                "IndexName": "ScopeIndex",
                "KeyConditionExpression": condition,
                "ExpressionAttributeNames": {"#s": "scope"},
                "ExpressionAttributeValues": values,
                "ScanIndexForward": not reverse,
                "Limit": max(1, min(limit + 2, PAGE)),
            },
        )
        while len(out) < limit and (items := await pages.next()) is not None:
            table = self._names.preferences
            found = await self._client.get_many({table: [{"user_id": item["user_id"]} for item in items]})
            rows = [row for row in map(preferences_of, found[table]) if row.user_id not in (start, end)]
            out += sorted(rows, key=lambda row: row.user_id, reverse=reverse)
        return out[:limit]


class _Minutes:
    """The sessions of an index, a minute of activity at a time."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._items: list[Item] = []
        self._ended = False

    async def next(self) -> list[str] | None:
        """The partition keys of the next whole minute, None behind the last."""
        while not self._ended and (not self._items or self._items[0]["active"] == self._items[-1]["active"]):
            items = await self._pages.next()
            self._ended = items is None
            self._items += items or []
        for _, group in groupby(self._items, key=lambda item: item["active"]["S"]):
            keys = [item["session_id"]["S"] for item in group]
            self._items = self._items[len(keys) :]
            return keys
        return None
