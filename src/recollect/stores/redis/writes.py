"""Commits as calls of scripts, and what the scripts gave as results."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from recollect.errors import Conflict, InvalidInput, LimitExceeded
from recollect.model import Preferences, Session, Summary
from recollect.store import Append, Appended, Attach, Delete, Op, Partition, Put, Result
from recollect.store.codec import dump_object, dump_time
from recollect.store.codec import load_time as _time
from recollect.store.guards import changed_meanwhile
from recollect.stores.redis.documents import indexed_terms
from recollect.stores.redis.keys import Keys
from recollect.stores.redis.records import Fields, message_fields, message_of
from recollect.stores.redis.scripts import COMMIT, COMMIT_INDEXED, PREFERENCES
from recollect.stores.redis.vectors import vector_member
from recollect.stores.redis.wire import Unit

MAX_ARGUMENTS = 1_000_000
"""Redis takes 1,048,576 arguments in one command."""


def unit_of(keys: Keys, partition: Partition, ops: Sequence[Op], now: datetime) -> Unit:
    """The call that commits.

    An append or attach may be sent again when nobody knows whether it was done: it writes nothing twice. A put would
    change the version twice, and a second delete find nothing to count.
    """
    instant = dump_time(now)
    again = True
    args: Fields
    if partition.kind == "user":
        user = keys.user(partition.scope, partition.id)
        args = [instant, partition.id, len(ops)]
        for op in ops:
            args += _preferences_op(op)
        return Unit(user.document, (PREFERENCES(user, *args),), again=not ops)
    if len(ops) == 1 and isinstance(ops[0], Append) and not keys.indexed and _is_usual(ops[0]):
        return _one_message(keys, partition, ops[0], instant)
    base, session = keys.session(partition.scope, partition.id)
    args = [instant, base, partition.id, len(ops)]
    for op in ops:
        start = len(args)
        if isinstance(op, Append):
            _append(args, op, now, instant)
            if keys.indexed:
                terms = [indexed_terms(terms) for terms in op.terms]
                args += terms
                args[start + 1] = len(args) - start
        elif isinstance(op, Attach):
            args += _attach(op)
        elif isinstance(op, Put):
            again = False
            args += _put(op)
        else:
            again = False
            args += ("delete", 4, op.table or "", "" if op.seq is None else op.seq)
    if len(args) > MAX_ARGUMENTS:
        raise LimitExceeded(f"a commit of {len(args):,} values is over what Redis takes in one call: append in pieces")
    script = COMMIT_INDEXED if keys.indexed else COMMIT
    return Unit(session.header, (script(session, *args),), again)


def _is_usual(op: Append) -> bool:
    """Whether `append.lua` may have a short way: for one message that neither expires nor has an index of its own."""
    if len(op.rows) != 1 or op.session.ttl is not None:
        return False
    (row,) = op.rows
    return row.expires_at is None and row.role != "system"


def _one_message(keys: Keys, partition: Partition, op: Append, instant: str) -> Unit:
    """The short form of a commit, of which a server has a third less to read and to take apart."""
    session = keys.appending(partition.scope, partition.id)
    _, id, _, role, _, created, _, tokens, *more = message_fields(op.rows[0])
    args = (partition.id, instant, op.session.user_id or "", id, role, created, tokens, *more)
    return Unit(session[0], (COMMIT(session, *args),))


def _append(args: Fields, op: Append, now: datetime, instant: str) -> None:
    defaults = op.session
    expires = "" if defaults.ttl is None else dump_time(now + timedelta(seconds=defaults.ttl))
    ttl = repr(float(defaults.ttl)) if defaults.ttl is not None and defaults.sliding else ""
    place = len(args)
    args += ("append", 0, defaults.user_id or "", expires, ttl, instant, len(op.rows))
    begun = instant
    for row in op.rows:
        fields = message_fields(row)
        begun = min(begun, str(fields[5]))
        args += (len(fields) + 2, "" if row.expires_at is None else fields[-1])
        args += fields
    args[place + 1] = len(args) - place
    args[place + 5] = begun


def _attach(op: Attach) -> Fields:
    fields: Fields = ["attach", 2 + 3 * len(op.vectors)]
    for vector in op.vectors:
        fields += (vector.seq, vector.id, vector_member(vector))
    return fields


def _put(op: Put) -> Fields:
    row = op.row
    if isinstance(row, Session):
        fields: Fields = [
            "header",
            0,
            op.expect,
            row.user_id or "",
            "" if row.expires_at is None else dump_time(row.expires_at),
            "" if row.ttl is None else repr(float(row.ttl)),
            "metadata",
            dump_object(row.metadata),
        ]
        if row.title is not None:
            fields += ("title", row.title)
    elif isinstance(row, Summary):
        assert row.created_at is not None
        assert row.updated_at is not None
        fields = ["summary", 0, op.expect, "session_id", row.session_id, "text", row.text]
        fields += ("covers_seq", row.covers_seq, "metadata", dump_object(row.metadata), "tokens", row.tokens)
        fields += ("created_at", dump_time(row.created_at), "updated_at", dump_time(row.updated_at))
    else:
        raise InvalidInput("messages are appended, not put, and preferences are a user's", field="table")
    fields[1] = len(fields)
    return fields


def _preferences_op(op: Op) -> Fields:
    if isinstance(op, Put) and isinstance(op.row, Preferences):
        row = op.row
        assert row.created_at is not None
        assert row.updated_at is not None
        return ["put", op.expect, dump_object(row.values), dump_time(row.created_at), dump_time(row.updated_at)]
    if isinstance(op, Delete):
        return ["delete"] if op.table in (None, "preferences") else ["nothing"]
    raise InvalidInput("a user's partition holds preferences only", field="table")


def results_of(partition: Partition, ops: Sequence[Op], found: Any) -> list[Result]:
    """The results of a commit; raises `Conflict` if it was refused.

    Parameters
    ----------
    found: of the short form the number, where the session is its writer's; else what each operation gave.
    """
    if isinstance(found, int):
        (op,) = ops
        assert isinstance(op, Append)
        return [_appended(partition, op, (op.session.user_id, found))]
    if found and found[0] == "conflict":
        raise _conflict(partition, ops, *found[1:])
    results: list[Result] = []
    for op, given in zip(ops, found, strict=True):
        if isinstance(op, Append):
            results.append(_appended(partition, op, given))
        elif isinstance(op, Delete | Attach):
            results.append(int(given))
        elif isinstance(op.row, Session):
            version, count, last, created, updated = given
            results.append(
                op.row.replace(
                    version=int(version),
                    message_count=int(count),
                    last_seq=int(last),
                    created_at=_time(created),
                    updated_at=_time(updated),
                )
            )
        else:
            results.append(op.row.replace(version=int(given)))
    return results


def _appended(partition: Partition, op: Append, given: Sequence[Any]) -> Appended:
    owner, *places = given
    out = Appended()
    for row, place in zip(op.rows, places, strict=True):
        if isinstance(place, int):
            out.written += 1
            out.append(row.replace(seq=place, session_id=partition.id, user_id=owner or None))
        else:
            out.append(message_of(place, partition.id, owner or None))
    return out


def _conflict(partition: Partition, ops: Sequence[Op], number: int, why: str, version: int) -> Conflict:
    if why == "owner":
        return Conflict(f"session {partition.id!r} belongs to another user")
    if why == "absent":
        return Conflict(f"session {partition.id!r} is not there to be summarised")
    op = ops[int(number) - 1]
    assert isinstance(op, Put)
    return changed_meanwhile(op.expect, version, f"{op.table} of {partition.id!r}")
