"""How psycopg is to read the columns: an instant as the number that PostgreSQL keeps, which costs a tenth of a datetime."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg.pq import ExecStatus, Format

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_INT8 = 20
_TIMESTAMPTZ = 1184


def adapt(context: Any) -> None:
    """Have a connection, or a cursor on one of the user's, read instants as microseconds since 2000: what the server
    sends in binary."""
    number = psycopg.adapters.get_loader(_INT8, Format.BINARY)
    assert number is not None
    context.adapters.register_loader(_TIMESTAMPTZ, number)


def instant(microseconds: int) -> datetime:
    """The instant of such a number."""
    return _EPOCH + timedelta(0, 0, microseconds)


def instant_or_none(microseconds: int | None) -> datetime | None:
    """The same; None stays None."""
    return None if microseconds is None else _EPOCH + timedelta(0, 0, microseconds)


def has_rows(cursor: Any) -> bool:
    """Whether a statement gave rows; ``cursor.description`` would say it too, at the cost of an object a column."""
    result = cursor.pgresult
    return result is not None and result.status == ExecStatus.TUPLES_OK
