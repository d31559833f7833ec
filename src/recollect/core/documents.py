"""Documents: knowledge cut into passages, each document a log of its own, replaced as a whole."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import msgspec

from recollect.core import areas
from recollect.core.base import Base
from recollect.core.checks import check_count, check_id, check_object, check_text, check_ttl
from recollect.core.chunks import split
from recollect.core.cursors import read_cursor
from recollect.core.memories import memory_of
from recollect.core.pages import cut_page
from recollect.errors import InvalidInput
from recollect.model import JSON, Document, Memory, Message, Page, Session
from recollect.store import Append, Delete, Put, SessionDefaults

CHUNK_TOKENS = 200
"""Of a passage: about a paragraph, so that a handful fit into a context."""

OVERLAP_SHARE = 0.15

LONG = 20_000
"""Characters of a text from which on it is cut in a thread: what waits on the event loop would wait for seconds."""

MAX_PASSAGES = 20_000


async def remember_document(
    base: Base,
    path: tuple[str, ...],
    id: str,
    text: str,
    *,
    chunk_tokens: int = CHUNK_TOKENS,
    overlap_tokens: int | None = None,
    title: str | None = None,
    metadata: Mapping[str, JSON] | None = None,
    ttl: float | None = None,
) -> Document:
    """Keep a document's passages in place of those that it had, in one commit. Giving the same again changes nothing."""
    check_id(id, "id")
    if not isinstance(text, str) or not text.strip():
        raise InvalidInput("a document needs text", field="text")
    check_text(text, "text")
    if title is not None:
        check_id(title, "title")
    check_count(chunk_tokens, "chunk_tokens", least=8, most=100_000)
    overlap = int(chunk_tokens * OVERLAP_SHARE) if overlap_tokens is None else overlap_tokens
    check_count(overlap, "overlap_tokens", least=0, most=chunk_tokens // 2)
    seconds = check_ttl(ttl)
    own = check_object(metadata, "metadata")
    log = areas.document_log(path, id)
    recipe = msgspec.json.encode([text, title, own, chunk_tokens, overlap, seconds], order="deterministic")
    digest = hashlib.blake2b(recipe, digest_size=16).hexdigest()
    known = await base.area.header(log)
    if known is not None and seconds is None and known.metadata.get("digest") == digest:
        return _document(known, path)
    now = base.driver.now()
    expires = None if seconds is None else now + timedelta(seconds=seconds)
    cut = partial(_rows, base, id, text, chunk_tokens, overlap, title, own)
    rows = cut() if len(text) < LONG else await base.driver.run(cut)
    rows = [row.replace(created_at=now, expires_at=expires) for row in rows]
    for row in rows:
        base.intake.check_size(row)
    told = {
        "namespace": list(path),
        "document": id,
        "digest": digest,
        "passages": len(rows),
        "tokens": sum(row.tokens for row in rows),
        "updated_at": now.isoformat(),
        "metadata": own,
    }
    owner = areas.owner_of(path)
    header = Session(id=log, user_id=owner, title=title, metadata=told, expires_at=expires)
    append = Append(rows=rows, terms=[""] * len(rows), session=SessionDefaults(user_id=owner))
    area = base.area
    await area.store.commit(
        area.session_partition(log), [Put(table="sessions", row=header), Delete(table="messages"), append]
    )
    stored = await area.header(log)
    return _document(stored if stored is not None else header, path)


def _rows(
    base: Base, id: str, text: str, limit: int, overlap: int, title: str | None, metadata: dict[str, JSON]
) -> list[Message]:
    passages = split(text, chunk_tokens=limit, overlap_tokens=overlap, count=base.count)
    if len(passages) > MAX_PASSAGES:
        raise InvalidInput(
            f"a document of {len(passages):,} passages is over the limit of {MAX_PASSAGES:,}: cut it into several",
            field="text",
        )
    rows = []
    for position, passage in enumerate(passages):
        content = text[passage.start : passage.end]
        source: dict[str, Any] = {
            "document": id,
            "position": position,
            "start": passage.start,
            "end": passage.end,
            **({"title": title} if title else {}),
            **({"heading": passage.heading} if passage.heading else {}),
        }
        rows.append(
            Message(
                areas.PASSAGE_ROLE,
                content,
                id=f"{position}",
                metadata=metadata,
                extra={"kind": "passage", "source": source},
                tokens=base.count(content),
            )
        )
    return rows


async def get(base: Base, path: tuple[str, ...], id: str) -> Document | None:
    """A document, without its passages; None if it is not there."""
    header = await base.area.header(areas.document_log(path, check_id(id, "id")))
    return None if header is None else _document(header, path)


async def passages(base: Base, path: tuple[str, ...], id: str, limit: int, after: int) -> list[Memory]:
    """A document's passages behind a position."""
    check_count(limit, "limit")
    check_count(after, "after", least=-1, most=None)
    log = areas.document_log(path, check_id(id, "id"))
    first: tuple[int] | None = None
    if after >= 0:
        found = await base.area.store.query("messages_by_id", (base.area.scope, log, str(after)), limit=1)
        if not found:
            return []
        first = (found[0].seq,)
    return [memory_of(row, path) for row in await base.area.messages(log, after=first, limit=limit)]


async def listed(base: Base, path: tuple[str, ...], limit: int, cursor: str | None) -> Page[Document]:
    """A page of a namespace's documents, the latest given first."""
    check_count(limit, "limit")
    area = base.area
    question = ("documents", area.scope, path)
    place = read_cursor(question, cursor, (datetime, str))
    found: list[Session] = []
    hash = (area.scope, areas.owner_of(path))
    while True:
        wanted = limit + 1 - len(found)
        headers = await area.store.query("sessions_by_user", hash, before=place, limit=wanted, reverse=True)
        found += [header for header in headers if _belongs(header, path)]
        if len(found) > limit or len(headers) < wanted:
            page = cut_page(found, limit, question, lambda row: (row.updated_at, row.id))
            return Page([_document(header, path) for header in page], page.cursor)
        place = (headers[-1].updated_at, headers[-1].id)


async def forget_one(base: Base, path: tuple[str, ...], id: str) -> bool:
    """Remove a document with all its passages; whether it was there."""
    partition = base.area.session_partition(areas.document_log(path, check_id(id, "id")))
    (count,) = await base.area.store.commit(partition, [Delete()])
    return bool(count)


def _belongs(header: Session, path: tuple[str, ...]) -> bool:
    return areas.is_document(header.id) and header.metadata.get("namespace") == list(path)


def _document(header: Session, path: tuple[str, ...]) -> Document:
    told = header.metadata
    updated = told.get("updated_at")
    times = [datetime.fromisoformat(updated) if isinstance(updated, str) else header.updated_at, header.created_at]
    return Document(
        id=str(told.get("document", header.id)),
        namespace=path,
        title=header.title,
        metadata=told.get("metadata") or {},
        passages=int(told.get("passages", 0)),
        tokens=int(told.get("tokens", 0)),
        digest=str(told.get("digest", "")),
        created_at=header.created_at,
        updated_at=max(
            (at for at in times if at is not None), default=None
        ),  # created_at is the commit's, a moment later
        expires_at=header.expires_at,
    )
