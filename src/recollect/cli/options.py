"""Options that more than one command has."""

from __future__ import annotations

import io
import re
from contextlib import redirect_stderr
from datetime import datetime
from typing import Annotated

import typer

from recollect import RecollectError
from recollect.cli.shell import Shell
from recollect.cli.text import parse_when

COMPLETED = 200
_PLAIN = re.compile(r"[\w./@+-]+")


def _instant(text: str) -> datetime:
    try:
        return parse_when(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


User = Annotated[str | None, typer.Option("--user", "-u", metavar="ID", help="Only this user.")]


def session_ids(context: typer.Context, incomplete: str) -> list[str]:
    """The ids of the latest sessions, for the Tab key. Nothing that goes wrong may show at the prompt."""
    given = {name: context.params[name] for name in ("url", "scope") if context.params.get(name)}
    try:
        with redirect_stderr(io.StringIO()), Shell(**given).memory(make=False) as memory:
            found = [session.id for session in memory.sessions(COMPLETED)]
    except (RecollectError, typer.Exit, OSError):
        return []
    return [id for id in found if id.startswith(incomplete) and _PLAIN.fullmatch(id)]


Session = Annotated[
    str | None,
    typer.Option("--session", "-s", metavar="ID", help="Only this session.", autocompletion=session_ids),
]
Since = Annotated[
    datetime | None,
    typer.Option(
        "--since",
        metavar="TIME",
        parser=_instant,
        help="Not before: 2024-05-01, 2024-05-01T14:00+02:00, or how long ago (90m, 2h, 7d).",
    ),
]
Until = Annotated[
    datetime | None, typer.Option("--until", metavar="TIME", parser=_instant, help="Only before this time.")
]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, metavar="N", help="How many at most.")]
