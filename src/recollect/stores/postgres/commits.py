"""Commits: each operation is one call of a function in the database; one operation is one round trip."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from importlib.resources import files
from typing import Any

import msgspec
from msgspec.structs import replace

from recollect.errors import Conflict, InvalidInput
from recollect.model import Message, Preferences, Session, Summary
from recollect.store import Append, Appended, Attach, Delete, Op, Partition, Put, Result
from recollect.store.guards import changed_meanwhile
from recollect.stores.postgres.adapt import instant
from recollect.stores.postgres.copying import COPY_MESSAGES, COPY_PLAIN
from recollect.stores.postgres.links import Rows, Run
from recollect.stores.postgres.names import in_schema
from recollect.stores.postgres.rows import KNOWN_COLUMNS, message_of, message_values
from recollect.stores.postgres.terms import encode
from recollect.stores.postgres.text import dump_jsonb, escape, escape_or_none, unescape_or_none
from recollect.stores.postgres.vectors import Vectors

_dumps = msgspec.json.Encoder().encode


class _Line(msgspec.Struct, omit_defaults=True):
    """A row of an append in JSON; what is left out is NULL, or the column's default."""

    n: int
    id: str
    role: str
    content: str | None = None
    parts: str | None = None
    name: str | None = None
    metadata: str = "{}"
    metadata_exact: str | None = None
    tool_calls: str | None = None
    tool_call_id: str | None = None
    extra: str = "{}"
    created_at: datetime | None = None
    expires_at: datetime | None = None
    tokens: str = "0"
    terms: str = ""


_ANSWER = f"a.outcome, a.owner, a.first, a.written, {KNOWN_COLUMNS}"


def _call(function: str, count: int, answer: str = "a.*") -> str:
    places = ", ".join(f"${n}" for n in range(1, count + 1))
    return f"SELECT {answer} FROM recollect.{function}({places}) AS a"


_APPEND_ONE = files("recollect.stores.postgres").joinpath("append_one.sql").read_text("utf-8")


class Statements:
    """The calls, for one schema."""

    def __init__(self, schema: str) -> None:
        self.append_one = in_schema(_APPEND_ONE, schema)
        self.append_rows = in_schema(_call("append_rows", 8, _ANSWER), schema)
        self.append_many = in_schema(_call("append_many", 3, f"a.place, {_ANSWER}"), schema)
        self.enter_many = in_schema(
            _call("enter_many", 2, f"a.place, a.session_no, a.owner, a.is_refused, a.last_seq, {KNOWN_COLUMNS}"), schema
        )
        self.copy_plain = in_schema(COPY_PLAIN, schema)
        self.copy_messages = in_schema(COPY_MESSAGES, schema)
        self.leave_many = in_schema("SELECT FROM recollect.leave_many($1, $2)", schema)
        self.vectors = Vectors(schema)
        self.put_session = in_schema(_call("put_session", 10), schema)
        self.put_summary = in_schema(_call("put_summary", 11), schema)
        self.put_preferences = in_schema(_call("put_preferences", 8), schema)
        self.delete_of_session = in_schema(_call("delete_of_session", 5), schema)
        self.delete_of_user = in_schema(_call("delete_of_user", 3), schema)


async def append_alone(run: Run, sql: Statements, partition: Partition, op: Append, now: datetime) -> Appended:
    """An append that is the whole of its transaction: one message the short way, if that can be."""
    if len(op.rows) == 1:
        message = op.rows[0]
        values = (
            escape(partition.scope),
            escape(partition.id),
            escape_or_none(op.session.user_id),
            now,
            *message_values(message),
            encode(op.terms[0]),
        )
        for seq, owner, _ in await run(sql.append_one, values):
            out = Appended(
                (message.replace(seq=seq, session_id=partition.id, user_id=unescape_or_none(owner)),),
            )
            out.written = 1
            return out
    return await append(run, sql, partition, op, now)


async def append(run: Run, sql: Statements, partition: Partition, op: Append, now: datetime) -> Appended:
    """Any append."""
    values = (*head_values(partition, op, now), now, json_rows(op))
    return appended(partition, op, await run(sql.append_rows, values))


async def apply(run: Run, sql: Statements, partition: Partition, op: Op, now: datetime) -> Result:
    """One operation of several. Raises `Conflict` with nothing of it done."""
    if isinstance(op, Append):
        return await append(run, sql, partition, op, now)
    if isinstance(op, Put):
        return await _put(run, sql, partition, op, now)
    if isinstance(op, Attach):
        return await sql.vectors.attach(run, partition, op, now)
    return await _delete(run, sql, partition, op, now)


def head_values(partition: Partition, op: Append, now: datetime) -> tuple[Any, ...]:
    """What an append says of the session: scope, id, user, and for a new one its beginning, end and ttl."""
    defaults = op.session
    begun = min([now, *(row.created_at for row in op.rows if row.created_at is not None)])
    expires = None if defaults.ttl is None else now + timedelta(seconds=defaults.ttl)
    return (
        escape(partition.scope),
        escape(partition.id),
        escape_or_none(defaults.user_id),
        begun,
        expires,
        defaults.ttl if defaults.sliding else None,
    )


def json_rows(op: Append) -> str:
    """The rows of an append as one line of JSON, each id once: the first message that has it."""
    lines: dict[str, _Line] = {}
    for message, terms in zip(op.rows, op.terms, strict=True):
        if message.id not in lines:
            lines[message.id] = _Line(len(lines), *message_values(message), encode(terms))
    return _dumps(list(lines.values())).decode()


def appended(partition: Partition, op: Append, answer: Rows) -> Appended:
    """The result of an append from the answer of its function. Raises `Conflict`."""
    outcome, owner, first, *_ = answer[0]
    if outcome == "owner":
        raise of_another(partition)
    return numbered(partition, op, unescape_or_none(owner), first, known_of(answer, 4))


def of_another(partition: Partition) -> Conflict:
    """The error of an append to a session of another user."""
    return Conflict(f"session {partition.id!r} belongs to another user")


def known_of(answer: Rows, begin: int) -> dict[str, Message]:
    """The messages that were there already, by id: the columns from `begin` on, where they are no NULL."""
    return {message.id: message for message in (message_of(row[begin:]) for row in answer if row[begin] is not None)}


def numbered(partition: Partition, op: Append, user: str | None, first: int, known: dict[str, Message]) -> Appended:
    """The result of an append: what is not known has the next number."""
    out = Appended()
    seq = first
    for message in op.rows:
        found = known.get(message.id)
        if found is None:
            found = known[message.id] = replace(message, seq=seq, session_id=partition.id, user_id=user)
            seq += 1
        out.append(found)
    out.written = seq - first
    return out


async def _put(run: Run, sql: Statements, partition: Partition, op: Put, now: datetime) -> Result:
    row = op.row
    scope, id, expect = escape(partition.scope), escape(partition.id), str(op.expect)
    if isinstance(row, Session):
        values: tuple[Any, ...] = (
            scope, id, escape_or_none(row.user_id), escape_or_none(row.title), *dump_jsonb(row.metadata),
            row.expires_at, row.ttl, expect, now,
        )  # fmt: skip
        ((outcome, version, count, last, created, updated),) = await run(sql.put_session, values)
        _check(outcome, version, op, f"the header of {partition.id!r}")
        return row.replace(
            message_count=count,
            last_seq=last,
            created_at=instant(created),
            updated_at=instant(updated),
            version=version,
        )
    if isinstance(row, Summary):
        values = (
            scope, id, escape(row.text), str(row.covers_seq), *dump_jsonb(row.metadata), str(row.tokens),
            row.created_at, row.updated_at, expect, now,
        )  # fmt: skip
        ((outcome, version),) = await run(sql.put_summary, values)
        _check(outcome, version, op, f"the summary of {partition.id!r}")
        return row.replace(version=version)
    if isinstance(row, Preferences):
        values = (scope, id, *dump_jsonb(row.values), row.created_at, row.updated_at, expect, now)
        ((outcome, version),) = await run(sql.put_preferences, values)
        _check(outcome, version, op, f"the preferences of {partition.id!r}")
        return row.replace(version=version)
    raise InvalidInput("messages are appended, not put", field="table")


def _check(outcome: str, version: int | None, op: Put, what: str) -> None:
    if outcome == "absent":
        raise Conflict(f"session {op.row.session_id!r} is not there to be summarised")  # type: ignore[union-attr]
    if outcome == "conflict":
        raise changed_meanwhile(op.expect, version, what)


async def _delete(run: Run, sql: Statements, partition: Partition, op: Delete, now: datetime) -> int:
    scope, id = escape(partition.scope), escape(partition.id)
    if partition.kind == "user":
        if op.table not in (None, "preferences"):
            return 0
        ((count,),) = await run(sql.delete_of_user, (scope, id, now))
        return int(count)
    if op.table == "preferences" or (op.seq is not None and not 0 < op.seq < 2**63):
        return 0
    seq = None if op.seq is None or op.table != "messages" else str(op.seq)
    ((count,),) = await run(sql.delete_of_session, (scope, id, op.table, seq, now))
    return int(count)


def is_repeatable(ops: Sequence[Op]) -> bool:
    """Whether the commit may run again when nobody knows if it ran: appends are known by their ids, vectors replace."""
    return all(isinstance(op, Append | Attach) for op in ops)
