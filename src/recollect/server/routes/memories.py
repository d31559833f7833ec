"""``/api/v1/users/{user_id}/memories``: statements that outlive sessions."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from recollect import NotFound
from recollect.server.bodies import read_model, reply
from recollect.server.direct import Route
from recollect.server.params import (
    WHERE,
    AsOf,
    Cursor,
    Limit,
    Offset,
    OfRole,
    OfSession,
    Since,
    Until,
    UserId,
    Where,
    fails,
    gives,
    instant,
    json_object,
    takes,
)
from recollect.server.schemas import HitOut, MemoryIn, MemoryOut, Page
from recollect.server.state import memory_of

router = APIRouter(tags=["memories"], route_class=Route)

_MEMORIES = "/api/v1/users/{user_id:anyid}/memories"

MemoryId = Annotated[str, Path(min_length=1, description="Percent-encoded.", examples=["m-1"])]


@router.post(
    _MEMORIES,
    summary="Remember something",
    status_code=201,
    response_model=None,
    responses={**gives(MemoryOut, "As stored.", 201), **fails(400, 409, 413)},
    openapi_extra=takes(MemoryIn),
)
async def remember(request: Request, user_id: UserId) -> Response:
    """A memory with the same id is replaced; the same again changes nothing."""
    given = await read_model(request, MemoryIn)
    stored = await memory_of(request).user(user_id).remember(given.content, **given.model_dump(exclude={"content"}))
    return reply(stored.to_dict(), 201)


@router.get(
    _MEMORIES,
    summary="A user's memories",
    response_model=None,
    responses={**gives(Page[MemoryOut], "A page, the latest written first."), **fails(400)},
)
async def memories(
    request: Request,
    user_id: UserId,
    limit: Limit = 100,
    cursor: Cursor = None,
    closed: Annotated[bool, Query(description="Also those that hold no longer.")] = False,
) -> Response:
    """What is remembered about a user."""
    page = await memory_of(request).user(user_id).memories(limit, cursor=cursor, closed=closed)
    return reply({"items": [memory.to_dict() for memory in page], "cursor": page.cursor})


@router.get(
    _MEMORIES + "/search",
    summary="Recall for a user",
    response_model=None,
    responses={**gives(Page[HitOut], "Hits, best first; the cursor is always null."), **fails(400)},
    openapi_extra={"parameters": [WHERE]},
)
async def recall(
    request: Request,
    user_id: UserId,
    q: Annotated[str, Query(description="Plain words; nothing in it is syntax.", examples=["where does she sit?"])],
    limit: Limit = 10,
    offset: Offset = 0,
    session_id: OfSession = None,
    role: OfRole = None,
    since: Since = None,
    until: Until = None,
    where: Where = None,
    as_of: AsOf = None,
) -> Response:
    """What the user's memories, messages and documents have that answers best; with a session or a role, messages only."""
    hits = (
        await memory_of(request)
        .user(user_id)
        .recall(
            q,
            limit=limit,
            offset=offset,
            session=session_id,
            role=role,
            since=instant(since, "since"),
            until=instant(until, "until"),
            where=json_object(where, "where"),
            as_of=instant(as_of, "as_of"),
        )
    )
    return reply({"items": [hit.to_dict() for hit in hits], "cursor": None})


@router.get(
    _MEMORIES + "/{memory_id:anyid}",
    summary="One memory",
    response_model=None,
    responses={**gives(MemoryOut, "Closed or not."), **fails(400, 404)},
)
async def one(request: Request, user_id: UserId, memory_id: MemoryId) -> Response:
    """By its id."""
    found = await memory_of(request).user(user_id).memory(memory_id)
    if found is None:
        raise NotFound(f"no memory {memory_id!r} of user {user_id!r}")
    return reply(found.to_dict())


@router.delete(
    _MEMORIES + "/{memory_id:anyid}",
    summary="Forget one memory",
    status_code=204,
    response_model=None,
    responses={204: {"description": "It is not there now."}, **fails(400)},
)
async def forget(request: Request, user_id: UserId, memory_id: MemoryId) -> Response:
    """For good; also when it was not there."""
    await memory_of(request).user(user_id).forget_memory(memory_id)
    return Response(status_code=204)
