"""The full-text index: FTS5 over terms that the analyzer made.

Writing to FTS5 costs four times the message itself when done one at a time, and a quarter of it in batches. So an
append writes its terms into its own row, in its own commit, and every `BATCH` changes the appending commit moves what
has gathered into FTS5. Until then a search reads the gathered rows themselves: what was just said is found at once.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from string import ascii_uppercase
from typing import Any

from recollect.model import Message
from recollect.store import Candidate, Filter, Found, bm25
from recollect.store.codec import dump_time
from recollect.store.tables import MESSAGES
from recollect.stores._sql import columns, message_of

BATCH = 256
BULK = 64
"""An append of so many messages is moved at once: waiting would leave too much to read."""

_AT_ONCE = 500

COMMON = 0.2
"""A term in more than this share of the rows is not searched for if a rarer one of the query is there: it adds
hardly any weight (its idf is below 1.6) and most of the work. It still counts in the score of what is found."""

_PENDING = """
FROM recollect_changes AS c CROSS JOIN recollect_messages AS m
  ON m.position BETWEEN (c.session_no << 32) + c.first_seq AND (c.session_no << 32) + c.last_seq
WHERE c.id > ? AND c.kind = 'append' AND m.terms <> ''
"""
_SELECT = columns(MESSAGES, "m.")


def _meta(connection: sqlite3.Connection, name: str) -> int:
    row = connection.execute("SELECT value FROM recollect_meta WHERE name = ?", (name,)).fetchone()
    return int(row[0])


def _set_meta(connection: sqlite3.Connection, name: str, value: int) -> None:
    connection.execute("UPDATE recollect_meta SET value = ? WHERE name = ?", (value, name))


def version(connection: sqlite3.Connection) -> int:
    """Of the rules by which the terms were made."""
    return _meta(connection, "analyzer")


def set_version(connection: sqlite3.Connection, version: int) -> None:
    """Note it."""
    _set_meta(connection, "analyzer", version)


def renew(connection: sqlite3.Connection, after: int, limit: int, terms: Callable[[Message], str]) -> tuple[int, int]:
    """Make the terms of the next rows anew: the position of the last one, and how many they were."""
    flush(connection)
    rows = connection.execute(
        f"SELECT position, terms, {columns(MESSAGES)} FROM recollect_messages WHERE position > ? ORDER BY position LIMIT ?",
        (after, limit),
    ).fetchall()
    changed = [(position, old, new) for position, old, *row in rows if (new := encode(terms(message_of(row)))) != old]
    connection.executemany(
        "INSERT INTO recollect_terms (recollect_terms, rowid, terms) VALUES ('delete', ?, ?)",
        [(position, old) for position, old, _ in changed if old],
    )
    connection.executemany(
        "UPDATE recollect_messages SET terms = ? WHERE position = ?", [(new, position) for position, _, new in changed]
    )
    connection.executemany(
        "INSERT INTO recollect_terms (rowid, terms) VALUES (?, ?)",
        [(position, new) for position, _, new in changed if new],
    )
    gained = sum(bool(new) - bool(old) for _, old, new in changed)
    connection.execute("UPDATE recollect_meta SET value = value + ? WHERE name = 'indexed_rows'", (gained,))
    return (rows[-1][0] if rows else after), len(rows)


def is_due(change: int, rows: int) -> bool:
    """Whether, after this append, what has gathered is to be moved."""
    return rows >= BULK or change % BATCH == 0


def flush(connection: sqlite3.Connection) -> None:
    """Move what has gathered into FTS5, by ascending position: at each step back FTS5 writes out what it has so far."""
    newest = connection.execute("SELECT max(id) FROM recollect_changes").fetchone()[0] or 0
    indexed = _meta(connection, "indexed_change")
    if newest == indexed:
        return
    moved = connection.execute(
        f"INSERT INTO recollect_terms (rowid, terms) SELECT m.position, m.terms {_PENDING} ORDER BY m.position",
        (indexed,),
    ).rowcount
    _set_meta(connection, "indexed_change", newest)
    if moved > 0:
        connection.execute("UPDATE recollect_meta SET value = value + ? WHERE name = 'indexed_rows'", (moved,))


def forget(connection: sqlite3.Connection, where: str, values: tuple[Any, ...]) -> None:
    """Before messages are removed: take their terms out."""
    flush(connection)
    removed = connection.execute(
        "INSERT INTO recollect_terms (recollect_terms, rowid, terms)"
        f" SELECT 'delete', position, terms FROM recollect_messages WHERE terms <> '' AND {where}",
        values,
    ).rowcount
    if removed > 0:
        connection.execute("UPDATE recollect_meta SET value = value - ? WHERE name = 'indexed_rows'", (removed,))
    mark_deleted(connection)


def mark_deleted(connection: sqlite3.Connection) -> None:
    """Count that something was removed, whose remains are to be scrubbed."""
    connection.execute("UPDATE recollect_meta SET value = value + 1 WHERE name = 'deleted_since_scrub'")


def scrub(connection: sqlite3.Connection) -> int:
    """Rewrite the index without the terms of what was removed; the count of what was, 0 for nothing."""
    deleted = _meta(connection, "deleted_since_scrub")
    if deleted:
        flush(connection)
        connection.execute("INSERT INTO recollect_terms (recollect_terms) VALUES ('optimize')")
    return deleted


def scrubbed(connection: sqlite3.Connection, deleted: int) -> int:
    """After the log was emptied too: note that nothing remains; 0 if more was removed meanwhile."""
    return connection.execute(
        "UPDATE recollect_meta SET value = 0 WHERE name = 'deleted_since_scrub' AND value = ?", (deleted,)
    ).rowcount


_AS_IT_IS = bytes(
    point for point in range(256) if point != 127 and chr(point) not in "~" + ascii_uppercase and point > 31
)


def encode(terms: str) -> str:
    """Terms as FTS5 keeps them apart: it folds ASCII capitals, and splits at blanks and control characters. A term with
    one of these is written as ``~`` and the hexadecimal of its UTF-8; nearly all terms stay as they are."""
    return terms if _is_plain(terms) else " ".join(map(_encode_one, terms.split(" ")))


def encode_all(terms: Sequence[str]) -> Sequence[str]:
    """`encode` of each; one look at all of them together is mostly enough."""
    return terms if _is_plain(" ".join(terms)) else list(map(encode, terms))


def _is_plain(terms: str) -> bool:
    try:
        return not terms.encode().translate(None, _AS_IT_IS)
    except UnicodeEncodeError:  # a lone surrogate
        return False


def _encode_one(term: str) -> str:
    return term if _is_plain(term) else "~" + term.encode("utf-8", "surrogatepass").hex()


def search(
    connection: sqlite3.Connection, scope: str, terms: Sequence[str], limit: int, wanted: Filter, now: str
) -> Found:
    """The best rows by BM25, from FTS5 and from what waits to be moved there."""
    connection.execute("BEGIN")
    coded = {term: encode(term) for term in terms}
    sought = [encoded for encoded in dict.fromkeys(coded.values()) if encoded]
    total = _meta(connection, "indexed_rows")
    indexed = {
        term: (row[0] if row else 0)
        for term in sought
        for row in [connection.execute("SELECT doc FROM recollect_vocabulary WHERE term = ?", (term,)).fetchone()]
    }
    gathered = connection.execute(
        f"SELECT m.position, m.terms {_PENDING}", (_meta(connection, "indexed_change"),)
    ).fetchall()
    having = dict(indexed)
    matching = []
    for position, text in gathered:
        shared = having.keys() & set(text.split(" "))
        for term in shared:
            having[term] += 1
        if shared:
            matching.append(position)
    weights = {term: bm25.idf(total + len(gathered), count) for term, count in having.items()}
    conditions, values = _conditions(scope, wanted, now)
    rows = _indexed_rows(connection, indexed, total, conditions, values, limit)
    for start in range(0, len(matching), _AT_ONCE):
        some = matching[start : start + _AT_ONCE]
        rows += connection.execute(
            f"SELECT m.terms, {_SELECT} FROM recollect_messages AS m"
            " CROSS JOIN recollect_sessions AS s ON s.session_no = m.session_no"
            f" WHERE m.position IN ({', '.join('?' * len(some))}) AND {conditions}",
            (*some, *values),
        ).fetchall()
    scored = [(bm25.score(row[0].split(" "), weights), row) for row in rows]
    scored.sort(key=_score, reverse=True)
    return Found(
        (Candidate(message_of(row[1:]), score) for score, row in scored[:limit]),
        total=total + len(gathered),
        having={term: having.get(encoded, 0) for term, encoded in coded.items()},
    )


def _indexed_rows(
    connection: sqlite3.Connection,
    having: dict[str, int],
    total: int,
    conditions: str,
    values: list[Any],
    limit: int,
) -> list[tuple[Any, ...]]:
    """The best rows of FTS5: by the rare terms, and by all if these do not give enough."""
    present = [term for term, count in having.items() if count]
    rare = [term for term in present if having[term] <= max(COMMON * total, 1000)]
    rows: list[tuple[Any, ...]] = []
    for chosen in (rare, present):
        if not chosen or len(rows) >= limit:
            continue
        match = " OR ".join('"' + term.replace('"', '""') + '"' for term in chosen)
        rows = connection.execute(
            f"SELECT m.terms, {_SELECT} FROM recollect_terms AS f"
            " CROSS JOIN recollect_messages AS m ON m.position = f.rowid"
            " CROSS JOIN recollect_sessions AS s ON s.session_no = m.session_no"
            f" WHERE f.recollect_terms MATCH ? AND {conditions} ORDER BY bm25(f.recollect_terms) LIMIT ?",
            (match, *values, limit + 20),
        ).fetchall()
        if len(chosen) == len(present):
            break
    return rows


def _score(pair: tuple[float, Any]) -> float:
    return pair[0]


def _conditions(scope: str, wanted: Filter, now: str) -> tuple[str, list[Any]]:
    conditions = [
        "m.scope = ?",
        "(m.expires_at IS NULL OR m.expires_at > ?)",
        "(s.expires_at IS NULL OR s.expires_at > ?)",
    ]
    values: list[Any] = [scope, now, now]
    for column, value in (("user_id", wanted.user_id), ("session_id", wanted.session_id), ("role", wanted.role)):
        if value is not None:
            conditions.append(f"m.{column} = ?")
            values.append(value)
    if wanted.since is not None:
        conditions.append("m.created_at >= ?")
        values.append(dump_time(wanted.since))
    if wanted.until is not None:
        conditions.append("m.created_at < ?")
        values.append(dump_time(wanted.until))
    return " AND ".join(conditions), values
