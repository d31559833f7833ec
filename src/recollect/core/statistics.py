"""Figures of a store, a user or a session."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from recollect.core.base import Base
from recollect.model import Message, Session, Stats


class _Tally:
    def __init__(self) -> None:
        self.sessions = 0
        self.users: set[str] = set()
        self.messages = 0
        self.tokens = 0
        self.roles: Counter[str] = Counter()
        self.days: Counter[str] = Counter()
        self.times: list[Any] = []

    def header(self, header: Session, *, count: bool) -> None:
        self.sessions += 1
        if count:
            self.messages += header.message_count
        if header.user_id is not None:
            self.users.add(header.user_id)

    def add(self, rows: Sequence[Message]) -> None:
        self.messages += len(rows)
        for row in rows:
            self.tokens += row.tokens
            self.roles[row.role] += 1
            if row.created_at is not None:
                self.days[row.created_at.date().isoformat()] += 1
        instants = [row.created_at for row in rows if row.created_at is not None]
        if instants:
            self.times = [min(instants + self.times[:1]), max(instants + self.times[1:])]

    def stats(self) -> Stats:
        return Stats(
            sessions=self.sessions,
            users=len(self.users),
            messages=self.messages,
            tokens=self.tokens,
            messages_by_role=dict(sorted(self.roles.items())),
            messages_by_day=dict(sorted(self.days.items())),
            first_message_at=self.times[0] if self.times else None,
            last_message_at=self.times[1] if self.times else None,
        )


async def session_stats(base: Base, session_id: str, *, detail: bool) -> Stats:
    """Figures of one session; all zero if it is not there. Without `detail` only what the header knows."""
    tally = _Tally()
    header = await base.header(session_id)
    if header is not None:
        tally.header(header, count=not detail)
        if detail:
            await _add_session(base, tally, session_id)
    return tally.stats()


async def total_stats(base: Base, *, user_id: str | None, detail: bool) -> Stats:
    """Figures of all sessions, or of a user's; `detail` reads every message once, without it only the headers."""
    tally = _Tally()
    async for header in base.headers(user_id):
        tally.header(header, count=not detail)
        if detail:
            await _add_session(base, tally, header.id)
    return tally.stats()


async def _add_session(base: Base, tally: _Tally, session_id: str) -> None:
    async for rows in base.pages(session_id):
        tally.add(rows)
