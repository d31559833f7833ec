"""Encoded pages kept in memory, each used again only while the file says that nothing of it has changed.

The messages of a log do not change, so a page of them is as it was unless messages were removed, have another owner, or
came behind its end. A counter in the file counts the first two, in the same transaction, whichever process does them;
the header's ``last_seq`` tells the third. Both are read each time, so a page that is kept is never older than one that
is read.
"""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from threading import Lock
from typing import NamedTuple

from recollect.store import LogText
from recollect.store.contract import Key

KEPT_BYTES = 8 * 1024 * 1024
"""Of all pages together; some 250 of a hundred usual messages."""

_STATE = """
SELECT coalesce((SELECT value FROM recollect_meta WHERE name = 'rewrites'), 0), last_seq
FROM recollect_sessions WHERE scope = ? AND session_id = ? AND (expires_at IS NULL OR expires_at > ?)
"""
_REWRITE = """
INSERT INTO recollect_meta (name, value) VALUES ('rewrites', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1
"""


class State(NamedTuple):
    """How often messages of the file were removed or changed, and the session's last number."""

    rewrites: int
    last_seq: int


def rewrite(connection: sqlite3.Connection) -> None:
    """Inside a writing transaction: say that messages which were there are gone or changed."""
    connection.execute(_REWRITE)


def state(connection: sqlite3.Connection, hash: Key, now: str) -> State | None:
    """Of a live session; None if there is none."""
    row = connection.execute(_STATE, (*hash, now)).fetchone()
    return None if row is None else State(*row)


class Pages:
    """The pages of one store, those used last. Any thread may use it.

    Parameters
    ----------
    size: bytes of text at most.
    """

    def __init__(self, size: int = KEPT_BYTES) -> None:
        self._size = size
        self._used = 0
        self._rewrites = -1
        self._pages: OrderedDict[Key, tuple[int, bool, LogText]] = OrderedDict()
        self._lock = Lock()

    def __contains__(self, page: Key) -> bool:
        """Whether `get` may find it: only then need the session's state be asked for."""
        return page in self._pages

    def get(self, page: Key, now: State) -> LogText | None:
        """A page that is as it was.

        Parameters
        ----------
        page: what was asked for, the session included. now: of the session.
        """
        with self._lock:
            if now.rewrites != self._rewrites:
                self._clear()
                return None
            kept = self._pages.get(page)
            if kept is None or not (kept[1] or kept[0] == now.last_seq):
                return None
            self._pages.move_to_end(page)
            return kept[2]

    def put(self, page: Key, then: State, closed: bool, text: LogText) -> None:
        """Keep a page.

        Parameters
        ----------
        then: of the session, read with the page. closed: whether the page stays as it is when messages are added.
        """
        with self._lock:
            if then.rewrites < self._rewrites or len(text.text) > self._size // 8:
                return
            if then.rewrites > self._rewrites:
                self._clear()
                self._rewrites = then.rewrites
            self._forget(page)
            self._pages[page] = (then.last_seq, closed, text)
            self._used += len(text.text)
            while self._used > self._size:
                self._forget(next(iter(self._pages)))

    def _forget(self, page: Key) -> None:
        kept = self._pages.pop(page, None)
        if kept is not None:
            self._used -= len(kept[2].text)

    def _clear(self) -> None:
        self._pages.clear()
        self._used = 0
