"""What PostgreSQL cannot hold as it is: U+0000 in text, and in jsonb also the order of keys and the form of numbers."""

from __future__ import annotations

from typing import Any

from recollect.errors import CorruptRecord
from recollect.model import JSON
from recollect.store.codec import dump_json, dump_object, load_object

MARK = "\x01"
"""Begins what stands for something else; see `escape`."""


def escape(text: str) -> str:
    """Text without U+0000: U+0001 U+0001 stands for it, U+0001 U+0002 for U+0001. Code point order is kept."""
    if "\0" in text or MARK in text:
        return text.replace(MARK, "\x01\x02").replace("\0", "\x01\x01")
    return text


def escape_or_none(text: str | None) -> str | None:
    """The same; None stays None."""
    return None if text is None else escape(text)


def unescape(text: str) -> str:
    """What `escape` was given."""
    if MARK not in text:
        return text
    first, *rest = text.split(MARK)
    out = [first]
    pieces = iter(rest)
    for piece in pieces:
        if piece[:1] == "\x02":
            out.append(MARK + piece[1:])
        elif piece == "":
            # U+0001 U+0001: the split has cut between the two.
            out.append("\0" + next(pieces, ""))
        else:
            raise CorruptRecord(f"text with U+0001 that Recollect did not write: {text[:40]!r}")
    return "".join(out)


def unescape_or_none(text: str | None) -> str | None:
    """The same; None stays None."""
    return None if text is None else unescape(text)


def dump_jsonb(value: dict[str, JSON]) -> tuple[str, str | None]:
    """JSON text for a ``jsonb`` column, and the exact text where the column would give back another, else None."""
    if not value:
        return "{}", None
    text = dump_object(value)
    if _is_kept(value):
        return text, None
    return (dump_json(_without_nul(value)) if "\\u0000" in text or "\\u0001" in text else text), text


def load_jsonb(text: str, exact: str | None) -> dict[str, JSON]:
    """The object of the two columns."""
    return load_object(text if exact is None else exact)


def _is_kept(value: Any) -> bool:
    """Whether ``jsonb`` gives the value back as it is: it orders keys by length, then by bytes, and writes out exponents."""
    if isinstance(value, str):
        return "\0" not in value and MARK not in value
    if isinstance(value, dict):
        last: tuple[int, bytes] = (-1, b"")
        for key, inner in value.items():
            if not isinstance(key, str):
                return False
            encoded = key.encode()
            place = (len(encoded), encoded)
            if place <= last or not _is_kept(key) or not _is_kept(inner):
                return False
            last = place
        return True
    if isinstance(value, list | tuple):
        return all(map(_is_kept, value))
    if isinstance(value, float):
        shown = repr(value)
        return "e" not in shown and shown != "-0.0"
    return value is None or isinstance(value, bool | int)


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return escape(value)
    if isinstance(value, dict):
        return {escape(str(key)): _without_nul(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nul(inner) for inner in value]
    return value
