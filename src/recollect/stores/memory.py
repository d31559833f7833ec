"""The memory store: Python dicts, gone with the process. It is the oracle that other stores are compared with."""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy, deepcopy
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, ClassVar, TypeVar

from recollect.errors import ConfigError, Conflict, InvalidInput, Unsupported
from recollect.model import (
    Change,
    ChangeKind,
    Message,
    Preferences,
    Session,
    Summary,
    Swept,
    Vector,
    messages_json,
)
from recollect.store import (
    PATHS,
    Append,
    Appended,
    Attach,
    Candidate,
    Capabilities,
    Delete,
    Driver,
    Filter,
    Found,
    LogText,
    Op,
    Partition,
    Put,
    Result,
    Store,
    bm25,
)
from recollect.store.contract import Key, Row, check_ops
from recollect.store.guards import next_version, parse_feed_cursor

_Keyed = tuple[Key, Any]
T = TypeVar("T", bound=Row)


def _own(row: T) -> T:
    """The row for one reader: what it holds that can be changed is not what is kept here."""
    held = [f for f in _MUTABLE if isinstance(v := getattr(row, f, None), dict | list) and v]
    return row.replace(**{f: deepcopy(getattr(row, f)) for f in held}) if held else row  # type: ignore[return-value]


_MUTABLE = ("content", "metadata", "tool_calls", "extra", "values")


class _Log:
    """What one session partition holds."""

    def __init__(self) -> None:
        self.header: Session | None = None
        self.summary: Summary | None = None
        self.messages: dict[int, Message] = {}
        self.terms: dict[int, list[str]] = {}
        self.ids: dict[str, int] = {}
        self.seqs: list[int] = []
        self.vectors: dict[int, Vector] = {}

    def __copy__(self) -> _Log:
        twin = _Log()
        twin.header, twin.summary = self.header, self.summary
        twin.messages, twin.terms = self.messages.copy(), self.terms.copy()
        twin.ids, twin.seqs = self.ids.copy(), self.seqs.copy()
        twin.vectors = self.vectors.copy()
        return twin

    def add(self, message: Message, terms: str) -> None:
        self.messages[message.seq] = message
        self.terms[message.seq] = terms.split(" ") if terms else []
        self.ids[message.id] = message.seq
        self.seqs.append(message.seq)

    def adopt(self, user: str | None) -> None:
        for seq, message in self.messages.items():
            self.messages[seq] = message.replace(user_id=user)

    def remove(self, seq: int) -> None:
        message = self.messages.pop(seq)
        del self.terms[seq], self.ids[message.id]
        self.seqs.pop(bisect_left(self.seqs, seq))
        self.vectors.pop(seq, None)

    def span(self, after: Key | None, before: Key | None, reverse: bool) -> Iterator[int]:
        low = bisect_right(self.seqs, after[0]) if after else 0
        high = bisect_left(self.seqs, before[0]) if before else len(self.seqs)
        places = range(low, high)
        return map(self.seqs.__getitem__, reversed(places) if reverse else places)

    def clear(self) -> None:
        for held in (self.messages, self.terms, self.ids, self.seqs, self.vectors):
            held.clear()


class MemoryStore(Store):
    """Everything in this process.

    Parameters
    ----------
    feed_retention: seconds that entries of the feed are kept by `sweep`.
    """

    kind: ClassVar[str] = "memory"
    capabilities = Capabilities(
        text_search=True,
        vector_search=False,
        feed="store",
        push=False,
        index_consistency="immediate",
        item_bytes=256 * 1024 * 1024,
        commit_ops=10_000,
        durable=False,
        vectors=True,
    )

    def __init__(self, *, feed_retention: float = 7 * 86400) -> None:
        self._retention = timedelta(seconds=feed_retention)
        self._lock = threading.RLock()
        self._open = False
        self._logs: dict[tuple[str, str], _Log] = {}
        self._preferences: dict[tuple[str, str], Preferences] = {}
        self._feed: list[tuple[int, str, Change]] = []
        self._last_change = 0
        self._swept: dict[str, int] = {}

    @property
    def url(self) -> str:
        return "memory://"

    async def open(self, driver: Driver) -> None:
        self.driver = driver
        self._open = True

    async def close(self) -> None:
        self._open = False

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
        log = log or self._logs.setdefault(address, _Log())
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
            if known is not None and _live(log.messages[known], now):
                out.append(_own(log.messages[known]))
                continue
            if known is not None:
                log.remove(known)
            last += 1
            stored = row.replace(seq=last, session_id=partition.id, user_id=user)
            log.add(stored, terms)
            active = min(stored.created_at or now, now)
            header = header.replace(updated_at=max(header.updated_at or active, active))
            out.append(_own(stored))
            out.written += 1
        header = header.replace(user_id=user, last_seq=last)
        if header.ttl is not None:
            header = header.replace(expires_at=now + timedelta(seconds=header.ttl))
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
            log = self._logs.setdefault(address, _Log())
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
        return _own(stored)

    def _attach(self, partition: Partition, address: tuple[str, str], op: Attach) -> int:
        log = self._live_log(partition, address)
        kept = 0
        for vector in op.vectors if log is not None else ():
            message = log.messages.get(vector.seq) if log is not None else None
            if (
                log is not None
                and message is not None
                and message.id == vector.id
                and _live(message, self.driver.now())
            ):
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
            if message is not None and _live(message, now):
                log.remove(op.seq)
                count = 1
                self._record(partition, "delete", "messages", op.seq, op.seq)
            return count
        readable = sum(_live(message, now) for message in log.messages.values())
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

    def _live_log(self, partition: Partition, address: tuple[str, str]) -> _Log | None:
        """The session's log; an expired one is removed on the way, for the commit that asks goes on to write."""
        log = self._logs.get(address)
        if log is not None and log.header is not None and not _live(log.header, self.driver.now()):
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

    def _counted(self, log: _Log, now: datetime) -> Session:
        assert log.header is not None
        return log.header.replace(message_count=sum(_live(message, now) for message in log.messages.values()))

    async def get(self, table: str, key: Key) -> Row | None:
        with self._held():
            now = self.driver.now()
            if table == "preferences":
                found = self._preferences.get((key[0], key[1]))
                return None if found is None else _own(found)
            log = self._logs.get((key[0], key[1]))
            if log is None or log.header is None or not _live(log.header, now):
                return None
            if table == "sessions":
                return _own(self._counted(log, now))
            if table == "summaries":
                return None if log.summary is None else _own(log.summary)
            message = log.messages.get(key[2])
            return _own(message) if message is not None and _live(message, now) else None

    async def query(
        self,
        path: str,
        hash: Key,
        *,
        after: Key | None = None,
        before: Key | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int,
        reverse: bool = False,
    ) -> Sequence[Any]:
        declared = PATHS.get(path)
        if declared is None:
            raise Unsupported(f"no path {path!r}")
        if limit < 1:
            return []
        with self._held():
            now = self.driver.now()
            out: list[Any] = []
            for key, row in self._rows(path, hash, now, after, before, reverse):
                if (after is not None and key <= after) or (before is not None and key >= before):
                    continue
                if declared.table == "messages" and not _within(row, since, until):
                    continue
                out.append(_own(row))
                if len(out) >= limit:
                    break
            return out

    async def query_json(
        self, hash: Key, *, after: Key | None = None, before: Key | None = None, limit: int, reverse: bool = False
    ) -> LogText | None:
        with self._held():
            now = self.driver.now()
            log = self._readable(hash, now)
            found = map(log.messages.__getitem__, log.span(after, before, reverse))
            rows = list(islice((row for row in found if _live(row, now)), limit + 1))
            if not rows:
                return None
            shown = rows[:limit]
            # Text is nobody's to change, so that no row needs to be copied for it.
            return LogText(messages_json(shown), shown[-1].seq, len(rows) > limit, shown[-1].user_id)

    def _readable(self, hash: Key, now: datetime) -> _Log:
        """The log of a session; an empty one where there is none that has not expired."""
        log = self._logs.get((hash[0], hash[1]))
        return log if log is not None and log.header is not None and _live(log.header, now) else _Log()

    def _rows(
        self, path: str, hash: Key, now: datetime, after: Key | None, before: Key | None, reverse: bool
    ) -> Iterable[_Keyed]:
        if path == "preferences":
            found: list[_Keyed] = [((key[1],), row) for key, row in self._preferences.items() if key[0] == hash[0]]
            return sorted(found, key=_first, reverse=reverse)
        if path in ("messages", "system_messages", "messages_by_id", "vectors"):
            log = self._readable(hash, now)
            seqs: Iterable[int]
            if path == "messages_by_id":
                seqs = [log.ids[hash[2]]] if hash[2] in log.ids else []
            else:
                seqs = log.span(after, before, reverse)
            if path == "vectors":
                return (
                    ((seq,), log.vectors[seq]) for seq in seqs if seq in log.vectors and _live(log.messages[seq], now)
                )
            return (
                ((seq,), log.messages[seq])
                for seq in seqs
                if _live(log.messages[seq], now) and (path != "system_messages" or log.messages[seq].role == "system")
            )
        logs = [
            log
            for (scope, _), log in self._logs.items()
            if scope == hash[0] and log.header is not None and _live(log.header, now)
        ]
        if path in ("sessions", "sessions_by_user"):
            headers = (self._counted(log, now) for log in logs)
            found = [((h.updated_at, h.id), h) for h in headers if path == "sessions" or h.user_id == hash[1]]
        else:
            found = [
                ((m.created_at, m.session_id, m.seq), m)
                for log in logs
                for m in log.messages.values()
                if m.user_id == hash[1] and _live(m, now)
            ]
        return sorted(found, key=_first, reverse=reverse)

    async def search(
        self,
        scope: str,
        *,
        terms: Sequence[str],
        vector: Sequence[float] | None = None,
        model: str = "",
        limit: int,
        filter: Filter = Filter(),
    ) -> Found:
        if vector is not None:
            raise Unsupported("the memory store has no vector search: recall compares the vectors itself")
        with self._held():
            now = self.driver.now()
            total, having, matches = 0, dict.fromkeys(terms, 0), []
            for (owner, _), log in self._logs.items():
                if owner != scope or log.header is None or not _live(log.header, now):
                    continue
                for seq, words in log.terms.items():
                    message = log.messages[seq]
                    if not words or not _live(message, now):
                        continue
                    total += 1
                    shared = having.keys() & set(words)
                    for term in shared:
                        having[term] += 1
                    if shared and _passes(message, filter):
                        matches.append((message, words))
            weights = {term: bm25.idf(total, n) for term, n in having.items()}
            found = [Candidate(message, bm25.score(words, weights)) for message, words in matches]
            found.sort(key=lambda c: c.score, reverse=True)
            best = (Candidate(_own(row), score) for row, score in found[:limit])
            return Found(best, total=total, having=having)

    async def changes(self, scope: str, *, after: str | None = None, limit: int) -> list[Change]:
        with self._held():
            start = parse_feed_cursor(after, self._last_change, self._swept.get(scope, 0))
            if limit < 1:
                return []
            index = bisect_right(self._feed, start, key=lambda entry: entry[0])
            out: list[Change] = []
            for _, owner, change in self._feed[index:]:
                if owner == scope:
                    out.append(change)
                    if len(out) >= limit:
                        break
            return out

    async def sweep(self) -> Swept:
        with self._held():
            now, sessions, messages = self.driver.now(), 0, 0
            for address, log in list(self._logs.items()):
                if log.header is not None and not _live(log.header, now):
                    del self._logs[address]
                    sessions += 1
                    messages += len(log.messages)
                    continue
                for seq, message in list(log.messages.items()):
                    if not _live(message, now):
                        log.remove(seq)
                        messages += 1
            oldest = now - self._retention
            young = (i for i, (_, _, change) in enumerate(self._feed) if change.at is not None and change.at > oldest)
            changes = next(young, len(self._feed))
            self._swept.update((owner, number) for number, owner, _ in self._feed[:changes])
            del self._feed[:changes]
            return Swept(sessions=sessions, messages=messages, changes=changes)


def _first(pair: _Keyed) -> Key:
    return pair[0]


def _live(row: Session | Message, now: datetime) -> bool:
    return row.expires_at is None or row.expires_at > now


def _within(row: Message, since: datetime | None, until: datetime | None) -> bool:
    at = row.created_at
    assert at is not None
    return (since is None or at >= since) and (until is None or at < until)


def _passes(row: Message, wanted: Filter) -> bool:
    return (
        (wanted.user_id is None or row.user_id == wanted.user_id)
        and (wanted.session_id is None or row.session_id == wanted.session_id)
        and (wanted.role is None or row.role == wanted.role)
        and _within(row, wanted.since, wanted.until)
    )
