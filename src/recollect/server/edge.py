"""The outermost layer: request ids, the raw path, figures, one line of the log for each request, and the last resort."""

from __future__ import annotations

import os
import re
from itertools import count
from time import perf_counter
from urllib.parse import quote

import msgspec
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from recollect.server.problems import internal
from recollect.server.state import RequestInfo, Server, attach, info_of

GONE = 499
"""The status that figures and logs have for a client that went away before it was answered (nginx's)."""

_PROCESS = os.urandom(4).hex()
_numbers = count(1)

_GOOD_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}\Z").match


class Edge:
    """Pure ASGI, so that nothing is buffered and little is spent."""

    def __init__(self, app: ASGIApp, server: Server) -> None:
        self._app = app
        self._server = server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = perf_counter()
        server, method = self._server, scope["method"]
        head_only = method == "HEAD"
        if head_only:
            scope = {**scope, "method": "GET"}  # a copy: by its own, the HTTP server knows to send no body
        request_id = _request_id(scope)
        info = RequestInfo(server, request_id, head_only=head_only)
        attach(scope, info)
        # Routes match on the path as it was sent, so that an id may hold an encoded slash; see `params`.
        raw = scope.get("raw_path")
        scope["path"] = raw.decode("latin-1") if raw is not None else quote(scope["path"], safe="/:@!$&'()*+,;=~")

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                info.status = message["status"]
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", request_id.encode()),
                    (b"x-content-type-options", b"nosniff"),
                ]
            elif head_only:
                message = {**message, "body": b""}
            await send(message)

        server.metrics.answering += 1
        try:
            await self._app(scope, receive, answer)
        except Exception as error:
            await last_resort(error, scope, receive, answer)
        finally:
            server.metrics.answering -= 1
            seconds, route = perf_counter() - began, _route(scope)
            status = info.status or GONE
            server.metrics.observe(method, route, status, seconds)
            server.log_request(
                request_id=request_id,
                method=method,
                route=route,
                status=status,
                ms=round(seconds * 1000, 2),
            )


class LastResort:
    """Answers what the layers around it would answer in their own way. Pure ASGI."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except Exception as error:
            if scope["type"] != "http":
                raise
            await last_resort(error, scope, receive, send)


async def last_resort(error: Exception, scope: Scope, receive: Receive, send: Send) -> None:
    """Log what nobody expected, with its traceback, and answer it with a 500 that says nothing of it."""
    info = info_of(scope)
    assert info is not None
    if isinstance(error, ClientDisconnect):
        return
    if not info.failed:
        info.failed = True
        info.server.log.error(
            "request failed", request_id=info.request_id, method=scope["method"], route=_route(scope), exc_info=error
        )
    if info.status:
        raise error  # the answer has begun: only breaking the connection off tells the client
    body = msgspec.json.encode(internal(scope))
    await Response(body, 500, media_type="application/problem+json")(scope, receive, send)


def _route(scope: Scope) -> str:
    route = scope.get("route")
    path: str = getattr(route, "path_format", None) or getattr(route, "path", None) or "unmatched"
    return path


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _GOOD_ID(value):
            found: str = value.decode("ascii")
            return found
    return f"{_PROCESS}{next(_numbers):08x}"
