"""Vectors: an item of the index for each message that has one, under the message's number.

They lie apart from the messages, so that no reading of a session pays for their bytes. A vector holds the place of its
message: where that is hidden, the vector is. What deletes a message by itself deletes its vector in the same transaction.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from recollect.errors import Unavailable
from recollect.model import Vector
from recollect.store import Attach, Driver, Partition, Stretch
from recollect.store.codec import dump_time
from recollect.store.contract import Key
from recollect.stores.dynamodb import actions, staged
from recollect.stores.dynamodb.cache import Cache
from recollect.stores.dynamodb.client import Cancelled, Client
from recollect.stores.dynamodb.header import Header, header_of
from recollect.stores.dynamodb.items import is_of, vector_item, vector_of
from recollect.stores.dynamodb.keys import HEADER, key, timestamp, vector_entry
from recollect.stores.dynamodb.nearest import with_embedding
from recollect.stores.dynamodb.pages import Pages, hidden, is_live
from recollect.stores.dynamodb.reads import Reads
from recollect.stores.dynamodb.schema import Names
from recollect.stores.dynamodb.values import Item, number, text
from recollect.stores.dynamodb.vector_index import VectorIndex

TURNS = 60
BUSY_TURNS = 100
BUSY_STEP = 0.05
LAST = 10**12 - 1


class Vectors:
    """Attaches vectors, and reads them."""

    def __init__(
        self,
        client: Client,
        names: Names,
        driver: Driver,
        reads: Reads,
        cache: Cache,
        index: VectorIndex | None,
    ) -> None:
        self._index = index
        self._client = client
        self._names = names
        self._driver = driver
        self._reads = reads
        self._cache = cache

    async def attach(self, partition: Partition, ops: Sequence[Attach]) -> list[int]:
        """A commit of nothing but vectors: how many of each operation are kept.

        More than one transaction takes are written in several; cut off between them, the first ones are kept.
        """
        session = key(partition.scope, partition.id)
        for turn in range(TURNS):
            header = await self._idle_header(partition)
            now = dump_time(self._driver.now())
            if header is None or not header.live(now):
                return [0] * len(ops)
            ids = {vector.id for op in ops for vector in op.vectors}
            entries = await self._reads.live_entries(header, sorted(ids))
            kept: dict[int, Item] = {}
            counts = []
            for op in ops:
                there = [vector for vector in op.vectors if is_of(vector, entries.get(vector.id))]
                kept |= {vector.seq: vector_item(session, vector, entries[vector.id]) for vector in there}
                counts.append(len(there))
            try:
                await self.write(header, [kept[seq] for seq in sorted(kept)])
            except Cancelled:
                await self._client.pause(turn)
                continue
            return counts
        raise Unavailable(f"session {partition.id!r} is written by too many at once: {TURNS} tries lost")

    async def _idle_header(self, partition: Partition) -> Header | None:
        """The header, once no large commit is being written, or nobody waits for it any longer."""
        for _ in range(BUSY_TURNS):
            header = await self._reads.header(partition.scope, partition.id)
            if header is None or header.busy_until <= dump_time(self._driver.now()):
                break
            await self._driver.sleep(BUSY_STEP)
        return header

    async def write(self, header: Header, items: Sequence[Item]) -> None:
        """Put vectors whose messages are there under a header.

        The header notes that there are vectors, once; after that it is only looked at, so that nobody's next commit fails.

        Raises `Cancelled` if a message may be gone.
        """
        if not items:
            return
        names, session = self._names, key(header.scope, header.id)
        at: Item = {"session_id": text(session), "timestamp": text(HEADER)}
        if not header.vectors:
            noted = header.copy()
            noted.vectors, noted.commit_id, noted.busy_until = True, os.urandom(16).hex(), ""
            put = actions.guarded_put(names.conversations, noted.item(), "session_id", header.commit_id)
            lanes = staged.closed(names.index, session) if header.busy_until else []
            await self._client.call("transact_write_items", TransactItems=[put, *lanes])
            self._cache.slot(session).set(noted)
            header = noted
        there = _still_there(names.conversations, at, header)
        for chunk in actions.chunks(self.puts(header.scope, items)):
            await self._client.call("transact_write_items", TransactItems=[there, *chunk])

    def puts(self, scope: str, items: Sequence[Item]) -> list[actions.Action]:
        """What writes vectors, so that the index finds them if there is one."""
        if self._index is not None:
            items = [with_embedding(item, scope, self._index.dimensions) for item in items]
        return [actions.put(self._names.index, item) for item in items]

    async def stretches(self, scope: str, asked: Sequence[Stretch]) -> list[Sequence[Vector]]:
        """Short parts of sessions' vectors, by their keys."""
        places = [[(id, seq) for seq in range(max(first, 1), last + 1)] for id, first, last in asked]
        wanted = dict.fromkeys(place for some in places for place in some)
        ids = {id: key(scope, id) for id, _ in wanted}
        names, now = self._names, dump_time(self._driver.now())
        found = await self._client.get_many(
            {
                names.conversations: [{"session_id": text(own), "timestamp": text(HEADER)} for own in ids.values()],
                names.index: [{"session_id": text(ids[id]), "entry": text(vector_entry(seq))} for id, seq in wanted],
            },
            consistent=self._reads.consistent,
        )
        headers = {item["session_id"]["S"]: header_of(item) for item in found[names.conversations]}
        there: dict[tuple[str, int], Vector] = {}
        for item in found[names.index]:
            header, place = headers.get(item["session_id"]["S"]), item["timestamp"]["S"]
            if header is not None and header.live(now) and _is_seen(header, item, place, now):
                vector = vector_of(item, header.id)
                there[header.id, vector.seq] = vector
        return [[there[place] for place in some if place in there] for some in places]

    async def page(
        self, scope: str, id: str, *, after: Key | None, before: Key | None, limit: int, reverse: bool
    ) -> list[Vector]:
        """A page of the path ``vectors``."""
        low = max(after[0] + 1, 1) if after else 1
        high = min(before[0] - 1, LAST) if before else LAST
        if limit < 1 or low > high:
            return []
        now, header = dump_time(self._driver.now()), await self._reads.header(scope, id)
        if header is None or not header.live(now) or not header.vectors:
            return []
        out: list[Vector] = []
        query = {
            "TableName": self._names.index,
            "KeyConditionExpression": "session_id = :session AND entry BETWEEN :low AND :high",
            "ExpressionAttributeValues": {
                ":session": text(key(scope, id)),
                ":low": text(vector_entry(low)),
                ":high": text(vector_entry(high)),
            },
            "ExpressionAttributeNames": {"#ts": "timestamp", "#data": "data", "#model": "model"},
            "ProjectionExpression": "entry, #ts, seq, message_id, #model, #data, expires_at",
            "ScanIndexForward": not reverse,
            "ConsistentRead": self._reads.consistent,
            "Limit": limit,
        }
        pages = Pages(self._client, query)
        while len(out) < limit and (items := await pages.next()) is not None:
            for item in items:
                if _is_seen(header, item, item["timestamp"]["S"], now):
                    out.append(vector_of(item, id))
        return out[:limit]


def _is_seen(header: Header, item: Item, place: str, now: str) -> bool:
    """Whether a vector's message, at this place of its session, can be read."""
    return place <= timestamp(header.last) and not hidden(header, place) and is_live(item, now)


def _still_there(table: str, at: Item, header: Header) -> actions.Action:
    """Fail if a message that was there under a header may be gone: what removes one changes its floor or its count of holes."""
    values: dict[str, Any] = {":floor": text(header.floor)}
    condition = "floor = :floor AND attribute_not_exists(deleted_at) AND "
    if header.removed:
        condition += "removed = :removed"
        values[":removed"] = number(header.removed)
    else:
        condition += "attribute_not_exists(removed)"
    return {
        "ConditionCheck": {
            "TableName": table,
            "Key": at,
            "ConditionExpression": condition,
            "ExpressionAttributeValues": values,
        }
    }
