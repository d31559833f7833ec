"""Rows of an import brought together by session before they are written.

In a server's log the sessions are interleaved: ten thousand lines may hold three of each. Written like that, each session's
header, its end in a table that is clustered by session, its place in the index of ids and its entry of the feed are
visited for every three messages. So rows are held back, encoded, until there are more of the same sessions; each time
those with most rows go first, as in the making of runs for a merge sort by replacement selection (Knuth, The Art of
Computer Programming 3, 5.4.1), where runs become longer than what is held.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import NamedTuple

from msgspec import Raw, msgpack

from recollect.core.lines import BATCH_BYTES, BATCH_LINES

HELD_ROWS = 30_000
HELD_BYTES = 14 * 1024 * 1024
"""At most so much is held back; at the beginning half of what was read, so that the writing begins early."""

ENOUGH = 64
"""Rows of a session, on average, from which on waiting for more gains nothing."""

_ARRAY = b"\xdd"
"""What a msgpack array of up to 2**32 items begins with; four bytes of their count follow."""

_encode_into = msgpack.Encoder().encode_into


class Held:
    """Rows of one session and user in their order, encoded one behind the other: objects would take thrice the memory.

    `sizes` are the bytes of each row, `lines` their numbers.
    """

    __slots__ = ("data", "lines", "session", "sizes", "user")

    def __init__(self, session: str, user: str | None) -> None:
        self.session = session
        self.user = user
        self.data = bytearray()
        self.sizes = array("L")
        self.lines = array("Q")

    def add(self, row: object, line: int) -> None:
        """One more row, as msgspec encodes it, and the number of its line."""
        before = len(self.data)
        _encode_into(row, self.data, -1)
        self.sizes.append(len(self.data) - before)
        self.lines.append(line)

    def cut(self, rows: int, size: int) -> Held:
        """Take off the first rows: so many at most, and no more when they have reached a size."""
        count = end = 0
        for one in self.sizes[:rows]:
            if count and end >= size:
                break
            end += one
            count += 1
        first = Held(self.session, self.user)
        first.data, self.data = self.data[:end], self.data[end:]
        first.sizes, self.sizes = self.sizes[:count], self.sizes[count:]
        first.lines, self.lines = self.lines[:count], self.lines[count:]
        return first

    def encoded(self) -> tuple[str, str | None, Raw, list[int]]:
        """What encodes as session, user, an array of the rows, and their lines."""
        head = _ARRAY + len(self.sizes).to_bytes(4, "big")
        return self.session, self.user, Raw(head + self.data), self.lines.tolist()


class Group(NamedTuple):
    """What is to be written together.

    Parameters
    ----------
    lines, bytes: its share of what was read, for those who want to know how far the import is.
    """

    runs: list[Held]
    lines: int
    bytes: int


class Pool:
    """Takes rows in the order of the source and gives them grouped; those of one session keep their order."""

    def __init__(self) -> None:
        self._runs: dict[str, list[Held]] = {}
        self._counts: dict[str, int] = {}
        self._rows = self._bytes = self._seen = 0
        self._read_lines = self._read_bytes = 0

    def of(self, session: str, user: str | None) -> Held:
        """Where the next rows of a session and user go; `add` them there, and then `count` them."""
        runs = self._runs.setdefault(session, [])
        if not runs or runs[-1].user != user:
            runs.append(Held(session, user))
        return runs[-1]

    def count(self, session: str, rows: int, bytes: int) -> None:
        """Note how many rows of a session were added, and their bytes."""
        self._counts[session] = self._counts.get(session, 0) + rows
        self._rows += rows
        self._seen += rows
        self._bytes += bytes

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
        taken: list[Held] = []
        rows = size = 0
        for session in sorted(self._counts, key=self._counts.__getitem__, reverse=True):
            while rows < BATCH_LINES and size < BATCH_BYTES and session in self._runs:
                run = self._cut(session, BATCH_LINES - rows, BATCH_BYTES - size)
                taken.append(run)
                rows += len(run.sizes)
                size += len(run.data)
            if rows >= BATCH_LINES or size >= BATCH_BYTES:
                break
        self._rows -= rows
        self._bytes -= size
        return self._group(taken, rows)

    def _cut(self, session: str, rows: int, size: int) -> Held:
        """The beginning of what is held of a session, within bounds but at least one row."""
        runs = self._runs[session]
        run = runs[0]
        if len(run.sizes) > rows or len(run.data) > size:
            run = run.cut(rows, size)
        if not runs[0].sizes or run is runs[0]:
            runs.pop(0)
        self._counts[session] -= len(run.sizes)
        if not runs:
            del self._runs[session], self._counts[session]
        return run

    def _group(self, runs: list[Held], rows: int) -> Group:
        """A group with its share of what was read; the last one has all that is left of it."""
        before = self._rows + rows
        lines = min(rows, self._read_lines) if self._rows else self._read_lines
        bytes = self._read_bytes * rows // before if self._rows else self._read_bytes
        self._read_lines -= lines
        self._read_bytes -= bytes
        return Group(runs, lines, bytes)
