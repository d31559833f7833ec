"""Appends: the header's counters, the rows, one entry of the feed."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from recollect.errors import Conflict, LimitExceeded
from recollect.model import Message
from recollect.store import Append, Appended, Partition
from recollect.store.codec import dump_time
from recollect.stores._sql import MESSAGE_COLUMNS, message_of, message_values
from recollect.stores.sqlite import index, pages
from recollect.stores.sqlite.by_user import MAX_SEQ

if TYPE_CHECKING:
    from recollect.stores.sqlite.changes import Work

_NEW_HEADER = """
INSERT INTO recollect_sessions (scope, session_id, user_id, created_at, updated_at, active_minute, expires_at, ttl)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
COUNT_UP = """
UPDATE recollect_sessions SET message_count = message_count + ?, last_seq = ?, updated_at = ?,
    first_message_at = ?, last_message_at = ?, time_ordered = ? WHERE session_no = ?
"""
_NEXT = """
SELECT session_no, last_seq, user_id, ttl, updated_at, last_message_at FROM recollect_sessions
WHERE scope = ? AND session_id = ? AND (expires_at IS NULL OR expires_at > ?)
"""
MINUTE = "UPDATE recollect_sessions SET active_minute = ? WHERE session_no = ?"
_RENEW = "UPDATE recollect_sessions SET expires_at = max(coalesce(expires_at, ''), ?) WHERE session_no = ?"
_ADOPT = "UPDATE recollect_sessions SET user_id = ? WHERE session_no = ?"
_ADOPT_MESSAGES = "UPDATE recollect_messages SET user_id = ? WHERE position BETWEEN ? AND ?"
_INSERT = """
INSERT INTO recollect_messages (position, scope, session_no, session_id, seq, id, role, content, parts, name,
    user_id, metadata, tool_calls, tool_call_id, extra, created_at, expires_at, tokens, terms)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_ONE = f"INSERT INTO recollect_append VALUES ({', '.join('?' * 23)})"
"""See `append_one.sql`."""
_PLAIN_ONE = """
INSERT INTO recollect_append (session_no, seq, scope, session_id, updated, latest, active, now, id, role, content,
    user_id, created_at, tokens, terms)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
"""The same for a message of nothing but a role and a text: `sqlite3` takes longer over a None than over any text."""
INSERT_NEW = f"{_INSERT} ON CONFLICT (session_no, id) DO NOTHING"
_CREATED = 10
"""Where `message_values` has ``created_at``."""
_BY_ID = f"SELECT expires_at, position, {MESSAGE_COLUMNS} FROM recollect_messages WHERE session_no = ? AND id = ?"
_EXPIRED = "SELECT 1 FROM recollect_messages WHERE session_no = ? AND expires_at <= ? LIMIT 1"
_IDS_AT_ONCE = (4, 32, 256)
"""Few statements for any number of ids: the last one is repeated up to the next of these."""
_IDS = {
    size: f"SELECT id FROM recollect_messages WHERE session_no = ? AND id IN ({', '.join('?' * size)})"
    for size in _IDS_AT_ONCE
}


class Head:
    """What an append reads of the header and writes back."""

    __slots__ = ("earliest", "last", "latest", "minute", "number", "ordered", "owner", "ttl", "updated")

    def __init__(
        self,
        number: int,
        owner: str | None,
        last: int,
        updated: str,
        ttl: float | None,
        earliest: str,
        latest: str,
        ordered: int,
        minute: str,
    ) -> None:
        self.number = number
        self.owner = owner
        self.last = last
        self.updated = updated
        self.ttl = ttl
        self.earliest = earliest
        self.latest = latest
        self.ordered = ordered
        self.minute = minute

    def counted(self, written: int) -> tuple[Any, ...]:
        """The values of `COUNT_UP`, `written` messages later."""
        return (written, self.last, self.updated, self.earliest, self.latest, self.ordered, self.number)


Next = tuple[int, int, str | None, float | None, str, str]
"""What the next append has to know of a header: session_no, last_seq, user_id, ttl, updated_at, last_message_at."""

NEXTS = 4096
"""Headers remembered; each is some 500 bytes."""


def append_next(work: Work, op: Append) -> Appended | None:
    """The short way for one new message, the latest by its time too, to a session that has messages.

    What is remembered of the header saves reading it: the message is written only if all of that is still so, whatever
    other processes or a rollback have done meanwhile.

    None, with nothing done, where the long way is needed: no session, another owner, an id that is there already, an
    index that is due.
    """
    known: Next | None = work.nexts.get(work.partition)
    if known is not None:
        appended = _append_behind(work, op, known)
        if appended is not None:
            return appended
        del work.nexts[work.partition]
    read: Next | None = work.execute(_NEXT, (work.scope, work.id, work.now)).fetchone()
    return None if read is None or read == known else _append_behind(work, op, read)


def _append_behind(work: Work, op: Append, head: Next) -> Appended | None:
    number, _, _, ttl, updated, _ = head
    written = _write_one(work.connection, work.partition, op, head, work.now)
    if written is None:
        return None
    appended, after = written
    active = after[4]
    if active[:16] > updated[:16]:
        work.execute(MINUTE, (active[:16], number))
    if ttl is not None:
        work.execute(_RENEW, (dump_time(work.instant + timedelta(seconds=ttl)), number))
    _remember(work.nexts, work.partition, after)
    return appended


def append_alone(
    connection: sqlite3.Connection, partition: Partition, op: Append, nexts: dict[Partition, Next], now: str
) -> Appended | None:
    """`append_next` as one statement that is its own transaction; None, with nothing done, where it takes more."""
    known = nexts.get(partition)
    if known is None or known[3] is not None or now[:16] > known[4][:16]:
        return None
    written = _write_one(connection, partition, op, known, now)
    if written is None:
        del nexts[partition]
        return None
    nexts[partition] = written[1]
    return written[0]


def _write_one(
    connection: sqlite3.Connection, partition: Partition, op: Append, head: Next, now: str
) -> tuple[Appended, Next] | None:
    """The message as stored, and what the next append has to know; None, with nothing done, where it cannot be."""
    number, last, owner, ttl, updated, latest = head
    wanted = op.session.user_id
    if (wanted is not None and wanted != owner) or last >= MAX_SEQ:
        return None
    scope, _, id = partition
    seq = last + 1
    stored = replace(op.rows[0], seq=seq, session_id=id, user_id=owner)
    assert stored.created_at is not None
    created = dump_time(stored.created_at)
    if not (latest and latest <= created <= now):
        return None
    active = created if created > updated else updated
    terms = index.encode(op.terms[0])
    try:
        if ttl is None and _is_plain(stored):
            text = (stored.id, stored.role, stored.content, owner, created, stored.tokens, terms)
            connection.execute(_PLAIN_ONE, (number, seq, scope, id, updated, latest, active, now, *text))
        else:
            values = message_values(stored)
            connection.execute(_ONE, (number, seq, scope, id, ttl, updated, latest, active, now, *values, terms))
    except sqlite3.IntegrityError:
        return None
    appended = Appended((stored,))
    appended.written = 1
    return appended, (number, seq, owner, ttl, active, created)


def _is_plain(message: Message) -> bool:
    return (
        type(message.content) is str
        and message.expires_at is None
        and message.name is None
        and message.tool_calls is None
        and message.tool_call_id is None
        and not (message.metadata or message.extra)
    )


def _remember(nexts: dict[Partition, Next], partition: Partition, head: Next) -> None:
    """Keep what the next append has to know of a header."""
    if len(nexts) >= NEXTS:
        nexts.clear()
    nexts[partition] = head


def append(work: Work, op: Append) -> Appended:
    """Append the rows that are new, and give back all as stored."""
    head = _head(work, op)
    before = head.last
    out = _write(work, head, op)
    if out.written:
        work.execute(COUNT_UP, head.counted(out.written))
        if head.updated[:16] != head.minute:
            work.execute(MINUTE, (head.updated[:16], head.number))
        change = work.record("append", "messages", head.number, before + 1, head.last)
        work.index_due |= index.is_due(change, out.written)
    if head.ttl is not None:
        work.execute(_RENEW, (dump_time(work.instant + timedelta(seconds=head.ttl)), head.number))
    return out


def _head(work: Work, op: Append) -> Head:
    row = work.header()
    wanted = op.session.user_id
    if row is None:
        return _new_head(work, op)
    number, owner, last, updated, _, ttl, earliest, latest, ordered, minute = row
    if owner is None and wanted is not None:
        owner = wanted
        adopt(work, number, owner)
    elif wanted is not None and owner != wanted:
        raise Conflict(f"session {work.id!r} belongs to another user")
    return Head(number, owner, last, updated, ttl, earliest, latest, ordered, minute)


def adopt(work: Work, number: int, owner: str | None) -> None:
    """Change the owner of a session, and of all its messages."""
    work.unbounded()
    pages.rewrite(work.connection)
    work.execute(_ADOPT, (owner, number))
    work.execute(_ADOPT_MESSAGES, (owner, number << 32, number << 32 | MAX_SEQ))


def _new_head(work: Work, op: Append) -> Head:
    defaults = op.session
    ttl = defaults.ttl
    begun = begin(op.rows, work.now)
    expires = None if ttl is None else dump_time(work.instant + timedelta(seconds=ttl))
    sliding = ttl if defaults.sliding else None
    minute = begun[:16]
    values = (work.scope, work.id, defaults.user_id, begun, begun, minute, expires, sliding)
    number = work.execute(_NEW_HEADER, values).lastrowid
    assert number is not None
    return Head(number, defaults.user_id, 0, begun, sliding, "9", "", 1, minute)


def begin(rows: Sequence[Message], now: str) -> str:
    """When a session that begins with these messages was begun."""
    return min([now, *(dump_time(row.created_at) for row in rows if row.created_at is not None)])


def filled(values: list[str], size: int) -> list[str]:
    """Values for a statement of so many: the last is repeated."""
    return values + values[-1:] * (size - len(values))


def numbered(
    scope: str, session: str, head: Head, message: Message, terms: str, now: str
) -> tuple[Message, tuple[Any, ...]]:
    """The message under the header's next number, and its row; the header is counted on."""
    seq = head.last + 1
    if seq > MAX_SEQ:
        raise LimitExceeded(f"a session holds at most {MAX_SEQ:,} messages")
    stored = replace(message, seq=seq, session_id=session, user_id=head.owner)
    values = message_values(stored)
    created: str = values[_CREATED]
    head.last = seq
    if created < head.latest:
        head.ordered = 0
    else:
        head.latest = created
    if created < head.earliest:
        head.earliest = created
    active = created if created < now else now
    if active > head.updated:
        head.updated = active
    return stored, (head.number << 32 | seq, scope, head.number, session, seq, *values, index.encode(terms))


def _write(work: Work, head: Head, op: Append) -> Appended:
    taken = _taken_ids(work, head, op.rows) if head.last else set()
    # Without an echo, what is there already need not be read, where nothing of the session has expired.
    unread = not op.echo and not (taken and work.execute(_EXPIRED, (head.number, work.now)).fetchone())
    out = Appended()
    rows = []
    fresh: dict[str, Message] = {}
    for message, words in zip(op.rows, op.terms, strict=True):
        known = fresh.get(message.id)
        if known is None and message.id in taken:
            if unread:
                continue
            known = _known(work, head, message.id)
        if known is not None:
            out.append(known)
            continue
        stored, row = numbered(work.scope, work.id, head, message, words, work.now)
        rows.append(row)
        fresh[message.id] = stored
        out.append(stored)
    if rows:
        work.connection.executemany(_INSERT, rows)
    out.written = len(rows)
    return out


def _taken_ids(work: Work, head: Head, messages: Sequence[Message]) -> set[str]:
    """Which of the ids the session has already, those of expired messages among them."""
    ids = list({message.id for message in messages})
    taken: set[str] = set()
    for start in range(0, len(ids), _IDS_AT_ONCE[-1]):
        some = ids[start : start + _IDS_AT_ONCE[-1]]
        size = next(size for size in _IDS_AT_ONCE if size >= len(some))
        taken.update(id for (id,) in work.execute(_IDS[size], (head.number, *filled(some, size))))
    return taken


def _known(work: Work, head: Head, id: str) -> Message | None:
    """The live message with an id; an expired one is removed, for its id is free again."""
    expires, position, *columns = work.execute(_BY_ID, (head.number, id)).fetchone()
    if expires is None or expires > work.now:
        return message_of(columns)
    work.remove_messages(head.number, "position = ?", (position,))
    return None
