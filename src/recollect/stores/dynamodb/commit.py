"""Commits on a session: one transaction guarded by the header, or many that stay hidden until the last one."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import timedelta

from recollect.errors import ConfigError, LimitExceeded, RecollectError, Unavailable
from recollect.model import Session
from recollect.store import Append, Attach, Delete, Driver, Op, Partition, Put, Result
from recollect.store.codec import dump_time
from recollect.stores.dynamodb import actions, staged
from recollect.stores.dynamodb.actions import Action
from recollect.stores.dynamodb.cache import Cache, Slot
from recollect.stores.dynamodb.client import Cancelled, Client
from recollect.stores.dynamodb.feed import ChangeFeed
from recollect.stores.dynamodb.header import Header, header_of
from recollect.stores.dynamodb.keys import Ticks, key, timestamp
from recollect.stores.dynamodb.known import Known
from recollect.stores.dynamodb.plan import Plan
from recollect.stores.dynamodb.reads import Reads
from recollect.stores.dynamodb.schema import Names
from recollect.stores.dynamodb.turns import Turn
from recollect.stores.dynamodb.vectors import Vectors

MANY_IDS = 45
"""From so many messages on, the ids are looked up before the commit: it will not fit one transaction anyway."""

SAMPLE = 100
"""Of many ids only so many: if none of them is there, the rest are taken for new until one of them turns out not to be."""

TURNS = 400
"""How often a commit that loses against others is tried before it says so."""

THROTTLED = {"ThrottlingError", "ProvisionedThroughputExceeded", "RequestLimitExceeded"}
THROTTLED_TURNS = 12

BUSY = timedelta(seconds=30)
"""How long others let a large commit go first."""

BUSY_STEP = 0.05
BUSY_TURNS = 100


class _Stale(Exception):
    """The header that a plan is made for is not the newest that this process knows."""


class _Unsure(Exception):
    """Whether these ids are free has to be known before: the commit's own transaction would not find it out."""

    def __init__(self, ids: list[str]) -> None:
        super().__init__("ids to look up")
        self.ids = ids


class Commits:
    """Applies commits to sessions.

    Parameters
    ----------
    cache: headers last seen. compress: whether long fields are compressed.
    """

    def __init__(
        self,
        client: Client,
        names: Names,
        driver: Driver,
        reads: Reads,
        vectors: Vectors,
        feed: ChangeFeed,
        cache: Cache,
        ticks: Ticks,
        *,
        compress: bool,
    ) -> None:
        self._client = client
        self._vectors = vectors
        self._feed = feed
        self._names = names
        self._driver = driver
        self._reads = reads
        self._cache = cache
        self._ticks = ticks
        self._compress = compress

    async def commit(self, partition: Partition, ops: Sequence[Op]) -> tuple[list[Result], Plan | None]:
        """All operations or none; what they give, and the plan that was carried out, if it was not that of others."""
        slot = self._cache.slot(key(partition.scope, partition.id))
        turn = await slot.queue.enter(ops, self._driver)
        if isinstance(turn, list):
            return turn, None
        try:
            return await self._take(slot, partition, turn)
        except RecollectError as error:
            turn.error = error
            raise
        finally:
            turn.let_go()

    async def _take(self, slot: Slot, partition: Partition, turn: Turn) -> tuple[list[Result], Plan]:
        """Commit what a turn is for."""
        known, of, fresh, waited, lost = Known(), None, not slot.loaded, 0, 0
        mine, thorough = set[str](), False
        while lost < TURNS:
            if not slot.loaded:
                await self._load(slot, partition)
            base = slot.header
            if base is not None and waited < BUSY_TURNS and base.commit_id not in mine and self._busy(base):
                waited += 1
                await self._driver.sleep(BUSY_STEP)
                await self._load(slot, partition)
                fresh = True
                continue
            if of is not base:
                known, of = Known(), base
            if base is not None:
                await self._find_out(partition, base, turn.ops, known, thorough=thorough)
            plan = Plan(
                partition,
                base,
                self._driver.now(),
                self._ticks,
                known,
                compress=self._compress,
                token=os.urandom(16).hex(),
            )
            try:
                results = turn.results = plan.apply(turn.ops)
            except RecollectError:
                if turn.has_company:
                    turn.dismiss()
                    continue
                if fresh:
                    raise
                results = []
            else:
                if plan.changed:
                    try:
                        await self._write(slot, plan, known, mine, turn)
                        return results[: turn.own], plan
                    except _Stale:
                        fresh = False
                        continue
                    except _Unsure as unsure:
                        assert base is not None
                        known.ids |= await self._reads.stored_by_ids(base, unsure.ids)
                        continue
                    except Cancelled as cancelled:
                        thorough = True
                        if await self._learn(cancelled, base, known):
                            continue
                        if lost >= THROTTLED_TURNS and THROTTLED & set(cancelled.codes):
                            raise Unavailable(
                                f"DynamoDB throttles the writes to session {partition.id!r}"
                            ) from cancelled
                    fresh = False
                    await self._client.pause(lost)
                    lost += 1
                    continue
                if fresh:
                    turn.landed = True
                    return results[: turn.own], plan
            # What is refused or needs no write rests on the header alone: a cached one does not do for that.
            await self._load(slot, partition)
            fresh = True
        raise Unavailable(f"session {partition.id!r} is written by too many at once: {TURNS} tries lost")

    async def _load(self, slot: Slot, partition: Partition) -> None:
        slot.set(await self._reads.header(partition.scope, partition.id))

    def _busy(self, base: Header) -> bool:
        """Whether somebody writes a large commit here."""
        return base.busy_until > dump_time(self._driver.now())

    async def _find_out(
        self, partition: Partition, base: Header, ops: Sequence[Op], known: Known, *, thorough: bool
    ) -> None:
        """What a plan has to know of stored messages.

        Parameters
        ----------
        thorough: look up every one of many ids.
        """
        now = dump_time(self._driver.now())
        if not base.live(now):
            return
        if known.live_expiring is None and base.expiring and any(map(_counts, ops)):
            exact = base.exact_count(now)
            known.live_expiring = (
                exact - base.count if exact is not None else await self._reads.count_expiring(base, now)
            )
        for op in ops:
            if isinstance(op, Delete) and op.table == "messages" and op.seq is not None and op.seq not in known.seqs:
                known.seqs[op.seq] = await self._reads.stored_by_seq(base, op.seq)
        attached = {vector.id for op in ops if isinstance(op, Attach) for vector in op.vectors} - known.entries.keys()
        if attached and base.last_seq:
            entries = await self._reads.live_entries(base, sorted(attached))
            known.entries |= {id: entries.get(id) for id in attached}
        rows = [row.id for op in ops if isinstance(op, Append) for row in op.rows]
        if len(rows) > MANY_IDS and base.last_seq:
            unknown = [id for id in dict.fromkeys(rows) if id not in known.ids]
            if not thorough and not known.likely_new:
                sample = unknown[:: -(-len(unknown) // SAMPLE) or 1]
                known.ids |= await self._reads.stored_by_ids(base, sample)
                known.likely_new = not any(known.ids[id] for id in sample)
                unknown = [id for id in unknown if id not in known.ids]
            if not known.likely_new:
                known.ids |= await self._reads.stored_by_ids(base, unknown)

    async def _learn(self, cancelled: Cancelled, base: Header | None, known: Known) -> bool:
        """What a cancelled transaction says; whether the commit can be tried again at once."""
        codes = cancelled.codes
        if not codes or codes[0] == "ConditionalCheckFailed":
            return False
        taken = [
            item for item, code in zip(cancelled.items, codes, strict=True) if code == "ConditionalCheckFailed" and item
        ]
        if taken and base is not None:
            known.ids |= await self._reads.stored_of(base, taken)
            return True
        for code in codes:
            if code in ("ValidationError", "ItemCollectionSizeLimitExceeded"):
                raise LimitExceeded(f"DynamoDB refuses the commit ({code})") from cancelled
            if code == "AccessDenied":
                raise ConfigError("AWS does not allow a part of the transaction (AccessDenied)") from cancelled
        return False

    async def _write(self, slot: Slot, plan: Plan, known: Known, mine: set[str], turn: Turn) -> None:
        """Carry a plan out. Raises `Cancelled` if it lost, `_Stale` if it would.

        Parameters
        ----------
        mine: takes the ids of headers that announce a large commit of this call. turn: in which it is done.
        """
        names, base = self._names, plan.base
        if plan.unsure:
            raise _Unsure(plan.unsure)
        header = plan.header()
        first = actions.guarded_put(names.conversations, header.item(), "session_id", _guard(base))
        rest = self._rest(plan, header)
        lanes = staged.closed(names.index, plan.key) if base and base.busy_until else []
        others = self._vectors.puts(plan.partition.scope, plan.vectors(fresh=False))
        whole = None if plan.is_large else [first, *self._new(plan), *rest, *lanes]
        if base is not None and others and (whole is None or not actions.fits([*whole, *others])):
            await self._vectors.write(base, plan.vectors(fresh=False))
            others = []
        if whole is not None and actions.fits([*whole, *others]):
            await self._send(slot, base, [*whole, *others], header, turn)
            return
        unsure = plan.in_question()
        if unsure and not known.likely_new:
            raise _Unsure(unsure)
        turn.pass_on()  # the filling takes long; others can read, and see for themselves that the session is busy
        await self._write_staged(slot, plan, header, self._new(plan), rest, mine)
        turn.landed = True

    def _new(self, plan: Plan) -> Iterator[Action]:
        """What writes the new messages, each made when it is asked for: of many, the first are on their way by then."""
        for entry in plan.entries():
            yield actions.put_entry(self._names.index, entry)
        for item in plan.messages():
            yield actions.put(self._names.conversations, item)
        yield from self._vectors.puts(plan.partition.scope, plan.vectors(fresh=True))

    def _rest(self, plan: Plan, header: Header) -> list[Action]:
        """What a commit writes beside its header, its messages and their entries."""
        names = self._names
        rest: list[Action] = []
        messages, entries = plan.removed()
        rest += [actions.delete(names.conversations, message) for message in messages]
        rest += [actions.delete(names.index, entry) for entry in entries]
        summary = plan.summary()
        if summary is not None:
            rest.append(
                actions.put(names.conversations, summary)
                if summary
                else actions.delete(names.conversations, plan.summary_key())
            )
        if plan.changes:
            rest.append(
                actions.put(names.changes, self._feed.entry(plan.partition, header.last, plan.now, plan.changes))
            )
        return rest

    async def _write_staged(
        self, slot: Slot, plan: Plan, header: Header, puts: Iterator[Action], rest: list[Action], mine: set[str]
    ) -> None:
        """Too much for one transaction: announce the stretch, fill it, and show it all at once.

        The announcement hides the stretch from readers and opens the lanes through which it is filled: whoever commits
        meanwhile closes them, so nothing can be written into the stretch once it has become garbage.
        """
        names, base = self._names, plan.base
        low, high = plan.stretch()
        begun = base.copy() if base else Header(id=header.id, scope=header.scope, deleted=True, at=plan.now)
        begun.commit_id, begun.last = os.urandom(16).hex(), header.last
        begun.garbage.append((timestamp(low), timestamp(high) + "~"))
        begun.busy_until = dump_time(plan.instant + BUSY)
        begun.look_again(begun.busy_until)
        mine.add(begun.commit_id)
        announce = actions.guarded_put(names.conversations, begun.item(), "session_id", _guard(base))
        await self._send(slot, base, [announce, *staged.opened(names.index, plan.key, begun.commit_id)], begun)
        try:
            await self._driver.run(staged.fill, self._client, names.index, plan.key, begun.commit_id, puts)
        except BaseException:
            slot.loaded = False
            raise
        show = actions.guarded_put(names.conversations, header.item(), "session_id", begun.commit_id)
        await self._send(slot, begun, [show, *rest, *staged.closed(names.index, plan.key)], header)

    async def _send(
        self, slot: Slot, base: Header | None, sent: list[Action], after: Header, turn: Turn | None = None
    ) -> None:
        """One transaction on a session.

        Parameters
        ----------
        turn: ends with it if it goes through.
        """
        await self._driver.run(self._send_now, slot, base, sent, after, turn)

    def _send_now(self, slot: Slot, base: Header | None, sent: list[Action], after: Header, turn: Turn | None) -> None:
        if turn is not None and not turn.hold():
            raise _Stale  # who began it was cancelled, and nobody waits for it
        try:
            if _guard(slot.header) != _guard(base):
                raise _Stale
            self._transact(slot, sent, after)
            if turn is not None:
                turn.landed = True
        finally:
            if turn is not None:
                turn.let_go()

    def _transact(self, slot: Slot, sent: list[Action], after: Header) -> None:
        token = os.urandom(16).hex()
        try:
            self._client.request("transact_write_items", {"TransactItems": sent, "ClientRequestToken": token})
        except Cancelled as cancelled:
            if cancelled.codes and cancelled.codes[0] == "ConditionalCheckFailed":
                there = cancelled.items[0]
                slot.set(None if there is None else header_of(there))
                if slot.header is not None and slot.header.commit_id == after.commit_id:
                    return  # The answer to an earlier try was lost on the way.
            raise
        except BaseException:
            slot.loaded = False
            raise
        slot.set(after)


def _guard(header: Header | None) -> str | None:
    """What the next commit demands to be stored."""
    return None if header is None else header.commit_id


def _counts(op: Op) -> bool:
    """Whether what an operation gives says how many messages there are."""
    if isinstance(op, Put):
        return isinstance(op.row, Session)
    return isinstance(op, Delete) and op.seq is None and op.table in (None, "messages")
