"""What goes in and out over HTTP, as the documentation describes it.

Bodies of messages are checked by the library itself (its errors name the field); the models here check the smaller
forms, and give ``/docs`` its schemas and examples. Answers are not validated again: tests do that.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

T = TypeVar("T")
JSONObject = dict[str, Any]

LONGEST_TTL = 100 * 366 * 86400
"""A hundred years, in seconds."""

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


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class _Out(BaseModel):
    pass


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


class MessageOut(_Out):
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


class SessionOut(_Out):
    """The header of a session."""

    session_id: str = Field(examples=["trip"])
    id: str = Field(examples=["trip"], description="The same.")
    user_id: str | None = Field(examples=["ann"])
    title: str | None = Field(examples=["Trip to Busan"])
    metadata: JSONObject
    message_count: int = Field(examples=[2], description="Messages that can be read now.")
    last_seq: int = Field(examples=[2], description="The highest number ever given.")
    created_at: datetime
    updated_at: datetime
    expires_at: datetime | None
    ttl: float | None = Field(description="The sliding lifetime in seconds.")
    version: int


class SessionPatch(_Form):
    """Changes of a session's header; what is not given stays."""

    model_config = ConfigDict(
        extra="forbid",
        hide_input_in_errors=True,
        json_schema_extra={"examples": [{"title": "Trip to Busan", "metadata": {"topic": "travel"}}]},
    )

    title: str | None = Field(None, description="null removes it.")
    metadata: JSONObject | None = Field(None, description="Merged into what is there (RFC 7396); null removes a key.")
    ttl: float | None = Field(
        None, gt=0, le=LONGEST_TTL, description="Seconds from now that the session lives; null for ever."
    )
    sliding: bool = Field(False, description="Whether each message begins the ttl anew.")
    user_id: str | None = Field(None, min_length=1, description="Whose it is, if it has nobody yet.")


class SummaryIn(_Form):
    """A summary of the messages up to one."""

    text: str = Field(min_length=1, examples=["Ann plans a trip to Busan with her dog Rex."])
    covers_seq: int = Field(ge=0, examples=[2], description="The last message that it stands for.")
    metadata: JSONObject | None = None
    expect: int | None = Field(None, ge=0, description="The version that must be stored (0: none), else 409.")


class SummarizeIn(_Form):
    """That a summary is to be made now. Every field may be left out, and so may the body."""

    max_recent: int | None = Field(
        None, ge=0, description="Messages that it leaves out; the server's own if not given."
    )
    length: int | None = Field(None, ge=1, description="Tokens of the summary at most; the server's own if not given.")
    force: bool = Field(True, description="Whether it is made also when it is not due yet.")


class SummaryOut(_Out):
    """The stored summary."""

    session_id: str
    text: str
    covers_seq: int
    metadata: JSONObject
    tokens: int
    created_at: datetime
    updated_at: datetime
    version: int


class SectionOut(_Out):
    """A part of a context."""

    name: str
    tokens: int
    count: int
    why: str


class DroppedOut(_Out):
    """Something that did not get into a context."""

    section: str
    what: str
    tokens: int
    why: str


class ContextOut(_Out):
    """What the model should see now."""

    messages: list[JSONObject] = Field(description="Chat-completions messages, ready to send.")
    sections: list[SectionOut]
    dropped: list[DroppedOut]
    tokens: int
    max_tokens: int


class MemoryIn(_Form):
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
    created_at: datetime | None = Field(None, description="When it was learned; now when not given.")
    ttl: float | None = Field(None, gt=0, le=LONGEST_TTL, description="Seconds until it is gone.")
    unique: Literal["exact", "near"] | None = Field(
        None, description="Give back one that says the same, or nearly the same, instead of keeping another."
    )


class MemoryOut(_Out):
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


class DocumentIn(_Form):
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
    ttl: float | None = Field(None, gt=0, le=LONGEST_TTL, description="Seconds until it is gone.")


class DocumentOut(_Out):
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


class HitOut(_Out):
    """A result of a search: a message or a memory, one of the two."""

    message: MessageOut | None = None
    memory: MemoryOut | None = None
    score: float
    explain: dict[str, float] = Field(description="The parts that add up to the score.")
    note: str | None = Field(None, description="What was wrong with the search, if anything.")
    highlights: list[tuple[int, int]] | None = Field(
        None, description="Begins and ends in the text of what the words match, when asked for."
    )


class ReceiptOut(_Out):
    """What was forgotten, counted by kind."""

    sessions: int = Field(examples=[3])
    messages: int = Field(examples=[41])
    summaries: int = Field(examples=[1])
    preferences: int = Field(examples=[1])
    memories: int = Field(examples=[12])
    documents: int = Field(examples=[0])


class SpreadOut(_Out):
    """How a figure is spread. The median and the 95th percentile are off by at most one percent of their value."""

    count: int = Field(examples=[1204], description="How many figures it is made of.")
    mean: float
    median: float
    p95: float
    max: float


class StatsOut(_Out):
    """Figures. Sessions, messages, users and active sessions are always counted, the rest with `detail` only."""

    sessions: int
    messages: int
    users: int
    tokens: int
    messages_by_role: dict[str, int]
    messages_by_day: dict[str, int] = Field(description="By UTC date.")
    first_message_at: datetime | None
    last_message_at: datetime | None
    bytes: int | None
    active_sessions: int = Field(description="Those whose latest message is at most 15 minutes old.")
    tokens_by_role: dict[str, int]
    messages_by_hour: dict[str, int] = Field(description="By hour of the day in UTC, 00 to 23.")
    sessions_by_day: dict[str, int] = Field(description="Sessions with a message on that UTC date.")
    lengths: SpreadOut | None = Field(description="Of texts, in characters.")
    latency: SpreadOut | None = Field(
        description="Seconds from a user's message to the text of an assistant behind it."
    )


class ChangeOut(_Out):
    """An entry of the feed."""

    cursor: str = Field(description="Go on behind it with `after`.")
    kind: Literal["append", "put", "delete"]
    table: str
    partition: str
    first_seq: int
    last_seq: int
    at: datetime | None


class Page(_Out, Generic[T]):
    """Some items and the way to the next."""

    items: list[T]
    cursor: str | None = Field(description="Give it back to go on; null at the end.")


class ChatIn(_Form):
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


class SourceOut(_Out):
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


class UsageOut(_Out):
    """What the turn cost."""

    model: str = Field(examples=["offline"])
    context_tokens: int
    prompt_tokens: int | None
    completion_tokens: int | None


class ChatOut(_Out):
    """A finished turn."""

    session_id: str
    reply: str
    message: MessageOut
    user_message: MessageOut
    sources: list[SourceOut]
    usage: UsageOut


class StoreOut(_Out):
    """Where the memory is."""

    kind: str = Field(examples=["sqlite"])
    url: str = Field(examples=["sqlite:///recollect.db"])


class ModelOut(_Out):
    """The chat model."""

    name: str
    base_url: str | None


class AboutOut(_Out):
    """What this server is."""

    name: Literal["recollect"]
    version: str
    store: StoreOut
    model: ModelOut | None = Field(description="null: the offline answerer replies.")
    scope: str
    auth: bool = Field(description="Whether a key is needed.")


class StatusOut(_Out):
    """That it works."""

    status: str


class FieldError(_Out):
    """A field and what is wrong with it."""

    field: str
    message: str


class Problem(_Out):
    """An error (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(examples=["urn:recollect:problem:invalid-input"], description="Never changes.")
    title: str = Field(examples=["Bad input"])
    status: int = Field(examples=[400])
    detail: str = Field(examples=["role is not known"], description="What happened here, for people.")
    request_id: str | None = None
    field: str | None = Field(None, examples=["role"], description="What to change.")
    errors: list[FieldError] | None = None
