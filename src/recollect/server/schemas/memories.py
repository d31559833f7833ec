"""Memories, documents, suggestions, and what a search finds."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import ConfigDict, Field

from recollect.server.schemas.base import LONGEST_TTL, Form, Instant, JSONObject, Out
from recollect.server.schemas.messages import MessageOut


class MemoryIn(Form):
    """A statement that outlives its session."""

    model_config = ConfigDict(
        extra="forbid",
        hide_input_in_errors=True,
        json_schema_extra={"examples": [{"content": "Prefers aisle seats", "id": "m-1", "kind": "preference"}]},
    )

    content: str = Field(min_length=1)
    id: str | None = Field(None, min_length=1, max_length=512, description="Made when not given.")
    metadata: JSONObject | None = Field(None, description="The application's own.")
    kind: str | None = Field(None, min_length=1, max_length=512, examples=["preference"])
    subject: str | None = Field(None, min_length=1, max_length=512, description="Whom or what it is about.")
    source: JSONObject | None = Field(None, description="Where it comes from.")
    created_at: Instant | None = Field(None, description="When it was learned; now when not given.")
    ttl: float | None = Field(None, gt=0, le=LONGEST_TTL, description="Seconds until it is gone.")
    unique: Literal["exact", "near"] | None = Field(
        None, description="Give back one that says the same, or nearly the same, instead of keeping another."
    )


class MemoryOut(Out):
    """A memory, or a passage of a document."""

    id: str
    namespace: list[str] = Field(examples=[["user", "ann"]])
    content: str
    metadata: JSONObject
    kind: str | None
    subject: str | None
    source: JSONObject
    created_at: datetime
    closed_at: datetime | None = Field(description="Since when it no longer holds.")
    superseded_by: str | None
    expires_at: datetime | None
    seq: int
    tokens: int


class SuggestionOut(Out):
    """A preference that a user has stated in conversation."""

    id: str = Field(examples=["digest-5f0c"])
    content: str = Field(examples=["Likes window seats."])
    key: str = Field(description="What accepting it writes.", examples=["likes"])
    value: Any = Field(examples=["window seats"])
    listed: bool = Field(description="Whether the value is added to the key's list.")
    opposite: str | None = Field(description="A key from whose list the value is then taken.", examples=["dislikes"])
    session: str | None = Field(examples=["trip"])
    messages: list[str] = Field(examples=[["m-1"]])
    created_at: datetime | None = Field(description="When it was stated.")


class DocumentIn(Form):
    """A document to answer from."""

    model_config = ConfigDict(
        extra="forbid",
        hide_input_in_errors=True,
        json_schema_extra={"examples": [{"id": "hours.md", "title": "Hours", "text": "We open at nine."}]},
    )

    text: str = Field(min_length=1, description="Plain text or Markdown.")
    id: str | None = Field(None, min_length=1, max_length=512, description="Made of the text when not given.")
    title: str | None = Field(None, min_length=1, max_length=512)
    metadata: JSONObject | None = Field(None, description="Of every passage.")
    chunk_tokens: int | None = Field(None, ge=8, le=100_000, description="Of a passage at most; 200 when not given.")
    overlap_tokens: int | None = Field(
        None,
        ge=0,
        le=50_000,
        description="Repeated at the beginning of the next passage, up to half of one; 15 % when not given.",
    )
    ttl: float | None = Field(None, gt=0, le=LONGEST_TTL, description="Seconds until it is gone.")


class DocumentOut(Out):
    """A document, without its text."""

    id: str
    namespace: list[str]
    title: str | None
    metadata: JSONObject
    passages: int
    tokens: int
    digest: str
    created_at: datetime
    updated_at: datetime
    expires_at: datetime | None


class HitOut(Out):
    """A result of a search: a message or a memory, one of the two."""

    message: MessageOut | None = None
    memory: MemoryOut | None = None
    score: float
    explain: dict[str, float] = Field(description="The parts that add up to the score.")
    note: str | None = Field(None, description="What was wrong with the search, if anything.")
    highlights: list[tuple[int, int]] | None = Field(
        None, description="Begins and ends in the text of what the words match, when asked for."
    )
