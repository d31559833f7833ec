"""``/api/v1/sessions``: headers, context, summary."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from recollect import UNSET, NotFound, Session, Unavailable
from recollect.server.bodies import read_json, read_model, reply
from recollect.server.direct import Route
from recollect.server.params import (
    Cursor,
    Limit,
    OfUser,
    SessionId,
    Shares,
    as_json,
    fails,
    gives,
    json_object,
    takes,
)
from recollect.server.schemas import ContextOut, Page, SessionOut, SessionPatch, SummarizeIn, SummaryIn, SummaryOut
from recollect.server.state import DOCUMENTS, memory_of, server_of
from recollect.server.streaming import unless_stopped

router = APIRouter(tags=["sessions"], route_class=Route)

_SESSION = "/api/v1/sessions/{session_id:anyid}"
_SHARES = as_json(
    "shares",
    "The largest part of the budget that a section may take, 0 to 1: a JSON object of `instructions`, `preferences`, "
    "`summary`, `recalled`, `window`. Those named are filled first, in this order; 0 leaves one out.",
    {"recalled": 0.5, "preferences": 0},
    {"type": "number", "minimum": 0, "maximum": 1},
)


@router.get(
    "/api/v1/sessions",
    summary="List sessions",
    response_model=None,
    responses={**gives(Page[SessionOut], "A page, latest activity first."), **fails(400)},
)
async def sessions(request: Request, user_id: OfUser = None, limit: Limit = 20, cursor: Cursor = None) -> Response:
    """All sessions of the key's scope, or a user's."""
    memory = memory_of(request)
    if user_id is None:
        page = await memory.sessions(limit, cursor=cursor)
    else:
        page = await memory.user(user_id).sessions(limit, cursor=cursor)
    return reply({"items": [session.to_dict() for session in page], "cursor": page.cursor})


@router.get(
    _SESSION,
    summary="Show a session",
    response_model=None,
    responses={**gives(SessionOut, "Its header."), **fails(400, 404)},
)
async def session(request: Request, session_id: SessionId) -> Response:
    """Counts, title, metadata, times."""
    return reply((await _header(request, session_id)).to_dict())


@router.patch(
    _SESSION,
    summary="Change title, metadata or lifetime",
    response_model=None,
    responses={**gives(SessionOut, "Its header now."), **fails(400, 404, 409)},
    openapi_extra=takes(SessionPatch, media=("application/json", "application/merge-patch+json")),
)
async def change(request: Request, session_id: SessionId) -> Response:
    """What is not given stays."""
    patch = await read_model(request, SessionPatch)
    given = patch.model_fields_set
    await _header(request, session_id)
    header = (
        await memory_of(request)
        .session(session_id, patch.user_id)
        .update(
            title=patch.title if "title" in given else UNSET,
            metadata=patch.metadata if patch.metadata is not None else UNSET,
            ttl=patch.ttl if "ttl" in given else UNSET,
            sliding=patch.sliding,
        )
    )
    return reply(header.to_dict())


@router.delete(
    _SESSION,
    summary="Delete a session",
    status_code=204,
    response_model=None,
    responses={204: {"description": "Gone, all of it."}, **fails(400, 404)},
)
@router.delete("/api/v1/session/{session_id:anyid}", include_in_schema=False, status_code=204, response_model=None)
async def delete(request: Request, session_id: SessionId) -> Response:
    """Messages, summary and header. (`DELETE /api/v1/session/{session_id}` is the same.)"""
    if not await memory_of(request).session(session_id).delete():
        raise NotFound(f"no session {session_id!r}")
    return Response(status_code=204)


@router.get(
    _SESSION + "/context",
    summary="What the model should see now",
    response_model=None,
    responses={**gives(ContextOut, "Messages ready to send, and what they are made of."), **fails(400, 413)},
    openapi_extra={"parameters": [_SHARES]},
)
async def context(
    request: Request,
    session_id: SessionId,
    query: Annotated[
        str | None, Query(description="What to recall for; the newest user message when not given.")
    ] = None,
    max_tokens: Annotated[int | None, Query(ge=1, description="The budget; the server's own when not given.")] = None,
    shares: Shares = None,
) -> Response:
    """Instructions, preferences, summary, what is recalled of messages, memories and documents, and the recent window,
    inside one token budget: what the chat sends to its model."""
    budget = server_of(request.scope).settings.max_context_tokens if max_tokens is None else max_tokens
    told = json_object(shares, "shares")
    handle = memory_of(request).session(session_id)
    found = await handle.context(query, max_tokens=budget, shares=told, namespaces=[DOCUMENTS])
    return reply(found.to_dict())


@router.get(
    _SESSION + "/summary",
    summary="Show the summary",
    response_model=None,
    responses={**gives(SummaryOut, "The stored summary."), **fails(400, 404)},
)
async def summary(request: Request, session_id: SessionId) -> Response:
    """A text that stands for the messages up to `covers_seq`."""
    found = await memory_of(request).session(session_id).summary()
    if found is None:
        raise NotFound(f"session {session_id!r} has no summary")
    return reply(found.to_dict())


@router.post(
    _SESSION + "/summary",
    summary="Store a summary, or make one",
    response_model=None,
    responses={**gives(SummaryOut, "As it now is."), **fails(400, 404, 409, 502)},
    openapi_extra=takes(SummaryIn, SummarizeIn, required=False),
)
async def save_summary(request: Request, session_id: SessionId) -> Response:
    """With a text, that is the summary. Without one, it is made: of all but the newest messages, now.

    The context uses it instead of the messages it covers, once they do not fit. A summary is made with the chat model
    where one is set, else by choosing sentences. The server makes those that are due by itself, behind the requests.
    404: there is no such session, or nothing in it to summarise.
    """
    given = await read_json(request) if (await request.body()).strip() else {}
    session = memory_of(request).session(session_id)
    if not isinstance(given, dict) or given.keys() & SummaryIn.model_fields.keys():
        told = SummaryIn.model_validate(given)
        stored = await session.save_summary(
            told.text, covers_seq=told.covers_seq, metadata=told.metadata, expect=told.expect
        )
        return reply(stored.to_dict())
    wish, server = SummarizeIn.model_validate(given), server_of(request.scope)
    settings = server.settings
    work = session.summarize(
        max_recent=settings.summary_max_recent if wish.max_recent is None else wish.max_recent,
        length=settings.summary_length if wish.length is None else wish.length,
        force=wish.force,
    )
    made = await unless_stopped(server, work, Unavailable("the server is stopping: the summary was not made"))
    if made is None:
        await _header(request, session_id)
        raise NotFound(f"session {session_id!r} has no summary, and nothing before its newest messages to make one of")
    return reply(made.to_dict())


async def _header(request: Request, session_id: str) -> Session:
    header = await memory_of(request).session(session_id).info()
    if header is None:
        raise NotFound(f"no session {session_id!r}")
    return header
