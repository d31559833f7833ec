"""Errors as ``application/problem+json`` (RFC 9457), each with a type that never changes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from recollect import (
    Conflict,
    InvalidAnswer,
    InvalidInput,
    LimitExceeded,
    NotFound,
    RecollectError,
    Unavailable,
    Unsupported,
)
from recollect.llm import ModelError, TurnError
from recollect.server.state import info_of, server_of

RETRY_SECONDS = 5

_TITLES = {
    400: ("bad-request", "Bad request"),
    401: ("unauthorized", "A key is needed"),
    403: ("forbidden", "Not allowed"),
    404: ("no-such-route", "Nothing here"),
    405: ("method-not-allowed", "Method not allowed"),
    413: ("too-large", "Too large"),
    421: ("misdirected", "Not the name of this server"),
    422: ("validation", "Not of the described form"),
    429: ("too-many-requests", "Too many requests"),
    503: ("overloaded", "Busy"),
}


def problem(
    scope: Scope,
    status: int,
    detail: str,
    *,
    name: str | None = None,
    title: str | None = None,
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> Response:
    """A problem response.

    Parameters
    ----------
    status: of HTTP. detail: what happened here, for people. name: the end of the type's URN.
    more: further members, such as ``field``.
    """
    body = problem_body(scope, status, detail, name=name, title=title, **more)
    return Response(msgspec.json.encode(body), status, headers, "application/problem+json")


def problem_body(
    scope: Scope, status: int, detail: str, *, name: str | None = None, title: str | None = None, **more: Any
) -> dict[str, Any]:
    """The members of a problem."""
    usual = _TITLES.get(status, ("error", "Error"))
    body: dict[str, Any] = {
        "type": f"urn:recollect:problem:{name or usual[0]}",
        "title": title or usual[1],
        "status": status,
        "detail": detail.encode("utf-8", "replace").decode(),
        **{key: value for key, value in more.items() if value is not None},
    }
    info = info_of(scope)
    if info is not None:
        body["request_id"] = info.request_id
    return body


def of_error(scope: Scope, error: RecollectError) -> Response:
    """The response to one of the library's errors."""
    body, retry_after = body_of_error(scope, error)
    headers = None if retry_after is None else {"Retry-After": str(retry_after)}
    return Response(msgspec.json.encode(body), body["status"], headers, "application/problem+json")


def body_of_error(scope: Scope, error: RecollectError) -> tuple[dict[str, Any], int | None]:
    """The members of the problem that one of the library's errors is, and the seconds for ``Retry-After``."""
    detail = str(error)
    if isinstance(error, InvalidInput):
        return problem_body(scope, 400, detail, name="invalid-input", title="Bad input", field=error.field), None
    if isinstance(error, NotFound):
        return problem_body(scope, 404, detail, name="not-found", title="Not found"), None
    if isinstance(error, Conflict):
        return problem_body(scope, 409, detail, name="conflict", title="Conflict"), None
    if isinstance(error, LimitExceeded):
        return problem_body(scope, 413, detail), None
    if isinstance(error, Unsupported):
        return problem_body(scope, 501, detail, name="unsupported", title="Not supported by this store"), None
    if isinstance(error, ModelError):
        return _model_problem(scope, error, detail)
    if isinstance(error, InvalidAnswer):
        return problem_body(scope, 502, detail, name="invalid-answer", title="The model gave no valid answer"), None
    if isinstance(error, Unavailable):
        body = problem_body(scope, 503, detail, name="store-unavailable", title="The store cannot serve now")
        return body, RETRY_SECONDS
    server_of(scope).log.error("failed", error=type(error).__name__, detail=detail)
    return internal(scope), None


def _model_problem(scope: Scope, error: ModelError, detail: str) -> tuple[dict[str, Any], int | None]:
    more: dict[str, Any] = {}
    if isinstance(error, TurnError):
        more = {
            "session_id": error.session_id,
            "user_message": error.user_message.to_dict(),
            "partial": error.partial.to_dict() if error.partial is not None else None,
        }
    if error.retryable:
        wait = RETRY_SECONDS if error.retry_after is None else max(1, math.ceil(error.retry_after))
        name, title = "model-unavailable", "The chat model cannot answer now"
        return problem_body(scope, 503, detail, name=name, title=title, **more), wait
    name, title = "model-failed", "The chat model cannot answer"
    return problem_body(scope, 502, detail, name=name, title=title, **more), None


def internal(scope: Scope) -> dict[str, Any]:
    """The problem that says no more than that the log says more."""
    return problem_body(
        scope, 500, "Something is wrong on the server; its log says more.", name="internal", title="Server error"
    )


async def _of_recollect(request: Request, error: Exception) -> Response:
    assert isinstance(error, RecollectError)
    return of_error(request.scope, error)


async def _of_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return problem(request.scope, 404, "There is no such route.")
    if error.status_code == 405:
        allowed = _methods(request)
        return problem(request.scope, 405, f"This route takes {allowed}.", headers={"Allow": allowed})
    return problem(request.scope, error.status_code, str(error.detail), headers=error.headers)


def _methods(request: Request) -> str:
    """The methods of all routes at the path of the one that matched by its path alone."""
    place = getattr(request.scope.get("route"), "path_format", None)
    found: set[str] = set()
    for route in request.app.routes:
        if getattr(route, "path_format", None) == place:
            found |= route.methods or set()
    return ", ".join(sorted(found | {"HEAD"} if "GET" in found else found))


def of_validation(scope: Scope, error: RequestValidationError | ValidationError) -> Response:
    """The response to a body or a parameter that is not of the described form."""
    errors = []
    for found in error.errors():
        place = [str(part) for part in found["loc"]]
        if place and place[0] in ("query", "path", "body", "header"):
            place = place[1:]
        errors.append({"field": ".".join(place), "message": str(found["msg"])})
    said = "; ".join(f"{e['field'] or 'body'}: {e['message']}" for e in errors[:3])
    field = errors[0]["field"] if len(errors) == 1 else None
    return problem(scope, 422, said, errors=errors, field=field)


async def _of_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError | ValidationError)
    return of_validation(request.scope, error)


def install(app: FastAPI) -> None:
    """Answer every error of the app as a problem."""
    app.add_exception_handler(RecollectError, _of_recollect)
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(ValidationError, _of_validation)
