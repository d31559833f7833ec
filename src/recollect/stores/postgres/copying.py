"""Messages as COPY reads them: the text format, https://www.postgresql.org/docs/current/sql-copy.html

Most messages are text and nothing else. They go with the few columns that they have, and are written out while the server
reads those before them; the others go behind, with all columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from recollect.model import Message
from recollect.store.codec import dump_time
from recollect.stores.postgres.rows import ITEM_BYTES, message_values
from recollect.stores.postgres.terms import cut, encode
from recollect.stores.postgres.text import escape

_HEAD = "scope, session_id, session_no, user_id, seq"
COPY_PLAIN = f"""
COPY recollect.messages ({_HEAD}, id, role, content, created_at, tokens, terms)
FROM STDIN (ENCODING 'UTF8')
"""
COPY_MESSAGES = f"""
COPY recollect.messages ({_HEAD}, id, role, content, parts, name, metadata, metadata_exact, tool_calls, tool_call_id,
    extra, created_at, expires_at, tokens, terms)
FROM STDIN (ENCODING 'UTF8')
"""
PIECE = 64 * 1024
"""Characters that are sent at once."""

_NULL = "\0"
"""Stands for NULL until a piece is complete: no text that PostgreSQL can hold has it."""
_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"})
_PLAIN_TABS = 5
_TABS = 13


def is_plain(message: Message) -> bool:
    """Whether it is text, of a size that can be written, and nothing else: `COPY_PLAIN` has its columns."""
    content = message.content
    return (
        isinstance(content, str)
        and len(content) <= ITEM_BYTES // 4
        and message.name is None
        and message.tool_calls is None
        and message.tool_call_id is None
        and message.expires_at is None
        and message.created_at is not None
        and not message.metadata
        and not message.extra
    )


def plain_fields(message: Message, terms: str) -> str:
    """The columns of `COPY_PLAIN` from ``id`` on, of a message that `is_plain`."""
    id, role, content, created = message.id, message.role, message.content, message.created_at
    assert isinstance(content, str)
    assert created is not None
    at, indexed = dump_time(created), cut(terms)
    line = f"{id}\t{role}\t{content}\t{at}\t{message.tokens}\t{indexed}"
    if "\0" in line or "\1" in line or _is_special(line, _PLAIN_TABS):
        return _escaped(escape(id), escape(role), escape(content), at, str(message.tokens), encode(terms))
    return line


def copied_fields(message: Message, terms: str) -> str:
    """The columns of `COPY_MESSAGES` from ``id`` on. Raises `LimitExceeded` for a message that is too large."""
    (
        id, role, content, parts, name, metadata, exact, calls, call, extra, created, expires, tokens,
    ) = message_values(message)  # fmt: skip
    fields = (
        id,
        role,
        _NULL if content is None else content,
        _NULL if parts is None else parts,
        _NULL if name is None else name,
        metadata,
        _NULL if exact is None else exact,
        _NULL if calls is None else calls,
        _NULL if call is None else call,
        extra,
        _NULL if created is None else dump_time(created),
        _NULL if expires is None else dump_time(expires),
        tokens,
        encode(terms),
    )
    line = "\t".join(fields)
    return _escaped(*fields) if _is_special(line, _TABS) else line


def copied_head(scope: str, session: str, number: int, owner: str | None) -> str:
    """The columns before ``seq``, the same for all messages of a session. `owner` is as the column has it."""
    return _escaped(escape(scope), escape(session), str(number), _NULL if owner is None else owner)


def _is_special(line: str, tabs: int) -> bool:
    """Whether a field has what COPY gives a meaning."""
    return "\\" in line or "\n" in line or "\r" in line or line.count("\t") != tabs


def _escaped(*fields: str) -> str:
    return "\t".join([field.translate(_ESCAPES) for field in fields])


def pieces(lines: Iterable[str]) -> Iterator[bytes]:
    """The lines as COPY reads them, in pieces."""
    waiting: list[str] = []
    size = 0
    for line in lines:
        waiting.append(line)
        size += len(line)
        if size >= PIECE:
            yield _encoded(waiting)
            waiting, size = [], 0
    if waiting:
        yield _encoded(waiting)


def _encoded(lines: list[str]) -> bytes:
    return ("\n".join(lines) + "\n").replace(_NULL, "\\N").encode()
