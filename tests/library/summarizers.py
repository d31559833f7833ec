"""Summarizers that do as they are told."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from recollect import Summarized, SummaryTask


class Scripted:
    """A summarizer that takes its time and says what it is told to, or fails.

    Parameters
    ----------
    says: the text, or what makes it of a task, or the error to raise. pause: seconds that it takes.
    """

    name = "scripted"

    def __init__(self, says: Any = "They talked.", *, pause: float = 0.0, max_input_tokens: int = 3000) -> None:
        self.says = says
        self.pause = pause
        self.max_input_tokens = max_input_tokens
        self.tasks: list[SummaryTask] = []
        self.meanwhile: Callable[[], object] | None = None

    def summarize(self, task: SummaryTask) -> str | Summarized:
        self.tasks.append(task)
        time.sleep(self.pause)
        if self.meanwhile is not None:
            self.meanwhile()
        says = self.says(task) if callable(self.says) and not isinstance(self.says, type) else self.says
        if isinstance(says, BaseException):
            raise says
        return says  # type: ignore[no-any-return]


class AsyncScripted(Scripted):
    """The same as a coroutine function."""

    async def summarize(self, task: SummaryTask) -> str | Summarized:  # type: ignore[override]
        import asyncio

        await asyncio.sleep(0)
        return super().summarize(task)
