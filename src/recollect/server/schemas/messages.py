"""Messages."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from recollect.server.schemas.base import LONGEST_TTL, JSONObject, Out

_WHEN = "2026-05-03T09:30:00.000000Z"
_MESSAGE: dict[str, Any] = {
    "role": "user",
    "content": "My dog is called Rex.",
    "name": None,
    "tool_calls": None,
    "tool_call_id": None,
    "id": "0196954e-3c40-7000-8000-000000000001",
    "metadata": {},
    "created_at": _WHEN,
    "seq": 1,
    "session_id": "trip",
    "user_id": "ann",
    "tokens": 10,
    "expires_at": None,
}


class MessageIn(BaseModel):
    """A message to append. Fields that Recollect has no word for are kept and come back: they are the provider's."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [{"role": "user", "content": "My dog is called Rex.", "id": "m-1"}],
            "anyOf": [
                {"required": ["content"], "properties": {"content": {"not": {"type": "null"}}}},
                {"required": ["tool_calls"], "properties": {"tool_calls": {"type": "array", "minItems": 1}}},
            ],
        },
    )

    role: Literal["system", "developer", "user", "human", "assistant", "ai", "model", "tool", "function"]
    content: str | list[JSONObject | str] | JSONObject | None = Field(
        None, description="Text, or parts as the provider shapes them; may be missing beside tool calls."
    )
    id: str | None = Field(None, min_length=1, max_length=512, description="Makes the append safe to repeat.")
    name: str | None = Field(None, description="Who speaks, where the role does not say it.")
    metadata: JSONObject | None = Field(None, description="The application's own.")
    created_at: datetime | None = Field(None, description="With its timezone; now when not given.")
    ttl: float | None = Field(None, gt=0, le=LONGEST_TTL, description="Seconds until the message is gone.")
    tool_calls: list[JSONObject] | None = None
    tool_call_id: str | None = None


class MessageOut(Out):
    """A stored message, with the provider's further fields beside these."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"examples": [_MESSAGE]})

    role: str
    content: str | list[Any] | None
    name: str | None
    tool_calls: list[Any] | None
    tool_call_id: str | None
    id: str
    metadata: JSONObject
    created_at: datetime
    seq: int = Field(
        description="1, 2, 3 ... in its session, without gaps when it was given; 0 while the server keeps it for the store."
    )
    session_id: str
    user_id: str | None
    tokens: int
    expires_at: datetime | None
