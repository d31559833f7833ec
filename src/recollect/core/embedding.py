"""Vectors for what recall looks through: made when they are first needed, kept beside their rows, never mixed.

An append never waits for an embedder. A recall first lets the embedder see what it has not seen yet; when it is away,
recall goes on by words alone and says so, and the vectors are made by a later one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from recollect.core.base import Base
from recollect.core.sources import place_of
from recollect.core.views import Log, View
from recollect.errors import InvalidInput, RecollectError
from recollect.model import Message, Vector
from recollect.recall.embedders import MAX_CHARACTERS, Embedder
from recollect.recall.probe import knows
from recollect.store import Attach

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

AT_ONCE = 256
"""Rows between two commits of their vectors: what was paid for is kept, whatever happens then."""

MOST = 10_000
"""Rows that a recall lets the embedder see at most, the newest first; `reindex` sees all."""

Progress = Callable[[int, int], object]


class Asked(NamedTuple):
    """A question's vector, None without one, and what was wrong."""

    vector: Any
    note: str | None


async def knows_language(base: Base, of: frozenset[str]) -> tuple[bool, str | None]:
    """Whether the embedder knows a language, and what was wrong with asking it.

    Parameters
    ----------
    of: script and language, as `recollect.recall.question.kinds` has them.
    """
    embedder = base.embedder
    if embedder is None:
        return False, None
    told = getattr(embedder, "languages", None)
    if told is not None:
        return not of.isdisjoint(told), None
    known = base.queries.languages.get((embedder.model, of))
    if known is None:
        try:
            known = bool(await base.driver.run(knows, embedder, of))
        except Exception as error:  # whatever an embedder raises, words still find
            return False, _away(error)
        base.queries.languages[embedder.model, of] = known
    return known, None


async def embed_query(base: Base, text: str) -> Asked:
    """A question's vector."""
    embedder = base.embedder
    if embedder is None:
        return Asked(None, None)
    known = base.queries.get(embedder.model, text)
    if known is not None:
        return Asked(known, None)
    try:
        matrix = await base.driver.run(partial(_vectors, embedder, [text[:MAX_CHARACTERS]], True))
    except Exception as error:  # whatever an embedder raises, words still find
        return Asked(None, _away(error))
    base.queries.put(embedder.model, text, matrix[0])
    return Asked(matrix[0], None)


async def embed_rows(base: Base, view: View, *, most: int = MOST, progress: Progress | None = None) -> str | None:
    """Let the embedder see the rows of a view that have no vector yet, the newest first; what was wrong, if anything.

    Parameters
    ----------
    most: rows at most. progress: called with how many are done and how many there are to do.
    """
    embedder = base.embedder
    if embedder is None or not view.bare():
        return None
    if not base.store.capabilities.vectors:
        return f"the {base.store.kind} store keeps no vectors"
    for log, first in view.bare_logs():
        await _read_kept(place_of(base, log), log, view, embedder.model, first)
    waiting = view.bare()
    some = sorted(waiting, key=_newest, reverse=True)[:most]
    done = 0
    for start in range(0, len(some), AT_ONCE):
        batch = some[start : start + AT_ONCE]
        texts = [text[:MAX_CHARACTERS] for _, _, text in batch]
        try:
            matrix = await base.driver.run(partial(_vectors, embedder, texts, False))
            await _keep(base, view, embedder.model, batch, matrix)
        except RecollectError as error:
            return _away(error)
        except Exception as error:
            return _away(error)
        done += len(batch)
        if progress is not None:
            progress(done, len(some))
    left = len(waiting) - len(some)
    return f"{left:,} rows have no vectors yet: recollect reindex makes them" if left else None


async def keep_rows(base: Base, rows: Sequence[Message]) -> str | None:
    """Let the embedder see messages of one session and keep their vectors; what was wrong, if anything."""
    embedder = base.embedder
    assert embedder is not None
    for start in range(0, len(rows), AT_ONCE):
        some = rows[start : start + AT_ONCE]
        try:
            texts = [row.text[:MAX_CHARACTERS] for row in some]
            matrix = await base.driver.run(partial(_vectors, embedder, texts, False))
            kept = [_kept(row, embedder.model, vector) for row, vector in zip(some, matrix, strict=True)]
            await base.store.commit(base.session_partition(some[0].session_id), [Attach(vectors=kept)])
        except Exception as error:  # whatever an embedder raises, words still find
            return _away(error)
    return None


def _kept(row: Message, model: str, vector: NDArray[np.float16]) -> Vector:
    return Vector(session_id=row.session_id, seq=row.seq, id=row.id, model=model, data=vector.tobytes())


Bare = tuple[Log, Message, str]


def _newest(bare: Bare) -> Any:
    return bare[1].created_at


def _away(error: Exception) -> str:
    return f"by words alone, the embedder was away: {error}"


async def _read_kept(base: Base, log: Log, view: View, model: str, first: int) -> None:
    """Bring in the vectors of a log that are kept, from the first row on that lacks one."""
    after = first - 1
    while True:
        rows: Sequence[Vector] = await base.store.query(
            "vectors", (base.scope, log.header.id), after=(after,), limit=AT_ONCE * 4
        )
        usable = [row for row in rows if row.model == model]
        if usable:
            await base.driver.run(partial(view.attach, log.key, [(row.seq, row.id, row.data) for row in usable]))
        if len(rows) < AT_ONCE * 4:
            return
        after = rows[-1].seq


async def _keep(base: Base, view: View, model: str, batch: Sequence[Bare], matrix: NDArray[np.float16]) -> None:
    """Write vectors beside their rows, log by log, and bring them into the view."""
    by_log: dict[str, tuple[Log, list[Vector]]] = {}
    for (log, row, _), vector in zip(batch, matrix, strict=True):
        by_log.setdefault(log.key, (log, []))[1].append(_kept(row, model, vector))
    for key, (log, vectors) in by_log.items():
        place = place_of(base, log)
        await place.store.commit(place.session_partition(log.header.id), [Attach(vectors=vectors)])
        await base.driver.run(partial(view.attach, key, [(one.seq, one.id, one.data) for one in vectors]))


def _vectors(embedder: Embedder, texts: Sequence[str], query: bool) -> NDArray[np.float16]:
    """What the embedder makes of texts: rows of half-precision floats, each of length 1."""
    import numpy as np

    unique = list(dict.fromkeys(texts))
    given = embedder.embed(unique, query=query)
    matrix = np.asarray(given, dtype=np.float32)
    if matrix.ndim != 2 or len(matrix) != len(unique) or matrix.shape[1] == 0 or not np.isfinite(matrix).all():
        raise InvalidInput(
            f"the embedder {embedder.model!r} gave vectors of shape {matrix.shape} for {len(unique)} texts",
            field="embedder",
        )
    matrix /= np.maximum(np.linalg.norm(matrix, axis=1, keepdims=True), 1e-12)
    index_of = {text: index for index, text in enumerate(unique)}
    found: NDArray[np.float16] = matrix[[index_of[text] for text in texts]].astype("<f2")
    return found
