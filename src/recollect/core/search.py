"""Search over messages: the store's index finds candidates by terms, or a scan; each hit can explain its score."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from recollect.core.base import Base
from recollect.core.checks import check_count, check_id, check_object, check_optional_time
from recollect.core.messages import ROLES
from recollect.core.scan import SCANNED, scan
from recollect.errors import InvalidInput
from recollect.model import JSON, Hit
from recollect.recall.analyzer import query_terms
from recollect.store import Filter

MAX_QUERY_CHARACTERS = 100_000
MAX_QUERY_TERMS = 256
"""A longer query is a document; its first terms say enough."""


async def search(
    base: Base,
    query: str,
    *,
    limit: int,
    user_id: str | None = None,
    session_id: str | None = None,
    role: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    where: Mapping[str, JSON] | None = None,
) -> list[Hit]:
    """Messages that share a term with the query, best first.

    Parameters
    ----------
    where: top-level metadata that a message must have, by equality.
    """
    if not isinstance(query, str):
        raise InvalidInput(f"a query is text, not {type(query).__name__}", field="query")
    check_count(limit, "limit")
    if role is not None and not (isinstance(role, str) and role in ROLES):
        raise InvalidInput(f"unknown role {role!r}", field="role")
    wanted = Filter(
        user_id=None if user_id is None else check_id(user_id, "user"),
        session_id=None if session_id is None else check_id(session_id, "session"),
        role=None if role is None else ROLES[role],
        since=check_optional_time(since, "since"),
        until=check_optional_time(until, "until"),
    )
    matching = {key: _frozen(value) for key, value in check_object(where, "where").items()}
    terms = query_terms(query[:MAX_QUERY_CHARACTERS])[:MAX_QUERY_TERMS]
    if not terms:
        return []
    indexed = base.store.capabilities.text_search
    reach = limit if not matching else max(limit * 10, 1000) if indexed else SCANNED
    while True:
        if indexed:
            found = await base.store.search(base.scope, terms=terms, limit=reach, filter=wanted)
        else:
            found = await scan(base, terms, reach, wanted)
        hits = [
            Hit(message=row, score=score, explain={"lexical": score})
            for row, score in found
            if all(key in row.metadata and _frozen(row.metadata[key]) == value for key, value in matching.items())
        ]
        if len(hits) >= limit or len(found) < reach:
            return hits[:limit]
        reach *= 8


def _frozen(value: JSON) -> bytes:
    """JSON values by what they are: 1 is not true, and the order of keys says nothing."""
    return msgspec.json.encode(value, order="deterministic")
