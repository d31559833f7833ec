"""Memories: statements that outlive their session, each namespace a log of its own.

A memory that changes is removed and appended again in one commit, so whoever has read up to a number finds every later
change behind it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec

from recollect.core import areas
from recollect.core.base import Base
from recollect.core.checks import check_count, check_id, check_object, check_optional_time, check_text, check_ttl
from recollect.core.cursors import make_cursor, read_cursor
from recollect.errors import Conflict, InvalidInput, NotFound
from recollect.model import JSON, Memory, Message, Page
from recollect.recall.analyzer import analyze
from recollect.store import Append, Appended, Delete, Op, SessionDefaults
from recollect.store.codec import dump_time, load_time

Unique = Literal["exact", "near"]

ATTEMPTS = 50
NEAR = 0.9
"""Shared terms over all terms of both (Jaccard) from which two statements count as the same."""

_PAGE = 500
_FIELDS = ("kind", "subject", "source", "closed_at", "superseded_by")


async def remember(
    base: Base,
    path: tuple[str, ...],
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
    """Keep a statement; one with the same id takes its place.

    Raises `InvalidInput` that names the field, `LimitExceeded` over the store's largest message.
    """
    if unique not in (None, "exact", "near"):
        raise InvalidInput(f"unique is 'exact', 'near' or None, not {unique!r}", field="unique")
    memory = _checked(base, path, content, id, metadata, kind, subject, source, ttl, created_at)
    if unique is not None and (known := await _alike(base, path, memory.content, unique)) is not None:
        return known
    return await _write(base, path, memory, replace=id is not None)


async def remember_closed(
    base: Base,
    path: tuple[str, ...],
    content: str,
    *,
    closed_at: datetime,
    superseded_by: str,
    id: str,
    metadata: Mapping[str, JSON],
    kind: str | None,
    subject: str | None,
    source: Mapping[str, JSON],
    created_at: datetime,
) -> Memory:
    """Keep a statement that was learned late: it has not held since `closed_at`, when another took its place."""
    memory = _checked(base, path, content, id, metadata, kind, subject, source, None, created_at)
    memory = memory.replace(closed_at=closed_at, superseded_by=superseded_by)
    return await _write(base, path, memory, replace=True)


async def mark(base: Base, path: tuple[str, ...], id: str, **metadata: JSON) -> Memory:
    """Change some of a memory's metadata, atomically; everything else stays as it is.

    Raises `NotFound` if there is no such memory.
    """
    for _ in range(ATTEMPTS):
        known = await get(base, path, id)
        if known is None:
            raise NotFound(f"no memory {id!r} in {path}")
        changed = known.replace(metadata={**known.metadata, **metadata})
        if changed.metadata == known.metadata:
            return known
        results = await _commit(base, path, [Delete(table="messages", seq=known.seq), _append(path, [_row(changed)])])
        appended = results[-1]
        assert isinstance(appended, Appended)
        if appended.written:
            return memory_of(appended[0], path)
    raise Conflict(f"memory {id!r} was changed by others {ATTEMPTS} times in a row")


async def supersede(base: Base, path: tuple[str, ...], old: str, content: str, **fields: Any) -> Memory:
    """Close a memory and keep another in its place, in one commit; `fields` are those of `remember`.

    Raises `NotFound` if there is no such memory, `Conflict` if it is closed already.
    """
    memory = _checked(base, path, content, **({"id": None, "metadata": None, "kind": None, "subject": None,
                      "source": None, "ttl": None, "created_at": None} | fields))  # fmt: skip
    if memory.id == old:
        raise InvalidInput("the new memory needs an id of its own", field="id")
    return (await _close(base, path, old, memory.id, memory))[-1]


async def close(base: Base, path: tuple[str, ...], id: str) -> Memory:
    """Say that a memory holds no longer: it is recalled no more, but `as_of` an earlier instant still finds it.

    Raises `NotFound` if there is no such memory, `Conflict` if it is closed already.
    """
    return (await _close(base, path, id, None, None))[0]


async def _close(base: Base, path: tuple[str, ...], id: str, by: str | None, new: Memory | None) -> list[Memory]:
    for _ in range(ATTEMPTS):
        known = await get(base, path, id)
        if known is None:
            raise NotFound(f"no memory {id!r} in {path}")
        if known.closed_at is not None:
            raise Conflict(f"memory {id!r} is closed already")
        closed = known.replace(
            closed_at=max(base.driver.now(), known.created_at or base.driver.now()), superseded_by=by
        )
        rows = [_row(closed), *([_row(new)] if new is not None else [])]
        results = await _commit(base, path, [Delete(table="messages", seq=known.seq), _append(path, rows)])
        # Another writer was first if the row was gone: then the append found its version there and changed nothing.
        appended = results[-1]
        assert isinstance(appended, Appended)
        if appended.written == len(rows):
            return [memory_of(row, path) for row in appended]
    raise Conflict(f"memory {id!r} was changed by others {ATTEMPTS} times in a row")


async def _write(base: Base, path: tuple[str, ...], memory: Memory, *, replace: bool) -> Memory:
    row = _row(memory)
    for _ in range(ATTEMPTS):
        known = await get(base, path, memory.id) if replace else None
        if known is not None and _same(known, memory):
            return known
        ops: list[Op] = [] if known is None else [Delete(table="messages", seq=known.seq)]
        results = await _commit(base, path, [*ops, _append(path, [row])])
        appended = results[-1]
        assert isinstance(appended, Appended)
        stored = memory_of(appended[0], path)
        if appended.written or _same(stored, memory):
            return stored
        replace = True
    raise Conflict(f"memory {memory.id!r} was changed by others {ATTEMPTS} times in a row")


async def get(base: Base, path: tuple[str, ...], id: str) -> Memory | None:
    """One memory by its id, closed or not; None if it is not there."""
    rows = await base.area.store.query("messages_by_id", (base.area.scope, areas.log_of(path), id), limit=1)
    return memory_of(rows[0], path) if rows else None


async def listed(
    base: Base, path: tuple[str, ...], limit: int, cursor: str | None, *, closed: bool = False
) -> Page[Memory]:
    """A page of a namespace's memories, the latest written first; those that hold no longer only when asked for."""
    check_count(limit, "limit")
    question = ("memories", base.area.scope, path, closed)
    place = read_cursor(question, cursor, (int,))
    found: list[Memory] = []
    while True:
        wanted = limit + 1 - len(found)
        rows = await base.area.messages(areas.log_of(path), before=place, limit=wanted, reverse=True)
        for row in rows:
            memory = memory_of(row, path)
            if closed or memory.closed_at is None:
                if len(found) == limit:
                    return Page(found, make_cursor(question, (found[-1].seq,)))
                found.append(memory)
        if len(rows) < wanted:
            return Page(found, None)
        place = (rows[-1].seq,)


async def forget_one(base: Base, path: tuple[str, ...], id: str) -> bool:
    """Remove one memory for good; whether it was there."""
    while (known := await get(base, path, id)) is not None:
        (count,) = await _commit(base, path, [Delete(table="messages", seq=known.seq)])
        if count:
            return True
    return False


async def _alike(base: Base, path: tuple[str, ...], content: str, unique: Unique) -> Memory | None:
    """A memory that holds and says the same: the same words in the same order, or nearly the same set of them."""
    words = analyze(content)
    wanted = set(words)
    async for rows in base.area.pages(areas.log_of(path), reverse=True):
        for row in rows:
            memory = memory_of(row, path)
            if memory.closed_at is not None:
                continue
            own = analyze(memory.content)
            if own == words and (words or memory.content.strip() == content.strip()):
                return memory
            if unique == "near" and wanted:
                shared = len(wanted & set(own))
                if shared >= NEAR * len(wanted | set(own)):
                    return memory
    return None


def _checked(
    base: Base,
    path: tuple[str, ...],
    content: object,
    id: str | None,
    metadata: Mapping[str, JSON] | None,
    kind: str | None,
    subject: str | None,
    source: Mapping[str, JSON] | None,
    ttl: float | None,
    created_at: datetime | None,
) -> Memory:
    if not isinstance(content, str) or not content.strip():
        raise InvalidInput("a memory needs text", field="content")
    check_text(content, "content")
    now = base.driver.now()
    seconds = check_ttl(ttl)
    memory = Memory(
        id=base.driver.new_id(now) if id is None else check_id(id, "id"),
        namespace=path,
        content=content,
        metadata=check_object(metadata, "metadata"),
        kind=_word(kind, "kind"),
        subject=_word(subject, "subject"),
        source=check_object(source, "source"),
        created_at=check_optional_time(created_at, "created_at") or now,
        expires_at=None if seconds is None else now + timedelta(seconds=seconds),
        tokens=base.count(content),
    )
    base.intake.check_size(_row(memory))
    return memory


def _word(given: object, field: str) -> str | None:
    return None if given is None else check_id(given, field)


def _same(one: Memory, other: Memory) -> bool:
    """Whether two say the same of everything but when and where it was written."""
    return _said(one) == _said(other)


def _said(memory: Memory) -> bytes:
    told = (memory.content, memory.metadata, memory.kind, memory.subject, memory.source, memory.closed_at)
    return msgspec.json.encode((*told, memory.expires_at is None), order="deterministic")


async def _commit(base: Base, path: tuple[str, ...], ops: list[Op]) -> list[Any]:
    area = base.area
    return list(await area.store.commit(area.session_partition(areas.log_of(path)), ops))


def _append(path: tuple[str, ...], rows: list[Message]) -> Append:
    session = SessionDefaults(user_id=areas.owner_of(path))
    return Append(rows=rows, terms=[""] * len(rows), session=session)


def _row(memory: Memory) -> Message:
    """The memory as a row of its log."""
    extra: dict[str, JSON] = {}
    for name in _FIELDS:
        value = getattr(memory, name)
        if value:
            extra[name] = dump_time(value) if isinstance(value, datetime) else value
    return Message(
        areas.MEMORY_ROLE,
        memory.content,
        id=memory.id,
        metadata=memory.metadata,
        extra=extra,
        created_at=memory.created_at,
        expires_at=memory.expires_at,
        tokens=memory.tokens,
    )


def memory_of(row: Message, path: tuple[str, ...]) -> Memory:
    """The memory, or the passage, that a row of a namespace's log holds."""
    extra = row.extra
    closed = extra.get("closed_at")
    return Memory(
        id=row.id,
        namespace=path,
        content=row.text,
        metadata=row.metadata,
        kind=extra.get("kind"),
        subject=extra.get("subject"),
        source=extra.get("source") or {},
        created_at=row.created_at,
        closed_at=None if closed is None else load_time(closed),
        superseded_by=extra.get("superseded_by"),
        expires_at=row.expires_at,
        seq=row.seq,
        tokens=row.tokens,
    )
