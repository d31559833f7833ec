"""Summaries behind the requests: what a turn or an append makes due is summarised by and by, and nobody waits for it."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from typing import Any

from recollect import AsyncRecollect, RecollectError
from recollect.server.metrics import Metrics
from recollect.settings import Settings

WORKERS = 2
"""Sessions that are summarised at once: a model of one's own has few hands."""

KNOWN = 10_000
"""Sessions of which is remembered when they were looked at, and that may wait; others are looked at again, or later."""

QUIET, PATIENCE = 1.0, 30.0
"""Seconds without growth after which a session is looked at, and after which it is, growing or not: an append that comes
right behind another has nothing to share the processor with."""

SAMPLE = 0.05
"""Seconds over which is seen, before a session is looked at, whether requests are coming thick and fast. Then they go
first, until the session's patience is over."""

MANY, BUSY = 100, 0.5
"""Requests a second, and the part of its time that the event loop works, from which that is so."""

FIRST_PAUSE, LONGEST_PAUSE = 15.0, 900.0
"""Seconds after which a session is tried again whose summary failed: the first, twice that, and so on."""

_Key = tuple[str, str]


class _Waiting:
    """A session that may be due: since when it waits, and when it grew last, by the loop's clock."""

    __slots__ = ("first", "last_seq", "latest", "memory")

    def __init__(self, memory: AsyncRecollect, first: float) -> None:
        self.memory = memory
        self.first = first
        self.latest = first
        self.last_seq = 0

    def left(self, now: float) -> float:
        """Seconds until it may be looked at; 0 or less when it may."""
        return min(self.latest + QUIET, self.first + PATIENCE) - now

    def is_overdue(self, now: float) -> bool:
        """Whether it is to be looked at whatever else there is to do."""
        return self.first + PATIENCE <= now


class Summaries:
    """Looks at sessions that have grown, and summarises those that are due.

    What is due can be seen from the session itself, so nothing is lost when the server stops or dies: the session is
    looked at again when it grows next.
    """

    def __init__(self, settings: Settings, metrics: Metrics, log: Any) -> None:
        self._max_recent = settings.summary_max_recent
        self._max_tokens = settings.summary_max_tokens or settings.max_context_tokens
        self._length = settings.summary_length
        self._off = settings.summarizer == "off"
        self._metrics = metrics
        self._log = log
        self._looked: OrderedDict[_Key, int] = OrderedDict()
        self._waiting: OrderedDict[_Key, _Waiting] = OrderedDict()
        self._resting: dict[_Key, asyncio.TimerHandle] = {}
        self._pauses: dict[_Key, float] = {}
        self._busy: set[_Key] = set()
        self._wake = asyncio.Event()
        self._workers: list[asyncio.Task[None]] = []

    def grown(self, memory: AsyncRecollect, session_id: str, last_seq: int) -> None:
        """A session has messages up to this number. Costs next to nothing."""
        key = (memory.scope, session_id)
        # Of so few messages more nothing becomes due, unless they are long: then a few later.
        if self._off or last_seq - self._looked.get(key, -KNOWN) < max(1, self._max_recent // 4):
            return
        self._enqueue(key, memory, last_seq)

    def _enqueue(self, key: _Key, memory: AsyncRecollect, last_seq: int) -> None:
        known = self._waiting.get(key)
        if key in self._resting or (known is None and len(self._waiting) >= KNOWN):
            return
        now = asyncio.get_running_loop().time()
        if known is None:
            known = self._waiting[key] = _Waiting(memory, now)
            self._wake.set()
        else:
            self._waiting.move_to_end(key)  # so the first is the one that has been quiet for longest
        known.last_seq, known.latest = last_seq, now

    def start(self) -> None:
        """Begin to work, on the running loop."""
        if not self._off:
            self._workers = [asyncio.create_task(self._work()) for _ in range(WORKERS)]

    async def stop(self) -> None:
        """Give up what is being made, and wait until that is so."""
        workers, self._workers = self._workers, []
        for worker in workers:
            worker.cancel()
        if workers:
            await asyncio.wait(workers)
        for timer in self._resting.values():
            timer.cancel()
        self._resting.clear()

    async def _work(self) -> None:
        while True:
            key = next((one for one in self._waiting if one not in self._busy), None)
            if key is None:
                self._wake.clear()
                await self._wake.wait()
                continue
            waiting, now = self._waiting[key], asyncio.get_running_loop().time()
            left = waiting.left(now)
            if left > 0:
                await asyncio.sleep(min(left, QUIET))
                continue
            if not waiting.is_overdue(now):
                latest = waiting.latest
                if await self._is_busy() or self._waiting.get(key) is not waiting or waiting.latest > latest:
                    continue
            del self._waiting[key]
            self._busy.add(key)
            try:
                await self._summarize(key, waiting.memory, waiting.last_seq)
            finally:
                self._busy.discard(key)
                self._wake.set()

    async def _is_busy(self) -> bool:
        answered, began, worked = self._metrics.answered, time.monotonic(), time.thread_time()
        await asyncio.sleep(SAMPLE)
        took = time.monotonic() - began
        return self._metrics.answered - answered > MANY * took or time.thread_time() - worked > BUSY * took

    async def _summarize(self, key: _Key, memory: AsyncRecollect, last_seq: int) -> None:
        session = memory.session(key[1])
        made = self._metrics.summaries
        try:
            before = await session.summary()
            after = await session.summarize(
                max_recent=self._max_recent, max_tokens=self._max_tokens, length=self._length, wait=False
            )
        except Exception as error:
            made.labels("failed").inc()
            self._later(key, memory, last_seq)
            say = self._log.warning if isinstance(error, RecollectError) else self._log.exception
            say("a summary failed", error=str(error))
            return
        self._pauses.pop(key, None)
        self._looked[key] = last_seq
        self._looked.move_to_end(key)
        while len(self._looked) > KNOWN:
            self._looked.popitem(last=False)
        if after is not None and (before is None or after.covers_seq > before.covers_seq):
            made.labels("made").inc()

    def _later(self, key: _Key, memory: AsyncRecollect, last_seq: int) -> None:
        """Try again in a while, whether the session grows or not; not before, however much it grows."""
        if len(self._pauses) >= KNOWN and key not in self._pauses:
            return
        pause = self._pauses.get(key, FIRST_PAUSE)
        self._pauses[key] = min(LONGEST_PAUSE, 2 * pause)

        def again() -> None:
            del self._resting[key]
            self._enqueue(key, memory, last_seq)

        self._resting[key] = asyncio.get_running_loop().call_later(pause, again)
