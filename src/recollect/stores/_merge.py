"""A user's messages across sessions, by time: the logs of sessions merged, each opened when it can have the next one."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar

S = TypeVar("S")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

Place = tuple[str, str, int]
"""Where a message stands on the path ``messages_by_user``: created_at as text, session_id, seq."""


class Log(Protocol[T_co]):
    """The messages of one session within the bounds of a page, in the order of the page."""

    async def next(self) -> tuple[Place, T_co] | None:
        """The next one and its place; None behind the last."""
        ...


class _Order:
    """A place in the merged order, forwards or backwards."""

    __slots__ = ("place", "reverse")

    def __init__(self, place: Place, reverse: bool) -> None:
        self.place = place
        self.reverse = reverse

    def __lt__(self, other: _Order) -> bool:
        return other.place < self.place if self.reverse else self.place < other.place


async def merged(
    sessions: Iterable[S], nearest: Callable[[S], str], read: Callable[[S], Log[T]], *, limit: int, reverse: bool
) -> list[T]:
    """The first messages of all sessions together.

    Parameters
    ----------
    nearest: the time, as text, before which a session has no message: of its latest one when `reverse`, else of its
        earliest. read: opens a session. limit: at most so many messages.
    """
    waiting = sorted(sessions, key=nearest, reverse=not reverse)  # the next to be opened stands last
    heap: list[tuple[_Order, T, Log[T]]] = []
    out: list[T] = []

    async def push(log: Log[T]) -> None:
        found = await log.next()
        if found is not None:
            heapq.heappush(heap, (_Order(found[0], reverse), found[1], log))

    def may_precede(session: S, at: str) -> bool:
        return nearest(session) >= at if reverse else nearest(session) <= at

    while len(out) < limit and (waiting or heap):
        while waiting and (not heap or may_precede(waiting[-1], heap[0][0].place[0])):
            await push(read(waiting.pop()))
        if heap:
            _, message, log = heapq.heappop(heap)
            out.append(message)
            await push(log)
    return out
