"""Stores that need a server: skipped where there is none, but never where it must be there."""

from __future__ import annotations

import os

import pytest


def require(env_var: str, start_line: str) -> str:
    """The URL of a service, from the environment.

    Parameters
    ----------
    env_var: the variable that holds the URL. start_line: the command that starts such a service here.

    Skips the test (or the module) when the variable is not set, and says how to start the service. Where ``CI`` is set
    nothing is skipped: a run that did not try a store must not look as if it had.
    """
    url = os.environ.get(env_var, "")
    if url:
        return url
    advice = f"{env_var} is not set; start the service: {start_line}"
    if os.environ.get("CI", "").lower() not in ("", "0", "false"):
        pytest.fail(f"{advice} (a missing service is an error in CI)", pytrace=False)
    pytest.skip(advice, allow_module_level=True)
