"""Messages of an append in columns, as stores that speak SQL write them; messages again for whoever looks at them.

An import makes its rows like this in the process that reads, so that they cross to the one that writes, and go into its
statements, as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload

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


class PreparedRow(Struct, array_like=True, frozen=True, gc=False):
    """A message that is about to be appended.

    Parameters
    ----------
    text: the readable text of its content; None beside tool calls. created_at: as `store.codec.dump_time` writes it.
    terms: by which it is found, separated by single spaces; empty for none.
    """

    id: str
    role: str
    text: str | None
    created_at: str
    tokens: int
    terms: str
    more: More | None = None


def prepare(message: Message, terms: str) -> PreparedRow:
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
    return PreparedRow(message.id, message.role, text, dump_time(message.created_at), message.tokens, terms, more)


def message_of(row: PreparedRow) -> Message:
    """The message of a row; not stored yet, it has no number and no session."""
    more = row.more
    if more is None:
        return Message(row.role, row.text, id=row.id, created_at=_time(row.created_at), tokens=row.tokens)
    return Message(
        row.role,
        row.text if more.parts is None else load_parts(more.parts),
        id=row.id,
        name=more.name,
        metadata=load_object(more.metadata),
        created_at=_time(row.created_at),
        tool_calls=None if more.tool_calls is None else load_json(more.tool_calls),
        tool_call_id=more.tool_call_id,
        extra=load_object(more.extra),
        tokens=row.tokens,
        expires_at=None if more.expires_at is None else _time(more.expires_at),
    )


class Prepared(Sequence[Message]):
    """Rows as a sequence of their messages, which are made when first looked at."""

    def __init__(self, rows: Sequence[PreparedRow]) -> None:
        self.rows = rows
        self._messages: list[Message] | None = None

    @property
    def messages(self) -> list[Message]:
        """The messages."""
        if self._messages is None:
            self._messages = list(map(message_of, self.rows))
        return self._messages

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Message]:
        return iter(self.messages)

    @overload
    def __getitem__(self, index: int) -> Message: ...
    @overload
    def __getitem__(self, index: slice) -> list[Message]: ...
    def __getitem__(self, index: int | slice) -> Message | list[Message]:
        return self.messages[index]


def prepared(messages: Sequence[Message], terms: Sequence[str]) -> Sequence[PreparedRow]:
    """The rows of an append."""
    return messages.rows if isinstance(messages, Prepared) else list(map(prepare, messages, terms))
