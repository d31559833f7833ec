"""The memory store: Python dicts, gone with the process. It is the oracle that other stores are compared with."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, ClassVar

from recollect.errors import Unsupported
from recollect.model import Change, Swept, messages_json
from recollect.store import PATHS, Candidate, Capabilities, Driver, Filter, Found, LogText, bm25
from recollect.store.contract import Key, Row
from recollect.store.guards import parse_feed_cursor
from recollect.stores.memory.commits import Commits
from recollect.stores.memory.log import Log, live, own, passes, within

_Keyed = tuple[Key, Any]


class MemoryStore(Commits):
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

    @property
    def url(self) -> str:
        return "memory://"

    async def open(self, driver: Driver) -> None:
        self.driver = driver
        self._open = True

    async def close(self) -> None:
        self._open = False

    async def get(self, table: str, key: Key) -> Row | None:
        with self._held():
            now = self.driver.now()
            if table == "preferences":
                found = self._preferences.get((key[0], key[1]))
                return None if found is None else own(found)
            log = self._logs.get((key[0], key[1]))
            if log is None or log.header is None or not live(log.header, now):
                return None
            if table == "sessions":
                return own(self._counted(log, now))
            if table == "summaries":
                return None if log.summary is None else own(log.summary)
            message = log.messages.get(key[2])
            return own(message) if message is not None and live(message, now) else None

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
                if declared.table == "messages" and not within(row, since, until):
                    continue
                out.append(own(row))
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
            rows = list(islice((row for row in found if live(row, now)), limit + 1))
            if not rows:
                return None
            shown = rows[:limit]
            # Text is nobody's to change, so that no row needs to be copied for it.
            return LogText(messages_json(shown), shown[-1].seq, len(rows) > limit, shown[-1].user_id)

    def _readable(self, hash: Key, now: datetime) -> Log:
        """The log of a session; an empty one where there is none that has not expired."""
        log = self._logs.get((hash[0], hash[1]))
        return log if log is not None and log.header is not None and live(log.header, now) else Log()

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
                    ((seq,), log.vectors[seq]) for seq in seqs if seq in log.vectors and live(log.messages[seq], now)
                )
            return (
                ((seq,), log.messages[seq])
                for seq in seqs
                if live(log.messages[seq], now) and (path != "system_messages" or log.messages[seq].role == "system")
            )
        logs = [
            log
            for (scope, _), log in self._logs.items()
            if scope == hash[0] and log.header is not None and live(log.header, now)
        ]
        if path in ("sessions", "sessions_by_user"):
            headers = (self._counted(log, now) for log in logs)
            found = [((h.updated_at, h.id), h) for h in headers if path == "sessions" or h.user_id == hash[1]]
        else:
            found = [
                ((m.created_at, m.session_id, m.seq), m)
                for log in logs
                for m in log.messages.values()
                if m.user_id == hash[1] and live(m, now)
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
                if owner != scope or log.header is None or not live(log.header, now):
                    continue
                for seq, words in log.terms.items():
                    message = log.messages[seq]
                    if not words or not live(message, now):
                        continue
                    total += 1
                    shared = having.keys() & set(words)
                    for term in shared:
                        having[term] += 1
                    if shared and passes(message, filter):
                        matches.append((message, words))
            weights = {term: bm25.idf(total, n) for term, n in having.items()}
            found = [Candidate(message, bm25.score(words, weights)) for message, words in matches]
            found.sort(key=lambda c: c.score, reverse=True)
            best = (Candidate(own(row), score) for row, score in found[:limit])
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
                if log.header is not None and not live(log.header, now):
                    del self._logs[address]
                    sessions += 1
                    messages += len(log.messages)
                    continue
                for seq, message in list(log.messages.items()):
                    if not live(message, now):
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
