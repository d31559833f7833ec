"""Pages of rows, with cursors that belong to their question."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from recollect.core.base import Base
from recollect.core.checks import check_count, check_optional_time
from recollect.core.cursors import make_cursor, read_cursor
from recollect.model import Page, Session

T = TypeVar("T")


def cut_page(
    rows: Sequence[T], limit: int, question: tuple[Any, ...], place: Callable[[T], tuple[Any, ...]]
) -> Page[T]:
    """A page of at most `limit` rows, from a query that asked for one more."""
    items = list(rows[:limit])
    return Page(items, make_cursor(question, place(items[-1])) if len(rows) > limit else None)


async def page_of_sessions(
    base: Base, path: str, hash: tuple[str, ...], limit: int, cursor: str | None
) -> Page[Session]:
    """Sessions by latest activity."""
    check_count(limit, "limit")
    question = (path, hash)
    place = read_cursor(question, cursor, (datetime, str))
    rows: Sequence[Session] = await base.store.query(path, hash, before=place, limit=limit + 1, reverse=True)
    return cut_page(rows, limit, question, lambda row: (row.updated_at, row.id))


def page_json(items: bytes, cursor: str | None) -> bytes:
    """A page as JSON text.

    Parameters
    ----------
    items: those of a JSON array, without its brackets. cursor: letters and digits that need no escape; see
        `make_cursor`.
    """
    end = b'],"cursor":null}' if cursor is None else b'],"cursor":"%b"}' % cursor.encode()
    return b"".join((b'{"items":[', items, end))


class Bounds:
    """The checked bounds of a page of a log, and the question that its cursor belongs to."""

    __slots__ = ("after", "before", "question", "since", "until")

    def __init__(
        self,
        base: Base,
        session_id: str,
        after: int | None,
        before: int | None,
        since: datetime | None,
        until: datetime | None,
        limit: int,
        reverse: bool,
        cursor: str | None,
    ) -> None:
        check_count(limit, "limit")
        low = 0 if after is None else check_count(after, "after", least=0, most=None)
        high = None if before is None else check_count(before, "before", least=0, most=None)
        self.since, self.until = check_optional_time(since, "since"), check_optional_time(until, "until")
        self.question = ("read", base.scope, session_id, low, high, self.since, self.until, reverse)
        place = read_cursor(self.question, cursor, (int,))
        if place is not None and reverse:
            high = place[0]
        elif place is not None:
            low = place[0]
        self.after = (low,) if low else None
        self.before = None if high is None else (high,)
