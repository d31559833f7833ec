"""Pages of a log as JSON text, put together from whole columns.

A row that becomes Python objects and then text costs five times what reading it does. Here SQLite joins each column of a
page into one text, in C; all of them are escaped in one go, and what is left is to put the values between the names. It
is for pages of usual messages, which most sessions have nothing but: text, without gaps in the numbers, names, tool
calls, lifetimes or provider's fields. For any other page there is `reads.query`.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime
from time import perf_counter
from typing import Any

import msgspec

from recollect.store import LogText
from recollect.store.codec import dump_json
from recollect.store.contract import Key
from recollect.stores.sqlite.by_user import MAX_SEQ
from recollect.stores.sqlite.pages import State
from recollect.stores.sqlite.reads import SHORT, NotShort

LEAST = 8
"""Messages of a page for which this way is the faster one."""

_BREAK = "\x7f"
"""Between two values: the control character that JSON text may hold as it is. Values with one in them are too many."""

_TEXTS = f" || '{_BREAK}' || ".join(
    f"group_concat(m.{name}, '{_BREAK}')" for name in ("role", "content", "id", "tokens")
)
# A content that is a text, neither NULL nor a BLOB, sorts before any BLOB.
_COLUMNS = f"""
SELECT coalesce((SELECT value FROM recollect_meta WHERE name = 'rewrites'), 0), s.last_seq, s.user_id,
    count(m.position), {_TEXTS}, group_concat(m.created_at, '","'), group_concat(m.metadata, '\n')
FROM recollect_sessions AS s LEFT JOIN recollect_messages AS m
    ON m.name IS NULL AND m.parts IS NULL AND m.tool_calls IS NULL AND m.tool_call_id IS NULL AND m.expires_at IS NULL
    AND m.extra = '{{}}' AND m.content < x'' AND m.position BETWEEN
"""
_LIVE = "WHERE s.scope = ?1 AND s.session_id = ?2 AND (s.expires_at IS NULL OR s.expires_at > ?3)"
_UP = f"{_COLUMNS} (s.session_no << 32) + ?4 AND (s.session_no << 32) + ?5 {_LIVE}"
_DOWN = f"""{_COLUMNS} (s.session_no << 32) + max(?4, min(?5, s.last_seq) - ?6) AND (s.session_no << 32) + min(?5, s.last_seq)
{_LIVE}"""

_BEGIN = b'{"role":"'
_BEFORE_CONTENT = b'","content":"'
_BEFORE_ID = b'","name":null,"tool_calls":null,"tool_call_id":null,"id":"'
_BEFORE_METADATA = b'","metadata":'
_BEFORE_TIME = b',"created_at":"'
_PLAIN = _BEFORE_METADATA + b"{}" + _BEFORE_TIME
_BEFORE_SEQ = b'","seq":'
_END = b',"expires_at":null}'
_NEXT = _END + b"," + _BEGIN
_VALUE = b""

_TIME_LENGTH = len('2026-11-21T00:52:30.000001Z","')
_load_times = msgspec.json.Decoder(list[datetime]).decode
_load_objects = msgspec.json.Decoder(list[dict[str, Any]]).decode
_encode = msgspec.json.Encoder().encode

_STEPS = 500
"""SQLite's steps between two looks at the clock: a dozen rows."""


class NotUsual(Exception):
    """A page that has to be read by rows."""


def log_text(
    connection: sqlite3.Connection,
    hash: Key,
    after: Key | None,
    before: Key | None,
    limit: int,
    reverse: bool,
    now: str,
    short: bool,
) -> tuple[State, LogText] | None:
    """A page of a session's log, and the session's state then; None if there is nothing to read.

    Raises `NotUsual` if it is not of usual messages only.

    Parameters
    ----------
    short: whether `NotShort` is raised when it takes longer than `SHORT`.
    """
    low = max(1, min(after[0] + 1, MAX_SEQ)) if after else 1
    high = max(0, min(before[0] - 1, MAX_SEQ)) if before else MAX_SEQ
    if reverse:
        row = _read(connection, _DOWN, (*hash, now, low, high, limit), short)
    else:
        row = _read(connection, _UP, (*hash, now, low, min(high, low + limit)), short)
    rewrites, last, owner, count, texts, times, metadata = row
    if last is None or low > min(high, last):
        return None
    # One row more than the page was read where there is one, and its number is known: so are all others' without gaps.
    high = min(high, last)
    low, high = (max(low, high - limit), high) if reverse else (low, min(high, low + limit))
    if count != high - low + 1:
        raise NotUsual
    owned = f',"session_id":{dump_json(hash[1])},"user_id":{dump_json(owner)},"tokens":'.encode()
    shown = min(count, limit)
    text = _woven(low, high, texts, times, metadata, owned, shown, reverse)
    end = high - shown + 1 if reverse else low + shown - 1
    return State(rewrites, last), LogText(text, end, count > limit, owner)


_Row = tuple[int, int | None, str | None, int, str, str, str]


def _read(connection: sqlite3.Connection, statement: str, values: tuple[object, ...], short: bool) -> _Row:
    """The page's columns. `NotUsual` for text that is not UTF-8, and for more than a value may hold."""
    if short:
        end = perf_counter() + SHORT
        connection.set_progress_handler(lambda: perf_counter() > end, _STEPS)
    try:
        row: _Row = connection.execute(statement, values).fetchone()
    except (sqlite3.OperationalError, sqlite3.DataError) as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)  # the driver's own, of text that is not UTF-8
        if code == sqlite3.SQLITE_INTERRUPT:
            raise NotShort from None
        if code in (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_TOOBIG):
            raise NotUsual from None
        raise
    finally:
        if short:
            connection.set_progress_handler(None, 0)
    return row


def _woven(
    low: int, high: int, texts: str, times: str, metadata: str, owned: bytes, shown: int, reverse: bool
) -> bytes:
    """The first `shown` of the messages `low` to `high`: the values of each side by side, names between them.

    `NotUsual` for a row that does not decode: it is left to those who say which it is.
    """
    count = high - low + 1
    values = _encode(texts)[1:-1].split(_BREAK.encode())
    tokens = values[3 * count :]
    if len(values) != 4 * count or not b"".join(tokens).isdigit():
        raise NotUsual
    columns = [
        values[:count],
        values[count : 2 * count],
        values[2 * count : 3 * count],
        _times(times, count),
        _encode(list(range(low, high + 1)))[1:-1].split(b","),
        tokens,
    ]
    names = [_NEXT, _BEFORE_CONTENT, _BEFORE_ID, _PLAIN, _BEFORE_SEQ, owned]
    if metadata != "{}\n" * (count - 1) + "{}":
        columns.insert(3, _objects(metadata, count))
        names[3:4] = [_BEFORE_METADATA, _BEFORE_TIME]
    row = [part for name in names for part in (name, _VALUE)]
    out = row * shown
    for place, column in enumerate(columns):
        if reverse:
            column.reverse()
        out[2 * place + 1 :: len(row)] = column[:shown]
    out[0] = _BEGIN
    out.append(_END)
    return b"".join(out)


def _times(texts: str, count: int) -> list[bytes]:
    """The instants of a page, each in the form that we write."""
    try:
        if len(texts) + 3 != _TIME_LENGTH * count or len(_load_times(f'["{texts}"]')) != count:
            raise NotUsual
    except msgspec.DecodeError:
        raise NotUsual from None
    return texts.encode().split(b'","')


def _objects(texts: str, count: int) -> list[bytes]:
    """The objects of a page, each in the form that we write."""
    array = f"[{texts}]".replace("\n", ",").encode()
    found = texts.encode().split(b"\n")
    try:
        same = _encode(_load_objects(array)) == array
    except msgspec.DecodeError:
        raise NotUsual from None
    if not same or len(found) != count:
        raise NotUsual
    return found
