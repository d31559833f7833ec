"""A session's header as it is kept: the record, what the store knows of its messages, and what guards it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec import Struct, field, structs

from recollect.errors import CorruptRecord
from recollect.model import Session
from recollect.store.codec import dump_time, load_object, load_time
from recollect.stores.dynamodb.items import check_fits
from recollect.stores.dynamodb.keys import HEADER, key, parse_timestamp, timestamp
from recollect.stores.dynamodb.values import Item, get_number, get_text, number, text

Range = tuple[str, str]
"""Two sort keys: a stretch of a session, both ends included."""


class Header(Struct, kw_only=True):
    """What a commit reads, changes and writes back under the guard of `commit_id`.

    Parameters
    ----------
    commit_id: of the commit that wrote it; the condition of the next one. last: the latest instant given in the session.
    floor: messages at or before this sort key are gone, whether or not they are still stored.
    deleted: nothing is here; what stays is the order of what may come, and what is left to remove. at: since when.
    count: messages that never expire. expiring: those that may, counted until a sweep; they expire from `first_expiry`
        to `last_expiry`. removed: messages deleted one by one, which leave holes in the numbers.
    garbage: stretches that hold remains of what was never committed or was deleted, hidden from every reader.
    busy_until: a large commit is being written; others let it go first until then.
    owner_stale: the messages' ``user_id`` attribute may still name an owner of before.
    vectors: messages may have vectors.
    due: the sweep has to look here from then on; never later than that is so.
    earliest, latest: of the messages' ``created_at``; ordered: whether it never fell with the numbers.
    lag, ahead: by how many microseconds ``created_at`` lies before or behind the sort key, at most.
    """

    id: str
    scope: str
    commit_id: str = ""
    last: int = 0
    floor: str = "0"
    deleted: bool = False
    at: str = ""
    owner: str | None = None
    title: str | None = None
    metadata: str = "{}"
    count: int = 0
    expiring: int = 0
    first_expiry: str = ""
    last_expiry: str = ""
    removed: int = 0
    last_seq: int = 0
    created_at: str = ""
    updated_at: str = ""
    expires_at: str | None = None
    ttl: float | None = None
    version: int = 0
    summary_version: int = 0
    garbage: list[Range] = field(default_factory=list)
    busy_until: str = ""
    due: str = ""
    earliest: str = ""
    latest: str = ""
    ordered: bool = True
    lag: int = 0
    ahead: int = 0
    owner_stale: bool = False
    vectors: bool = False

    def copy(self) -> Header:
        """Another one to change."""
        return structs.replace(self, garbage=list(self.garbage))

    def live(self, now: str) -> bool:
        """Whether the session is there."""
        return not self.deleted and (self.expires_at is None or self.expires_at > now)

    def exact_count(self, now: str) -> int | None:
        """How many messages can be read, or None if only counting tells."""
        if not self.expiring or self.first_expiry > now:
            return self.count + self.expiring
        return self.count if self.last_expiry <= now else None

    def whole(self) -> bool:
        """Whether the numbers up to the last one have no hole, and each can be read."""
        return not self.removed and not self.expiring

    def look_again(self, when: str) -> None:
        """Let the sweep look here at an instant, or earlier if it would anyway."""
        self.due = min(self.due, when) if self.due else when

    def session(self, count: int) -> Session:
        """The record, with the messages that can be read."""
        return Session(
            id=self.id,
            user_id=self.owner,
            title=self.title,
            metadata=load_object(self.metadata),
            message_count=count,
            last_seq=self.last_seq,
            created_at=load_time(self.created_at),
            updated_at=load_time(self.updated_at),
            expires_at=None if self.expires_at is None else load_time(self.expires_at),
            ttl=self.ttl,
            version=self.version,
        )

    def item(self) -> Item:
        """The item, with the key attributes of the indexes in which it stands."""
        item: Item = {
            "session_id": text(key(self.scope, self.id)),
            "timestamp": text(HEADER),
            "scope": text(self.scope),
            "id": text(self.id),
            "commit_id": text(self.commit_id),
            "last_timestamp": text(timestamp(self.last)),
            "floor": text(self.floor),
        }
        if self.due:
            item |= {"sweep": text("due"), "due": text(self.due)}
        if self.garbage:
            item["garbage"] = {"L": [{"L": [text(low), text(high)]} for low, high in self.garbage]}
        if self.busy_until:
            item["busy_until"] = text(self.busy_until)
        if self.deleted:
            return item | {"deleted_at": text(self.at)}
        item |= {
            "active": text(self.updated_at[:16]),
            "metadata": text(self.metadata),
            "messages": number(self.count),
            "last_seq": number(self.last_seq),
            "created_at": text(self.created_at),
            "updated_at": text(self.updated_at),
            "version": number(self.version),
        }
        for name in ("title", "expires_at"):
            if (value := getattr(self, name)) is not None:
                item[name] = text(value)
        if self.owner is not None:
            item |= {"owner": text(self.owner), "owner_key": text(key(self.scope, self.owner))}
        if self.ttl is not None:
            item["sliding_ttl"] = text(repr(self.ttl))
        if self.expiring:
            item |= {
                "expiring_messages": number(self.expiring),
                "first_expiry": text(self.first_expiry),
                "last_expiry": text(self.last_expiry),
            }
        for name in ("removed", "summary_version", "lag", "ahead"):
            if value := getattr(self, name):
                item[name] = number(value)
        if self.latest:
            item |= {"first_message_at": text(self.earliest), "last_message_at": text(self.latest)}
        if not self.ordered:
            item["time_ordered"] = {"BOOL": False}
        if self.owner_stale:
            item["owner_changed"] = {"BOOL": True}
        if self.vectors:
            item["has_vectors"] = {"BOOL": True}
        check_fits(item, "a session's header")
        return item


def header_of(item: Item) -> Header:
    """The header of an item."""
    try:
        return _header_of(item)
    except (CorruptRecord, KeyError, TypeError, ValueError) as error:
        raise CorruptRecord(f"the header of session {item['session_id']['S']!r} does not decode: {error!r}") from error


def _header_of(item: Item) -> Header:
    common: dict[str, Any] = {
        "id": item["id"]["S"],
        "scope": item["scope"]["S"],
        "commit_id": item["commit_id"]["S"],
        "last": parse_timestamp(item["last_timestamp"]["S"]),
        "floor": item["floor"]["S"],
        "garbage": [(pair["L"][0]["S"], pair["L"][1]["S"]) for pair in item.get("garbage", {"L": []})["L"]],
        "busy_until": get_text(item, "busy_until") or "",
        "due": get_text(item, "due") or "",
    }
    if "deleted_at" in item:
        return Header(deleted=True, at=item["deleted_at"]["S"], **common)
    ttl = get_text(item, "sliding_ttl")
    return Header(
        owner=get_text(item, "owner"),
        title=get_text(item, "title"),
        metadata=item["metadata"]["S"],
        count=get_number(item, "messages"),
        expiring=get_number(item, "expiring_messages"),
        first_expiry=get_text(item, "first_expiry") or "",
        last_expiry=get_text(item, "last_expiry") or "",
        removed=get_number(item, "removed"),
        last_seq=get_number(item, "last_seq"),
        created_at=item["created_at"]["S"],
        updated_at=item["updated_at"]["S"],
        expires_at=get_text(item, "expires_at"),
        ttl=None if ttl is None else float(ttl),
        version=get_number(item, "version"),
        summary_version=get_number(item, "summary_version"),
        earliest=get_text(item, "first_message_at") or "",
        latest=get_text(item, "last_message_at") or "",
        ordered="time_ordered" not in item,
        lag=get_number(item, "lag"),
        ahead=get_number(item, "ahead"),
        owner_stale="owner_changed" in item,
        vectors="has_vectors" in item,
        **common,
    )


def new_header(scope: str, id: str, *, begun: datetime, floor: str) -> Header:
    """A header that begins now."""
    at = dump_time(begun)
    return Header(id=id, scope=scope, created_at=at, updated_at=at, version=1, floor=floor)
