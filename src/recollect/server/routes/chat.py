"""``/api/v1/chat``: context, answer, both messages stored."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from recollect import LimitExceeded, RecollectError
from recollect.llm import ModelError
from recollect.server.bodies import read_model, reply
from recollect.server.direct import Route
from recollect.server.params import fails, gives, takes
from recollect.server.schemas import ChatIn, ChatOut
from recollect.server.state import server_of, tenant_of
from recollect.server.streaming import TurnStream, unless_stopped

router = APIRouter(tags=["chat"], route_class=Route)

_STREAM = """event: start
data: {"session_id": "trip", "user_message": {...}}

event: delta
data: {"text": "Your dog"}

event: delta
data: {"text": " is called Rex."}

event: done
data: {"session_id": "trip", "reply": "Your dog is called Rex.", "message": {...}, "sources": [...], "usage": {...}}
"""
_EVENT = {
    "type": "object",
    "required": ["event", "data"],
    "properties": {"event": {"enum": ["start", "delta", "done", "error"]}, "data": {"type": "string"}},
}
_EVENTS: dict[str, Any] = {"text/event-stream": {"schema": _EVENT, "example": _STREAM}}


@router.post(
    "/api/v1/chat",
    summary="Say something and get an answer",
    response_model=None,
    responses={
        **gives(ChatOut, "The answer; with `stream` as events.", content=_EVENTS),
        **fails(400, 409, 413, 502),
    },
    openapi_extra=takes(ChatIn),
)
async def chat(request: Request) -> Response:
    """The user's message is stored first, whatever becomes of the answer; without a model the offline answerer replies.

    With `stream: true` the answer is server-sent events: `start`, then `delta` after `delta`, then `done` with the body
    of the answer without a stream; or `error` with a problem. A failure before the first event is a status instead.
    A client that goes away leaves what was produced stored, with `"partial": true` in its metadata. 413: the message
    is over the token budget of a context, and is not stored. A request repeated with the same `message_id` is stored
    and answered once.
    """
    given = await read_model(request, ChatIn)
    server, turns = server_of(request.scope), tenant_of(request).turns
    options: dict[str, Any] = {
        "session_id": given.session_id,
        "user_id": given.user_id,
        "message_id": given.message_id,
        "metadata": given.metadata,
    }
    if given.stream:
        return TurnStream(server, turns.stream(given.message, **options))
    outcomes = server.metrics.turns
    try:
        turn = await unless_stopped(server, turns.reply(given.message, **options))
    except ModelError:
        outcomes.labels("failed").inc()
        raise
    except RecollectError as error:
        outcomes.labels("refused" if isinstance(error, LimitExceeded | ValueError) else "failed").inc()
        raise
    outcomes.labels("answered").inc()
    return reply(turn.to_dict())
