"""The tables, declared once. Every store lays them out natively; a test checks its layout against this page.

The key of every table and the hash of every path begin with ``scope``, the tenant, which is not a field of the records.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from recollect.model import Message, Preferences, Session, Summary, Vector

ColumnType = Literal["text", "integer", "real", "time", "json", "bytes"]
PartitionKind = Literal["session", "user"]


class Column(Struct, frozen=True):
    """A column: the record's field of the same name, or `field` where the column says it more fully.

    A message's content has two: ``content`` is its readable text (what a stranger to this library wants to see, and
    all there is for plain text), ``parts`` the provider's list where it has one.
    """

    name: str
    type: ColumnType
    null: bool = False
    field: str = ""

    @property
    def attribute(self) -> str:
        """The field of the record that the column holds."""
        return self.field or self.name


class Path(Struct, frozen=True, kw_only=True):
    """A way by which rows may be read: all rows that share `hash`, in the order of `range`.

    `where` keeps only the rows whose column has that value. `crosses` says that the rows come from many partitions.
    """

    name: str
    table: str
    hash: tuple[str, ...]
    range: tuple[str, ...]
    where: tuple[str, str] | None = None
    crosses: bool = False


class Table(Struct, frozen=True, kw_only=True):
    """One kind of record.

    `owned` columns are written by the store alone (counters, activity); a `Put` leaves them as they are.
    """

    name: str
    record: type[Struct]
    partition: PartitionKind
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    owned: frozenset[str] = frozenset()


SESSIONS = Table(
    name="sessions",
    record=Session,
    partition="session",
    key=("scope", "session_id"),
    columns=(
        Column("session_id", "text", field="id"),
        Column("user_id", "text", null=True),
        Column("title", "text", null=True),
        Column("metadata", "json"),
        Column("message_count", "integer"),
        Column("last_seq", "integer"),
        Column("created_at", "time"),
        Column("updated_at", "time"),
        Column("expires_at", "time", null=True),
        Column("ttl", "real", null=True),
        Column("version", "integer"),
    ),
    owned=frozenset({"message_count", "last_seq", "created_at", "updated_at"}),
)

MESSAGES = Table(
    name="messages",
    record=Message,
    partition="session",
    key=("scope", "session_id", "seq"),
    columns=(
        Column("session_id", "text"),
        Column("seq", "integer"),
        Column("id", "text"),
        Column("role", "text"),
        Column("content", "text", null=True),
        Column("parts", "json", null=True, field="content"),
        Column("name", "text", null=True),
        Column("user_id", "text", null=True),
        Column("metadata", "json"),
        Column("tool_calls", "json", null=True),
        Column("tool_call_id", "text", null=True),
        Column("extra", "json"),
        Column("created_at", "time"),
        Column("expires_at", "time", null=True),
        Column("tokens", "integer"),
    ),
    owned=frozenset({"seq"}),
)

SUMMARIES = Table(
    name="summaries",
    record=Summary,
    partition="session",
    key=("scope", "session_id"),
    columns=(
        Column("session_id", "text"),
        Column("text", "text"),
        Column("covers_seq", "integer"),
        Column("metadata", "json"),
        Column("tokens", "integer"),
        Column("created_at", "time"),
        Column("updated_at", "time"),
        Column("version", "integer"),
    ),
)

VECTORS = Table(
    name="vectors",
    record=Vector,
    partition="session",
    key=("scope", "session_id", "seq"),
    columns=(
        Column("session_id", "text"),
        Column("seq", "integer"),
        Column("id", "text"),
        Column("model", "text"),
        Column("data", "bytes"),
    ),
)

PREFERENCES = Table(
    name="preferences",
    record=Preferences,
    partition="user",
    key=("scope", "user_id"),
    columns=(
        Column("user_id", "text"),
        Column("preferences", "json", field="values"),
        Column("created_at", "time"),
        Column("updated_at", "time"),
        Column("version", "integer"),
    ),
)

TABLES: dict[str, Table] = {table.name: table for table in (SESSIONS, MESSAGES, VECTORS, SUMMARIES, PREFERENCES)}

_SESSION = ("scope", "session_id")
_USER = ("scope", "user_id")

PATHS: dict[str, Path] = {
    path.name: path
    for path in (
        Path(name="messages", table="messages", hash=_SESSION, range=("seq",)),
        Path(name="system_messages", table="messages", hash=_SESSION, range=("seq",), where=("role", "system")),
        Path(name="messages_by_id", table="messages", hash=(*_SESSION, "id"), range=("seq",)),
        Path(name="vectors", table="vectors", hash=_SESSION, range=("seq",)),
        Path(
            name="messages_by_user",
            table="messages",
            hash=_USER,
            range=("created_at", "session_id", "seq"),
            crosses=True,
        ),
        Path(name="sessions", table="sessions", hash=("scope",), range=("updated_at", "session_id"), crosses=True),
        Path(name="sessions_by_user", table="sessions", hash=_USER, range=("updated_at", "session_id"), crosses=True),
        Path(name="preferences", table="preferences", hash=("scope",), range=("user_id",), crosses=True),
    )
}
