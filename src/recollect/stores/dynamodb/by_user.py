"""A user's messages across sessions, by time: the sessions that can have the next one are opened one after the other.

`UserIdIndex` is ordered by when messages were stored; this path by when they were written, which imports, late arrivals and
clocks make another order. A session's header knows within which bounds its messages lie.
"""

from __future__ import annotations

from datetime import datetime

from recollect.model import Message
from recollect.store.codec import dump_time
from recollect.store.contract import Key
from recollect.stores._merge import Place, merged
from recollect.stores.dynamodb.header import Header
from recollect.stores.dynamodb.items import message_of
from recollect.stores.dynamodb.keys import END, key, parse_timestamp, timestamp
from recollect.stores.dynamodb.listing import Listing
from recollect.stores.dynamodb.reads import Reads, Stretch
from recollect.stores.dynamodb.values import Item


class ByUser:
    """Reads the path ``messages_by_user``."""

    def __init__(self, listing: Listing, reads: Reads) -> None:
        self._listing = listing
        self._reads = reads

    async def page(
        self,
        scope: str,
        user: str,
        *,
        after: Key | None,
        before: Key | None,
        since: datetime | None,
        until: datetime | None,
        limit: int,
        reverse: bool,
    ) -> list[Message]:
        """The first messages of all the user's sessions together."""
        if limit < 1:
            return []
        bounds = _Bounds(after, before, since, until)
        headers = filter(bounds.overlap, await self._listing.headers_of(scope, user))

        def nearest(header: Header) -> str:
            return header.latest if reverse else header.earliest

        def read(header: Header) -> _Rows:
            return _Rows(self._reads, header, bounds, limit, reverse)

        found = await merged(headers, nearest, read, limit=limit, reverse=reverse)
        return [message_of(item, session_id=header.id, user_id=user) for header, item in found]


class _Bounds:
    """What lies between the bounds of a page."""

    def __init__(self, after: Key | None, before: Key | None, since: datetime | None, until: datetime | None) -> None:
        self.after: Place | None = None if after is None else (dump_time(after[0]), after[1], after[2])
        self.before: Place | None = None if before is None else (dump_time(before[0]), before[1], before[2])
        self.since = None if since is None else dump_time(since)
        self.until = None if until is None else dump_time(until)
        self.low = max(filter(None, (self.since, self.after and self.after[0])), default=None)
        self.high = min(filter(None, (self.until, self.before and self.before[0])), default=None)

    def overlap(self, header: Header) -> bool:
        """Whether a session may have messages here."""
        return bool(header.latest) and (
            (self.low is None or header.latest >= self.low) and (self.high is None or header.earliest <= self.high)
        )

    def hold(self, place: Place) -> bool:
        """Whether a message's place is here."""
        return (
            (self.after is None or place > self.after)
            and (self.before is None or place < self.before)
            and (self.since is None or place[0] >= self.since)
            and (self.until is None or place[0] < self.until)
        )

    def stretch(self, header: Header) -> tuple[str, str]:
        """The sort keys between which a session's messages of this time lie: the header knows how far the two times are apart."""
        begin, end = header.floor, timestamp(header.last) + END
        if self.low is not None:
            begin = max(begin, _moved(self.low, -header.ahead))
        if self.high is not None:
            end = min(end, _moved(self.high, header.lag) + END)
        return begin, end


def _moved(instant: str, by: int) -> str:
    return timestamp(max(0, parse_timestamp(instant) + by))


class _Rows:
    """The messages of one session within the bounds, in the order of the path."""

    def __init__(self, reads: Reads, header: Header, bounds: _Bounds, limit: int, reverse: bool) -> None:
        begin, end = bounds.stretch(header)
        self.header = header
        self._bounds = bounds
        self._stretch = Stretch(reads, key(header.scope, header.id), header, begin, end, limit, reverse)
        self._reverse = reverse
        self._ready: list[Item] = []

    async def next(self) -> tuple[Place, tuple[Header, Item]] | None:
        """The next message and its place, None behind the last."""
        while not self._ready:
            page = await self._stretch.next()
            if page is None:
                return None
            if not self.header.ordered:
                while (more := await self._stretch.next()) is not None:
                    page += more
                page.sort(key=lambda item: place_of(item, self.header), reverse=self._reverse)
            self._ready = [item for item in page if self._bounds.hold(place_of(item, self.header))][::-1]
        item = self._ready.pop()
        return place_of(item, self.header), (self.header, item)


def place_of(item: Item, header: Header) -> Place:
    """A message's place on the path."""
    return item["created_at"]["S"], header.id, int(item["seq"]["N"])
