"""Plain data: what goes in, what is stored, what comes back. Frozen records, no behaviour of a store.

Records are `msgspec.Struct`s: frozen, typed, cheap to make (a page of messages is built on every turn).
Input is checked at the edge (`core.messages.normalize`), not each time a stored row becomes a record.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Generic, Literal, NoReturn, TypeVar

import msgspec
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

    def to_json(self) -> bytes:
        """What `to_dict` gives, as compact JSON text in UTF-8."""
        return _encode(_encodable(self))


_encode = msgspec.json.Encoder().encode


class _Encodable(Struct, gc=False):
    """The fields of a message, in the order that `Message.to_dict` has them."""

    role: str
    content: Content
    name: str | None
    tool_calls: list[JSON] | None
    tool_call_id: str | None
    id: str
    metadata: dict[str, JSON]
    created_at: datetime
    seq: int
    session_id: str
    user_id: str | None
    tokens: int
    expires_at: datetime | None


def _encodable(message: Message) -> _Encodable | dict[str, JSON]:
    """What encodes as `Message.to_dict` does, made in a third of the time.

    Left to `to_dict`: the provider's fields, and whole seconds, whose decimals msgspec would leave out.
    """
    at, until = message.created_at, message.expires_at
    if message.extra or at is None or not at.microsecond or (until is not None and not until.microsecond):
        return message.to_dict()
    return _Encodable(
        message.role,
        message.content,
        message.name,
        message.tool_calls,
        message.tool_call_id,
        message.id,
        message.metadata,
        at,
        message.seq,
        message.session_id,
        message.user_id,
        message.tokens,
        until,
    )


def messages_json(messages: Sequence[Message]) -> bytes:
    """Messages with a comma between two, each as `Message.to_json` gives it."""
    return _encode(list(map(_encodable, messages)))[1:-1]


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


class Vector(_Record, frozen=True, kw_only=True):
    """What an embedder made of one message.

    Parameters
    ----------
    session_id, seq, id: of the message.
    model: of the embedder; vectors of different models are never compared.
    data: the numbers, as little-endian IEEE 754 half-precision floats: two bytes a dimension, of length 1.
    """

    session_id: str
    seq: int
    id: str
    model: str
    data: bytes


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


class Memory(_Record, frozen=True, kw_only=True):
    """A durable statement that outlives its session: a fact, a note, a passage of a document.

    Parameters
    ----------
    id: unique in its namespace. namespace: the path that it belongs to; a user's own is ``("user", ID)``.
    content: the statement, in plain text. metadata: the application's own JSON object.
    kind: what sort of statement, in the application's words (``fact``, ``preference``, ``event``, ``passage``).
    subject: whom or what it is about.
    source: where it comes from: a conversation (``session``, ``messages``), or a document (``document``, ``title``,
        ``position``, ``start``, ``end``, ``heading``).
    created_at: when it was learned. closed_at: when it ceased to hold; None while it does.
    superseded_by: the id of the memory that took its place.
    seq: its number in the namespace, in the order of writing. tokens: of the content. expires_at: when it is gone.
    """

    id: str
    namespace: tuple[str, ...]
    content: str
    metadata: dict[str, JSON] = field(default_factory=dict)
    kind: str | None = None
    subject: str | None = None
    source: dict[str, JSON] = field(default_factory=dict)
    created_at: datetime | None = None
    closed_at: datetime | None = None
    superseded_by: str | None = None
    expires_at: datetime | None = None
    seq: int = 0
    tokens: int = 0

    @property
    def text(self) -> str:
        """The statement."""
        return self.content

    def to_dict(self) -> dict[str, JSON]:
        """Every field as JSON-able data."""
        return {**_record_dict(self), "namespace": list(self.namespace)}


class Document(_Record, frozen=True, kw_only=True):
    """A document whose passages can be recalled.

    Parameters
    ----------
    id: unique in its namespace. namespace: the path that it belongs to. title: for people.
    metadata: the application's own JSON object. passages, tokens: how many, and of all of them together.
    digest: of the text and how it was cut; giving the same again changes nothing.
    created_at: when it was first given. updated_at: when this text was.
    """

    id: str
    namespace: tuple[str, ...]
    title: str | None = None
    metadata: dict[str, JSON] = field(default_factory=dict)
    passages: int = 0
    tokens: int = 0
    digest: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None
    expires_at: datetime | None = None

    def to_dict(self) -> dict[str, JSON]:
        """Every field as JSON-able data."""
        return {**_record_dict(self), "namespace": list(self.namespace)}


class Hit(_Record, frozen=True, kw_only=True):
    """One result of a search: a message or a memory.

    Parameters
    ----------
    message, memory: what was found, one of the two. score: higher is better, comparable within one answer.
    explain: the parts that add up to `score`.
    note: what was wrong with the search, if anything: the embedder was away, so words alone were compared.
    """

    message: Message | None = None
    memory: Memory | None = None
    score: float
    explain: dict[str, float] = field(default_factory=dict)
    note: str | None = None

    @property
    def item(self) -> Message | Memory:
        """What was found, whichever it is."""
        found = self.message or self.memory
        assert found is not None
        return found

    @property
    def text(self) -> str:
        """What it says."""
        return self.item.text

    def to_dict(self) -> dict[str, JSON]:
        """What was found under its own name, its score and the score's parts."""
        found = {"message": self.message.to_dict()} if self.message else {"memory": self.item.to_dict()}
        return {**found, "score": self.score, "explain": self.explain, **({"note": self.note} if self.note else {})}


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
    memories: int = 0
    documents: int = 0

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


class Spread(_Record, frozen=True, kw_only=True):
    """How a figure is spread. `median` and `p95` are off by at most one percent of their value, the others are exact."""

    count: int
    mean: float
    median: float
    p95: float
    max: float

    def to_dict(self) -> dict[str, JSON]:
        """Every field as JSON-able data."""
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
    """Figures of a store, a user or a session. Days are UTC dates, ``YYYY-MM-DD``, hours are ``00`` to ``23`` in UTC.

    All but the sessions, messages, users, active sessions and bytes need ``detail``, for which every message is read.

    Parameters
    ----------
    sessions, messages, users: how many there are. bytes: what the store takes, where it can say so.
    active_sessions: those whose latest message is at most 15 minutes old.
    tokens, tokens_by_role: as they were counted when the messages were stored.
    messages_by_role, messages_by_day, messages_by_hour: counts of messages.
    sessions_by_day: sessions with a message on that day.
    first_message_at, last_message_at: the earliest and the latest ``created_at``.
    lengths: of the readable text, in characters, of the messages that have any.
    latency: seconds from a user's message to the first text of an assistant behind it.
    """

    sessions: int = 0
    messages: int = 0
    users: int = 0
    tokens: int = 0
    messages_by_role: dict[str, int] = field(default_factory=dict)
    messages_by_day: dict[str, int] = field(default_factory=dict)
    first_message_at: datetime | None = None
    last_message_at: datetime | None = None
    bytes: int | None = None
    active_sessions: int = 0
    tokens_by_role: dict[str, int] = field(default_factory=dict)
    messages_by_hour: dict[str, int] = field(default_factory=dict)
    sessions_by_day: dict[str, int] = field(default_factory=dict)
    lengths: Spread | None = None
    latency: Spread | None = None

    def to_dict(self) -> dict[str, JSON]:
        """Every field as JSON-able data."""
        return {**_record_dict(self), "lengths": _spread_dict(self.lengths), "latency": _spread_dict(self.latency)}


def _spread_dict(spread: Spread | None) -> dict[str, JSON] | None:
    return None if spread is None else spread.to_dict()


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
