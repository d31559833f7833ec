"""JSON Lines in and out: one message a line, streamed, in batches, safe to repeat."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Literal

import msgspec
from msgspec import Struct, field

from recollect.core.base import Base
from recollect.core.checks import check_id
from recollect.core.lines import Batch, Line, LineError, Parsed, Parser, Run
from recollect.core.messages import KNOWN, OURS
from recollect.errors import InvalidInput, RecollectError, Unavailable
from recollect.model import JSON, Message, Session
from recollect.store import Append, Appended, Commit, SessionDefaults
from recollect.store.prepared import Prepared

Read = Callable[[], Batch | None]
"""The next batch, None behind the last one. It may block."""


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


def read_here(base: Base, lines: Iterable[Line]) -> Read:
    """Read batches in this process."""
    batches = map(Parsed.batch, Parser(base.intake, indexed=base.store.capabilities.text_search).batches(iter(lines)))
    return lambda: next(batches, None)


def check_lines(lines: object) -> None:
    """Refuse what is not an iterable of lines."""
    if isinstance(lines, str | bytes | Mapping) or not isinstance(lines, Iterable):
        raise InvalidInput(f"lines is an iterable of lines, not {type(lines).__name__}", field="lines")


async def import_batches(base: Base, read: Read, *, on_error: OnError, progress: Progress | None) -> ImportReport:
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
    if progress is not None and not callable(progress):
        raise InvalidInput("progress is a function of lines and bytes", field="progress")
    report = _Report()
    while (batch := await base.driver.run(read)) is not None:
        report.lines += batch.lines
        report.bytes += batch.bytes
        await _write(base, batch.runs, report, on_error)
        if progress is not None:
            progress(report.lines, report.bytes)
        failure = batch.failure
        if failure is not None and on_error == "stop":
            raise InvalidInput(
                f"line {failure.line}: {failure.reason} ({_imported(report.written)})",
                field="line",
            )
        if failure is not None:
            report.fail(failure)
        del batch  # or the next one would be read beside it
    return report.done()


def _imported(count: int) -> str:
    return "1 message before it is imported" if count == 1 else f"{count:,} messages before it are imported"


class _Report:
    def __init__(self) -> None:
        self.lines = self.bytes = self.written = self.known = self.failed = 0
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


def _append(run: Run) -> Append:
    columns = run.columns
    return Append(rows=Prepared(columns), terms=columns.terms, session=SessionDefaults(user_id=run.user), echo=False)


async def _write(base: Base, runs: list[Run], report: _Report, on_error: OnError) -> None:
    commits = [
        Commit(
            base.session_partition(run.session),
            [_append(run)],
        )
        for run in runs
    ]
    if not commits:
        return
    outcomes = await base.store.commit_many(commits)
    for run, outcome in zip(runs, outcomes, strict=True):
        if isinstance(outcome, RecollectError):
            if isinstance(outcome, Unavailable):
                raise outcome
            if on_error == "stop":
                raise InvalidInput(
                    f"line {run.lines[0]}: {outcome} (lines of other sessions before it may not be imported yet: mend it and import again)",
                    field="line",
                ) from outcome
            for line in run.lines:
                report.fail(LineError(line, str(outcome)))
            continue
        (appended,) = outcome
        assert isinstance(appended, Appended)
        report.written += appended.written
        report.known += len(run.lines) - appended.written
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
    async for header in base.headers(user_id):
        async for line in _export_session(base, header):
            yield line


async def _export_session(base: Base, header: Session) -> AsyncIterator[dict[str, JSON]]:
    async for rows in base.pages(header.id):
        for row in rows:
            yield export_line(row)


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
