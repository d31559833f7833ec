"""Lines to messages: what an import reads, batch by batch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec import Struct

from recollect.core.checks import check_id, check_json, check_optional_time
from recollect.core.messages import MESSAGE_TOKENS, Intake
from recollect.errors import InvalidInput, LimitExceeded
from recollect.model import JSON
from recollect.recall.analyzer import term_text
from recollect.store.prepared import PreparedRow, prepare

BATCH_LINES = 10_000
BATCH_BYTES = 8 * 1024 * 1024
MAX_LINE_BYTES = 256 * 1024 * 1024

NAMES = 20_000
"""Ids of sessions and users remembered as good ones."""

Line = bytes | str | Mapping[str, JSON]

PLAIN_ID = 128
"""Characters of an id whose bytes need not be counted."""

_decode = msgspec.json.Decoder().decode
_BAD = (msgspec.DecodeError, UnicodeError, RecursionError)
_DIGITS = str.maketrans("123456789", "000000000")
_TIME_SHAPE = "0000-00-00T00:00:00.000000Z"


class LineError(Struct, frozen=True):
    """A line that was not imported: its number, from 1, and why."""

    line: int
    reason: str


class Run:
    """Lines of one session and user that follow each other, whatever of other sessions stands between them."""

    __slots__ = ("lines", "rows", "session", "user")

    def __init__(self, session: str, user: str | None) -> None:
        self.session = session
        self.user = user
        self.rows: list[PreparedRow] = []
        self.lines: list[int] = []


class _Plain(Struct, forbid_unknown_fields=True, gc=False):
    """The most usual line, which is decoded and checked in one go."""

    session: str
    role: Literal["user", "assistant", "system", "tool"]
    content: str
    id: str
    created_at: str
    user: str | None = None


_decode_plain = msgspec.json.Decoder(_Plain).decode


class Batch(NamedTuple):
    """What is to be written together, then what was wrong with the line behind it.

    Parameters
    ----------
    lines, bytes: read for it.
    """

    runs: list[Run]
    failure: LineError | None
    lines: int
    bytes: int


class Parser:
    """Makes messages of lines, from the first of a source to its last.

    Parameters
    ----------
    intake: checks and completes each message. indexed: whether the store has an index for terms.
    """

    def __init__(self, intake: Intake, *, indexed: bool) -> None:
        self._intake = intake
        self._indexed = indexed
        self._number = 0
        self._source = hashlib.blake2b(digest_size=8)
        self._unhashed: list[bytes] = []
        self._good: set[str] = set()
        self._longest = min(intake.item_bytes, MAX_LINE_BYTES)

    def batches(self, lines: Iterator[Line]) -> Iterator[Batch]:
        """The batches of what follows. One ends early behind a bad line, so that what stands before it is written first."""
        while (batch := self._batch(lines)).lines:
            self._digest()
            yield batch

    def _batch(self, lines: Iterator[Line]) -> Batch:
        runs: list[Run] = []
        latest: dict[str, Run] = {}
        size = count = 0
        for line in islice(lines, BATCH_LINES):
            count += 1
            self._number += 1
            size += len(line) if isinstance(line, bytes | str) else 0
            try:
                found = self._plain(line) or self._parse(line)
            except (InvalidInput, LimitExceeded) as error:
                return Batch(runs, LineError(self._number, str(error)), count, size)
            if found is not None:
                session, user, row = found
                run = latest.get(session)
                if run is None or run.user != user:
                    run = latest[session] = Run(session, user)
                    runs.append(run)
                run.rows.append(row)
                run.lines.append(self._number)
            if size >= BATCH_BYTES:
                break
        return Batch(runs, None, count, size)

    def _plain(self, line: Line) -> tuple[str, str | None, PreparedRow] | None:
        """What `_parse` gives for a plain line whose time is written as it is stored; None for any other."""
        if type(line) is not bytes or len(line) > self._longest:
            return None
        try:
            given = _decode_plain(line)
            created = given.created_at
            if created.translate(_DIGITS) != _TIME_SHAPE:
                return None
            datetime.fromisoformat(created)
        except (*_BAD, ValueError):
            return None
        if not 0 < len(given.id) <= PLAIN_ID:
            return None
        content = given.content
        session = self._name(given.session, "session")
        user = None if given.user is None else self._name(given.user, "user")
        self._unhashed.append(line.strip())
        tokens = MESSAGE_TOKENS + self._intake.count(content)
        terms = term_text(content) if self._indexed else ""
        return session, user, PreparedRow(given.id, given.role, content, created, tokens, terms)

    def _parse(self, line: Line) -> tuple[str, str | None, PreparedRow] | None:
        if isinstance(line, bytes | str):
            if self._number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf") if isinstance(line, bytes) else line.removeprefix("\ufeff")
            if not line.strip():
                return None
            if len(line) > MAX_LINE_BYTES:
                raise InvalidInput(f"longer than {MAX_LINE_BYTES:,} bytes")
            try:
                fields: Any = _decode(line)
            except (msgspec.DecodeError, UnicodeError) as error:
                raise InvalidInput(f"not JSON: {error}") from error
            except RecursionError as error:
                raise InvalidInput("nested too deep") from error
            raw = line if isinstance(line, bytes) else line.encode("utf-8", "surrogatepass")
        elif isinstance(line, Mapping):
            fields = check_json(line, "line")
            raw = msgspec.json.encode(fields)
        else:
            raise InvalidInput(f"a line is text, bytes or a dict, not {type(line).__name__}", field="line")
        if not isinstance(fields, dict):
            raise InvalidInput(f"a line is an object, not {type(fields).__name__}")
        session = fields.pop("session") if "session" in fields else fields.get("session_id")
        user = fields.pop("user") if "user" in fields else fields.get("user_id")
        session_id = self._name(session, "session")
        user_id = None if user is None else self._name(user, "user")
        self._unhashed.append(raw.strip())
        if fields.get("id") is None:
            fields["id"] = f"line-{self._number:08}-{self._digest()}"
        expires = check_optional_time(fields.pop("expires_at", None), "expires_at")
        message = self._intake.accept(fields)
        if expires is not None:
            message = message.replace(expires_at=expires)
        return session_id, user_id, prepare(message, term_text(message.text) if self._indexed else "")

    def _name(self, given: object, field: str) -> str:
        """An id that is checked, once if it comes again."""
        if type(given) is str and given in self._good:
            return given
        name = check_id(given, field)
        if len(self._good) >= NAMES:
            self._good.clear()
        self._good.add(name)
        return name

    def _digest(self) -> str:
        """Of all good lines so far."""
        if self._unhashed:
            self._source.update(b"\n".join(self._unhashed) + b"\n")
            self._unhashed.clear()
        return self._source.copy().hexdigest()
