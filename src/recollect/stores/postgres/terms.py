"""Terms as the index holds them."""

from __future__ import annotations

from hashlib import sha256

from recollect.stores.postgres.text import escape

MAX_TERM = 500
"""Bytes. An entry of a GIN index holds 2,700 or so; what is longer is kept as its beginning and its digest."""


def encode(terms: str) -> str:
    """Terms, separated by single spaces, for the column ``terms``."""
    return cut(escape(terms))


def cut(terms: str) -> str:
    """Terms of which none is too long for the index."""
    if len(terms) > MAX_TERM // 4 and max(map(len, terms.split(" "))) > MAX_TERM // 4:
        return " ".join(map(_cut, terms.split(" ")))
    return terms


def encode_one(term: str) -> str:
    """One term, as `encode` has it."""
    return _cut(escape(term))


def _cut(term: str) -> str:
    data = term.encode("utf-8", "surrogatepass")
    if len(data) <= MAX_TERM:
        return term
    return term[:32] + "~" + sha256(data).hexdigest()
