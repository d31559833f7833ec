"""Which logs a question is about, and bringing what is held of them up to date."""

from __future__ import annotations

from collections.abc import AsyncIterator

from recollect.core import areas
from recollect.core.base import Base
from recollect.core.views import Log, View
from recollect.model import Message

MOST_ROWS = 250_000
MOST_LOGS = 5_000
"""Of a view. What lies behind, in the sessions whose last activity is oldest, is looked for in the store's own index."""

LOADED = 5_000
"""Rows of a page, where a log is read to be held: some megabytes, so that it is up to the backend what one request gives."""

LARGE_SECONDS = 60.0
"""So long a partition that was too large for a view is taken to be so without counting again."""


def place_of(base: Base, log: Log) -> Base:
    """The view of the store in which a log lies."""
    return base.area if log.remembered else base


async def logs_of_user(base: Base, user_id: str) -> AsyncIterator[Log]:
    """A user's memories, documents and sessions. Where not all can be held, it is the oldest sessions that are not."""
    async for log in logs_of_memories(base, user_id):
        yield log
    async for header in base.headers(user_id):
        yield Log(header)


async def logs_of_memories(base: Base, user_id: str) -> AsyncIterator[Log]:
    """A user's memories and documents, without the sessions."""
    async for header in base.area.headers(areas.owner_of((areas.USER, user_id))):
        yield Log(header, True)


async def logs_of_namespace(base: Base, path: tuple[str, ...]) -> AsyncIterator[Log]:
    """A namespace's memories and documents."""
    own = areas.log_of(path)
    async for header in base.area.headers(areas.owner_of(path)):
        if header.id == own or header.metadata.get("namespace") == list(path):
            yield Log(header, True)


async def logs_of_session(base: Base, session_id: str) -> AsyncIterator[Log]:
    """One session."""
    header = await base.header(session_id)
    if header is not None:
        yield Log(header)


async def logs_of_all(base: Base) -> AsyncIterator[Log]:
    """Every session of the tenant, the latest activity first."""
    async for header in base.headers():
        yield Log(header)


async def refresh(base: Base, view: View, source: AsyncIterator[Log]) -> bool:
    """Make a view what its logs are now; whether all of them are in it, or only the newest.

    Where the store has an index of its own, a view that cannot have all is left as it is.
    """
    now, indexed = base.driver.now(), base.indexed
    if indexed and view.large_at is not None and abs((now - view.large_at).total_seconds()) < LARGE_SECONDS:
        return False
    logs: list[Log] = []
    rows, whole = 0, True
    async for log in source:
        if logs and (rows + log.header.message_count > MOST_ROWS or len(logs) >= MOST_LOGS):
            whole = False
            break
        rows += log.header.message_count
        logs.append(log)
    view.large_at = None if whole else now
    if indexed and not whole:
        return False
    readings, gone = view.plan(logs, now)
    if not readings and not gone:
        return whole
    read = []
    for reading in readings:
        log = reading.log
        found: list[Message] = []
        async for page in place_of(base, log).pages(log.header.id, start=reading.after, size=LOADED):
            found += page
        read.append((reading, found))
    await base.driver.run(view.apply, read, gone)
    return whole
