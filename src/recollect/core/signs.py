"""Vectors of what is too large to be held, where the store keeps them and does not search them: of each its signs are
held, a bit a dimension. The nearest by equal signs are read, and compared exactly."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from recollect.core.base import Base
from recollect.model import Message, Session, Vector
from recollect.recall.vectors import signs_of
from recollect.store import Candidate, Filter, Found, Stretch

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_SIGNS = 4_000_000
"""Vectors whose signs are held: 240 MB at 384 dimensions. What comes then is found by words alone."""

FIRST_STAGE = 1000
"""Nearest by their signs whose vectors are read; eight times as many where few of them pass a filter."""

PAGE = 5000


class _Known(NamedTuple):
    """What is held of a session."""

    number: int
    created_at: datetime | None
    last: int


class Signs:
    """The signs of a partition's vectors, which grow; what is deleted stays, and is not found when it is read.

    Parameters
    ----------
    mutex: held while they are changed or looked at, which several threads may do. model, dimensions: of the vectors.
    """

    def __init__(self, mutex: AbstractContextManager[Any], model: str, dimensions: int) -> None:
        import numpy as np

        self._mutex = mutex
        self._model, self._dimensions = model, dimensions
        self._sessions: dict[str, _Known] = {}
        self._names: list[str] = []
        self._count = 0
        self._session = np.empty(0, np.int32)
        self._seq = np.empty(0, np.int64)
        self._bits = np.empty((0, (dimensions + 63) // 64), np.uint64)

    async def add(self, base: Base, header: Session) -> None:
        """Bring in the vectors of a session that are not there yet."""
        known = self._sessions.get(header.id)
        if known is None or known.created_at != header.created_at or header.last_seq < known.last:
            known = _Known(len(self._names), header.created_at, 0)
            self._names.append(header.id)
        last = known.last
        while last < header.last_seq and self._count < MOST_SIGNS:
            page: Sequence[Vector] = await base.store.query(
                "vectors", (base.scope, header.id), after=(last,), limit=PAGE
            )
            await base.driver.run(self._take, known.number, page)
            last = page[-1].seq if page else last
            if len(page) < PAGE:
                break
        self._sessions[header.id] = known._replace(last=last)

    def _take(self, number: int, page: Sequence[Vector]) -> None:
        import numpy as np

        usable = [row for row in page if row.model == self._model and len(row.data) == 2 * self._dimensions]
        if not usable:
            return
        matrix = np.frombuffer(b"".join(row.data for row in usable), "<f2").reshape(len(usable), -1)
        bits = signs_of(matrix.astype(np.float32))
        with self._mutex:
            end = self._count + len(usable)
            if end > len(self._seq):
                more = max(end, len(self._seq) * 3 // 2) - len(self._seq)
                self._session = np.append(self._session, np.zeros(more, np.int32))
                self._seq = np.append(self._seq, np.zeros(more, np.int64))
                self._bits = np.concatenate([self._bits, np.zeros((more, self._bits.shape[1]), np.uint64)])
            self._session[self._count : end] = number
            self._seq[self._count : end] = [row.seq for row in usable]
            self._bits[self._count : end] = bits
            self._count = end

    @property
    def size_bytes(self) -> int:
        """Memory that they take."""
        return self._session.nbytes + self._seq.nbytes + self._bits.nbytes

    async def nearest(self, base: Base, vector: NDArray[np.floating], limit: int, narrowed: Filter) -> Found:
        """The nearest messages, with their cosines."""
        count = FIRST_STAGE
        while True:
            likely = await base.driver.run(self._likely, vector, count, narrowed.session_id)
            parts: Sequence[Sequence[Vector]] = await base.store.stretches("vectors", base.scope, likely)
            best = await base.driver.run(self._cosines, vector, [one for part in parts for one in part])
            found: list[Candidate] = []
            for start in range(0, len(best), 2 * limit):
                found += await _read(base, best[start : start + 2 * limit], narrowed)
                if len(found) >= limit:
                    break
            if len(found) >= limit or len(likely) < count:
                return Found(found[:limit])
            count *= 8

    def _likely(self, vector: NDArray[np.floating], count: int, session_id: str | None) -> list[Stretch]:
        """Those whose signs are most alike."""
        import numpy as np

        with self._mutex:
            session, seq, bits = (array[: self._count] for array in (self._session, self._seq, self._bits))
        rows = np.arange(len(seq))
        if session_id is not None:
            known = self._sessions.get(session_id)
            rows = np.flatnonzero(session == (-1 if known is None else known.number))
            bits = bits[rows]
        differing = np.bitwise_count(bits ^ signs_of(np.asarray(vector, np.float32)[np.newaxis])).sum(axis=1)
        if len(rows) > count:
            rows = rows[np.argpartition(differing, count)[:count]]
        # Two recalls at once may both have brought in a vector.
        places = dict.fromkeys(zip(session[rows].tolist(), seq[rows].tolist(), strict=True))
        return [Stretch(self._names[number], seq, seq) for number, seq in places]

    def _cosines(self, vector: NDArray[np.floating], found: Sequence[Vector]) -> list[tuple[Vector, float]]:
        """With their cosines, the nearest first."""
        import numpy as np

        usable = [one for one in found if one.model == self._model and len(one.data) == 2 * self._dimensions]
        if not usable:
            return []
        matrix = np.frombuffer(b"".join(one.data for one in usable), "<f2").reshape(len(usable), -1)
        cosines = np.einsum("ij,j->i", matrix.astype(np.float32), np.asarray(vector, np.float32))
        return [(usable[i], float(cosines[i])) for i in np.argsort(-cosines, kind="stable").tolist()]


async def _read(base: Base, best: Sequence[tuple[Vector, float]], narrowed: Filter) -> list[Candidate]:
    """The messages of vectors, those that are there and pass."""
    places = [Stretch(one.session_id, one.seq, one.seq) for one, _ in best]
    rows: Sequence[Sequence[Message]] = await base.store.stretches("messages", base.scope, places)
    return [
        Candidate(row[0], cosine)
        for row, (one, cosine) in zip(rows, best, strict=True)
        if row and row[0].id == one.id and passes(row[0], narrowed)
    ]


def passes(row: Message, narrowed: Filter) -> bool:
    """Whether a search for this filter may find a message."""
    assert row.created_at is not None
    return (
        narrowed.user_id in (None, row.user_id)
        and narrowed.session_id in (None, row.session_id)
        and narrowed.role in (None, row.role)
        and (narrowed.since is None or narrowed.since <= row.created_at)
        and (narrowed.until is None or row.created_at < narrowed.until)
    )
