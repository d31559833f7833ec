"""The handle of one session, async: its log, its summary, its header."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from recollect.core.areas import check_path
from recollect.core.budget import build_context
from recollect.core.checks import check_count, check_flag, check_text, check_ttl, refuse
from recollect.core.context import Context
from recollect.core.cursors import make_cursor
from recollect.core.digest_marks import forget_mark
from recollect.core.messages import MessageLike, many
from recollect.core.pages import Bounds, cut_page, page_json
from recollect.core.window import SystemRule, window
from recollect.errors import InvalidInput
from recollect.model import Message, Page, messages_json
from recollect.session_records import SessionRecords
from recollect.store import Append, Appended, Delete

MAX_TAIL = 2**63 - 1
"""The largest limit that every store can be given; so many messages are nowhere."""


class AsyncSessionHandle(SessionRecords):
    """One session: the ordered log of its messages, its summary, its header.

    A handle that names a user works on that user's sessions: every call raises `Conflict` on another's.
    """

    def _owned(self, rows: Sequence[Message]) -> None:
        """Refuse to show a user another user's session."""
        if self._user is not None and rows and rows[-1].user_id not in (None, self._user):
            raise self._foreign()

    async def append(
        self, messages: MessageLike | Iterable[MessageLike], *, ttl: float | None = None, buffer: bool = True
    ) -> Appended:
        """Append one message or many, in one commit.

        Parameters
        ----------
        messages: a `Message`, a provider's message dict, or several of them.
        ttl: seconds after which these messages are gone; None for as long as the session lives.
        buffer: False raises `Unavailable` also where the client's ``on_unavailable`` is ``buffer``.

        Returns the stored messages with their ``seq``, in the order given; ``.written`` of them are new. A message
        whose id is in the session already is not written again: the stored one is returned. Where the client buffers
        and the store is away, ``.buffered`` of them are kept for it: they come back with their ids and ``seq`` 0, for
        only the store gives numbers. Such an append is not checked against the store: what it refuses later is in
        `AsyncRecollect.buffered`.
        Raises `InvalidInput` (nothing is written), `Conflict` if the session is another user's, `LimitExceeded`.
        """
        base = await self._memory._ready()
        lifetime = None if ttl is None else check_ttl(ttl)
        rows = [base.intake.accept(message, lifetime) for message in many(messages)]
        if not rows:
            return Appended()
        terms = [base.terms(row) for row in rows]
        append = Append(rows=rows, terms=terms, session=self._defaults, buffer=check_flag(buffer, "buffer"))
        (result,) = await base.store.commit(self._partition, (append,))
        assert isinstance(result, Appended)
        return result

    async def tail(self, count: int = 20) -> list[Message]:
        """The last messages, oldest first."""
        base = await self._memory._ready()
        check_count(count, "count", least=0, most=None)
        if not count:
            return []
        rows = list(await base.messages(self._id, limit=min(count, MAX_TAIL), reverse=True))
        rows.reverse()
        self._owned(rows)
        return rows

    async def read(
        self,
        *,
        after: int | None = None,
        before: int | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 100,
        reverse: bool = False,
        cursor: str | None = None,
    ) -> Page[Message]:
        """A page of the log, in order of ``seq``.

        Parameters
        ----------
        after, before: exclusive bounds of ``seq``. since, until: ``since <= created_at < until``.
        limit: 1 to 10,000. reverse: newest first. cursor: of the page before, with the same other arguments.
        """
        base = await self._memory._ready()
        bounds = Bounds(base, self._id, after, before, since, until, limit, reverse, cursor)
        rows = await base.messages(
            self._id,
            after=bounds.after,
            before=bounds.before,
            since=bounds.since,
            until=bounds.until,
            limit=limit + 1,
            reverse=reverse,
        )
        self._owned(rows)
        return cut_page(rows, limit, bounds.question, lambda row: (row.seq,))

    async def read_json(
        self,
        *,
        after: int | None = None,
        before: int | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 100,
        reverse: bool = False,
        cursor: str | None = None,
    ) -> bytes:
        """A page of the log as JSON text, ``{"items": [...], "cursor": ...}``: what `read` gives, with `Message.to_json`.

        For those who send it on, as the server does: where the store can encode a page itself, no messages are made.
        Parameters as for `read`.
        """
        base = await self._memory._ready()
        if since is None and until is None:
            bounds = Bounds(base, self._id, after, before, None, None, limit, reverse, cursor)
            found = await base.store.query_json(
                (base.scope, self._id), after=bounds.after, before=bounds.before, limit=limit, reverse=reverse
            )
            if found is not None:
                if self._user is not None and found.user_id not in (None, self._user):
                    raise self._foreign()
                return page_json(found.text, make_cursor(bounds.question, (found.last,)) if found.more else None)
        page = await self.read(
            after=after, before=before, since=since, until=until, limit=limit, reverse=reverse, cursor=cursor
        )
        return page_json(messages_json(page.items), page.cursor)

    async def get(self, seq: int) -> Message | None:
        """The message with this number, or None."""
        base = await self._memory._ready()
        check_count(seq, "seq", least=0, most=None)
        row = await base.store.get("messages", (base.scope, self._id, seq))
        if not isinstance(row, Message):
            return None
        self._owned([row])
        return row

    async def window(
        self,
        max_messages: int | None = None,
        max_tokens: int | None = None,
        *,
        system: SystemRule = "keep",
    ) -> list[Message]:
        """What fits: the newest messages within both limits, oldest first.

        Parameters
        ----------
        max_messages, max_tokens: limits of the whole window; None for no limit.
        system: ``keep`` keeps the session's system messages wherever they stand, ``window`` treats them as any other
            message, ``drop`` leaves them out.

        A tool call and its results are in it together or not at all. The window ends at the first message that does
        not fit; it has no holes. A message is never cut.
        """
        base = await self._memory._ready()
        for name, value in (("max_messages", max_messages), ("max_tokens", max_tokens)):
            if value is not None:
                check_count(value, name, least=0, most=None)
        if system not in ("keep", "window", "drop"):
            raise InvalidInput(f"system is keep, window or drop, not {system!r}", field="system")
        found = await window(base, self._id, max_messages=max_messages, max_tokens=max_tokens, system=system)
        self._owned(found)
        return found

    async def pop(self) -> Message | None:
        """Remove the last message and return it; None if there is none. Two callers never get the same one."""
        base = await self._memory._ready()
        while rows := await base.messages(self._id, limit=1, reverse=True):
            self._owned(rows)
            delete = Delete(table="messages", seq=rows[0].seq)
            (count,) = await base.store.commit(self._partition, (delete,))
            if count:
                return rows[0]
        return None

    async def context(
        self,
        query: str | None = None,
        *,
        max_tokens: int = 4000,
        shares: Mapping[str, float] | None = None,
        namespaces: Iterable[Sequence[str]] = (),
    ) -> Context:
        """What the model should see now, within `max_tokens`.

        A message whose metadata has ``"recall": false`` is never recalled from outside the window.

        Parameters
        ----------
        query: what to recall for; the newest user message when None.
        max_tokens: the budget for everything together, by this client's counter.
        shares: the largest part of the budget, 0 to 1, that a section may take: of ``instructions`` (0.5),
            ``preferences`` (0.15), ``summary`` (0.25), ``recalled`` (0.25); for ``window`` (0.25) the part that the others
            leave to it. Sections that are named here are filled first, in this order; 0 leaves one out.
        namespaces: recall from the memories and documents under these paths too.

        Raises `LimitExceeded` if the newest message alone is over it.
        """
        base = await self._memory._ready()
        check_count(max_tokens, "max_tokens", most=None)
        if query is not None:
            check_text(query, "query") if isinstance(query, str) else refuse("query", query)
        header = await self._own_header(base)
        user = self._user or (header.user_id if header else None)
        return await build_context(
            base,
            self._id,
            user,
            query=query,
            max_tokens=max_tokens,
            shares=shares,
            namespaces=[check_path(tuple(path)) for path in namespaces],
        )

    async def clear(self) -> int:
        """Remove all messages and the summary, keep the header. Numbers go on where they were.

        Returns how many messages there were.
        """
        base = await self._memory._ready()
        if self._user is not None:
            await self._own_header(base)
        ops = (Delete(table="messages"), Delete(table="summaries"))
        count, _ = await base.store.commit(self._partition, ops)
        assert isinstance(count, int)
        return count

    async def delete(self) -> bool:
        """Remove everything of the session; whether there was anything. A later append begins again at 1."""
        base = await self._memory._ready()
        if self._user is not None:
            await self._own_header(base)
        (count,) = await base.store.commit(self._partition, (Delete(),))
        if count:
            await forget_mark(base, self._id)
        return bool(count)
