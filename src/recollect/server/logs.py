"""Structured logs: what was asked and how it went, never what was said, by whom, or with which key."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec
import structlog

from recollect.settings import Settings

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def make_logger(settings: Settings) -> Any:
    """The server's own logger, to standard error: JSON lines, or colours at a terminal."""
    return structlog.wrap_logger(
        structlog.WriteLogger(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[settings.log_level]),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *_renderers(settings),
        ],
        cache_logger_on_first_use=True,
    )


def make_request_log(settings: Settings, log: Any) -> Callable[..., None]:
    """What is called with the fields of a request when it has been answered.

    For machines the line is written without structlog's processors, in the same form: they cost as much as reading ten
    messages does.
    """
    if _form(settings) != "json" or _LEVELS[settings.log_level] > logging.INFO:
        return partial(log.info, "request")
    encode, stream = msgspec.json.Encoder().encode, sys.stderr

    def write(**fields: Any) -> None:
        fields["event"], fields["level"], fields["timestamp"] = "request", "info", datetime.now(UTC)
        stream.write(encode(fields).decode() + "\n")
        stream.flush()

    return write


def route_standard_logging(settings: Settings) -> None:
    """Send the lines of uvicorn and of every other library through the same form. For a process of our own only."""
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
        ],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderers(settings)],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(_LEVELS[settings.log_level], logging.INFO))
    for name in ("uvicorn", "httpx", "httpx2", "httpcore", "openai", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _form(settings: Settings) -> str:
    if settings.log_format == "auto":
        return "console" if sys.stderr.isatty() else "json"
    return settings.log_format


def _renderers(settings: Settings) -> list[Any]:
    if _form(settings) == "console":
        colors = sys.stderr.isatty()
        return [structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback)]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(serializer=_json)]


def _json(event: Any, **_: Any) -> str:
    return msgspec.json.encode(event, enc_hook=str).decode()
