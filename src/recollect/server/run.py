"""``recollect serve``: the app in a process of its own."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn

from recollect import ConfigError, __version__
from recollect.llm import ChatModel
from recollect.server.app import create_app
from recollect.server.auth import check_exposure
from recollect.server.logs import route_standard_logging
from recollect.server.state import Server
from recollect.settings import Settings

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM, then stop in good order and return.

    Raises `ConfigError` for what cannot work: a database that is none, a port in use, a network address without keys.
    """
    check_exposure(settings)
    route_standard_logging(settings)
    app = create_app(settings)
    server: Server = app.state.recollect
    with _listen(settings) as listener:
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            ws="none",
            timeout_graceful_shutdown=int(settings.shutdown_grace) + 3,
        )
        with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
            try:
                runner.run(server.memory.open())
                print(describe(settings, server, listener), flush=True)
                runner.run(_Uvicorn(config, server).serve([listener]))
            finally:
                runner.run(server.memory.close())


class _Uvicorn(uvicorn.Server):
    """Uvicorn that tells the app of a signal at once, and ends without raising it again."""

    def __init__(self, config: uvicorn.Config, server: Server) -> None:
        super().__init__(config)
        self._recollect = server

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()

        def stop(number: int, frame: FrameType | None) -> None:
            self.handle_exit(number, frame)
            loop.call_soon_threadsafe(self._recollect.stopping.set)

        before = {number: signal.signal(number, stop) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _listen(settings: Settings) -> socket.socket:
    host = settings.host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With its protocol by name: asyncio turns Nagle's algorithm off only for sockets that say TCP, and with it on each
    # answer waits 40 ms for an acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, settings.port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"cannot listen on {host} port {settings.port}: {error.strerror} (RECOLLECT_HOST, RECOLLECT_PORT)"
        ) from error
    return listener


def describe(settings: Settings, server: Server, listener: socket.socket) -> str:
    """What is said at the start."""
    host, port = listener.getsockname()[:2]
    if ipaddress.ip_address(host).is_unspecified:
        host = "localhost"
    place = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    keys = settings.api_keys
    if keys:
        scopes = len({key.scope for key in keys})
        access = f"{len(keys)} key{'s' * (len(keys) > 1)} for {scopes} scope{'s' * (scopes > 1)}"
    else:
        access = "none: listening on loopback only (set RECOLLECT_API_KEYS to listen elsewhere)"
    buffer = {} if settings.on_unavailable == "raise" else {"buffer": settings.buffer_path or "recollect-buffer.db"}
    lines = {
        "open": place,
        "docs": f"{place}/docs",
        "store": server.memory.store.url,
        **buffer,
        "model": _model(server.model),
        "keys": access,
    }
    return "\n".join([f"Recollect {__version__}", *(f"  {name:<6} {value}" for name, value in lines.items())])


def _model(model: ChatModel | None) -> str:
    if model is None:
        return "none: the offline answerer replies (set RECOLLECT_LLM_MODEL)"
    return model.name if model.base_url is None else f"{model.name} at {model.base_url}"
