"""The configuration file, ``recollect.toml``: read by the server's settings, and by commands that need no server."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from recollect.errors import ConfigError

CONFIG_FILE = "recollect.toml"

SETTINGS = (
    "url",
    "api_keys",
    "host",
    "port",
    "llm_base_url",
    "llm_model",
    "llm_api_key",
    "llm_timeout",
    "embed_base_url",
    "embed_model",
    "embed_api_key",
    "ttl",
    "sliding",
    "max_context_tokens",
    "summarizer",
    "summary_max_recent",
    "summary_max_tokens",
    "summary_length",
    "digest",
    "digest_every",
    "max_body_bytes",
    "requests_per_minute",
    "max_concurrent_requests",
    "shutdown_grace",
    "sweep_every",
    "on_unavailable",
    "buffer_path",
    "buffer_bytes",
    "log_level",
    "log_format",
)
"""What can be set: the fields of `recollect.settings.Settings`, by name for who has no pydantic."""


def read_config(path: Path) -> dict[str, Any]:
    """Settings and their values as they stand in a file.

    Raises `ConfigError` for a file that cannot be read, and for a key that is no setting.
    """
    try:
        read = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error
    for key in read:
        if _name(key) not in SETTINGS:
            raise ConfigError(f"unknown key {key!r} in {path}: one of {', '.join(SETTINGS)}")
    return {_name(key): value for key, value in read.items()}


def _name(key: str) -> str:
    """The setting that a key means: ``llm_model`` for ``llm-model`` and for ``RECOLLECT_LLM_MODEL``."""
    return key.lower().replace("-", "_").removeprefix("recollect_")
