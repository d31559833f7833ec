"""Figures: what was removed, what is there."""

from __future__ import annotations

from datetime import datetime

from msgspec import field

from recollect.model.base import JSON, Record


class Receipt(Record, frozen=True, kw_only=True):
    """What `forget` removed, counted by kind."""

    sessions: int = 0
    messages: int = 0
    summaries: int = 0
    preferences: int = 0
    memories: int = 0
    documents: int = 0


class Swept(Record, frozen=True, kw_only=True):
    """What `sweep` removed, counted by kind."""

    sessions: int = 0
    messages: int = 0
    changes: int = 0


class Spread(Record, frozen=True, kw_only=True):
    """How a figure is spread. `median` and `p95` are off by at most one percent of their value, the others are exact."""

    count: int
    mean: float
    median: float
    p95: float
    max: float


class Stats(Record, frozen=True, kw_only=True):
    """Figures of a store, a user or a session. Days are UTC dates, ``YYYY-MM-DD``, hours are ``00`` to ``23`` in UTC.

    All but the sessions, messages, users, active sessions and bytes need ``detail``, for which every message is read.

    Parameters
    ----------
    sessions, messages, users: how many there are. bytes: what the store takes, where it can say so.
    active_sessions: those whose latest message is at most 15 minutes old.
    tokens, tokens_by_role: as they were counted when the messages were stored.
    messages_by_role, messages_by_day, messages_by_hour: counts of messages.
    sessions_by_day: sessions with a message on that day.
    first_message_at, last_message_at: the earliest and the latest ``created_at``.
    lengths: of the readable text, in characters, of the messages that have any.
    latency: seconds from a user's message to the first text of an assistant behind it.
    detail: whether every message was read.
    """

    sessions: int = 0
    messages: int = 0
    users: int = 0
    tokens: int = 0
    messages_by_role: dict[str, int] = field(default_factory=dict)
    messages_by_day: dict[str, int] = field(default_factory=dict)
    first_message_at: datetime | None = None
    last_message_at: datetime | None = None
    bytes: int | None = None
    active_sessions: int = 0
    tokens_by_role: dict[str, int] = field(default_factory=dict)
    messages_by_hour: dict[str, int] = field(default_factory=dict)
    sessions_by_day: dict[str, int] = field(default_factory=dict)
    lengths: Spread | None = None
    latency: Spread | None = None
    detail: bool = False

    def to_dict(self) -> dict[str, JSON]:
        """Every field as JSON-able data; `None` for what was not counted."""
        out = {**super().to_dict(), "lengths": _spread_dict(self.lengths), "latency": _spread_dict(self.latency)}
        return out if self.detail else {**out, **dict.fromkeys(_OF_DETAIL)}


_OF_DETAIL = (
    "tokens",
    "messages_by_role",
    "messages_by_day",
    "tokens_by_role",
    "messages_by_hour",
    "sessions_by_day",
)


def _spread_dict(spread: Spread | None) -> dict[str, JSON] | None:
    return None if spread is None else spread.to_dict()
