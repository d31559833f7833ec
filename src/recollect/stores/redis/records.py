"""Records to fields and back: text as it is, JSON for what has a structure, nothing for None."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from recollect.errors import CorruptRecord
from recollect.model import Change, Message, Preferences, Session, Summary
from recollect.store.codec import dump_json, dump_object, dump_parts, dump_time, load_json, load_object, load_parts
from recollect.store.codec import load_time as _time
from recollect.stores._columns import BREAK, TIME_BREAK, Columns, NotUsual

Fields = list[str | int | bytes]
Entry = Sequence[Any]
"""An entry of a stream as Redis gives it: its id, then names and values in turn."""

SUMMARY_FIELDS = ("session_id", "text", "covers_seq", "metadata", "tokens", "created_at", "updated_at", "version")
PREFERENCE_FIELDS = ("user_id", "preferences", "created_at", "updated_at", "version")


def message_fields(message: Message) -> Fields:
    """The fields of a message's entry. `commit.lua` and `message_of` rely on the places of the first four."""
    content = message.content
    assert message.created_at is not None
    fields: Fields = [
        "id", message.id, "role", message.role, "created_at", dump_time(message.created_at), "tokens", message.tokens
    ]  # fmt: skip
    if isinstance(content, str):
        fields += ("content", content)
    elif content is not None:
        fields += ("content", message.text, "parts", dump_parts(content) or "[]")
    if message.name is not None:
        fields += ("name", message.name)
    if message.metadata:
        fields += ("metadata", dump_object(message.metadata))
    if message.tool_calls is not None:
        fields += ("tool_calls", dump_json(message.tool_calls))
    if message.tool_call_id is not None:
        fields += ("tool_call_id", message.tool_call_id)
    if message.extra:
        fields += ("extra", dump_object(message.extra))
    if message.expires_at is not None:
        fields += ("expires_at", dump_time(message.expires_at))
    return fields


def message_of(entry: Entry, session_id: str, user_id: str | None) -> Message:
    """The message of an entry; its owner is its session's."""
    place, fields = entry
    try:
        if len(fields) == 10 and fields[8] == "content":
            _, id, _, role, _, created, _, tokens, _, content = fields
            return Message(
                role,
                content,
                id=id,
                created_at=_time(created),
                seq=int(place[:-2]),
                session_id=session_id,
                user_id=user_id,
                tokens=int(tokens),
            )
        return _full_message(place, dict(zip(fields[::2], fields[1::2], strict=True)), session_id, user_id)
    except (CorruptRecord, KeyError, TypeError, ValueError) as error:
        raise CorruptRecord(f"message {place} of session {session_id!r} does not decode: {error!r}") from error


def columns_of(entries: Sequence[Entry]) -> tuple[Columns, list[bytes]]:
    """The columns of entries that are usual messages without metadata, and their numbers; `NotUsual` for others."""
    places, rows = zip(*entries, strict=True)
    if {len(fields) for fields in rows} != {10}:
        raise NotUsual
    _, ids, _, roles, _, times, _, tokens, names, contents = zip(*rows, strict=True)
    if {*names} != {"content"}:
        raise NotUsual
    texts = BREAK.join((*roles, *contents, *ids, *tokens))
    seqs = "".join(places).encode().split(b"-0")[:-1]
    return Columns(texts, TIME_BREAK.join(times), "{}\n" * (len(seqs) - 1) + "{}"), seqs


def _full_message(place: str, fields: dict[str, str], session_id: str, user_id: str | None) -> Message:
    get = fields.get
    parts, calls, expires = get("parts"), get("tool_calls"), get("expires_at")
    return Message(
        fields["role"],
        get("content") if parts is None else load_parts(parts),
        id=fields["id"],
        name=get("name"),
        metadata=load_object(get("metadata", "{}")),
        created_at=_time(fields["created_at"]),
        tool_calls=None if calls is None else load_json(calls),
        tool_call_id=get("tool_call_id"),
        extra=load_object(get("extra", "{}")),
        seq=int(place[:-2]),
        session_id=session_id,
        user_id=user_id,
        tokens=int(fields["tokens"]),
        expires_at=None if expires is None else _time(expires),
    )


class Header:
    """A session's header with what only the store looks at.

    Parameters
    ----------
    row: what `headers.lua` gives.
    """

    __slots__ = ("earliest", "latest", "ordered", "row")

    def __init__(self, row: Sequence[Any]) -> None:
        id, user, title, metadata, count, last, created, updated, expires, ttl, version, *bounds = row
        self.earliest: str = bounds[0]
        self.latest: str = bounds[1]
        self.ordered = bounds[2] == "1"
        try:
            self.row = Session(
                id=id,
                user_id=user,
                title=title,
                metadata=load_object(metadata),
                message_count=int(count),
                last_seq=int(last),
                created_at=_time(created),
                updated_at=_time(updated),
                expires_at=None if expires is None else _time(expires),
                ttl=None if ttl is None else float(ttl),
                version=int(version),
            )
        except (CorruptRecord, TypeError, ValueError) as error:
            raise CorruptRecord(f"the header of session {id!r} does not decode: {error}") from error


def summary_of(row: Sequence[Any]) -> Summary:
    """The summary of the values of `SUMMARY_FIELDS`."""
    session_id, text, covers, metadata, tokens, created, updated, version = row
    try:
        return Summary(
            session_id=session_id,
            text=text,
            covers_seq=int(covers),
            metadata=load_object(metadata),
            tokens=int(tokens),
            created_at=_time(created),
            updated_at=_time(updated),
            version=int(version),
        )
    except (CorruptRecord, TypeError, ValueError) as error:
        raise CorruptRecord(f"the summary of session {session_id!r} does not decode: {error}") from error


def preferences_of(row: Sequence[Any]) -> Preferences:
    """The preferences of the values of `PREFERENCE_FIELDS`."""
    user, values, created, updated, version = row
    try:
        return Preferences(
            user_id=user,
            values=load_object(values),
            created_at=_time(created),
            updated_at=_time(updated),
            version=int(version),
        )
    except (CorruptRecord, TypeError, ValueError) as error:
        raise CorruptRecord(f"the preferences of user {user!r} do not decode: {error}") from error


def change_of(entry: Entry, cursor: str) -> Change:
    """The change of an entry of the feed."""
    _, (_, kind, _, table, _, partition, _, first, _, last, _, at) = entry
    return Change(
        cursor=cursor,
        kind=kind,
        table=table,
        partition=partition,
        first_seq=int(first),
        last_seq=int(last),
        at=_time(at),
    )
