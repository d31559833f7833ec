"""Plain data: what goes in, what is stored, what comes back. Frozen records, no behaviour of a store.

Records are `msgspec.Struct`s: frozen, typed, cheap to make (a page of messages is built on every turn).
Input is checked at the edge (`core.messages.normalize`), not each time a stored row becomes a record.
"""

from recollect.model.base import JSON, Page
from recollect.model.buffer import Buffered, Delivered, Refused
from recollect.model.content import Content, Part
from recollect.model.feed import Change, ChangeKind
from recollect.model.figures import Receipt, Spread, Stats, Swept
from recollect.model.memories import Document, Hit, Memory
from recollect.model.messages import Message, messages_json
from recollect.model.sessions import Preferences, Session, Summary, Vector

__all__ = [
    "JSON",
    "Buffered",
    "Change",
    "ChangeKind",
    "Content",
    "Delivered",
    "Document",
    "Hit",
    "Memory",
    "Message",
    "Page",
    "Part",
    "Preferences",
    "Receipt",
    "Refused",
    "Session",
    "Spread",
    "Stats",
    "Summary",
    "Swept",
    "Vector",
    "messages_json",
]
