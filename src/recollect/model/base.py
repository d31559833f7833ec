"""What all records share: frozen, copied with changes, written as JSON-able data; and a page of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Generic, TypeVar

from msgspec import Struct, structs

JSON = Any
T = TypeVar("T")


class Record(Struct, frozen=True, kw_only=True, repr_omit_defaults=True):
    """A record of named fields. `Message` is none: its role and content may be given by place."""

    def replace(self: T, **changes: Any) -> T:
        """A copy with some fields changed."""
        return structs.replace(self, **changes)  # type: ignore[type-var]

    def to_dict(self) -> dict[str, JSON]:
        """Every field as JSON-able data."""
        return {
            name: iso(value) if isinstance(value, datetime) else value
            for name, value in ((name, getattr(self, name)) for name in self.__struct_fields__)
        }


def iso(instant: datetime | None) -> str | None:
    """An instant as ISO 8601 text, to the microsecond, with ``Z`` for UTC."""
    return None if instant is None else instant.isoformat(timespec="microseconds").replace("+00:00", "Z")


class Page(Struct, Generic[T], frozen=True):
    """Some items and the cursor to the next ones. Iterates over its items.

    `cursor` is opaque text and belongs to the call that gave it; None at the end.
    """

    items: list[T]
    cursor: str | None = None

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> T:
        return self.items[index]
