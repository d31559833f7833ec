"""What a commit knows of the messages that are stored, and what it gives the index."""

from __future__ import annotations

from msgspec import Struct, field

from recollect.model import Message
from recollect.stores.dynamodb.values import Item


class Stored(Struct):
    """A message that is stored, and where."""

    message: Message
    timestamp: str
    pieces: int


class Known(Struct):
    """What was found out of the stored messages under one header; another header makes it void.

    Parameters
    ----------
    ids: the live message that has an id, None where the id turned out to be free. seqs: the same by number.
    entries: the index entry of the live message that has an id, of ids to which a vector is attached.
    live_expiring: how many messages that will expire can still be read; None if nobody counted.
    likely_new: a sample of many ids was looked up, and none of them is there.
    """

    ids: dict[str, Stored | None] = field(default_factory=dict)
    seqs: dict[int, Stored | None] = field(default_factory=dict)
    entries: dict[str, Item | None] = field(default_factory=dict)
    live_expiring: int | None = None
    likely_new: bool = False


class Entry(Struct):
    """An item of the index to put: that of an id may have a condition."""

    item: Item
    guarded: str | None = None
    """The message id whose entry it is, where it must be free."""


class Fresh(Struct):
    """A message to be written."""

    message: Message
    at: int
