"""The public surface, blocking: the same calls, driven to their end without an event loop."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from os import PathLike
from types import TracebackType
from typing import Self, TypeVar

from recollect.client import DEFAULT_SCOPE, AsyncRecollect, RefusedRule
from recollect.connect import OnUnavailable, buffered
from recollect.core.context import Context
from recollect.core.documents import CHUNK_TOKENS
from recollect.core.memories import Unique
from recollect.core.messages import MessageLike
from recollect.core.records import UNSET, Unset
from recollect.core.reindex import Progress as ReindexProgress
from recollect.core.reindex import Reindexed
from recollect.core.summaries import MAX_RECENT, SUMMARY_TOKENS
from recollect.core.summarizer import Summarizer
from recollect.core.tokens import TokenCounter
from recollect.core.transfer import ImportReport, OnError, Progress
from recollect.core.window import SystemRule
from recollect.model import (
    JSON,
    Buffered,
    Change,
    Delivered,
    Document,
    Hit,
    Memory,
    Message,
    Page,
    Preferences,
    Receipt,
    Session,
    Stats,
    Summary,
    Swept,
)
from recollect.namespace import AsyncNamespaceHandle
from recollect.recall.embedders import Embedder
from recollect.session import AsyncSessionHandle
from recollect.store import Appended, BlockingDriver, Store, utc_now
from recollect.store.driver import Clock, drive
from recollect.user import AsyncUserHandle, AsyncUserPreferences

F = TypeVar("F", bound=Callable[..., object])
T = TypeVar("T")


def _as(twin: Callable[..., object]) -> Callable[[F], F]:
    """Give a method the docstring of its async twin, as its words hold for both."""

    def dress(method: F) -> F:
        method.__doc__ = (twin.__doc__ or "").replace("`AsyncRecollect.", "`Recollect.")
        return method

    return dress


def _iterate(source: AsyncIterator[T]) -> Iterator[T]:
    """The items of an async iterator that never suspends."""
    while True:
        try:
            item = drive(_next(source))
        except StopAsyncIteration:
            return
        yield item


async def _next(source: AsyncIterator[T]) -> T:
    return await anext(source)


class Recollect:
    __doc__ = (AsyncRecollect.__doc__ or "").replace("``async with``", "``with``")

    def __init__(
        self,
        store: str | Store | None = None,
        *,
        scope: str = DEFAULT_SCOPE,
        count_tokens: TokenCounter | None = None,
        ttl: float | None = None,
        sliding: bool = False,
        summarizer: Summarizer | None = None,
        clock: Clock = utc_now,
        embedder: Embedder | None = None,
        on_unavailable: OnUnavailable = "raise",
        buffer_path: str | PathLike[str] | None = None,
        buffer_bytes: int | None = None,
    ) -> None:
        self._twin = object.__new__(AsyncRecollect)
        found = buffered(store, on_unavailable, buffer_path, buffer_bytes)
        self._twin._setup(found, scope, count_tokens, ttl, sliding, summarizer, BlockingDriver(clock), embedder)

    @property
    @_as(AsyncRecollect.store.fget)  # type: ignore[attr-defined]
    def store(self) -> Store:
        return self._twin.store

    @property
    @_as(AsyncRecollect.scope.fget)  # type: ignore[attr-defined]
    def scope(self) -> str:
        return self._twin.scope

    @property
    @_as(AsyncRecollect.embeds.fget)  # type: ignore[attr-defined]
    def embeds(self) -> bool:
        return self._twin.embeds

    @_as(AsyncRecollect.in_scope)
    def in_scope(self, scope: str) -> Recollect:
        other = object.__new__(type(self))
        other._twin = self._twin.in_scope(scope)
        return other

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @_as(AsyncRecollect.session)
    def session(
        self, id: str, user: str | None = None, *, ttl: float | None = None, sliding: bool | None = None
    ) -> SessionHandle:
        return SessionHandle(self._twin.session(id, user, ttl=ttl, sliding=sliding))

    @_as(AsyncRecollect.user)
    def user(self, id: str) -> UserHandle:
        return UserHandle(self._twin.user(id))

    @_as(AsyncRecollect.namespace)
    def namespace(self, *labels: str) -> NamespaceHandle:
        return NamespaceHandle(self._twin.namespace(*labels))

    @_as(AsyncRecollect.open)
    def open(self) -> None:
        return drive(self._twin.open())

    @_as(AsyncRecollect.close)
    def close(self) -> None:
        return drive(self._twin.close())

    @_as(AsyncRecollect.sessions)
    def sessions(self, limit: int = 20, *, cursor: str | None = None) -> Page[Session]:
        return drive(self._twin.sessions(limit, cursor=cursor))

    @_as(AsyncRecollect.search)
    def search(
        self,
        query: str,
        *,
        limit: int = 10,
        user: str | None = None,
        session: str | None = None,
        role: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        where: Mapping[str, JSON] | None = None,
        as_of: datetime | None = None,
        offset: int = 0,
        namespaces: Iterable[Sequence[str]] = (),
    ) -> list[Hit]:
        return drive(
            self._twin.search(
                query,
                limit=limit,
                user=user,
                session=session,
                role=role,
                since=since,
                until=until,
                where=where,
                as_of=as_of,
                offset=offset,
                namespaces=namespaces,
            )
        )

    @_as(AsyncRecollect.stats)
    def stats(self, *, detail: bool = False) -> Stats:
        return drive(self._twin.stats(detail=detail))

    @_as(AsyncRecollect.changes)
    def changes(self, after: str | None = None, *, limit: int = 100) -> Page[Change]:
        return drive(self._twin.changes(after, limit=limit))

    @_as(AsyncRecollect.follow)
    def follow(self, after: str | None = None) -> Iterator[Change]:
        return _iterate(self._twin.follow(after))

    @_as(AsyncRecollect.buffered)
    def buffered(self) -> Buffered:
        return drive(self._twin.buffered())

    @_as(AsyncRecollect.deliver)
    def deliver(self, *, refused: RefusedRule = "keep") -> Delivered:
        return drive(self._twin.deliver(refused=refused))

    @_as(AsyncRecollect.sweep)
    def sweep(self) -> Swept:
        return drive(self._twin.sweep())

    @_as(AsyncRecollect.create_tables)
    def create_tables(self) -> list[str]:
        return drive(self._twin.create_tables())

    @_as(AsyncRecollect.check_tables)
    def check_tables(self) -> list[str]:
        return drive(self._twin.check_tables())

    @_as(AsyncRecollect.warnings)
    def warnings(self) -> list[str]:
        return drive(self._twin.warnings())

    @_as(AsyncRecollect.reindex)
    def reindex(self, progress: ReindexProgress | None = None) -> Reindexed:
        return drive(self._twin.reindex(progress))

    @_as(AsyncRecollect.import_lines)
    def import_lines(
        self,
        lines: Iterable[bytes | str | Mapping[str, JSON]],
        *,
        on_error: OnError = "stop",
        progress: Progress | None = None,
        second_process: bool = False,
    ) -> ImportReport:
        return drive(
            self._twin.import_lines(lines, on_error=on_error, progress=progress, second_process=second_process)
        )

    @_as(AsyncRecollect.export_lines)
    def export_lines(self, *, session: str | None = None, user: str | None = None) -> Iterator[dict[str, JSON]]:
        return _iterate(self._twin.export_lines(session=session, user=user))


class SessionHandle:
    __doc__ = AsyncSessionHandle.__doc__

    def __init__(self, twin: AsyncSessionHandle) -> None:
        self._twin = twin

    @property
    @_as(AsyncSessionHandle.id.fget)  # type: ignore[attr-defined]
    def id(self) -> str:
        return self._twin.id

    @property
    @_as(AsyncSessionHandle.user_id.fget)  # type: ignore[attr-defined]
    def user_id(self) -> str | None:
        return self._twin.user_id

    @_as(AsyncSessionHandle.append)
    def append(
        self, messages: MessageLike | Iterable[MessageLike], *, ttl: float | None = None, buffer: bool = True
    ) -> Appended:
        return drive(self._twin.append(messages, ttl=ttl, buffer=buffer))

    @_as(AsyncSessionHandle.tail)
    def tail(self, count: int = 20) -> list[Message]:
        return drive(self._twin.tail(count))

    @_as(AsyncSessionHandle.read)
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

    @_as(AsyncSessionHandle.read_json)
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

    @_as(AsyncSessionHandle.get)
    def get(self, seq: int) -> Message | None:
        return drive(self._twin.get(seq))

    @_as(AsyncSessionHandle.window)
    def window(
        self, max_messages: int | None = None, max_tokens: int | None = None, *, system: SystemRule = "keep"
    ) -> list[Message]:
        return drive(self._twin.window(max_messages, max_tokens, system=system))

    @_as(AsyncSessionHandle.pop)
    def pop(self) -> Message | None:
        return drive(self._twin.pop())

    @_as(AsyncSessionHandle.info)
    def info(self) -> Session | None:
        return drive(self._twin.info())

    @_as(AsyncSessionHandle.update)
    def update(
        self,
        *,
        title: str | Unset | None = UNSET,
        metadata: Mapping[str, JSON] | Unset = UNSET,
        ttl: float | Unset | None = UNSET,
        sliding: bool = False,
    ) -> Session:
        return drive(self._twin.update(title=title, metadata=metadata, ttl=ttl, sliding=sliding))

    @_as(AsyncSessionHandle.summary)
    def summary(self) -> Summary | None:
        return drive(self._twin.summary())

    @_as(AsyncSessionHandle.save_summary)
    def save_summary(
        self, text: str, *, covers_seq: int, metadata: Mapping[str, JSON] | None = None, expect: int | None = None
    ) -> Summary:
        return drive(self._twin.save_summary(text, covers_seq=covers_seq, metadata=metadata, expect=expect))

    @_as(AsyncSessionHandle.summarize)
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

    @_as(AsyncSessionHandle.context)
    def context(
        self,
        query: str | None = None,
        *,
        max_tokens: int = 4000,
        shares: Mapping[str, float] | None = None,
        namespaces: Iterable[Sequence[str]] = (),
    ) -> Context:
        return drive(self._twin.context(query, max_tokens=max_tokens, shares=shares, namespaces=namespaces))

    @_as(AsyncSessionHandle.stats)
    def stats(self, *, detail: bool = True) -> Stats:
        return drive(self._twin.stats(detail=detail))

    @_as(AsyncSessionHandle.clear)
    def clear(self) -> int:
        return drive(self._twin.clear())

    @_as(AsyncSessionHandle.delete)
    def delete(self) -> bool:
        return drive(self._twin.delete())


class UserPreferences:
    __doc__ = AsyncUserPreferences.__doc__

    def __init__(self, twin: AsyncUserPreferences) -> None:
        self._twin = twin

    @_as(AsyncUserPreferences.get)
    def get(self) -> dict[str, JSON]:
        return drive(self._twin.get())

    @_as(AsyncUserPreferences.record)
    def record(self) -> Preferences | None:
        return drive(self._twin.record())

    @_as(AsyncUserPreferences.put)
    def put(self, values: Mapping[str, JSON], *, expect: int | None = None) -> Preferences:
        return drive(self._twin.put(values, expect=expect))

    @_as(AsyncUserPreferences.merge)
    def merge(self, patch: Mapping[str, JSON]) -> Preferences:
        return drive(self._twin.merge(patch))

    @_as(AsyncUserPreferences.set)
    def set(self, key: str, value: JSON) -> Preferences:
        return drive(self._twin.set(key, value))

    @_as(AsyncUserPreferences.remove)
    def remove(self, key: str) -> bool:
        return drive(self._twin.remove(key))

    @_as(AsyncUserPreferences.delete)
    def delete(self) -> bool:
        return drive(self._twin.delete())


class NamespaceHandle:
    __doc__ = AsyncNamespaceHandle.__doc__
    _twin: AsyncNamespaceHandle

    def __init__(self, twin: AsyncNamespaceHandle) -> None:
        self._twin = twin

    @property
    @_as(AsyncNamespaceHandle.path.fget)  # type: ignore[attr-defined]
    def path(self) -> tuple[str, ...]:
        return self._twin.path

    @_as(AsyncNamespaceHandle.remember)
    def remember(
        self,
        content: str,
        *,
        id: str | None = None,
        metadata: Mapping[str, JSON] | None = None,
        kind: str | None = None,
        subject: str | None = None,
        source: Mapping[str, JSON] | None = None,
        ttl: float | None = None,
        created_at: datetime | None = None,
        unique: Unique | None = None,
    ) -> Memory:
        return drive(
            self._twin.remember(
                content,
                id=id,
                metadata=metadata,
                kind=kind,
                subject=subject,
                source=source,
                ttl=ttl,
                created_at=created_at,
                unique=unique,
            )
        )

    @_as(AsyncNamespaceHandle.supersede)
    def supersede(
        self,
        old: str,
        content: str,
        *,
        id: str | None = None,
        metadata: Mapping[str, JSON] | None = None,
        kind: str | None = None,
        subject: str | None = None,
        source: Mapping[str, JSON] | None = None,
        ttl: float | None = None,
        created_at: datetime | None = None,
    ) -> Memory:
        return drive(
            self._twin.supersede(
                old,
                content,
                id=id,
                metadata=metadata,
                kind=kind,
                subject=subject,
                source=source,
                ttl=ttl,
                created_at=created_at,
            )
        )

    @_as(AsyncNamespaceHandle.close_memory)
    def close_memory(self, id: str) -> Memory:
        return drive(self._twin.close_memory(id))

    @_as(AsyncNamespaceHandle.memory)
    def memory(self, id: str) -> Memory | None:
        return drive(self._twin.memory(id))

    @_as(AsyncNamespaceHandle.memories)
    def memories(self, limit: int = 100, *, cursor: str | None = None, closed: bool = False) -> Page[Memory]:
        return drive(self._twin.memories(limit, cursor=cursor, closed=closed))

    @_as(AsyncNamespaceHandle.forget_memory)
    def forget_memory(self, id: str) -> bool:
        return drive(self._twin.forget_memory(id))

    @_as(AsyncNamespaceHandle.recall)
    def recall(
        self,
        query: str,
        *,
        limit: int = 10,
        since: datetime | None = None,
        until: datetime | None = None,
        where: Mapping[str, JSON] | None = None,
        as_of: datetime | None = None,
        offset: int = 0,
    ) -> list[Hit]:
        return drive(
            self._twin.recall(query, limit=limit, since=since, until=until, where=where, as_of=as_of, offset=offset)
        )

    @_as(AsyncNamespaceHandle.remember_document)
    def remember_document(
        self,
        id: str,
        text: str,
        *,
        chunk_tokens: int = CHUNK_TOKENS,
        overlap_tokens: int | None = None,
        title: str | None = None,
        metadata: Mapping[str, JSON] | None = None,
        ttl: float | None = None,
    ) -> Document:
        return drive(
            self._twin.remember_document(
                id,
                text,
                chunk_tokens=chunk_tokens,
                overlap_tokens=overlap_tokens,
                title=title,
                metadata=metadata,
                ttl=ttl,
            )
        )

    @_as(AsyncNamespaceHandle.document)
    def document(self, id: str) -> Document | None:
        return drive(self._twin.document(id))

    @_as(AsyncNamespaceHandle.passages)
    def passages(self, id: str, *, limit: int = 100, after: int = -1) -> list[Memory]:
        return drive(self._twin.passages(id, limit=limit, after=after))

    @_as(AsyncNamespaceHandle.documents)
    def documents(self, limit: int = 100, *, cursor: str | None = None) -> Page[Document]:
        return drive(self._twin.documents(limit, cursor=cursor))

    @_as(AsyncNamespaceHandle.forget_document)
    def forget_document(self, id: str) -> bool:
        return drive(self._twin.forget_document(id))

    @_as(AsyncNamespaceHandle.forget)
    def forget(self) -> Receipt:
        return drive(self._twin.forget())


class UserHandle(NamespaceHandle):
    __doc__ = AsyncUserHandle.__doc__
    _twin: AsyncUserHandle

    def __init__(self, twin: AsyncUserHandle) -> None:
        super().__init__(twin)
        self._preferences = UserPreferences(twin.preferences)

    @property
    @_as(AsyncUserHandle.id.fget)  # type: ignore[attr-defined]
    def id(self) -> str:
        return self._twin.id

    @property
    @_as(AsyncUserHandle.preferences.fget)  # type: ignore[attr-defined]
    def preferences(self) -> UserPreferences:
        return self._preferences

    @_as(AsyncUserHandle.sessions)
    def sessions(self, limit: int = 20, *, cursor: str | None = None) -> Page[Session]:
        return drive(self._twin.sessions(limit, cursor=cursor))

    @_as(AsyncUserHandle.messages)
    def messages(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 100,
        cursor: str | None = None,
        reverse: bool = True,
    ) -> Page[Message]:
        return drive(self._twin.messages(since=since, until=until, limit=limit, cursor=cursor, reverse=reverse))

    @_as(AsyncUserHandle.recall)
    def recall(
        self,
        query: str,
        *,
        limit: int = 10,
        session: str | None = None,
        role: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        where: Mapping[str, JSON] | None = None,
        as_of: datetime | None = None,
        offset: int = 0,
    ) -> list[Hit]:
        return drive(
            self._twin.recall(
                query,
                limit=limit,
                session=session,
                role=role,
                since=since,
                until=until,
                where=where,
                as_of=as_of,
                offset=offset,
            )
        )

    @_as(AsyncUserHandle.stats)
    def stats(self, *, detail: bool = True) -> Stats:
        return drive(self._twin.stats(detail=detail))

    @_as(AsyncUserHandle.forget)
    def forget(self) -> Receipt:
        return drive(self._twin.forget())
