"""Extractors that do as they are told."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, cast

from recollect import ExtractionTask, Statement


class Scripted:
    """An extractor that gives one statement for each message of a user, or what it is told to, or fails.

    Parameters
    ----------
    says: the statements, or what makes them of a task, or the error to raise. pause: seconds that it takes.
    """

    name = "scripted"

    def __init__(self, says: Any = None, *, pause: float = 0.0, max_known: int = 0, tokens: int = 3000) -> None:
        self.says = says
        self.pause = pause
        self.max_known = max_known
        self.max_input_tokens = tokens
        self.tasks: list[ExtractionTask] = []
        self.meanwhile: Callable[[], object] | None = None

    def extract(self, task: ExtractionTask) -> list[Statement]:
        self.tasks.append(task)
        time.sleep(self.pause)
        if self.meanwhile is not None:
            self.meanwhile()
        says = echo(task) if self.says is None else self.says
        says = says(task) if callable(says) and not isinstance(says, type) else says
        if isinstance(says, BaseException):
            raise says
        return cast("list[Statement]", says)

    @property
    def seen(self) -> list[str]:
        """The texts of the users' messages that it was given."""
        return [said.text for task in self.tasks for said in task.messages if said.role == "user"]


class AsyncScripted(Scripted):
    """The same as a coroutine function."""

    async def extract(self, task: ExtractionTask) -> list[Statement]:  # type: ignore[override]
        import asyncio

        await asyncio.sleep(0)
        return super().extract(task)


def echo(task: ExtractionTask) -> list[Statement]:
    """What each message of the user says."""
    return [Statement(content=f"Said: {one.text}", messages=[one.id]) for one in task.messages if one.role == "user"]
