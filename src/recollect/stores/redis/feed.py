"""The feed: one stream for each tag, written by the commits themselves.

With one shard (a single server's default) that is the tenant's feed, complete and in commit order. With several, each
is in commit order and they are merged by the servers' clocks; the cursor says how far each has been read, so nothing is
missed or repeated, whatever those clocks say.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from recollect.errors import InvalidInput
from recollect.model import Change
from recollect.store.codec import dump_time
from recollect.store.guards import swept_away
from recollect.stores.redis.keys import Keys
from recollect.stores.redis.records import change_of
from recollect.stores.redis.scripts import SWEEP_FEED
from recollect.stores.redis.wire import Unit, Wire, settled

Place = tuple[int, int]

START: Place = (0, 0)
PAGE = 1000
SWEEP_AT_ONCE = 1000
_PLACE = re.compile(r"[0-9]{1,16}-[0-9]{1,16}")


class Feed:
    """Reads and sweeps the feed.

    Parameters
    ----------
    wire: to the server. keys: makes keys. retention: how long a sweep leaves entries.
    """

    def __init__(self, wire: Wire, keys: Keys, retention: timedelta) -> None:
        self._wire = wire
        self._keys = keys
        self._retention = retention

    async def changes(self, scope: str, after: str | None, limit: int) -> list[Change]:
        """Entries behind a cursor, oldest first."""
        out = await self._page(scope, after, min(PAGE, limit))
        more = len(out) == PAGE
        while more and len(out) < limit:
            page = await self._page(scope, out[-1].cursor, min(PAGE, limit - len(out)))
            more = len(page) == PAGE
            out += page
        return out

    async def wait(self, scope: str, after: str | None, seconds: float) -> None:
        """Until there is an entry behind a cursor, for so many seconds at most."""
        places = [START] * self._keys.shards if after is None else self._parsed(after)
        streams = [f"{base}changes" for base in self._keys.bases(scope)]
        # To Redis, 0 is for ever.
        how = ("XREAD", "COUNT", 1, "BLOCK", max(1, int(seconds * 1000)), "STREAMS")
        if self._wire.one_slot:
            units = [Unit(streams[0], ((*how, *streams, *map(_text, places)),))]
        else:
            pairs = zip(streams, places, strict=True)
            units = [Unit(stream, ((*how, stream, _text(place)),)) for stream, place in pairs]
        await self._wire.first(units, seconds)

    async def _page(self, scope: str, after: str | None, limit: int) -> list[Change]:
        bases = self._keys.bases(scope)
        places = None if after is None else self._parsed(after)
        count = max(1, limit)
        units = []
        for n, base in enumerate(bases):
            start = START if places is None else places[n]
            changes, state = f"{base}changes", f"{base}state"
            commands = (
                ("HGET", state, "swept_change"),
                ("XREVRANGE", changes, "+", "-", "COUNT", 1),
                ("XRANGE", changes, f"({_text(start)}", "+", "COUNT", count),
            )
            units.append(Unit(changes, commands))
        shards: list[list[Any]] = []
        known = []
        for n, (gone, newest, entries) in enumerate(settled(await self._wire.ask_all(units))):
            swept = START if gone is None else _parse(gone)
            if places is not None:
                last = max(swept, _parse(newest[0][0]) if newest else START)
                if places[n] > last:
                    raise InvalidInput(f"not a cursor of this feed: {after!r}", field="after")
                if places[n] < swept:
                    raise swept_away()
            known.append(swept if places is None else places[n])
            shards.append(entries)
        return self._merged(shards, known, limit)

    def _merged(self, shards: Sequence[Sequence[Any]], places: list[Place], limit: int) -> list[Change]:
        """The first entries of all shards together, by their ids, which are times of the servers."""
        streams = [[(_parse(entry[0]), n, entry) for entry in entries] for n, entries in enumerate(shards)]
        out: list[Change] = []
        for place, n, entry in heapq.merge(*streams, key=lambda item: item[:2]):
            if len(out) >= limit:
                break
            places[n] = place
            out.append(change_of(entry, ".".join(map(_text, places))))
        return out

    def _parsed(self, cursor: str) -> list[Place]:
        parts = cursor.split(".") if len(cursor) <= 40 * self._keys.shards else []
        if len(parts) != self._keys.shards or not all(_PLACE.fullmatch(part) for part in parts):
            raise InvalidInput(f"not a cursor of this feed: {cursor[:40]!r}", field="after")
        return [_parse(part) for part in parts]

    async def sweep(self, scope: str, now: datetime) -> int:
        """Remove entries that are older than the retention; how many."""
        oldest = dump_time(now - self._retention)
        bases = self._keys.bases(scope)
        young = "+" if len(bases) == 1 else await self._first_young(bases, oldest)
        removed = 0
        for base in bases:
            keys = (f"{base}changes", f"{base}state")
            while gone := int(await self._wire.ask(keys[0], SWEEP_FEED(keys, oldest, SWEEP_AT_ONCE, young))):
                removed += gone
        return removed

    async def _first_young(self, bases: Sequence[str], oldest: str) -> str:
        """The first entry of all shards together that stays: what lies behind it stays too, whatever its clock said."""
        edge = "+"
        for base in bases:
            start = "-"
            while entries := await self._wire.ask(
                f"{base}changes", ("XRANGE", f"{base}changes", start, edge, "COUNT", SWEEP_AT_ONCE)
            ):
                young = next((place for place, fields in entries if fields[-1] > oldest), None)
                if young is not None:
                    edge = young
                    break
                start = f"({entries[-1][0]}"
        return edge


def _parse(text: str) -> Place:
    ms, _, seq = text.partition("-")
    return int(ms), int(seq)


def _text(place: Place) -> str:
    return f"{place[0]}-{place[1]}"
