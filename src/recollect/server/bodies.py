"""Bodies in and out, by msgspec."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar

import msgspec
from msgspec import Struct
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from recollect import InvalidInput, Message

M = TypeVar("M", bound=BaseModel)

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


async def read_json(request: Request) -> Any:
    """The body as plain data, whatever its media type says.

    Raises `InvalidInput` (400) for what is not JSON or nested too deep, `LimitExceeded` (413) over the limit.
    """
    body = await request.body()
    if not body.strip():
        raise InvalidInput("a JSON body is needed, and there is none", field="body")
    try:
        return _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(f"the body is not JSON: {error}", field="body") from error
    except RecursionError as error:
        raise InvalidInput("the body is nested too deep", field="body") from error


async def read_model(request: Request, model: type[M]) -> M:
    """The body as a described form; pydantic's `ValidationError` (422) says what is wrong with it."""
    return model.model_validate(await read_json(request))


def reply(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON response of plain data."""
    return Response(_encode(value), status, headers, "application/json")


class _Outgoing(Struct, gc=False):
    role: str
    content: Any
    name: str | None
    tool_calls: Any
    tool_call_id: str | None
    id: str
    metadata: Any
    created_at: datetime
    seq: int
    session_id: str
    user_id: str | None
    tokens: int
    expires_at: datetime | None


def outgoing(message: Message) -> Any:
    """A message as `reply` encodes it: what `Message.to_dict` is, made in a third of the time.

    Left to `to_dict`: the provider's fields, and whole seconds, whose decimals msgspec would leave out.
    """
    at, until = message.created_at, message.expires_at
    if message.extra or at is None or not at.microsecond or (until is not None and not until.microsecond):
        return message.to_dict()
    return _Outgoing(
        message.role,
        message.content,
        message.name,
        message.tool_calls,
        message.tool_call_id,
        message.id,
        message.metadata,
        at,
        message.seq,
        message.session_id,
        message.user_id,
        message.tokens,
        until,
    )
