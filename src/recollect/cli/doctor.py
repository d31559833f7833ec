"""``doctor``: whether everything is as it should be, and what to do where it is not."""

from __future__ import annotations

from collections.abc import Iterator

import typer
from rich.table import Table
from rich.text import Text

from recollect import ConfigError, connect
from recollect.cli import checks, store_checks
from recollect.cli.checks import OK, PROBLEM, WARNING, Check
from recollect.cli.command import command
from recollect.cli.config import setting
from recollect.cli.serve import OPTIONS
from recollect.cli.shell import Shell
from recollect.cli.text import one_line

MARKS = {OK: ("✓", "green"), WARNING: ("!", "yellow"), PROBLEM: ("✗", "bold red")}


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app)(doctor)


def doctor(shell: Shell) -> None:
    """Check that all is as it should be, and say what to do where it is not.

    Looks at the installation, the store and its disk, the clock, the configuration and the chat model. Writes one
    message in a scope of its own and removes it, to see that writing works. Leaves with 1 if something is broken.
    """
    with shell.working("Looking …"):
        found = list(_all(shell))
    broken = sum(check.status == PROBLEM for check in found)
    if shell.json:
        shell.emit({"ok": not broken, "checks": [_plain(check) for check in found]})
    else:
        table = _table()
        for check in found:
            mark, style = MARKS[check.status]
            text = Text(one_line(check.text))
            if check.todo:
                text.append(f"\n→ {one_line(check.todo)}", style=style)
            table.add_row(Text(mark, style=style), Text(check.about, style="dim"), text)
        shell.say(table)
        warnings = sum(check.status == WARNING for check in found)
        shell.line("")
        shell.line(_verdict(broken, warnings), "bold red" if broken else "yellow" if warnings else "green")
    if broken:
        raise typer.Exit(1)


def _all(shell: Shell) -> Iterator[Check]:
    yield from checks.installation()
    try:
        store = connect(shell.url)
    except ConfigError as error:
        yield Check("store", PROBLEM, str(error), "mend --url or RECOLLECT_URL")
    else:
        yield from store_checks.storage(store, shell.scope, write="mode=ro" not in (shell.url or ""))
        if store.kind == "sqlite":
            yield from store_checks.sqlite(store)
    yield from checks.buffer(shell.url, setting("on_unavailable"), setting("buffer_path"))
    yield from checks.clock()
    known = {f"RECOLLECT_{name.upper()}" for name in (*OPTIONS, "url", "config", "user", "data")}
    yield from checks.environment(known)
    yield from checks.chat_model(setting("llm_base_url"), setting("llm_model"), setting("llm_api_key"))


def _table() -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column()
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    return table


def _verdict(broken: int, warnings: int) -> str:
    parts = [
        f"{number} {noun}{'s' if number > 1 else ''}"
        for number, noun in ((broken, "problem"), (warnings, "warning"))
        if number
    ]
    return " and ".join(parts) or "All is well."


def _plain(check: Check) -> dict[str, str]:
    return {name: getattr(check, name) for name in check.__struct_fields__}
