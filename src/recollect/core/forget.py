"""Forgetting: everything about a user, or everything in a namespace, with a receipt."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from recollect.core import areas
from recollect.core.base import Base
from recollect.core.digest_marks import forget_mark
from recollect.model import Receipt, Session
from recollect.store import Delete

PAGE = 100


class _Removed(Struct):
    sessions: int = 0
    messages: int = 0
    summaries: int = 0


async def forget_user(base: Base, user_id: str) -> Receipt:
    """Remove a user's sessions, preferences, memories and documents, then the remains of them on disk (`Store.sweep`).

    Safe to repeat: what a crash left is removed by the next call. Begins again until no session is found, so a
    session that another writer makes meanwhile is forgotten too.
    """
    said = await _remove(base, user_id)
    kept = _Removed()
    passages = _Removed()
    owner = areas.owner_of((areas.USER, user_id))
    await _remove_memories(base, owner, lambda _: True, kept, passages)
    (preferences,) = await base.store.commit(base.user_partition(user_id), [Delete()])
    await base.store.sweep()
    return Receipt(
        sessions=said.sessions,
        messages=said.messages,
        summaries=said.summaries,
        preferences=preferences if isinstance(preferences, int) else 0,
        memories=kept.messages,
        documents=passages.sessions,
    )


async def forget_namespace(base: Base, path: tuple[str, ...]) -> Receipt:
    """Remove a namespace's memories and documents, then the remains of them on disk."""
    kept = _Removed()
    passages = _Removed()
    log = areas.log_of(path)
    await _remove_memories(
        base,
        areas.owner_of(path),
        lambda header: header.id == log or header.metadata.get("namespace") == list(path),
        kept,
        passages,
    )
    await base.store.sweep()
    return Receipt(memories=kept.messages, documents=passages.sessions)


async def _remove(base: Base, owner: str) -> _Removed:
    removed = _Removed()
    while headers := await base.store.query("sessions_by_user", (base.scope, owner), limit=PAGE, reverse=True):
        for header in headers:
            await _remove_log(base, header.id, removed)
            await forget_mark(base, header.id)
    return removed


async def _remove_memories(
    base: Base, owner: str, wanted: Callable[[Session], bool], kept: _Removed, passages: _Removed
) -> None:
    """Remove an owner's logs of memories and of documents; again, until none that is wanted is left."""
    while True:
        found = [header async for header in base.area.headers(owner) if wanted(header)]
        if not found:
            return
        for header in found:
            await _remove_log(base.area, header.id, passages if areas.is_document(header.id) else kept)


async def _remove_log(base: Base, id: str, removed: _Removed) -> None:
    had_messages, had_summary, gone = await base.store.commit(
        base.session_partition(id), [Delete(table="messages"), Delete(table="summaries"), Delete()]
    )
    removed.messages += had_messages if isinstance(had_messages, int) else 0
    removed.summaries += had_summary if isinstance(had_summary, int) else 0
    removed.sessions += bool(gone)
