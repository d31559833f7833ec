"""What happens in a turn, as records."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from msgspec import Struct

from recollect import AsyncRecollect, Context, Memory, Message

SOURCE_CHARACTERS = 1000


class Source(Struct, frozen=True, kw_only=True):
    """What a reply rests on: quoted by the offline answerer, or given to the model as recalled.

    Parameters
    ----------
    kind: ``message``, ``memory``, or ``passage`` of a document.
    message_id, session_id, seq, role: of a message; None otherwise.
    namespace, memory_id: of a memory; of a passage the namespace. document, title, position, heading: of a passage.
    text: its first thousand characters. score: higher is better, comparable within one reply.
    """

    kind: Literal["message", "memory", "passage"]
    message_id: str | None = None
    session_id: str | None = None
    seq: int | None = None
    role: str | None = None
    namespace: list[str] | None = None
    memory_id: str | None = None
    document: str | None = None
    title: str | None = None
    position: int | None = None
    heading: str | None = None
    text: str
    score: float
    created_at: datetime | None

    @classmethod
    def of(cls, item: Message | Memory, score: float) -> Source:
        """The source that something stored is."""
        text = item.text
        shared: dict[str, Any] = {
            "text": text if len(text) <= SOURCE_CHARACTERS else text[: SOURCE_CHARACTERS - 1] + "…",
            "score": score,
            "created_at": item.created_at,
        }
        if isinstance(item, Message):
            place: dict[str, Any] = {
                "message_id": item.id,
                "session_id": item.session_id,
                "seq": item.seq,
                "role": item.role,
            }
            return cls(kind="message", **place, **shared)
        namespace = list(item.namespace)
        if "document" in item.source:
            named: dict[str, Any] = {
                name: item.source.get(name) for name in ("document", "title", "position", "heading")
            }
            return cls(kind="passage", namespace=namespace, **named, **shared)
        return cls(kind="memory", namespace=namespace, memory_id=item.id, **shared)

    def place(self) -> dict[str, Any]:
        """Where it is stored, to be found again: what a reply's metadata says of it."""
        named = ("session_id", "message_id", "seq", "namespace", "memory_id", "document", "title", "position")
        return {name: value for name in named if (value := getattr(self, name)) is not None} | {"score": self.score}

    def to_dict(self) -> dict[str, Any]:
        """Every field that has a meaning for its kind, as JSON-able data."""
        given = {name: getattr(self, name) for name in _SHOWN[self.kind]}
        if self.created_at is not None:
            given["created_at"] = self.created_at.isoformat(timespec="microseconds").replace("+00:00", "Z")
        return given


_ALWAYS = ("kind", "text", "score", "created_at")
_SHOWN = {
    "message": ("message_id", "session_id", "seq", "role", *_ALWAYS),
    "memory": ("namespace", "memory_id", *_ALWAYS),
    "passage": ("namespace", "document", "title", "position", "heading", *_ALWAYS),
}


async def find_source(memory: AsyncRecollect, place: Mapping[str, Any]) -> Source | None:
    """What a reply's metadata names, as it is now; None if it is gone."""
    score = place.get("score", 0.0)
    if "session_id" in place:
        message = await memory.session(place["session_id"]).get(place["seq"])
        return Source.of(message, score) if message is not None and message.id == place["message_id"] else None
    namespace = memory.namespace(*place["namespace"])
    if "document" in place:
        found = await namespace.passages(place["document"], limit=1, after=place["position"] - 1)
        return Source.of(found[0], score) if found else None
    known = await namespace.memory(place["memory_id"])
    return Source.of(known, score) if known is not None else None


class TurnUsage(Struct, frozen=True, kw_only=True):
    """What a turn cost.

    Parameters
    ----------
    model: its name, or ``offline``. context_tokens: of the context, by the memory's counter.
    prompt_tokens, completion_tokens: by the model's own; None where it does not say.
    """

    model: str
    context_tokens: int = 0
    prompt_tokens: int | None = None
    completion_tokens: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Every field as JSON-able data."""
        return {name: getattr(self, name) for name in self.__struct_fields__}


class Turn(Struct, frozen=True, kw_only=True):
    """A finished turn.

    Parameters
    ----------
    reply: the text of the answer. message: the stored answer. user_message: the stored question.
    """

    session_id: str
    reply: str
    message: Message
    user_message: Message
    sources: list[Source]
    usage: TurnUsage

    def to_dict(self) -> dict[str, Any]:
        """The body of ``POST /api/v1/chat``."""
        return {
            "session_id": self.session_id,
            "reply": self.reply,
            "message": self.message.to_dict(),
            "user_message": self.user_message.to_dict(),
            "sources": [source.to_dict() for source in self.sources],
            "usage": self.usage.to_dict(),
        }


class Started(Struct, frozen=True, kw_only=True):
    """The user's message is stored and the context is made; None for the repeat of an answered turn."""

    session_id: str
    user_message: Message
    context: Context | None = None


class TextDelta(Struct, frozen=True):
    """The next characters of the reply."""

    text: str


class Finished(Struct, frozen=True):
    """The reply is stored."""

    turn: Turn


Event = Started | TextDelta | Finished
