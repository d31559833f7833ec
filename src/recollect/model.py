"""Plain data: what goes in, what is stored, what comes back. Frozen records, no behaviour of a store.

Records are `msgspec.Struct`s: frozen, typed, cheap to make (a page of messages is built on every turn).
Input is checked at the edge (`core.messages.normalize`), not each time a stored row becomes a record.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Generic, Literal, NoReturn, TypeVar

from msgspec import Struct, field, structs

Role = Literal["system", "user", "assistant", "tool"]
JSON = Any
T = TypeVar("T")


class Part(dict[str, Any]):
    """One piece of a message's content, exactly as the provider shaped it.

    It *is* the provider's dict (so nothing is lost and ``==`` and ``json.dumps`` work), read-only,
    with what the shapes of OpenAI and Anthropic share as properties.
    """

    __slots__ = ()

    @property
    def kind(self) -> Literal["text", "image", "tool_call", "tool_result", "other"]:
        """What the part is, whatever its provider calls it."""
        kind = self.get("type")
        return _PART_KINDS.get(kind, "other") if isinstance(kind, str) else "other"

    @property
    def text(self) -> str:
        """The readable text of the part; empty for an image or a call."""
        if self.kind == "text":
            value = self.get("text", "")
            return value if isinstance(value, str) else ""
        if self.kind == "tool_result":
            return content_text(self.get("content", self.get("output")))
        return ""

    def _read_only(self, *_args: object, **_kwargs: object) -> NoReturn:
        """Refuse: a part is read-only."""
        raise TypeError("a Part is read-only; make a new one")

    __setitem__ = __delitem__ = _read_only
    clear = pop = popitem = setdefault = update = _read_only
    __ior__ = _read_only

    def __reduce__(self) -> tuple[type[Part], tuple[dict[str, Any]]]:
        return (Part, (dict(self),))


_PART_KINDS: dict[str, Literal["text", "image", "tool_call", "tool_result"]] = {
    "text": "text",
    "input_text": "text",
    "output_text": "text",
    "image": "image",
    "image_url": "image",
    "input_image": "image",
    "tool_use": "tool_call",
    "tool_call": "tool_call",
    "function_call": "tool_call",
    "tool_result": "tool_result",
    "function_call_output": "tool_result",
}

Content = str | list[Part] | None


def content_text(content: object) -> str:
    """The readable text of a message's content: the text itself, or its text parts joined by newlines."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        texts = (
            Part(part).text if isinstance(part, dict) else part if isinstance(part, str) else "" for part in content
        )
        return "\n".join(text for text in texts if text)
    return ""


class _Record(Struct, frozen=True, kw_only=True, repr_omit_defaults=True):
    def replace(self: T, **changes: Any) -> T:
        """A copy with some fields changed."""
        return structs.replace(self, **changes)  # type: ignore[type-var]


class _MessageHead(Struct, frozen=True, repr_omit_defaults=True):
    role: str
    content: Content = None


class Message(_MessageHead, frozen=True, kw_only=True, repr_omit_defaults=True):
    """One message of a session.

    Parameters
    ----------
    role: ``system``, ``user``, ``assistant`` or ``tool`` (``developer``, ``human``, ``ai`` and ``function`` are mapped).
    content: text, a list of parts as the provider shapes them, or None beside tool calls.
    id: unique in its session, at most 512 bytes; made when not given. An append is idempotent by it.
    name: who speaks, where the role does not say it.
    metadata: the application's own JSON object.
    created_at: timezone-aware; the store's clock when not given.
    tool_calls: an assistant's calls, as the provider shapes them.
    tool_call_id: the call that a ``tool`` message answers.
    extra: the provider's fields that Recollect has no word for; they come back unchanged.
    seq, session_id, user_id, tokens, expires_at: given by the store and the core, ignored on input.
    """

    id: str = ""
    name: str | None = None
    metadata: dict[str, JSON] = field(default_factory=dict)
    created_at: datetime | None = None
    tool_calls: list[JSON] | None = None
    tool_call_id: str | None = None
    extra: dict[str, JSON] = field(default_factory=dict)
    seq: int = 0
    session_id: str = ""
    user_id: str | None = None
    tokens: int = 0
    expires_at: datetime | None = None

    @property
    def text(self) -> str:
        """The readable text of the content, whatever its shape."""
        return self.content if isinstance(self.content, str) else content_text(self.content)

    def replace(self, **changes: Any) -> Message:
        """A copy with some fields changed."""
        return structs.replace(self, **changes)

    def to_provider(self) -> dict[str, JSON]:
        """The message as a chat-completions dict: the shape it was given in, without Recollect's own fields."""
        out: dict[str, JSON] = {"role": self.role, "content": _plain(self.content)}
        if self.name is not None:
            out["name"] = self.name
        if self.tool_calls is not None:
            out["tool_calls"] = self.tool_calls
        if self.tool_call_id is not None:
            out["tool_call_id"] = self.tool_call_id
        out.update(self.extra)
        return out

    def to_dict(self) -> dict[str, JSON]:
        """Every field as JSON-able data; instants are ISO 8601 text.

        Provider fields lie beside the others; those that share a name with one of ours lie in ``extra``.
        """
        own: dict[str, JSON] = {
            "role": self.role,
            "content": _plain(self.content),
            "name": self.name,
            "tool_calls": self.tool_calls,
            "tool_call_id": self.tool_call_id,
            "id": self.id,
            "metadata": self.metadata,
            "created_at": _iso(self.created_at),
            "seq": self.seq,
            "session_id": self.session_id,
            "user_id": self.user_id,
            "tokens": self.tokens,
            "expires_at": _iso(self.expires_at),
        }
        hidden = {key: value for key, value in self.extra.items() if key in own}
        return {**self.extra, **own, **({"extra": hidden} if hidden else {})}


def _plain(content: Content) -> JSON:
    if isinstance(content, list):
        return [dict(part) if isinstance(part, dict) else part for part in content]
    return content


def _iso(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat(timespec="microseconds").replace("+00:00", "Z")


class Session(_Record, frozen=True, kw_only=True):
    """The header of a session.

    `message_count` counts what can be read now; `last_seq` is the highest number ever given in it.
    `ttl` is the sliding lifetime in seconds: each append moves `expires_at` to that long from then.
    """

    id: str
    user_id: str | None = None
    title: str | None = None
    metadata: dict[str, JSON] = field(default_factory=dict)
    message_count: int = 0
    last_seq: int = 0
    created_at: datetime | None = None
    updated_at: datetime | None = None
    expires_at: datetime | None = None
    ttl: float | None = None
    version: int = 0

    def to_dict(self) -> dict[str, JSON]:
        """Every field as JSON-able data; the id under ``id`` and under ``session_id``, as messages name it."""
        return {"session_id": self.id, **_record_dict(self)}


class Summary(_Record, frozen=True, kw_only=True):
    """A text that stands for the messages of a session up to and including `covers_seq`."""

    session_id: str
    text: str
    covers_seq: int
    metadata: dict[str, JSON] = field(default_factory=dict)
    tokens: int = 0
    created_at: datetime | None = None
    updated_at: datetime | None = None
    version: int = 0

    def to_dict(self) -> dict[str, JSON]:
        """Every field as JSON-able data."""
        return _record_dict(self)


class Preferences(_Record, frozen=True, kw_only=True):
    """The preference document of one user; `version` grows by one with every change."""

    user_id: str
    values: dict[str, JSON] = field(default_factory=dict)
    created_at: datetime | None = None
    updated_at: datetime | None = None
    version: int = 0

    def to_dict(self) -> dict[str, JSON]:
        """Every field as JSON-able data."""
        return _record_dict(self)


ChangeKind = Literal["append", "put", "delete"]


class Change(_Record, frozen=True, kw_only=True):
    """One entry of the feed: what a commit did, not the data itself.

    Parameters
    ----------
    cursor: the place in the feed; `changes(after=cursor)` goes on behind it.
    table: the table that changed; `partition`: the session or user it belongs to.
    first_seq, last_seq: for an append, the numbers it gave (inclusive); 0 otherwise.
    """

    cursor: str
    kind: ChangeKind
    table: str
    partition: str
    first_seq: int = 0
    last_seq: int = 0
    at: datetime | None = None

    def to_dict(self) -> dict[str, JSON]:
        """Every field as JSON-able data."""
        return _record_dict(self)


class Hit(_Record, frozen=True, kw_only=True):
    """One result of a search, best first. `explain` holds the parts that add up to `score`."""

    message: Message
    score: float
    explain: dict[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, JSON]:
        """Every field as JSON-able data."""
        return {"message": self.message.to_dict(), "score": self.score, "explain": self.explain}


class Page(Struct, Generic[T], frozen=True):
    """Some items and the cursor to the next ones. Iterates over its items.

    `cursor` is opaque text and belongs to the call that gave it; None at the end.
    """

    items: list[T]
    cursor: str | None = None

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> T:
        return self.items[index]


class Receipt(_Record, frozen=True, kw_only=True):
    """What `forget` removed, counted by kind."""

    sessions: int = 0
    messages: int = 0
    summaries: int = 0
    preferences: int = 0

    def to_dict(self) -> dict[str, int]:
        """The counts as JSON-able data."""
        return _record_dict(self)


class Swept(_Record, frozen=True, kw_only=True):
    """What `sweep` removed, counted by kind."""

    sessions: int = 0
    messages: int = 0
    changes: int = 0

    def to_dict(self) -> dict[str, int]:
        """The counts as JSON-able data."""
        return _record_dict(self)


class Refused(_Record, frozen=True, kw_only=True):
    """An append out of the buffer that the store refused; it is kept until it is tried again or dropped.

    Parameters
    ----------
    ids: of its messages. at: the instant of the append.
    error: the class of the error, such as ``Conflict``. reason: what it said.
    """

    scope: str
    session_id: str
    user_id: str | None = None
    ids: list[str]
    at: datetime
    error: str
    reason: str

    def to_dict(self) -> dict[str, JSON]:
        """Every field as JSON-able data."""
        return _record_dict(self)


class Buffered(_Record, frozen=True, kw_only=True):
    """What is kept for a store that was away, counted in messages, all tenants together.

    Parameters
    ----------
    path: the buffer's file; None without one.
    waiting: will be delivered. oldest: the instant of the first append that waits.
    refused: the store refused them; `refusals` has the first hundred of those appends.
    elsewhere: are for another store than this one, and wait for a client of that.
    bytes: of everything kept, as it counts for the limit.
    """

    path: str | None = None
    waiting: int = 0
    oldest: datetime | None = None
    refused: int = 0
    refusals: list[Refused] = field(default_factory=list)
    elsewhere: int = 0
    bytes: int = 0

    def to_dict(self) -> dict[str, JSON]:
        """Every field as JSON-able data."""
        return {**_record_dict(self), "refusals": [one.to_dict() for one in self.refusals]}


class Delivered(_Record, frozen=True, kw_only=True):
    """What `deliver` did, counted in messages.

    `delivered` are in the store now; `expired` had outlived their lifetime before they could be; `refused` were set
    aside; `dropped` were refused before, and are gone now because that was asked for.
    """

    delivered: int = 0
    expired: int = 0
    refused: int = 0
    dropped: int = 0

    def to_dict(self) -> dict[str, int]:
        """The counts as JSON-able data."""
        return _record_dict(self)


class Stats(_Record, frozen=True, kw_only=True):
    """Figures of a store, a user or a session. Days are UTC dates, ``YYYY-MM-DD``."""

    sessions: int = 0
    messages: int = 0
    users: int = 0
    tokens: int = 0
    messages_by_role: dict[str, int] = field(default_factory=dict)
    messages_by_day: dict[str, int] = field(default_factory=dict)
    first_message_at: datetime | None = None
    last_message_at: datetime | None = None
    bytes: int | None = None

    def to_dict(self) -> dict[str, JSON]:
        """Every field as JSON-able data."""
        return _record_dict(self)


def _record_dict(record: Struct) -> dict[str, JSON]:
    return {
        name: _iso(value) if isinstance(value, datetime) else value
        for name, value in ((name, getattr(record, name)) for name in record.__struct_fields__)
    }


def json_default(value: object) -> JSON:
    """`json.dumps(default=...)` for records inside other data."""
    if isinstance(value, datetime):
        return _iso(value)
    if isinstance(value, Mapping):
        return dict(value)
    to_dict = getattr(value, "to_dict", None)
    if to_dict is not None:
        return to_dict()
    raise TypeError(f"not JSON: {type(value).__name__}")


def dumps(value: JSON) -> str:
    """JSON text of records and plain data, for machines."""
    return json.dumps(value, default=json_default, ensure_ascii=False)
