"""The configuration file, for the commands that are no server: ``recollect.toml`` is read by all of them.

`recollect.settings` checks every key; it needs the extra ``server``, which a command line alone does not.
"""

from __future__ import annotations

import os
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from recollect import ConfigError

FILE = "recollect.toml"


def setting(name: str) -> Any:
    """A setting by its name (``llm_model``): ``RECOLLECT_LLM_MODEL`` if it is set, else what the file says, else None.

    Raises `ConfigError` for a file that cannot be read.
    """
    given = os.environ.get(f"RECOLLECT_{name.upper()}")
    if given:
        return given
    named = os.environ.get("RECOLLECT_CONFIG")
    path = Path(named or FILE).absolute()
    return _file(path).get(name) if named or path.is_file() else None


@cache
def _file(path: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error
    return {key.lower().replace("-", "_").removeprefix("recollect_"): value for key, value in values.items()}
