"""Reads of one partition: a session's header, summary and log, a user's preferences."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from recollect.errors import Unsupported
from recollect.model import Message, Preferences, Session, Summary, Vector, messages_json
from recollect.store import LogText, Stretch
from recollect.store.codec import dump_time
from recollect.store.contract import Key, Row
from recollect.stores._columns import NotUsual, woven
from recollect.stores.redis.keys import Keys, SessionKeys
from recollect.stores.redis.records import (
    PREFERENCE_FIELDS,
    SUMMARY_FIELDS,
    Entry,
    Header,
    columns_of,
    message_of,
    preferences_of,
    summary_of,
)
from recollect.stores.redis.scripts import BOUNDS, HEADERS, Command
from recollect.stores.redis.vectors import vector_of
from recollect.stores.redis.wire import Unit, Wire, settled

PAGE = 2500
"""Entries of a stream in one reply at most: a megabyte of usual messages, so that neither side holds a whole session in
memory, and nobody waits long for a server that does one thing at a time."""

MAX_SEQ = 10**15
"""Far above any number, and exact in Lua."""


class Reads:
    """Reads through one wire.

    Parameters
    ----------
    wire: to the server. keys: makes keys.
    """

    def __init__(self, wire: Wire, keys: Keys) -> None:
        self._wire = wire
        self._keys = keys

    async def get(self, table: str, key: Key, now: str) -> Row | None:
        """One live row by its key."""
        if table == "sessions":
            return await self.session(key[0], key[1], now)
        if table == "preferences":
            return await self.preferences(key[0], key[1])
        if table == "summaries":
            return await self.summary(key[0], key[1], now)
        if table == "messages":
            found = await self.log(key[0], key[1], now, low=key[2], high=key[2], limit=1)
            return found[0] if found else None
        raise Unsupported(f"no table {table!r}")

    async def session(self, scope: str, id: str, now: str) -> Session | None:
        """The live header of a session."""
        keys = self._keys.session(scope, id)[1]
        (row,) = await self._wire.ask(keys.header, HEADERS((keys.header, keys.expiring), now))
        return Header(row).row if row else None

    async def preferences(self, scope: str, id: str) -> Preferences | None:
        """A user's document."""
        document = self._keys.user(scope, id).document
        row = await self._wire.ask(document, ("HMGET", document, *PREFERENCE_FIELDS))
        return preferences_of(row) if row[0] is not None else None

    async def summary(self, scope: str, id: str, now: str) -> Summary | None:
        """The summary of a live session."""
        keys = self._keys.session(scope, id)[1]
        head, row = await self._wire.ask(
            keys.header, ("HMGET", keys.header, "version", "expires_at"), ("HMGET", keys.summary, *SUMMARY_FIELDS)
        )
        return summary_of(row) if row[0] is not None and _is_live(head, now) else None

    async def by_id(self, scope: str, session: str, id: str, now: str, **bounds: Any) -> list[Message]:
        """The message with an id, if it lies within the bounds."""
        keys = self._keys.session(scope, session)[1]
        seq = await self._wire.ask(keys.ids, ("HGET", keys.ids, id))
        if seq is None:
            return []
        low, high = max(bounds.pop("low", 0), int(seq)), min(bounds.pop("high", MAX_SEQ), int(seq))
        found = await self.log(scope, session, now, low=low, high=high, **bounds)
        return [row for row in found if row.id == id]

    async def system(
        self,
        scope: str,
        session: str,
        now: str,
        *,
        low: int,
        high: int,
        limit: int,
        reverse: bool,
        since: datetime | None,
        until: datetime | None,
    ) -> list[Message]:
        """The system messages of a session."""
        keys = self._keys.session(scope, session)[1]
        wanted = _within(since, until)
        out: list[Message] = []
        while low <= high and len(out) < limit:
            count = min(PAGE, max(limit - len(out), 20))
            edges = (high, low) if reverse else (low, high)
            way = "ZREVRANGEBYSCORE" if reverse else "ZRANGEBYSCORE"
            seqs = await self._wire.ask(keys.system, (way, keys.system, *edges, "LIMIT", 0, count))
            if not seqs:
                break
            commands = [("XRANGE", keys.messages, f"{seq}-0", f"{seq}-0") for seq in seqs]
            head, *found = await self._wire.ask(keys.header, _head(keys), *commands)
            if not _is_live(head, now):
                return []
            entries = [entry for (entry,) in filter(None, found)]
            out += _messages(entries, session, head[1], now, wanted)
            if len(seqs) < count:
                break
            if reverse:
                high = int(seqs[-1]) - 1
            else:
                low = int(seqs[-1]) + 1
        return out[:limit]

    async def rows(self, scope: str, places: Sequence[tuple[str, int]], now: str) -> dict[tuple[str, int], Message]:
        """The live messages at places, each a session and a number."""
        by_session: dict[str, list[int]] = {}
        for session, seq in places:
            by_session.setdefault(session, []).append(seq)
        pieces = [
            (session, seqs[start : start + PAGE])
            for session, seqs in by_session.items()
            for start in range(0, len(seqs), PAGE)
        ]
        units = []
        for session, seqs in pieces:
            keys = self._keys.session(scope, session)[1]
            entries = [("XRANGE", keys.messages, f"{seq}-0", f"{seq}-0") for seq in seqs]
            units.append(Unit(keys.header, (_head(keys), *entries)))
        out: dict[tuple[str, int], Message] = {}
        for (session, _), (head, *found) in zip(pieces, settled(await self._wire.ask_all(units)), strict=True):
            if _is_live(head, now):
                messages = _messages([entry for (entry,) in filter(None, found)], session, head[1], now, None)
                out.update(((session, message.seq), message) for message in messages)
        return out

    async def stretches(self, path: str, scope: str, asked: Sequence[Stretch], now: str) -> list[Sequence[Any]]:
        """Parts of logs, or of their vectors."""
        units = []
        for session, first, last in asked:
            keys = self._keys.session(scope, session)[1]
            first, last = max(first, 0), min(last, MAX_SEQ)
            reads: list[Command] = [("XRANGE", keys.messages, f"{first}-0", f"{last}-0")]
            if path == "vectors":
                expiring = ("ZRANGEBYLEX", keys.expiring, "-", f"[{now}~")
                reads = [("ZRANGEBYSCORE", keys.vectors, first, last), expiring]
            units.append(Unit(keys.header, (_head(keys), *reads)))
        out: list[Sequence[Any]] = []
        answers = settled(await self._wire.ask_all(units))
        for (session, _, _), (head, found, *expired) in zip(asked, answers, strict=True):
            if not _is_live(head, now):
                out.append([])
            elif path == "messages":
                out.append(_messages(found, session, head[1], now, None))
            else:
                out.append(_kept(found, session, expired[0]))
        return out

    async def vectors(
        self, scope: str, session: str, now: str, *, low: int, high: int, limit: int, reverse: bool
    ) -> list[Vector]:
        """The vectors of a session's live messages."""
        keys = self._keys.session(scope, session)[1]
        out: list[Vector] = []
        while low <= high and len(out) < limit:
            count = min(PAGE, limit - len(out))
            edges = (high, low) if reverse else (low, high)
            way = "ZREVRANGEBYSCORE" if reverse else "ZRANGEBYSCORE"
            head, members, expired = await self._wire.ask(
                keys.header,
                ("HMGET", keys.header, "version", "expires_at"),
                (way, keys.vectors, *edges, "LIMIT", 0, count),
                ("ZRANGEBYLEX", keys.expiring, "-", f"[{now}~"),
            )
            if not _is_live(head, now):
                return []
            out += _kept(members, session, expired)
            if len(members) < count:
                break
            edge = vector_of(members[-1], session).seq
            if reverse:
                high = edge - 1
            else:
                low = edge + 1
        return out

    async def log(
        self,
        scope: str,
        session: str,
        now: str,
        *,
        low: int = 0,
        high: int = MAX_SEQ,
        limit: int,
        reverse: bool = False,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> list[Message]:
        """A stretch of a session's log, by numbers and by times."""
        keys = self._keys.session(scope, session)[1]
        low, high = max(low, 0), min(high, MAX_SEQ)
        wanted = _within(since, until)
        if wanted is not None and low <= high:
            instants = ("" if at is None else dump_time(at) for at in (since, until))
            bounds = await self._wire.ask(keys.header, BOUNDS((keys.header, keys.messages), *instants))
            if bounds:
                low, high = max(low, bounds[0]), min(high, bounds[1])
        out: list[Message] = []
        while low <= high and len(out) < limit:
            count = min(PAGE, limit - len(out))
            head, entries = await self._stretch(keys, low, high, count, reverse)
            if not _is_live(head, now):
                return []
            out += _messages(entries, session, head[1], now, wanted)
            if len(entries) < count:
                break
            if reverse:
                high = int(entries[-1][0][:-2]) - 1
            else:
                low = int(entries[-1][0][:-2]) + 1
        return out

    async def log_text(
        self, scope: str, session: str, now: str, *, low: int, high: int, limit: int, reverse: bool
    ) -> LogText | None:
        """A page of a session's log as JSON text; None for one that is empty or needs several replies."""
        low, high = max(low, 0), min(high, MAX_SEQ)
        if low > high or not 0 < limit < PAGE:
            return None
        keys = self._keys.session(scope, session)[1]
        head, entries = await self._stretch(keys, low, high, limit + 1, reverse)
        if not entries or not _is_live(head, now):
            return None
        shown, last = entries[:limit], entries[min(limit, len(entries)) - 1]
        try:
            text = woven(*columns_of(shown), session, head[1], len(shown))
        except NotUsual:
            messages = _messages(entries, session, head[1], now, None)
            if len(messages) < len(entries):
                return None
            text = messages_json(messages[:limit])
        return LogText(text, int(last[0][:-2]), len(entries) > limit, head[1])

    async def _stretch(self, keys: SessionKeys, low: int, high: int, count: int, reverse: bool) -> Any:
        """A few fields of the header, and entries of the log."""
        if reverse:
            command = ("XREVRANGE", keys.messages, f"{high}-0", f"{low}-0", "COUNT", count)
        else:
            command = ("XRANGE", keys.messages, f"{low}-0", f"{high}-0", "COUNT", count)
        return await self._wire.ask(keys.header, _head(keys), command)


Wanted = tuple[str, str]


def _within(since: datetime | None, until: datetime | None) -> Wanted | None:
    if since is None and until is None:
        return None
    return ("" if since is None else dump_time(since), "~" if until is None else dump_time(until))


def _head(keys: SessionKeys) -> tuple[str, ...]:
    return ("HMGET", keys.header, "version", "user_id", "expires_at")


def _is_live(head: Sequence[str | None], now: str) -> bool:
    """Whether a header with these fields, the version first and the expiry last, is there."""
    return head[0] is not None and (head[-1] is None or head[-1] > now)


def _kept(members: Sequence[str], session: str, expired: Sequence[str]) -> list[Vector]:
    """The vectors of members whose messages have not expired."""
    gone = {int(member.partition(" ")[2]) for member in expired}
    return [vector for vector in (vector_of(member, session) for member in members) if vector.seq not in gone]


def _messages(
    entries: Sequence[Entry], session: str, user: str | None, now: str, wanted: Wanted | None
) -> list[Message]:
    """The live messages among entries of a stream."""
    out = []
    for entry in entries:
        fields = entry[1]
        # expires_at comes last where there is one.
        if fields[-2] == "expires_at" and fields[-1] <= now:
            continue
        if wanted is not None and not wanted[0] <= fields[5] < wanted[1]:
            continue
        out.append(message_of(entry, session, user))
    return out
