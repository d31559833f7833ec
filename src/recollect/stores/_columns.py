"""Pages of a log as JSON text, put together from whole columns.

A row that becomes Python objects and then text costs several times what reading it does. Here the database joins each
column of a page into one text; all of them are escaped in one go, and what is left is to put the values between the
names. It is for pages of usual messages, which most sessions have nothing but: text, without gaps in the numbers, names,
tool calls, lifetimes or provider's fields. Any other page is read by rows.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from recollect.store import LogText
from recollect.store.contract import Key

LEAST = 8
"""Messages of a page for which this way is the faster one."""

BREAK = "\x7f"
"""Between two texts: the control character that JSON may hold as it is. Texts with one in them are one too many."""

TIME_BREAK = '","'
"""Between two instants, so that they are a list of JSON text but for its ends."""

_KEPT = 4096

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

_TIME_LENGTH = len("2026-11-21T00:52:30.000001Z" + TIME_BREAK)
_load_times = msgspec.json.Decoder(list[datetime]).decode
_load_objects = msgspec.json.Decoder(list[dict[str, Any]]).decode
_encode = msgspec.json.Encoder().encode


class NotUsual(Exception):
    """A page that has to be read by rows."""


class Unusual:
    """Sessions remembered as ones whose pages have to be read by rows, so that the other way is not tried each time."""

    def __init__(self) -> None:
        self._keys: set[Key] = set()

    def __contains__(self, hash: Key) -> bool:
        return hash in self._keys

    def add(self, hash: Key) -> None:
        """Remember a session; of very many all are forgotten."""
        if len(self._keys) >= _KEPT:
            self._keys.clear()
        self._keys.add(hash)


class Columns(NamedTuple):
    """The columns of a page.

    Parameters
    ----------
    texts: all roles, then all contents, ids and numbers of tokens, `BREAK` between any two.
    times: of creation, `TIME_BREAK` between them. metadata: JSON objects, a line each.
    """

    texts: str
    times: str
    metadata: str


class Extent(NamedTuple):
    """The numbers that a page may have, and how many.

    Parameters
    ----------
    low, high: the first and the last. limit: messages of the page. reverse: newest first.
    """

    low: int
    high: int
    limit: int
    reverse: bool

    @classmethod
    def of(cls, after: Key | None, before: Key | None, limit: int, reverse: bool, most: int) -> Extent:
        """What was asked for.

        Parameters
        ----------
        most: the highest number that there may be.
        """
        low = max(1, min(after[0] + 1, most)) if after else 1
        high = max(0, min(before[0] - 1, most)) if before else most
        return cls(low, high, limit, reverse)

    def page(self, session_id: str, owner: str | None, last: int, count: int, columns: Columns) -> LogText | None:
        """The page, of columns with one row more where there is one; None if it is empty. Raises `NotUsual`.

        Parameters
        ----------
        last: the highest number of the session. count: how many usual messages were found.
        """
        low, high, limit, reverse = self
        high = min(high, last)
        if low > high:
            return None
        # Which numbers were looked at is known; if as many were found, there is no gap among them.
        low, high = (max(low, high - limit), high) if reverse else (low, min(high, low + limit))
        if count != high - low + 1:
            raise NotUsual
        shown = min(count, limit)
        seqs = _encode(list(range(low, high + 1)))[1:-1].split(b",")
        text = woven(columns, seqs, session_id, owner, shown, reverse)
        return LogText(text, high - shown + 1 if reverse else low + shown - 1, count > limit, owner)


def woven(
    columns: Columns, seqs: list[bytes], session_id: str, owner: str | None, shown: int, reverse: bool = False
) -> bytes:
    """The first `shown` messages of some columns: the values of each side by side, names between them.

    Raises `NotUsual` for a row that does not decode: it is left to those who say which it is.
    """
    count = len(seqs)
    values = _encode(columns.texts)[1:-1].split(BREAK.encode())
    tokens = values[3 * count :]
    if len(values) != 4 * count or not b"".join(tokens).isdigit():
        raise NotUsual
    filled = [
        values[:count],
        values[count : 2 * count],
        values[2 * count : 3 * count],
        _times(columns.times, count),
        seqs,
        tokens,
    ]
    owned = b',"session_id":%b,"user_id":%b,"tokens":' % (_encode(session_id), _encode(owner))
    names = [_NEXT, _BEFORE_CONTENT, _BEFORE_ID, _PLAIN, _BEFORE_SEQ, owned]
    if columns.metadata != "{}\n" * (count - 1) + "{}":
        filled.insert(3, _objects(columns.metadata, count))
        names[3:4] = [_BEFORE_METADATA, _BEFORE_TIME]
    row = [part for name in names for part in (name, _VALUE)]
    out = row * shown
    for place, column in enumerate(filled):
        if reverse:
            column.reverse()
        out[2 * place + 1 :: len(row)] = column[:shown]
    out[0] = _BEGIN
    out.append(_END)
    return b"".join(out)


def _times(texts: str, count: int) -> list[bytes]:
    """The instants of a page, each in the form that we write."""
    try:
        if len(texts) + len(TIME_BREAK) != _TIME_LENGTH * count or len(_load_times(f'["{texts}"]')) != count:
            raise NotUsual
    except msgspec.DecodeError:
        raise NotUsual from None
    return texts.encode().split(TIME_BREAK.encode())


def _objects(texts: str, count: int) -> list[bytes]:
    """The objects of a page, as we write them."""
    try:
        found = _load_objects(f"[{texts}]".replace("\n", ","))
    except msgspec.DecodeError:
        raise NotUsual from None
    if len(found) != count:
        raise NotUsual
    return list(map(_encode, found))
