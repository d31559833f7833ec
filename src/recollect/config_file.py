"""The configuration file, ``recollect.toml``: read by the server's settings, and by commands that need no server."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from recollect.errors import ConfigError

CONFIG_FILE = "recollect.toml"


def read_config(path: Path) -> dict[str, Any]:
    """Keys and values as they stand in a file. Raises `ConfigError` for one that cannot be read."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error


def setting_name(key: str) -> str:
    """The setting that a key means: ``llm_model`` for ``llm-model`` and for ``RECOLLECT_LLM_MODEL``."""
    return key.lower().replace("-", "_").removeprefix("recollect_")
