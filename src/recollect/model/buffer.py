"""What is kept for a store that was away."""

from __future__ import annotations

from datetime import datetime

from msgspec import field

from recollect.model.base import JSON, Record


class Refused(Record, frozen=True, kw_only=True):
    """An append out of the buffer that the store refused; it is kept until it is tried again or dropped.

    Parameters
    ----------
    ids: of its messages. at: the instant of the append.
    error: the class of the error, such as ``Conflict``. reason: what it said.
    """

    scope: str
    session_id: str
    user_id: str | None = None
    ids: list[str]
    at: datetime
    error: str
    reason: str


class Buffered(Record, frozen=True, kw_only=True):
    """What is kept for a store that was away, counted in messages, all tenants together.

    Parameters
    ----------
    path: the buffer's file; None without one.
    waiting: will be delivered. oldest: the instant of the first append that waits.
    refused: the store refused them; `refusals` has the first hundred of those appends.
    elsewhere: are for another store than this one, and wait for a client of that.
    bytes: of everything kept, as it counts for the limit.
    """

    path: str | None = None
    waiting: int = 0
    oldest: datetime | None = None
    refused: int = 0
    refusals: list[Refused] = field(default_factory=list)
    elsewhere: int = 0
    bytes: int = 0

    def to_dict(self) -> dict[str, JSON]:
        """Every field as JSON-able data."""
        return {**super().to_dict(), "refusals": [one.to_dict() for one in self.refusals]}


class Delivered(Record, frozen=True, kw_only=True):
    """What `deliver` did, counted in messages.

    `delivered` are in the store now; `expired` had outlived their lifetime before they could be; `refused` were set
    aside; `dropped` were refused before, and are gone now because that was asked for.
    """

    delivered: int = 0
    expired: int = 0
    refused: int = 0
    dropped: int = 0
