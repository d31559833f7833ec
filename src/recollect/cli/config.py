"""The configuration file, for the commands that are no server: ``recollect.toml`` is read by all of them.

`recollect.settings` checks every value; it needs the extra ``server``, which a command line alone does not.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

from recollect.config_file import CONFIG_FILE, read_config


def setting(name: str) -> Any:
    """A setting by its name (``llm_model``): ``RECOLLECT_LLM_MODEL`` if it is set, else what the file says, else None.

    Raises `ConfigError` for a file that cannot be read, or has a key that is no setting.
    """
    given = os.environ.get(f"RECOLLECT_{name.upper()}")
    if given:
        return given
    named = os.environ.get("RECOLLECT_CONFIG")
    path = Path(named or CONFIG_FILE).absolute()
    return _file(path).get(name) if named or path.is_file() else None


@cache
def _file(path: Path) -> dict[str, Any]:
    return read_config(path)
