"""Reading one session: its header, and its messages by number from either end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct

from recollect.model import Message, Session, Summary
from recollect.store import Driver, Partition
from recollect.store.codec import dump_time
from recollect.store.contract import Key
from recollect.stores.dynamodb.cache import Cache
from recollect.stores.dynamodb.client import Client
from recollect.stores.dynamodb.header import Header, header_of
from recollect.stores.dynamodb.items import joined, message_of, summary_of
from recollect.stores.dynamodb.keys import (
    END,
    HEADER,
    SEGMENT,
    SUMMARY,
    id_entry,
    key,
    segment_start,
    seq_entry,
    timestamp,
)
from recollect.stores.dynamodb.known import Stored
from recollect.stores.dynamodb.pages import PAGE, Assembler, Pages, between, hidden, is_live
from recollect.stores.dynamodb.schema import Names
from recollect.stores.dynamodb.values import Item, get_number, text

TORN_TURNS = 6
TORN_STEP = 0.01
"""A query that runs beside a transaction may see a part of it ("DynamoDB transactions: How it works", isolation levels).
The numbers tell; so often and so long it is read again."""


class Span(Struct, frozen=True):
    """What is asked of a session's messages: numbers from `low` to `high`, both included, and what they must be."""

    low: int = 1
    high: int | None = None
    since: str | None = None
    until: str | None = None
    role: str | None = None
    limit: int = 1
    reverse: bool = False

    @property
    def filtered(self) -> bool:
        """Whether a message may be passed over for what it says."""
        return self.since is not None or self.until is not None or self.role is not None


class Reads:
    """Reads of one session.

    Parameters
    ----------
    consistent: whether the log is read strongly consistent. What a commit rests on always is.
    """

    def __init__(self, client: Client, names: Names, driver: Driver, *, consistent: bool) -> None:
        self.client = client
        self._names = names
        self._driver = driver
        self.consistent = consistent

    def now(self) -> str:
        return dump_time(self._driver.now())

    # -- headers ---------------------------------------------------------------------------------------------------

    async def header(self, scope: str, id: str) -> Header | None:
        """The header as it is stored, deleted or expired as it may be."""
        item = await self.client.get(self._names.conversations, _at(key(scope, id), HEADER))
        return None if item is None else header_of(item)

    async def know(self, sessions: Iterable[Partition], cache: Cache) -> None:
        """Put headers that are not in the cache there, many a request."""
        slots = {key(session.scope, session.id): cache.slot(key(session.scope, session.id)) for session in sessions}
        wanted = [session for session, slot in slots.items() if not slot.loaded]
        table = self._names.conversations
        found = await self.client.get_many({table: [_at(session, HEADER) for session in wanted]})
        headers = {item["session_id"]["S"]: header_of(item) for item in found[table]}
        for session in wanted:
            slots[session].set(headers.get(session))

    async def session(self, scope: str, id: str) -> Session | None:
        """The record of a session that is there."""
        now = self.now()
        item = await self.client.get(self._names.conversations, _at(key(scope, id), HEADER), consistent=self.consistent)
        header = None if item is None else header_of(item)
        return None if header is None or not header.live(now) else await self.counted(header, now)

    async def counted(self, header: Header, now: str) -> Session:
        """The record, with the count of what can be read."""
        count = header.exact_count(now)
        if count is None:
            count = header.count + await self.count_expiring(header, now)
        return header.session(count)

    async def count_expiring(self, header: Header, now: str) -> int:
        """How many of the messages that will expire can still be read."""
        query = self._range(header, header.floor, timestamp(header.last) + END)
        query["ExpressionAttributeValues"][":now"] = text(now)
        items = await self.client.query_all(**query, FilterExpression="expires_at > :now", ProjectionExpression="#ts")
        return sum(not hidden(header, item["timestamp"]["S"]) for item in items)

    async def summary(self, scope: str, id: str) -> Summary | None:
        """The summary of a session that is there."""
        found = await self.client.get_many(
            {self._names.conversations: [_at(key(scope, id), HEADER), _at(key(scope, id), SUMMARY)]},
            consistent=self.consistent,
        )
        by_key = {item["timestamp"]["S"]: item for item in found[self._names.conversations]}
        if HEADER not in by_key or SUMMARY not in by_key:
            return None
        header = header_of(by_key[HEADER])
        if not header.live(self.now()) or not header.summary_version:
            return None
        return summary_of(by_key[SUMMARY], id)

    # -- messages --------------------------------------------------------------------------------------------------

    async def messages(
        self,
        scope: str,
        id: str,
        *,
        after: Key | None = None,
        before: Key | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        role: str | None = None,
        limit: int,
        reverse: bool = False,
    ) -> list[Message]:
        """A page of the path ``messages``."""
        span = Span(
            low=max(1, after[0] + 1) if after else 1,
            high=before[0] - 1 if before else None,
            since=None if since is None else dump_time(since),
            until=None if until is None else dump_time(until),
            role=role,
            limit=limit,
            reverse=reverse,
        )
        if limit < 1 or (span.high is not None and span.high < span.low):
            return []
        for turn in range(TORN_TURNS):
            if reverse and span.high is None:
                header, found, torn = await self._tail(key(scope, id), span)
            else:
                header, found, torn = await self._between(key(scope, id), span)
            if not torn:
                break
            await self._driver.sleep(TORN_STEP * turn)
        if header is None:
            return []
        return [message_of(item, session_id=id, user_id=header.owner) for item in found]

    async def _tail(self, session: str, span: Span) -> tuple[Header | None, list[Item], bool]:
        """The newest messages: the header stands behind them, so that one request gives both."""
        page = {} if span.filtered else {"Limit": min(span.limit + 1, PAGE)}
        pages = Pages(self.client, self.between(session, "0", HEADER, reverse=True), page)
        first = await pages.next()
        if not first or first[0]["timestamp"]["S"] != HEADER:
            return None, [], False
        header = header_of(first[0])
        if not header.live(self.now()):
            return None, [], False
        return header, *await self._collect(header, span, pages, first[1:])

    async def _between(self, session: str, span: Span) -> tuple[Header | None, list[Item], bool]:
        """Messages from a number on: the index knows where its segment begins."""
        names = self._names
        low, high = segment_start(span.low), None if span.high is None else segment_start(span.high) + SEGMENT
        marks = {seq_entry(seq) for seq in (low, high) if seq is not None and seq > 1}
        found = await self.client.get_many(
            {
                names.conversations: [_at(session, HEADER)],
                names.index: [{"session_id": text(session), "entry": text(mark)} for mark in sorted(marks)],
            },
            consistent=self.consistent,
        )
        if not found[names.conversations]:
            return None, [], False
        header = header_of(found[names.conversations][0])
        if not header.live(self.now()) or span.low > header.last_seq:
            return None, [], False
        places = {item["entry"]["S"]: item["timestamp"]["S"] for item in found[names.index]}
        last = timestamp(header.last) + END
        begin = max(header.floor, places.get(seq_entry(low), ""))
        end = places.get(seq_entry(high), "") if high is not None and high <= header.last_seq else ""
        query = self.between(session, begin, end if begin < end else last, reverse=span.reverse)
        passed = (high or 0) - span.high if span.reverse and span.high is not None else span.low - low
        page = {} if span.filtered else {"Limit": min(span.limit + passed, PAGE)}
        pages = Pages(self.client, query, page)
        return header, *await self._collect(header, span, pages, await pages.next())

    async def _collect(
        self, header: Header, span: Span, pages: Pages, items: list[Item] | None
    ) -> tuple[list[Item], bool]:
        """The messages of a span, whole and in order; and whether a commit was seen in part."""
        now, seen = self.now(), 0
        out: list[Item] = []
        assembler = Assembler(span.reverse)
        high = header.last_seq if span.high is None else min(span.high, header.last_seq)
        torn = False
        while items is not None:
            for raw in items:
                place = raw["timestamp"]["S"]
                if span.reverse and place <= header.floor:
                    return out, torn
                if place == HEADER or hidden(header, place):
                    continue
                item = assembler.take(raw)
                if item is None:
                    continue
                seq = int(item["seq"]["N"])
                if seq > high or seq < span.low:
                    continue
                expected = (seen - 1 if span.reverse else seen + 1) if seen else (high if span.reverse else 0)
                torn = torn or (header.whole() and expected not in (0, seq))
                seen = seq
                if _passes(item, span, now):
                    out.append(item)
                    if len(out) == span.limit:
                        return out, torn
            if seen and (seen <= span.low if span.reverse else seen >= high):
                break
            items = await pages.next()
        return out, torn or (header.whole() and not span.reverse and seen not in (0, high))

    # -- single messages -------------------------------------------------------------------------------------------

    async def message_by_id(self, scope: str, id: str, message_id: str) -> Message | None:
        """The live message of a session that has an id."""
        session, names = key(scope, id), self._names
        found = await self.client.get_many(
            {
                names.conversations: [_at(session, HEADER)],
                names.index: [{"session_id": text(session), "entry": text(id_entry(message_id))}],
            },
            consistent=self.consistent,
        )
        if not found[names.conversations] or not found[names.index]:
            return None
        header = header_of(found[names.conversations][0])
        if not header.live(self.now()):
            return None
        stored = (await self.stored_of(header, found[names.index])).get(message_id)
        return None if stored is None else stored.message

    async def stored_by_ids(self, header: Header, ids: Sequence[str]) -> dict[str, Stored | None]:
        """The live messages that have these ids; None for each of the others."""
        session = key(header.scope, header.id)
        wanted = [{"session_id": text(session), "entry": text(id_entry(id))} for id in ids]
        found = await self.client.get_many({self._names.index: wanted})
        return dict.fromkeys(ids) | await self.stored_of(header, found[self._names.index])

    async def live_entries(self, header: Header, ids: Sequence[str]) -> dict[str, Item]:
        """The index entries of those ids that have a live message."""
        session, now, last = key(header.scope, header.id), self.now(), timestamp(header.last)
        wanted = [{"session_id": text(session), "entry": text(id_entry(id))} for id in ids]
        found = await self.client.get_many({self._names.index: wanted})
        return {
            entry["entry"]["S"].removeprefix("id/"): entry
            for entry in found[self._names.index]
            if (place := entry["timestamp"]["S"]) <= last and not hidden(header, place) and is_live(entry, now)
        }

    async def stored_of(self, header: Header, entries: Sequence[Item]) -> dict[str, Stored | None]:
        """The live messages of index entries, by id; None where an entry is one of what is gone."""
        session, now = key(header.scope, header.id), self.now()
        places = {entry["timestamp"]["S"]: entry["entry"]["S"].removeprefix("id/") for entry in entries}
        out: dict[str, Stored | None] = dict.fromkeys(places.values())
        last = timestamp(header.last)
        there = [place for place in places if place <= last and not hidden(header, place)]
        found = await self.client.get_many({self._names.conversations: [_at(session, place) for place in there]})
        for item in found[self._names.conversations]:
            place, pieces = item["timestamp"]["S"], get_number(item, "pieces")
            id = places[place]
            if item["message_id"]["S"] != id or not is_live(item, now) or int(item["seq"]["N"]) > header.last_seq:
                continue
            if pieces:
                item = joined(item, await self.pieces(session, place))
            message = message_of(item, session_id=header.id, user_id=header.owner)
            out[id] = Stored(message, place, pieces)
        return out

    async def stored_by_seq(self, header: Header, seq: int) -> Stored | None:
        """The live message that has a number."""
        session = key(header.scope, header.id)
        _, found, _ = await self._between(session, Span(low=max(seq, 1), high=seq, limit=1))
        if not found:
            return None
        message = message_of(found[0], session_id=header.id, user_id=header.owner)
        return Stored(message, found[0]["timestamp"]["S"], get_number(found[0], "pieces"))

    async def pieces(self, session: str, place: str) -> list[Item]:
        """The pieces of a large message."""
        return await self.client.query_all(**self.between(session, place + "/", place + END))

    # -- requests --------------------------------------------------------------------------------------------------

    def between(self, session: str, low: str, high: str, *, reverse: bool = False) -> dict[str, Any]:
        return between(self._names.conversations, session, low, high, reverse=reverse, consistent=self.consistent)

    def _range(self, header: Header, low: str, high: str) -> dict[str, Any]:
        return between(self._names.conversations, key(header.scope, header.id), low, high)


class Stretch:
    """The live messages of a session between two sort keys, a page at a time."""

    def __init__(
        self, reads: Reads, session: str, header: Header, low: str, high: str, limit: int, reverse: bool
    ) -> None:
        self._header = header
        self._now = reads.now()
        self._assembler = Assembler(reverse)
        page = {"Limit": min(limit + 1, PAGE)}
        query = reads.between(session, low, high, reverse=reverse)
        self._pages: Pages | None = Pages(reads.client, query, page) if low <= high else None

    async def next(self) -> list[Item] | None:
        """The next page, None behind the last."""
        items = None if self._pages is None else await self._pages.next()
        if items is None:
            return None
        header, out = self._header, []
        for raw in items:
            item = None if hidden(header, raw["timestamp"]["S"]) else self._assembler.take(raw)
            if item is not None and int(item["seq"]["N"]) <= header.last_seq and is_live(item, self._now):
                out.append(item)
        return out


def _at(session: str, place: str) -> Item:
    return {"session_id": text(session), "timestamp": text(place)}


def _passes(item: Item, span: Span, now: str) -> bool:
    return (
        is_live(item, now)
        and (span.role is None or item["role"]["S"] == span.role)
        and (span.since is None or item["created_at"]["S"] >= span.since)
        and (span.until is None or item["created_at"]["S"] < span.until)
    )
