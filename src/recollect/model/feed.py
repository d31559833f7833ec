"""The feed of changes."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from recollect.model.base import Record

ChangeKind = Literal["append", "put", "delete"]


class Change(Record, frozen=True, kw_only=True):
    """One entry of the feed: what a commit did, not the data itself.

    Parameters
    ----------
    cursor: the place in the feed; `changes(after=cursor)` goes on behind it.
    table: the table that changed; `partition`: the session or user it belongs to.
    first_seq, last_seq: for an append, the numbers it gave (inclusive); 0 otherwise.
    """

    cursor: str
    kind: ChangeKind
    table: str
    partition: str
    first_seq: int = 0
    last_seq: int = 0
    at: datetime | None = None
