"""``forget``, ``sweep``, ``deliver``, ``version``: looking after a memory."""

from __future__ import annotations

import platform
import sys
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from recollect import Recollect, __version__
from recollect.cli.command import command
from recollect.cli.config import setting
from recollect.cli.shell import Shell
from recollect.cli.text import count, one_line


def register(app: typer.Typer) -> None:
    """Add the commands."""
    command(app)(forget)
    command(app)(sweep)
    command(app, without=("scope",))(deliver)
    command(app, without=("url", "scope"))(version)


def forget(
    shell: Shell,
    user: Annotated[str, typer.Argument(metavar="USER", help="The user's id.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove everything about a user, everywhere, for good."""
    with shell.memory(make=False) as memory:
        person = memory.user(user)
        if not yes:
            if shell.json or not sys.stdin.isatty():
                shell.wrong_usage(f"forgetting {user!r} cannot be undone: --yes says that you mean it")
            there = person.stats(detail=False)
            what = f"{count(there.sessions, 'session')} with {count(there.messages, 'message')}, and preferences"
            if not typer.confirm(f"Forget user {one_line(user)} for good ({what})?", err=True):
                shell.note("Nothing was removed.")
                raise typer.Exit(1)
        with shell.working("Forgetting …"):
            receipt = person.forget().to_dict()
    if shell.json:
        shell.emit({"user_id": user, **receipt})
    elif not any(receipt.values()):
        shell.line(f"Nothing was known of user {one_line(user)}.")
    else:
        shell.line(f"Forgot user {one_line(user)}.")
        shell.say(_counts(receipt))


def sweep(shell: Shell) -> None:
    """Remove from the disk what has expired.

    It is never shown in any case. Old entries of the feed of changes go too.
    """
    with shell.memory(make=False) as memory, shell.working("Sweeping …"):
        swept = memory.sweep().to_dict()
    if shell.json:
        shell.emit(swept)
    elif any(swept.values()):
        shell.say(_counts(swept))
    else:
        shell.line("Nothing had expired.")


def deliver(
    shell: Shell,
    buffer: Annotated[
        str | None,
        typer.Option(
            "--buffer", envvar="RECOLLECT_BUFFER_PATH", metavar="FILE", help="The file (recollect-buffer.db)."
        ),
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Try what the store refused once more.")] = False,
    drop: Annotated[bool, typer.Option("--drop", help="Remove what the store refused, for good.")] = False,
) -> None:
    """Deliver what a buffer keeps for the store.

    A program with on_unavailable="buffer" does so by itself; this is for when it does not run any more. What the store
    refuses stays in the file, and is listed.
    """
    if again and drop:
        shell.wrong_usage("--again and --drop: one of them")
    file = buffer or setting("buffer_path")
    with closing(Recollect(shell.store(), on_unavailable="buffer", buffer_path=file)) as memory:
        if not Path(memory.buffered().path or "").is_file():
            shell.fail(f"there is no buffer {memory.buffered().path}")
        with shell.working("Delivering …"):
            done = memory.deliver(refused="again" if again else "drop" if drop else "keep").to_dict()
        left = memory.buffered()
    if shell.json:
        shell.emit({**done, "left": left.to_dict()})
        return
    if any(done.values()):
        shell.say(_counts(done))
    else:
        shell.line("Nothing waited.")
    for one in left.refusals:
        ids = ", ".join(one.ids)
        shell.warn(one_line(f"refused: session {one.session_id}, {ids}: {one.reason}"))
    if left.elsewhere:
        shell.warn(f"{count(left.elsewhere, 'message')} are for another store")


def _counts(counts: dict[str, int]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column(justify="right")
    for name, number in counts.items():
        table.add_row(name, f"{number:,}")
    return table


def version(shell: Shell) -> None:
    """Show the version of Recollect and of Python."""
    python = platform.python_version()
    if shell.json:
        shell.emit({"recollect": __version__, "python": python, "platform": platform.platform()})
    else:
        shell.line(f"recollect {__version__} (Python {python}, {platform.platform(terse=True)})")
