"""A user's messages across sessions, by time, without an index that every append would have to write.

A header knows the bounds of its messages' times. The sessions that can have the next message are opened one after the
other and merged: at most as many as messages are asked for.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

from recollect.model import Message
from recollect.store.codec import dump_time
from recollect.store.contract import Key
from recollect.stores._merge import Place, merged
from recollect.stores.redis.keys import encode
from recollect.stores.redis.paths import AT, PAGE, Paths
from recollect.stores.redis.reads import MAX_SEQ, Reads
from recollect.stores.redis.records import Header

STRETCH = 100
"""Messages of one session that are read at a time."""


async def messages_by_user(
    reads: Reads,
    paths: Paths,
    hash: Key,
    now: str,
    *,
    after: Key | None,
    before: Key | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    reverse: bool,
) -> list[Message]:
    """A page of the path ``messages_by_user``."""
    merge = _Merge(reads, hash[0], now, after, before, since, until, limit, reverse)
    return await merge.page([header for header in await _headers(paths, hash, now) if merge.overlaps(header)])


async def _headers(paths: Paths, hash: Key, now: str) -> list[Header]:
    """The headers of all of a user's sessions."""
    name, low = f"user:{encode(hash[1])}:sessions", "-"
    found: list[Header] = []
    while True:
        page = await paths.members(hash[0], name, low, "+", PAGE, False)
        headers = await paths.headers(hash[0], [member[AT:] for member in page], now)
        found += [header for header in headers if header and header.row.user_id == hash[1]]
        if len(page) < PAGE:
            return found
        low = f"({page[-1]}"


class _Merge:
    def __init__(
        self,
        reads: Reads,
        scope: str,
        now: str,
        after: Key | None,
        before: Key | None,
        since: datetime | None,
        until: datetime | None,
        limit: int,
        reverse: bool,
    ) -> None:
        self._reads = reads
        self._scope = scope
        self._now = now
        self._after: Any = after
        self._before: Any = before
        self._since = max(filter(None, (since, after and after[0])), default=None)
        self._until = until
        self._latest = min(filter(None, (until, before and before[0])), default=None)
        self._limit = limit
        self._reverse = reverse

    def overlaps(self, header: Header) -> bool:
        """Whether a session can have messages within the bounds."""
        return (
            header.row.last_seq > 0
            and (self._since is None or header.latest >= dump_time(self._since))
            and (self._latest is None or header.earliest <= dump_time(self._latest))
        )

    async def page(self, headers: list[Header]) -> list[Message]:
        """The first messages of all sessions together."""
        return await merged(headers, self._nearest, partial(_Log, self), limit=self._limit, reverse=self._reverse)

    def _nearest(self, header: Header) -> str:
        return header.latest if self._reverse else header.earliest

    def within(self, message: Message) -> bool:
        """Whether a message lies between the bounds of place."""
        place = _place(message)
        return (self._after is None or place > self._after) and (self._before is None or place < self._before)

    async def read(self, session: str, low: int, high: int, limit: int, reverse: bool) -> list[Message]:
        """A stretch of one session."""
        return await self._reads.log(
            self._scope,
            session,
            self._now,
            low=low,
            high=high,
            limit=limit,
            reverse=reverse,
            since=self._since,
            until=self._until,
        )

    @property
    def reverse(self) -> bool:
        """Whether the latest come first."""
        return self._reverse

    @property
    def stretch(self) -> int:
        """How many messages of a session are read at a time."""
        return min(STRETCH, max(self._limit, 10))


class _Log:
    """The messages of one session between the bounds, in the order of time."""

    def __init__(self, merge: _Merge, header: Header) -> None:
        self._merge = merge
        self._session = header.row.id
        self._ordered = header.ordered
        self._low, self._high = 0, MAX_SEQ
        self._ready: list[Message] = []
        self._ended = False

    async def next(self) -> tuple[Place, Message] | None:
        """The next one and its place; None at the end."""
        while not self._ready and not self._ended:
            found = await (self._stretch() if self._ordered else self._whole())
            self._ready = [message for message in found if self._merge.within(message)]
            self._ready.reverse()
        if not self._ready:
            return None
        message = self._ready.pop()
        at, session, seq = _place(message)
        return (dump_time(at), session, seq), message

    async def _stretch(self) -> list[Message]:
        merge = self._merge
        found = await merge.read(self._session, self._low, self._high, merge.stretch, merge.reverse)
        self._ended = len(found) < merge.stretch
        if found and merge.reverse:
            self._high = found[-1].seq - 1
        elif found:
            self._low = found[-1].seq + 1
        return found

    async def _whole(self) -> list[Message]:
        """All of a session whose times do not grow with its numbers: no stretch of it is the next in time."""
        self._ended = True
        found = await self._merge.read(self._session, 0, MAX_SEQ, MAX_SEQ, False)
        return sorted(found, key=_place, reverse=self._merge.reverse)


def _place(message: Message) -> tuple[datetime, str, int]:
    assert message.created_at is not None
    return (message.created_at, message.session_id, message.seq)
