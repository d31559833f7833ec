"""Forgetting a user: everything, everywhere, with a receipt."""

from __future__ import annotations

from recollect.core.base import Base
from recollect.model import Receipt
from recollect.store import Delete

PAGE = 100


async def forget_user(base: Base, user_id: str) -> Receipt:
    """Remove a user's sessions and preferences, then the remains of them on disk (`Store.sweep`).

    Safe to repeat: what a crash left is removed by the next call. Begins again until no session is found, so a
    session that another writer makes meanwhile is forgotten too.
    """
    sessions = messages = summaries = 0
    while headers := await base.store.query("sessions_by_user", (base.scope, user_id), limit=PAGE, reverse=True):
        for header in headers:
            had_messages, had_summary, gone = await base.store.commit(
                base.session_partition(header.id),
                [Delete(table="messages"), Delete(table="summaries"), Delete()],
            )
            messages += had_messages if isinstance(had_messages, int) else 0
            summaries += had_summary if isinstance(had_summary, int) else 0
            sessions += bool(gone)
    (preferences,) = await base.store.commit(base.user_partition(user_id), [Delete()])
    await base.store.sweep()
    return Receipt(
        sessions=sessions,
        messages=messages,
        summaries=summaries,
        preferences=preferences if isinstance(preferences, int) else 0,
    )
