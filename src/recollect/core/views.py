"""What recall looks through: the logs of one owner, read once, held ranked in memory, and kept fresh by their headers.

A header tells what of its log has changed: a higher ``last_seq`` means rows behind the ones that are known; any other
change of its count, that the log has to be read anew. So a search costs one listing of headers while nothing changes,
and what was just said is found at once.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from traceback import clear_frames
from typing import TYPE_CHECKING, Any, NamedTuple

from recollect.core import areas
from recollect.model import Memory, Message, Session

if TYPE_CHECKING:
    from recollect.core.coverage import Coverage
    from recollect.recall.index import PartitionIndex

HELD_ROWS = 20_000
"""Up to so many the rows themselves are held too, so that a hit is no further question to the database."""

CACHE_BYTES = 256 * 1024 * 1024
"""Of all views of a client together; the one that was not used for longest goes first."""


QUERIES = 1024
"""Vectors of questions that are remembered."""


class Log(NamedTuple):
    """One log of a view: a session, a namespace's memories, or a document's passages.

    Parameters
    ----------
    remembered: whether it lies among the memories rather than the conversations. run: which stretch of it, where it is
        not whole.
    """

    header: Session
    remembered: bool = False
    run: int = 0

    @property
    def key(self) -> str:
        """What tells it from all others."""
        return f"{'m' if self.remembered else 'c'}{self.run or ''}:{self.header.id}"

    @property
    def linked(self) -> bool:
        """Whether a row belongs to what stands before and after it."""
        return not self.remembered or areas.is_document(self.header.id)

    @property
    def path(self) -> tuple[str, ...] | None:
        """The namespace; None for a session."""
        if not self.remembered:
            return None
        named = self.header.metadata.get("namespace")
        return tuple(map(str, named)) if isinstance(named, list) else areas.path_of(self.header.id)


class _Mark:
    """What of a log is in the index."""

    __slots__ = ("created", "expiries", "last", "path", "rows")

    def __init__(self, header: Session, path: tuple[str, ...] | None) -> None:
        self.created = header.created_at
        self.path = path
        self.last = 0
        self.rows = 0
        self.expiries: list[datetime] = []

    def live(self, now: datetime) -> int:
        """How many of its rows have not expired."""
        return self.rows - bisect_right(self.expiries, now)


class Reading(NamedTuple):
    """What has to be read of a log: all of it, or what lies behind a number."""

    log: Log
    after: int


class View:
    """The rows of one owner's logs, indexed.

    Parameters
    ----------
    mutex: held while the index is changed or read; the calls of `apply` and `ask` may come from several threads.
    embeds: whether rows are to have vectors.
    """

    def __init__(self, mutex: AbstractContextManager[Any], *, embeds: bool = False) -> None:
        from recollect.recall.index import PartitionIndex

        self._mutex = mutex
        self.index: PartitionIndex = PartitionIndex()
        self._marks: dict[str, _Mark] = {}
        self._held: dict[str, dict[int, Message]] | None = {}
        self._held_rows = 0
        self._held_bytes = 0
        self._index_bytes = (0, 0)
        self._bare: dict[str, dict[int, Message]] | None = {} if embeds else None
        self._logs: dict[str, Log] = {}
        self._data_bytes = 0
        self.large_at: datetime | None = None
        self.coverage: Coverage | None = None

    def plan(self, logs: Sequence[Log], now: datetime) -> tuple[list[Reading], list[str]]:
        """What has to be read for these logs, and which logs are no more."""
        with self._mutex:
            readings = []
            for log in logs:
                mark, header = self._marks.get(log.key), log.header
                if mark is None or mark.created != header.created_at or header.last_seq < mark.last:
                    readings.append(Reading(log, 0))
                elif header.last_seq > mark.last:
                    grown = header.message_count - mark.live(now)
                    readings.append(Reading(log, mark.last if grown == header.last_seq - mark.last else 0))
                elif header.message_count != mark.live(now):
                    readings.append(Reading(log, 0))
            present = {log.key for log in logs}
            return readings, [key for key in self._marks if key not in present]

    def apply(self, readings: Iterable[tuple[Reading, Sequence[Message]]], gone: Iterable[str]) -> None:
        """Bring in what was read, and leave out what is gone. Doing it twice is harmless."""
        with self._mutex:
            for key in gone:
                self._remove(key)
            for reading, rows in readings:
                self._bring(reading, rows)

    def _remove(self, key: str) -> None:
        if self._marks.pop(key, None) is not None:
            self.index.remove(key)
            self._logs.pop(key, None)
            if self._bare is not None:
                self._bare.pop(key, None)
            rows = {} if self._held is None else self._held.pop(key, {})
            self._held_rows -= len(rows)
            self._held_bytes -= sum(map(_bytes, rows.values()))

    def _bring(self, reading: Reading, rows: Sequence[Message]) -> None:
        log = reading.log
        mark = self._marks.get(log.key)
        if reading.after == 0 or mark is None or mark.created != log.header.created_at:
            self._remove(log.key)
            mark = self._marks[log.key] = _Mark(log.header, log.path)
            if reading.after:
                return  # another search began it anew meanwhile: the next one reads all of it
        new = [row for row in rows if row.seq > mark.last]
        self.index.extend(log.key, [_indexed(row) for row in new if is_recallable(row)], linked=log.linked)
        for row in new:
            if row.expires_at is not None:
                insort(mark.expiries, row.expires_at)
        self._logs[log.key] = log
        if self._bare is not None:
            bare = self._bare.setdefault(log.key, {})
            bare.update((row.seq, row) for row in new if is_embeddable(row))
        mark.rows += len(new)
        mark.last = max(mark.last, new[-1].seq if new else 0, log.header.last_seq if not reading.after else 0)
        if self._held is not None:
            self._held.setdefault(log.key, {}).update((row.seq, row) for row in new)
            self._held_rows += len(new)
            self._held_bytes += sum(map(_bytes, new))
            if self._held_rows > HELD_ROWS:
                self._held, self._held_bytes = None, 0

    def bare(self) -> list[tuple[Log, Message, str]]:
        """The rows that lack a vector, with their log and what is to be embedded of them."""
        with self._mutex:
            return [
                (self._logs[key], row, row.text) for key, rows in (self._bare or {}).items() for row in rows.values()
            ]

    def bare_logs(self) -> list[tuple[Log, int]]:
        """The logs that have such rows, with the number of the first."""
        with self._mutex:
            return [(self._logs[key], min(rows)) for key, rows in (self._bare or {}).items() if rows]

    @property
    def dimensions(self) -> int:
        """Of its vectors; 0 while it has none."""
        return self._data_bytes // 2

    def attach(self, key: str, vectors: Sequence[tuple[int, str, bytes]]) -> None:
        """Bring in vectors, by number and id; those of another length, and of rows that changed, are left out."""
        import numpy as np

        with self._mutex:
            bare = (self._bare or {}).get(key, {})
            usable = []
            for seq, id, data in vectors:
                self._data_bytes = self._data_bytes or len(data)
                if seq in bare and bare[seq].id == id and len(data) == self._data_bytes:
                    usable.append((seq, data))
                    del bare[seq]
            if usable:
                matrix = np.frombuffer(b"".join(data for _, data in usable), dtype="<f2")
                self.index.attach(key, [seq for seq, _ in usable], matrix.reshape(len(usable), -1))

    def ask(self, call: Callable[[PartitionIndex], Any]) -> Any:
        """The answer of the index to a question."""
        with self._mutex:
            try:
                return call(self.index)
            except Exception as error:
                # The frames of a search hold the columns, and while they are held the index cannot grow.
                clear_frames(error.__traceback__)
                raise

    def row(self, key: str, seq: int) -> Message | None:
        """A row that is held; None where it has to be asked for."""
        return None if self._held is None else self._held.get(key, {}).get(seq)

    def holds(self, key: str) -> bool:
        """Whether a log is in it."""
        return key in self._marks

    def path(self, key: str) -> tuple[str, ...] | None:
        """The namespace of a log; None for a session."""
        mark = self._marks.get(key)
        return None if mark is None else mark.path

    @property
    def size_bytes(self) -> int:
        """About how much memory it takes. To count the index's own takes longer than a search, so it is done anew when
        it has grown by a twentieth."""
        rows, size = self._index_bytes
        if abs(len(self.index) - rows) > rows // 20:
            with self._mutex:
                size = int(self.index.size_bytes)
                self._index_bytes = (len(self.index), size)
        return size + self._held_bytes + (self.coverage.size_bytes if self.coverage is not None else 0)


def _bytes(row: Message) -> int:
    return 700 + 2 * len(row.text)


def is_recallable(row: Message | Memory) -> bool:
    """Whether the application lets a row be found again, summed up and digested."""
    return row.metadata.get("recall") is not False


def is_embeddable(row: Message) -> bool:
    """Whether a row is to have a vector."""
    return bool(row.text.strip()) and is_recallable(row)


def _indexed(row: Message) -> Any:
    """The row as the index takes it."""
    from recollect.recall.index import Document

    assert row.created_at is not None
    closed = row.extra.get("closed_at") if row.role == areas.MEMORY_ROLE else None
    return Document(
        seq=row.seq,
        id=row.id,
        text=row.text,
        name=row.name,
        role=row.role,
        at=row.created_at.timestamp(),
        **({} if closed is None else {"until": datetime.fromisoformat(closed).timestamp()}),
        **({} if row.expires_at is None else {"expires": row.expires_at.timestamp()}),
    )


class Queries:
    """Questions and their vectors; the one that was asked for first is forgotten.

    `languages` says whether a model knows a question's language.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str], Any] = OrderedDict()
        self.languages: dict[tuple[str, frozenset[str]], bool] = {}

    def get(self, model: str, text: str) -> Any:
        """The vector of a question, None if it is not known."""
        return self._known.get((model, text))

    def put(self, model: str, text: str, vector: Any) -> None:
        """Remember the vector of a question."""
        self._known[model, text] = vector
        while len(self._known) > QUERIES:
            self._known.popitem(last=False)


class Views:
    """The views of a client, of all its tenants; the one that was not used for longest is let go.

    `index_fits` says whether the store's own index was made by this version's rules.
    """

    def __init__(self, mutex: Callable[[], AbstractContextManager[Any]]) -> None:
        self._new_mutex = mutex
        self._mutex = mutex()
        self.index_fits = True
        self._views: OrderedDict[tuple[str, ...], View] = OrderedDict()

    def of(self, key: tuple[str, ...], *, embeds: bool) -> View:
        """The view under a key; a new one if there is none."""
        with self._mutex:
            view = self._views.get(key)
            if view is None:
                view = self._views[key] = View(self._new_mutex(), embeds=embeds)
            self._views.move_to_end(key)
            return view

    def forget_coverage(self) -> None:
        """Vectors have been made: what was known of which there are is no longer so."""
        with self._mutex:
            for view in self._views.values():
                view.coverage = None

    def trim(self) -> None:
        """Let go of what is over the limit."""
        with self._mutex:
            sizes = {key: view.size_bytes for key, view in self._views.items()}
            total = sum(sizes.values())
            while total > CACHE_BYTES and len(self._views) > 1:
                key, _ = self._views.popitem(last=False)
                total -= sizes[key]
