"""Messages of an append in columns, as stores that speak SQL write them; messages again for whoever looks at them.

An import makes its rows like this in the process that reads, so that they cross to the one that writes, and go into its
statements, as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias, overload

from msgspec import Struct

from recollect.model import Message
from recollect.store.codec import dump_json, dump_object, dump_parts, dump_time, load_json, load_object, load_parts
from recollect.store.codec import load_time as _time


class More(Struct, array_like=True, frozen=True, gc=False):
    """What few messages have: JSON texts but for the names, and the text of an instant."""

    parts: str | None
    name: str | None
    metadata: str
    tool_calls: str | None
    tool_call_id: str | None
    extra: str
    expires_at: str | None


Row: TypeAlias = tuple[str, str, str | None, str, int, str, More | None]
"""A message that is about to be appended: its id, role, the readable text of its content (None beside tool calls),
created_at as `store.codec.dump_time` writes it, tokens, the terms by which it is found (separated by single spaces; empty
for none), and what few have."""


def row_of(message: Message, terms: str) -> Row:
    """The row of a message that has its id, created_at and tokens."""
    content, calls, expires = message.content, message.tool_calls, message.expires_at
    assert message.created_at is not None
    plain = isinstance(content, str) and calls is None and expires is None and not (message.metadata or message.extra)
    more = None
    if not plain or message.name is not None or message.tool_call_id is not None:
        more = More(
            dump_parts(content),
            message.name,
            dump_object(message.metadata),
            None if calls is None else dump_json(calls),
            message.tool_call_id,
            dump_object(message.extra),
            None if expires is None else dump_time(expires),
        )
    text = content if isinstance(content, str) or content is None else message.text
    return message.id, message.role, text, dump_time(message.created_at), message.tokens, terms, more


class Columns(Struct, array_like=True, frozen=True):
    """Rows that are about to be appended, a sequence for each of what all of them have; `more` by the row's place."""

    ids: Sequence[str]
    roles: Sequence[str]
    texts: Sequence[str | None]
    created: Sequence[str]
    tokens: Sequence[int]
    terms: Sequence[str]
    more: dict[int, More]

    def __len__(self) -> int:
        return len(self.ids)

    def message(self, place: int) -> Message:
        """One of them; not stored yet, it has no number and no session."""
        role, text, more = self.roles[place], self.texts[place], self.more.get(place)
        id, created, tokens = self.ids[place], _time(self.created[place]), self.tokens[place]
        if more is None:
            return Message(role, text, id=id, created_at=created, tokens=tokens)
        return Message(
            role,
            text if more.parts is None else load_parts(more.parts),
            id=id,
            name=more.name,
            metadata=load_object(more.metadata),
            created_at=created,
            tool_calls=None if more.tool_calls is None else load_json(more.tool_calls),
            tool_call_id=more.tool_call_id,
            extra=load_object(more.extra),
            tokens=tokens,
            expires_at=None if more.expires_at is None else _time(more.expires_at),
        )


class Prepared(Sequence[Message]):
    """Columns as a sequence of their messages, which are made when first looked at."""

    def __init__(self, columns: Columns) -> None:
        self.columns = columns
        self._messages: list[Message] | None = None

    @property
    def messages(self) -> list[Message]:
        """The messages."""
        if self._messages is None:
            self._messages = list(map(self.columns.message, range(len(self.columns))))
        return self._messages

    def __len__(self) -> int:
        return len(self.columns)

    def __iter__(self) -> Iterator[Message]:
        return iter(self.messages)

    @overload
    def __getitem__(self, index: int) -> Message: ...
    @overload
    def __getitem__(self, index: slice) -> list[Message]: ...
    def __getitem__(self, index: int | slice) -> Message | list[Message]:
        return self.messages[index]


def columns_of(rows: Sequence[Row]) -> Columns:
    """Rows, of which there is at least one, as columns."""
    ids, roles, texts, created, tokens, terms, more = zip(*rows, strict=True)
    some = {place: one for place, one in enumerate(more) if one is not None} if any(more) else {}
    return Columns(ids, roles, texts, created, tokens, terms, some)


def prepared(messages: Sequence[Message], terms: Sequence[str]) -> Columns:
    """The columns of an append, which is not empty."""
    return messages.columns if isinstance(messages, Prepared) else columns_of(list(map(row_of, messages, terms)))
