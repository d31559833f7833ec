"""Recall: what was said, noted or read that answers a question best, ranked the same way on every store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import structs

from recollect.core.asking import Question, bare_of, checked, kinds_of
from recollect.core.base import Base
from recollect.core.checks import check_id
from recollect.core.embedding import Asked, embed_query, embed_rows, knows_language
from recollect.core.large import CANDIDATES, behind, candidates, said
from recollect.core.memories import memory_of
from recollect.core.sources import (
    logs_of_all,
    logs_of_memories,
    logs_of_namespace,
    logs_of_session,
    logs_of_user,
    refresh,
)
from recollect.core.views import View
from recollect.model import JSON, Hit, Message
from recollect.store import Filter

if TYPE_CHECKING:
    from recollect.recall.index import PartitionIndex
    from recollect.recall.ranking import Ranked

FIRST_REACH = 4
"""Where metadata narrows the answer, so many times the hits asked for are looked at first."""


async def recall(
    base: Base,
    query: str,
    *,
    user_id: str | None = None,
    namespaces: Sequence[tuple[str, ...]] = (),
    conversations: bool = True,
    session_id: str | None = None,
    limit: int,
    offset: int = 0,
    role: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    where: Mapping[str, JSON] | None = None,
    as_of: datetime | None = None,
) -> list[Hit]:
    """The rows that answer a question best.

    Parameters
    ----------
    user_id: look through the user's messages, memories and documents; through every session when None.
    session_id: through the messages of this one only. conversations: whether to do either.
    namespaces: look through the memories and documents of these too.
    """
    question = checked(query, limit, offset, session_id, role, since, until, where, as_of)
    user = None if user_id is None else check_id(user_id, "user")
    if not question.text.strip():
        return []
    elsewhere = structs.replace(question, session_id=None)
    places = [
        await _look(base, ("namespace", *path), path=path, question=elsewhere) for path in dict.fromkeys(namespaces)
    ]
    if not conversations:
        pass
    elif user is not None:
        places.append(await _look(base, ("user", user), user=user, question=question))
    elif question.session_id is not None:
        places.append(await _look(base, ("session", question.session_id), question=question))
    else:
        places.append(await _look(base, ("all",), question=question))
    counted = await _counted_together(base, places, question.text)
    answers = [place if isinstance(place, list) else await _answer(base, place, counted) for place in places]
    found = answers[0] if len(answers) == 1 else sorted((hit for some in answers for hit in some), key=_score)
    return found[offset : offset + limit]


class _Held(NamedTuple):
    """A partition that is ready to be asked."""

    view: View
    question: Question
    asked: Asked
    behind: Filter | None = None
    """What more there is than is held, where the store finds it by vectors."""


async def _answer(base: Base, held: _Held, counted: Any) -> list[Hit]:
    """The hits of a partition that is held, and the nearest of what lies behind."""
    view, question, asked, beyond = held
    hits = await _ranked(base, view, question, asked, statistics=counted)
    if beyond is None:
        return hits
    own = await base.driver.run(view.ask, partial(_counts, question.text))
    best = max((hit.score - sum(hit.explain.get(part, 0.0) for part in _ADDED) for hit in hits), default=0.0)
    more = (counted or own)._replace(mean=own.mean, best=best)
    anywhere = structs.replace(question, session_id=None)
    hits += await _ranked(base, await behind(base, view, asked.vector, beyond), anywhere, asked, statistics=more)
    return sorted(hits, key=_score)


async def _counted_together(base: Base, places: Sequence[_Held | list[Hit]], text: str) -> Any:
    """The counts of the question's words in all places together, so that scores of one can be compared with another's;
    None where there is but one."""
    held = [place for place in places if isinstance(place, _Held)]
    if len(held) < 2:
        return None
    counts = [await base.driver.run(place.view.ask, partial(_counts, text)) for place in held]
    having: Counter[str] = Counter()
    for one in counts:
        having.update(one.having)
    return _statistics(sum(one.total for one in counts), having)


def _counts(text: str, index: PartitionIndex) -> Any:
    return index.counts(text)


def _score(hit: Hit) -> float:
    return -hit.score


async def _look(
    base: Base,
    key: tuple[str, ...],
    *,
    question: Question,
    user: str | None = None,
    path: tuple[str, ...] | None = None,
) -> _Held | list[Hit]:
    """One partition as it is now; or, where there is too much to hold, its hits, the `offset` left in."""
    if path is not None:
        source = logs_of_namespace(base, path)
    elif user is not None:
        source = logs_of_user(base, user)
    elif question.session_id is not None:
        source = logs_of_session(base, question.session_id)
    else:
        source = logs_of_all(base)
    view = base.views.of((base.tenant, *key), embeds=base.embedder is not None)
    whole = await refresh(base, view, source)
    if not whole and path is None and base.indexed:
        found = await _answer_from_index(base, view, question, user)
        if user is not None and question.session_id is None:
            found += await _answer_from_memories(base, question, user)
            found.sort(key=_score)
        base.views.trim()
        return found
    asked = await _embedded(base, view, question)
    base.views.trim()
    searched = not whole and path is None and asked.vector is not None and base.store.capabilities.vector_search
    return _Held(view, question, asked, _narrowed(question, user) if searched else None)


def _narrowed(question: Question, user: str | None) -> Filter:
    return Filter(
        user_id=user, session_id=question.session_id, role=question.role, since=question.since, until=question.until
    )


async def _embedded(base: Base, view: View, question: Question) -> Asked:
    """The question as the embedder sees it, after the view's rows that it has not seen yet."""
    if base.embedder is None or not len(view.index):
        return Asked(None, None)
    known, note = await knows_language(base, view.ask(partial(kinds_of, question.text)))
    if not known:
        return Asked(None, note)
    note = await embed_rows(base, view)
    asked = await embed_query(base, view.ask(partial(bare_of, question.text)))
    if asked.vector is not None and view.dimensions not in (0, len(asked.vector)):
        note = (
            f"by words alone, the kept vectors have {view.dimensions} dimensions and the question's {len(asked.vector)}"
        )
        return Asked(None, f"{note}: recollect reindex makes them anew")
    return asked._replace(note=asked.note or note)


async def _ranked(base: Base, view: View, question: Question, asked: Asked, **more: Any) -> list[Hit]:
    wanted = question.offset + question.limit
    lookup = question.is_lookup
    reach = wanted * FIRST_REACH if question.where or lookup else wanted
    while True:
        found: list[Ranked] = await base.driver.run(view.ask, partial(_search, base, question, asked, reach, more))
        hits: list[Hit] = []
        for ranked in found:
            if lookup and not ranked.explain.keys() & _OWN:
                continue
            row = view.row(ranked.log, ranked.seq) or await _fetch(base, ranked)
            if row is None or not question.matches(row):
                continue
            path = view.path(ranked.log)
            hits.append(
                Hit(
                    message=row if path is None else None,
                    memory=None if path is None else memory_of(row, path),
                    score=float(ranked.score),
                    explain={name: float(part) for name, part in ranked.explain.items()},
                    note=asked.note,
                )
            )
            if len(hits) == wanted:
                return hits
        if len(found) < reach:
            return hits
        reach *= 8


def _search(
    base: Base, question: Question, asked: Asked, reach: int, more: dict[str, Any], index: PartitionIndex
) -> list[Ranked]:
    session, now = question.session_id, base.driver.now().timestamp()
    return index.search(
        question.text,
        limit=reach,
        now=now,
        logs=None if session is None else {f"c:{session}"},
        role=question.role,
        since=None if question.since is None else question.since.timestamp(),
        until=None if question.until is None else question.until.timestamp(),
        as_of=None if question.as_of is None else question.as_of.timestamp(),
        vector=asked.vector,
        related=not question.is_lookup,
        **more,
    )


async def _fetch(base: Base, ranked: Ranked) -> Message | None:
    kind, _, log = ranked.log.partition(":")
    area = base.area if kind == "m" else base
    row = await area.store.get("messages", (area.scope, log, ranked.seq))
    return row if isinstance(row, Message) else None


async def _answer_from_index(base: Base, whole: View, question: Question, user: str | None) -> list[Hit]:
    """Where there is too much to hold: the best of what the store's index has, ranked alike."""
    wanted = question.offset + question.limit
    narrowed = _narrowed(question, user)
    anywhere = structs.replace(question, session_id=None)
    limit = max(CANDIDATES, wanted * FIRST_REACH)
    terms, telling = said(question.text)
    having: dict[str, int] = {}
    while True:
        view, asked, statistics, more = await candidates(base, whole, question.text, terms, narrowed, limit, wanted)
        having = {**having, **statistics.having}
        hits = await _ranked(base, view, anywhere, asked, statistics=statistics._replace(having=having))
        if len(hits) >= wanted or not more:
            return hits
        terms = telling  # of what shares only stop words with a question there is no end, and it is no answer
        limit *= 8


async def _answer_from_memories(base: Base, question: Question, user: str) -> list[Hit]:
    """What the memories and documents have of a user whose messages are too many to be held."""
    view = base.views.of((base.tenant, "memories", user), embeds=base.embedder is not None)
    await refresh(base, view, logs_of_memories(base, user))
    asked = await _embedded(base, view, question)
    return await _ranked(base, view, question, asked)


def _statistics(total: int, having: Mapping[str, int]) -> Any:
    from recollect.recall.ranking import Statistics

    return Statistics(total, dict(having))


_ADDED = ("vector", "date")
"""Parts that are shares of the best of the others."""

_OWN = frozenset({"lexical", "vector"})
"""Parts of a score that a row has by itself."""
