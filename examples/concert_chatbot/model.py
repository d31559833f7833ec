"""The chat model of ``RECOLLECT_LLM_MODEL``, ``RECOLLECT_LLM_BASE_URL`` and ``RECOLLECT_LLM_API_KEY``, if one is set."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

Ask = Callable[[list[dict[str, Any]]], str]
"""Chat-completions messages to the text of the reply; raises `recollect.Unavailable`."""


def from_environment() -> Ask | None:
    """The model that the environment names; None when it names none."""
    name, url = os.environ.get("RECOLLECT_LLM_MODEL"), os.environ.get("RECOLLECT_LLM_BASE_URL")
    if not name and not url:
        return None
    from recollect.llm import from_settings

    key = os.environ.get("RECOLLECT_LLM_API_KEY")
    from_settings(url, name, key)  # what is wrong with the settings is said now

    async def reply(messages: list[dict[str, Any]]) -> str:
        model = from_settings(url, name, key)
        assert model is not None
        try:
            async with aclosing(model.stream(messages)) as pieces:  # type: ignore[type-var]
                return "".join([piece.text async for piece in pieces]).strip()
        finally:
            await model.close()

    return lambda messages: asyncio.run(reply(messages))
