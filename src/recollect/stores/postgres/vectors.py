"""Vectors: kept beside their messages, and the nearest ones by pgvector, where it is there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from recollect.errors import InvalidInput, RecollectError
from recollect.store import Attach, Candidate, Filter, Found, Partition
from recollect.stores.postgres.links import Link, Run
from recollect.stores.postgres.names import in_schema
from recollect.stores.postgres.rows import MESSAGE_COLUMNS, message_of
from recollect.stores.postgres.text import escape, escape_or_none

FEW = 3000
"""Up to so many vectors of a session, user or scope are compared one by one; beyond that the index is asked first."""
MAX_SEQ = 2**63 - 1

_ATTACH = "SELECT * FROM recollect.attach($1, $2, $3::text[]::bigint[], $4, $5, $6, $7)"
_NEAREST = f"""
SELECT n.score, {MESSAGE_COLUMNS}
FROM recollect.nearest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) AS n
JOIN recollect.messages AS m ON m.session_no = n.session_no AND m.seq = n.seq
ORDER BY n.score DESC
"""


class Vectors:
    """Vectors, for one schema."""

    def __init__(self, schema: str) -> None:
        self._attach = in_schema(_ATTACH, schema)
        self._nearest = in_schema(_NEAREST, schema)
        self._index = in_schema("SELECT recollect.index_vectors($1, $2)", schema)
        self._indexed: set[tuple[str, int]] = set()

    async def attach(self, run: Run, partition: Partition, op: Attach, now: datetime) -> int:
        """Keep vectors; how many."""
        last = {
            (vector.seq, vector.id): vector
            for vector in op.vectors
            if 0 < vector.seq <= MAX_SEQ and partition.kind == "session"
        }
        if not last:
            return 0
        seqs, ids, models, data = [], [], [], []
        for (seq, id), vector in last.items():
            seqs.append(str(seq))
            ids.append(escape(id))
            models.append(escape(vector.model))
            data.append(vector.data)
        values = (escape(partition.scope), escape(partition.id), seqs, ids, models, data, now)
        kept = {seq for (seq,) in await run(self._attach, values)}
        return sum(vector.seq in kept for vector in op.vectors)

    async def index(self, link: Link, op: Attach) -> None:
        """See that there is an index for these vectors; without one they are found more slowly, that is all."""
        for kind in {(vector.model, len(vector.data) // 2) for vector in op.vectors} - self._indexed:
            self._indexed.add(kind)
            try:
                await link.fetch(self._index, (escape(kind[0]), str(kind[1])))
            except RecollectError:
                continue

    async def nearest(
        self, link: Link, scope: str, vector: Sequence[float], model: str, limit: int, wanted: Filter, now: datetime
    ) -> Found:
        """The nearest messages. Raises `InvalidInput` for numbers that are none."""
        length = math.sqrt(sum(number * number for number in vector))
        if not math.isfinite(length):
            raise InvalidInput("a vector is finite numbers", field="vector")
        if limit < 1 or length == 0 or len(vector) > 16_000:
            return Found()
        values: tuple[Any, ...] = (
            escape(scope),
            "[" + ",".join(f"{number / length:.6g}" for number in vector) + "]",
            escape(model),
            str(min(limit, 2**62)),
            str(FEW),
            now,
            escape_or_none(wanted.user_id),
            escape_or_none(wanted.session_id),
            escape_or_none(wanted.role),
            wanted.since,
            wanted.until,
        )
        rows = await link.fetch(self._nearest, values)
        return Found(Candidate(message_of(row[1:]), row[0]) for row in rows)
