"""Sessions: their headers, summaries, contexts."""

from __future__ import annotations

from datetime import datetime

from pydantic import ConfigDict, Field

from recollect.server.schemas.base import LONGEST_TTL, Form, JSONObject, Out


class SessionOut(Out):
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


class SessionPatch(Form):
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


class SummaryIn(Form):
    """A summary of the messages up to one."""

    text: str = Field(min_length=1, examples=["Ann plans a trip to Busan with her dog Rex."])
    covers_seq: int = Field(ge=0, examples=[2], description="The last message that it stands for.")
    metadata: JSONObject | None = None
    expect: int | None = Field(None, ge=0, description="The version that must be stored (0: none), else 409.")


class SummarizeIn(Form):
    """That a summary is to be made now. Every field may be left out, and so may the body."""

    max_recent: int | None = Field(
        None, ge=0, description="Messages that it leaves out; the server's own if not given."
    )
    length: int | None = Field(None, ge=1, description="Tokens of the summary at most; the server's own if not given.")
    force: bool = Field(True, description="Whether it is made also when it is not due yet.")


class SummaryOut(Out):
    """The stored summary."""

    session_id: str
    text: str
    covers_seq: int
    metadata: JSONObject
    tokens: int
    created_at: datetime
    updated_at: datetime
    version: int


class SectionOut(Out):
    """A part of a context."""

    name: str
    tokens: int
    count: int
    why: str


class DroppedOut(Out):
    """Something that did not get into a context."""

    section: str
    what: str
    tokens: int
    why: str


class ContextOut(Out):
    """What the model should see now."""

    messages: list[JSONObject] = Field(description="Chat-completions messages, ready to send.")
    sections: list[SectionOut]
    dropped: list[DroppedOut]
    tokens: int
    max_tokens: int
