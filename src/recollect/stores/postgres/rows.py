"""Records to columns and back, as PostgreSQL has them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from recollect.errors import CorruptRecord, LimitExceeded
from recollect.model import Change, Message, Preferences, Session, Summary, Vector
from recollect.store.codec import dump_json, dump_object, dump_parts, load_json, load_object, load_parts
from recollect.stores.postgres.adapt import instant, instant_or_none
from recollect.stores.postgres.text import (
    dump_jsonb,
    escape,
    escape_or_none,
    load_jsonb,
    unescape,
    unescape_or_none,
)

Row = Sequence[Any]

ITEM_BYTES = 128 * 1024 * 1024

_TEXTS = {"parts", "metadata", "metadata_exact", "tool_calls", "extra", "preferences", "preferences_exact"}
_MESSAGE = [
    "session_id",
    "seq",
    "id",
    "role",
    "content",
    "parts",
    "name",
    "user_id",
    "metadata",
    "metadata_exact",
    "tool_calls",
    "tool_call_id",
    "extra",
    "created_at",
    "expires_at",
    "tokens",
]
_SESSION = [
    "session_id",
    "user_id",
    "title",
    "metadata",
    "metadata_exact",
    "message_count",
    "last_seq",
    "created_at",
    "updated_at",
    "expires_at",
    "ttl",
    "version",
]
_SUMMARY = [
    "session_id",
    "text",
    "covers_seq",
    "metadata",
    "metadata_exact",
    "tokens",
    "created_at",
    "updated_at",
    "version",
]
_PREFERENCES = ["user_id", "preferences", "preferences_exact", "created_at", "updated_at", "version"]


def _select(names: Sequence[str], prefix: str) -> str:
    return ", ".join(f"{prefix}{name}::text" if name in _TEXTS else prefix + name for name in names)


MESSAGE_COLUMNS = _select(_MESSAGE, "m.")
KNOWN_COLUMNS = _select(_MESSAGE, "(a.known).")
SESSION_COLUMNS = _select(_SESSION, "s.")
SUMMARY_COLUMNS = _select(_SUMMARY, "y.")
VECTOR_COLUMNS = "v.session_id, v.seq, v.id, v.model, v.data"
PREFERENCE_COLUMNS = _select(_PREFERENCES, "p.")
CHANGE_COLUMNS = "c.tx, c.id, c.kind, c.table_name, c.partition_id, c.first_seq, c.last_seq, c.at"


_Values = tuple[
    str, str, str | None, str | None, str | None, str, str | None, str | None, str | None, str, datetime | None,
    datetime | None, str,
]  # fmt: skip


def message_values(message: Message) -> _Values:
    """The columns ``id`` to ``tokens``, without ``user_id``. Raises `LimitExceeded` for more than `ITEM_BYTES`."""
    content = message.content
    metadata, exact = dump_jsonb(message.metadata) if message.metadata else ("{}", None)
    text = content if isinstance(content, str) or content is None else message.text
    parts = None if content is None or isinstance(content, str) else dump_parts(content)
    calls = None if message.tool_calls is None else dump_json(message.tool_calls)
    extra = dump_object(message.extra)
    if (text is not None and len(text) > ITEM_BYTES // 4) or (parts is not None and len(parts) > ITEM_BYTES // 4):
        _check_size(content if isinstance(content, str) else "", parts or "", exact or metadata, calls or "", extra)
    return (
        escape(message.id),
        escape(message.role),
        escape_or_none(text),
        parts,
        escape_or_none(message.name),
        metadata,
        exact,
        calls,
        escape_or_none(message.tool_call_id),
        extra,
        message.created_at,
        message.expires_at,
        str(message.tokens),
    )


def _check_size(*texts: str) -> None:
    size = sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)
    if size > ITEM_BYTES:
        raise LimitExceeded(f"a message of {size:,} bytes is over this store's limit of {ITEM_BYTES:,} (item_bytes)")


def message_of(row: Row) -> Message:
    """The message of a row of `MESSAGE_COLUMNS`."""
    (
        session_id, seq, id, role, content, parts, name, user, metadata, exact, calls, call, extra, created, expires, tokens,
    ) = row  # fmt: skip
    try:
        return Message(
            unescape(role),
            load_parts(parts) if parts is not None else None if content is None else unescape(content),
            id=unescape(id),
            name=None if name is None else unescape(name),
            metadata={} if metadata == "{}" else load_jsonb(metadata, exact),
            created_at=instant(created),
            tool_calls=None if calls is None else load_json(calls),
            tool_call_id=None if call is None else unescape(call),
            extra={} if extra == "{}" else load_object(extra),
            seq=seq,
            session_id=unescape(session_id),
            user_id=None if user is None else unescape(user),
            tokens=tokens,
            expires_at=None if expires is None else instant(expires),
        )
    except (CorruptRecord, TypeError, ValueError, OverflowError) as error:
        raise CorruptRecord(f"message {seq} of session {session_id!r} does not decode: {error}") from error


def session_of(row: Row) -> Session:
    """The header of a row of `SESSION_COLUMNS`."""
    id, user, title, metadata, exact, count, last_seq, created, updated, expires, ttl, version = row
    try:
        return Session(
            id=unescape(id),
            user_id=unescape_or_none(user),
            title=unescape_or_none(title),
            metadata=load_jsonb(metadata, exact),
            message_count=count,
            last_seq=last_seq,
            created_at=instant(created),
            updated_at=instant(updated),
            expires_at=instant_or_none(expires),
            ttl=ttl,
            version=version,
        )
    except (CorruptRecord, TypeError, ValueError, OverflowError) as error:
        raise CorruptRecord(f"the header of session {id!r} does not decode: {error}") from error


def summary_of(row: Row) -> Summary:
    """The summary of a row of `SUMMARY_COLUMNS`."""
    session_id, text, covers, metadata, exact, tokens, created, updated, version = row
    try:
        return Summary(
            session_id=unescape(session_id),
            text=unescape(text),
            covers_seq=covers,
            metadata=load_jsonb(metadata, exact),
            tokens=tokens,
            created_at=instant(created),
            updated_at=instant(updated),
            version=version,
        )
    except (CorruptRecord, TypeError, ValueError, OverflowError) as error:
        raise CorruptRecord(f"the summary of session {session_id!r} does not decode: {error}") from error


def vector_of(row: Row) -> Vector:
    """The vector of a row of `VECTOR_COLUMNS`."""
    session_id, seq, id, model, data = row
    return Vector(session_id=unescape(session_id), seq=seq, id=unescape(id), model=unescape(model), data=bytes(data))


def preferences_of(row: Row) -> Preferences:
    """The preferences of a row of `PREFERENCE_COLUMNS`."""
    user, values, exact, created, updated, version = row
    try:
        return Preferences(
            user_id=unescape(user),
            values=load_jsonb(values, exact),
            created_at=instant(created),
            updated_at=instant(updated),
            version=version,
        )
    except (CorruptRecord, TypeError, ValueError, OverflowError) as error:
        raise CorruptRecord(f"the preferences of user {user!r} do not decode: {error}") from error


def change_of(row: Row) -> Change:
    """The change of a row of `CHANGE_COLUMNS`."""
    tx, id, kind, table, partition, first, last, at = row
    return Change(
        cursor=f"{tx}-{id}",
        kind=kind,
        table=table,
        partition=unescape(partition),
        first_seq=first,
        last_seq=last,
        at=instant(at),
    )
