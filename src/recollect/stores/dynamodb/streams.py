"""The feed by DynamoDB Streams: a commit overwrites one item of its session or user, and the stream has every state of it.

A stream promises the order of what happens to one item, and no other ("Change data capture for DynamoDB Streams"): so each
session and user has one item here, and its commits have their order. A cursor says how far each shard of the stream is read.
A shard that has ended is followed by those that it was split into, which are read only when it is read to its end.
"""

from __future__ import annotations

import binascii
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Sequence
from datetime import timedelta
from threading import Lock
from typing import Any

import msgspec
from msgspec import Struct

from recollect.errors import ConfigError, InvalidInput, NotFound
from recollect.model import Change
from recollect.store import Driver, Partition
from recollect.store.codec import dump_time
from recollect.stores.dynamodb.client import Client
from recollect.stores.dynamodb.failures import code_of
from recollect.stores.dynamodb.feed import changes_of, entry_of
from recollect.stores.dynamodb.keys import key
from recollect.stores.dynamodb.schema import TTL_ATTRIBUTE, Names
from recollect.stores.dynamodb.values import Item, number, text

LAST = "last"
"""The sort key of the item that each commit of a session or user overwrites."""

PAGE = 1000
EMPTY_PAGES = 2
"""So many pages without a record in a row: the end, for now. A stream may have empty pages before others: who asks again
goes on behind them, and then one is enough."""

MEMORY = 1000
"""Places in the stream that are remembered, so that who asks again goes on without looking for the place."""

GONE = {"TrimmedDataAccessException", "ResourceNotFoundException"}

_PLACE = re.compile(r"(\d{1,64}(\+\d{1,9})?)?", re.ASCII)


class _Cursor(Struct, frozen=True):
    """What a cursor's text holds: the stream, and for each shard the last record read, ``""`` for none.

    ``+n`` behind a record: only so many of its changes are read.
    """

    stream: str
    places: dict[str, str]


class _Reading:
    """Where a reader of one tenant stands: how far each shard is read, and the iterators that go on there."""

    def __init__(self, places: dict[str, str], iterators: dict[str, str]) -> None:
        self.places = places
        self.iterators = iterators


class StreamFeed:
    """Reads the feeds of all tenants from the stream.

    Parameters
    ----------
    retention: seconds after which a sweep removes the item of a session or user that was not written since.
    ttl: whether DynamoDB may remove it then by itself.
    """

    def __init__(self, client: Client, names: Names, driver: Driver, *, retention: float, ttl: bool) -> None:
        self._client = client
        self._ttl = ttl
        self._table = names.changes
        self._driver = driver
        self._retention = timedelta(seconds=retention)
        self._stream = ""
        self._shards: dict[str, str | None] = {}
        self._known: OrderedDict[tuple[str, str | None], _Reading] = OrderedDict()
        self._lock = Lock()

    def entry(self, partition: Partition, stamp: int, at: str, changes: Sequence[tuple[str, str, int, int]]) -> Item:
        """What a commit leaves for the stream: see `feed.entry`."""
        item: Item = {
            "feed": text(f"{partition.kind}/{key(partition.scope, partition.id)}"),
            "position": text(LAST),
            "scope": text(partition.scope),
            **entry_of(partition, stamp, at, changes),
        }
        if self._ttl:
            item[TTL_ATTRIBUTE] = number(int((self._driver.now() + self._retention).timestamp()))
        return item

    async def changes(self, scope: str, after: str | None, limit: int) -> list[Change]:
        """The feed behind a cursor: what the stream shows of it by now."""
        reading = await self._begin(scope, after)
        out: list[Change] = []
        waiting = sorted(reading.places)
        while waiting and len(out) < limit:
            shard = waiting.pop(0)
            if await self._read(scope, shard, reading, limit, out):
                children = await self._children(shard)
                if children:
                    del reading.places[shard]
                    reading.places |= dict.fromkeys(children, "")
                    waiting = sorted([*waiting, *children])
        self._remember(scope, out[-1].cursor if out else after, reading)
        return out

    # -- where to begin --------------------------------------------------------------------------------------------

    async def _begin(self, scope: str, after: str | None) -> _Reading:
        cursor = None if after is None else _parsed(after)
        with self._lock:
            known = self._known.get((scope, after))
        if known is not None:
            return _Reading(dict(known.places), dict(known.iterators))
        await self._look()
        if cursor is None:
            roots = [shard for shard, parent in self._shards.items() if parent not in self._shards]
            return _Reading(dict.fromkeys(roots, ""), {})
        if cursor.stream != self._stream:
            raise NotFound("this cursor is of another stream: the one of the table was made anew since")
        return _Reading(dict(cursor.places), {})

    def _remember(self, scope: str, cursor: str | None, reading: _Reading) -> None:
        """Keep where a reader stands: behind its cursor, or, before it has one, behind a beginning that has nothing of its tenant."""
        with self._lock:
            self._known[scope, cursor] = reading
            self._known.move_to_end((scope, cursor))
            while len(self._known) > MEMORY:
                self._known.popitem(last=False)

    async def _look(self) -> None:
        """Find the stream, and its shards with their parents."""
        if not self._stream:
            table = (await self._client.call("describe_table", TableName=self._table))["Table"]
            stream = table.get("LatestStreamArn")
            if stream is None:
                raise ConfigError(f"{self._table} has no stream, and ?feed=streams reads it")
            self._stream = stream
        shards: dict[str, str | None] = {}
        more: dict[str, str] = {}
        while True:
            found = (await self._client.call("describe_stream", StreamArn=self._stream, **more))["StreamDescription"]
            shards |= {shard["ShardId"]: shard.get("ParentShardId") for shard in found["Shards"]}
            if not found.get("LastEvaluatedShardId"):
                break
            more = {"ExclusiveStartShardId": found["LastEvaluatedShardId"]}
        self._shards = shards

    async def _children(self, shard: str) -> list[str]:
        """The shards that an ended one was split into."""
        if shard not in self._shards.values():
            await self._look()
        return [child for child, parent in self._shards.items() if parent == shard]

    # -- one shard -------------------------------------------------------------------------------------------------

    async def _read(self, scope: str, shard: str, reading: _Reading, limit: int, out: list[Change]) -> bool:
        """Add what comes in one shard until there is enough, or no more for now; whether the shard has ended."""
        iterator = reading.iterators.pop(shard, None)
        remembered, empty = iterator is not None, 0
        if iterator is None:
            iterator = await self._iterator(shard, reading.places[shard])
        while iterator is not None:
            if empty == (1 if remembered else EMPTY_PAGES):
                reading.iterators[shard] = iterator
                return False
            try:
                page = await self._client.call(
                    "get_records", ShardIterator=iterator, Limit=min(PAGE, limit - len(out) + 1)
                )
            except ConfigError as error:
                if remembered and code_of(error) == "ExpiredIteratorException":
                    remembered, iterator = False, await self._iterator(shard, reading.places[shard])
                    continue
                raise _gone(error) from error
            for record in page["Records"]:
                self._take(scope, shard, record["dynamodb"], reading, limit, out)
                if len(out) == limit:
                    return False
            empty = 0 if page["Records"] else empty + 1
            iterator = page.get("NextShardIterator")
        return True

    def _take(
        self, scope: str, shard: str, record: dict[str, Any], reading: _Reading, limit: int, out: list[Change]
    ) -> None:
        """Add the changes of a record, each with the cursor that goes on behind it."""
        image = record.get("NewImage")
        if image is None or image["position"]["S"] != LAST or image["scope"]["S"] != scope:
            return
        place, _, taken = reading.places[shard].partition("+")
        sequence = record["SequenceNumber"]
        begin = int(taken or 0) if place == sequence else 0
        changes = changes_of(image, [""] * len(image["changes"]["L"]))
        for number_, change in enumerate(changes[begin : begin + limit - len(out)], begin + 1):
            reading.places[shard] = sequence if number_ == len(changes) else f"{sequence}+{number_}"
            out.append(msgspec.structs.replace(change, cursor=_text(_Cursor(self._stream, reading.places))))

    async def _iterator(self, shard: str, place: str) -> str:
        sequence, _, taken = place.partition("+")
        where: dict[str, str] = {"ShardIteratorType": "TRIM_HORIZON"}
        if sequence:
            kind = "AT_SEQUENCE_NUMBER" if taken else "AFTER_SEQUENCE_NUMBER"
            where = {"ShardIteratorType": kind, "SequenceNumber": sequence}
        try:
            found = await self._client.call("get_shard_iterator", StreamArn=self._stream, ShardId=shard, **where)
        except ConfigError as error:
            raise _gone(error) from error
        iterator: str = found["ShardIterator"]
        return iterator

    # -- sweeping --------------------------------------------------------------------------------------------------

    async def sweep(self) -> int:
        """Remove the items of sessions and users that were not written for long. The stream has let go of them itself."""
        found = await self._client.scan_all(
            TableName=self._table,
            ProjectionExpression="feed, #p",
            FilterExpression="#p = :last AND #at < :oldest",
            ExpressionAttributeNames={"#p": "position", "#at": "at"},
            ExpressionAttributeValues={
                ":last": text(LAST),
                ":oldest": text(dump_time(self._driver.now() - self._retention)),
            },
        )
        await self._client.write_many([(self._table, {"DeleteRequest": {"Key": item}}) for item in found])
        return 0


def _gone(error: ConfigError) -> Exception:
    if code_of(error) in GONE:
        return NotFound("what follows this cursor is gone: DynamoDB Streams keep 24 hours")
    return error


def _text(cursor: _Cursor) -> str:
    return urlsafe_b64encode(msgspec.json.encode(cursor)).decode().rstrip("=")


def _parsed(cursor: str) -> _Cursor:
    try:
        data = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        found = msgspec.json.decode(data, type=_Cursor)
    except (binascii.Error, UnicodeEncodeError, UnicodeDecodeError, msgspec.DecodeError, ValueError):
        found = None
    if found is None or not found.places or not all(map(_PLACE.fullmatch, found.places.values())):
        raise InvalidInput(f"not a cursor of the feed: {cursor[:60]!r}", field="after")
    return found
