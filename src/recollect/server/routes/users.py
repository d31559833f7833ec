"""``/api/v1/users/{user_id}``: sessions, messages across them, preferences, forgetting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response

from recollect import AsyncUserPreferences, Conflict, InvalidInput, Preferences, merge_patch
from recollect.server.bodies import read_json, reply
from recollect.server.direct import Route
from recollect.server.params import Cursor, Limit, Since, Until, UserId, fails, gives, instant
from recollect.server.schemas import JSONObject, MessageOut, Page, ReceiptOut, SessionOut
from recollect.server.state import memory_of

router = APIRouter(tags=["users"], route_class=Route)

_USER = "/api/v1/users/{user_id:anyid}"
_PREFERENCES = _USER + "/preferences"
_VERSION = {"ETag": {"description": "The version, for If-Match.", "schema": {"type": "string"}}}
_DOCUMENT: dict[str, Any] = {"schema": {"type": "object"}, "example": {"genre": "jazz", "language": "ko"}}
_GUARDS: list[dict[str, Any]] = [
    {
        "name": "If-Match",
        "in": "header",
        "required": False,
        "schema": {"type": "string"},
        "description": "The ETag that must be stored, else 409.",
    }
]


@router.get(
    _USER + "/sessions",
    summary="A user's sessions",
    response_model=None,
    responses={**gives(Page[SessionOut], "A page, latest activity first."), **fails(400)},
)
async def sessions(request: Request, user_id: UserId, limit: Limit = 20, cursor: Cursor = None) -> Response:
    """The same as `GET /api/v1/sessions?user_id=`."""
    page = await memory_of(request).user(user_id).sessions(limit, cursor=cursor)
    return reply({"items": [session.to_dict() for session in page], "cursor": page.cursor})


@router.get(
    _USER + "/messages",
    summary="A user's messages across sessions",
    response_model=None,
    responses={**gives(Page[MessageOut], "A page, by time."), **fails(400)},
)
async def messages(
    request: Request,
    user_id: UserId,
    since: Since = None,
    until: Until = None,
    limit: Limit = 100,
    order: Annotated[Literal["asc", "desc"], Query(description="desc: newest first.")] = "desc",
    cursor: Cursor = None,
) -> Response:
    """By time, newest first unless asked otherwise."""
    page = (
        await memory_of(request)
        .user(user_id)
        .messages(
            since=instant(since, "since"),
            until=instant(until, "until"),
            limit=limit,
            reverse=order == "desc",
            cursor=cursor,
        )
    )
    return reply({"items": [message.to_dict() for message in page], "cursor": page.cursor})


@router.delete(
    _USER,
    summary="Forget a user",
    response_model=None,
    responses={**gives(ReceiptOut, "What was removed; zeros if there was nothing."), **fails(400)},
)
async def forget(request: Request, user_id: UserId) -> Response:
    """Everything about this user, everywhere. Safe to repeat."""
    return reply((await memory_of(request).user(user_id).forget()).to_dict())


@router.get(
    _PREFERENCES,
    summary="Show the preferences",
    response_model=None,
    responses={
        200: {
            "description": "The document itself; {} if there is none.",
            "headers": _VERSION,
            "content": {"application/json": _DOCUMENT},
        },
        **fails(400),
    },
)
async def preferences(request: Request, user_id: UserId) -> Response:
    """A JSON object, with its version as the ETag."""
    return _answer(await memory_of(request).user(user_id).preferences.record())


@router.put(
    _PREFERENCES,
    summary="Replace the preferences",
    response_model=None,
    responses={
        200: {"description": "As stored.", "headers": _VERSION, "content": {"application/json": _DOCUMENT}},
        **fails(400, 409),
    },
    openapi_extra={
        "parameters": _GUARDS,
        "requestBody": {"required": True, "content": {"application/json": _DOCUMENT}},
    },
)
async def put(request: Request, user_id: UserId) -> Response:
    """The whole document. With `If-Match`, only if nobody changed it meanwhile."""
    body = await _object(request)
    document = memory_of(request).user(user_id).preferences
    return _answer(await document.put(body, expect=await _expected(request, document)))


@router.patch(
    _PREFERENCES,
    summary="Change some preferences",
    response_model=None,
    responses={
        200: {"description": "As stored.", "headers": _VERSION, "content": {"application/json": _DOCUMENT}},
        **fails(400, 409),
    },
    openapi_extra={
        "parameters": _GUARDS,
        "requestBody": {
            "required": True,
            "content": {"application/merge-patch+json": _DOCUMENT, "application/json": _DOCUMENT},
        },
    },
)
async def patch(request: Request, user_id: UserId) -> Response:
    """A JSON merge patch (RFC 7396), applied atomically: objects are merged, null removes a key."""
    changes = await _object(request)
    document = memory_of(request).user(user_id).preferences
    expected = await _expected(request, document)
    if expected is None:
        return _answer(await document.merge(changes))
    return _answer(await document.put(merge_patch(await document.get(), changes), expect=expected))


@router.delete(
    _PREFERENCES,
    summary="Delete the preferences",
    status_code=204,
    response_model=None,
    responses={204: {"description": "There are none now."}, **fails(400)},
)
async def delete(request: Request, user_id: UserId) -> Response:
    """Also when there were none."""
    await memory_of(request).user(user_id).preferences.delete()
    return Response(status_code=204)


def _answer(stored: Preferences | None) -> Response:
    if stored is None:
        return reply({}, headers={"ETag": '"0"'})
    return reply(stored.values, headers={"ETag": f'"{stored.version}"'})


async def _object(request: Request) -> JSONObject:
    body = await read_json(request)
    if not isinstance(body, Mapping):
        raise InvalidInput(f"preferences are a JSON object, not {type(body).__name__}", field="body")
    return dict(body)


async def _expected(request: Request, document: AsyncUserPreferences) -> int | None:
    """The version that the request's conditions ask for."""
    if request.headers.get("if-none-match") == "*":
        return 0
    given = request.headers.get("if-match")
    if given is None:
        return None
    if given.strip() == "*":
        stored = await document.record()
        if stored is None:
            raise Conflict("there are no preferences yet")
        return stored.version
    version = given.strip().removeprefix("W/").strip('"')
    if not (version.isascii() and version.isdigit() and len(version) < 16):
        raise Conflict(f"If-Match {given[:40]!r} is not a version that was ever given")
    return int(version)
