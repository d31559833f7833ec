"""`SearchVectors`: the nearest messages by an index of DynamoDB's own, where the table has one.

Such an index reads lists of numbers, so a vector that is as long as the index's is stored a second time, as one. The index
lags behind, and knows nothing of owners and expiry: what it finds is read from its session, and what does not belong is left out.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence

from recollect.model import Message
from recollect.store import Candidate, Driver, Filter, Found
from recollect.store.codec import dump_time
from recollect.stores.dynamodb.client import Client
from recollect.stores.dynamodb.header import Header, header_of
from recollect.stores.dynamodb.items import joined, message_of
from recollect.stores.dynamodb.keys import HEADER, key, timestamp
from recollect.stores.dynamodb.pages import hidden, is_live
from recollect.stores.dynamodb.reads import Reads
from recollect.stores.dynamodb.schema import Names
from recollect.stores.dynamodb.values import Item, text
from recollect.stores.dynamodb.vector_index import ATTRIBUTE, LOG, SPACE, VectorIndex

TOP_K = 100
"""Results of one search (DynamoDB, "Quotas": vector indexes)."""

HALF, SINGLE = ".5g", ".9g"
"""Digits that give a number of half and of single precision back as it was."""


def with_embedding(item: Item, scope: str, dimensions: int) -> Item:
    """A vector's item as the index finds it; as it is, if it is of another length or has no direction."""
    data: bytes = item["data"]["B"]
    if len(data) != 2 * dimensions:
        return item
    numbers = struct.unpack(f"<{dimensions}e", data)
    if not any(numbers) or not all(map(math.isfinite, numbers)):
        return item
    return item | {
        SPACE: text(key(scope, item["model"]["S"])),
        LOG: item["session_id"],
        ATTRIBUTE: {"L": [{"N": f"{number:{HALF}}"} for number in numbers]},
    }


class Nearest:
    """Searches the index."""

    def __init__(self, client: Client, names: Names, driver: Driver, reads: Reads, index: VectorIndex) -> None:
        self.index = index
        self._client = client
        self._names = names
        self._driver = driver
        self._reads = reads

    async def search(self, scope: str, vector: Sequence[float], model: str, limit: int, filter: Filter) -> Found:
        """The nearest live messages by cosine, of a hundred that the index finds at most."""
        if limit < 1 or len(vector) != self.index.dimensions:
            return Found()
        names, values = {"#space": SPACE}, {":space": text(key(scope, model))}
        condition = "#space = :space"
        if filter.session_id is not None:
            names["#log"], values[":log"] = LOG, text(key(scope, filter.session_id))
            condition += " AND #log = :log"
        answer = await self._client.call(
            "search_vectors",
            TableName=self._names.index,
            IndexName=self.index.name,
            SearchVector=[{"N": f"{number:{SINGLE}}"} for number in vector],
            TopK=TOP_K,
            SearchConditionExpression=condition,
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=values,
        )
        found = [(result["Item"], float(result["Score"])) for result in answer.get("SearchResults", ())]
        messages = await self._messages([item for item, _ in found], filter)
        best = [
            Candidate(message, 1.0 - distance)
            for item, distance in found
            if (message := messages.get((item["session_id"]["S"], item["timestamp"]["S"]))) is not None
            and message.id == item["message_id"]["S"]
        ]
        best.sort(key=lambda candidate: candidate.score, reverse=True)
        return Found(best[:limit])

    async def _messages(self, found: Sequence[Item], filter: Filter) -> dict[tuple[str, str], Message]:
        """The live messages at the places of vectors that pass a filter."""
        table, now = self._names.conversations, dump_time(self._driver.now())
        places = {(item["session_id"]["S"], item["timestamp"]["S"]) for item in found}
        wanted = [*{(session, HEADER) for session, _ in places}, *sorted(places)]
        items = await self._client.get_many(
            {table: [{"session_id": text(session), "timestamp": text(place)} for session, place in wanted]},
            consistent=self._reads.consistent,
        )
        by_place = {(item["session_id"]["S"], item["timestamp"]["S"]): item for item in items[table]}
        headers = {session: header_of(item) for (session, place), item in by_place.items() if place == HEADER}
        out: dict[tuple[str, str], Message] = {}
        for session, place in places:
            header, item = headers.get(session), by_place.get((session, place))
            if header is None or item is None or not _passes(header, item, filter, now):
                continue
            if "pieces" in item:
                item = joined(item, await self._reads.pieces(session, place))
            out[session, place] = message_of(item, session_id=header.id, user_id=header.owner)
        return out


def _passes(header: Header, item: Item, filter: Filter, now: str) -> bool:
    created, place = item["created_at"]["S"], item["timestamp"]["S"]
    return (
        header.live(now)
        and place <= timestamp(header.last)
        and not hidden(header, place)
        and is_live(item, now)
        and filter.user_id in (None, header.owner)
        and filter.session_id in (None, header.id)
        and filter.role in (None, item["role"]["S"])
        and (filter.since is None or created >= dump_time(filter.since))
        and (filter.until is None or created < dump_time(filter.until))
    )
