"""Lines to messages: what an import reads, batch by batch."""

from __future__ import annotations

import hashlib
import re
from codecs import BOM_UTF8
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec
from msgspec import Struct

from recollect.core.checks import check_id, check_json, check_optional_time
from recollect.core.messages import MESSAGE_TOKENS, Intake
from recollect.errors import InvalidInput, LimitExceeded
from recollect.model import JSON
from recollect.recall.analyzer import term_text
from recollect.store.prepared import Columns, Row, columns_of, row_of

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
_as_stored = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{6}Z").fullmatch


class LineError(Struct, frozen=True):
    """A line that was not imported: its number, from 1, and why."""

    line: int
    reason: str


Numbered: TypeAlias = tuple[Row, int, int]
"""A row, the number of its line, and about how many bytes it has."""


class Run(Struct, array_like=True):
    """Rows of one session and user, as they are written, and the numbers of their lines."""

    session: str
    user: str | None
    columns: Columns
    lines: list[int]


class Gathering:
    """Lines of one session and user that follow each other, whatever of other sessions stands between them."""

    __slots__ = ("rows", "session", "user")

    def __init__(self, session: str, user: str | None, rows: list[Numbered]) -> None:
        self.session = session
        self.user = user
        self.rows = rows

    def run(self) -> Run:
        """What was gathered; it is not empty."""
        columns = columns_of([row for row, _, _ in self.rows])
        return Run(self.session, self.user, columns, [number for _, number, _ in self.rows])


class _Into:
    """Where the rows of a batch go."""

    __slots__ = ("_latest", "runs")

    def __init__(self) -> None:
        self.runs: list[Gathering] = []
        self._latest: dict[str, Gathering] = {}

    def of(self, session: str, user: str | None) -> list[Numbered]:
        """The rows behind which the next one of a session and user goes."""
        run = self._latest.get(session)
        if run is None or run.user != user:
            run = self._latest[session] = Gathering(session, user, [])
            self.runs.append(run)
        return run.rows


class _Plain(Struct, forbid_unknown_fields=True, gc=False):
    """The most usual line, which is decoded and checked in one go."""

    session: str
    role: Literal["user", "assistant", "system", "tool"]
    content: str
    created_at: str
    id: str | None = None
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


class Parsed(NamedTuple):
    """A batch whose rows are not in columns yet."""

    runs: list[Gathering]
    failure: LineError | None
    lines: int
    bytes: int

    def batch(self) -> Batch:
        """The batch; it is emptied."""
        self.runs.reverse()
        runs = []
        while self.runs:
            runs.append(self.runs.pop().run())
        return Batch(runs, self.failure, self.lines, self.bytes)


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

    def batches(self, lines: Iterator[Line]) -> Iterator[Parsed]:
        """The batches of what follows. One ends early behind a bad line, so that what stands before it is written first."""
        while (batch := self._batch(lines)).lines:
            self._digest()
            yield batch
            del batch  # or the next one would be made beside it

    def _batch(self, lines: Iterator[Line]) -> Parsed:
        into = _Into()
        size = count = 0
        for line in islice(lines, BATCH_LINES):
            count += 1
            self._number += 1
            size += len(line) if isinstance(line, bytes | str) else 0
            try:
                if not self._plain(line, into):
                    self._parse(line, into)
            except (InvalidInput, LimitExceeded) as error:
                return Parsed(into.runs, LineError(self._number, str(error)), count, size)
            if size >= BATCH_BYTES:
                break
        return Parsed(into.runs, None, count, size)

    def _plain(self, line: Line, into: _Into) -> bool:
        """Do as `_parse` with a plain line whose time is written as it is stored; whether it is one."""
        if type(line) is not bytes or len(line) > self._longest:
            return False
        try:
            given = _decode_plain(line)
            created = given.created_at
            if _as_stored(created) is None:
                return False
            datetime.fromisoformat(created)
        except (*_BAD, ValueError):
            return False
        id = given.id
        if id is not None and not 0 < len(id) <= PLAIN_ID:
            return False
        content = given.content
        session, user = given.session, given.user
        if session not in self._good:
            self._name(session, "session")
        if user is not None and user not in self._good:
            self._name(user, "user")
        self._unhashed.append(line)
        if id is None:
            id = self._made_id()
        tokens = MESSAGE_TOKENS + self._intake.count(content)
        terms = term_text(content) if self._indexed else ""
        row = (id, given.role, content, created, tokens, terms, None)
        into.of(session, user).append((row, self._number, len(line) + len(terms)))
        return True

    def _parse(self, line: Line, into: _Into) -> None:
        if isinstance(line, bytes | str):
            if self._number == 1:
                line = line.removeprefix(BOM_UTF8) if isinstance(line, bytes) else line.removeprefix("\ufeff")
            if not line.strip():
                return
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
        self._unhashed.append(raw)
        if fields.get("id") is None:
            fields["id"] = self._made_id()
        expires = check_optional_time(fields.pop("expires_at", None), "expires_at")
        message = self._intake.accept(fields)
        if expires is not None:
            message = message.replace(expires_at=expires)
        terms = term_text(message.text) if self._indexed else ""
        into.of(session_id, user_id).append((row_of(message, terms), self._number, len(raw) + len(terms)))

    def _name(self, given: object, field: str) -> str:
        """An id that is checked, once if it comes again."""
        if type(given) is str and given in self._good:
            return given
        name = check_id(given, field)
        if len(self._good) >= NAMES:
            self._good.clear()
        self._good.add(name)
        return name

    def _made_id(self) -> str:
        """For the line that was read last, which is a good one."""
        return f"line-{self._number:08}-{self._digest()}"

    def _digest(self) -> str:
        """Of all good lines so far."""
        if self._unhashed:
            self._source.update(b"\n".join(map(bytes.strip, self._unhashed)) + b"\n")
            self._unhashed.clear()
        return self._source.copy().hexdigest()
