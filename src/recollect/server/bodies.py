"""Bodies in and out, by msgspec."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from pydantic import BaseModel
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from recollect import InvalidInput

M = TypeVar("M", bound=BaseModel)

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


async def read_json(request: Request) -> Any:
    """The body as plain data, whatever its media type says.

    Raises `InvalidInput` (400) for what is not JSON or nested too deep, `LimitExceeded` (413) over the limit.
    """
    return _plain(await request.body())


async def read_json_once(request: Request) -> Any:
    """`read_json` for a request of which nobody reads the body again: Starlette's way through a stream takes longer than
    decoding does."""
    receive = request.receive
    chunks = []
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunks.append(message.get("body", b""))
        more = message.get("more_body", False)
    return _plain(chunks[0] if len(chunks) == 1 else b"".join(chunks))


def _plain(body: bytes) -> Any:
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
    if headers is None:
        return _JSONText(_encode(value), status)
    return Response(_encode(value), status, headers, "application/json")


def reply_with(body: bytes, status: int = 200) -> Response:
    """A response of JSON text."""
    return _JSONText(body, status)


class _JSONText(Response):
    """A response of JSON text, without the look at what others may have."""

    media_type = "application/json"

    def __init__(self, body: bytes, status: int) -> None:
        self.status_code, self.body, self.background = status, body, None
        self.raw_headers = [(b"content-length", b"%d" % len(body)), (b"content-type", b"application/json")]
