"""The client, blocking: the twin of `recollect.client`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from os import PathLike
from types import TracebackType
from typing import Self

from recollect.blocking.namespace import NamespaceHandle
from recollect.blocking.session import SessionHandle
from recollect.blocking.twins import as_twin, iterate
from recollect.blocking.user import UserHandle
from recollect.client import DEFAULT_SCOPE, AsyncRecollect
from recollect.connect import OnUnavailable, buffered
from recollect.core.digest import Progress as DigestProgress
from recollect.core.extractor import DigestReport, Extractor
from recollect.core.reindex import Progress as ReindexProgress
from recollect.core.reindex import Reindexed
from recollect.core.summarizer import Summarizer
from recollect.core.tokens import TokenCounter
from recollect.core.transfer import ImportReport, OnError, Progress
from recollect.model import JSON, Buffered, Change, Delivered, Hit, Page, Session, Stats, Swept
from recollect.recall.embedders import Embedder
from recollect.store import BlockingDriver, Store, utc_now
from recollect.store.driver import Clock, drive
from recollect.upkeep import RefusedRule


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
    @as_twin(AsyncRecollect.store.fget)  # type: ignore[attr-defined]
    def store(self) -> Store:
        return self._twin.store

    @property
    @as_twin(AsyncRecollect.scope.fget)  # type: ignore[attr-defined]
    def scope(self) -> str:
        return self._twin.scope

    @property
    @as_twin(AsyncRecollect.embeds.fget)  # type: ignore[attr-defined]
    def embeds(self) -> bool:
        return self._twin.embeds

    @as_twin(AsyncRecollect.in_scope)
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

    @as_twin(AsyncRecollect.session)
    def session(
        self, id: str, user: str | None = None, *, ttl: float | None = None, sliding: bool | None = None
    ) -> SessionHandle:
        return SessionHandle(self._twin.session(id, user, ttl=ttl, sliding=sliding))

    @as_twin(AsyncRecollect.user)
    def user(self, id: str) -> UserHandle:
        return UserHandle(self._twin.user(id))

    @as_twin(AsyncRecollect.namespace)
    def namespace(self, *labels: str) -> NamespaceHandle:
        return NamespaceHandle(self._twin.namespace(*labels))

    @as_twin(AsyncRecollect.open)
    def open(self) -> None:
        return drive(self._twin.open())

    @as_twin(AsyncRecollect.close)
    def close(self) -> None:
        return drive(self._twin.close())

    @as_twin(AsyncRecollect.sessions)
    def sessions(self, limit: int = 20, *, cursor: str | None = None) -> Page[Session]:
        return drive(self._twin.sessions(limit, cursor=cursor))

    @as_twin(AsyncRecollect.search)
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

    @as_twin(AsyncRecollect.stats)
    def stats(self, *, detail: bool = False) -> Stats:
        return drive(self._twin.stats(detail=detail))

    @as_twin(AsyncRecollect.changes)
    def changes(self, after: str | None = None, *, limit: int = 100) -> Page[Change]:
        return drive(self._twin.changes(after, limit=limit))

    @as_twin(AsyncRecollect.follow)
    def follow(self, after: str | None = None) -> Iterator[Change]:
        return iterate(self._twin.follow(after))

    @as_twin(AsyncRecollect.digest)
    def digest(
        self,
        extractor: Extractor | None = None,
        *,
        again: bool = False,
        wait: bool = True,
        progress: DigestProgress | None = None,
    ) -> DigestReport:
        return drive(self._twin.digest(extractor, again=again, wait=wait, progress=progress))

    @as_twin(AsyncRecollect.buffered)
    def buffered(self) -> Buffered:
        return drive(self._twin.buffered())

    @as_twin(AsyncRecollect.deliver)
    def deliver(self, *, refused: RefusedRule = "keep") -> Delivered:
        return drive(self._twin.deliver(refused=refused))

    @as_twin(AsyncRecollect.sweep)
    def sweep(self) -> Swept:
        return drive(self._twin.sweep())

    @as_twin(AsyncRecollect.create_tables)
    def create_tables(self) -> list[str]:
        return drive(self._twin.create_tables())

    @as_twin(AsyncRecollect.check_tables)
    def check_tables(self) -> list[str]:
        return drive(self._twin.check_tables())

    @as_twin(AsyncRecollect.warnings)
    def warnings(self) -> list[str]:
        return drive(self._twin.warnings())

    @as_twin(AsyncRecollect.reindex)
    def reindex(self, progress: ReindexProgress | None = None) -> Reindexed:
        return drive(self._twin.reindex(progress))

    @as_twin(AsyncRecollect.import_lines)
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

    @as_twin(AsyncRecollect.export_lines)
    def export_lines(self, *, session: str | None = None, user: str | None = None) -> Iterator[dict[str, JSON]]:
        return iterate(self._twin.export_lines(session=session, user=user))
