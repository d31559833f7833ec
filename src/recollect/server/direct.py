"""Hot routes: described by FastAPI and called without it, as its way to a route and to parameters costs more than all
else in a request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from msgspec import Struct
from starlette.requests import Request
from starlette.routing import Match
from starlette.types import ASGIApp, Receive, Scope, Send

from recollect import InvalidInput, RecollectError
from recollect.server.problems import of_error, of_validation

S = TypeVar("S", bound=Struct)


_VALUES = "recollect.query"
"""Where a request's scope has the parameters of its query, once they are checked."""

_NO_MATCH: tuple[Match, Scope] = (Match.NONE, {})


class Route(APIRoute):
    """A route that sees by the ends of a path that it is not meant: the router asks each route in turn, and what FastAPI
    does to say no takes longer than many an answer. It refuses query parameters that it does not describe."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        self._begin, self._end = path.partition("{")[0], path.rpartition("}")[2]
        described = (self.openapi_extra or {}).get("parameters", [])
        names = {about["name"] for about in described if about["in"] == "query"}
        self._parameters = frozenset(names | {field.alias for field in self.dependant.query_params})

    def fits(self, path: str) -> bool:
        """Whether the path may be one of this route."""
        return path.startswith(self._begin) and path.endswith(self._end)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """As FastAPI has it."""
        if scope["type"] == "http" and not scope.get("root_path") and not self.fits(scope["path"]):
            return _NO_MATCH
        return super().matches(scope)

    def check_query(self, scope: Scope) -> None:
        """Raises `RequestValidationError` (422) for a parameter that the route does not have, or that is given twice: what
        it was to narrow would be answered in full."""
        given = scope["query_string"]
        if not given:
            return
        pairs = _pairs(given)
        values = scope[_VALUES] = dict(pairs)
        if len(values) == len(pairs) and values.keys() <= self._parameters:
            return
        there = f"there are {', '.join(sorted(self._parameters))}" if self._parameters else "there is none here"
        names = [name for name, _ in pairs]
        wrong = {name: f"no such parameter: {there}" for name in names if name not in self._parameters}
        wrong = wrong or {name: "given more than once" for name in names if names.count(name) > 1}
        raise RequestValidationError(
            [{"loc": ("query", name[:100]), "msg": said, "type": "value"} for name, said in list(wrong.items())[:10]]
        )

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As FastAPI has it, with a look at the query."""
        if self.methods is None or scope["method"] in self.methods:
            self.check_query(scope)
        await super().handle(scope, receive, send)


class DirectRoute(Route):
    """A route whose endpoint takes the request and gives a response, and nothing else."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the endpoint."""
        if self.methods is None or scope["method"] not in self.methods:
            await super().handle(scope, receive, send)
            return
        self.check_query(scope)
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
            route.check_query(scope)
            scope["path_params"] = {name: route.param_convertors[name].convert(value) for name, value in given.items()}
            response = await route.endpoint(Request(scope, receive, send))
        except RecollectError as error:
            response = of_error(scope, error)
        except RequestValidationError as error:
            response = of_validation(scope, error)
        await response(scope, receive, send)


def read_query(request: Request, form: type[S]) -> S:
    """The query of a direct route as a described form. Raises `RequestValidationError` (422) for what does not fit it."""
    values = request.scope.get(_VALUES)
    if not values:
        return form()
    try:
        return msgspec.convert(values, form, strict=False)
    except msgspec.ValidationError as error:
        said, _, place = str(error).partition(" - at `$.")
        raise RequestValidationError([{"loc": ("query", place.rstrip("`")), "msg": said, "type": "value"}]) from error


def _pairs(given: bytes) -> list[tuple[str, str]]:
    """The names and values of a query, as Starlette reads them.

    Raises `InvalidInput` (400) for what is not UTF-8: read with marks in its place, two users would be one.
    """
    text = given.decode("latin-1")
    if b"%" in given or b"+" in given:
        try:
            return parse_qsl(text, keep_blank_values=True, errors="strict")
        except UnicodeDecodeError as error:
            pairs = parse_qsl(text, keep_blank_values=True, errors="replace")
            name = next((name for name, value in pairs if "\ufffd" in name + value), "query")
            raise InvalidInput(f"{name}: a query is percent-encoded UTF-8, and this is not", field=name) from error
    return [(name, value) for name, _, value in [pair.partition("=") for pair in text.split("&") if pair]]


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
