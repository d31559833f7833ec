"""The handle of one session, async: its log, its summary, its header."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from recollect.core import records
from recollect.core.areas import check_path
from recollect.core.base import Base
from recollect.core.budget import build_context
from recollect.core.checks import (
    check_count,
    check_flag,
    check_id,
    check_optional_time,
    check_text,
    check_ttl,
    refuse,
)
from recollect.core.context import Context
from recollect.core.cursors import make_cursor, read_cursor
from recollect.core.digest_marks import forget_mark
from recollect.core.messages import MessageLike, many
from recollect.core.pages import cut_page, page_json
from recollect.core.records import UNSET, Unset
from recollect.core.statistics import session_stats
from recollect.core.summaries import MAX_RECENT, SUMMARY_TOKENS, Limits, summarize
from recollect.core.window import SystemRule, window
from recollect.errors import Conflict, InvalidInput
from recollect.model import (
    JSON,
    Message,
    Page,
    Session,
    Stats,
    Summary,
    messages_json,
)
from recollect.store import Append, Appended, Delete, SessionDefaults

if TYPE_CHECKING:
    from recollect.client import AsyncRecollect

MAX_TAIL = 2**63 - 1
"""The largest limit that every store can be given; so many messages are nowhere."""


class _Stretch:
    """The checked bounds of a page of a log, and the question that its cursor belongs to."""

    __slots__ = ("after", "before", "question", "since", "until")

    def __init__(
        self,
        base: Base,
        session_id: str,
        after: int | None,
        before: int | None,
        since: datetime | None,
        until: datetime | None,
        limit: int,
        reverse: bool,
        cursor: str | None,
    ) -> None:
        check_count(limit, "limit")
        low = 0 if after is None else check_count(after, "after", least=0, most=None)
        high = None if before is None else check_count(before, "before", least=0, most=None)
        self.since, self.until = check_optional_time(since, "since"), check_optional_time(until, "until")
        self.question = ("read", base.scope, session_id, low, high, self.since, self.until, reverse)
        place = read_cursor(self.question, cursor, (int,))
        if place is not None and reverse:
            high = place[0]
        elif place is not None:
            low = place[0]
        self.after = (low,) if low else None
        self.before = None if high is None else (high,)


class AsyncSessionHandle:
    """One session: the ordered log of its messages, its summary, its header.

    A handle that names a user works on that user's sessions: every call raises `Conflict` on another's.
    """

    def __init__(self, memory: AsyncRecollect, id: str, user: str | None, lifetime: SessionDefaults) -> None:
        self._memory = memory
        self._id = check_id(id, "session")
        self._partition = memory._base.session_partition(self._id)
        self._user = None if user is None else check_id(user, "user")
        self._defaults = SessionDefaults(user_id=self._user, ttl=lifetime.ttl, sliding=lifetime.sliding)

    @property
    def id(self) -> str:
        """The session's id."""
        return self._id

    @property
    def user_id(self) -> str | None:
        """The user given to this handle."""
        return self._user

    def _owned(self, rows: Sequence[Message]) -> None:
        """Refuse to show a user another user's session."""
        if self._user is not None and rows and rows[-1].user_id not in (None, self._user):
            raise self._foreign()

    def _foreign(self) -> Conflict:
        return Conflict(f"session {self._id!r} belongs to another user")

    async def _own_header(self, base: Base) -> Session | None:
        """The header; `Conflict` if it names another user than this handle."""
        header = await base.header(self._id)
        if self._user is not None and header is not None and header.user_id not in (None, self._user):
            raise self._foreign()
        return header

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
        stretch = _Stretch(base, self._id, after, before, since, until, limit, reverse, cursor)
        rows = await base.messages(
            self._id,
            after=stretch.after,
            before=stretch.before,
            since=stretch.since,
            until=stretch.until,
            limit=limit + 1,
            reverse=reverse,
        )
        self._owned(rows)
        return cut_page(rows, limit, stretch.question, lambda row: (row.seq,))

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
            stretch = _Stretch(base, self._id, after, before, None, None, limit, reverse, cursor)
            found = await base.store.query_json(
                (base.scope, self._id), after=stretch.after, before=stretch.before, limit=limit, reverse=reverse
            )
            if found is not None:
                if self._user is not None and found.user_id not in (None, self._user):
                    raise self._foreign()
                return page_json(found.text, make_cursor(stretch.question, (found.last,)) if found.more else None)
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

    async def info(self) -> Session | None:
        """The header: counts, title, metadata, times; None if there is no such session."""
        return await self._own_header(await self._memory._ready())

    async def update(
        self,
        *,
        title: str | Unset | None = UNSET,
        metadata: Mapping[str, JSON] | Unset = UNSET,
        ttl: float | Unset | None = UNSET,
        sliding: bool = False,
    ) -> Session:
        """Change the header, making the session if there is none.

        Parameters
        ----------
        title: None removes it. metadata: merged into what is there (RFC 7396: a key with None is removed).
        ttl: seconds from now that the session lives, None for ever. sliding: whether each append begins them anew.
        """
        base = await self._memory._ready()
        if sliding is True and (ttl is None or isinstance(ttl, Unset)):
            raise InvalidInput("sliding needs a ttl: the seconds that each append begins anew", field="sliding")
        return await records.update_session(
            base,
            self._id,
            self._defaults,
            title=title,
            metadata=metadata,
            ttl=ttl if isinstance(ttl, Unset) else check_ttl(ttl),
            sliding=check_flag(sliding, "sliding"),
        )

    async def summary(self) -> Summary | None:
        """The stored summary, or None."""
        base = await self._memory._ready()
        if self._user is not None:
            await self._own_header(base)
        return await base.summary(self._id)

    async def save_summary(
        self,
        text: str,
        *,
        covers_seq: int,
        metadata: Mapping[str, JSON] | None = None,
        expect: int | None = None,
    ) -> Summary:
        """Store the summary of the messages up to and including `covers_seq`, in place of the one before.

        Parameters
        ----------
        expect: the version that must be stored (0: none); `Conflict` otherwise. None writes in any case.

        Raises `NotFound` if there is no such session.
        """
        base = await self._memory._ready()
        if expect is not None:
            check_count(expect, "expect", least=0, most=None)
        if self._user is not None:
            await self._own_header(base)
        return await records.save_summary(base, self._id, text, covers_seq=covers_seq, metadata=metadata, expect=expect)

    async def summarize(
        self,
        *,
        max_recent: int = MAX_RECENT,
        max_tokens: int | None = None,
        length: int = SUMMARY_TOKENS,
        force: bool = False,
        wait: bool = True,
    ) -> Summary | None:
        """Fold what is due into the summary, with the client's summarizer; the messages stay as they are.

        Due is what lies before the newest `max_recent` messages, when more than twice as many stand after the last
        summary. System messages do not count and are not summarised: the context shows them as they are.

        Parameters
        ----------
        max_recent: messages that are left out. max_tokens: a summary is also due when the messages after the last one
            have more tokens than this; it leaves half of that. None for no such limit.
        length: tokens of the summary at most. force: fold what lies before the newest `max_recent`, due or not.
        wait: whether to wait for another program that is at it; if not, the summary as it stands is returned.

        Returns the summary as it then stands, None if there is none. Its ``covers_seq`` is the number of the last message
        that it covers, and never parts a tool call from its result; its metadata says who made it and from which
        messages. Of several callers at once one does the work, and the others wait for it.
        Raises what the summarizer raises, with what was folded before that kept.
        """
        base = await self._memory._ready()
        check_count(max_recent, "max_recent", least=0)
        if max_tokens is not None:
            check_count(max_tokens, "max_tokens", most=None)
        check_count(length, "length", most=None)
        check_flag(force, "force")
        check_flag(wait, "wait")
        limits = Limits(max_recent, max_tokens, length, force)
        if await self._own_header(base) is None:
            return None
        return await summarize(base, self._id, base.summarizer, limits, wait=wait)

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

    async def stats(self, *, detail: bool = True) -> Stats:
        """Figures of this session. With `detail` every message is read once, for roles, days, tokens and more: see `Stats`."""
        base = await self._memory._ready()
        if self._user is not None:
            await self._own_header(base)
        return await session_stats(base, self._id, detail=detail)

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
