"""Messages as COPY reads them: the text format, https://www.postgresql.org/docs/current/sql-copy.html"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from recollect.model import Message
from recollect.stores.postgres.rows import message_values
from recollect.stores.postgres.terms import encode
from recollect.stores.postgres.text import escape

COPY_MESSAGES = """
COPY recollect.messages (scope, session_id, session_no, user_id, seq, id, role, content, parts, name, metadata,
    metadata_exact, tool_calls, tool_call_id, extra, created_at, expires_at, tokens, terms)
FROM STDIN (ENCODING 'UTF8')
"""
PIECE = 256 * 1024
"""Characters that are sent at once."""

_NULL = "\0"
"""Stands for NULL until a piece is complete: no text that PostgreSQL can hold has it."""
_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"})
_TABS = 13


def copied_fields(message: Message, terms: str) -> str:
    """The columns from ``id`` on. Raises `LimitExceeded` for a message that is too large."""
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
        _NULL if created is None else created.isoformat(),
        _NULL if expires is None else expires.isoformat(),
        tokens,
        encode(terms),
    )
    line = "\t".join(fields)
    if "\\" in line or "\n" in line or "\r" in line or line.count("\t") != _TABS:
        return "\t".join([field.translate(_ESCAPES) for field in fields])
    return line


def copied_head(scope: str, session: str, number: int, owner: str | None) -> str:
    """The columns before ``seq``, the same for all messages of a session. `owner` is as the column has it."""
    fields = (escape(scope), escape(session), str(number), _NULL if owner is None else owner)
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
