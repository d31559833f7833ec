"""Figures of a store, a user or a session: one pass over the messages, in memory that does not grow with their number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from recollect.core.base import Base
from recollect.core.spread import Sketch
from recollect.model import Message, Session, Stats

ACTIVE = timedelta(minutes=15)
"""A session whose latest message is older than this is not active any more."""


class _Tally:
    """What is counted over all sessions. Users are a set, days a counter each: that is all that grows.

    Parameters
    ----------
    now: the present instant, by the store's clock.
    """

    def __init__(self, now: datetime) -> None:
        self._now = now
        self.sessions = 0
        self.active = 0
        self.users: set[str] = set()
        self.messages = 0
        self.roles: Counter[str] = Counter()
        self.tokens: Counter[str] = Counter()
        self.hours: Counter[str] = Counter()
        self.days: Counter[str] = Counter()
        self.sessions_by_day: Counter[str] = Counter()
        self.first: datetime | None = None
        self.last: datetime | None = None
        self.lengths = Sketch()
        self.latency = Sketch()

    def header(self, header: Session, *, count: bool) -> None:
        """A session; with `count` its messages, of which none will be shown."""
        self.sessions += 1
        if count:
            self.messages += header.message_count
        if header.user_id is not None:
            self.users.add(header.user_id)
        if header.message_count and header.updated_at is not None and self._now - header.updated_at <= ACTIVE:
            self.active += 1

    def stats(self, *, detail: bool) -> Stats:
        """The figures."""
        return Stats(
            sessions=self.sessions,
            users=len(self.users),
            messages=self.messages,
            tokens=self.tokens.total(),
            messages_by_role=dict(sorted(self.roles.items())),
            messages_by_day=dict(sorted(self.days.items())),
            first_message_at=self.first,
            last_message_at=self.last,
            active_sessions=self.active,
            tokens_by_role=dict(sorted(self.tokens.items())),
            messages_by_hour=dict(sorted(self.hours.items())),
            sessions_by_day=dict(sorted(self.sessions_by_day.items())),
            lengths=self.lengths.spread(whole=True),
            latency=self.latency.spread(),
            detail=detail,
        )


class _SessionTally:
    """What is counted within one session, whose pages are shown in order."""

    def __init__(self, tally: _Tally) -> None:
        self._tally = tally
        self._asked: datetime | None = None
        self._days: set[str] = set()

    def add(self, rows: Sequence[Message]) -> None:
        """A page of messages."""
        tally = self._tally
        tally.messages += len(rows)
        for row in rows:
            tally.roles[row.role] += 1
            tally.tokens[row.role] += row.tokens
            if text := row.text:
                tally.lengths.add(len(text))
            if row.created_at is not None:
                self._time(row, row.created_at, bool(text))

    def _time(self, row: Message, at: datetime, says: bool) -> None:
        tally = self._tally
        instant = at.isoformat()
        day, hour = instant[:10], instant[11:13]
        tally.days[day] += 1
        tally.hours[hour] += 1
        self._days.add(day)
        if tally.first is None or at < tally.first:
            tally.first = at
        if tally.last is None or at > tally.last:
            tally.last = at
        if row.role == "user":
            self._asked = at
        elif row.role == "assistant" and says and self._asked is not None:
            # An answer from before its question is a clock that jumped, not a latency.
            if at >= self._asked:
                tally.latency.add((at - self._asked).total_seconds())
            self._asked = None

    def end(self) -> None:
        """That was all of the session."""
        self._tally.sessions_by_day.update(self._days)


async def session_stats(base: Base, session_id: str, *, detail: bool) -> Stats:
    """Figures of one session; all zero if it is not there. Without `detail` only what the header knows."""
    tally = _Tally(base.driver.now())
    header = await base.header(session_id)
    if header is not None:
        tally.header(header, count=not detail)
        if detail:
            await _add_session(base, tally, session_id)
    return tally.stats(detail=detail)


async def total_stats(base: Base, *, user_id: str | None, detail: bool) -> Stats:
    """Figures of all sessions, or of a user's; `detail` reads every message once, without it only the headers."""
    tally = _Tally(base.driver.now())
    async for header in base.headers(user_id):
        tally.header(header, count=not detail)
        if detail:
            await _add_session(base, tally, header.id)
    return tally.stats(detail=detail)


async def _add_session(base: Base, tally: _Tally, session_id: str) -> None:
    session = _SessionTally(tally)
    async for rows in base.pages(session_id):
        session.add(rows)
    session.end()
