"""The server itself, and its errors."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from recollect.server.schemas.base import Out


class StoreOut(Out):
    """Where the memory is."""

    kind: str = Field(examples=["sqlite"])
    url: str = Field(examples=["sqlite:///recollect.db"])


class ModelOut(Out):
    """The chat model."""

    name: str
    base_url: str | None


class AboutOut(Out):
    """What this server is."""

    name: Literal["recollect"]
    version: str
    store: StoreOut
    model: ModelOut | None = Field(description="null: the offline answerer replies.")
    scope: str
    auth: bool = Field(description="Whether a key is needed.")


class StatusOut(Out):
    """That it works."""

    status: str


class FieldError(Out):
    """A field and what is wrong with it."""

    field: str
    message: str


class Problem(Out):
    """An error (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(examples=["urn:recollect:problem:invalid-input"], description="Never changes.")
    title: str = Field(examples=["Bad input"])
    status: int = Field(examples=[400])
    detail: str = Field(examples=["role is not known"], description="What happened here, for people.")
    request_id: str | None = None
    field: str | None = Field(None, examples=["role"], description="What to change.")
    errors: list[FieldError] | None = None
