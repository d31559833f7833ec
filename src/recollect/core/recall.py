"""Recall: what was said, noted or read that answers a question best, ranked the same way on every store."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from msgspec import Struct, structs

from recollect.core.base import Base
from recollect.core.checks import check_count, check_id, check_object, check_optional_time
from recollect.core.embedding import Asked, embed_query, embed_rows, knows_language
from recollect.core.memories import memory_of
from recollect.core.messages import ROLES
from recollect.core.sources import (
    logs_of_all,
    logs_of_memories,
    logs_of_namespace,
    logs_of_session,
    logs_of_user,
    refresh,
)
from recollect.core.views import Log, Reading, View
from recollect.errors import InvalidInput
from recollect.model import JSON, Hit, Message, Session
from recollect.recall.analyzer import query_terms
from recollect.recall.question import kinds
from recollect.store import Filter

if TYPE_CHECKING:
    from recollect.recall.index import PartitionIndex
    from recollect.recall.ranking import Ranked

MAX_QUERY_CHARACTERS = 100_000
MAX_QUERY_TERMS = 256
"""A longer query is a document; its first terms say enough."""

CANDIDATES = 300
"""Of the store's own index, where a partition is too large to be held: then these and their neighbours are ranked."""

QUESTION_WORDS = 3
"""A query of fewer words is a look-up: then only what has one of them is a hit. To a question, what stands beside the
words is often the answer, so there it is one too."""

NEIGHBOURS = 2
FIRST_REACH = 4
"""Where metadata narrows the answer, so many times the hits asked for are looked at first."""


class Question(Struct, frozen=True, kw_only=True):
    """A checked question."""

    text: str
    limit: int
    offset: int
    session_id: str | None
    role: str | None
    since: datetime | None
    until: datetime | None
    where: dict[str, bytes]
    as_of: datetime | None


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
    question = _checked(query, limit, offset, session_id, role, since, until, where, as_of)
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
    answers = [
        place if isinstance(place, list) else await _ranked(base, *place, statistics=counted) for place in places
    ]
    found = answers[0] if len(answers) == 1 else sorted((hit for some in answers for hit in some), key=_score)
    return found[offset : offset + limit]


class _Held(NamedTuple):
    """A partition that is ready to be asked."""

    view: View
    question: Question
    asked: Asked


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


def _checked(
    query: object,
    limit: int,
    offset: int,
    session_id: str | None,
    role: str | None,
    since: datetime | None,
    until: datetime | None,
    where: Mapping[str, JSON] | None,
    as_of: datetime | None,
) -> Question:
    if not isinstance(query, str):
        raise InvalidInput(f"a query is text, not {type(query).__name__}", field="query")
    check_count(limit, "limit")
    check_count(offset, "offset", least=0)
    if role is not None and not (isinstance(role, str) and role in ROLES):
        raise InvalidInput(f"unknown role {role!r}", field="role")
    return Question(
        text=query[:MAX_QUERY_CHARACTERS],
        limit=limit,
        offset=offset,
        session_id=None if session_id is None else check_id(session_id, "session"),
        role=None if role is None else ROLES[role],
        since=check_optional_time(since, "since"),
        until=check_optional_time(until, "until"),
        where={key: _frozen(value) for key, value in check_object(where, "where").items()},
        as_of=check_optional_time(as_of, "as_of"),
    )


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
        found = await _answer_from_index(base, question, user)
        if user is not None and question.session_id is None:
            found += await _answer_from_memories(base, question, user)
            found.sort(key=_score)
        return found
    asked = await _embedded(base, view, question)
    base.views.trim()
    return _Held(view, question, asked)


async def _embedded(base: Base, view: View, question: Question) -> Asked:
    """The question as the embedder sees it, after the view's rows that it has not seen yet."""
    if base.embedder is None:
        return Asked(None, None)
    known, note = await knows_language(base, view.ask(partial(_kinds, question.text)))
    if not known:
        return Asked(None, note)
    note = await embed_rows(base, view)
    asked = await embed_query(base, view.ask(partial(_bare, question.text)))
    if asked.vector is not None and view.dimensions not in (0, len(asked.vector)):
        note = (
            f"by words alone, the kept vectors have {view.dimensions} dimensions and the question's {len(asked.vector)}"
        )
        return Asked(None, f"{note}: recollect reindex makes them anew")
    return asked._replace(note=asked.note or note)


async def _ranked(base: Base, view: View, question: Question, asked: Asked, **more: Any) -> list[Hit]:
    wanted = question.offset + question.limit
    lookup = _is_lookup(question.text)
    reach = wanted * FIRST_REACH if question.where or lookup else wanted
    while True:
        found: list[Ranked] = await base.driver.run(view.ask, partial(_search, base, question, asked, reach, more))
        hits: list[Hit] = []
        for ranked in found:
            if lookup and not ranked.explain.keys() & _OWN:
                continue
            row = view.row(ranked.log, ranked.seq) or await _fetch(base, ranked)
            if row is None or not _matches(row, question.where):
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
        related=not _is_lookup(question.text),
        **more,
    )


def _bare(text: str, index: PartitionIndex) -> str:
    """What of a question is for the embedder."""
    return index.bare(text) or text


async def _fetch(base: Base, ranked: Ranked) -> Message | None:
    area, log = (base.area if ranked.log.startswith("m:") else base), ranked.log[2:]
    row = await area.store.get("messages", (area.scope, log, ranked.seq))
    return row if isinstance(row, Message) else None


async def _answer_from_index(base: Base, question: Question, user: str | None) -> list[Hit]:
    """Where there is too much to hold: the best of the store's index, with what stands around them, ranked alike."""
    terms = query_terms(question.text)[:MAX_QUERY_TERMS]
    wanted = question.offset + question.limit
    narrowed = Filter(
        user_id=user,
        session_id=question.session_id,
        role=question.role,
        since=question.since,
        until=question.until,
    )
    limit = max(CANDIDATES, wanted * FIRST_REACH)
    while True:
        candidates = await base.store.search(base.scope, terms=terms, limit=limit, filter=narrowed)
        rows = {(row.session_id, row.seq): row for row, _ in candidates}
        around = await _around(base, rows)
        view = View(base.driver.mutex())
        view.apply(_readings(around), ())
        statistics = _statistics(candidates.total, candidates.having)
        narrowly = structs.replace(question, session_id=None)
        hits = await _ranked(base, view, narrowly, Asked(None, None), statistics=statistics)
        if len(hits) >= wanted or len(candidates) < limit:
            return hits
        limit *= 8


async def _answer_from_memories(base: Base, question: Question, user: str) -> list[Hit]:
    """What the memories and documents have of a user whose messages are too many to be held."""
    view = base.views.of((base.tenant, "memories", user), embeds=base.embedder is not None)
    await refresh(base, view, logs_of_memories(base, user))
    asked = await _embedded(base, view, question)
    return await _ranked(base, view, question, asked)


def _kinds(text: str, index: PartitionIndex) -> frozenset[str]:
    """Script and language of a question; a word or two in Latin script are taken to be in that of what was said."""
    of = kinds(text)
    if "latin" in of and _is_lookup(text):
        counts = {name: index.language_counts[number] for name, number in index.languages.items()}
        if counts:
            return frozenset({"latin", max(counts, key=counts.__getitem__)})
    return of


def _statistics(total: int, having: Mapping[str, int]) -> Any:
    from recollect.recall.ranking import Statistics

    return Statistics(total, dict(having))


async def _around(base: Base, rows: dict[tuple[str, int], Message]) -> dict[tuple[str, int], Message]:
    """The rows with those that stand next to them."""
    around = dict(rows)
    for session, seq in rows:
        span = range(max(seq - NEIGHBOURS, 1), seq + NEIGHBOURS + 1)
        if all((session, near) in around for near in span):
            continue
        for row in await base.messages(session, after=(span[0] - 1,), limit=len(span)):
            if row.seq <= span[-1]:
                around[session, row.seq] = row
    return around


def _readings(rows: dict[tuple[str, int], Message]) -> Iterable[tuple[Reading, Sequence[Message]]]:
    """Each stretch of neighbouring rows as a log of its own: what stands far apart lends each other nothing."""
    run: list[Message] = []
    for number, (_, row) in enumerate(sorted(rows.items())):
        if run and (run[-1].session_id, run[-1].seq + 1) != (row.session_id, row.seq):
            yield Reading(Log(Session(id=run[0].session_id), run=number), 0), run
            run = []
        run.append(row)
    if run:
        yield Reading(Log(Session(id=run[0].session_id)), 0), run


_OWN = frozenset({"lexical", "vector"})
"""Parts of a score that a row has by itself."""


def _is_lookup(text: str) -> bool:
    """Whether a query has few words; scripts without spaces write one in about two characters."""
    words = sum(max(1, len(word) // 2) if _WIDE.search(word) else 1 for word in text.split())
    return words < QUESTION_WORDS


_WIDE = re.compile("[\u3040-\u30ff\u3400-\u9fff]")


def _matches(row: Message, where: dict[str, bytes]) -> bool:
    return all(key in row.metadata and _frozen(row.metadata[key]) == value for key, value in where.items())


def _frozen(value: JSON) -> bytes:
    """JSON values by what they are: 1 is not true, and the order of keys says nothing."""
    return msgspec.json.encode(value, order="deterministic")
