"""Summarizers that do as they are told, talk to summarise, and what holds of every summary."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable
from typing import Any

from recollect import Message, SessionHandle, Summarized, Summary, SummaryTask
from tests.library.contexts import say
from tests.library.logs import Log, unpaired


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


FACTS = [
    "My dog is called Rex and he is afraid of thunder.",
    "I work as a nurse at the harbour hospital.",
    "The flight to Busan leaves on Friday at nine.",
    "My sister Mina is getting married in October.",
    "I am allergic to peanuts, so no satay for me.",
]


def talk(count: int, start: int = 0) -> Log:
    """Facts among small talk."""
    return [
        say(FACTS[i // 4 % 5] if i % 4 == 0 else f"Right, number {i}.", "user" if i % 2 == 0 else "assistant")
        for i in range(start, start + count)
    ]


def said_in(text: str) -> list[str]:
    """The lines of an extractive summary that are no days."""
    return [line for line in text.splitlines() if not re.fullmatch(r"\d{4}-\d\d-\d\d", line)]


def check(session: SessionHandle, summary: Summary, *, length: int = 800, count: Any = None) -> list[Message]:
    """What holds of every summary; the whole log."""
    log = list(session.read(limit=10_000))
    parts: Any = summary.metadata["parts"]
    assert summary == session.summary()
    assert summary.text.strip()
    assert count is None or count(summary.text) <= length
    assert summary.tokens <= length
    assert [part["to"] for part in parts][-1] == summary.covers_seq
    assert all(one["to"] + 1 == other["from"] for one, other in itertools.pairwise(parts))
    assert parts[0]["from"] == 1
    assert "claim" not in summary.metadata
    after = [m for m in log if m.seq > summary.covers_seq]
    assert unpaired(after) <= unpaired(log), "a result is behind the summary and its call is not"
    numbers = {m.seq for m in log}
    texts = {m.seq: " ".join(m.text.split()) for m in log}
    at = 0
    for part in parts if summary.metadata["by"] == "extractive" else ():
        own = summary.text[at : at + part["characters"]]
        at += len(own) + 1
        for line, seq in zip(said_in(own), part["sources"], strict=True) if part["sources"] else ():
            said = line.partition(": ")[2]
            assert said in texts.get(seq, said) or "…" in said or said.startswith("[calls "), (line, seq)
    assert set(summary.metadata["sources"]) <= {seq for seq in numbers if seq <= summary.covers_seq}
    return log
