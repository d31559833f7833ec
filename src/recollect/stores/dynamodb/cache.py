"""The headers last seen, so that an append needs no read: a stale one costs one lost race, never a wrong commit."""

from __future__ import annotations

import threading
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
