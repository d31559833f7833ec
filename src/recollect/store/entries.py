"""An append as it is kept in the journal of a buffer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from recollect.errors import CorruptRecord
from recollect.model import Message, Part, Refused
from recollect.store.codec import dump_time, load_time

SessionKey = tuple[str, str]
"""A tenant and the id of a session."""

COLUMNS = "entry, scope, session_id, user_id, appended_at, ttl, sliding, body"
"""What `decode` takes."""


class Entry(Struct, frozen=True, kw_only=True):
    """One append.

    Parameters
    ----------
    number, size: its place in the journal, and the bytes it takes there; 0 before it is there.
    at: the instant of the append.
    user_id, ttl, sliding: what a new session starts with.
    """

    scope: str
    session_id: str
    user_id: str | None
    at: datetime
    ttl: float | None
    sliding: bool
    rows: Sequence[Message]
    terms: Sequence[str]
    number: int = 0
    size: int = 0

    @property
    def session(self) -> SessionKey:
        """The session that it belongs to."""
        return (self.scope, self.session_id)

    def body(self) -> bytes:
        """What it holds, as JSON."""
        return msgspec.json.encode({"rows": self.rows, "terms": self.terms})

    def values(self, store: str, body: bytes) -> tuple[Any, ...]:
        """The columns of the journal behind its number, without those of a refusal."""
        head = (store, self.scope, self.session_id, self.user_id, dump_time(self.at), self.ttl, self.sliding)
        return (*head, len(self.rows), body.decode(), len(body))


def decode(row: Sequence[Any]) -> Entry:
    """The entry of a row of `COLUMNS`. Raises `CorruptRecord`."""
    number, scope, session_id, user_id, at, ttl, sliding, body = row
    try:
        fields = msgspec.json.decode(body)
        return Entry(
            scope=scope,
            session_id=session_id,
            user_id=user_id,
            at=load_time(at),
            ttl=ttl,
            sliding=bool(sliding),
            rows=[_message(one) for one in fields["rows"]],
            terms=fields["terms"],
            number=number,
            size=len(body),
        )
    except (msgspec.DecodeError, LookupError, TypeError, ValueError) as error:
        raise CorruptRecord(f"entry {number} of the buffer does not decode: {error}") from error


def _message(fields: dict[str, Any]) -> Message:
    content = fields["content"]
    if isinstance(content, list):
        fields["content"] = [Part(part) if isinstance(part, dict) else part for part in content]
    for name in ("created_at", "expires_at"):
        if fields[name] is not None:
            fields[name] = load_time(fields[name])
    return Message(**fields)


def refusal(row: Sequence[Any], error: str, reason: str) -> Refused:
    """What is told of an entry that was refused."""
    try:
        ids = [message.id for message in decode(row).rows]
    except CorruptRecord:
        ids = []
    return Refused(
        scope=row[1], session_id=row[2], user_id=row[3], ids=ids, at=load_time(row[4]), error=error, reason=reason
    )
