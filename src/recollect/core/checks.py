"""What every argument is checked with, at the edge and nowhere else."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NoReturn

from recollect.errors import InvalidInput
from recollect.model import JSON

MAX_ID_BYTES = 512
MAX_JSON_DEPTH = 100
MAX_PAGE = 10_000


def check_id(value: object, field: str) -> str:
    """An id: any non-empty text up to 512 bytes of UTF-8."""
    if type(value) is not str:
        raise InvalidInput(f"{field} is text, not {type(value).__name__}", field=field)
    if not value:
        raise InvalidInput(f"{field} is empty", field=field)
    if len(check_text(value, field)) > MAX_ID_BYTES:
        raise InvalidInput(f"{field} is longer than {MAX_ID_BYTES} bytes", field=field)
    return value


def check_text(value: str, field: str) -> bytes:
    """The UTF-8 of a text; lone surrogates have none and are refused."""
    try:
        return value.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(
            f"{field} holds half a surrogate pair at character {error.start}: not Unicode text", field=field
        ) from error


def check_time(value: object, field: str) -> datetime:
    """A timezone-aware instant in UTC, from a datetime or from ISO 8601 text with its offset."""
    if isinstance(value, str):
        text = value
        try:
            value = datetime.fromisoformat(text)
        except ValueError as error:
            raise InvalidInput(f"{field} is not ISO 8601: {text[:40]!r}", field=field) from error
    if not isinstance(value, datetime):
        raise InvalidInput(f"{field} is a datetime or ISO 8601 text, not {type(value).__name__}", field=field)
    if value.tzinfo is UTC:
        return value
    if value.utcoffset() is None:
        raise InvalidInput(f"{field} has no timezone: {value.isoformat()} could be any of 27 instants", field=field)
    try:
        return value.astimezone(UTC)
    except OverflowError as error:
        raise InvalidInput(f"{field} lies outside the years 1 to 9999 in UTC", field=field) from error


def check_optional_time(value: object, field: str) -> datetime | None:
    """`check_time`, or None."""
    return None if value is None else check_time(value, field)


def check_ttl(value: object, field: str = "ttl") -> float | None:
    """Seconds to live: a positive finite number, or None for ever."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidInput(f"{field} is seconds as a number, not {type(value).__name__}", field=field)
    if not math.isfinite(value) or value <= 0:
        raise InvalidInput(f"{field} must be more than 0 seconds, not {value}", field=field)
    if value > 100 * 366 * 86400:
        raise InvalidInput(f"{field} is over a hundred years: leave it out for ever", field=field)
    return float(value)


def check_count(value: object, field: str, *, least: int = 1, most: int | None = MAX_PAGE) -> int:
    """A whole number within bounds."""
    if type(value) is not int:
        raise InvalidInput(f"{field} is a whole number, not {type(value).__name__}", field=field)
    if value < least or (most is not None and value > most):
        bounds = f"at least {least}" if most is None else f"from {least} to {most}"
        raise InvalidInput(f"{field} must be {bounds}, not {value}", field=field)
    return value


def check_clock(value: object) -> None:
    """A clock: a function without arguments that gives a timezone-aware instant."""
    instant = value() if callable(value) else None
    if not isinstance(instant, datetime) or instant.utcoffset() is None:
        raise InvalidInput("clock is a function that gives a timezone-aware datetime", field="clock")


def check_flag(value: object, field: str) -> bool:
    """True or False, and nothing that merely seems so."""
    if not isinstance(value, bool):
        raise InvalidInput(f"{field} is True or False, not {type(value).__name__}", field=field)
    return value


def check_object(value: object, field: str) -> dict[str, JSON]:
    """A JSON object; tuples become lists, everything that JSON cannot hold is refused by its path."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InvalidInput(f"{field} is an object (dict), not {type(value).__name__}", field=field)
    if not value:
        return {}
    result: dict[str, JSON] = check_json(value, field)
    return result


def check_json(value: Any, field: str, depth: int = 0) -> JSON:
    """Plain JSON data: what comes back from a store is equal to it."""
    if isinstance(value, str):
        check_text(value, field)
        return str.__str__(value)
    if value is None or value is True or value is False:
        return value
    if isinstance(value, int):
        if not -(2**63) <= value < 2**64:
            raise InvalidInput(f"{field} is an integer over 64 bits: send it as text", field=field)
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise InvalidInput(f"{field} is {value}, which JSON cannot hold", field=field)
        return float(value)
    if depth >= MAX_JSON_DEPTH:
        raise InvalidInput(f"{field[:40]}... is nested over {MAX_JSON_DEPTH} deep", field=field[:40])
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise InvalidInput(f"{field} has the key {key!r}: JSON keys are text", field=field)
            check_text(key, field)
        return {str.__str__(key): check_json(item, f"{field}.{key}", depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [check_json(item, f"{field}[{i}]", depth + 1) for i, item in enumerate(value)]
    raise InvalidInput(f"{field} is a {type(value).__name__}, which JSON cannot hold", field=field)


def refuse(field: str, value: object) -> NoReturn:
    """Raise for a value of the wrong kind."""
    raise InvalidInput(f"{field} is of the wrong kind: {type(value).__name__}", field=field)
