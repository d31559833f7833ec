"""``/api/v1/users/{user_id}/suggestions``: preferences that were stated in conversation, to be accepted or not."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from recollect.server.bodies import reply
from recollect.server.direct import Route
from recollect.server.params import Limit, UserId, fails, gives
from recollect.server.schemas import Page, SuggestionOut
from recollect.server.state import memory_of

router = APIRouter(tags=["users"], route_class=Route)

_SUGGESTIONS = "/api/v1/users/{user_id:anyid}/suggestions"
_ONE = _SUGGESTIONS + "/{suggestion_id:anyid}"

SuggestionId = Annotated[str, Path(min_length=1, description="Percent-encoded.", examples=["digest-5f0c"])]


@router.get(
    _SUGGESTIONS,
    summary="Suggested preferences",
    response_model=None,
    responses={**gives(Page[SuggestionOut], "The latest first; the cursor is always null."), **fails(400)},
)
async def suggestions(request: Request, user_id: UserId, limit: Limit = 100) -> Response:
    """What the user has stated in conversation and was neither accepted nor dismissed."""
    found = await memory_of(request).user(user_id).suggestions(limit)
    return reply({"items": [suggestion.to_dict() for suggestion in found], "cursor": None})


@router.post(
    _ONE + "/accept",
    summary="Accept a suggestion",
    response_model=None,
    responses={
        200: {
            "description": "The preferences as they are now.",
            "content": {"application/json": {"schema": {"type": "object"}, "example": {"likes": ["window seats"]}}},
        },
        **fails(400, 404, 409),
    },
)
async def accept(request: Request, user_id: UserId, suggestion_id: SuggestionId) -> Response:
    """Write it into the preference document, atomically. Safe to repeat."""
    stored = await memory_of(request).user(user_id).accept(suggestion_id)
    return reply(stored.values, headers={"ETag": f'"{stored.version}"'})


@router.post(
    _ONE + "/dismiss",
    summary="Dismiss a suggestion",
    status_code=204,
    response_model=None,
    responses={204: {"description": "It is suggested no more."}, **fails(400, 404)},
)
async def dismiss(request: Request, user_id: UserId, suggestion_id: SuggestionId) -> Response:
    """Suggest it no more, also when it is said again. The memory of it stays."""
    await memory_of(request).user(user_id).dismiss(suggestion_id)
    return Response(status_code=204)
