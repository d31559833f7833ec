"""Figures and the feed."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from recollect.server.schemas.base import Out


class ReceiptOut(Out):
    """What was forgotten, counted by kind."""

    sessions: int = Field(examples=[3])
    messages: int = Field(examples=[41])
    summaries: int = Field(examples=[1])
    preferences: int = Field(examples=[1])
    memories: int = Field(examples=[12])
    documents: int = Field(examples=[0])


class SpreadOut(Out):
    """How a figure is spread. The median and the 95th percentile are off by at most one percent of their value."""

    count: int = Field(examples=[1204], description="How many figures it is made of.")
    mean: float
    median: float
    p95: float
    max: float


class StatsOut(Out):
    """Figures. Sessions, messages, users and active sessions are always counted, the rest with `detail` only: null without."""

    sessions: int
    messages: int
    users: int
    tokens: int | None
    messages_by_role: dict[str, int] | None
    messages_by_day: dict[str, int] | None = Field(description="By UTC date.")
    first_message_at: datetime | None
    last_message_at: datetime | None
    bytes: int | None
    active_sessions: int = Field(description="Those whose latest message is at most 15 minutes old.")
    tokens_by_role: dict[str, int] | None
    messages_by_hour: dict[str, int] | None = Field(description="By hour of the day in UTC, 00 to 23.")
    sessions_by_day: dict[str, int] | None = Field(description="Sessions with a message on that UTC date.")
    lengths: SpreadOut | None = Field(description="Of texts, in characters.")
    latency: SpreadOut | None = Field(
        description="Seconds from a user's message to the text of an assistant behind it."
    )
    detail: bool = Field(description="Whether every message was read.")


class ChangeOut(Out):
    """An entry of the feed."""

    cursor: str = Field(description="Go on behind it with `after`.")
    kind: Literal["append", "put", "delete"]
    table: str
    partition: str
    first_seq: int
    last_seq: int
    at: datetime | None
