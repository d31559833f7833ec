"""Records to rows and back, for the stores that speak SQL. Column order is that of `store.tables`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from recollect.errors import CorruptRecord
from recollect.model import Change, Message, Preferences, Session, Summary
from recollect.store.codec import dump_json, dump_object, dump_parts, dump_time, load_json, load_object, load_parts
from recollect.store.codec import load_time as _time
from recollect.store.tables import MESSAGES, PREFERENCES, SESSIONS, SUMMARIES, Table

Row = Sequence[Any]


def columns(table: Table, prefix: str = "") -> str:
    """The declared columns as a select list."""
    return ", ".join(prefix + column.name for column in table.columns)


MESSAGE_COLUMNS = columns(MESSAGES)
SESSION_COLUMNS = columns(SESSIONS)
SUMMARY_COLUMNS = columns(SUMMARIES)
PREFERENCE_COLUMNS = columns(PREFERENCES)


def message_values(message: Message) -> tuple[Any, ...]:
    """The columns behind ``seq``, in order."""
    content = message.content
    expires, calls = message.expires_at, message.tool_calls
    assert message.created_at is not None
    return (
        message.id,
        message.role,
        content if isinstance(content, str) or content is None else message.text,
        dump_parts(content),
        message.name,
        message.user_id,
        dump_object(message.metadata) if message.metadata else "{}",
        None if calls is None else dump_json(calls),
        message.tool_call_id,
        dump_object(message.extra) if message.extra else "{}",
        dump_time(message.created_at),
        None if expires is None else dump_time(expires),
        message.tokens,
    )


def message_of(row: Row) -> Message:
    """The message of a row of `MESSAGE_COLUMNS`."""
    session_id, seq, id, role, content, parts, name, user, metadata, calls, call, extra, created, expires, tokens = row
    try:
        return Message(
            role,
            content if parts is None else load_parts(parts),
            id=id,
            name=name,
            metadata={} if metadata == "{}" else load_object(metadata),
            created_at=_time(created),
            tool_calls=None if calls is None else load_json(calls),
            tool_call_id=call,
            extra={} if extra == "{}" else load_object(extra),
            seq=seq,
            session_id=session_id,
            user_id=user,
            tokens=tokens,
            expires_at=None if expires is None else _time(expires),
        )
    except (CorruptRecord, TypeError, ValueError) as error:
        raise CorruptRecord(f"message {seq} of session {session_id!r} does not decode: {error}") from error


def session_of(row: Row) -> Session:
    """The header of a row of `SESSION_COLUMNS`."""
    id, user, title, metadata, count, last_seq, created, updated, expires, ttl, version = row
    try:
        return Session(
            id=id,
            user_id=user,
            title=title,
            metadata=load_object(metadata),
            message_count=count,
            last_seq=last_seq,
            created_at=_time(created),
            updated_at=_time(updated),
            expires_at=None if expires is None else _time(expires),
            ttl=ttl,
            version=version,
        )
    except (CorruptRecord, TypeError, ValueError) as error:
        raise CorruptRecord(f"the header of session {id!r} does not decode: {error}") from error


def summary_of(row: Row) -> Summary:
    """The summary of a row of `SUMMARY_COLUMNS`."""
    session_id, text, covers, metadata, tokens, created, updated, version = row
    try:
        return Summary(
            session_id=session_id,
            text=text,
            covers_seq=covers,
            metadata=load_object(metadata),
            tokens=tokens,
            created_at=_time(created),
            updated_at=_time(updated),
            version=version,
        )
    except (CorruptRecord, TypeError, ValueError) as error:
        raise CorruptRecord(f"the summary of session {session_id!r} does not decode: {error}") from error


def preferences_of(row: Row) -> Preferences:
    """The preferences of a row of `PREFERENCE_COLUMNS`."""
    user, values, created, updated, version = row
    try:
        return Preferences(
            user_id=user,
            values=load_object(values),
            created_at=_time(created),
            updated_at=_time(updated),
            version=version,
        )
    except (CorruptRecord, TypeError, ValueError) as error:
        raise CorruptRecord(f"the preferences of user {user!r} do not decode: {error}") from error


CHANGE_COLUMNS = "id, kind, table_name, partition_id, first_seq, last_seq, at"


def change_of(row: Row) -> Change:
    """The change of a row of `CHANGE_COLUMNS`."""
    id, kind, table, partition, first, last, at = row
    return Change(
        cursor=str(id), kind=kind, table=table, partition=partition, first_seq=first, last_seq=last, at=_time(at)
    )
