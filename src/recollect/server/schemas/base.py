"""What the forms share."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

T = TypeVar("T")
JSONObject = dict[str, Any]

LONGEST_TTL = 100 * 366 * 86400
"""A hundred years, in seconds."""


class Form(BaseModel):
    """What a caller gives. Fields that are not named are refused, and values of another kind: ``"ttl": true`` is no second."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)


def _only_text(given: object) -> object:
    if given is None or isinstance(given, str):
        return given
    raise ValueError("a time is text in ISO 8601 with its offset")


Instant = Annotated[datetime, Field(strict=False), BeforeValidator(_only_text)]
"""A time in a form."""


class Out(BaseModel):
    """What the server answers."""


class Page(Out, Generic[T]):
    """Some items and the way to the next."""

    items: list[T]
    cursor: str | None = Field(description="Give it back to go on; null at the end.")
