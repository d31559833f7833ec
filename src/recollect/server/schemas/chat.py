"""A turn of a conversation."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import ConfigDict, Field

from recollect.server.schemas.base import Form, JSONObject, Out
from recollect.server.schemas.messages import MessageOut


class ChatIn(Form):
    """What a user says."""

    model_config = ConfigDict(
        extra="forbid",
        hide_input_in_errors=True,
        json_schema_extra={"examples": [{"message": "What is my dog called?", "session_id": "trip", "user_id": "ann"}]},
    )

    message: str = Field(min_length=1)
    session_id: str | None = Field(None, min_length=1, description="Made when not given.")
    user_id: str | None = Field(None, min_length=1)
    message_id: str | None = Field(
        None, min_length=1, description="Makes the turn safe to repeat: it is stored and answered once."
    )
    metadata: JSONObject | None = Field(None, description="Of the user's message.")
    stream: bool = Field(False, description="Answer as server-sent events: start, delta ..., done; or error.")


class SourceOut(Out):
    """What the reply rests on: a message, a memory, or a passage of a document. It has the fields of its kind."""

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


class UsageOut(Out):
    """What the turn cost."""

    model: str = Field(examples=["offline"])
    context_tokens: int
    prompt_tokens: int | None
    completion_tokens: int | None


class ChatOut(Out):
    """A finished turn."""

    session_id: str
    reply: str
    message: MessageOut
    user_message: MessageOut
    sources: list[SourceOut]
    usage: UsageOut
