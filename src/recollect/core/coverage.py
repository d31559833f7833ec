"""Vectors where there is too much to be held: whether they are made, and those of what was said since.

`reindex` makes them all, the newest session first. So when the oldest sessions have theirs, all had them that were there
then, and a recall makes up what came later: from the newest session back, until it comes to some that lack none. Until
then words alone answer: a part of the vectors would put its rows before all others.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from recollect.core.base import Base
from recollect.core.embedding import AT_ONCE, MOST, keep_rows
from recollect.core.signs import Signs
from recollect.core.sources import LARGE_SECONDS
from recollect.core.views import View, is_embeddable
from recollect.model import Message, Session, Vector

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SAMPLED = 10
"""Sessions at either end that are looked at, `AT_ONCE` vectors of each at most."""

COMPLETE = 8
"""So many sessions after one another that lack no vector: those before them lack none either."""

SESSIONS = 200
"""That lack vectors; of more of them, and of more than `MOST` messages, `reindex` makes them, and no recall."""

PAGE = 16
"""Sessions that are listed at a time; mostly none of them is new."""


class Coverage:
    """What is known of the vectors of a partition.

    Parameters
    ----------
    looked_at: when. mean: of some of the vectors; None while there are none of the embedder's model.
    """

    def __init__(self, looked_at: datetime, mean: NDArray[np.float32] | None) -> None:
        self.looked_at = looked_at
        self.mean = mean
        self.complete_to: datetime | None = None
        """The latest activity that was seen and made up for."""
        self.signs: Signs | None = None
        """Where the store searches no vectors itself."""
        self.is_read = False
        """Whether somebody reads all the vectors for their signs just now."""

    @property
    def size_bytes(self) -> int:
        """Memory that it takes."""
        return 0 if self.signs is None else self.signs.size_bytes


class _Gap(NamedTuple):
    """A session whose rows behind a number have no vector."""

    header: Session
    after: int


async def cover(base: Base, view: View, user_id: str | None) -> tuple[Coverage | None, str | None]:
    """A partition's vectors, after what was said since has its own; None where words have to do.

    Parameters
    ----------
    view: the partition's, which remembers what is known. user_id: whose messages; all of the tenant's when None.

    Returns
    -------
    What is known of them, and what is to be told of it.
    """
    embedder, store = base.embedder, base.store
    assert embedder is not None
    if not store.capabilities.vectors:
        return None, f"by words alone: the {store.kind} store keeps no vectors"
    now, known = base.driver.now(), view.coverage
    if known is None or (known.mean is None and abs((now - known.looked_at).total_seconds()) > LARGE_SECONDS):
        known = view.coverage = Coverage(now, await _mean(base, user_id, embedder.model))
        if known.mean is not None and not store.capabilities.vector_search:
            known.signs = Signs(base.driver.mutex(), embedder.model, len(known.mean))
    if known.is_read:
        return None, "by words alone: the vectors are being read"
    note = None if known.mean is None else await _catch_up(base, known, user_id, embedder.model)
    if known.mean is None:
        return None, f"by words alone: not all messages have vectors of {embedder.model}: recollect reindex makes them"
    return known, note


async def _mean(base: Base, user_id: str | None, model: str) -> NDArray[np.float32] | None:
    """The mean of vectors of the oldest sessions and of the newest; None if the oldest have none of the model."""
    import numpy as np

    oldest, newest = [await _some(base, user_id, model, reverse) for reverse in (False, True)]
    if not oldest:
        return None
    size = len(oldest[0].data)
    found = [vector.data for vector in (*oldest, *newest) if len(vector.data) == size]
    matrix = np.frombuffer(b"".join(found), dtype="<f2").reshape(len(found), -1)
    mean: NDArray[np.float32] = matrix.mean(axis=0, dtype=np.float64).astype(np.float32)
    return mean


async def _some(base: Base, user_id: str | None, model: str, reverse: bool) -> list[Vector]:
    path, hash = base.listing(user_id)
    found: list[Vector] = []
    for header in await base.store.query(path, hash, limit=SAMPLED, reverse=reverse):
        rows: Sequence[Vector] = await base.store.query("vectors", (base.scope, header.id), limit=AT_ONCE)
        found += [row for row in rows if row.model == model]
    return found


async def _catch_up(base: Base, known: Coverage, user_id: str | None, model: str) -> str | None:
    """Make the vectors of what was said since, the oldest first; what was wrong.

    Whatever breaks it off, the newest sessions are those that lack some, where the next one finds them.
    """
    seen, gaps = await _gaps(base, known.complete_to, user_id, model)
    if len(gaps) > SESSIONS or sum(gap.header.last_seq - gap.after for gap in gaps) > MOST:
        known.mean, known.looked_at, known.signs = None, base.driver.now(), None
        return None
    for gap in reversed(gaps):
        async for page in base.pages(gap.header.id, start=gap.after):
            wrong = await keep_rows(base, [row for row in page if is_embeddable(row)])
            if wrong is not None:
                return wrong
    if known.signs is not None:
        known.is_read = known.complete_to is None
        try:
            for header in seen if known.complete_to else [header async for header in base.headers(user_id)]:
                await known.signs.add(base, header)
        finally:
            known.is_read = False
    known.complete_to = max((header.updated_at for header in seen if header.updated_at), default=known.complete_to)
    return None


async def _gaps(
    base: Base, complete_to: datetime | None, user_id: str | None, model: str
) -> tuple[list[Session], list[_Gap]]:
    """The sessions that were active since, the newest first; and of them those that lack vectors."""
    path, hash = base.listing(user_id)
    seen: list[Session] = []
    gaps: list[_Gap] = []
    place, complete = None, 0
    while True:
        page: Sequence[Session] = await base.store.query(path, hash, before=place, limit=PAGE, reverse=True)
        for header in page:
            assert header.updated_at is not None
            is_old = complete_to is not None and header.updated_at < complete_to
            if is_old or (complete_to is None and complete == COMPLETE) or len(gaps) > SESSIONS:
                return seen, gaps
            seen.append(header)
            after = await _covered_to(base, header, model)
            complete = complete + 1 if after is None else 0
            if after is not None:
                gaps.append(_Gap(header, after))
        if len(page) < PAGE:
            return seen, gaps
        place = (page[-1].updated_at, page[-1].id)


async def _covered_to(base: Base, header: Session, model: str) -> int | None:
    """The last number of a session that has a vector, 0 for none; None if no later row needs one."""
    key = (base.scope, header.id)
    newest: Sequence[Vector] = await base.store.query("vectors", key, limit=1, reverse=True)
    after = newest[0].seq if newest and newest[0].model == model else 0
    if after == header.last_seq:
        return None
    rows: Sequence[Message] = await base.messages(header.id, after=(after,), limit=AT_ONCE)
    return after if len(rows) == AT_ONCE or any(map(is_embeddable, rows)) else None
