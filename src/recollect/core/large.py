"""Where there is too much to be held: the best of the store's index, by words and by vectors, with what stands around
them, ready to be ranked by the rules of every recall."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from recollect.core.asking import bare_of, kinds_of
from recollect.core.base import Base
from recollect.core.coverage import Coverage, cover
from recollect.core.embedding import Asked, embed_query, knows_language
from recollect.core.views import Log, Reading, View
from recollect.model import Message, Session
from recollect.recall.analyzer import Kind, query_words
from recollect.store import Filter, Found, Stretch

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from recollect.recall.index import Statistics

MAX_QUERY_TERMS = 256
"""A longer query is a document; its first terms say enough."""

CANDIDATES = 300
"""By words; more are asked for where metadata narrows the answer."""

NEAREST = 100
"""By vectors: as many as every backend gives at once."""

AROUND = 100
"""So many of the best by words, and by vectors, are looked at with their neighbours, the others alone."""

NEIGHBOURS = 2

Place = tuple[str, int]
"""A session and a number."""


class Candidates(NamedTuple):
    """What is to be ranked.

    Parameters
    ----------
    view: of the candidates and their neighbours, with their vectors where the question has one. statistics: of all that
        the store holds. more: whether a higher limit may find more.
    """

    view: View
    asked: Asked
    statistics: Statistics
    more: bool


def said(text: str) -> tuple[list[str], list[str]]:
    """The terms of a question, and those that say what it is about: without stop words and single syllables, where it has
    others."""
    words = query_words(text)
    chosen = [word.terms for word in words if word.kind in {Kind.CONTENT, Kind.IDEOGRAPH}]
    every, telling = (
        list(dict.fromkeys(chain.from_iterable(some))) for some in ([word.terms for word in words], chosen)
    )
    return every[:MAX_QUERY_TERMS], (telling or every)[:MAX_QUERY_TERMS]


async def candidates(
    base: Base, whole: View, text: str, terms: Sequence[str], narrowed: Filter, limit: int, around: int
) -> Candidates:
    """What the store's index finds for a question.

    Parameters
    ----------
    whole: the view that would hold the partition. terms: of the question, by which it is found. limit: candidates by words
        at most. around: hits that are wanted, each with its neighbours.
    """
    from recollect.recall.index import Statistics

    found = await base.store.search(base.scope, terms=terms, limit=limit, filter=narrowed)
    shown = _Shown(base, max(around, AROUND))
    await shown.add(found)
    asked, known = await _asked(base, whole, shown.view, text, narrowed.user_id)
    if known is not None and base.embedder is not None:
        await shown.add(await _nearest(base, known, asked.vector, max(around, NEAREST), narrowed))
        await shown.attach(base.embedder.model)
    return Candidates(
        shown.view,
        asked,
        Statistics(found.total, found.having, None if known is None else known.mean),
        len(found) == limit,
    )


async def _nearest(base: Base, known: Coverage, vector: NDArray[np.floating], limit: int, narrowed: Filter) -> Found:
    """The nearest messages, by the store or by what is held of its vectors."""
    if known.signs is not None:
        return await known.signs.nearest(base, vector, limit, narrowed)
    model = "" if base.embedder is None else base.embedder.model
    return await base.store.search(
        base.scope, terms=(), vector=vector.tolist(), model=model, limit=limit, filter=narrowed
    )


async def behind(base: Base, held: View, vector: NDArray[np.floating], narrowed: Filter) -> View:
    """The nearest of what lies behind the sessions that are held, where the store searches vectors and no words.

    Without their neighbours: to read those is a request each.
    """
    assert base.embedder is not None
    model = base.embedder.model
    near = await base.store.search(
        base.scope, terms=(), vector=vector.tolist(), model=model, limit=NEAREST, filter=narrowed
    )
    shown = _Shown(base, 0)
    await shown.add(Found(one for one in near if not held.holds(Log(Session(id=one.row.session_id)).key)))
    await shown.attach(model)
    return shown.view


async def _asked(base: Base, whole: View, view: View, text: str, user_id: str | None) -> tuple[Asked, Coverage | None]:
    """The question's vector, and what it is compared with; None where words have to do."""
    if base.embedder is None:
        return Asked(None, None), None
    is_known, note = await knows_language(base, view.ask(partial(kinds_of, text)))
    if not is_known:
        return Asked(None, note), None
    known, note = await cover(base, whole, user_id)
    if known is None or known.mean is None:
        return Asked(None, note), None
    asked = await embed_query(base, view.ask(partial(bare_of, text)))
    if asked.vector is None or len(asked.vector) != len(known.mean):
        note = asked.note or f"by words alone: the kept vectors have {len(known.mean)} dimensions: recollect reindex"
        return Asked(None, note), None
    return asked._replace(note=asked.note or note), known


class _Shown:
    """The view of candidates, which grows.

    Parameters
    ----------
    around: how many of what is added are looked at with their neighbours.
    """

    def __init__(self, base: Base, around: int) -> None:
        self._base = base
        self._around = around
        self._rows: dict[str, dict[int, Message]] = {}
        self._runs: dict[str, list[Log]] = {}
        self.view = View(base.driver.mutex(), embeds=base.embedder is not None)

    async def add(self, found: Found) -> None:
        """Bring in candidates, best first, and neighbours."""
        rows = {(row.session_id, row.seq): row for row, _ in found}
        around = await self._neighbours(list(rows)[: self._around], rows)
        touched = set()
        for (session, seq), row in (around | rows).items():
            if seq not in self._rows.setdefault(session, {}):
                self._rows[session][seq] = row
                touched.add(session)
        gone = [log.key for session in touched for log in self._runs.pop(session, ())]
        readings = []
        for session in touched:
            runs = list(_runs(self._rows[session]))
            self._runs[session] = [reading.log for reading, _ in runs]
            readings += runs
        await self._base.driver.run(self.view.apply, readings, gone)

    async def _neighbours(self, best: Sequence[Place], rows: dict[Place, Message]) -> dict[Place, Message]:
        """What stands next to the best and is not there yet."""
        asked = []
        for session, seq in best:
            span = range(max(seq - NEIGHBOURS, 1), seq + NEIGHBOURS + 1)
            there = self._rows.get(session, {})
            if not all(near in there or (session, near) in rows for near in span):
                asked.append(Stretch(session, span[0], span[-1]))
        parts = await self._base.store.stretches("messages", self._base.scope, asked)
        return {(row.session_id, row.seq): row for part in parts for row in part}

    async def attach(self, model: str) -> None:
        """Bring in the kept vectors of all that is there."""
        logs = [log for runs in self._runs.values() for log in runs]
        asked = [Stretch(log.header.id, log.run, log.run + log.header.message_count - 1) for log in logs]
        parts = await self._base.store.stretches("vectors", self._base.scope, asked)
        for log, part in zip(logs, parts, strict=True):
            usable = [(one.seq, one.id, one.data) for one in part if one.model == model]
            if usable:
                await self._base.driver.run(self.view.attach, log.key, usable)


def _runs(rows: dict[int, Message]) -> Iterable[tuple[Reading, Sequence[Message]]]:
    """Each stretch of neighbouring rows as a log of its own: what stands far apart lends each other nothing."""
    run: list[Message] = []
    for _, row in sorted(rows.items()):
        if run and run[-1].seq + 1 != row.seq:
            yield _run(run), run
            run = []
        run.append(row)
    yield _run(run), run


def _run(rows: Sequence[Message]) -> Reading:
    header = Session(id=rows[0].session_id, message_count=len(rows))
    return Reading(Log(header, run=rows[0].seq), 0)
