"""``/api/v1/search``, ``/api/v1/stats``, ``/api/v1/changes``: across sessions."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response

from recollect import Hit, highlights
from recollect.server.bodies import reply
from recollect.server.direct import Route
from recollect.server.params import (
    WHERE,
    AsOf,
    Limit,
    Offset,
    OfRole,
    OfSession,
    OfUser,
    Since,
    Until,
    Where,
    fails,
    gives,
    instant,
    json_object,
)
from recollect.server.schemas import ChangeOut, HitOut, Page, StatsOut
from recollect.server.state import memory_of, server_of
from recollect.server.streaming import FeedStream

router = APIRouter(route_class=Route)


@router.get(
    "/api/v1/search",
    tags=["search"],
    summary="Search messages",
    response_model=None,
    responses={**gives(Page[HitOut], "Hits, best first; the cursor is always null."), **fails(400)},
    openapi_extra={"parameters": [WHERE]},
)
async def search(
    request: Request,
    q: Annotated[str, Query(description="Plain words; nothing in it is syntax.", examples=["dog"])],
    limit: Limit = 10,
    user_id: OfUser = None,
    session_id: OfSession = None,
    role: OfRole = None,
    since: Since = None,
    until: Until = None,
    where: Where = None,
    as_of: AsOf = None,
    offset: Offset = 0,
    highlight: Annotated[bool, Query(description="Also where the words stand in each text.")] = False,
) -> Response:
    """What answers the question best; in Chinese, Japanese and Korean too. With a user, memories are found too."""
    hits = await memory_of(request).search(
        q,
        limit=limit,
        user=user_id,
        session=session_id,
        role=role,
        since=instant(since, "since"),
        until=instant(until, "until"),
        where=json_object(where, "where"),
        as_of=instant(as_of, "as_of"),
        offset=offset,
    )
    return reply({"items": [shown(hit, q if highlight else None) for hit in hits], "cursor": None})


def shown(hit: Hit, query: str | None) -> dict[str, Any]:
    """A hit as JSON-able data; with a query also where its words stand in the text."""
    marks = {} if query is None else {"highlights": highlights(hit.text, query)}
    return {**hit.to_dict(), **marks}


@router.get(
    "/api/v1/stats",
    tags=["system"],
    summary="Figures",
    response_model=None,
    responses={**gives(StatsOut, "Of the scope, a user or a session."), **fails(400)},
)
async def stats(
    request: Request,
    user_id: OfUser = None,
    session_id: OfSession = None,
    detail: Annotated[bool, Query(description="Read every message once, for all that needs it.")] = False,
) -> Response:
    """Sessions, messages, users; with `detail` also roles, days, hours, tokens, lengths and the time to a reply."""
    memory = memory_of(request)
    if session_id is not None:
        found = await memory.session(session_id).stats(detail=detail)
    elif user_id is not None:
        found = await memory.user(user_id).stats(detail=detail)
    else:
        found = await memory.stats(detail=detail)
    return reply(found.to_dict())


@router.get(
    "/api/v1/changes",
    tags=["system"],
    summary="The feed of changes",
    response_model=None,
    responses={
        **gives(Page[ChangeOut], "A page, in commit order. Go on later from the last item's own cursor."),
        **fails(400, 404),
    },
)
async def changes(
    request: Request,
    after: Annotated[str | None, Query(description="A cursor: only what came behind it.")] = None,
    limit: Limit = 100,
    last_event_id: Annotated[
        str | None, Header(description="The last event of a stream that broke off: it goes on behind it.")
    ] = None,
) -> Response:
    """What was appended, put and deleted. 404 when entries behind `after` are swept already.

    Asked for with `Accept: text/event-stream` it does not end: server-sent events `change`, each with its cursor as
    its id, so that a browser's `EventSource` that lost its connection goes on where it was.
    """
    memory = memory_of(request)
    if "text/event-stream" in request.headers.get("accept", ""):
        after = last_event_id or after
        await memory.changes(after, limit=1)
        return FeedStream(server_of(request.scope), memory, after)
    page = await memory.changes(after, limit=limit)
    return reply({"items": [change.to_dict() for change in page], "cursor": page.cursor})
