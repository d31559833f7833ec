"""What happens in a turn, as records."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec import Struct

from recollect import Context, Message

SOURCE_CHARACTERS = 1000


class Source(Struct, frozen=True, kw_only=True):
    """A stored message that a reply rests on: quoted by the offline answerer, or given to the model as recalled.

    Parameters
    ----------
    text: its first thousand characters. score: higher is better, comparable within one reply.
    """

    message_id: str
    session_id: str
    seq: int
    role: str
    text: str
    score: float
    created_at: datetime | None

    @classmethod
    def of(cls, message: Message, score: float) -> Source:
        """The source that a stored message is."""
        text = message.text
        return cls(
            message_id=message.id,
            session_id=message.session_id,
            seq=message.seq,
            role=message.role,
            text=text if len(text) <= SOURCE_CHARACTERS else text[: SOURCE_CHARACTERS - 1] + "…",
            score=score,
            created_at=message.created_at,
        )

    def to_dict(self) -> dict[str, Any]:
        """Every field as JSON-able data."""
        given = {name: getattr(self, name) for name in self.__struct_fields__}
        if self.created_at is not None:
            given["created_at"] = self.created_at.isoformat(timespec="microseconds").replace("+00:00", "Z")
        return given


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
