"""JSON Lines in and out: one message a line, streamed, in batches, safe to repeat."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Literal

import msgspec
from msgspec import Struct, field

from recollect.core.base import Base
from recollect.core.checks import check_id, check_json, check_optional_time
from recollect.core.messages import KNOWN, OURS, Intake
from recollect.errors import InvalidInput, LimitExceeded, RecollectError, Unavailable
from recollect.model import JSON, Message, Session
from recollect.store import Append, Commit, SessionDefaults
from recollect.store.contract import Appended

BATCH_LINES = 10_000
BATCH_BYTES = 8 * 1024 * 1024
MAX_LINE_BYTES = 256 * 1024 * 1024
PAGE = 500

_decode = msgspec.json.Decoder().decode


class LineError(Struct, frozen=True):
    """A line that was not imported: its number, from 1, and why."""

    line: int
    reason: str


class ImportReport(Struct, frozen=True, kw_only=True):
    """What an import did.

    Parameters
    ----------
    lines: read. written: messages new in the store. known: messages that were there already.
    sessions: distinct sessions touched. errors: the first hundred lines left out; `failed` counts all.
    """

    lines: int = 0
    written: int = 0
    known: int = 0
    sessions: int = 0
    failed: int = 0
    errors: list[LineError] = field(default_factory=list)

    def to_dict(self) -> dict[str, JSON]:
        """The report as JSON-able data."""
        result: dict[str, JSON] = msgspec.to_builtins(self)
        return result


_LINE_FIELDS = KNOWN | OURS | {"session", "user"}

OnError = Literal["stop", "skip"]
Progress = Callable[[int, int], None]


class _Run:
    """Lines of one session and user that follow each other, whatever of other sessions stands between them."""

    def __init__(self, session: str, user: str | None) -> None:
        self.session = session
        self.user = user
        self.rows: list[Message] = []
        self.lines: list[int] = []


class _Batch:
    def __init__(self) -> None:
        self.runs: list[_Run] = []
        self._last: dict[str, _Run] = {}

    def add(self, session: str, user: str | None, message: Message, line: int) -> None:
        run = self._last.get(session)
        if run is None or run.user != user:
            run = self._last[session] = _Run(session, user)
            self.runs.append(run)
        run.rows.append(message)
        run.lines.append(line)


async def import_lines(
    base: Base,
    lines: Iterable[bytes | str | Mapping[str, JSON]],
    *,
    on_error: OnError,
    progress: Progress | None,
) -> ImportReport:
    """Append messages from JSON Lines.

    Each line is ``{"session", "user"?, "role", "content", "created_at"?, "id"?, "metadata"?, ...}``; further fields are
    kept as the provider's. A line without an id gets one made from its number and from all lines up to it, so that
    importing a file a second time, also when it has grown, writes nothing that is there. Lines of one session keep their order.

    Parameters
    ----------
    on_error: ``stop`` raises `InvalidInput` at the first bad line (what stands before it is imported);
        ``skip`` goes on and reports it.
    progress: called after each batch with the lines and the bytes read so far.
    """
    if on_error not in ("stop", "skip"):
        raise InvalidInput(f"on_error is stop or skip, not {on_error!r}", field="on_error")
    if isinstance(lines, str | bytes | Mapping) or not isinstance(lines, Iterable):
        raise InvalidInput(f"lines is an iterable of lines, not {type(lines).__name__}", field="lines")
    if progress is not None and not callable(progress):
        raise InvalidInput("progress is a function of lines and bytes", field="progress")
    report = _Report()
    source = enumerate(lines, 1)
    while True:
        batch, failure, more = _read_batch(base.intake, source, report)
        await _write(base, batch, report, on_error)
        if progress is not None:
            progress(report.lines, report.bytes)
        if failure is not None and on_error == "stop":
            raise InvalidInput(
                f"line {failure.line}: {failure.reason} ({_imported(report.written)})",
                field="line",
            )
        if failure is not None:
            report.fail(failure)
        if not more:
            return report.done()


def _imported(count: int) -> str:
    return "1 message before it is imported" if count == 1 else f"{count:,} messages before it are imported"


class _Report:
    def __init__(self) -> None:
        self.lines = self.bytes = self.written = self.known = self.failed = 0
        self.source = hashlib.blake2b(digest_size=8)
        self.sessions: set[str] = set()
        self.errors: list[LineError] = []

    def fail(self, error: LineError) -> None:
        self.failed += 1
        if len(self.errors) < 100:
            self.errors.append(error)

    def done(self) -> ImportReport:
        return ImportReport(
            lines=self.lines,
            written=self.written,
            known=self.known,
            sessions=len(self.sessions),
            failed=self.failed,
            errors=self.errors,
        )


def _read_batch(
    intake: Intake, source: Iterator[tuple[int, bytes | str | Mapping[str, JSON]]], report: _Report
) -> tuple[_Batch, LineError | None, bool]:
    """Up to a batch of good lines; ends early behind a bad one, so that what stands before it is written first."""
    batch = _Batch()
    size = count = 0
    for number, line in islice(source, BATCH_LINES):
        count += 1
        report.lines += 1
        length = len(line) if isinstance(line, bytes | str) else 0
        report.bytes += length
        size += length
        try:
            found = _parse(intake, line, number, report.source)
        except (InvalidInput, LimitExceeded) as error:
            return batch, LineError(number, str(error)), True
        if found is not None:
            batch.add(*found, number)
        if size >= BATCH_BYTES:
            return batch, None, True
    return batch, None, count == BATCH_LINES


def _parse(
    intake: Intake, line: bytes | str | Mapping[str, JSON], number: int, source: hashlib.blake2b
) -> tuple[str, str | None, Message] | None:
    if isinstance(line, bytes | str):
        if number == 1:
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
    session_id = check_id(session, "session")
    user_id = None if user is None else check_id(user, "user")
    source.update(raw.strip() + b"\n")
    if fields.get("id") is None:
        fields["id"] = f"line-{number:08}-{source.copy().hexdigest()}"
    expires = check_optional_time(fields.pop("expires_at", None), "expires_at")
    message = intake.accept(fields)
    return session_id, user_id, message if expires is None else message.replace(expires_at=expires)


async def _write(base: Base, batch: _Batch, report: _Report, on_error: OnError) -> None:
    commits = [
        Commit(
            base.session_partition(run.session),
            [Append(rows=run.rows, terms=[*map(base.terms, run.rows)], session=SessionDefaults(user_id=run.user))],
        )
        for run in batch.runs
    ]
    if not commits:
        return
    outcomes = await base.store.commit_many(commits)
    for run, outcome in zip(batch.runs, outcomes, strict=True):
        if isinstance(outcome, RecollectError):
            if isinstance(outcome, Unavailable):
                raise outcome
            if on_error == "stop":
                raise InvalidInput(
                    f"line {run.lines[0]}: {outcome} (what stands before it is imported, and other lines of its batch)",
                    field="line",
                ) from outcome
            for line in run.lines:
                report.fail(LineError(line, str(outcome)))
            continue
        (appended,) = outcome
        assert isinstance(appended, Appended)
        report.written += appended.written
        report.known += len(run.rows) - appended.written
        report.sessions.add(run.session)


async def export_lines(
    base: Base, *, session_id: str | None = None, user_id: str | None = None
) -> AsyncIterator[dict[str, JSON]]:
    """Every message as a line that `import_lines` reads: sessions by latest activity, messages in order."""
    user_id = None if user_id is None else check_id(user_id, "user")
    if session_id is not None:
        check_id(session_id, "session")
        header = await base.header(session_id)
        if header is not None and user_id in (None, header.user_id):
            async for line in _export_session(base, header):
                yield line
        return
    path, hash = ("sessions", (base.scope,)) if user_id is None else ("sessions_by_user", (base.scope, user_id))
    place: tuple[Any, ...] | None = None
    while True:
        headers = await base.store.query(path, hash, before=place, limit=PAGE, reverse=True)
        for header in headers:
            async for line in _export_session(base, header):
                yield line
        if len(headers) < PAGE:
            return
        place = (headers[-1].updated_at, headers[-1].id)


async def _export_session(base: Base, header: Session) -> AsyncIterator[dict[str, JSON]]:
    after = 0
    while True:
        rows = await base.messages(header.id, after=(after,), limit=PAGE)
        for row in rows:
            yield export_line(row)
        if len(rows) < PAGE:
            return
        after = rows[-1].seq


def export_line(row: Message) -> dict[str, JSON]:
    """One message as its line."""
    line: dict[str, JSON] = {"session": row.session_id}
    if row.user_id is not None:
        line["user"] = row.user_id
    hidden = {key: value for key, value in row.extra.items() if key in _LINE_FIELDS}
    line |= {key: value for key, value in row.extra.items() if key not in hidden}
    line["role"] = hidden.pop("role", row.role)
    fields = row.to_dict()
    for key in ("name", "tool_calls", "tool_call_id", "id", "metadata", "created_at", "expires_at"):
        if fields[key] is not None and fields[key] != {}:
            line[key] = fields[key]
    line["content"] = fields["content"]
    if hidden:
        line["extra"] = hidden
    return line
