"""What stands beside the messages: headers, summaries, vectors, preferences."""

from __future__ import annotations

from datetime import datetime

from msgspec import field

from recollect.model.base import JSON, Record


class Session(Record, frozen=True, kw_only=True):
    """The header of a session.

    `message_count` counts what can be read now; `last_seq` is the highest number ever given in it.
    `ttl` is the sliding lifetime in seconds: each append moves `expires_at` to that long from then.
    """

    id: str
    user_id: str | None = None
    title: str | None = None
    metadata: dict[str, JSON] = field(default_factory=dict)
    message_count: int = 0
    last_seq: int = 0
    created_at: datetime | None = None
    updated_at: datetime | None = None
    expires_at: datetime | None = None
    ttl: float | None = None
    version: int = 0

    def to_dict(self) -> dict[str, JSON]:
        """Every field as JSON-able data; the id under ``id`` and under ``session_id``, as messages name it."""
        return {"session_id": self.id, **super().to_dict()}


class Summary(Record, frozen=True, kw_only=True):
    """A text that stands for the messages of a session up to and including `covers_seq`."""

    session_id: str
    text: str
    covers_seq: int
    metadata: dict[str, JSON] = field(default_factory=dict)
    tokens: int = 0
    created_at: datetime | None = None
    updated_at: datetime | None = None
    version: int = 0


class Vector(Record, frozen=True, kw_only=True):
    """What an embedder made of one message.

    Parameters
    ----------
    session_id, seq, id: of the message.
    model: of the embedder; vectors of different models are never compared.
    data: the numbers, as little-endian IEEE 754 half-precision floats: two bytes a dimension, of length 1.
    """

    session_id: str
    seq: int
    id: str
    model: str
    data: bytes


class Preferences(Record, frozen=True, kw_only=True):
    """The preference document of one user; `version` grows by one with every change."""

    user_id: str
    values: dict[str, JSON] = field(default_factory=dict)
    created_at: datetime | None = None
    updated_at: datetime | None = None
    version: int = 0
