"""The headers last seen, so that an append needs no read: a stale one costs one lost race, never a wrong commit."""

from __future__ import annotations

import os
import threading
import weakref
from collections import OrderedDict

from recollect.stores.dynamodb.header import Header
from recollect.stores.dynamodb.turns import Queue

MOST = 10_000


class Slot:
    """One session's header, as this process last saw it; None with `loaded`: there is none."""

    __slots__ = ("header", "loaded", "queue")

    def __init__(self) -> None:
        self.header: Header | None = None
        self.loaded = False
        self.queue = Queue()

    def set(self, header: Header | None) -> None:
        """What is stored now."""
        self.header, self.loaded = header, True


class Cache:
    """Slots by partition key; the least recently used go."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._clear()
        _alive.add(self)

    def _clear(self) -> None:
        """Nothing known: at the beginning, and in a child after a fork, where those who had turns are not any more."""
        self._slots: OrderedDict[str, Slot] = OrderedDict()
        self._lock = threading.Lock()

    def slot(self, key: str) -> Slot:
        """The slot of a session."""
        with self._lock:
            slot = self._slots.get(key)
            if slot is None:
                slot = self._slots[key] = Slot()
                if len(self._slots) > self._most:
                    self._slots.popitem(last=False)
            else:
                self._slots.move_to_end(key)
            return slot


_alive: weakref.WeakSet[Cache] = weakref.WeakSet()


def _after_fork() -> None:
    for cache in list(_alive):
        cache._clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
