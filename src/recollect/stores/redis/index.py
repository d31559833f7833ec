"""RediSearch, where the server has it: an index for each tenant over the hashes that the commits write beside messages.

A hash is indexed by the command that writes it, so what a commit has acknowledged is found at once. Only an index that is
made over hashes which are there already (after a restart, a new kind of vector, a FLUSHALL under a running client) is
filled in the background; who searches meanwhile waits for it.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Sequence
from time import monotonic
from typing import Any, Final

from redis.exceptions import ResponseError

from recollect.errors import InvalidInput, RecollectError, Unavailable
from recollect.model import Message
from recollect.store import Candidate, Driver, Filter, Found
from recollect.store.codec import dump_time
from recollect.stores.redis.documents import between, dimensions, indexed_term, place_of, tag, vector_field
from recollect.stores.redis.keys import Keys
from recollect.stores.redis.reads import Reads
from recollect.stores.redis.scripts import Command
from recollect.stores.redis.wire import Unit, Wire, settled

OLDEST_MODULE: Final = 21000
"""2.10: the first with half-precision vectors."""

FEW, MANY = 50, 10_000
"""Hits in one reply: at first, and at most."""

MOST = 1_000_000
"""Hits that RediSearch gives at most (its MAXSEARCHRESULTS)."""

SCHEMA = (
    *("terms", "TEXT", "NOSTEM"),
    *("session", "TAG", "user", "TAG", "role", "TAG"),
    *("created_at", "NUMERIC", "expires_at", "NUMERIC"),
)
"""The fields of an index, without those for vectors."""

PAUSE = 0.02
"""Seconds between two looks at an index that is being filled."""


async def has_search(wire: Wire) -> bool:
    """Whether the server has RediSearch, new enough and permitted. It does not reach over the slots of a cluster."""
    if not wire.one_slot:
        return False
    try:
        modules = await wire.ask("", ("MODULE", "LIST"))
        await wire.ask("", ("FT._LIST",))
    except RecollectError as error:
        if isinstance(error.__cause__, ResponseError):
            return False
        raise
    named = [fields_of(module) for module in modules]
    return any(fields["name"] in ("search", "searchlight") and fields["ver"] >= OLDEST_MODULE for fields in named)


class Index:
    """Searches.

    Parameters
    ----------
    wire: to the server. keys: makes keys. reads: reads what was found. driver: tells the time and waits.
    patience: seconds that a search may take, and to wait for an index that is being filled.
    """

    def __init__(self, wire: Wire, keys: Keys, reads: Reads, driver: Driver, *, patience: float) -> None:
        self._wire = wire
        self._keys = keys
        self._reads = reads
        self._driver = driver
        self._patience = patience

    async def prepare(self, scope: str, fields: Iterable[str] = ()) -> None:
        """Make a tenant's index, and in it the fields for vectors, where they are not there yet."""
        name, places = self._keys.index(scope), self._keys.documents(scope)
        how: Command = ("ON", "HASH", "PREFIX", len(places), *places, "NOOFFSETS", "NOHL", "STOPWORDS", 0)
        commands: list[Command] = [("FT.CREATE", name, *how, "SCHEMA", *SCHEMA)]
        for field in fields:
            # Flat, for an entry of a graph costs a millisecond in which the server does nothing else.
            how = ("TYPE", "FLOAT16", "DIM", dimensions(field), "DISTANCE_METRIC", "COSINE", "BLOCK_SIZE", 128)
            commands.append(("FT.ALTER", name, "SCHEMA", "ADD", field, "VECTOR", "FLAT", len(how), *how))
        for found in await self._wire.ask_all([Unit(name, (command,)) for command in commands]):
            if isinstance(found, Exception) and not _says(found, "already exists", "Duplicate field"):
                raise found

    async def by_terms(self, scope: str, terms: Sequence[str], limit: int, filter: Filter) -> Found:
        """Live messages that have one of the terms, by BM25."""
        words = {term: indexed_term(term) for term in terms if term}
        if not words or limit < 1:
            return Found()
        name = self._keys.index(scope)
        counts = [self._search(name, f"@terms:({word})", "LIMIT", 0, 0) for word in words.values()]
        looked = await self._look(scope, counts)
        if looked is None:
            return Found(having=dict.fromkeys(words, 0))
        total, answers = looked
        having = {term: _count(answer) for term, answer in zip(words, answers, strict=True)}
        query = f"@terms:({'|'.join(words.values())}){self._within(filter)}"
        out: list[Candidate] = []
        seen: set[tuple[str, int]] = set()
        offset, size = 0, min(MANY, max(limit, FEW))
        while len(out) < limit and offset < MOST:
            found = await self._wire.ask(
                name, *self._search(name, query, "WITHSCORES", "SCORER", "BM25STD", "LIMIT", offset, size).commands
            )
            hits = [(place, score) for place, score in _hits(found) if place not in seen]
            seen.update(place for place, _ in hits)
            out += await self._candidates(scope, hits, filter)
            offset, size, full = offset + size, min(MANY, size * 4), len(_hits(found)) == size
            if not full:
                break
        return Found(sorted(out, key=_score, reverse=True)[:limit], total=total, having=having)

    async def nearest(self, scope: str, vector: Sequence[float], model: str, limit: int, filter: Filter) -> Found:
        """Live messages whose vectors are nearest, by cosine."""
        length = math.sqrt(math.fsum(number * number for number in vector))
        if not math.isfinite(length):
            raise InvalidInput("a vector has numbers that are none", field="vector")
        field = vector_field(model, 2 * len(vector))
        looked = await self._look(scope, ()) if field and length and limit > 0 else None
        if looked is None:
            return Found()
        name, most = self._keys.index(scope), min(looked[0], MOST)
        data = struct.pack(f"<{len(vector)}e", *(number / length for number in vector))
        count = min(most, max(limit, FEW))
        while count:
            query = f"({self._within(filter)})=>[KNN {count} @{field} $vector AS distance]"
            how = ("PARAMS", 2, "vector", data, "SORTBY", "distance", "RETURN", 1, "distance", "LIMIT", 0, count)
            (found,) = await self._wire.ask_all([self._search(name, query, *how, content=True)])
            if isinstance(found, Exception):
                if not _says(found, "Unknown field", field):
                    raise found
                # Nothing of the kind was attached, or while the server had no RediSearch.
                await self.prepare(scope, (field,))
                await self._look(scope, ())
                continue
            hits = [(place, 1.0 - distance) for place, distance in _hits(found)]
            out = await self._candidates(scope, hits, filter)
            if len(out) >= limit or len(hits) < count or count == most:
                return Found(sorted(out, key=_score, reverse=True)[:limit])
            count = min(most, count * 4)
        return Found()

    def _search(self, name: str, query: str, *how: str | int | bytes, content: bool = False) -> Unit:
        what: tuple[str, ...] = () if content else ("NOCONTENT",)
        ends = ("TIMEOUT", max(1, int(self._patience * 1000)), "DIALECT", 2)
        return Unit(name, (("FT.SEARCH", name, query, *what, "VERBATIM", *how, *ends),))

    def _within(self, filter: Filter) -> str:
        """The part of a query that narrows; it has no share in the score."""
        named = (("user", filter.user_id), ("session", filter.session_id), ("role", filter.role))
        parts = [f"@{name}:{{{tag(value)}}}" for name, value in named if value is not None]
        if filter.since is not None or filter.until is not None:
            parts.append(f"@created_at:{between(filter.since, filter.until)}")
        narrow = f" ({' '.join(parts)})=>{{$weight:0}}" if parts else ""
        return f"{narrow} -@expires_at:{between(None, self._driver.now())}"

    async def _look(self, scope: str, units: Sequence[Unit]) -> tuple[int, list[Any]] | None:
        """How many rows the index holds, and answers from it when it is complete; None for a tenant who has nothing."""
        name = self._keys.index(scope)
        deadline = monotonic() + self._patience
        while True:
            info, *answers = await self._wire.ask_all([Unit(name, (("FT.INFO", name),)), *units])
            if not isinstance(info, Exception):
                fields = fields_of(info)
                if not int(fields["indexing"]):
                    return int(fields["num_docs"]), settled(answers)
            elif not _says(info, "no such index", "Unknown index name"):
                raise info
            elif not await self._wire.ask(self._keys.scopes, ("SISMEMBER", self._keys.scopes, scope)):
                return None
            else:
                await self.prepare(scope)
            if monotonic() > deadline:
                raise Unavailable(f"RediSearch is still filling the index {name}: what it has not reached is not found")
            await self._driver.sleep(PAUSE)

    async def _candidates(
        self, scope: str, hits: Sequence[tuple[tuple[str, int], float]], filter: Filter
    ) -> list[Candidate]:
        """The hits that can be read now, as rows; sessions may have expired, which the index does not know."""
        rows = await self._reads.rows(scope, [place for place, _ in hits], dump_time(self._driver.now()))
        return [
            Candidate(row, score)
            for place, score in hits
            if (row := rows.get(place)) is not None and _fits(row, filter)
        ]


def _fits(row: Message, filter: Filter) -> bool:
    assert row.created_at is not None
    return (
        filter.user_id in (None, row.user_id)
        and filter.session_id in (None, row.session_id)
        and filter.role in (None, row.role)
        and (filter.since is None or filter.since <= row.created_at)
        and (filter.until is None or row.created_at < filter.until)
    )


def _score(candidate: Candidate) -> float:
    return candidate.score


def _says(error: Exception, *words: str) -> bool:
    return any(word in str(error) for word in words)


def fields_of(reply: Any) -> dict[str, Any]:
    """Names and values of a reply, which is a list or a map as the connection speaks RESP2 or RESP3."""
    return dict(reply) if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2], strict=True))


def _count(reply: Any) -> int:
    return int(reply["total_results"] if isinstance(reply, dict) else reply[0])


def _hits(reply: Any) -> list[tuple[tuple[str, int], float]]:
    """Places and scores (or distances) of an answer."""
    if isinstance(reply, dict):
        return [
            (place_of(hit["id"]), float(hit.get("extra_attributes", {}).get("distance", hit.get("score"))))
            for hit in reply["results"]
        ]
    pairs = zip(reply[1::2], reply[2::2], strict=True)
    return [(place_of(key), float(value[-1] if isinstance(value, list) else value)) for key, value in pairs]
