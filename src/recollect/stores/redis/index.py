"""RediSearch, where the server has it: an index for each tenant over the hashes that the commits write beside messages.

A hash is indexed by the command that writes it, so what a commit has acknowledged is found at once. Only an index that is
made over hashes which are there already (after a restart, a FLUSHALL under a running client) is
filled in the background; who searches meanwhile waits for it. Terms have one index, vectors of each kind (model and length) one.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from time import monotonic
from typing import Any, Final

from redis.exceptions import ResponseError

from recollect.errors import InvalidInput, RecollectError, Unavailable
from recollect.model import Message
from recollect.store import Candidate, Driver, Filter, Found, bm25
from recollect.store.codec import dump_time
from recollect.stores.redis.documents import between, dimensions, indexed_term, place_of, tag, vector_kind
from recollect.stores.redis.keys import Keys
from recollect.stores.redis.reads import Reads
from recollect.stores.redis.scripts import Command
from recollect.stores.redis.wire import Unit, Wire, settled

OLDEST_MODULE: Final = 21000
"""2.10: the first with half-precision vectors."""

FEW, ENOUGH, MANY = 50, 300, 10_000
"""Nearest that are asked for at least, hits by terms that are asked for at least, hits in one reply at most."""

MOST = 1_000_000
"""Hits that RediSearch gives at most (its MAXSEARCHRESULTS), where it does not say another number."""

SCHEMA = ("session", "TAG", "user", "TAG", "role", "TAG", "created_at", "NUMERIC", "expires_at", "NUMERIC")
"""The fields that terms and vectors have in common."""

Place = tuple[str, int]
"""A session's id and a number."""

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
        self._most = 0

    async def prepare(self, scope: str, kind: str = "", *, new: bool = False) -> None:
        """Make an index of a tenant's, if it is not there yet.

        Parameters
        ----------
        kind: of vectors; the index of terms when empty. new: whether there can be nothing yet that it should hold.
        """
        name, places = self._keys.index(scope, kind), self._keys.documents(scope, kind)
        scan = ("SKIPINITIALSCAN",) if new else ()
        field: Command = ("terms", "TEXT", "NOSTEM")
        if kind:
            # Flat, for an entry of a graph costs a millisecond in which the server does nothing else.
            how = ("TYPE", "FLOAT16", "DIM", dimensions(kind), "DISTANCE_METRIC", "COSINE", "BLOCK_SIZE", 128)
            field = ("vector", "VECTOR", "FLAT", len(how), *how)
        begin: Command = ("FT.CREATE", name, "ON", "HASH", "PREFIX", len(places), *places)
        command: Command = (*begin, "NOOFFSETS", "NOHL", "STOPWORDS", 0, *scan, "SCHEMA", *field, *SCHEMA)
        (found,) = await self._wire.ask_all((Unit(name, (command,)),))
        if isinstance(found, Exception) and "already exists" not in str(found):
            raise found

    async def by_terms(self, scope: str, terms: Sequence[str], limit: int, filter: Filter) -> Found:
        """Live messages that have one of the terms, by the BM25 that all stores have.

        RediSearch's own counts what was deleted until it has cleaned up. So it chooses, where there is more to choose from
        than `ENOUGH`, and the score is reckoned here.
        """
        words = {term: indexed_term(term) for term in terms if term}
        if not words or limit < 1:
            return Found()
        name = self._keys.index(scope)
        counts = [self._search(name, f"@terms:({word})", "LIMIT", 0, 0) for word in words.values()]
        looked = await self._look(scope, "", counts)
        if looked is None:
            return Found(having=dict.fromkeys(words, 0))
        total, answers = looked
        having = {term: _count(answer) for term, answer in zip(words, answers, strict=True)}
        weights = {word: bm25.idf(total, having[term]) for term, word in words.items()}
        query = f"@terms:({'|'.join(words.values())}){self._within(filter)}"
        out: list[Candidate] = []
        seen: set[Place] = set()
        most = await self._reach()
        offset, size = 0, min(MANY, most, max(limit, ENOUGH))
        while len(out) < limit and size > 0:
            how = ("RETURN", 1, "terms", "SCORER", "BM25STD", "LIMIT", offset, size)
            page = _hits(await self._wire.ask(name, *self._search(name, query, *how, content=True).commands))
            hits = [(place, bm25.score(text.split(" "), weights)) for place, text in page if place not in seen]
            seen.update(place for place, _ in hits)
            out += await self._best(scope, hits, limit - len(out), filter)
            if len(page) < size:
                break
            offset += size
            size = min(MANY, most - offset, size * 4)
        return Found(sorted(out, key=_score, reverse=True), total=total, having=having)

    async def nearest(self, scope: str, vector: Sequence[float], model: str, limit: int, filter: Filter) -> Found:
        """Live messages whose vectors are nearest, by cosine."""
        length = math.hypot(*vector)
        if not math.isfinite(length):
            raise InvalidInput("a vector has numbers that are none", field="vector")
        kind = vector_kind(model, 2 * len(vector))
        looked = await self._look(scope, kind) if kind and length and limit > 0 else None
        if looked is None:
            return Found()
        name, most = self._keys.index(scope, kind), min(looked[0], await self._reach())
        data = struct.pack(f"<{len(vector)}e", *(number / length for number in vector))
        count = min(most, max(limit, FEW))
        out: list[Candidate] = []
        while count:
            query = f"({self._within(filter)})=>[KNN {count} @vector $vector AS distance]"
            how = ("PARAMS", 2, "vector", data, "SORTBY", "distance", "RETURN", 1, "distance", "LIMIT", 0, count)
            page = _hits(await self._wire.ask(name, *self._search(name, query, *how, content=True).commands))
            out = await self._best(scope, [(place, 1.0 - float(text)) for place, text in page], limit, filter)
            if len(out) == limit or len(page) < count or count == most:
                break
            count = min(most, count * 4)
        return Found(out)

    def _search(self, name: str, query: str, *how: str | int | bytes, content: bool = False) -> Unit:
        what: tuple[str, ...] = () if content else ("NOCONTENT",)
        # Of a search that takes longer RediSearch gives what it has by then. Nobody waits so long for it.
        ends = ("TIMEOUT", 1000 + int(self._patience * 2000), "DIALECT", 2)
        return Unit(name, (("FT.SEARCH", name, query, *what, "VERBATIM", *how, *ends),))

    def _within(self, filter: Filter) -> str:
        """The part of a query that narrows; it has no share in the score."""
        named = (("user", filter.user_id), ("session", filter.session_id), ("role", filter.role))
        parts = [f"@{name}:{{{tag(value)}}}" for name, value in named if value is not None]
        if filter.since is not None or filter.until is not None:
            parts.append(f"@created_at:{between(filter.since, filter.until)}")
        narrow = f" ({' '.join(parts)})=>{{$weight:0}}" if parts else ""
        return f"{narrow} -@expires_at:{between(None, self._driver.now())}"

    async def _reach(self) -> int:
        """How many hits a search may give, looked up once."""
        if not self._most:
            (found,) = await self._wire.ask_all((Unit("", (("FT.CONFIG", "GET", "MAXSEARCHRESULTS"),)),))
            said = {} if isinstance(found, Exception) else dict(found)
            value = str(said.get("MAXSEARCHRESULTS"))
            self._most = int(value) if value.isdigit() else MOST
        return self._most

    async def _look(self, scope: str, kind: str, units: Sequence[Unit] = ()) -> tuple[int, list[Any]] | None:
        """How many rows an index holds, and answers from it when it is complete; None for a tenant who has nothing."""
        name = self._keys.index(scope, kind)
        deadline = monotonic() + self._patience
        while True:
            info, *answers = await self._wire.ask_all([Unit(name, (("FT.INFO", name),)), *units])
            if not isinstance(info, Exception):
                fields = fields_of(info)
                if not int(fields["indexing"]):
                    return int(fields["num_docs"]), settled(answers)
            elif not any(words in str(info) for words in ("no such index", "Unknown index name")):
                raise info
            elif not await self._wire.ask(self._keys.scopes, ("SISMEMBER", self._keys.scopes, scope)):
                return None
            else:
                await self.prepare(scope, kind)
            if monotonic() > deadline:
                raise Unavailable(f"RediSearch is still filling the index {name}: not all would be found")
            await self._driver.sleep(PAUSE)

    async def _best(
        self, scope: str, hits: Sequence[tuple[Place, float]], limit: int, filter: Filter
    ) -> list[Candidate]:
        """The best hits that can be read now, as rows; sessions may have expired, which an index does not know."""
        hits = sorted(hits, key=lambda hit: hit[1], reverse=True)
        out: list[Candidate] = []
        start = 0
        while start < len(hits) and len(out) < limit:
            # Few have expired, so the first look is nearly always the last.
            some = hits[start : start + max(limit - len(out), FEW if start else 0)]
            start += len(some)
            rows = await self._reads.rows(scope, [place for place, _ in some], dump_time(self._driver.now()))
            found = ((rows.get(place), score) for place, score in some)
            out += [Candidate(row, score) for row, score in found if row is not None and _fits(row, filter)]
        return out[:limit]


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


def fields_of(reply: Any) -> dict[str, Any]:
    """Names and values of a reply, which is a list or a map as the connection speaks RESP2 or RESP3."""
    return dict(reply) if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2], strict=True))


def _count(reply: Any) -> int:
    return int(reply["total_results"] if isinstance(reply, dict) else reply[0])


def _hits(reply: Any) -> list[tuple[Place, str]]:
    """Places and the one field of an answer, in its order; a hash that went while it was found has none."""
    if isinstance(reply, dict):
        found = [(hit["id"], list(hit["extra_attributes"].values())) for hit in reply["results"]]
    else:
        found = [(key, fields[1:]) for key, fields in zip(reply[1::2], reply[2::2], strict=True)]
    return [(place_of(key), values[0]) for key, values in found if values]
