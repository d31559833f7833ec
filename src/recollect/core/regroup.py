"""Rows of an import brought together by session before they are written.

In a server's log the sessions are interleaved: ten thousand lines may hold three of each. Written like that, each session's
header, its end in a table that is clustered by session, its place in the index of ids and its entry of the feed are
visited for every three messages. So rows are held back until there are more of the same sessions; each time
those with most rows go first, as in the making of runs for a merge sort by replacement selection (Knuth, The Art of
Computer Programming 3, 5.4.1), where runs become longer than what is held.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate, takewhile
from typing import NamedTuple

from recollect.core.lines import BATCH_BYTES, BATCH_LINES, Gathering, Numbered

HELD_ROWS = 20_000
HELD_BYTES = 14 * 1024 * 1024
"""At most so much is held back; at the beginning half of what was read, so that the writing begins early."""

ENOUGH = 64
"""Rows of a session, on average, from which on waiting for more gains nothing."""


class Group(NamedTuple):
    """What is to be written together.

    Parameters
    ----------
    lines, bytes: its share of what was read, for those who want to know how far the import is.
    """

    runs: list[Gathering]
    lines: int
    bytes: int


class Pool:
    """Takes rows in the order of the source and gives them grouped; those of one session keep their order."""

    def __init__(self) -> None:
        self._runs: dict[str, list[Gathering]] = {}
        self._counts: dict[str, int] = {}
        self._rows = self._bytes = self._seen = 0
        self._read_lines = self._read_bytes = 0

    def add(self, run: Gathering) -> None:
        """Take the next rows of a session and user."""
        runs = self._runs.setdefault(run.session, [])
        rows, size = len(run.rows), _size(run.rows)
        if runs and runs[-1].user == run.user:
            runs[-1].rows += run.rows
        else:
            runs.append(run)
        self._counts[run.session] = self._counts.get(run.session, 0) + rows
        self._rows += rows
        self._seen += rows
        self._bytes += size

    def read(self, lines: int, bytes: int) -> None:
        """Note what was read for the rows, and beside them."""
        self._read_lines += lines
        self._read_bytes += bytes

    def ready(self) -> Iterator[Group]:
        """What need not wait any longer."""
        held = min(HELD_ROWS, self._seen // 2)
        while self._rows >= BATCH_LINES and (
            self._rows > held or self._bytes > HELD_BYTES or self._rows >= ENOUGH * len(self._counts)
        ):
            yield self._take()
        while self._bytes > HELD_BYTES:
            yield self._take()

    def rest(self) -> Iterator[Group]:
        """All that is left."""
        while self._rows:
            yield self._take()
        if self._read_lines:
            yield self._group([], 0)

    def _take(self) -> Group:
        """The sessions with most rows, as many as make a batch."""
        taken: list[Gathering] = []
        rows = size = 0
        for session in sorted(self._counts, key=self._counts.__getitem__, reverse=True):
            while rows < BATCH_LINES and size < BATCH_BYTES and session in self._runs:
                run = self._cut(session, BATCH_LINES - rows, BATCH_BYTES - size)
                taken.append(run)
                rows += len(run.rows)
                size += _size(run.rows)
            if rows >= BATCH_LINES or size >= BATCH_BYTES:
                break
        self._rows -= rows
        self._bytes -= size
        return self._group(taken, rows)

    def _cut(self, session: str, rows: int, size: int) -> Gathering:
        """The beginning of what is held of a session, within bounds but at least one row."""
        runs = self._runs[session]
        run = runs[0]
        count = _within(run.rows, rows, size)
        if count < len(run.rows):
            runs[0] = Gathering(session, run.user, run.rows[count:])
            run = Gathering(session, run.user, run.rows[:count])
        else:
            runs.pop(0)
        self._counts[session] -= count
        if not runs:
            del self._runs[session], self._counts[session]
        return run

    def _group(self, runs: list[Gathering], rows: int) -> Group:
        """A group with its share of what was read; the last one has all that is left of it."""
        before = self._rows + rows
        lines = min(rows, self._read_lines) if self._rows else self._read_lines
        bytes = self._read_bytes * rows // before if self._rows else self._read_bytes
        self._read_lines -= lines
        self._read_bytes -= bytes
        return Group(runs, lines, bytes)


def _size(rows: list[Numbered]) -> int:
    return sum(size for _, _, size in rows)


def _within(rows: list[Numbered], most: int, size: int) -> int:
    """How many rows are no more than so many, and no larger than a size with one row over."""
    if len(rows) <= most and _size(rows) <= size:
        return len(rows)
    sizes = accumulate(size for _, _, size in rows[:most])
    return min(most, len(rows), 1 + sum(1 for _ in takewhile(size.__gt__, sizes)))
