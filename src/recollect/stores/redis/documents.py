"""What RediSearch is given in place of text: words in which nothing is syntax, and nothing is folded or cut."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256

from recollect.stores.redis.keys import decode

LONGEST = 60
"""Bytes of a term that is written out. RediSearch cuts a word at 128; so a longer term is hashed."""

LARGEST = 32_768
"""Dimensions of a vector that RediSearch takes at most."""


def tag(text: str) -> str:
    """Text in hexadecimal, behind a letter, for what looks like a number is read as one. `docs.lua` has the same rule."""
    return "t" + text.encode().hex()


def indexed_term(term: str) -> str:
    """One term as a word of the index."""
    data = term.encode()
    return "t" + data.hex() if len(data) <= LONGEST else "h" + sha256(data).hexdigest()


def indexed_terms(terms: str) -> str:
    """The terms of a message as words of the index."""
    return " ".join(map(indexed_term, terms.split(" "))) if terms else ""


def vector_field(model: str, size: int) -> str:
    """The field for vectors of a model and a length; none for bytes that cannot be one.

    RediSearch compares all that stands under one name, and leaves out a hash with a value that does not fit.

    Parameters
    ----------
    size: of the data, in bytes.
    """
    if size == 0 or size % 2 or size > 2 * LARGEST:
        return ""
    return f"v{size // 2}_{sha256(model.encode()).hexdigest()[:16]}"


def dimensions(field: str) -> int:
    """How many dimensions the vectors of a field have."""
    return int(field[1:].partition("_")[0])


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_EXACT = 2**53
_SLACK = 4096


def between(since: datetime | None, until: datetime | None) -> str:
    """A range of instants for a query, in microseconds: all between them, and a few more where such are too large for
    the floating-point numbers that RediSearch keeps."""
    low, high = "-inf", "+inf"
    if since is not None:
        low = str(_micros(since, -_SLACK))
    if until is not None:
        high = str(_micros(until, _SLACK))
    return f"[{low} {high}]"


def _micros(instant: datetime, slack: int) -> int:
    number = (instant - _EPOCH) // _MICROSECOND
    return number if abs(number) < _EXACT else number + slack


def place_of(key: str) -> tuple[str, int]:
    """The session's id and the number of the message that a hash belongs to."""
    id, _, seq = key.partition("}:doc:")[2].rpartition(":")
    return decode(id), int(seq)
