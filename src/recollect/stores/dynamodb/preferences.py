"""Commits on a user: one item, guarded like a session's header."""

from __future__ import annotations

import os
from collections.abc import Sequence

from recollect.errors import RecollectError, Unavailable
from recollect.model import Preferences
from recollect.store import Delete, Driver, Op, Partition, Put, Result
from recollect.store.codec import dump_time
from recollect.store.guards import next_version
from recollect.stores.dynamodb import actions
from recollect.stores.dynamodb.client import Cancelled, Client
from recollect.stores.dynamodb.feed import ChangeFeed
from recollect.stores.dynamodb.items import preferences_item, preferences_of
from recollect.stores.dynamodb.keys import Ticks, key
from recollect.stores.dynamodb.schema import Names
from recollect.stores.dynamodb.values import Item, get_number, number, text

TURNS = 400


class PreferenceCommits:
    """Applies commits to users."""

    def __init__(
        self, client: Client, names: Names, driver: Driver, feed: ChangeFeed, ticks: Ticks, *, consistent: bool
    ) -> None:
        self._feed = feed
        self._client = client
        self._names = names
        self._driver = driver
        self._ticks = ticks
        self._consistent = consistent

    async def get(self, scope: str, user: str) -> Preferences | None:
        """The document of a user."""
        item = await self._client.get(self._names.preferences, _at(key(scope, user)), consistent=self._consistent)
        return None if item is None else preferences_of(item)

    async def commit(self, partition: Partition, ops: Sequence[Op]) -> list[Result]:
        """All operations or none."""
        at = _at(key(partition.scope, partition.id))
        item = await self._client.get(self._names.preferences, at)
        for turn in range(TURNS):
            stored = None if item is None else preferences_of(item)
            results, after, changes = _apply(partition, stored, ops)
            if not changes:
                return results
            token = os.urandom(16).hex()
            try:
                await self._client.call(
                    "transact_write_items",
                    TransactItems=self._actions(partition, at, item, after, changes, token),
                    ClientRequestToken=token,
                )
                return results
            except Cancelled as cancelled:
                if cancelled.codes and cancelled.codes[0] == "ConditionalCheckFailed":
                    item = cancelled.items[0]
                    if item is not None and item["commit_id"]["S"] == token:
                        return results
            await self._client.pause(turn)
        raise Unavailable(f"the preferences of {partition.id!r} are written by too many at once")

    def _actions(
        self,
        partition: Partition,
        at: Item,
        before: Item | None,
        after: Preferences | None,
        changes: list[tuple[str, str, int, int]],
        token: str,
    ) -> list[actions.Action]:
        table, guard = self._names.preferences, None if before is None else before["commit_id"]["S"]
        stamp = self._ticks.next(0 if before is None else get_number(before, "stamp"))
        out = [
            actions.put(self._names.changes, self._feed.entry(partition, stamp, dump_time(self._driver.now()), changes))
        ]
        if after is not None:
            own = {"commit_id": text(token), "stamp": number(stamp)}
            item = preferences_item(key(partition.scope, partition.id), partition.scope, after, own)
            return [actions.guarded_put(table, item, "user_id", guard), *out]
        if before is not None:
            return [actions.guarded_delete(table, at, "user_id", guard), *out]
        return [actions.absent(table, at, "user_id"), *out]


def _apply(
    partition: Partition, stored: Preferences | None, ops: Sequence[Op]
) -> tuple[list[Result], Preferences | None, list[tuple[str, str, int, int]]]:
    results: list[Result] = []
    changes: list[tuple[str, str, int, int]] = []
    for op in ops:
        if isinstance(op, Put) and isinstance(op.row, Preferences):
            version = None if stored is None else stored.version
            stored = op.row.replace(version=next_version(op.expect, version, f"the preferences of {partition.id!r}"))
            results.append(stored)
            changes.append(("put", "preferences", 0, 0))
        elif isinstance(op, Delete):
            there = stored is not None and op.table in (None, "preferences")
            results.append(int(there))
            if there:
                stored = None
                changes.append(("delete", "preferences", 0, 0))
        else:
            raise RecollectError("a user's partition holds preferences only")
    return results, stored, changes


def _at(user: str) -> Item:
    return {"user_id": text(user)}
