"""The digest: what users have said, read once, and what is worth keeping of it kept as memories.

The feed says which sessions to look at, and each session's mark how far it is digested; so a cursor that is behind, or
lost because the feed was swept, costs looks and never a message. A batch of messages goes through two guarded writes: the
statements that were drawn from it, then, when all of them are kept, its end. Whoever is killed between the two is
followed by somebody who keeps the same statements again, which writes nothing twice, and asks no model again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from inspect import isawaitable, iscoroutinefunction
from typing import Any, NamedTuple

from recollect.core import areas, memories
from recollect.core.base import Base
from recollect.core.digest_marks import (
    CLAIM_SECONDS,
    Aside,
    Mark,
    claim_until,
    forget_mark,
    read_cursor,
    read_mark,
    with_aside,
    write_cursor,
    write_mark,
)
from recollect.core.extractor import DigestReport, ExtractionTask, Extractor, Said, Statement
from recollect.core.recall import recall
from recollect.core.reconcile import accepted, keep
from recollect.core.statements import RuleExtractor
from recollect.core.views import is_recallable
from recollect.errors import Conflict, InvalidAnswer, InvalidInput, NotFound, Unavailable
from recollect.model import Message, Session

Progress = Callable[[DigestReport], object]

BATCH = 20
"""Messages of a user that are given to an extractor at once, at most."""

ROWS = 4 * BATCH
"""Messages of all roles that are read for a batch, at most."""

BEFORE = 6
"""Messages before them that are shown for reference."""

PAGE = 500

CHARACTERS = 4
"""Of a token: so many times an extractor's `max_input_tokens` of one message are shown to it."""

SHORTEST_PAUSE, LONGEST_PAUSE = 0.02, 0.5
"""Seconds between two looks at a session that another program is at."""

NO_SENSE = "no valid answer"


class _Batch(NamedTuple):
    rows: list[Message]
    own: list[Message]
    last_seq: int


def checked_extractor(given: object) -> Extractor:
    """The extractor that was given, the one without a model for None; raises `InvalidInput` for what is none."""
    if given is None:
        return RuleExtractor()
    if not isinstance(given, Extractor):
        raise InvalidInput(
            f"an extractor has a name, max_input_tokens, max_known and extract; {type(given).__name__} has not",
            field="extractor",
        )
    return given


async def digest(
    base: Base, extractor: Extractor, *, again: bool, wait: bool, progress: Progress | None
) -> DigestReport:
    """Digest what the feed has, up to its present end.

    Parameters
    ----------
    again: try what was set aside once more, too. wait: whether to wait for what another program is at.
    progress: called with the figures so far, after each session.
    """
    run = _Run(base, extractor, progress, wait)
    if again:
        async for header in base.headers():
            if (await read_mark(base, header)).aside:
                await run.sessions([header.id], again=True)
    while True:
        cursor, version = await read_cursor(base)
        try:
            if cursor is None:
                raise NotFound("nothing is digested yet")
            changes = await base.store.changes(base.scope, after=cursor, limit=PAGE)
        except (NotFound, InvalidInput):
            # The first time, or the feed holds no longer what came behind: all sessions are looked at.
            end = await _end_of_feed(base)
            ids = [header.id async for header in base.headers()]
            if not await run.sessions(reversed(ids)):
                return run.report
            if end is None or not await _advance(base, end, version):
                return run.report
            continue
        if not changes:
            return run.report
        ids = [change.partition for change in changes if change.table in ("messages", "sessions")]
        if not await run.sessions(dict.fromkeys(ids)):
            return run.report
        await _advance(base, changes[-1].cursor, version)


async def _end_of_feed(base: Base) -> str | None:
    cursor: str | None = None
    while changes := await base.store.changes(base.scope, after=cursor, limit=PAGE):
        cursor = changes[-1].cursor
    return cursor


async def _advance(base: Base, cursor: str, version: int) -> bool:
    """Move the cursor; False if another program has done so, from the same place."""
    try:
        await write_cursor(base, cursor, version)
    except Conflict:
        return False
    return True


class _Run:
    """One call's work on sessions."""

    def __init__(self, base: Base, extractor: Extractor, progress: Progress | None, wait: bool) -> None:
        self.report = DigestReport()
        self._base = base
        self._extractor = extractor
        self._progress = progress
        self._wait = wait

    async def sessions(self, ids: Iterable[str], *, again: bool = False) -> bool:
        """Digest these sessions; False if another program is at one of them, and it is not to be waited for."""
        busy = [id for id in ids if not await self._session(id, again)]
        pause, waited = SHORTEST_PAUSE, 0.0
        while busy:
            if not self._wait or waited > CLAIM_SECONDS:
                return False
            await self._base.driver.sleep(pause)
            waited, pause = waited + pause, min(LONGEST_PAUSE, pause * 1.5)
            busy = [id for id in busy if not await self._session(id, again)]
        return True

    async def _session(self, id: str, again: bool) -> bool:
        """Digest a session; False if another program is at it."""
        base = self._base
        header = await base.header(id)
        if header is None or header.user_id is None or header.metadata.get("digest") is False:
            return True
        mark = await read_mark(base, header)
        if header.last_seq <= mark.seq and not mark.drawn and not (again and mark.aside):
            return True
        if mark.claimed(base.driver.now()):
            return False
        work = _Work(base, self._extractor, header, header.user_id)
        try:
            await work.claim(mark)
            if again:
                await work.again()
            await work.forward()
        except _Overtaken:
            return False
        finally:
            self.report += work.report
        if self._progress is not None:
            self._progress(self.report)
        return True


class _Overtaken(Exception):
    """Another program holds the session's mark."""


class _Work:
    """A session that is being digested."""

    def __init__(self, base: Base, extractor: Extractor, header: Session, user_id: str) -> None:
        self.report = DigestReport()
        self._base = base
        self._extractor = extractor
        self._header = header
        self._user = user_id
        self._mark = Mark()

    async def claim(self, mark: Mark) -> None:
        """Begin."""
        self._mark = mark
        await self._write(until=claim_until(self._base))

    async def forward(self) -> None:
        """Go on to the session's end, and let go of it, however that ends."""
        try:
            if self._mark.drawn:
                await self._keep()
            while (batch := await self._next(self._mark.seq, None)) is not None:
                await self._digest(batch, {"seq": batch.last_seq}, Aside(self._mark.seq + 1, batch.last_seq, NO_SENSE))
        except _Overtaken:
            raise
        except BaseException:
            await self._let_go()
            raise
        if self.report.messages or self.report.statements:
            self.report += DigestReport(sessions=1)
        await self._write(until=None)

    async def again(self) -> None:
        """Try what was set aside once more."""
        try:
            if self._mark.drawn:
                await self._keep()
            for stretch in list(self._mark.aside):
                left = [other for other in self._mark.aside if other != stretch]
                start = stretch.first - 1
                while (batch := await self._next(start, stretch.last)) is not None:
                    rest = (
                        [Aside(batch.last_seq + 1, stretch.last, stretch.why)] if batch.last_seq < stretch.last else []
                    )
                    failed = Aside(start + 1, batch.last_seq, NO_SENSE)
                    if not await self._digest(batch, {"aside": [*left, *rest]}, failed):
                        left = [*left, failed]
                        await self._write(aside=[*left, *rest])
                    start = batch.last_seq
                await self._write(aside=left)
        except _Overtaken:
            raise
        except BaseException:
            await self._let_go()
            raise

    async def _next(self, after: int, last: int | None) -> _Batch | None:
        """The next messages that an extractor can be given at once; None at the end."""
        rows: list[Message] = []
        own: list[Message] = []
        size, end = 0, after
        bounds = {"after": (after,), "limit": ROWS} | ({} if last is None else {"before": (last + 1,)})
        for row in await self._base.messages(self._header.id, **bounds):
            tokens = min(row.tokens or self._base.count(row.text), self._extractor.max_input_tokens)
            if own and (len(own) >= BATCH or size + tokens > self._extractor.max_input_tokens):
                break
            end = row.seq
            if row.role in ("user", "assistant") and row.text.strip():
                rows.append(row)
                size += tokens
                if row.role == "user" and is_recallable(row):
                    own.append(row)
        return None if end == after else _Batch(rows, own, end)

    async def _digest(self, batch: _Batch, done: dict[str, Any], failed: Aside) -> bool:
        """Draw statements from a batch and keep them; False if no sense could be made of it.

        Parameters
        ----------
        done: what the mark says when that is done. failed: what is set aside if not, where `done` has a number.
        """
        if not batch.own:
            await self._write(until=claim_until(self._base), **done)
            return True
        try:
            statements = accepted(await self._ask(batch), batch.own)
        except InvalidAnswer:
            self.report += DigestReport(messages=len(batch.own), aside=len(batch.own))
            if "seq" in done:
                aside = with_aside(self._mark.aside, failed)
                await self._write(until=claim_until(self._base), aside=aside, **done)
            return False
        if statements:
            times = {row.id: row.created_at for row in batch.own if row.created_at is not None}
            sources = {id for statement in statements for id in statement.messages}
            await self._write(
                until=claim_until(self._base),
                drawn=statements,
                times={id: at for id, at in times.items() if id in sources},
                drawn_seq=done.get("seq", self._mark.seq),
                aside=done.get("aside", self._mark.aside),
            )
            await self._keep()
        else:
            await self._write(until=claim_until(self._base), **done)
        self.report += DigestReport(messages=len(batch.own))
        return True

    async def _keep(self) -> None:
        """Keep the statements of the mark."""
        mark = self._mark
        await self._still_there([])
        report, written = await keep(
            self._base, self._user, self._header.id, mark.drawn, mark.times, self._extractor.name
        )
        await self._still_there(written)
        await self._write(until=claim_until(self._base), drawn=[], times={}, seq=max(mark.seq, mark.drawn_seq))
        self.report += report

    async def _still_there(self, written: Sequence[str]) -> None:
        """Leave nothing behind of a session that was deleted meanwhile: it may be that its user was forgotten."""
        header = await self._base.header(self._header.id)
        if header is not None and header.created_at == self._header.created_at:
            return
        for id in written:
            await memories.forget_one(self._base, (areas.USER, self._user), id)
        await forget_mark(self._base, self._header.id)
        raise _Overtaken

    async def _ask(self, batch: _Batch) -> Sequence[Statement]:
        extractor = self._extractor
        longest = extractor.max_input_tokens * CHARACTERS
        first = batch.rows[0].seq
        before = await self._base.messages(self._header.id, before=(first,), limit=BEFORE, reverse=True)
        task = ExtractionTask(
            session_id=self._header.id,
            user_id=self._user,
            messages=[_said(row, longest) for row in batch.rows if row.role != "user" or row in batch.own],
            before=[_said(row, longest // BEFORE) for row in reversed(before) if _shown(row)],
            known=await self._known(batch),
        )
        call = extractor.extract
        given: Any = call(task) if iscoroutinefunction(call) else await self._base.driver.run(call, task)
        found = await self._base.driver.finish(given) if isawaitable(given) else given
        if not isinstance(found, list | tuple):
            raise InvalidInput(
                f"the extractor {extractor.name!r} gave a {type(found).__name__}: it has to give a list of statements",
                field="extractor",
            )
        return found

    async def _known(self, batch: _Batch) -> list[Any]:
        if not self._extractor.max_known:
            return []
        query = "\n".join(row.text for row in batch.own)
        hits = await recall(
            self._base,
            query,
            namespaces=[(areas.USER, self._user)],
            conversations=False,
            limit=self._extractor.max_known,
        )
        return [hit.memory for hit in hits if hit.memory is not None and "document" not in hit.memory.source]

    async def _write(self, **changes: Any) -> None:
        try:
            self._mark = await write_mark(self._base, self._header.id, self._mark, **changes)
        except Conflict as error:
            raise _Overtaken from error

    async def _let_go(self) -> None:
        try:
            await self._write(until=None)
        except (_Overtaken, Unavailable):
            return  # of another by now, or the claim runs out by itself


def _shown(row: Message) -> bool:
    return row.role in ("user", "assistant") and bool(row.text.strip()) and is_recallable(row)


def _said(row: Message, longest: int) -> Said:
    return Said(id=row.id, role=row.role, speaker=row.name or row.role, text=row.text[:longest], at=row.created_at)
