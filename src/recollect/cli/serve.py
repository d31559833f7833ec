"""``serve``: the HTTP server."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Annotated, Any

import typer

from recollect import ConfigError, connect
from recollect.cli.command import command
from recollect.cli.shell import Shell

OPTIONS = {
    "host": ("ADDRESS", "The address to listen on (127.0.0.1)."),
    "port": ("N", "The port to listen on; 0 is any free one (8000)."),
    "api_keys": (
        "KEYS",
        "key:scope, comma separated. Without keys the server listens on loopback only. Better in the environment.",
    ),
    "llm_base_url": ("URL", "An OpenAI-compatible endpoint."),
    "llm_model": ("NAME", "The chat model; without one answers are quoted from memory."),
    "llm_api_key": ("KEY", "The endpoint's key. Better in the environment."),
    "llm_timeout": ("S", "Seconds: how long the model may be silent."),
    "embed_base_url": ("URL", "An OpenAI-compatible endpoint for embeddings."),
    "embed_model": ("NAME", "The embedding model; local:NAME runs one in this process."),
    "embed_api_key": ("KEY", "The embedder's key. Better in the environment."),
    "ttl": ("S", "Seconds: how long a new session lives; for ever when not set."),
    "sliding": ("BOOL", "Whether each message begins a session's ttl anew."),
    "max_context_tokens": ("N", "The budget of the context of a reply."),
    "summarizer": ("WHO", "auto (the chat model where one is set), extractive or off."),
    "summary_max_recent": ("N", "Messages that a summary leaves out; twice as many make one due."),
    "summary_max_tokens": ("N", "Tokens of messages that make one due; max-context-tokens when not set."),
    "summary_length": ("N", "Tokens of a summary at most."),
    "max_body_bytes": ("N", "The largest request body."),
    "requests_per_minute": ("N", "For each key, or address without keys; 0 is no limit."),
    "max_concurrent_requests": ("N", "More than these are told to come back."),
    "shutdown_grace": ("S", "Seconds: how long streams in flight get at the end."),
    "sweep_every": ("S", "Seconds between removals of what has expired; 0 is never."),
    "on_unavailable": (
        "WHAT",
        "raise, or buffer: messages that the store cannot take now are kept in a file and delivered when it is back.",
    ),
    "buffer_path": ("FILE", "The buffer's file (recollect-buffer.db)."),
    "buffer_bytes": ("N", "The most that the buffer keeps (256 MiB)."),
    "log_level": ("LEVEL", "debug, info, warning or error."),
    "log_format": ("FORMAT", "console, json, or auto: console at a terminal, else JSON."),
}
"""The settings by name; a test holds them to `recollect.settings.Settings`, which checks the values."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, without=("scope",))(serve)


def serve(
    shell: Shell,
    /,
    config: Annotated[
        Path | None,
        typer.Option("--config", envvar="RECOLLECT_CONFIG", metavar="FILE", help="Settings as TOML (recollect.toml)."),
    ] = None,
    **told: Any,
) -> None:
    """Serve the HTTP API and the web page.

    Every option is also a variable, RECOLLECT_ and its name (--llm-model is RECOLLECT_LLM_MODEL), and a key of
    recollect.toml. What is told here goes before the environment, the environment before the file.
    """
    from recollect.server import run
    from recollect.settings import load_settings

    if shell.json:
        told["log_format"] = told["log_format"] or "json"
    try:
        settings = load_settings(config, url=shell.told_url, **told)
        connect(settings.url)
    except ConfigError as error:
        shell.wrong_usage("; ".join(str(error).splitlines()))
    run(settings)


def _parameters() -> list[inspect.Parameter]:
    parameters = [p for p in inspect.signature(serve, eval_str=True).parameters.values() if p.kind != p.VAR_KEYWORD]
    for name, (metavar, text) in OPTIONS.items():
        option = typer.Option(f"--{name.replace('_', '-')}", metavar=metavar, help=text)
        parameters.append(
            inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, annotation=Annotated[str | None, option], default=None
            )
        )
    return parameters


serve.__signature__ = inspect.Signature(_parameters())  # type: ignore[attr-defined]
