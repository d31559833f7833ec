"""Removing what nobody can read any more: the expired, the deleted, and what a broken commit left.

Everything that is removed here is hidden already, by a header's floor, its garbage stretches or its expiry, and stays hidden
until its last trace is gone. So a sweep may be cut off anywhere and be run again.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from recollect.model import Swept
from recollect.store import Driver
from recollect.store.codec import dump_time, load_time
from recollect.stores.dynamodb import actions, staged
from recollect.stores.dynamodb.cache import Cache
from recollect.stores.dynamodb.client import Cancelled, Client
from recollect.stores.dynamodb.feed import ChangeFeed
from recollect.stores.dynamodb.header import Header, header_of
from recollect.stores.dynamodb.keys import END, HEADER, SUMMARY, VECTORS, Ticks, id_entry, key, timestamp
from recollect.stores.dynamodb.pages import between, hidden
from recollect.stores.dynamodb.schema import Names
from recollect.stores.dynamodb.values import Item, get_number, text

TURNS = 20

MOST_PLACES = 100
"""Operands of IN (DynamoDB, "Condition and filter expressions"). The last place of an id is the one its entry can have."""


class Sweeper:
    """Sweeps sessions, and the feed.

    Parameters
    ----------
    retention: seconds that what stays of a deleted session is kept, so that the feed has its entries in order.
    """

    def __init__(
        self,
        client: Client,
        names: Names,
        driver: Driver,
        feed: ChangeFeed,
        cache: Cache,
        ticks: Ticks,
        *,
        retention: float,
    ) -> None:
        self._client = client
        self._names = names
        self._driver = driver
        self._feed = feed
        self._cache = cache
        self._ticks = ticks
        self._retention = timedelta(seconds=retention)

    async def sweep(self) -> Swept:
        """All tenants."""
        sessions = messages = 0
        for item in await self._due():
            for turn in range(TURNS):
                try:
                    found = await self._session(item["session_id"]["S"])
                except Cancelled:
                    await self._client.pause(turn)
                    continue
                sessions, messages = sessions + found[0], messages + found[1]
                break
        return Swept(sessions=sessions, messages=messages, changes=await self._feed.sweep())

    async def _due(self) -> list[Item]:
        return await self._client.query_all(
            TableName=self._names.conversations,
            IndexName="SweepIndex",
            KeyConditionExpression="sweep = :due AND #due <= :now",
            ExpressionAttributeNames={"#due": "due"},
            ExpressionAttributeValues={":due": text("due"), ":now": text(self._now())},
        )

    def _now(self) -> str:
        return dump_time(self._driver.now())

    async def _session(self, session: str) -> tuple[int, int]:
        """One session; sessions and messages removed."""
        header = await self._header(session)
        if header is None:
            return 0, 0
        sessions = messages = 0
        if not header.deleted and not header.live(self._now()):
            messages = await self._count(header)
            sessions = 1
            header = await self._bury(header)
        if not header.deleted and header.expiring and header.first_expiry <= self._now():
            header, messages = await self._expire(header)
        await self.clean(header)
        return sessions, messages

    async def _header(self, session: str) -> Header | None:
        item = await self._client.get(self._names.conversations, _at(session, HEADER))
        return None if item is None else header_of(item)

    async def clean(self, header: Header) -> None:
        """Remove what the header hides, and let the header forget it.

        Raises `Cancelled` if a commit came between.
        """
        now = self._now()
        if header.busy_until:
            if header.busy_until > now:
                return
            header = await self._replace(header, header.copy())  # closes the lanes of whoever was writing
        session = key(header.scope, header.id)
        await self._remove(session, header)
        if header.owner_stale:
            await self._rename_owner(session, header)
        after = header.copy()
        after.garbage, after.owner_stale, after.due = [], False, ""
        if header.deleted:
            gone_from = dump_time(load_time(header.at) + self._retention)
            if gone_from <= now:
                await self._transact(
                    [
                        actions.guarded_delete(
                            self._names.conversations, _at(session, HEADER), "session_id", header.commit_id
                        )
                    ]
                )
                self._cache.slot(session).loaded = False
                return
            after.due = gone_from
        for instant in (header.expires_at, header.first_expiry if header.expiring else None):
            if instant:
                after.look_again(instant)
        if (after.garbage, after.owner_stale, after.due) != (header.garbage, header.owner_stale, header.due):
            await self._replace(header, after)

    async def _replace(self, before: Header, after: Header, *others: actions.Action) -> Header:
        after.commit_id, after.busy_until = os.urandom(16).hex(), ""
        session = key(after.scope, after.id)
        put = actions.guarded_put(self._names.conversations, after.item(), "session_id", before.commit_id)
        lanes = staged.closed(self._names.index, session) if before.busy_until else []
        await self._transact([put, *others, *lanes])
        self._cache.slot(session).loaded = False
        return after

    async def _transact(self, sent: Sequence[actions.Action]) -> None:
        await self._client.call("transact_write_items", TransactItems=list(sent))

    async def _bury(self, header: Header) -> Header:
        """An expired session becomes a deleted one."""
        last = self._ticks.next(header.last)
        after = Header(
            id=header.id,
            scope=header.scope,
            deleted=True,
            at=self._now(),
            last=last,
            floor=timestamp(last) + END,
            garbage=header.garbage,
            due=self._now(),
        )
        summary = actions.delete(self._names.conversations, _at(key(header.scope, header.id), SUMMARY))
        return await self._replace(header, after, summary)

    async def _items(self, session: str, low: str, high: str, *names: str, **more: Any) -> list[Item]:
        query = between(self._names.conversations, session, low, high)
        query["ExpressionAttributeValues"] |= more.pop("values", {})
        projection = ", ".join(("session_id", "#ts", *names))
        return await self._client.query_all(**query, ProjectionExpression=projection, **more)

    async def _count(self, header: Header) -> int:
        """Messages stored in a session."""
        session = key(header.scope, header.id)
        items = await self._items(session, header.floor, timestamp(header.last) + END, "message_id")
        return sum("message_id" in item and not hidden(header, item["timestamp"]["S"]) for item in items)

    async def _expire(self, header: Header) -> tuple[Header, int]:
        """Remove a session's expired messages; how many."""
        session, now = key(header.scope, header.id), self._now()
        query = {"FilterExpression": "attribute_exists(expires_at)"}
        found = await self._items(
            session, header.floor, timestamp(header.last) + END, "expires_at", "message_id", "pieces", **query
        )
        found = [item for item in found if not hidden(header, item["timestamp"]["S"])]
        gone = [item for item in found if item["expires_at"]["S"] <= now]
        left = [item["expires_at"]["S"] for item in found if item["expires_at"]["S"] > now]
        after = header.copy()
        after.removed += len(gone)
        after.expiring = len(left)
        after.first_expiry, after.last_expiry = min(left, default=""), max(left, default="")
        for item in gone:
            if get_number(item, "pieces"):
                after.garbage.append((item["timestamp"]["S"], item["timestamp"]["S"] + END))
        await self._delete_messages(session, gone)
        entries = [
            ({"session_id": text(session), "entry": text(id_entry(item["message_id"]["S"]))}, item["timestamp"]["S"])
            for item in gone
        ]
        await self._delete_entries([*entries, *(await self._expired_vectors(session) if header.vectors else [])])
        return await self._replace(header, after), len(gone)

    async def _expired_vectors(self, session: str) -> list[tuple[Item, str]]:
        """The vectors of a session's expired messages, and the places of those."""
        found = await self._client.query_all(
            TableName=self._names.index,
            KeyConditionExpression="session_id = :session AND begins_with(entry, :vectors)",
            ProjectionExpression="session_id, entry, #ts",
            FilterExpression="expires_at <= :now",
            ExpressionAttributeNames={"#ts": "timestamp"},
            ExpressionAttributeValues={
                ":session": text(session),
                ":vectors": text(VECTORS),
                ":now": text(self._now()),
            },
            ConsistentRead=True,
        )
        return [({"session_id": it["session_id"], "entry": it["entry"]}, it["timestamp"]["S"]) for it in found]

    async def _remove(self, session: str, header: Header) -> None:
        """Everything at or below the floor and in the garbage stretches."""
        if header.floor != "0":
            await self._delete_messages(session, await self._items(session, "0", header.floor))
        for low, high in header.garbage:
            await self._delete_messages(session, await self._items(session, low, high))
        if header.floor == "0" and not header.garbage:
            return
        entries = await self._client.query_all(
            TableName=self._names.index,
            KeyConditionExpression="session_id = :session",
            ProjectionExpression="session_id, entry, #ts",
            FilterExpression="#ts <= :floor"
            + "".join(f" OR #ts BETWEEN :low{n} AND :high{n}" for n in range(len(header.garbage))),
            ExpressionAttributeNames={"#ts": "timestamp"},
            ExpressionAttributeValues={
                ":session": text(session),
                ":floor": text(header.floor),
                **{f":low{n}": text(low) for n, (low, _) in enumerate(header.garbage)},
                **{f":high{n}": text(high) for n, (_, high) in enumerate(header.garbage)},
            },
            ConsistentRead=True,
        )
        await self._delete_entries(
            [({"session_id": item["session_id"], "entry": item["entry"]}, item["timestamp"]["S"]) for item in entries]
        )

    async def _delete_messages(self, session: str, found: Sequence[Item]) -> None:
        """Delete items whose places are never taken again, so that no condition is needed."""
        table = self._names.conversations
        keys = [_at(session, item["timestamp"]["S"]) for item in found]
        await self._client.write_many([(table, {"DeleteRequest": {"Key": key}}) for key in keys])

    async def _delete_entries(self, entries: Sequence[tuple[Item, str]]) -> None:
        """Delete entries of the index, each only while it is that of a message that is gone: the id may be taken again.

        An id may have been taken more than once by messages that are all gone.
        """
        places: dict[str, tuple[Item, list[str]]] = {}
        for at, place in entries:
            places.setdefault(at["entry"]["S"], (at, []))[1].append(place)
        wanted = [self._delete_entry(at, gone) for at, gone in places.values()]
        for start in range(0, len(wanted), actions.MOST):
            sent = wanted[start : start + actions.MOST]
            try:
                await self._transact(sent)
            except Cancelled:
                for action in sent:
                    try:
                        await self._transact([action])
                    except Cancelled:
                        continue

    def _delete_entry(self, key: Item, places: Sequence[str]) -> actions.Action:
        values = {f":ts{n}": text(place) for n, place in enumerate(places[-MOST_PLACES:])}
        return {
            "Delete": {
                "TableName": self._names.index,
                "Key": key,
                "ConditionExpression": f"#ts IN ({', '.join(values)}) OR attribute_not_exists(session_id)",
                "ExpressionAttributeNames": {"#ts": "timestamp"},
                "ExpressionAttributeValues": values,
            }
        }

    async def _rename_owner(self, session: str, header: Header) -> None:
        """Let the messages' ``user_id`` be that of the header, for those who read `UserIdIndex`."""
        wanted = None if header.owner is None else key(header.scope, header.owner)
        low, high = header.floor, timestamp(header.last) + END
        for item in await self._items(session, low, high, "user_id", "message_id"):
            found = item.get("user_id", {}).get("S")
            if found == wanted or "message_id" not in item or hidden(header, item["timestamp"]["S"]):
                continue
            change: dict[str, Any] = (
                {"UpdateExpression": "REMOVE user_id", "ConditionExpression": "attribute_exists(message_id)"}
                if wanted is None
                else {
                    "UpdateExpression": "SET user_id = :user",
                    "ConditionExpression": "attribute_exists(message_id)",
                    "ExpressionAttributeValues": {":user": text(wanted)},
                }
            )
            update = {"TableName": self._names.conversations, "Key": _at(session, item["timestamp"]["S"]), **change}
            try:
                await self._transact([{"Update": update}])
            except Cancelled:
                continue


def _at(session: str, place: str) -> Item:
    return {"session_id": text(session), "timestamp": text(place)}
