"""The handle of one session, blocking: the twin of `recollect.session`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from recollect.blocking.twins import as_twin
from recollect.core.context import Context
from recollect.core.messages import MessageLike
from recollect.core.records import UNSET, Unset
from recollect.core.summaries import MAX_RECENT, SUMMARY_TOKENS
from recollect.core.window import SystemRule
from recollect.model import JSON, Message, Page, Session, Stats, Summary
from recollect.session import AsyncSessionHandle
from recollect.store import Appended
from recollect.store.driver import drive


class SessionHandle:
    __doc__ = AsyncSessionHandle.__doc__

    def __init__(self, twin: AsyncSessionHandle) -> None:
        self._twin = twin

    @property
    @as_twin(AsyncSessionHandle.id.fget)  # type: ignore[attr-defined]
    def id(self) -> str:
        return self._twin.id

    @property
    @as_twin(AsyncSessionHandle.user_id.fget)  # type: ignore[attr-defined]
    def user_id(self) -> str | None:
        return self._twin.user_id

    @as_twin(AsyncSessionHandle.append)
    def append(
        self, messages: MessageLike | Iterable[MessageLike], *, ttl: float | None = None, buffer: bool = True
    ) -> Appended:
        return drive(self._twin.append(messages, ttl=ttl, buffer=buffer))

    @as_twin(AsyncSessionHandle.tail)
    def tail(self, count: int = 20) -> list[Message]:
        return drive(self._twin.tail(count))

    @as_twin(AsyncSessionHandle.read)
    def read(
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
        return drive(
            self._twin.read(
                after=after, before=before, since=since, until=until, limit=limit, reverse=reverse, cursor=cursor
            )
        )

    @as_twin(AsyncSessionHandle.read_json)
    def read_json(
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
        return drive(
            self._twin.read_json(
                after=after, before=before, since=since, until=until, limit=limit, reverse=reverse, cursor=cursor
            )
        )

    @as_twin(AsyncSessionHandle.get)
    def get(self, seq: int) -> Message | None:
        return drive(self._twin.get(seq))

    @as_twin(AsyncSessionHandle.window)
    def window(
        self, max_messages: int | None = None, max_tokens: int | None = None, *, system: SystemRule = "keep"
    ) -> list[Message]:
        return drive(self._twin.window(max_messages, max_tokens, system=system))

    @as_twin(AsyncSessionHandle.pop)
    def pop(self) -> Message | None:
        return drive(self._twin.pop())

    @as_twin(AsyncSessionHandle.info)
    def info(self) -> Session | None:
        return drive(self._twin.info())

    @as_twin(AsyncSessionHandle.update)
    def update(
        self,
        *,
        title: str | Unset | None = UNSET,
        metadata: Mapping[str, JSON] | Unset = UNSET,
        ttl: float | Unset | None = UNSET,
        sliding: bool = False,
    ) -> Session:
        return drive(self._twin.update(title=title, metadata=metadata, ttl=ttl, sliding=sliding))

    @as_twin(AsyncSessionHandle.summary)
    def summary(self) -> Summary | None:
        return drive(self._twin.summary())

    @as_twin(AsyncSessionHandle.save_summary)
    def save_summary(
        self, text: str, *, covers_seq: int, metadata: Mapping[str, JSON] | None = None, expect: int | None = None
    ) -> Summary:
        return drive(self._twin.save_summary(text, covers_seq=covers_seq, metadata=metadata, expect=expect))

    @as_twin(AsyncSessionHandle.summarize)
    def summarize(
        self,
        *,
        max_recent: int = MAX_RECENT,
        max_tokens: int | None = None,
        length: int = SUMMARY_TOKENS,
        force: bool = False,
        wait: bool = True,
    ) -> Summary | None:
        return drive(
            self._twin.summarize(max_recent=max_recent, max_tokens=max_tokens, length=length, force=force, wait=wait)
        )

    @as_twin(AsyncSessionHandle.context)
    def context(
        self,
        query: str | None = None,
        *,
        max_tokens: int = 4000,
        shares: Mapping[str, float] | None = None,
        namespaces: Iterable[Sequence[str]] = (),
    ) -> Context:
        return drive(self._twin.context(query, max_tokens=max_tokens, shares=shares, namespaces=namespaces))

    @as_twin(AsyncSessionHandle.stats)
    def stats(self, *, detail: bool = True) -> Stats:
        return drive(self._twin.stats(detail=detail))

    @as_twin(AsyncSessionHandle.clear)
    def clear(self) -> int:
        return drive(self._twin.clear())

    @as_twin(AsyncSessionHandle.delete)
    def delete(self) -> bool:
        return drive(self._twin.delete())
