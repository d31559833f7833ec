"""Vectors: one row beside each message that has one, at the same position."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import TYPE_CHECKING

from recollect.model import Vector
from recollect.store import Attach
from recollect.store.contract import Key
from recollect.stores.sqlite.by_user import MAX_SEQ

if TYPE_CHECKING:
    from recollect.stores.sqlite.changes import Work

FEW = 16
"""Vectors that are written without asking for a thread."""

_ATTACH = """
INSERT OR REPLACE INTO recollect_vectors (position, scope, session_id, seq, id, model, data)
SELECT position, scope, session_id, seq, id, ?, ? FROM recollect_messages
WHERE position = ? AND id = ? AND (expires_at IS NULL OR expires_at > ?)
"""
_KEPT = """
SELECT v.session_id, v.seq, v.id, v.model, v.data FROM recollect_sessions AS s
CROSS JOIN recollect_vectors AS v ON v.position BETWEEN (s.session_no << 32) + :low AND (s.session_no << 32) + :high
JOIN recollect_messages AS m ON m.position = v.position
WHERE s.scope = :scope AND s.session_id = :session_id AND (s.expires_at IS NULL OR s.expires_at > :now)
    AND (m.expires_at IS NULL OR m.expires_at > :now)
ORDER BY v.position {order} LIMIT :limit
"""
_UP, _DOWN = _KEPT.format(order="ASC"), _KEPT.format(order="DESC")


def attach(work: Work, op: Attach) -> int:
    """Write the vectors whose message is there; how many."""
    if len(op.vectors) > FEW:
        work.unbounded()
    header = work.header()
    if header is None:
        return 0
    number = header[0]
    rows = [
        (vector.model, vector.data, number << 32 | vector.seq, vector.id, work.now)
        for vector in op.vectors
        if 0 < vector.seq <= MAX_SEQ
    ]
    return work.connection.executemany(_ATTACH, rows).rowcount if rows else 0


def query(
    connection: sqlite3.Connection,
    hash: Key,
    after: Key | None,
    before: Key | None,
    limit: int,
    reverse: bool,
    now: str,
) -> Sequence[Vector]:
    """A page of a session's vectors."""
    values = {
        "scope": hash[0],
        "session_id": hash[1],
        "low": min(max(after[0] + 1, 0), MAX_SEQ) if after else 0,
        "high": min(max(before[0] - 1, 0), MAX_SEQ) if before else MAX_SEQ,
        "now": now,
        "limit": limit,
    }
    rows = connection.execute(_DOWN if reverse else _UP, values)
    return [
        Vector(session_id=session, seq=seq, id=id, model=model, data=data) for session, seq, id, model, data in rows
    ]
