"""What the forms share."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

T = TypeVar("T")
JSONObject = dict[str, Any]

LONGEST_TTL = 100 * 366 * 86400
"""A hundred years, in seconds."""


class Form(BaseModel):
    """What a caller gives; fields that are not named are refused."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class Out(BaseModel):
    """What the server answers."""


class Page(Out, Generic[T]):
    """Some items and the way to the next."""

    items: list[T]
    cursor: str | None = Field(description="Give it back to go on; null at the end.")
