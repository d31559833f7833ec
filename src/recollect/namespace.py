"""The handle of a namespace, async: memories and documents that outlive sessions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from recollect.core import documents, memories
from recollect.core.checks import check_id
from recollect.core.documents import CHUNK_TOKENS
from recollect.core.forget import forget_namespace
from recollect.core.memories import Unique
from recollect.core.recall import recall
from recollect.model import JSON, Document, Hit, Memory, Page, Receipt

if TYPE_CHECKING:
    from recollect.client import AsyncRecollect


class AsyncNamespaceHandle:
    """Knowledge under one path: memories, and documents cut into passages."""

    def __init__(self, memory: AsyncRecollect, path: tuple[str, ...]) -> None:
        self._memory = memory
        self._path = path

    @property
    def path(self) -> tuple[str, ...]:
        """The labels of the namespace."""
        return self._path

    async def remember(
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
        """Keep a statement that outlives its session.

        Parameters
        ----------
        id: at most 512 bytes; made when not given. A memory with the same id is replaced; the same again changes nothing.
        kind, subject, source: what sort of statement, about whom or what, from where; see `Memory`.
        ttl: seconds that it lives. created_at: when it was learned; now when None.
        unique: ``exact`` gives back a memory that says the same in the same words instead of keeping another,
            ``near`` also one that says nearly the same. Both read the namespace's memories.

        Raises `InvalidInput` that names the field, `LimitExceeded` over the store's largest message.
        """
        return await memories.remember(
            await self._memory._ready(),
            self._path,
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

    async def supersede(
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
        """Close a memory and keep another in its place, in one commit; the other parameters are those of `remember`.

        The old one is not deleted: ``recall(as_of=...)`` an earlier instant finds it. Raises `NotFound` if there is no
        memory `old`, `Conflict` if it is closed already.
        """
        return await memories.supersede(
            await self._memory._ready(),
            self._path,
            check_id(old, "old"),
            content,
            id=id,
            metadata=metadata,
            kind=kind,
            subject=subject,
            source=source,
            ttl=ttl,
            created_at=created_at,
        )

    async def close_memory(self, id: str) -> Memory:
        """Say that a memory holds no longer: it is recalled no more, but ``as_of`` an earlier instant still finds it.

        Raises `NotFound` if there is no such memory, `Conflict` if it is closed already.
        """
        return await memories.close(await self._memory._ready(), self._path, check_id(id, "id"))

    async def memory(self, id: str) -> Memory | None:
        """One memory by its id, closed or not; None if it is not there."""
        return await memories.get(await self._memory._ready(), self._path, check_id(id, "id"))

    async def memories(self, limit: int = 100, *, cursor: str | None = None, closed: bool = False) -> Page[Memory]:
        """A page of memories, the latest written first; those that hold no longer only with `closed`."""
        return await memories.listed(await self._memory._ready(), self._path, limit, cursor, closed=closed)

    async def forget_memory(self, id: str) -> bool:
        """Remove one memory for good; whether it was there."""
        return await memories.forget_one(await self._memory._ready(), self._path, check_id(id, "id"))

    async def recall(
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
        """The memories and passages that answer the query best.

        Parameters
        ----------
        query: plain text; nothing in it is syntax. limit: hits, 1 to 10,000. offset: so many of the best are left out.
        since, until: ``since <= created_at < until``. where: top-level metadata that must be there, by equality.
        as_of: what was known at that instant: without what was learned later, with what has been superseded since.
        """
        return await recall(
            await self._memory._ready(),
            query,
            namespaces=[self._path],
            conversations=False,
            limit=limit,
            offset=offset,
            since=since,
            until=until,
            where=where,
            as_of=as_of,
        )

    async def remember_document(
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
        """Keep a document, cut into passages that can be recalled, in place of what it said before, in one commit.

        Parameters
        ----------
        id: the document's name. text: plain text or Markdown; see `recollect.documents` for files.
        chunk_tokens: of a passage at most, by this client's counter. It ends between sections, else between paragraphs,
            else between sentences. overlap_tokens: repeated at the beginning of the next one; 15 % when None.
        metadata: of every passage, for `where`. ttl: seconds that it lives.

        Giving the same again changes nothing. Raises `InvalidInput` that names the field.
        """
        return await documents.remember_document(
            await self._memory._ready(),
            self._path,
            id,
            text,
            chunk_tokens=chunk_tokens,
            overlap_tokens=overlap_tokens,
            title=title,
            metadata=metadata,
            ttl=ttl,
        )

    async def document(self, id: str) -> Document | None:
        """One document, without its passages; None if it is not there."""
        return await documents.get(await self._memory._ready(), self._path, id)

    async def passages(self, id: str, *, limit: int = 100, after: int = -1) -> list[Memory]:
        """A document's passages in their order, behind the position `after`."""
        return await documents.passages(await self._memory._ready(), self._path, id, limit, after)

    async def documents(self, limit: int = 100, *, cursor: str | None = None) -> Page[Document]:
        """A page of documents, the latest given first."""
        return await documents.listed(await self._memory._ready(), self._path, limit, cursor)

    async def forget_document(self, id: str) -> bool:
        """Remove a document with all its passages; whether it was there."""
        return await documents.forget_one(await self._memory._ready(), self._path, id)

    async def forget(self) -> Receipt:
        """Remove everything in this namespace, and say how much it was. Safe to repeat."""
        return await forget_namespace(await self._memory._ready(), self._path)
