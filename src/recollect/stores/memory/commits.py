"""Commits: all or nothing, with their entries of the feed."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from datetime import datetime, timedelta
from typing import Any

from recollect.errors import ConfigError, Conflict, InvalidInput
from recollect.model import Change, ChangeKind, Preferences, Session, Summary
from recollect.store import Append, Appended, Attach, Delete, Op, Partition, Put, Result, Store
from recollect.store.contract import Row, check_ops
from recollect.store.guards import next_version
from recollect.stores.memory.log import Log, live, own


class Commits(Store):
    """The half of the store that writes, and what it keeps."""

    def __init__(self, *, feed_retention: float = 7 * 86400) -> None:
        self._retention = timedelta(seconds=feed_retention)
        self._lock = threading.RLock()
        self._open = False
        self._logs: dict[tuple[str, str], Log] = {}
        self._preferences: dict[tuple[str, str], Preferences] = {}
        self._feed: list[tuple[int, str, Change]] = []
        self._last_change = 0
        self._swept: dict[str, int] = {}

    @contextmanager
    def _held(self) -> Iterator[None]:
        """The store for one call: open, and nobody else's meanwhile."""
        with self._lock:
            if not self._open:
                raise ConfigError("this store is not open")
            yield

    async def commit(self, partition: Partition, ops: Sequence[Op]) -> list[Result]:
        check_ops(ops, self.capabilities)
        with self._held():
            address = (partition.scope, partition.id)
            if partition.kind == "session":
                held: Any = self._logs.get(address)
                saved = copy(held) if held is not None and len(ops) > 1 else held
                kept: dict[Any, Any] = self._logs
            else:
                saved = self._preferences.get(address)
                kept = self._preferences
            feed_length, last_change = len(self._feed), self._last_change
            try:
                return [self._apply(partition, address, op) for op in ops]
            except BaseException:
                kept.pop(address, None)
                if saved is not None:
                    kept[address] = saved
                del self._feed[feed_length:]
                self._last_change = last_change
                raise

    def _apply(self, partition: Partition, address: tuple[str, str], op: Op) -> Result:
        if isinstance(op, Append):
            return self._append(partition, address, op)
        if isinstance(op, Put):
            return self._put(partition, address, op)
        if isinstance(op, Attach):
            return self._attach(partition, address, op)
        return self._delete(partition, address, op)

    def _append(self, partition: Partition, address: tuple[str, str], op: Append) -> Appended:
        now, defaults = self.driver.now(), op.session
        log = self._live_log(partition, address)
        header = log.header if log else None
        owner, wanted = header.user_id if header else None, defaults.user_id
        if owner is not None and wanted is not None and owner != wanted:
            raise Conflict(f"session {partition.id!r} belongs to another user")
        user = owner if owner is not None else wanted
        out = Appended()
        log = log or self._logs.setdefault(address, Log())
        if header is None:
            ttl = defaults.ttl
            begun = min([now, *(row.created_at for row in op.rows if row.created_at is not None)])
            header = Session(
                id=partition.id,
                created_at=begun,
                updated_at=begun,
                expires_at=None if ttl is None else now + timedelta(seconds=ttl),
                ttl=ttl if defaults.sliding else None,
                version=1,
            )
        if owner != user:
            log.adopt(user)
        first = header.last_seq + 1
        last = header.last_seq
        for row, terms in zip(op.rows, op.terms, strict=True):
            known = log.ids.get(row.id)
            if known is not None and live(log.messages[known], now):
                out.append(own(log.messages[known]))
                continue
            if known is not None:
                log.remove(known)
            last += 1
            stored = row.replace(seq=last, session_id=partition.id, user_id=user)
            log.add(stored, terms)
            active = min(stored.created_at or now, now)
            header = header.replace(updated_at=max(header.updated_at or active, active))
            out.append(own(stored))
            out.written += 1
        header = header.replace(user_id=user, last_seq=last)
        if header.ttl is not None:
            renewed = now + timedelta(seconds=header.ttl)
            header = header.replace(expires_at=max(header.expires_at or renewed, renewed))
        log.header = header
        if out.written:
            self._record(partition, "append", "messages", first, last)
        return out

    def _put(self, partition: Partition, address: tuple[str, str], op: Put) -> Row:
        now, row = self.driver.now(), op.row
        if isinstance(row, Preferences):
            known: Any = self._preferences.get(address)
        else:
            log = self._live_log(partition, address)
            known = None if log is None else log.header if isinstance(row, Session) else log.summary
        version = next_version(
            op.expect, known.version if known is not None else None, f"{op.table} of {partition.id!r}"
        )
        if isinstance(row, Preferences):
            stored: Row = row.replace(version=version)
            self._preferences[address] = stored  # type: ignore[assignment]
        else:
            log = self._logs.setdefault(address, Log())
            if isinstance(row, Session):
                owned = known or Session(id=row.id, created_at=now, updated_at=now)
                if owned.user_id != row.user_id:
                    log.adopt(row.user_id)
                stored = log.header = row.replace(
                    message_count=0,
                    last_seq=owned.last_seq,
                    created_at=owned.created_at,
                    updated_at=owned.updated_at,
                    version=version,
                )
                stored = self._counted(log, now)
            elif isinstance(row, Summary):
                if log.header is None:
                    raise Conflict(f"session {partition.id!r} is not there to be summarised")
                stored = log.summary = row.replace(version=version)
            else:
                raise InvalidInput("messages are appended, not put", field="table")
        self._record(partition, "put", op.table)
        return own(stored)

    def _attach(self, partition: Partition, address: tuple[str, str], op: Attach) -> int:
        log = self._live_log(partition, address)
        kept = 0
        for vector in op.vectors if log is not None else ():
            message = log.messages.get(vector.seq) if log is not None else None
            if log is not None and message is not None and message.id == vector.id and live(message, self.driver.now()):
                log.vectors[vector.seq] = vector.replace(session_id=partition.id)
                kept += 1
        return kept

    def _delete(self, partition: Partition, address: tuple[str, str], op: Delete) -> int:
        now = self.driver.now()
        count = 0
        if partition.kind == "user":
            if op.table in (None, "preferences") and address in self._preferences:
                del self._preferences[address]
                count = 1
                self._record(partition, "delete", "preferences")
            return count
        log = self._live_log(partition, address)
        if log is None or log.header is None:
            return 0
        if op.table == "messages" and op.seq is not None:
            message = log.messages.get(op.seq)
            if message is not None and live(message, now):
                log.remove(op.seq)
                count = 1
                self._record(partition, "delete", "messages", op.seq, op.seq)
            return count
        readable = sum(live(message, now) for message in log.messages.values())
        if op.table == "summaries" or op.table is None:
            count += log.summary is not None
            log.summary = None
        if op.table == "messages" or op.table is None:
            count += readable
            log.clear()
        if op.table is None:
            count += 1
            self._logs.pop(address, None)
        if count:
            self._record(partition, "delete", op.table or "sessions")
        return count

    def _live_log(self, partition: Partition, address: tuple[str, str]) -> Log | None:
        """The session's log; an expired one is removed on the way, for the commit that asks goes on to write."""
        log = self._logs.get(address)
        if log is not None and log.header is not None and not live(log.header, self.driver.now()):
            del self._logs[address]
            self._record(partition, "delete", "sessions")
            return None
        return log

    def _record(self, partition: Partition, kind: ChangeKind, table: str, first: int = 0, last: int = 0) -> None:
        self._last_change += 1
        change = Change(
            cursor=str(self._last_change),
            kind=kind,
            table=table,
            partition=partition.id,
            first_seq=first,
            last_seq=last,
            at=self.driver.now(),
        )
        self._feed.append((self._last_change, partition.scope, change))

    def _counted(self, log: Log, now: datetime) -> Session:
        assert log.header is not None
        return log.header.replace(message_count=sum(live(message, now) for message in log.messages.values()))
