"""Keys and instants: how ids, numbers and the order of commits become text that DynamoDB sorts."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from recollect.store.codec import dump_time

DEFAULT_SCOPE = "default"
"""The tenant whose ids are stored as they are."""

HEADER = "~session"
"""The sort key of a session's header: behind every instant, so that one `Query` backwards gives it and the newest messages."""

SUMMARY = "#summary"
"""The sort key of a session's summary: before every instant, so that no reading of messages meets it."""

END = "~"
"""Behind an instant: above everything that belongs to the message of that instant."""

VECTORS = "vector/"
"""With this the sort keys of vectors in the index begin."""

SEGMENT = 16
"""Every so many messages the index notes where the next one stands, so that any number is found in one request."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)


def key(scope: str, id: str) -> str:
    """The partition key of a session or a user.

    An id of the default tenant is itself, unless it begins with ``@``; another tenant's is ``@6:tenant:id``, where the
    number is the length of the tenant in characters, so that no two pairs read the same.
    """
    if scope == DEFAULT_SCOPE:
        return f"@:{id}" if id.startswith("@") else id
    return f"@{len(scope)}:{scope}:{id}"


def id_entry(id: str) -> str:
    """The sort key in the index of a message's id."""
    return f"id/{id}"


def seq_entry(seq: int) -> str:
    """The sort key in the index of a number."""
    return f"seq/{seq:012}"


def vector_entry(seq: int) -> str:
    """The sort key in the index of the vector of a message."""
    return f"{VECTORS}{seq:012}"


def lane_entry(number: int) -> str:
    """The sort key in the index of a lane through which a large commit is written."""
    return f"lane/{number}"


def segment_start(seq: int) -> int:
    """The first number of the segment in which a number lies."""
    return (seq - 1) // SEGMENT * SEGMENT + 1


def piece_key(timestamp: str, number: int) -> str:
    """The sort key of a piece of a large message: behind the message itself, before the next one."""
    return f"{timestamp}/{number:04}"


def spread(partition: str) -> str:
    """Four hexadecimal digits by which partitions are spread over a key range, so that no one place of it is hot."""
    return hashlib.blake2b(partition.encode(), digest_size=2).hexdigest()


def micros(instant: datetime) -> int:
    """Microseconds since 1970."""
    return (instant - _EPOCH) // _TICK


def timestamp(instant: int) -> str:
    """The sort key of an instant in microseconds since 1970."""
    return dump_time(_EPOCH + timedelta(microseconds=instant))


def parse_timestamp(text: str) -> int:
    """The microseconds of a sort key."""
    return micros(datetime.fromisoformat(text[:27]))


class Ticks:
    """Instants that this process gives to commits: the clock's, but each strictly later than the one before.

    So what one process commits one after the other has its order, however coarse the clock is and wherever it is set.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._last = 0
        self._lock = threading.Lock()

    def next(self, after: int, count: int = 1) -> int:
        """The first of `count` instants that follow each other, later than `after`, in microseconds since 1970."""
        with self._lock:
            first = max(micros(self._now()), self._last + 1, after + 1)
            self._last = first + count - 1
            return first
