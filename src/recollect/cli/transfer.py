"""``import`` and ``export``: messages as JSON Lines."""

from __future__ import annotations

import os
import time
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, BinaryIO, NoReturn

import msgspec
import typer

from recollect import ImportReport, InvalidInput, Recollect, RecollectError, Unavailable
from recollect.cli import options
from recollect.cli.command import command, reason
from recollect.cli.files import Source, Unreadable, replacing
from recollect.cli.progress import Bar, bar
from recollect.cli.shell import Shell
from recollect.cli.text import count

SHOWN_ERRORS = 20
CHUNK = 1 << 18

Reports = list[tuple[str, ImportReport]]


class Format(StrEnum):
    """What `import` reads."""

    jsonl = "jsonl"


class OnError(StrEnum):
    """What `import` does at a line that cannot be taken."""

    stop = "stop"
    skip = "skip"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    command(app, name="import")(import_)
    command(app)(export)


def import_(
    shell: Shell,
    files: Annotated[
        list[str], typer.Argument(metavar="FILE", help="JSON Lines, also packed with gzip; - is standard input.")
    ],
    source: Annotated[Format, typer.Option("--from", help="The format.")] = Format.jsonl,
    on_error: Annotated[
        OnError, typer.Option("--on-error", help="At a bad line: stop, or skip it and report it at the end.")
    ] = OnError.stop,
    session: Annotated[
        str | None, typer.Option("--session", "-s", metavar="ID", help="The session of lines that name none.")
    ] = None,
    user: Annotated[
        str | None, typer.Option("--user", "-u", metavar="ID", help="The user of lines that name none.")
    ] = None,
) -> None:
    """Load messages from files, one JSON object a line.

    Each line is {"session", "user"?, "role", "content", "created_at"?, "id"?, "metadata"?}.
    Importing a file again is safe: what is in memory already is not written twice.
    """
    defaults = {key: value for key, value in (("session", session), ("user", user)) if value is not None}
    began = time.monotonic()
    reports: Reports = []
    with shell.memory() as memory:
        for name in files:
            try:
                reports.append((name, _import_file(shell, memory, name, defaults, on_error)))
            except (RecollectError, OSError, Unreadable) as error:
                _stopped(shell, reports, time.monotonic() - began, name, error, files[len(reports) + 1 :])
    _summary(shell, reports, time.monotonic() - began)
    if any(report.failed for _, report in reports):
        raise typer.Exit(1)


def _import_file(
    shell: Shell, memory: Recollect, name: str, defaults: Mapping[str, str], on_error: OnError
) -> ImportReport:
    with closing(Source(name)) as source, bar(shell, "Importing", source.size, bytes=True) as shown:
        lines: Iterable[bytes | dict[str, Any]] = _with_defaults(source, defaults) if defaults else source
        report = memory.import_lines(
            lines,
            on_error=on_error.value,
            progress=lambda read, _: shown.update(source.position(), read),
            second_process=not defaults and (os.cpu_count() or 1) > 1,
        )
        source.check_whole()
        return report


def _with_defaults(lines: Iterable[bytes], defaults: Mapping[str, str]) -> Iterator[bytes | dict[str, Any]]:
    """Lines with session and user where they name none. What cannot be read goes on as it is, to be reported."""
    decode = msgspec.json.Decoder().decode
    for number, line in enumerate(lines):
        try:
            fields = decode(line if number else line.removeprefix(BOM_UTF8)) if line.strip() else None
        except (msgspec.DecodeError, UnicodeError):
            fields = None
        if not isinstance(fields, dict):
            yield line
            continue
        for key, value in defaults.items():
            if fields.get(key) is None and fields.get(f"{key}_id") is None:
                fields[key] = value
        yield fields


def _stopped(
    shell: Shell, reports: Reports, seconds: float, name: str, error: Exception, unread: list[str]
) -> NoReturn:
    """Say what was imported, what went wrong where, and how to go on."""
    if shell.debug:
        raise error
    text = reason(error) if isinstance(error, OSError) else str(error)
    if name != "-" and name not in text:
        text = f"{name}: {text}"
    if shell.json:
        _summary(shell, reports, seconds, error=text)
    elif reports:
        _summary(shell, reports, seconds)
    shell.complain(text)
    if isinstance(error, InvalidInput) and error.field == "line":
        shell.note("Mend the line and import again (what is there is not written twice), or --on-error skip.")
    elif isinstance(error, Unavailable):
        shell.note("What was written before is kept. Import again when that is mended: nothing is written twice.")
    if unread:
        shell.note(f"Not read: {', '.join(unread)}")
    raise typer.Exit(1)


def _summary(shell: Shell, reports: Reports, seconds: float, **more: str) -> None:
    total = {
        field: sum(getattr(report, field) for _, report in reports) for field in ("lines", "written", "known", "failed")
    }
    errors = [
        {"file": name, "line": error.line, "reason": error.reason}
        for name, report in reports
        for error in report.errors
    ]
    if shell.json:
        by_file = [{"file": name, **report.to_dict()} for name, report in reports]
        shell.emit({**total, "seconds": round(seconds, 3), "errors": errors, "files": by_file, **more})
        return
    if total["written"] or not total["known"]:
        rate = f" ({total['written'] / seconds:,.0f}/s)" if seconds > 1 else ""
        sessions = f" into {count(reports[0][1].sessions, 'session')}" if len(reports) == 1 else ""
        shell.line(f"Imported {count(total['written'], 'message')}{sessions} in {seconds:.1f} s{rate}.")
        if total["known"]:
            shell.line(f"{total['known']:,} more {'was' if total['known'] == 1 else 'were'} there already.")
    else:
        shell.line(
            f"Nothing new: the {count(total['known'], 'message')} {'was' if total['known'] == 1 else 'were'} there already."
        )
    if total["failed"]:
        shell.warn(f"{count(total['failed'], 'line')} could not be imported:")
        for error in errors[:SHOWN_ERRORS]:
            shell.warn(f"  {error['file']}, line {error['line']}: {error['reason']}")
        if total["failed"] > SHOWN_ERRORS:
            shell.warn(f"  and {total['failed'] - min(len(errors), SHOWN_ERRORS):,} more")


def export(
    shell: Shell,
    session: options.Session = None,
    user: options.User = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="The file, packed if it ends in .gz; standard output if not given."
        ),
    ] = None,
) -> None:
    """Write messages as JSON Lines, which `import` reads."""
    with shell.memory(make=False) as memory:
        total = _expected(shell, memory, session, user)
        with bar(shell, "Exporting", total, bytes=False) as shown:
            lines = memory.export_lines(session=session, user=user)
            if output is None or str(output) == "-":
                written = _write(lines, shell.binary_out(), shown)
            else:
                with replacing(output) as file:
                    written = _write(lines, file, shown)
    if output is None or str(output) == "-":
        if not written:
            shell.note("There are no messages to export.")
    elif shell.json:
        shell.emit({"messages": written, "file": str(output)})
    else:
        shell.line(f"Exported {count(written, 'message')} to {output}.")


def _expected(shell: Shell, memory: Recollect, session: str | None, user: str | None) -> int:
    if session is None:
        return (memory.stats() if user is None else memory.user(user).stats(detail=False)).messages
    header = memory.session(session).info()
    if header is None:
        shell.fail(f"there is no session {session!r} (recollect sessions lists them)")
    return header.message_count


def _write(lines: Iterable[dict[str, Any]], file: BinaryIO, shown: Bar) -> int:
    encode = msgspec.json.Encoder().encode_into
    buffer = bytearray()
    written = 0
    for line in lines:
        encode(line, buffer, -1)
        buffer += b"\n"
        written += 1
        if len(buffer) >= CHUNK:
            file.write(buffer)
            buffer.clear()
            shown.update(written, written)
    file.write(buffer)
    file.flush()
    return written
