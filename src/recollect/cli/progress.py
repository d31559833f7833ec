"""The bar that a person sees while something long goes on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.filesize import decimal
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from recollect.cli.shell import Shell


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        messages, elapsed = task.fields["messages"], task.elapsed or 0
        rate = f" · {messages / elapsed:,.0f}/s" if elapsed > 0.5 else ""
        return Text(f"{messages:,} messages{rate}", style="cyan")


class _Amount(ProgressColumn):
    def render(self, task: Task) -> Text:
        if not task.fields["bytes"]:
            return Text()
        done = decimal(int(task.completed))
        return Text(done if task.total is None else f"{done} of {decimal(int(task.total))}", style="dim")


class Bar:
    """How far it is.

    Parameters
    ----------
    update: takes what is done (in the unit of the total) and the messages so far.
    """

    def __init__(self, progress: Progress | None, task: int) -> None:
        self._progress = progress
        self._task = task
        self._next = 0.0

    def update(self, completed: int, messages: int) -> None:
        """Show it, at most ten times a second."""
        if self._progress is None or (now := time.monotonic()) < self._next:
            return
        self._next = now + 0.1
        self._progress.update(self._task, completed=completed, messages=messages)  # type: ignore[arg-type]


@contextmanager
def bar(shell: Shell, what: str, total: int | None, *, bytes: bool) -> Iterator[Bar]:
    """A progress bar on standard error where that is a terminal; nothing elsewhere. It leaves no trace."""
    if not shell.err.is_terminal:
        yield Bar(None, 0)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=None if shell.err.width < 100 else 40),
        _Amount(),
        _Rate(),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=shell.err, transient=True, expand=shell.err.width < 100) as progress:
        task = progress.add_task(what, total=total, messages=0, bytes=bytes)
        yield Bar(progress, task)
