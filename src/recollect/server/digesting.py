"""The digest behind the requests: what users have said becomes memories by and by, and nobody waits for it."""

from __future__ import annotations

import asyncio
from typing import Any

from recollect import AsyncRecollect, ConfigError, DigestReport, Extractor, RecollectError, RuleExtractor
from recollect.llm import ChatModel, ModelExtractor
from recollect.server.metrics import Metrics
from recollect.settings import Settings

FIRST_PAUSE, LONGEST_PAUSE = 15.0, 900.0
"""Seconds after which a digest that failed is tried again: the first, twice that, and so on."""


def extractor_of(settings: Settings, model: ChatModel | None) -> Extractor | None:
    """Who draws the statements; None when nobody is to. Raises `ConfigError` for a model where none is set."""
    if settings.digest == "off":
        return None
    if settings.digest == "rules":
        return RuleExtractor()
    if model is None:
        raise ConfigError("RECOLLECT_DIGEST is model, and there is none: set RECOLLECT_LLM_MODEL")
    return ModelExtractor(model, max_input_tokens=max(500, settings.max_context_tokens * 3 // 4))


class Digesting:
    """Digests the scopes that the server's keys open, each now and then.

    How far it has come stands in the store, so nothing is lost when the server stops or dies, and several servers on one
    store share the work.

    Parameters
    ----------
    memories: one for each scope.
    """

    def __init__(
        self,
        settings: Settings,
        extractor: Extractor | None,
        memories: list[AsyncRecollect],
        metrics: Metrics,
        log: Any,
    ) -> None:
        self._every = settings.digest_every
        self._extractor = extractor
        self._memories = memories
        self._metrics = metrics
        self._log = log
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to work, on the running loop."""
        if self._extractor is not None:
            self._tasks = [asyncio.create_task(self._work(memory)) for memory in self._memories]

    async def stop(self) -> None:
        """Give up what is being drawn, and wait until that is so."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _work(self, memory: AsyncRecollect) -> None:
        pause = FIRST_PAUSE
        while True:
            # What was counted before a failure is counted too.
            seen = DigestReport()

            def count(report: DigestReport) -> None:
                nonlocal seen
                self._count(seen, report)
                seen = report

            try:
                count(await memory.digest(self._extractor, wait=False, progress=count))
            except Exception as error:
                self._metrics.digest.labels("failed").inc()
                say = self._log.warning if isinstance(error, RecollectError) else self._log.exception
                say("a digest failed", error=str(error))
                await asyncio.sleep(pause)
                pause = min(LONGEST_PAUSE, 2 * pause)
            else:
                pause = FIRST_PAUSE
                await asyncio.sleep(self._every)

    def _count(self, before: DigestReport, after: DigestReport) -> None:
        known, now = before.to_dict(), after.to_dict()
        for outcome in ("messages", "new", "superseding", "known", "aside"):
            self._metrics.digest.labels(outcome).inc(now[outcome] - known[outcome])
