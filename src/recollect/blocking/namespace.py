"""The handle of a namespace, blocking: the twin of `recollect.namespace`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from recollect.blocking.twins import as_twin
from recollect.core.documents import CHUNK_TOKENS
from recollect.core.memories import Unique
from recollect.model import JSON, Document, Hit, Memory, Page, Receipt
from recollect.namespace import AsyncNamespaceHandle
from recollect.store.driver import drive


class NamespaceHandle:
    __doc__ = AsyncNamespaceHandle.__doc__
    _twin: AsyncNamespaceHandle

    def __init__(self, twin: AsyncNamespaceHandle) -> None:
        self._twin = twin

    @property
    @as_twin(AsyncNamespaceHandle.path.fget)  # type: ignore[attr-defined]
    def path(self) -> tuple[str, ...]:
        return self._twin.path

    @as_twin(AsyncNamespaceHandle.remember)
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

    @as_twin(AsyncNamespaceHandle.supersede)
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

    @as_twin(AsyncNamespaceHandle.close_memory)
    def close_memory(self, id: str) -> Memory:
        return drive(self._twin.close_memory(id))

    @as_twin(AsyncNamespaceHandle.memory)
    def memory(self, id: str) -> Memory | None:
        return drive(self._twin.memory(id))

    @as_twin(AsyncNamespaceHandle.memories)
    def memories(self, limit: int = 100, *, cursor: str | None = None, closed: bool = False) -> Page[Memory]:
        return drive(self._twin.memories(limit, cursor=cursor, closed=closed))

    @as_twin(AsyncNamespaceHandle.forget_memory)
    def forget_memory(self, id: str) -> bool:
        return drive(self._twin.forget_memory(id))

    @as_twin(AsyncNamespaceHandle.recall)
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

    @as_twin(AsyncNamespaceHandle.remember_document)
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

    @as_twin(AsyncNamespaceHandle.document)
    def document(self, id: str) -> Document | None:
        return drive(self._twin.document(id))

    @as_twin(AsyncNamespaceHandle.passages)
    def passages(self, id: str, *, limit: int = 100, after: int = -1) -> list[Memory]:
        return drive(self._twin.passages(id, limit=limit, after=after))

    @as_twin(AsyncNamespaceHandle.documents)
    def documents(self, limit: int = 100, *, cursor: str | None = None) -> Page[Document]:
        return drive(self._twin.documents(limit, cursor=cursor))

    @as_twin(AsyncNamespaceHandle.forget_document)
    def forget_document(self, id: str) -> bool:
        return drive(self._twin.forget_document(id))

    @as_twin(AsyncNamespaceHandle.forget)
    def forget(self) -> Receipt:
        return drive(self._twin.forget())
