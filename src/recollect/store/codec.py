"""Records to columns and back, for stores that keep rows as text and numbers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from recollect.errors import CorruptRecord
from recollect.model import JSON, Content, Part

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_EMPTY = "{}"
_QUOTED_TIME = len('"2026-11-21T00:52:30.000001Z"')


def dump_json(value: JSON) -> str:
    """Compact JSON text."""
    return _encode(value).decode()


def load_json(text: str | bytes) -> JSON:
    """The value of JSON text; `CorruptRecord` if it is none."""
    try:
        return _decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CorruptRecord(f"not JSON: {text[:80]!r}") from error


def dump_object(value: dict[str, JSON]) -> str:
    """JSON text of an object; the empty one costs nothing."""
    return _encode(value).decode() if value else _EMPTY


def load_object(text: str) -> dict[str, JSON]:
    """The object of JSON text."""
    if text == _EMPTY:
        return {}
    value: dict[str, JSON] = load_json(text)
    return value


def dump_parts(content: Content) -> str | None:
    """JSON text of a content that is a list of parts; None for plain text, which needs no second column."""
    return dump_json(content) if isinstance(content, list) else None


def load_parts(text: str) -> list[Part]:
    """The parts of JSON text; a bare string among them stays what it was."""
    parts: list[Any] = load_json(text)
    return [Part(part) if isinstance(part, dict) else part for part in parts]


def dump_time(instant: datetime) -> str:
    """ISO 8601 in UTC with six decimals, so that text order is time order: ``2026-11-21T00:52:30.000001Z``."""
    if instant.tzinfo is not UTC:
        instant = instant.astimezone(UTC)
    quoted = _encode(instant)
    if len(quoted) == _QUOTED_TIME:
        return quoted[1:-1].decode()
    return instant.isoformat("T", "microseconds")[:26] + "Z"


load_time = datetime.fromisoformat
