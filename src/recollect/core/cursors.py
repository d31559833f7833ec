"""Cursors: opaque text that remembers a place and the question it belongs to."""

from __future__ import annotations

import base64
import binascii
import hashlib
from datetime import datetime
from typing import Any

import msgspec

from recollect.errors import InvalidInput
from recollect.store.codec import dump_time


def make_cursor(question: tuple[Any, ...], place: tuple[Any, ...]) -> str:
    """The cursor behind `place` of the answer to `question`."""
    values = [dump_time(value) if isinstance(value, datetime) else value for value in place]
    raw = msgspec.json.encode([_digest(question), *values])
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def read_cursor(question: tuple[Any, ...], cursor: str | None, types: tuple[type, ...]) -> tuple[Any, ...] | None:
    """The place of a cursor; None for None.

    Raises `InvalidInput` for text that is no cursor and for the cursor of another question.
    """
    if cursor is None:
        return None
    try:
        if not isinstance(cursor, str):
            raise ValueError
        raw = base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        digest, *values = msgspec.json.decode(raw)
        place = tuple(
            datetime.fromisoformat(value) if kind is datetime else kind(value)
            for kind, value in zip(types, values, strict=True)
        )
    except (ValueError, TypeError, binascii.Error, msgspec.DecodeError) as error:
        raise InvalidInput("not a cursor: give back the one that the last page had", field="cursor") from error
    if digest != _digest(question):
        raise InvalidInput("this cursor belongs to another query: begin that one without a cursor", field="cursor")
    return place


def _digest(question: tuple[Any, ...]) -> str:
    return hashlib.blake2s(repr(question).encode("utf-8", "backslashreplace"), digest_size=6).hexdigest()
