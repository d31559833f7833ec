"""What RediSearch is given in place of text: words in which nothing is syntax, and nothing is folded or cut."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha1, sha256

from recollect.stores.redis.keys import decode, encode

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


def vector_kind(model: str, size: int) -> str:
    """The name for vectors of a model and a length, which alone are compared; none for bytes that are no vector.

    `docs.lua` has the same rule.

    Parameters
    ----------
    size: of the data, in bytes.
    """
    if size == 0 or size % 2 or size > 2 * LARGEST:
        return ""
    return f"{size // 2}-{sha1(encode(model).encode(), usedforsecurity=False).hexdigest()[:16]}"


def dimensions(kind: str) -> int:
    """How many dimensions the vectors of a kind have."""
    return int(kind.partition("-")[0])


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
    _, _, place = key.partition("}:")
    what, _, place = place.partition(":")
    if what == "vec":
        _, _, place = place.partition(":")
    id, _, seq = place.rpartition(":")
    return decode(id), int(seq)
