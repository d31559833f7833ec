"""What the server says of itself: the page, health, figures."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import FileResponse
from starlette.datastructures import MutableHeaders
from starlette.staticfiles import StaticFiles
from starlette.types import Message, Receive, Scope, Send

import recollect
from recollect import NotFound, Unavailable
from recollect.server.bodies import reply
from recollect.server.direct import DirectRoute
from recollect.server.params import fails, gives
from recollect.server.schemas import AboutOut, StatusOut
from recollect.server.state import memory_of, server_of

router = APIRouter(tags=["system"], route_class=DirectRoute)

PAGE = Path(recollect.__file__).parent / "inspector" / "static"
_PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data: https:; object-src 'none'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


async def page(_: Request) -> Response:
    """The page."""
    index = PAGE / "index.html"
    if not index.is_file():
        raise NotFound("this installation has no page; the API is at /docs")
    return FileResponse(index, media_type="text/html; charset=utf-8", headers=_PAGE_HEADERS)


async def favicon(_: Request) -> Response:
    """Nothing, without a line in the browser's console."""
    return Response(status_code=204)


class _Page(DirectRoute):
    """What a browser asks for; links to it carry queries of their own."""

    def check_query(self, scope: Scope) -> None:
        """Every query is as good as none."""


for _path, _endpoint in (("/", page), ("/favicon.ico", favicon)):
    router.add_api_route(
        _path, _endpoint, include_in_schema=False, response_model=None, methods=["GET"], route_class_override=_Page
    )


@router.get(
    "/api/v1/about",
    summary="What this server is",
    response_model=None,
    responses={**gives(AboutOut, "Version, store, model, scope."), **fails()},
)
async def about(request: Request) -> Response:
    """Which store and model it runs on, and what the key opens."""
    server = server_of(request.scope)
    store, model = server.memory.store, server.model
    return reply(
        {
            "name": "recollect",
            "version": recollect.__version__,
            "store": {"kind": store.kind, "url": store.url},
            "model": None if model is None else {"name": model.name, "base_url": model.base_url},
            "scope": memory_of(request).scope,
            "auth": bool(server.settings.api_keys),
        }
    )


@router.get(
    "/healthz",
    summary="Is the process alive?",
    response_model=None,
    responses=gives(StatusOut, "It answers, so it is."),
)
async def healthz(_: Request) -> Response:
    """Asks nothing else. Needs no key."""
    return reply({"status": "ok"})


@router.get(
    "/readyz",
    summary="Can it serve?",
    response_model=None,
    responses={**gives(StatusOut, "The store answers."), 503: fails()[503]},
)
async def readyz(request: Request) -> Response:
    """Asks the store. Needs no key."""
    server = server_of(request.scope)
    try:
        await server.ping()
    except TimeoutError as error:
        raise Unavailable("the store does not answer within 2 seconds") from error
    return reply({"status": "ready"})


@router.get(
    "/metrics",
    summary="Figures for Prometheus",
    response_model=None,
    responses={200: {"description": "In its text format.", "content": {"text/plain": {}}}, **fails()},
)
async def metrics(request: Request) -> Response:
    """Of all scopes together, so it needs a key where there are keys (any of them). No label holds an id."""
    server = server_of(request.scope)
    try:
        await server.ping()
    except (recollect.RecollectError, TimeoutError):
        pass  # recollect_store_up says so
    with suppress(recollect.RecollectError):
        server.metrics.show_buffer(await server.memory.buffered())
    return Response(server.metrics.render(), media_type="text/plain; version=0.0.4; charset=utf-8")


class _Static(StaticFiles):
    """The page's files, under the page's policy."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _PAGE_HEADERS.items():
                    headers[name] = value
            await send(message)

        await super().__call__(scope, receive, answer)


def mount_static(app: FastAPI) -> None:
    """Serve the page's files."""
    files: Any = _Static(directory=PAGE, check_dir=False)
    app.mount("/static", files, name="static")
