"""Messages, summaries and preferences to items and back: large ones split over several, long ones compressed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any, TypeVar

from recollect.errors import CorruptRecord, LimitExceeded, missing_extra
from recollect.model import Message, Preferences, Summary, Vector
from recollect.store.codec import (
    dump_json,
    dump_object,
    dump_parts,
    dump_time,
    load_json,
    load_object,
    load_parts,
    load_time,
)
from recollect.stores.dynamodb.keys import SUMMARY, piece_key, vector_entry
from recollect.stores.dynamodb.values import Item, bound_of, get_number, get_text, number, size_of, text

T = TypeVar("T")

ROOM = 360 * 1024
"""Bytes of the long fields that one item takes: the rest of its 400 KB is for ids and names."""

LARGEST = 390 * 1024
"""Bytes of an item that cannot be split."""

COMPRESS_FROM = 1024
"""Bytes from which a field is worth compressing: below, nothing is saved of the kilobytes that are paid for."""

TTL_MARGIN = timedelta(days=7)
"""How long after `expires_at` DynamoDB may remove an item by itself; until then a clock that was wrong may be set right."""

_LONG = ("content", "parts", "metadata", "tool_calls", "extra", "name", "tool_call_id")
"""The fields that may be of any length, in the order in which they are cut."""

_ZSTD = "_zstd"


def message_items(session: str, timestamp: str, message: Message, *, owner: str | None, compress: bool) -> list[Item]:
    """The items of a message: one, or its beginning and the pieces of the rest.

    Parameters
    ----------
    session: the partition key. timestamp: the sort key. owner: the key of the user to whom the session belongs.
    compress: whether long fields are compressed (zstd).
    """
    assert message.created_at is not None
    content = message.content
    item: Item = {
        "session_id": text(session),
        "timestamp": text(timestamp),
        "message_id": text(message.id),
        "seq": number(message.seq),
        "role": text(message.role),
        "created_at": text(dump_time(message.created_at)),
        "tokens": number(message.tokens),
    }
    if owner is not None:
        item["user_id"] = text(owner)
    item |= lifetime_of(message)
    parts = dump_parts(content)
    long: dict[str, str | None] = {
        "content": content if isinstance(content, str) or content is None else message.text,
        "parts": parts,
        "metadata": dump_object(message.metadata) if message.metadata else None,
        "tool_calls": None if message.tool_calls is None else dump_json(message.tool_calls),
        "extra": dump_object(message.extra) if message.extra else None,
        "name": message.name,
        "tool_call_id": message.tool_call_id,
    }
    pieces: list[Item] = []
    room = ROOM
    for name, value in long.items():
        if value is None:
            continue
        stored: str | bytes = value
        if compress and len(value) >= COMPRESS_FROM:
            name, stored = name + _ZSTD, _compressed(value)
        head, *rest = _cut(stored, room)
        room -= len(head) if isinstance(head, bytes) else len(head.encode())
        item[name] = _value(head)
        for piece in rest:
            pieces.append(
                {
                    "session_id": text(session),
                    "timestamp": text(piece_key(timestamp, len(pieces) + 1)),
                    "field": text(name),
                    "piece": _value(piece),
                    **({"ttl": item["ttl"]} if "ttl" in item else {}),
                }
            )
    if pieces:
        item["pieces"] = number(len(pieces))
    return [item, *pieces]


def lifetime_of(message: Message) -> Item:
    """When a message is gone (nothing for one that stays), and when DynamoDB may remove it: seconds since 1970."""
    if message.expires_at is None:
        return {}
    ttl = max(0, int((message.expires_at).timestamp() + TTL_MARGIN.total_seconds()))
    return {"expires_at": text(dump_time(message.expires_at)), "ttl": number(ttl)}


def _value(value: str | bytes) -> dict[str, Any]:
    return {"S": value} if isinstance(value, str) else {"B": value}


def _cut(value: str | bytes, room: int) -> list[str | bytes]:
    """The value in pieces: the first at most `room` bytes, the others at most `ROOM`; text between characters."""
    if isinstance(value, str) and (len(value) * 4 <= room or len(raw := value.encode()) <= room):
        return [value]
    data = value if isinstance(value, bytes) else raw
    out: list[str | bytes] = []
    start, limit = 0, max(room, 0)
    while start < len(data) or not out:
        end = min(start + limit, len(data))
        if isinstance(value, str):
            while start < end < len(data) and data[end] & 0xC0 == 0x80:
                end -= 1
        out.append(data[start:end] if isinstance(value, bytes) else data[start:end].decode())
        start, limit = end, ROOM
    return out


def joined(item: Item, pieces: Iterable[Item]) -> Item:
    """A message's item made whole with its pieces, which come in their order."""
    whole = dict(item)
    found: dict[str, list[Any]] = {}
    for piece in pieces:
        name = piece["field"]["S"]
        found.setdefault(name, [next(iter(whole[name].values()))]).append(next(iter(piece["piece"].values())))
    for name, values in found.items():
        whole[name] = _value((b"" if isinstance(values[0], bytes) else "").join(values))
    return whole


def message_of(item: Item, *, session_id: str, user_id: str | None) -> Message:
    """The message of a whole item. Its session and its owner are those of the header.

    Raises `CorruptRecord` if the item does not decode, `ConfigError` if it is compressed and zstd is not installed.
    """
    try:
        parts, metadata, calls, extra = (_long(item, name) for name in ("parts", "metadata", "tool_calls", "extra"))
        expires = get_text(item, "expires_at")
        return Message(
            item["role"]["S"],
            _long(item, "content") if parts is None else load_parts(parts),
            id=item["message_id"]["S"],
            name=_long(item, "name"),
            metadata={} if metadata is None else load_object(metadata),
            created_at=load_time(item["created_at"]["S"]),
            tool_calls=None if calls is None else load_json(calls),
            tool_call_id=_long(item, "tool_call_id"),
            extra={} if extra is None else load_object(extra),
            seq=int(item["seq"]["N"]),
            session_id=session_id,
            user_id=user_id,
            tokens=get_number(item, "tokens"),
            expires_at=None if expires is None else load_time(expires),
        )
    except (CorruptRecord, KeyError, TypeError, ValueError) as error:
        where = item.get("timestamp", {}).get("S")
        raise CorruptRecord(f"the message at {where} of session {session_id!r} does not decode: {error!r}") from error


def _long(item: Item, name: str) -> str | None:
    found = item.get(name)
    if found is not None:
        value: str = found["S"]
        return value
    packed = item.get(name + _ZSTD)
    return None if packed is None else _decompressed(packed["B"])


def check_compression() -> None:
    """Raise `ConfigError` with the line to install, if zstd is missing."""
    try:
        import zstandard as _  # noqa: F401
    except ImportError as error:
        raise missing_extra("zstandard", "zstd") from error


def _compressed(value: str) -> bytes:
    import zstandard

    return zstandard.ZstdCompressor().compress(value.encode())


def _decompressed(packed: bytes) -> str:
    check_compression()
    import zstandard

    try:
        return zstandard.ZstdDecompressor().decompress(packed).decode()
    except zstandard.ZstdError as error:
        raise CorruptRecord(f"not zstd: {error}") from error


def check_fits(item: Item, what: str) -> None:
    """Raise `LimitExceeded` for an item that cannot be split and is too large for one."""
    if bound_of(item) > LARGEST and (size := size_of(item)) > LARGEST:
        raise LimitExceeded(f"{what} of {size:,} bytes is over what one DynamoDB item holds (400 KB)")


def message_bytes(message: Message) -> int:
    """What counts for ``item_bytes``: the UTF-8 bytes of the content and of the JSON fields."""
    content = message.content
    size = len((content if isinstance(content, str) else dump_json(content) if content is not None else "").encode())
    size += len(dump_object(message.metadata).encode()) + len(dump_object(message.extra).encode())
    if message.tool_calls is not None:
        size += len(dump_json(message.tool_calls).encode())
    return size


def summary_item(session: str, summary: Summary) -> Item:
    """The item of a summary, in its session's partition."""
    assert summary.created_at is not None
    assert summary.updated_at is not None
    item: Item = {
        "session_id": text(session),
        "timestamp": text(SUMMARY),
        "text": text(summary.text),
        "covers_seq": number(summary.covers_seq),
        "metadata": text(dump_object(summary.metadata)),
        "tokens": number(summary.tokens),
        "created_at": text(dump_time(summary.created_at)),
        "updated_at": text(dump_time(summary.updated_at)),
        "version": number(summary.version),
    }
    check_fits(item, "a summary")
    return item


def summary_of(item: Item, session_id: str) -> Summary:
    """The summary of an item."""
    return _decoded(
        lambda: Summary(
            session_id=session_id,
            text=item["text"]["S"],
            covers_seq=int(item["covers_seq"]["N"]),
            metadata=load_object(item["metadata"]["S"]),
            tokens=int(item["tokens"]["N"]),
            created_at=load_time(item["created_at"]["S"]),
            updated_at=load_time(item["updated_at"]["S"]),
            version=int(item["version"]["N"]),
        ),
        f"the summary of session {session_id!r}",
    )


def vector_item(session: str, vector: Vector, message: Mapping[str, Any]) -> Item:
    """The item of a vector.

    Parameters
    ----------
    session: the partition key. message: its message, or the entry of its id: ``timestamp``, ``expires_at``, ``ttl``.
    """
    item: Item = {
        "session_id": text(session),
        "entry": text(vector_entry(vector.seq)),
        "timestamp": message["timestamp"],
        "seq": number(vector.seq),
        "message_id": text(vector.id),
        "model": text(vector.model),
        "data": {"B": vector.data},
        **{name: message[name] for name in ("expires_at", "ttl") if name in message},
    }
    check_fits(item, "a vector")
    return item


def vector_of(item: Item, session_id: str) -> Vector:
    """The vector of an item."""
    return _decoded(
        lambda: Vector(
            session_id=session_id,
            seq=int(item["seq"]["N"]),
            id=item["message_id"]["S"],
            model=item["model"]["S"],
            data=item["data"]["B"],
        ),
        f"a vector of session {session_id!r}",
    )


def is_of(vector: Vector, entry: Item | None) -> bool:
    """Whether the entry of a vector's id is that of its message."""
    return entry is not None and int(entry["seq"]["N"]) == vector.seq


def preferences_item(user: str, scope: str, row: Preferences, extra: Mapping[str, Any]) -> Item:
    """The item of a preference document; `extra` are the store's own attributes."""
    assert row.created_at is not None
    assert row.updated_at is not None
    item: Item = {
        "user_id": text(user),
        "scope": text(scope),
        "id": text(row.user_id),
        "preferences": text(dump_object(row.values)),
        "created_at": text(dump_time(row.created_at)),
        "updated_at": text(dump_time(row.updated_at)),
        "version": number(row.version),
        **extra,
    }
    check_fits(item, "a preference document")
    return item


def preferences_of(item: Item) -> Preferences:
    """The preferences of an item."""
    return _decoded(
        lambda: Preferences(
            user_id=item["id"]["S"],
            values=load_object(item["preferences"]["S"]),
            created_at=load_time(item["created_at"]["S"]),
            updated_at=load_time(item["updated_at"]["S"]),
            version=int(item["version"]["N"]),
        ),
        f"the preferences of user {item['user_id']['S']!r}",
    )


def _decoded(make: Callable[[], T], what: str) -> T:
    try:
        return make()
    except (CorruptRecord, KeyError, TypeError, ValueError) as error:
        raise CorruptRecord(f"{what} does not decode: {error!r}") from error
