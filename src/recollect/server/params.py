"""Parameters that several routes have, and what they say in the documentation.

Ids in paths are any text, percent-encoded: ``GET /api/v1/sessions/a%2Fmessages`` is the session ``a/messages``. Servers
hand over the path decoded, where that is lost; so routes match on the path as it was sent (`edge.Edge`), and
``{name:anyid}`` decodes the parameter.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import unquote_to_bytes

import msgspec
from fastapi import Path, Query
from pydantic import BaseModel
from starlette.convertors import Convertor, register_url_convertor

from recollect import InvalidInput


class _AnyId(Convertor[str]):
    regex = "[^/]+"

    def convert(self, value: str) -> str:
        if "%" not in value and value.isascii():
            return value
        try:
            return unquote_to_bytes(value.encode("latin-1")).decode("utf-8")
        except UnicodeDecodeError as error:
            raise InvalidInput("an id in the path is percent-encoded UTF-8, and this is not", field="id") from error

    def to_string(self, value: str) -> str:
        raise NotImplementedError


register_url_convertor("anyid", _AnyId())

_ID = {
    "min_length": 1,
    "description": "Any text up to 512 bytes, percent-encoded (a slash is %2F).",
    "examples": ["trip"],
}

SessionId = Annotated[str, Path(**_ID)]
UserId = Annotated[str, Path(**{**_ID, "examples": ["ann"]})]
Limit = Annotated[int, Query(ge=1, le=10_000, description="At most so many.")]
Cursor = Annotated[str | None, Query(description="Of the page before, with the same other parameters.")]
OfUser = Annotated[str | None, Query(min_length=1, description="Only this user's.", examples=["ann"])]
OfSession = Annotated[str | None, Query(min_length=1, description="Only of this session.", examples=["trip"])]
OfRole = Annotated[
    Literal["system", "user", "assistant", "tool"] | None, Query(description="Only messages of this role.")
]
Offset = Annotated[int, Query(ge=0, le=10_000, description="So many of the best are left out.")]
_TIME = {"format": "date-time"}
Since = Annotated[str | None, Query(description="Not before; ISO 8601 with its offset.", json_schema_extra=_TIME)]
Until = Annotated[str | None, Query(description="Only before; ISO 8601 with its offset.", json_schema_extra=_TIME)]

AsOf = Annotated[
    str | None, Query(description="What was known then; ISO 8601 with its offset.", json_schema_extra=_TIME)
]


Where = Annotated[str | None, Query(include_in_schema=False)]
Shares = Annotated[str | None, Query(include_in_schema=False)]


def as_json(
    name: str, description: str, example: dict[str, Any], values: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The description of a query parameter that is a JSON object, which FastAPI has no word for."""
    schema = {"type": "object"} if values is None else {"type": "object", "additionalProperties": values}
    return {
        "name": name,
        "in": "query",
        "required": False,
        "description": description,
        "content": {"application/json": {"schema": schema, "example": example}},
    }


WHERE = as_json(
    "where",
    "Only what has this in its metadata, by equality: a JSON object of top-level keys.",
    {"topic": "travel"},
)


def json_object(given: str | None, field: str) -> dict[str, Any] | None:
    """The JSON object that a parameter is; None if it was not given."""
    if given is None:
        return None
    try:
        found = msgspec.json.decode(given)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        raise InvalidInput(f"{field} is not JSON: {error}", field=field) from error
    if not isinstance(found, dict):
        raise InvalidInput(f"{field} is a JSON object, not {type(found).__name__}", field=field)
    return found


def instant(given: str | None, field: str) -> datetime | None:
    """The instant of a parameter. A ``+`` that came as a space (it means one in a query) is read as what was meant."""
    if given is None:
        return None
    try:
        when = datetime.fromisoformat(given.strip().replace(" ", "+") if "T" in given else given)
    except ValueError as error:
        raise InvalidInput(f"{field} is not ISO 8601: {given[:40]!r}", field=field) from error
    if when.utcoffset() is None:
        raise InvalidInput(f"{field} has no offset: write Z for UTC, or +02:00", field=field)
    return when


_MEANING = {
    400: "Bad input: which field, and why.",
    401: "No key, or one that is not known.",
    404: "There is no such thing.",
    409: "It was changed meanwhile, or belongs to another user.",
    413: "Over a limit.",
    422: "Not of the described form.",
    429: "Too many requests; Retry-After says when.",
    502: "The chat model refuses. The user's message is stored.",
    503: "The store or the model is away; Retry-After says when to ask again.",
}


def fails(*status: int) -> dict[int | str, dict[str, Any]]:
    """The documentation of the problems that a route answers with."""
    every = sorted({*status, 401, 422, 429, 503})
    media = "application/problem+json"
    return {
        code: {"description": _MEANING[code], "content": {media: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
        for code in every
    }


def gives(model: Any, description: str, status: int = 200, **more: Any) -> dict[int | str, dict[str, Any]]:
    """The documentation of what a route answers with, which is not checked again on its way out."""
    return {status: {"model": model, "description": description, **more}}


def takes(
    model: type[BaseModel],
    *others: type[BaseModel],
    many: bool = False,
    media: tuple[str, ...] = ("application/json",),
    required: bool = True,
) -> dict[str, Any]:
    """The documentation of a body that the route reads itself.

    Parameters
    ----------
    model: its form, which `openapi` describes. others: further forms. many: whether it may be a list of them.
    required: whether there has to be one.
    """
    forms: list[dict[str, Any]] = [{"$ref": f"#/components/schemas/{form.__name__}"} for form in (model, *others)]
    if many:
        forms.append({"type": "array", "items": forms[0]})
    schema = forms[0] if len(forms) == 1 else {"anyOf": forms}
    return {"requestBody": {"required": required, "content": {kind: {"schema": schema} for kind in media}}}
