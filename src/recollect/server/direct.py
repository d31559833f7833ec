"""Hot routes: described by FastAPI and called without it, as its way to a route and to parameters costs more than all
else in a request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from msgspec import Struct
from starlette.requests import Request
from starlette.routing import Match
from starlette.types import ASGIApp, Receive, Scope, Send

from recollect import RecollectError
from recollect.server.problems import of_error, of_validation

S = TypeVar("S", bound=Struct)


_NO_MATCH: tuple[Match, Scope] = (Match.NONE, {})


class Route(APIRoute):
    """A route that sees by the ends of a path that it is not meant: the router asks each route in turn, and what FastAPI
    does to say no takes longer than many an answer."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        self._begin, self._end = path.partition("{")[0], path.rpartition("}")[2]

    def fits(self, path: str) -> bool:
        """Whether the path may be one of this route."""
        return path.startswith(self._begin) and path.endswith(self._end)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """As FastAPI has it."""
        if scope["type"] == "http" and not scope.get("root_path") and not self.fits(scope["path"]):
            return _NO_MATCH
        return super().matches(scope)


class DirectRoute(Route):
    """A route whose endpoint takes the request and gives a response, and nothing else."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the endpoint."""
        if self.methods is None or scope["method"] not in self.methods:
            await super().handle(scope, receive, send)
            return
        response = await self.endpoint(Request(scope, receive, send))
        await response(scope, receive, send)


class Shortcut:
    """Finds the direct routes before all others. Pure ASGI; what it does not know goes on to the app.

    Parameters
    ----------
    routes: of an app; those that are no `DirectRoute` are left to it.
    """

    def __init__(self, app: ASGIApp, routes: Sequence[Any]) -> None:
        self._app = app
        self._routes = [route for route in routes if isinstance(route, DirectRoute)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path = scope["path"]
            for route in self._routes:
                found = route.path_regex.match(path) if route.fits(path) else None
                if found is not None and scope["method"] in (route.methods or ()):
                    scope["route"] = route
                    await self._answer(route, found.groupdict(), scope, receive, send)
                    return
        await self._app(scope, receive, send)

    async def _answer(
        self, route: DirectRoute, given: dict[str, str], scope: Scope, receive: Receive, send: Send
    ) -> None:
        try:
            scope["path_params"] = {name: route.param_convertors[name].convert(value) for name, value in given.items()}
            response = await route.endpoint(Request(scope, receive, send))
        except RecollectError as error:
            response = of_error(scope, error)
        except RequestValidationError as error:
            response = of_validation(scope, error)
        await response(scope, receive, send)


def read_query(request: Request, form: type[S]) -> S:
    """The query as a described form. Raises `RequestValidationError` (422) for what does not fit it."""
    given: bytes = request.scope["query_string"]
    if not given:
        return form()
    if b"%" in given or b"+" in given:
        values = dict(request.query_params)
    else:
        values = dict(pair.partition("=")[::2] for pair in given.decode("latin-1").split("&"))
    try:
        return msgspec.convert(values, form, strict=False)
    except msgspec.ValidationError as error:
        said, _, place = str(error).partition(" - at `$.")
        raise RequestValidationError([{"loc": ("query", place.rstrip("`")), "msg": said, "type": "value"}]) from error


def described(form: type[Struct], *path: tuple[str, str]) -> list[dict[str, Any]]:
    """The OpenAPI parameters of a form.

    Parameters
    ----------
    path: names and examples of the ids in the route's path.
    """
    ids = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "minLength": 1},
            "description": "Any text up to 512 bytes, percent-encoded (a slash is %2F).",
            "example": example,
        }
        for name, example in path
    ]
    schema = msgspec.json.schema(form)["$defs"][form.__name__]
    return ids + [
        {
            "name": name,
            "in": "query",
            "required": False,
            "description": about.pop("description", ""),
            "schema": {key: value for key, value in about.items() if key != "default" or value is not None},
        }
        for name, about in schema["properties"].items()
    ]
