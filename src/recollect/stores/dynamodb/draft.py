"""What a commit makes of a session, worked out from its header alone: no I/O, so that a lost race costs one retry."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from recollect.errors import Conflict, InvalidInput
from recollect.model import Message, Session, Summary
from recollect.store import Append, Appended, Attach, Delete, Op, Partition, Put, Result
from recollect.store.codec import dump_object, dump_time
from recollect.store.guards import next_version
from recollect.stores.dynamodb import items
from recollect.stores.dynamodb.header import Header, new_header
from recollect.stores.dynamodb.keys import (
    END,
    Ticks,
    key,
    micros,
    timestamp,
)
from recollect.stores.dynamodb.known import Fresh, Known, Stored
from recollect.stores.dynamodb.values import Item, text


class Draft:
    """A session as the operations of one try leave it.

    Parameters
    ----------
    base: the stored header, None if there is none. ticks: gives the instants. known: what was found out under `base`.
    compress: whether long fields are compressed. token: identifies this try; see `Header.commit_id`.

    Attributes
    ----------
    unsure: ids that were taken for new, whose messages the commit itself removes again: no entry of theirs is written that
        would fail if they are not, so they have to be looked up.
    """

    def __init__(
        self,
        partition: Partition,
        base: Header | None,
        now: Any,
        ticks: Ticks,
        known: Known,
        *,
        compress: bool,
        token: str,
    ) -> None:
        self.partition = partition
        self.key = key(partition.scope, partition.id)
        self.base = base
        self.token = token
        self.instant = now
        self.now = dump_time(now)
        self.changes: list[tuple[str, str, int, int]] = []
        self.adopted = False
        self.cleared = False
        self.unsure: list[str] = []
        self._ticks = ticks
        self._known = known
        self._compress = compress
        self._last = base.last if base else 0
        self._header: Header | None = None if base is None or base.deleted else base.copy()
        self._stored = self._header is not None
        self._garbage = list(base.garbage) if base else []
        self._due = base.due if base else ""
        self._fresh: dict[int, Fresh] = {}
        self._fresh_ids: dict[str, int] = {}
        self._removed: dict[str, Stored] = {}
        self._live_expiring = known.live_expiring or 0
        self._summary: Summary | None = None
        self._vectors: dict[int, Item] = {}
        self.header_written: Header

    def apply(self, ops: Sequence[Op]) -> list[Result]:
        """All operations in their order; what they give."""
        return [self._apply(op) for op in ops]

    def _apply(self, op: Op) -> Result:
        if isinstance(op, Append):
            return self._append(op)
        if isinstance(op, Delete):
            return self._delete(op)
        if isinstance(op, Attach):
            return self._attach(op)
        if isinstance(op.row, Session):
            return self._put_session(op, op.row)
        if isinstance(op.row, Summary):
            return self._put_summary(op, op.row)
        raise InvalidInput("messages are appended, not put", field="table")

    def _live(self) -> Header | None:
        """The header; an expired session is removed on the way, for what asks goes on to write."""
        header = self._header
        if header is not None and not header.live(self.now):
            self._drop()
            self.changes.append(("delete", "sessions", 0, 0))
            return None
        return header

    def _drop(self) -> None:
        """Everything of the session is gone."""
        self._clear()
        self._header = None
        self._summary = None

    def _clear(self) -> None:
        """All messages are gone: what is stored lies below the floor from now on, what was to be written is not."""
        self.cleared = True
        self.unsure += [fresh.message.id for fresh in self._fresh.values() if self._in_question(fresh.message.id)]
        self._stored = False
        self._fresh.clear()
        self._fresh_ids.clear()
        self._removed.clear()
        self._vectors.clear()
        self._live_expiring = 0
        if self._header is not None:
            header = self._header
            header.floor = timestamp(self._last) + END
            header.count = header.expiring = header.removed = header.lag = header.ahead = 0
            header.first_expiry = header.last_expiry = header.earliest = header.latest = ""
            header.ordered, header.vectors = True, False

    def _begin(self, begun: Any) -> Header:
        floor = timestamp(self._last) + END if self._last else "0"
        self._header = new_header(self.partition.scope, self.partition.id, begun=begun, floor=floor)
        return self._header

    def _append(self, op: Append) -> Appended:
        header, defaults = self._live(), op.session
        wanted = defaults.user_id
        if header is not None and header.owner is not None and wanted is not None and header.owner != wanted:
            raise Conflict(f"session {self.partition.id!r} belongs to another user")
        if header is None:
            begun = min([self.instant, *(row.created_at for row in op.rows if row.created_at is not None)])
            header = self._begin(begun)
            if defaults.ttl is not None:
                header.expires_at = dump_time(self.instant + timedelta(seconds=defaults.ttl))
                header.ttl = defaults.ttl if defaults.sliding else None
        if header.owner is None and wanted is not None:
            self.adopted = self.adopted or header.last_seq > 0
            header.owner = wanted
        out, first = Appended(), header.last_seq + 1
        for row in op.rows:
            message = self._find(row.id) or self._add(header, row)
            out.append(message.replace(user_id=header.owner))
        out.written = header.last_seq - first + 1
        if out.written:
            self.changes.append(("append", "messages", first, header.last_seq))
        if header.ttl is not None:
            renewed = dump_time(self.instant + timedelta(seconds=header.ttl))
            header.expires_at = max(header.expires_at or renewed, renewed)
        return out

    def _find(self, id: str) -> Message | None:
        """The live message that has an id."""
        if (seq := self._fresh_ids.get(id)) is not None:
            message = self._fresh[seq].message
            return message if message.expires_at is None or message.expires_at > self.instant else None
        if not self._stored or id in self._removed:
            return None
        found = self._known.ids.get(id)
        return None if found is None else found.message

    def _in_question(self, id: str) -> bool:
        """Whether nobody knows if a stored message has an id."""
        return self._stored and id not in self._removed and id not in self._known.ids

    def _add(self, header: Header, row: Message) -> Message:
        assert row.created_at is not None
        at = self._last = self._ticks.next(self._last)
        seq = header.last_seq = header.last_seq + 1
        message = row.replace(seq=seq, session_id=self.partition.id, user_id=header.owner)
        self._fresh[seq] = Fresh(message, at)
        self._fresh_ids[row.id] = seq
        if row.expires_at is None:
            header.count += 1
        else:
            self._count_expiring(header, dump_time(row.expires_at))
        created = dump_time(row.created_at)
        header.updated_at = max(header.updated_at, min(created, self.now))
        header.ordered = header.ordered and (not header.latest or created >= header.latest)
        header.earliest = min(header.earliest or created, created)
        header.latest = max(header.latest, created)
        apart = at - micros(row.created_at)
        header.lag, header.ahead = max(header.lag, apart), max(header.ahead, -apart)
        return message

    def _count_expiring(self, header: Header, expires: str) -> None:
        header.first_expiry = min(header.first_expiry or expires, expires)
        header.last_expiry = max(header.last_expiry, expires)
        header.expiring += 1
        header.look_again(expires)
        if expires > self.now:
            self._live_expiring += 1

    def _attach(self, op: Attach) -> int:
        header, kept = self._header, 0
        if header is None or not header.live(self.now):
            return 0
        for vector in op.vectors:
            if (fresh := self._fresh.get(vector.seq)) is not None:
                message = fresh.message
                if message.id != vector.id or (message.expires_at is not None and message.expires_at <= self.instant):
                    continue
                entry: Item | None = {"timestamp": text(timestamp(fresh.at)), **items.lifetime_of(message)}
            else:
                here = self._stored and vector.id not in self._removed
                entry = self._known.entries.get(vector.id) if here else None
                if not items.is_of(vector, entry):
                    continue
            assert entry is not None
            self._vectors[vector.seq] = items.vector_item(self.key, vector, entry)
            header.vectors = True
            kept += 1
        return kept

    def _put_session(self, op: Put, row: Session) -> Session:
        header = self._live()
        version = self._next(op.expect, None if header is None else header.version, "the header")
        if header is None:
            header = self._begin(self.instant)
        if header.owner != row.user_id:
            self.adopted = self.adopted or header.last_seq > 0
        header.owner, header.title, header.metadata = row.user_id, row.title, dump_object(row.metadata)
        header.expires_at = None if row.expires_at is None else dump_time(row.expires_at)
        header.ttl, header.version = row.ttl, version
        self.changes.append(("put", "sessions", 0, 0))
        return header.session(self._count(header))

    def _count(self, header: Header) -> int:
        return header.count + self._live_expiring

    def _put_summary(self, op: Put, row: Summary) -> Summary:
        header = self._live()
        if header is None:
            raise Conflict(f"session {self.partition.id!r} is not there to be summarised")
        version = self._next(op.expect, header.summary_version or None, "the summary")
        header.summary_version = version
        self._summary = row.replace(version=version)
        self.changes.append(("put", "summaries", 0, 0))
        return self._summary

    def _next(self, expect: int, version: int | None, what: str) -> int:
        return next_version(expect, version, f"{what} of {self.partition.id!r}")

    def _delete(self, op: Delete) -> int:
        header = self._header
        if header is None or not header.live(self.now) or op.table == "preferences":
            return 0
        if op.table == "messages" and op.seq is not None:
            return self._delete_one(header, op.seq)
        count = 0
        if op.table in (None, "summaries") and header.summary_version:
            count += 1
            header.summary_version, self._summary = 0, None
        if op.table in (None, "messages"):
            count += self._count(header)
            if header.last_seq:
                self._clear()
        if op.table is None:
            count += 1
            self._drop()
        if count:
            self.changes.append(("delete", op.table or "sessions", 0, 0))
        return count

    def _delete_one(self, header: Header, seq: int) -> int:
        fresh = self._fresh.get(seq)
        if fresh is not None:
            message = fresh.message
        else:
            stored = self._known.seqs.get(seq) if self._stored else None
            if stored is None or stored.message.id in self._removed:
                return 0
            message = stored.message
        if message.expires_at is not None and message.expires_at <= self.instant:
            return 0
        if fresh is not None:
            self.unsure += [message.id] if self._in_question(message.id) else []
            del self._fresh[seq], self._fresh_ids[message.id]
        else:
            self._removed[message.id] = self._known.seqs[seq]  # type: ignore[assignment]
        self._vectors.pop(seq, None)
        header.removed += 1
        if message.expires_at is None:
            header.count -= 1
        else:
            header.expiring -= 1
            self._live_expiring -= 1
        self.changes.append(("delete", "messages", seq, seq))
        return 1
