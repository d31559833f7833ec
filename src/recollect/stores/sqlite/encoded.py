"""Pages of a log as JSON text, encoded by SQLite.

A row that becomes Python objects and then text costs three times what reading it does. Here SQLite's own JSON functions
write each column of a page as one array, in C, and what is left is to put the columns between the names. It is for
pages of usual messages, which most sessions have nothing but: text, without gaps in the numbers, names, tool calls,
lifetimes or provider's fields. For any other page there is `reads.query`.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime
from time import perf_counter

import msgspec

from recollect.errors import CorruptRecord
from recollect.store import LogText
from recollect.store.codec import dump_json, dump_object, load_object
from recollect.store.contract import Key
from recollect.stores.sqlite.by_user import MAX_SEQ
from recollect.stores.sqlite.reads import SHORT, NotShort

LEAST = 8
"""Messages of a page for which this way is the faster one."""

_COLUMNS = """
SELECT s.last_seq, s.user_id, count(*),
    count(coalesce(m.name, m.parts, m.tool_calls, m.tool_call_id, m.expires_at, nullif(m.extra, '{}'))),
    json_group_array(m.role), json_group_array(m.content), json_group_array(m.id), json_group_array(m.created_at),
    json_group_array(m.tokens), group_concat(m.metadata, char(10))
FROM recollect_sessions AS s CROSS JOIN recollect_messages AS m ON m.position BETWEEN
"""
_LIVE = "WHERE s.scope = :scope AND s.session_id = :session_id AND (s.expires_at IS NULL OR s.expires_at > :now)"
_UP = f"{_COLUMNS} (s.session_no << 32) + :low AND (s.session_no << 32) + :high {_LIVE}"
_DOWN = f"""{_COLUMNS}
    (s.session_no << 32) + max(:low, min(:high, s.last_seq) - :limit) AND (s.session_no << 32) + min(:high, s.last_seq)
{_LIVE}"""

_ROLES = {role: f'{{"role":"{role}","content":"' for role in ("system", "user", "assistant", "tool")}
_BEFORE_ID = '","name":null,"tool_calls":null,"tool_call_id":null,"id":"'
_BEFORE_METADATA = '","metadata":'
_BEFORE_TIME = ',"created_at":"'
_PLAIN = '","metadata":{},"created_at":"'
_BEFORE_SEQ = '","seq":'
_END = ',"expires_at":null}'
_TIME_LENGTH = len("2026-11-21T00:52:30.000001Z")
_load_times = msgspec.json.Decoder(list[datetime]).decode

_PROBE = "".join(map(chr, range(0x100))) + "\u2028\ud7ff\ufeff\uffff😀"
_STEPS = 500
"""SQLite's steps between two looks at the clock: a dozen rows."""


def is_exact(connection: sqlite3.Connection) -> bool:
    """Whether this SQLite writes JSON strings as our encoder does; older ones may be built without JSON at all."""
    try:
        (text,) = connection.execute("SELECT json_group_array(?)", (_PROBE,)).fetchone()
    except sqlite3.OperationalError:
        return False
    return bool(text == dump_json([_PROBE]))


def log_text(
    connection: sqlite3.Connection,
    hash: Key,
    after: Key | None,
    before: Key | None,
    limit: int,
    reverse: bool,
    now: str,
    short: bool,
) -> LogText | None:
    """A page of a session's log; None if it is not of usual messages only.

    Parameters
    ----------
    short: whether `NotShort` is raised when it takes longer than `SHORT`.
    """
    low = max(1, min(after[0] + 1, MAX_SEQ)) if after else 1
    high = max(0, min(before[0] - 1, MAX_SEQ)) if before else MAX_SEQ
    values = {
        "scope": hash[0],
        "session_id": hash[1],
        "low": low,
        "high": high if reverse else min(high, low + limit),
        "limit": limit,
        "now": now,
    }
    row = _read(connection, _DOWN if reverse else _UP, values, short)
    if row is None:
        return None
    last, owner, count, rare, roles, contents, ids, times, tokens, metadata = row
    if not count or rare:
        return None
    # One row more than the page was read where there is one, and its number is known: so are all others' without gaps.
    high = min(high, last)
    low, high = (max(low, high - limit), high) if reverse else (low, min(high, low + limit))
    if count != high - low + 1:
        return None
    columns = _columns(count, roles, contents, ids, times, tokens, metadata)
    if columns is None:
        return None
    heads, content, id, time, token, details = columns
    seqs = list(map(str, range(low, high + 1)))
    if reverse:
        for column in (heads, content, id, time, token, seqs, details or []):
            column.reverse()
    shown = min(count, limit)
    owned = f',"session_id":{dump_json(hash[1])},"user_id":{dump_json(owner)},"tokens":'
    middle = [_PLAIN] if details is None else [_BEFORE_METADATA, details, _BEFORE_TIME]
    pieces = [heads, content, _BEFORE_ID, id, *middle, time, _BEFORE_SEQ, seqs, owned, token, f"{_END},"]
    return LogText(
        _woven(pieces, shown).encode(), high - shown + 1 if reverse else low + shown - 1, count > limit, owner
    )


_Row = tuple[int, str | None, int, int, str, str, str, str, str, str]


def _read(connection: sqlite3.Connection, statement: str, values: dict[str, object], short: bool) -> _Row | None:
    """The page's columns; None if a row cannot be written as JSON, or all together are more than a value may be."""
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
            return None
        raise
    finally:
        if short:
            connection.set_progress_handler(None, 0)
    return row


_Columns = tuple[list[str], list[str], list[str], list[str], list[str], list[str] | None]


def _columns(
    count: int, roles: str, contents: str, ids: str, times: str, tokens: str, metadata: str
) -> _Columns | None:
    """The columns of a page as lists of JSON text; metadata is None where all are empty.

    None for a row that does not decode: it is left to those who say which it is.
    """
    if len(times) != (_TIME_LENGTH + 3) * count + 1:
        return None
    details = None
    try:
        _load_times(times)
        heads = [_ROLES[role] for role in _strings(roles)]
        if metadata != "{}\n" * (count - 1) + "{}":
            details = [text if text == "{}" else dump_object(load_object(text)) for text in metadata.split("\n")]
            if len(details) != count:
                return None
    except (KeyError, CorruptRecord, msgspec.DecodeError):
        return None
    texts = _strings(contents)
    if len(texts) != count:  # there is a null among them
        return None
    return heads, texts, _strings(ids), _strings(times), tokens[1:-1].split(","), details


def _strings(array: str) -> list[str]:
    """The strings of a JSON array, still escaped. A quote within one has a backslash before it, so no comma."""
    return array[2:-2].split('","')


def _woven(pieces: list[list[str] | str], count: int) -> str:
    """The first `count` of each column side by side, constants between them, without the last comma."""
    width = len(pieces)
    out = [""] * (width * count)
    for place, piece in enumerate(pieces):
        out[place::width] = [piece] * count if isinstance(piece, str) else piece[:count]
    out[-1] = out[-1][:-1]
    return "".join(out)
