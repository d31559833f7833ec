"""What a commit on a session will write."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from recollect.errors import LimitExceeded
from recollect.store import Append, Op
from recollect.stores.dynamodb import items
from recollect.stores.dynamodb.actions import MOST
from recollect.stores.dynamodb.draft import Draft
from recollect.stores.dynamodb.header import Header
from recollect.stores.dynamodb.keys import (
    END,
    SEGMENT,
    SUMMARY,
    id_entry,
    key,
    seq_entry,
    timestamp,
    vector_entry,
)
from recollect.stores.dynamodb.known import Entry
from recollect.stores.dynamodb.values import Item, number, text


class Plan(Draft):
    """One try of a commit: what it is to write, once its operations are applied."""

    @property
    def changed(self) -> bool:
        """Whether there is anything to write."""
        if self.changes or self._vectors:
            return True
        before = None if self.base is None or self.base.deleted else self.base
        return self._header != before

    def header(self) -> Header:
        """The header to be stored: that of the session, or what stays of a deleted one."""
        last = self._last if self._fresh else self._ticks.next(self._last)
        header = self._header
        if header is None:
            header = Header(id=self.partition.id, scope=self.partition.scope, deleted=True, at=self.now)
            header.floor = timestamp(last) + END
        header.commit_id, header.last, header.busy_until = self.token, last, ""
        header.garbage = list(self._garbage)
        header.due = min(filter(None, (header.due, self._due)), default="")
        for stored in self._removed.values():
            if stored.pieces:
                header.garbage.append((stored.timestamp, stored.timestamp + END))
        if not header.deleted:
            header.owner_stale = header.owner_stale or self.adopted
        if self.cleared or header.deleted or header.garbage or header.owner_stale:
            header.look_again(self.now)
        if header.expires_at is not None and not header.deleted:
            header.look_again(header.expires_at)
        self.header_written = header
        return header

    @property
    def leaves_remains(self) -> bool:
        """Whether something stored is hidden now that may be removed."""
        return self.cleared or any(stored.pieces for stored in self._removed.values())

    def stretch(self) -> tuple[int, int]:
        """The first and the last instant of the messages to be written."""
        instants = [fresh.at for fresh in self._fresh.values()]
        return min(instants), max(instants)

    @property
    def is_large(self) -> bool:
        """Whether no transaction takes all that is new."""
        return 2 * len(self._fresh) >= MOST

    def in_question(self) -> list[str]:
        """The ids of new messages of which nobody knows yet whether they are free."""
        return [fresh.message.id for fresh in self._fresh.values() if self._in_question(fresh.message.id)]

    def messages(self) -> Iterator[Item]:
        """The items of the new messages."""
        header = self._header
        owner = None if header is None or header.owner is None else key(self.partition.scope, header.owner)
        for fresh in self._fresh.values():
            yield from items.message_items(
                self.key, timestamp(fresh.at), fresh.message, owner=owner, compress=self._compress
            )

    def entries(self) -> Iterator[Entry]:
        """The index entries of the new messages."""
        session = text(self.key)
        for seq, fresh in self._fresh.items():
            message, at = fresh.message, text(timestamp(fresh.at))
            if self._fresh_ids.get(message.id) == seq:
                item: Item = {
                    "session_id": session,
                    "entry": text(id_entry(message.id)),
                    "timestamp": at,
                    "seq": number(seq),
                }
                item |= items.lifetime_of(message)
                yield Entry(item, message.id if self._in_question(message.id) else None)
            if seq > 1 and (seq - 1) % SEGMENT == 0:
                yield Entry({"session_id": session, "entry": text(seq_entry(seq)), "timestamp": at})

    def vectors(self, *, fresh: bool) -> list[Item]:
        """The items of the attached vectors: of messages that this commit writes, or of those that were there."""
        return [item for seq, item in self._vectors.items() if (seq in self._fresh) == fresh]

    def removed(self) -> tuple[list[Item], list[Item]]:
        """Keys to delete: of messages; and in the index of their ids (where the id is not taken again) and vectors."""
        messages, entries = [], []
        for id, stored in self._removed.items():
            messages.append({"session_id": text(self.key), "timestamp": text(stored.timestamp)})
            gone = [] if id in self._fresh_ids else [id_entry(id)]
            if self.base is not None and self.base.vectors:
                gone.append(vector_entry(stored.message.seq))
            entries += [{"session_id": text(self.key), "entry": text(entry)} for entry in gone]
        return messages, entries

    def summary(self) -> Item | None:
        """The summary to put; an empty item if the stored one is to be deleted, None if it stays."""
        if self._summary is not None:
            return items.summary_item(self.key, self._summary)
        had = self.base is not None and self.base.summary_version
        has = self._header is not None and self._header.summary_version
        return {} if had and not has else None

    def summary_key(self) -> Item:
        """The key of the summary."""
        return {"session_id": text(self.key), "timestamp": text(SUMMARY)}


def check_sizes(ops: Sequence[Op], item_bytes: int) -> None:
    """Raise `LimitExceeded` for a message that is over the store's limit."""
    for op in ops:
        if isinstance(op, Append):
            for row in op.rows:
                size = items.message_bytes(row)
                if size > item_bytes:
                    raise LimitExceeded(
                        f"a message of {size:,} bytes is over this store's limit of {item_bytes:,} (item_bytes)"
                    )
