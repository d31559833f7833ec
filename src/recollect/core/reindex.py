"""What is derived of the messages, made anew: terms by the analyzer of this version, vectors by the embedder that is set."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Literal

from msgspec import Struct

from recollect.core.base import Base
from recollect.core.embedding import embed_rows
from recollect.core.sources import refresh
from recollect.core.views import Log, View
from recollect.errors import RecollectError, Unavailable
from recollect.recall.analyzer import VERSION, term_text

Progress = Callable[[Literal["terms", "vectors"], int], object]
"""Told what is made, and of how many messages so far."""


class Reindexed(Struct, frozen=True, kw_only=True):
    """What a reindexing did.

    Parameters
    ----------
    messages: whose terms were looked at; 0 for a store without an index. vectors: that were made.
    """

    messages: int = 0
    vectors: int = 0

    def to_dict(self) -> dict[str, int]:
        """The counts as JSON-able data."""
        return {"messages": self.messages, "vectors": self.vectors}


async def check_index(base: Base) -> bool:
    """Whether the store's index was made by the rules of this version; an empty one is marked as ours."""
    if not base.store.capabilities.text_search:
        return True
    try:
        version = await base.store.index_version()
        if version == 0:
            await base.store.mark_index(VERSION)
    except RecollectError:
        return True  # opened for reading only, or away, which the next call will say
    return version in (0, VERSION)


async def reindex(base: Base, progress: Progress | None = None) -> Reindexed:
    """Make terms and vectors anew where they are missing or by other rules."""
    tell: Progress = progress or (lambda what, done: None)
    messages = 0
    if base.store.capabilities.text_search:
        messages = await base.store.reindex(
            VERSION, lambda message: term_text(message.text), lambda done: tell("terms", done)
        )
        base.views.index_fits = True
    vectors = 0
    if base.embedder is not None:
        for place, remembered in ((base, False), (base.area, True)):
            async for header in place.headers():
                vectors = await _embed_log(base, Log(header, remembered), vectors, tell)
        base.views.forget_coverage()
    return Reindexed(messages=messages, vectors=vectors)


async def _embed_log(base: Base, log: Log, before: int, tell: Progress) -> int:
    async def only() -> AsyncIterator[Log]:
        yield log

    view = View(base.driver.mutex(), embeds=True)
    await refresh(base, view, only())
    made = 0

    def count(done: int, _: int) -> None:
        nonlocal made
        made = done
        tell("vectors", before + done)

    wrong = await embed_rows(base, view, most=10**9, progress=count)
    if wrong is not None:
        raise Unavailable(wrong)
    return before + made
