"""``store create``, ``store check``, ``store template``: what a store needs to be there."""

from __future__ import annotations

from contextlib import closing
from typing import Annotated

import typer

from recollect import Recollect, Unsupported
from recollect.cli.command import command
from recollect.cli.shell import Shell


def register(app: typer.Typer) -> None:
    """Add the commands."""
    store = typer.Typer(
        name="store", help="Make the tables that a store needs, check them, or print them.", no_args_is_help=True
    )
    command(store)(create)
    command(store)(check)
    command(store, without=("scope",))(template)
    app.add_typer(store)


def create(shell: Shell) -> None:
    """Make what is missing, and wait until it can be used.

    Repeating it is harmless: what is there is checked and left as it is, and nothing is ever dropped.
    """
    store = shell.store()
    with shell.working("Creating …"), closing(Recollect(store)) as memory:
        made = memory.create_tables()
    if shell.json:
        shell.emit({"url": store.url, "created": made})
    elif made:
        shell.line(f"Created {', '.join(made)}.")
    else:
        shell.line(f"Nothing to create: {store.url} has all it needs.")


def check(shell: Shell) -> None:
    """Compare what is there with what is needed, and say what differs.

    Makes and changes nothing. Leaves with 1 if something is missing or different.
    """
    store = shell.store()
    with shell.working("Looking …"), closing(Recollect(store)) as memory:
        wrong = memory.check_tables()
    if shell.json:
        shell.emit({"url": store.url, "ok": not wrong, "differences": wrong})
    else:
        for text in wrong:
            shell.line(text)
        if not wrong:
            shell.line(f"{store.url} is as it should be.")
    if wrong:
        raise typer.Exit(1)


def template(
    shell: Shell,
    form: Annotated[
        str | None,
        typer.Option(
            "--form", "-f", metavar="FORM", help="cloudformation or ddbsh (DynamoDB); sql (SQLite, PostgreSQL)."
        ),
    ] = None,
) -> None:
    """Print what `store create` would make, for other tools: CloudFormation, a ddbsh script, SQL.

    Needs no database and no network.
    """
    store = shell.store()
    wanted = form or (store.templates[0] if store.templates else "")
    try:
        text = store.template(wanted)
    except Unsupported as error:
        shell.wrong_usage(str(error))
    if shell.json:
        shell.emit({"url": store.url, "form": wanted, "template": text})
    else:
        shell.binary_out().write(text.encode())
