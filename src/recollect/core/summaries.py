"""The rolling summary of a session: what is due, who makes it, how it grows and stays short.

When more than twice `max_recent` messages stand after the last summary, all but the newest `max_recent` are folded into
it, block by block, each in a commit of its own. A block becomes a part; when the parts together are too long, two
neighbours become one, the oldest of the lowest-numbered pair of equals first, so that the summary of much is a summary of
summaries and a message is summed up about as many times as the number of blocks has binary digits.

Several programs may do this at once. A claim on the row, for a time, lets one of them work; a guarded write lets only
one result in.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from inspect import isawaitable, iscoroutinefunction
from typing import Any, NamedTuple

from msgspec import structs

from recollect.core.base import Base
from recollect.core.blocks import Block, border, clip, next_block
from recollect.core.extractive import ExtractiveSummarizer, cut
from recollect.core.summarizer import Passage, Summarized, Summarizer, SummaryTask
from recollect.core.summary_parts import CLAIM, Part, metadata_of, parts_of, shown, text_of
from recollect.errors import Conflict, InvalidInput, Unavailable
from recollect.model import Summary
from recollect.store import ABSENT, Delete, Put

MAX_RECENT = 20
"""Messages that a summary leaves to the window, when nothing else is said."""

SUMMARY_TOKENS = 800
"""The length of a summary, when nothing else is said: a fifth of the usual budget of a context."""

SHORTEST = 100
"""Tokens of a part, at least, where the length of the whole allows it."""

CLAIM_SECONDS = 300.0
"""How long a claim holds. A program that dies leaves it behind; a model that takes longer may be asked twice."""

SHORTEST_PASSAGE = 80
"""Characters that are left of a passage, at least, when many have to be clipped."""

ATTEMPTS = 200

_EXTRACTIVE = ExtractiveSummarizer()


class Limits(NamedTuple):
    """What a session may keep beside its summary.

    Parameters
    ----------
    max_recent: messages that stay out of it; twice as many make one due.
    max_tokens: tokens of messages that make one due, of which it leaves half; None for no such limit.
    length: tokens of the summary. force: fold what can be folded, due or not.
    """

    max_recent: int
    max_tokens: int | None
    length: int
    force: bool


async def summarize(
    base: Base, session_id: str, summarizer: Summarizer | None, limits: Limits, *, wait: bool
) -> Summary | None:
    """Fold what is due into the session's summary; the summary as it then is, None if there is none.

    Parameters
    ----------
    summarizer: the extractive one, which needs no claim, when None.
    wait: whether to wait for another program that has claimed the work.
    """
    lost, waited = 0, 0.0
    until: int | None = None
    while True:
        row = await base.summary_row(session_id)
        covered = row.covers_seq if row is not None else 0
        if until is None:
            until = await border(base, session_id, covered, limits)
        if until is None or until <= covered:
            return shown(row)
        if row is not None and waited < CLAIM_SECONDS and _claimed(row, base.driver.now()):
            if not wait:
                return shown(row)
            pause = min(0.5, 0.01 * 2 ** min(lost, 10))
            await base.driver.sleep(pause)
            lost, waited, until = lost + 1, waited + pause, None
            continue
        block = await next_block(base, session_id, covered, until, _made_by(summarizer).max_input_tokens)
        if block is None:
            return shown(row)
        try:
            if await _fold(base, session_id, summarizer, row, block, limits.length) is None:
                return None
        except Conflict:
            lost, until = lost + 1, None
            if lost > ATTEMPTS:
                raise
            await base.driver.sleep(random.uniform(0, min(0.05, 0.001 * 2 ** min(lost, 6))))


def _made_by(summarizer: Summarizer | None) -> Summarizer:
    return _EXTRACTIVE if summarizer is None else summarizer


def _claimed(row: Summary, now: datetime) -> bool:
    """Whether somebody is at work; not what a clock far ahead of this one has said."""
    try:
        left = datetime.fromisoformat(str(row.metadata.get(CLAIM))) - now
    except (ValueError, TypeError):
        return False
    return timedelta(0) < left <= timedelta(seconds=CLAIM_SECONDS)


async def _fold(
    base: Base, session_id: str, summarizer: Summarizer | None, row: Summary | None, block: Block, length: int
) -> Summary | None:
    """Sum up a block, and store it; None if the session is gone. `Conflict` if the row is not what it was.

    Whatever happens meanwhile, the row is then as before but for its version, or holds the new summary.
    """
    if summarizer is None:
        return await _store(base, session_id, row, await _grown(base, session_id, _EXTRACTIVE, row, block, length))
    now = base.driver.now()
    claim = (now + timedelta(seconds=CLAIM_SECONDS)).isoformat()
    before = row or Summary(session_id=session_id, text="", covers_seq=0, created_at=now, updated_at=now)
    claimed = await _put(base, before.replace(metadata={**before.metadata, CLAIM: claim}), row)
    try:
        grown = await _grown(base, session_id, summarizer, shown(claimed), block, length)
    except BaseException:
        await _release(base, before, claimed)
        raise
    return await _store(base, session_id, claimed, grown)


async def _release(base: Base, before: Summary, claimed: Summary) -> None:
    kept = {key: value for key, value in before.metadata.items() if key != CLAIM}
    try:
        await _put(base, before.replace(metadata=kept), claimed)
    except (Conflict, Unavailable):
        return  # of another by now, or it runs out by itself


async def _store(base: Base, session_id: str, row: Summary | None, summary: Summary) -> Summary | None:
    stored = await _put(base, summary, row)
    header = await base.header(session_id)
    if header is None or header.last_seq < summary.covers_seq:
        # Deleted between the reading and the writing: nothing of it may outlive that.
        await base.store.commit(base.session_partition(session_id), [Delete(table="summaries")])
        return None
    return stored


async def _put(base: Base, summary: Summary, expected: Summary | None) -> Summary:
    put = Put(table="summaries", row=summary, expect=ABSENT if expected is None else expected.version)
    (stored,) = await base.store.commit(base.session_partition(summary.session_id), [put])
    assert isinstance(stored, Summary)
    return stored


async def _grown(
    base: Base, session_id: str, summarizer: Summarizer, known: Summary | None, block: Block, length: int
) -> Summary:
    """The summary with the block in it."""
    parts = parts_of(known)
    ask = _Asking(base, session_id, summarizer)
    room = length - (known.tokens if known else 0)
    size = min(max(length // 4, room // 2), max(SHORTEST, block.tokens // 4))
    text, sources = await ask.for_text(block.passages, text_of(parts), max(1, size))
    parts.append(Part(text=text, first_seq=block.first_seq, last_seq=block.last_seq, sources=sources))
    while len(parts) > 1 and base.count(text_of(parts)) > length:
        at = _pair(parts)
        pair = parts[at : at + 2]
        text, sources = await ask.for_text([part.passage() for part in pair], text_of(parts[:at]), max(1, length // 4))
        level = max(part.level for part in pair) + 1
        parts[at : at + 2] = [
            Part(text=text, first_seq=pair[0].first_seq, last_seq=pair[1].last_seq, level=level, sources=sources)
        ]
    text = text_of(parts)
    if base.count(text) > length:
        text = cut(text, length, base.count)
        parts = [Part(text=text, first_seq=parts[0].first_seq, last_seq=block.last_seq, level=parts[0].level)]
    now = base.driver.now()
    return Summary(
        session_id=session_id,
        text=text,
        covers_seq=block.last_seq,
        metadata=metadata_of(parts, summarizer.name, known.metadata if known else {}),
        tokens=base.count(text),
        created_at=known.created_at if known else now,
        updated_at=now,
    )


def _pair(parts: Sequence[Part]) -> int:
    """Which part is to be put together with the next: the oldest two of one level, else the two oldest."""
    return next((i for i in range(len(parts) - 1) if parts[i].level == parts[i + 1].level), 0)


class _Asking:
    """Asks a summarizer, and looks at what it says."""

    def __init__(self, base: Base, session_id: str, summarizer: Summarizer) -> None:
        self._base = base
        self._session_id = session_id
        self._summarizer = summarizer

    async def for_text(self, passages: Sequence[Passage], known: str, size: int) -> tuple[str, list[int]]:
        """A text of so many tokens at most, and its sources."""
        most = max(1, self._summarizer.max_input_tokens)
        task = SummaryTask(
            session_id=self._session_id,
            passages=self._readable(passages, most),
            known=cut(known, most, self._base.count),
            max_tokens=size,
            count=self._base.count,
        )
        given = await self._call(task)
        text, sources = (given.text, given.sources) if isinstance(given, Summarized) else (given, [])
        if not isinstance(text, str):
            raise InvalidInput(
                f"the summarizer {self._summarizer.name!r} gave a {type(text).__name__}: it has to give text",
                field="summarizer",
            )
        text = text.encode("utf-8", "replace").decode().strip()
        if not text:
            raise Unavailable(f"the summarizer {self._summarizer.name!r} gave an empty text")
        return cut(text, size, self._base.count), [seq for seq in sources if type(seq) is int]

    def _readable(self, passages: Sequence[Passage], most: int) -> list[Passage]:
        """The passages, clipped where they are too long together: messages that cannot be parted, a text of somebody else."""
        found = list(passages)
        size = max(len(passage.text) for passage in found)
        while (over := sum(self._base.count(passage.text) for passage in found) - most) > 0 and size > SHORTEST_PASSAGE:
            size = max(SHORTEST_PASSAGE, size // 2)
            found = [structs.replace(passage, text=clip(passage.text, size)) for passage in found]
        while over > 0 and len(found) > 1:
            over -= self._base.count(found.pop(len(found) // 2).text)
        return found

    async def _call(self, task: SummaryTask) -> Any:
        call = self._summarizer.summarize
        given: Any = call(task) if iscoroutinefunction(call) else await self._base.driver.run(call, task)
        return await self._base.driver.finish(given) if isawaitable(given) else given
