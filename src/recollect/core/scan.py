"""Search where the store has no index: the messages themselves are read, the newest first, and ranked as an index would."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from recollect.core.base import Base
from recollect.model import Message
from recollect.recall.analyzer import analyze
from recollect.store import Candidate, Filter, bm25

SCANNED = 20_000
"""Messages that a search reads at most: some seconds of a user's patience, and years of a user's conversations."""


async def scan(base: Base, terms: Sequence[str], limit: int, wanted: Filter) -> list[Candidate]:
    """Messages that have at least one of the terms, best first, of the newest `SCANNED` that the filter leaves.

    Parameters
    ----------
    terms: of the query. wanted: narrows what is read: a session, a user; without either every session is.
    """
    total, having = 0, dict.fromkeys(terms, 0)
    matches: list[tuple[Message, list[str]]] = []
    async for message in _messages(base, wanted):
        words = analyze(message.text)
        if not words:
            continue
        total += 1
        shared = having.keys() & set(words)
        for term in shared:
            having[term] += 1
        if shared and (wanted.role is None or message.role == wanted.role):
            matches.append((message, words))
        if total >= SCANNED:
            break
    weights = {term: bm25.idf(total, count) for term, count in having.items()}
    found = [Candidate(message, bm25.score(words, weights)) for message, words in matches]
    found.sort(key=_score, reverse=True)
    return found[:limit]


def _score(candidate: Candidate) -> float:
    return candidate.score


async def _messages(base: Base, wanted: Filter) -> AsyncIterator[Message]:
    if wanted.session_id is not None:
        async for message in _log(base, wanted.session_id, wanted):
            yield message
        return
    async for header in base.headers(wanted.user_id):
        async for message in _log(base, header.id, wanted):
            yield message


async def _log(base: Base, session_id: str, wanted: Filter) -> AsyncIterator[Message]:
    async for rows in base.pages(session_id, reverse=True, since=wanted.since, until=wanted.until):
        for row in rows:
            if wanted.user_id is None or row.user_id == wanted.user_id:
                yield row
