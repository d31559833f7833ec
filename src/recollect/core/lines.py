"""Lines to messages: what an import reads, batch by batch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from recollect.core.checks import check_id, check_json, check_optional_time
from recollect.core.messages import Intake
from recollect.errors import InvalidInput, LimitExceeded
from recollect.model import JSON, Message
from recollect.recall.analyzer import term_text

BATCH_LINES = 10_000
BATCH_BYTES = 8 * 1024 * 1024
MAX_LINE_BYTES = 256 * 1024 * 1024

NAMES = 20_000
"""Ids of sessions and users remembered as good ones."""

Line = bytes | str | Mapping[str, JSON]

_decode = msgspec.json.Decoder().decode


class LineError(Struct, frozen=True):
    """A line that was not imported: its number, from 1, and why."""

    line: int
    reason: str


class Run:
    """Lines of one session and user that follow each other, whatever of other sessions stands between them."""

    __slots__ = ("lines", "rows", "session", "terms", "user")

    def __init__(self, session: str, user: str | None) -> None:
        self.session = session
        self.user = user
        self.rows: list[Message] = []
        self.terms: list[str] = []
        self.lines: list[int] = []


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
                found = self._parse(line)
            except (InvalidInput, LimitExceeded) as error:
                return Batch(runs, LineError(self._number, str(error)), count, size)
            if found is not None:
                session, user, message = found
                run = latest.get(session)
                if run is None or run.user != user:
                    run = latest[session] = Run(session, user)
                    runs.append(run)
                run.rows.append(message)
                run.terms.append(term_text(message.text) if self._indexed else "")
                run.lines.append(self._number)
            if size >= BATCH_BYTES:
                break
        return Batch(runs, None, count, size)

    def _parse(self, line: Line) -> tuple[str, str | None, Message] | None:
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
        return session_id, user_id, message if expires is None else message.replace(expires_at=expires)

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
