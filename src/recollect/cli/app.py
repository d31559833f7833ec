"""The application: all commands, and the run of it as a program."""

from __future__ import annotations

import io
import sys
from typing import Annotated, NoReturn

import typer

from recollect import __version__
from recollect.cli import chat, doctor, evaluate, figures, listing, serve, tables, transfer, upkeep
from recollect.cli.command import INTERRUPTED

app = typer.Typer(
    name="recollect",
    help="The memory of a chatbot or an agent, on the database its owner already runs.",
    epilog="Begin with: recollect chat",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        sys.stdout.write(f"recollect {__version__}\n")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    pass


for module in (serve, chat, listing, transfer, figures, upkeep, evaluate, tables, doctor):
    module.register(app)


def run() -> NoReturn:
    """Run with the process's arguments and leave with the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace" if stream is sys.stderr else "replace")
    try:
        app(prog_name="recollect")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    sys.exit(0)
