"""The app, put together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from recollect import AsyncRecollect, RecollectError, __version__
from recollect.llm import ChatModel, ModelSummarizer, from_settings
from recollect.server import openapi, problems
from recollect.server.direct import Shortcut
from recollect.server.edge import Edge, LastResort
from recollect.server.limits import Gate
from recollect.server.logs import make_logger
from recollect.server.metrics import Metrics
from recollect.server.routes import chat, documents, memories, messages, search, sessions, suggestions, system, users
from recollect.server.state import Server
from recollect.settings import Settings, embedder_of, load_settings


def create_app(
    settings: Settings | None = None, *, memory: AsyncRecollect | None = None, model: ChatModel | None = None
) -> FastAPI:
    """The HTTP API as an ASGI app.

    Parameters
    ----------
    settings: the environment's and the file's when None.
    memory, model: made from the settings when None, and closed with the app; what is given stays its owner's.

    ``app.state.recollect`` is what requests share. Raises `ConfigError` for what cannot work.
    """
    settings = settings or load_settings()
    own_memory, own_model = memory is None, model is None
    if model is None:
        key = settings.llm_api_key
        model = from_settings(
            settings.llm_base_url,
            settings.llm_model,
            None if key is None else key.get_secret_value(),
            timeout=settings.llm_timeout,
        )
    if memory is None:
        memory = _memory(settings, model)
    server = Server(settings, memory, model, Metrics(), make_logger(settings))

    routes = [
        route
        for part in (messages, chat, sessions, users, suggestions, memories, documents, search, system)
        for route in part.router.routes
    ]
    app = _App(
        server,
        routes,
        title="Recollect",
        version=__version__,
        description=openapi.DESCRIPTION,
        openapi_tags=openapi.TAGS,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lambda _: _running(server, own_memory=own_memory, own_model=own_model),
    )
    app.state.recollect = server
    problems.install(app)
    openapi.install(app, keys=bool(settings.api_keys))
    openapi.mount_docs(app)
    system.mount_static(app)
    return app


@asynccontextmanager
async def _running(server: Server, *, own_memory: bool, own_model: bool) -> AsyncIterator[None]:
    """The time between start and stop: what runs beside the requests, and what is closed behind them."""
    await server.memory.open()
    server.summaries.start()
    server.digesting.start()
    beside = [asyncio.create_task(work(server)) for work in (_sweep, _deliver)]
    try:
        yield
    finally:
        server.stopping.set()
        await server.summaries.stop()
        await server.digesting.stop()
        for task in beside:
            task.cancel()
        await asyncio.wait(beside)
        await server.settle()
        if own_model and server.model is not None:
            await server.model.close()
        if own_memory:
            await server.memory.close()


def _memory(settings: Settings, model: ChatModel | None) -> AsyncRecollect:
    buffer: dict[str, Any] = {}
    if settings.on_unavailable == "buffer":
        buffer = {"buffer_path": settings.buffer_path, "buffer_bytes": settings.buffer_bytes}
    return AsyncRecollect(
        settings.url,
        ttl=settings.ttl,
        sliding=settings.sliding,
        summarizer=_summarizer(settings, model),
        embedder=embedder_of(settings),
        on_unavailable=settings.on_unavailable,
        **buffer,
    )


class _App(FastAPI):
    """FastAPI, with this server's layers around all of its own.

    Parameters
    ----------
    routes: stand before those of the documentation, and not by `include_router`: matching would cost more than
        answering.
    """

    def __init__(self, server: Server, routes: Sequence[BaseRoute], **options: Any) -> None:
        super().__init__(middleware=[Middleware(LastResort)], **options)
        self._server = server
        self.router.routes[:0] = routes

    def build_middleware_stack(self) -> ASGIApp:
        """The layers, the outermost first."""
        return Edge(Gate(Shortcut(super().build_middleware_stack(), self.routes), self._server), self._server)


def _summarizer(settings: Settings, model: ChatModel | None) -> ModelSummarizer | None:
    """The chat model as a summarizer, with room in its window for the prompt and the answer; None without one."""
    if model is None or settings.summarizer != "auto":
        return None
    return ModelSummarizer(model, max_input_tokens=max(500, settings.max_context_tokens * 3 // 4))


DELIVER_EVERY = 2.0
"""Seconds between looks into the buffer: requests deliver what they need, and this what nobody asks for."""


async def _deliver(server: Server) -> None:
    """Deliver what the buffer keeps, soon after the store is back."""
    if server.settings.on_unavailable != "buffer":
        return
    away = False
    while True:
        await asyncio.sleep(DELIVER_EVERY)
        try:
            done = await server.memory.deliver()
        except RecollectError as error:
            if not away:
                server.log.warning("buffering: the store does not take messages", error=str(error))
            away = True
        else:
            if any(done.to_dict().values()):
                server.log.info("delivered", **done.to_dict())
            away = False


async def _sweep(server: Server) -> None:
    """Remove what has expired, now and then."""
    pause = server.settings.sweep_every
    while pause:
        await asyncio.sleep(pause)
        try:
            swept = await server.memory.sweep()
        except RecollectError as error:
            server.log.warning("sweep failed", error=str(error))
        else:
            server.log.info("swept", **swept.to_dict())
