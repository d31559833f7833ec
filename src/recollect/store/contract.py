"""The store contract: all that the author of a new store reads.

Eight verbs: `open`, `close`, `commit`, `get`, `query`, `search`, `changes`, `sweep`. The suites of
`recollect.testing` hold every sentence of this page as a test. What a store may do besides is in
`recollect.store.optional`: there each method is correct as it stands.

Rules for all of them
---------------------
* **Partition.** A session (its header, messages, their vectors, summary) or a user (preferences) commits together. A commit never
  spans partitions.
* **Numbers.** The messages of a session get ``seq = 1, 2, 3 ...`` inside the commit that appends them. A number is
  never given twice while the session's header lives, also not after a `Delete`; a reader who has seen ``n`` never
  finds something new below ``n``.
* **Owner.** The messages of a session carry its header's ``user_id``, also when that changes.
* **Expiry.** A row whose ``expires_at`` is not after `Driver.now` is not there, for any verb: it is not read, not
  counted, does not make an id "already there", and an append to an expired session begins a new one at 1. What
  remains of it on disk is removed at the latest by `sweep`.
* **Ids** are any non-empty text up to 512 bytes of UTF-8, compared by code point. Text may contain ``\\0``.
* **Errors** are those of `recollect.errors`; no driver's exception gets out. Whatever is raised, a commit has happened
  entirely or not at all.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Final, Literal, NamedTuple

from msgspec import Struct

from recollect.errors import LimitExceeded
from recollect.model import (
    Change,
    Message,
    Preferences,
    Session,
    Summary,
    Swept,
    Vector,
)
from recollect.store.driver import Driver

Row = Session | Message | Summary | Preferences
Key = tuple[Any, ...]


class Partition(NamedTuple):
    """What commits together.

    Parameters
    ----------
    scope: the tenant. kind: ``session`` or ``user``. id: the session's or the user's id.
    """

    scope: str
    kind: Literal["session", "user"]
    id: str


ANY: Final = -2
ABSENT: Final = -1


class SessionDefaults(Struct, frozen=True, kw_only=True):
    """What an append says of the session it may create.

    Parameters
    ----------
    user_id: the owner. A session without one takes it over, its messages with it; `Conflict` if it belongs to another.
    ttl: seconds that the session lives from its creation; None for ever.
    sliding: whether each append begins these seconds anew.
    """

    user_id: str | None = None
    ttl: float | None = None
    sliding: bool = False


class Append(Struct, frozen=True, kw_only=True):
    """Append messages to the partition's session; the store gives them their numbers.

    A message whose id is already in the session is not written again: the stored one is returned in its place, also
    when the id comes twice in `rows`. Creates the header if there is none, and keeps its ``message_count``,
    ``last_seq`` and ``updated_at``: the latest ``created_at`` of its messages, none counted later than now, and never
    earlier than it was. A new header's ``created_at`` is the earliest of its first messages', or now.

    Parameters
    ----------
    rows: messages with their id, created_at and tokens; session_id and seq are set by the store.
    terms: for each row the terms by which `search` finds it, separated by single spaces; empty for none.
    session: what a new session starts with.
    buffer: whether a buffer above the store may keep it for later while the store is away; no concern of the store.
    echo: whether the result is to hold the messages. Without, a store may leave them out, and only count them.

    Its result is `Appended`.
    """

    rows: Sequence[Message]
    terms: Sequence[str]
    session: SessionDefaults = SessionDefaults()
    buffer: bool = False
    echo: bool = True


class Put(Struct, frozen=True, kw_only=True):
    """Write one row of ``sessions``, ``summaries`` or ``preferences``.

    The row's own version is ignored; the stored one becomes 1, or one more than it was. Columns that the table calls
    `owned` keep what they are, or start at zero and now.

    Parameters
    ----------
    expect: `ANY`, `ABSENT`, or the version that must be stored; otherwise `Conflict`.

    Its result is the stored row.
    """

    table: Literal["sessions", "summaries", "preferences"]
    row: Session | Summary | Preferences
    expect: int = ANY


class Delete(Struct, frozen=True, kw_only=True):
    """Remove rows of the partition. Its result is how many were there to be read.

    Parameters
    ----------
    table: one table, or None for everything in the partition, the header included.
    seq: for ``messages`` one message; None for all of them.
    """

    table: Literal["messages", "summaries", "preferences"] | None = None
    seq: int | None = None


class Attach(Struct, frozen=True, kw_only=True):
    """Keep vectors beside the messages that they were made of.

    One vector a message: another one takes its place, whatever its model. A vector whose message is not there, under
    its number and with its id, is left out. Vectors go with their message, for any reason. They are derived data: the
    header stays as it is and the feed has no entry.

    Its result is how many are kept. `Unsupported` where the capabilities have no `vectors`.
    """

    vectors: Sequence[Vector]


Op = Append | Put | Delete | Attach


class Appended(list[Message]):
    """The stored messages of an `Append`, in the order given; `written` of them are new.

    `buffered` of them are not stored yet: a buffer keeps them, and their ``seq`` is 0 (see `Recollect`).
    """

    written: int = 0
    buffered: int = 0


Result = Appended | Row | int


class Commit(NamedTuple):
    """One partition's operations: all or nothing."""

    partition: Partition
    ops: Sequence[Op]


class Filter(Struct, frozen=True, kw_only=True):
    """What a search may find; None does not narrow. `since` is inclusive, `until` is not."""

    user_id: str | None = None
    session_id: str | None = None
    role: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class Candidate(NamedTuple):
    """A row that a search found, with the store's raw score: higher is better, comparable within one answer."""

    row: Message
    score: float


class Found(list[Candidate]):
    """What a search by terms found, best first, and the statistics that its scores come from.

    Attributes
    ----------
    total: rows that the search's index holds. having: for each term how many of them have it. Rows that have expired
        may still be counted.
    """

    def __init__(
        self, found: Iterable[Candidate] = (), *, total: int = 0, having: Mapping[str, int] | None = None
    ) -> None:
        super().__init__(found)
        self.total = total
        self.having = dict(having or {})


class Capabilities(Struct, frozen=True, kw_only=True):
    """What a store can do. Declared: it passes the suites. Not declared: it raises `Unsupported`.

    Parameters
    ----------
    text_search, vector_search: whether `search` takes terms, a vector.
    vectors: whether vectors are kept beside messages (`Attach`, the path ``vectors``).
    feed: whether one feed holds all changes of the store, of a scope, or of a partition.
    push: whether `wait` is woken by a commit rather than asleep.
    index_consistency: whether paths that cross partitions may lag behind a commit.
    item_bytes: the largest message, as UTF-8 bytes of its content and JSON fields together.
    commit_ops: operations in one commit.
    durable: whether an acknowledged commit survives the process (and the machine).
    """

    text_search: bool
    vector_search: bool
    feed: Literal["store", "scope", "partition"]
    push: bool
    index_consistency: Literal["immediate", "eventual"]
    item_bytes: int
    commit_ops: int
    durable: bool
    vectors: bool = False


def check_ops(ops: Sequence[Op], capabilities: Capabilities) -> None:
    """Raise `LimitExceeded` for a commit of too many operations."""
    if len(ops) > capabilities.commit_ops:
        raise LimitExceeded(
            f"a commit of {len(ops):,} operations is over this store's limit of {capabilities.commit_ops:,} (commit_ops)"
        )


class Verbs(ABC):
    """The eight verbs. A store is a subclass of `recollect.store.Store`, which has what need not be written."""

    kind: ClassVar[str]
    """The URL scheme: what the product is called in its own words."""

    capabilities: Capabilities
    driver: Driver

    @property
    @abstractmethod
    def url(self) -> str:
        """Where it is, fit to be shown: no passwords."""

    @abstractmethod
    async def open(self, driver: Driver) -> None:
        """Connect, check the schema or create it. Opening twice is harmless.

        Raises `ConfigError` if the database is not ours to use or newer than this code, `Unavailable` if it is away.
        """

    @abstractmethod
    async def close(self) -> None:
        """Let go of what `open` made. Closing twice is harmless; a client that was handed in stays open."""

    @abstractmethod
    async def commit(self, partition: Partition, ops: Sequence[Op]) -> list[Result]:
        """Apply all operations in their order, or none. One result for each.

        The commit writes its entries of the feed in the same breath. Raises `Conflict`, `LimitExceeded`,
        `Unavailable`.
        """

    @abstractmethod
    async def get(self, table: str, key: Key) -> Row | None:
        """One row by its key, the scope first; None if it is not there.

        ``message_count`` of a session counts exactly what can be read.
        """

    @abstractmethod
    async def query(
        self,
        path: str,
        hash: Key,
        *,
        after: Key | None = None,
        before: Key | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int,
        reverse: bool = False,
    ) -> Sequence[Any]:
        """Rows of a declared path, in the order of its range or against it.

        Parameters
        ----------
        hash: the values of the path's hash columns.
        after, before: exclusive bounds, values of its range columns.
        since, until: for messages, ``since <= created_at < until``.
        limit: at most so many rows; fewer only if there are no more.

        An expired session's rows are not there. Paths that cross partitions may lag where the capabilities say so.
        """

    @abstractmethod
    async def search(
        self,
        scope: str,
        *,
        terms: Sequence[str],
        vector: Sequence[float] | None = None,
        model: str = "",
        limit: int,
        filter: Filter = Filter(),
    ) -> Found:
        """Messages that have at least one of the terms, best first; or, for a vector, the nearest ones.

        Parameters
        ----------
        terms: are opaque: nothing in them is query syntax. With no terms and no vector the answer is empty.
        vector, model: find messages whose kept vector is of this model and as long, scored by cosine similarity (-1 to
            1); the terms are not looked at then, and the answer has no statistics.

        What a commit has acknowledged is found at once where ``index_consistency`` is immediate. Raises `Unsupported`
        for terms and for a vector where the capabilities have no search for them.
        """

    @abstractmethod
    async def changes(self, scope: str, *, after: str | None = None, limit: int) -> list[Change]:
        """The feed behind a cursor, oldest first: complete, in commit order, and without repetition.

        Raises `InvalidInput` for a cursor that is none, `NotFound` for one whose successors are already swept.
        """

    @abstractmethod
    async def sweep(self) -> Swept:
        """Remove what has expired, entries of the feed older than its retention, and the remains of what was deleted."""
