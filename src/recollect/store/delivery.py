"""From the journal of a buffer into the store: in order within each session, and once.

What is done with is removed from the journal when the store has acknowledged it. What happens in between (a crash, a lost
answer) has it sent again, under the same ids.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

from recollect.errors import ConfigError, RecollectError, Unavailable
from recollect.model import Delivered, Message
from recollect.store.contract import Append, Commit, Partition, SessionDefaults
from recollect.store.driver import Driver
from recollect.store.entries import Entry, SessionKey
from recollect.store.journal import Journal
from recollect.store.optional import Store

BATCH = 100
"""Entries read at once."""
PARCEL_ROWS, PARCEL_BYTES = 50, 256 * 1024
"""What of one session goes in one commit, where several appends can: it is within the limits of every store."""
MOST_STUCK = 10
"""Sessions whose entries fail with what no waiting heals, before a delivery is given up."""


class Tally:
    """What a delivery has done so far, in messages; and how many entries are done with."""

    def __init__(self) -> None:
        self.entries = self.delivered = self.expired = self.refused = self.dropped = 0

    def done(self) -> Delivered:
        """The figures for the caller."""
        return Delivered(delivered=self.delivered, expired=self.expired, refused=self.refused, dropped=self.dropped)


class _Parcel(NamedTuple):
    entries: list[Entry]
    append: Append

    @property
    def commit(self) -> Commit:
        first = self.entries[0]
        return Commit(Partition(first.scope, "session", first.session_id), [self.append])


class Delivery:
    """Takes entries to a store.

    Parameters
    ----------
    progress: called when something has arrived.
    """

    def __init__(self, store: Store, journal: Journal, driver: Driver, progress: Callable[[], None]) -> None:
        self._store = store
        self._journal = journal
        self._driver = driver
        self._progress = progress

    async def send(self, limit: int | None, session: SessionKey | None, tally: Tally) -> None:
        """Deliver entries of a session, or of all; no more batches when `limit` are done with. One caller at a time.

        Raises `Unavailable` at once if the store is away. What fails otherwise, and may not be the entry's fault, holds up its
        session alone; it is raised at the end.
        """
        stuck: dict[SessionKey, RecollectError] = {}
        while (limit is None or tally.entries < limit) and len(stuck) < MOST_STUCK:
            head = partial(self._journal.head, BATCH, session=session, without=frozenset(stuck))
            if not (entries := await self._driver.run(head)):
                break
            await self._send_batch(entries, tally, stuck)
        for obstacle in stuck.values():
            raise obstacle

    async def _send_batch(self, entries: list[Entry], tally: Tally, stuck: dict[SessionKey, RecollectError]) -> None:
        parcels, expired = await self._parcels(entries)
        done: list[int] = []
        refused: list[tuple[int, Exception]] = []
        away: Unavailable | None = None
        for entry, outcome in await self._deliver(parcels):
            if outcome is None:
                done.append(entry.number)
            elif isinstance(outcome, Unavailable) and outcome.retryable:
                away = outcome
            elif isinstance(outcome, Unavailable | ConfigError) and not await self._is_its_fault(entry, outcome):
                stuck[entry.session] = outcome
            else:
                refused.append((entry.number, outcome))
                tally.refused += len(entry.rows)
        sessions = {entry.session for entry in entries}
        if expired:
            tally.expired += await self._driver.run(self._journal.settle, sessions, expired)
        if done or refused:
            tally.delivered += await self._driver.run(self._journal.settle, sessions, done, refused)
            self._progress()
        tally.entries += len(expired) + len(done) + len(refused)
        if away is not None:
            raise away

    async def _parcels(self, entries: list[Entry]) -> tuple[list[_Parcel], list[int]]:
        """What to send now, one parcel a session; and the numbers of entries that have expired meanwhile.

        What does not fit into its session's parcel stays for the next batch.
        """
        now = self._driver.now()
        by_session: dict[SessionKey, list[Entry]] = {}
        for entry in entries:
            by_session.setdefault(entry.session, []).append(entry)
        parcels: list[_Parcel] = []
        expired: list[int] = []
        for first, *others in by_session.values():
            append = await self._prepared(first, now)
            if not isinstance(append, Append):
                expired += append
                continue
            together, rows, terms, size = [first], list(append.rows), list(append.terms), first.size
            for other in others:
                more, their_terms = _alive(other, now)
                size += other.size
                joins = first.ttl is None and other.ttl is None and first.user_id == other.user_id and more
                if not joins or len(rows) + len(more) > PARCEL_ROWS or size > PARCEL_BYTES:
                    break
                together.append(other)
                rows += more
                terms += their_terms
            parcels.append(_Parcel(together, Append(rows=rows, terms=terms, session=append.session)))
        return parcels, expired

    async def _prepared(self, entry: Entry, now: datetime) -> Append | list[int]:
        """What to commit for an entry; the numbers of those that have expired, if it is one of them.

        Lifetimes count from the append. Where the session is not in the store, the entries that would have lived in one
        session together go when it would have gone.
        """
        rows, terms = _alive(entry, now)
        if not rows:
            return [entry.number]
        ttl = entry.ttl
        if ttl is not None and await self._store.get("sessions", entry.session) is None:
            span = timedelta(seconds=ttl)
            end, together = entry.at + span, []
            for number, at in await self._driver.run(self._journal.instants, entry.session, entry.number):
                if at >= end:
                    break
                together.append(number)
                end = at + span if entry.sliding else end
            if end <= now:
                return together
            if not entry.sliding:
                ttl = min(ttl, (end - now).total_seconds())
        session = SessionDefaults(user_id=entry.user_id, ttl=ttl, sliding=entry.sliding)
        return Append(rows=rows, terms=terms, session=session)

    async def _deliver(self, parcels: list[_Parcel]) -> list[tuple[Entry, Exception | None]]:
        """The outcome of each entry: None, or its error. A parcel that is refused is opened, and its entries go alone."""
        found: list[tuple[Entry, Exception | None]] = []
        for parcel, outcome in zip(parcels, await self._outcomes([p.commit for p in parcels]), strict=True):
            if outcome is None or isinstance(outcome, Unavailable) or len(parcel.entries) == 1:
                found += [(entry, outcome) for entry in parcel.entries]
                continue
            for entry in parcel.entries:
                append = await self._prepared(entry, self._driver.now())
                if isinstance(append, Append):
                    (alone,) = await self._outcomes([_Parcel([entry], append).commit])
                    found.append((entry, alone))
                    if isinstance(alone, Unavailable):
                        break
        return found

    async def _outcomes(self, commits: list[Commit]) -> list[Exception | None]:
        """None for each that was committed, else its error."""
        if len(commits) > 1:
            try:
                many = await self._store.commit_many(commits)
            except Unavailable:
                raise
            except Exception:  # of one of them, who knows which: one by one, so that it fails alone
                many = None
            if many is not None:
                return [outcome if isinstance(outcome, RecollectError) else None for outcome in many]
        outcomes: list[Exception | None] = []
        for partition, ops in commits:
            try:
                await self._store.commit(partition, ops)
            except Exception as error:
                outcomes.append(error)
                if isinstance(error, Unavailable) and error.retryable:
                    return outcomes + [error] * (len(commits) - len(outcomes))
            else:
                outcomes.append(None)
        return outcomes

    async def _is_its_fault(self, entry: Entry, error: RecollectError) -> bool:
        """Whether it is the entry that the store cannot take, rather than anything now: it answers to a read."""
        if isinstance(error, Unavailable):
            return False
        try:
            await self._store.get("sessions", entry.session)
        except RecollectError:
            return False
        return True


def _alive(entry: Entry, now: datetime) -> tuple[list[Message], list[str]]:
    """Messages that have not expired, with their terms."""
    alive = [i for i, row in enumerate(entry.rows) if row.expires_at is None or row.expires_at > now]
    return [entry.rows[i] for i in alive], [entry.terms[i] for i in alive]
