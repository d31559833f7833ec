"""``/api/v1/sessions/{session_id}/messages``: append and read. The hot path."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from msgspec import Meta, Struct

from recollect.server.bodies import read_json_once, reply_with
from recollect.server.direct import DirectRoute, described, read_query
from recollect.server.params import fails, gives, instant, takes
from recollect.server.schemas import MessageIn, MessageOut, Page
from recollect.server.state import memory_of, server_of

router = APIRouter(tags=["messages"], route_class=DirectRoute)

_PATH = "/api/v1/sessions/{session_id:anyid}/messages"
_TIME: dict[str, Any] = {"format": "date-time"}


class _Append(Struct):
    user_id: Annotated[str, Meta(min_length=1, description="Whose session it is.")] | None = None


class _Read(Struct):
    after: Annotated[int, Meta(ge=0, description="Only with a seq over this.")] | None = None
    before: Annotated[int, Meta(ge=0, description="Only with a seq under this.")] | None = None
    since: Annotated[str, Meta(description="Not before; ISO 8601 with its offset.", extra_json_schema=_TIME)] | None = (
        None
    )
    until: (
        Annotated[str, Meta(description="Only before; ISO 8601 with its offset.", extra_json_schema=_TIME)] | None
    ) = None
    limit: Annotated[int, Meta(ge=1, le=10_000, description="At most so many.")] = 100
    order: Annotated[Literal["asc", "desc"], Meta(description="desc: newest first.")] = "asc"
    cursor: Annotated[str, Meta(description="Of the page before, with the same other parameters.")] | None = None


@router.post(
    _PATH,
    summary="Append one message or many",
    status_code=201,
    response_model=None,
    responses={
        **gives(MessageOut | list[MessageOut], "Stored, with seq; a list for a list.", 201),
        **gives(MessageOut | list[MessageOut], "Every id was known: the stored messages, nothing written again.", 200),
        **gives(
            MessageOut | list[MessageOut],
            "Kept, for the store is away (RECOLLECT_ON_UNAVAILABLE=buffer): with their ids, and seq 0 until it is back.",
            202,
        ),
        **fails(400, 409, 413),
    },
    openapi_extra={**takes(MessageIn, many=True), "parameters": described(_Append, ("session_id", "trip"))},
)
async def append(request: Request) -> Response:
    """All of them in one commit, or none. The session is made if there is none.

    A message whose `id` is in the session already is not written again, so a request that timed out is safely repeated.
    202: the server keeps them on its own disk and delivers them in order, once, when the store is back.
    """
    query = read_query(request, _Append)
    body = await read_json_once(request)
    memory, server = memory_of(request), server_of(request.scope)
    stored = await memory.session(request.path_params["session_id"], query.user_id).append(body)
    server.metrics.messages.inc(stored.written)
    if stored.written:
        server.summaries.grown(memory, request.path_params["session_id"], stored[-1].seq)
    answer = b",".join([message.to_json() for message in stored])
    status = 202 if stored.buffered else 201 if stored.written else 200
    return reply_with(b"[%b]" % answer if isinstance(body, list) else answer, status)


@router.get(
    _PATH,
    summary="Read the log",
    response_model=None,
    responses={**gives(Page[MessageOut], "A page, in order of seq; empty if there is nothing."), **fails(400)},
    openapi_extra={"parameters": described(_Read, ("session_id", "trip"))},
)
async def read(request: Request) -> Response:
    """In order of `seq`, oldest first unless asked otherwise."""
    query = read_query(request, _Read)
    page = (
        await memory_of(request)
        .session(request.path_params["session_id"])
        .read_json(
            after=query.after,
            before=query.before,
            since=instant(query.since, "since"),
            until=instant(query.until, "until"),
            limit=query.limit,
            reverse=query.order == "desc",
            cursor=query.cursor,
        )
    )
    return reply_with(page)
