"""What stands beside the log of a session, async: its header, its summary, its figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from recollect.core import records
from recollect.core.base import Base
from recollect.core.checks import check_count, check_flag, check_id, check_ttl
from recollect.core.records import UNSET, Unset
from recollect.core.statistics import session_stats
from recollect.core.summaries import MAX_RECENT, SUMMARY_TOKENS, Limits, summarize
from recollect.errors import Conflict, InvalidInput
from recollect.model import JSON, Session, Stats, Summary
from recollect.store import SessionDefaults

if TYPE_CHECKING:
    from recollect.client import AsyncRecollect


class SessionRecords:
    """A session but for its log."""

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

    def _foreign(self) -> Conflict:
        return Conflict(f"session {self._id!r} belongs to another user")

    async def _own_header(self, base: Base) -> Session | None:
        """The header; `Conflict` if it names another user than this handle."""
        header = await base.header(self._id)
        if self._user is not None and header is not None and header.user_id not in (None, self._user):
            raise self._foreign()
        return header

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

    async def stats(self, *, detail: bool = True) -> Stats:
        """Figures of this session. With `detail` every message is read once, for roles, days, tokens and more: see `Stats`."""
        base = await self._memory._ready()
        if self._user is not None:
            await self._own_header(base)
        return await session_stats(base, self._id, detail=detail)
