"""Full-text search: the GIN index finds the rows, BM25 orders them, in the database; the scores are those of `bm25`.

How many rows have a term is counted, up to `COUNTED` rows; above that it is what ANALYZE has seen, or that bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from recollect.store import Candidate, Filter, Found, bm25
from recollect.stores.postgres.links import Link
from recollect.stores.postgres.names import in_schema
from recollect.stores.postgres.rows import MESSAGE_COLUMNS, message_of
from recollect.stores.postgres.terms import encode_one
from recollect.stores.postgres.text import escape

COUNTED = 5000
COMMON = 0.2
"""A term in more than this share of the rows is not searched for if a rarer one of the query is there: it adds hardly
any weight (its idf is below 1.6) and most of the work. It still counts in the score of what is found."""

_COUNTS = f"""
SELECT
    (SELECT count(*) FROM (SELECT FROM recollect.messages WHERE terms <> '' LIMIT {COUNTED}) AS x),
    (SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = 'recollect.messages'::regclass),
    ARRAY(
        SELECT (SELECT count(*) FROM (
            SELECT FROM recollect.messages AS m WHERE string_to_array(m.terms, ' ') @> ARRAY[q.term] LIMIT {COUNTED}
        ) AS x)
        FROM unnest($1::text[]) WITH ORDINALITY AS q (term, n) ORDER BY q.n
    )
"""
_SEEN = """
SELECT e.term, e.share
FROM pg_stats AS s,
    unnest(s.most_common_elems::text::text[], s.most_common_elem_freqs::float8[]) AS e (term, share)
WHERE s.schemaname = $1 AND s.tablename = 'messages_terms' AND e.term = ANY ($2)
"""
_NORM = f"{bm25.K1} * (1 - {bm25.B} + {bm25.B} * cardinality(a.list) / {bm25.AVERAGE_LENGTH})"
# OFFSET 0: the list is made once a row, not once a mention.
_BEST = """
SELECT m.session_no, m.seq, {score} AS score
FROM recollect.messages AS m
JOIN recollect.sessions AS s ON s.session_no = m.session_no
CROSS JOIN LATERAL (SELECT string_to_array(m.terms, ' ') AS list OFFSET 0) AS a
WHERE string_to_array(m.terms, ' ') && $1::text[] AND m.scope = $4
    AND (m.expires_at IS NULL OR m.expires_at > $5) AND (s.expires_at IS NULL OR s.expires_at > $5){conditions}
ORDER BY score DESC LIMIT ${last}
"""
_ROWS = f"""
SELECT m.terms, {MESSAGE_COLUMNS}
FROM ({{best}}) AS b JOIN recollect.messages AS m ON m.session_no = b.session_no AND m.seq = b.seq
"""
_OF_SESSION = (
    "m.session_no = (SELECT o.session_no FROM recollect.sessions AS o WHERE o.scope = $4 AND o.session_id = {})"
)
_FEW = 8
_ONE = f"""($3::float8[])[{{n}}] * cardinality(array_positions(a.list, ($2::text[])[{{n}}])) * ({bm25.K1} + 1)
    / (cardinality(array_positions(a.list, ($2::text[])[{{n}}])) + {_NORM})"""
_MANY = f"""(
    SELECT sum(q.weight * n.n * ({bm25.K1} + 1) / (n.n + {_NORM}))
    FROM unnest($2::text[], $3::float8[]) AS q (term, weight)
    CROSS JOIN LATERAL (SELECT cardinality(array_positions(a.list, q.term)) AS n) AS n
)"""


def _score_of(count: int) -> str:
    """BM25 of `count` terms in SQL. A sum written out costs a row a third of what the loop over an array does."""
    return " + ".join(_ONE.format(n=n) for n in range(1, count + 1)) if count <= _FEW else _MANY


class Search:
    """The search, for one schema."""

    def __init__(self, schema: str) -> None:
        self._schema = schema
        self._counts = in_schema(_COUNTS, schema)

    async def run(
        self, link: Link, scope: str, terms: Sequence[str], limit: int, wanted: Filter, now: datetime
    ) -> Found:
        """The best rows that have one of the terms."""
        coded = {term: encode_one(term) for term in terms}
        sought = [term for term in dict.fromkeys(coded.values()) if term]
        if not sought or limit < 1:
            return Found()
        total, having = await self._statistics(link, sought)
        present = [term for term in sought if having[term]]
        statistics = {term: having.get(found, 0) for term, found in coded.items()}
        if not present:
            return Found(total=total, having=statistics)
        weights = {term: bm25.idf(total, having[term]) for term in present}
        rare = [term for term in present if having[term] <= max(COMMON * total, 1000)]
        rows: list[tuple[Any, ...]] = []
        for chosen in (rare, present):
            if chosen and len(rows) < limit:
                rows = await self._rows(link, chosen, weights, scope, limit, wanted, now)
            if len(chosen) == len(present):
                break
        scored = [(bm25.score(row[0].split(" "), weights), row) for row in rows]
        scored.sort(key=_score, reverse=True)
        found = (Candidate(message_of(row[1:]), score) for score, row in scored)
        return Found(found, total=total, having=statistics)

    async def _statistics(self, link: Link, sought: list[str]) -> tuple[int, dict[str, int]]:
        ((total, guess, counts),) = await link.fetch(self._counts, (sought,))
        having = dict(zip(sought, counts, strict=True))
        if total < COUNTED:
            return total, having
        total = max(total, guess)
        many = [term for term, count in having.items() if count >= COUNTED]
        if many:
            for term, share in await link.fetch(_SEEN, (self._schema, many)):
                having[term] = max(COUNTED, round(share * total))
        return total, having

    async def _rows(
        self,
        link: Link,
        chosen: list[str],
        weights: dict[str, float],
        scope: str,
        limit: int,
        wanted: Filter,
        now: datetime,
    ) -> list[tuple[Any, ...]]:
        values: list[Any] = [chosen, list(weights), list(weights.values()), escape(scope), now]
        conditions = ""
        for condition, value in (
            ("m.user_id = {}", None if wanted.user_id is None else escape(wanted.user_id)),
            (_OF_SESSION, None if wanted.session_id is None else escape(wanted.session_id)),
            ("m.role = {}", None if wanted.role is None else escape(wanted.role)),
            ("m.created_at >= {}", wanted.since),
            ("m.created_at < {}", wanted.until),
        ):
            if value is not None:
                values.append(value)
                conditions += f" AND {condition.format(f'${len(values)}')}"
        values.append(str(min(limit, 2**62)))
        best = _BEST.format(score=_score_of(len(weights)), conditions=conditions, last=len(values))
        return await link.fetch(in_schema(_ROWS.format(best=best), self._schema), values)


def _score(pair: tuple[float, Any]) -> float:
    return pair[0]
