"""What one session holds, and whether a row is there for a reader."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from copy import deepcopy
from datetime import datetime
from typing import TypeVar

from recollect.model import Message, Session, Summary, Vector
from recollect.store import Filter
from recollect.store.contract import Key, Row

T = TypeVar("T", bound=Row)


class Log:
    """What one session partition holds."""

    def __init__(self) -> None:
        self.header: Session | None = None
        self.summary: Summary | None = None
        self.messages: dict[int, Message] = {}
        self.terms: dict[int, list[str]] = {}
        self.ids: dict[str, int] = {}
        self.seqs: list[int] = []
        self.vectors: dict[int, Vector] = {}

    def __copy__(self) -> Log:
        twin = Log()
        twin.header, twin.summary = self.header, self.summary
        twin.messages, twin.terms = self.messages.copy(), self.terms.copy()
        twin.ids, twin.seqs = self.ids.copy(), self.seqs.copy()
        twin.vectors = self.vectors.copy()
        return twin

    def add(self, message: Message, terms: str) -> None:
        self.messages[message.seq] = message
        self.terms[message.seq] = terms.split(" ") if terms else []
        self.ids[message.id] = message.seq
        self.seqs.append(message.seq)

    def adopt(self, user: str | None) -> None:
        for seq, message in self.messages.items():
            self.messages[seq] = message.replace(user_id=user)

    def remove(self, seq: int) -> None:
        message = self.messages.pop(seq)
        del self.terms[seq], self.ids[message.id]
        self.seqs.pop(bisect_left(self.seqs, seq))
        self.vectors.pop(seq, None)

    def span(self, after: Key | None, before: Key | None, reverse: bool) -> Iterator[int]:
        low = bisect_right(self.seqs, after[0]) if after else 0
        high = bisect_left(self.seqs, before[0]) if before else len(self.seqs)
        places = range(low, high)
        return map(self.seqs.__getitem__, reversed(places) if reverse else places)

    def clear(self) -> None:
        for held in (self.messages, self.terms, self.ids, self.seqs, self.vectors):
            held.clear()


def own(row: T) -> T:
    """The row for one reader: what it holds that can be changed is not what is kept here."""
    held = [f for f in _MUTABLE if isinstance(v := getattr(row, f, None), dict | list) and v]
    return row.replace(**{f: deepcopy(getattr(row, f)) for f in held}) if held else row  # type: ignore[return-value]


_MUTABLE = ("content", "metadata", "tool_calls", "extra", "values")


def live(row: Session | Message, now: datetime) -> bool:
    """Whether it has not expired."""
    return row.expires_at is None or row.expires_at > now


def within(row: Message, since: datetime | None, until: datetime | None) -> bool:
    """Whether ``since <= created_at < until``."""
    at = row.created_at
    assert at is not None
    return (since is None or at >= since) and (until is None or at < until)


def passes(row: Message, wanted: Filter) -> bool:
    """Whether a search that is narrowed so may find it."""
    return (
        (wanted.user_id is None or row.user_id == wanted.user_id)
        and (wanted.session_id is None or row.session_id == wanted.session_id)
        and (wanted.role is None or row.role == wanted.role)
        and within(row, wanted.since, wanted.until)
    )
