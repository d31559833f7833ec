"""The feed. A commit leaves its entry in the tenant's inbox; who reads the feed first gives the entries their numbers.

So no commit waits for another one's number, and none is missed: an entry leaves the inbox in the very transaction that
numbers it. The order of numbers is that of the commits of each session or user, and across them that of the writers'
clocks; what one process commits one after the other has that order.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Protocol

from msgspec import Struct

from recollect.errors import Unavailable
from recollect.model import Change
from recollect.store import Driver, Partition
from recollect.store.codec import dump_time, load_time
from recollect.store.guards import parse_feed_cursor, swept_away
from recollect.stores.dynamodb import actions
from recollect.stores.dynamodb.client import Cancelled, Client
from recollect.stores.dynamodb.keys import spread
from recollect.stores.dynamodb.schema import Names
from recollect.stores.dynamodb.values import Item, get_number, number, size_of, text

HEAD = "inbox"
"""The sort key of a feed's head: right before the entries of its inbox, so that one query gives both."""

CHUNK = 1000
NUMBERED_AT_ONCE = 97
NUMBERED_BYTES = 300_000
TURNS = 60

_LAST_NUMBER = "9" * 20


def entry(partition: Partition, stamp: int, at: str, changes: Sequence[tuple[str, str, int, int]]) -> Item:
    """What a commit puts into its tenant's inbox.

    Parameters
    ----------
    stamp: the commit's instant, strictly later than that of the partition's commit before.
    changes: kind, table, first and last number of each operation that changed something.
    """
    place = f"{partition.kind}/{partition.id}"
    return {
        "feed": text(partition.scope),
        "position": text(f"{HEAD}/{spread(place)}/{place}/{stamp:020}"),
        **entry_of(partition, stamp, at, changes),
    }


def entry_of(partition: Partition, stamp: int, at: str, changes: Sequence[tuple[str, str, int, int]]) -> Item:
    """What an entry says, whatever its key is."""
    return {
        "partition_kind": text(partition.kind),
        "partition_id": text(partition.id),
        "stamp": number(stamp),
        "at": text(at),
        "changes": {
            "L": [
                {"M": {"kind": text(kind), "table": text(table)} | _numbers(first, last)}
                for kind, table, first, last in changes
            ]
        },
    }


def _numbers(first: int, last: int) -> Item:
    return {"first_seq": number(first), "last_seq": number(last)} if first else {}


class ChangeFeed(Protocol):
    """A way to keep the feed."""

    def entry(self, partition: Partition, stamp: int, at: str, changes: Sequence[tuple[str, str, int, int]]) -> Item:
        """The item that a commit puts into the table of changes; see `entry`."""

    async def changes(self, scope: str, after: str | None, limit: int) -> list[Change]:
        """The feed of a tenant behind a cursor."""

    async def sweep(self) -> int:
        """Remove what is older than the retention; how many entries."""


class _Head(Struct, frozen=True):
    last: int = 0
    swept: int = 0


class Feed:
    """Reads the feeds of all tenants.

    Parameters
    ----------
    retention: seconds that entries are kept by a sweep.
    """

    def __init__(self, client: Client, names: Names, driver: Driver, *, retention: float) -> None:
        self._client = client
        self._table = names.changes
        self._driver = driver
        self._retention = timedelta(seconds=retention)

    def entry(self, partition: Partition, stamp: int, at: str, changes: Sequence[tuple[str, str, int, int]]) -> Item:
        return entry(partition, stamp, at, changes)

    async def changes(self, scope: str, after: str | None, limit: int) -> list[Change]:
        """The feed behind a cursor."""
        head = await self._number(scope, after, limit)
        start = parse_feed_cursor(after, head.last, head.swept)
        if limit < 1 or start >= head.last:
            return []
        found = _unbroken(await self._log(scope, start, limit))
        if after is not None and (not found or int(found[0].cursor) > start + 1):
            raise swept_away()  # since the head was read
        return found

    async def _number(self, scope: str, after: str | None, limit: int) -> _Head:
        """Give numbers to what waits, until there is enough behind the cursor or nothing waits any more."""
        for turn in range(TURNS):
            head, waiting, more = await self._inbox(scope)
            start = parse_feed_cursor(after, head.last, head.swept)
            if not waiting or head.last - start >= limit:
                return head
            chosen = await self._settled(scope, waiting)
            if not chosen:
                continue  # Another reader has taken them: the head is not what it was.
            try:
                head = await self._take(scope, head, chosen)
            except Cancelled:
                await self._client.pause(turn)
                continue
            if not more:
                return head
        raise Unavailable("the feed is read by too many at once")

    async def _inbox(self, scope: str) -> tuple[_Head, list[Item], bool]:
        """The head of a feed, the first entries that wait, and whether there are more of them."""
        items, more = await self._client.query(
            TableName=self._table,
            KeyConditionExpression="feed = :feed AND begins_with(#p, :inbox)",
            ExpressionAttributeNames={"#p": "position"},
            ExpressionAttributeValues={":feed": text(scope), ":inbox": text(HEAD)},
            ConsistentRead=True,
            Limit=CHUNK + 1,
        )
        head = _Head()
        if items and items[0]["position"]["S"] == HEAD:
            head = _Head(get_number(items[0], "last"), get_number(items[0], "swept"))
            items = items[1:]
        return head, items, more is not None

    async def _settled(self, scope: str, seen: list[Item]) -> list[Item]:
        """The entries that can be numbered, in their order.

        A query that runs beside commits can miss a partition's entry and see a later one of it. Whatever a second query
        of the same stretch finds up to a partition's last entry of the first is complete.
        """
        newest: dict[tuple[str, str], int] = {}
        for item in seen:
            place = _place(item)
            newest[place] = max(newest.get(place, 0), int(item["stamp"]["N"]))
        items = await self._client.query_all(
            TableName=self._table,
            KeyConditionExpression="feed = :feed AND #p BETWEEN :low AND :high",
            ExpressionAttributeNames={"#p": "position"},
            ExpressionAttributeValues={
                ":feed": text(scope),
                ":low": text(f"{HEAD}/"),
                ":high": seen[-1]["position"],
            },
            ConsistentRead=True,
        )
        chosen = [item for item in items if int(item["stamp"]["N"]) <= newest.get(_place(item), 0)]
        return sorted(chosen, key=lambda item: (int(item["stamp"]["N"]), item["position"]["S"]))

    async def _take(self, scope: str, head: _Head, chosen: list[Item]) -> _Head:
        """Move entries from the inbox to the log, as many at a time as one transaction takes.

        Raises `Cancelled` if another reader was first.
        """
        while chosen:
            batch, size = [chosen[0]], size_of(chosen[0])
            for item in chosen[1:NUMBERED_AT_ONCE]:
                size += size_of(item)
                if size > NUMBERED_BYTES:
                    break
                batch.append(item)
            chosen = chosen[len(batch) :]
            last = head.last + sum(len(item["changes"]["L"]) for item in batch)
            await self._client.call("transact_write_items", TransactItems=[*self._move(scope, head, last, batch)])
            head = _Head(last, head.swept)
        return head

    def _move(self, scope: str, head: _Head, last: int, batch: list[Item]) -> list[actions.Action]:
        condition = "#l = :old" if head.last else "attribute_not_exists(#l)"
        values = {":new": number(last)} | ({":old": number(head.last)} if head.last else {})
        kept = ("partition_kind", "partition_id", "at", "changes")
        return [
            {
                "Update": {
                    "TableName": self._table,
                    "Key": _at(scope, HEAD),
                    "UpdateExpression": "SET #l = :new",
                    "ConditionExpression": condition,
                    "ExpressionAttributeNames": {"#l": "last"},
                    "ExpressionAttributeValues": values,
                }
            },
            actions.put(
                self._table,
                _at(scope, _log_position(last))
                | {
                    "first": number(head.last + 1),
                    "commits": {"L": [{"M": {name: item[name] for name in kept}} for item in batch]},
                },
            ),
            *(
                {
                    "Delete": {
                        "TableName": self._table,
                        "Key": _at(scope, item["position"]["S"]),
                        "ConditionExpression": "attribute_exists(feed)",
                    }
                }
                for item in batch
            ),
        ]

    async def _log(self, scope: str, start: int, limit: int) -> list[Change]:
        """Numbered entries behind a number."""
        out: list[Change] = []
        query = self._log_query(scope, start)
        while True:
            items, more = await self._client.query(**query)
            for item in items:
                out += [change for change in _changes(item) if int(change.cursor) > start]
            if more is None or len(out) >= limit:
                return out[:limit]
            query["ExclusiveStartKey"] = more

    def _log_query(self, scope: str, start: int) -> dict[str, Any]:
        return {
            "TableName": self._table,
            "KeyConditionExpression": "feed = :feed AND #p BETWEEN :low AND :high",
            "ExpressionAttributeNames": {"#p": "position"},
            "ExpressionAttributeValues": {
                ":feed": text(scope),
                ":low": text(_log_position(start + 1)),
                ":high": text(f"log/{_LAST_NUMBER}"),
            },
            "ConsistentRead": True,
        }

    # -- sweeping --------------------------------------------------------------------------------------------------

    async def sweep(self) -> int:
        """Remove entries older than the retention, from the old end of every tenant's feed; how many."""
        found = await self._client.scan_all(
            TableName=self._table,
            ProjectionExpression="feed",
            FilterExpression="begins_with(#p, :inbox)",
            ExpressionAttributeNames={"#p": "position"},
            ExpressionAttributeValues={":inbox": text(HEAD)},
        )
        return sum([await self._sweep(scope) for scope in sorted({item["feed"]["S"] for item in found})])

    async def _sweep(self, scope: str) -> int:
        head = await self._number(scope, None, 2**62)
        oldest = dump_time(self._driver.now() - self._retention)
        swept, gone = head.swept, []
        young = False
        query = self._log_query(scope, swept)
        while not young:
            items, more = await self._client.query(**query)
            for item in items:
                for change in _changes(item):
                    if int(change.cursor) <= swept:
                        continue
                    assert change.at is not None
                    if dump_time(change.at) > oldest:
                        young = True
                        break
                    swept = int(change.cursor)
                if young:
                    break
                gone.append(item)
            if more is None:
                break
            query["ExclusiveStartKey"] = more
        if swept == head.swept:
            return 0
        await self._client.call(
            "update_item",
            TableName=self._table,
            Key=_at(scope, HEAD),
            UpdateExpression="SET swept = :new",
            ConditionExpression="attribute_not_exists(swept) OR swept <= :new",
            ExpressionAttributeValues={":new": number(swept)},
        )
        keys = [_at(scope, item["position"]["S"]) for item in gone]
        await self._client.write_many([(self._table, {"DeleteRequest": {"Key": key}}) for key in keys])
        return swept - head.swept


def _at(scope: str, position: str) -> Item:
    return {"feed": text(scope), "position": text(position)}


def _log_position(last: int) -> str:
    return f"log/{last:020}"


def _place(item: Item) -> tuple[str, str]:
    return item["partition_kind"]["S"], item["partition_id"]["S"]


def _unbroken(found: list[Change]) -> list[Change]:
    """Entries up to where a sweep has removed some while they were read, page by page."""
    for place, change in enumerate(found):
        if int(change.cursor) != int(found[0].cursor) + place:
            return found[:place]
    return found


def _changes(item: Item) -> list[Change]:
    """The entries of an item of the log."""
    out: list[Change] = []
    place = int(item["first"]["N"])
    for commit in item["commits"]["L"]:
        held = commit["M"]
        count = len(held["changes"]["L"])
        out += changes_of(held, [str(number) for number in range(place, place + count)])
        place += count
    return out


def changes_of(held: Item, cursors: Sequence[str]) -> list[Change]:
    """What an entry says, each change with its cursor."""
    return [
        Change(
            cursor=cursor,
            kind=change["M"]["kind"]["S"],
            table=change["M"]["table"]["S"],
            partition=held["partition_id"]["S"],
            first_seq=get_number(change["M"], "first_seq"),
            last_seq=get_number(change["M"], "last_seq"),
            at=load_time(held["at"]["S"]),
        )
        for cursor, change in zip(cursors, held["changes"]["L"], strict=True)
    ]
