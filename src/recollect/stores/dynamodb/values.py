"""DynamoDB's attribute values, as its low-level interface has them."""

from __future__ import annotations

from typing import Any

import msgspec

Value = dict[str, Any]
Item = dict[str, Value]


def text(value: str) -> Value:
    """A string."""
    return {"S": value}


def number(value: int) -> Value:
    """A number."""
    return {"N": str(value)}


def get_text(item: Item, name: str) -> str | None:
    """A string attribute, None if it is not there."""
    found = item.get(name)
    return None if found is None else found["S"]


def get_number(item: Item, name: str, default: int = 0) -> int:
    """A whole number attribute."""
    found = item.get(name)
    return default if found is None else int(found["N"])


def bound_of(item: Item) -> int:
    """Bytes that an item counts for at most: those of its JSON, which has all that counts and more, and is made in no time."""
    return len(msgspec.json.encode(item))


def size_of(item: Item) -> int:
    """Bytes that an item counts for: UTF-8 of names and values, a few for each container, never too little."""
    return sum(len(name.encode()) + _size(value) for name, value in item.items())


def _size(value: Value) -> int:
    ((kind, held),) = value.items()
    if kind == "S":
        return len(held) if held.isascii() else len(held.encode())
    if kind == "B":
        return len(held)
    if kind == "N":
        return 21
    if kind == "L":
        return 3 + sum(1 + _size(inner) for inner in held)
    if kind == "M":
        return 3 + size_of(held) + len(held)
    return 1
