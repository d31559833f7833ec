"""``stats``: what is in memory, counted and drawn."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from recollect import Recollect, Spread, Stats
from recollect.cli import options
from recollect.cli.command import command
from recollect.cli.listing import nothing_yet, plain_table
from recollect.cli.shell import Shell
from recollect.cli.text import seconds, size, when
from recollect.cli.transcript import COLOURS

MOST_BARS = 31
BAR = 40
HEIGHTS = " ▁▂▃▄▅▆▇█"
BUSIEST = 3


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app)(stats)


def stats(
    shell: Shell,
    user: options.User = None,
    session: options.Session = None,
    detail: Annotated[
        bool,
        typer.Option(
            "--detail",
            "-d",
            help="Also by role, day and hour, tokens, lengths, latency: reads every message once.",
        ),
    ] = False,
) -> None:
    """Count what is in memory."""
    if user is not None and session is not None:
        shell.wrong_usage("--user and --session: one of them")
    with shell.memory(make=False) as memory:
        with shell.working("Counting …"):
            found = _figures(memory, user, session, detail)
        if shell.json:
            shell.emit(found.to_dict())
        elif not found.sessions and session is not None:
            shell.fail(f"there is no session {session!r} (recollect sessions lists them)")
        elif not found.sessions:
            nothing_yet(shell, user)
        else:
            _show(shell, found, detail)


def _figures(memory: Recollect, user: str | None, session: str | None, detail: bool) -> Stats:
    if session is not None:
        return memory.session(session).stats(detail=detail)
    if user is not None:
        return memory.user(user).stats(detail=detail)
    return memory.stats(detail=detail)


def _show(shell: Shell, found: Stats, detail: bool) -> None:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column(justify="right")
    for name, number in (("sessions", found.sessions), ("users", found.users), ("messages", found.messages)):
        table.add_row(name, f"{number:,}")
    if detail:
        table.add_row("active now", f"{found.active_sessions:,}")
        table.add_row("tokens", f"{found.tokens:,}")
        table.add_row("first message", when(found.first_message_at))
        table.add_row("last message", when(found.last_message_at))
    if found.bytes is not None:
        table.add_row("size", size(found.bytes))
    shell.say(table)
    if not detail:
        shell.note("--detail counts roles, days and tokens too")
        return
    charts = [
        spreads(found.lengths, found.latency),
        bars("role", found.messages_by_role, COLOURS, ("tokens", found.tokens_by_role)),
    ]
    if found.messages_by_day:
        name, counts = by_time(found.messages_by_day)
        daily = ("sessions", found.sessions_by_day) if name.startswith("day") else None
        charts += [bars(name, counts, {}, daily), by_hour(found.messages_by_hour)]
    for chart in charts:
        if chart is not None:
            shell.line("")
            shell.say(chart)


def spreads(lengths: Spread | None, latency: Spread | None) -> Table | None:
    """How long messages are and how long answers take."""
    if lengths is None and latency is None:
        return None
    table = plain_table()
    table.add_column("")
    for name in ("mean", "median", "95 % up to", "longest"):
        table.add_column(name, justify="right")
    if lengths is not None:
        values = (lengths.mean, lengths.median, lengths.p95, lengths.max)
        table.add_row("length, characters", *(f"{value:,.0f}" for value in values))
    if latency is not None:
        values = (latency.mean, latency.median, latency.p95, latency.max)
        table.add_row("reply after", *map(seconds, values))
    return table


def by_time(days: dict[str, int]) -> tuple[str, dict[str, int]]:
    """The counts of every day from the first to the last; of every month or year where there are too many to show."""
    first, last = date.fromisoformat(min(days)), date.fromisoformat(max(days))
    span = [(first + timedelta(days=n)).isoformat() for n in range((last - first).days + 1)]
    length, name = next(
        (length, name)
        for length, name in ((10, "day (UTC)"), (7, "month"), (4, "year"))
        if length == 4 or len({day[:length] for day in span}) <= MOST_BARS
    )
    counts = dict.fromkeys((day[:length] for day in span), 0)
    for day, number in days.items():
        counts[day[:length]] += number
    return name, counts


def bars(
    name: str, counts: dict[str, int], styles: dict[str, str], also: tuple[str, dict[str, int]] | None = None
) -> Table:
    """A small bar chart of messages, with another figure beside it."""
    table = plain_table()
    table.add_column(name)
    table.add_column("messages", justify="right")
    if also is not None:
        table.add_column(also[0], justify="right")
    table.add_column("")
    most = max(counts.values(), default=0) or 1
    for key, number in counts.items():
        eighths = max(1, round(number / most * BAR * 8)) if number else 0
        bar = "█" * (eighths // 8) + ("", *"▏▎▍▌▋▊▉")[eighths % 8]
        beside = [] if also is None else [f"{also[1].get(key, 0):,}"]
        table.add_row(key, f"{number:,}", *beside, Text(bar, style=styles.get(key, "cyan").removeprefix("bold ")))
    return table


def by_hour(hours: dict[str, int]) -> Table:
    """The day's hours as one line of columns, and the busiest of them."""
    keys = [f"{hour:02}" for hour in range(24)]
    most = max(hours.values(), default=0) or 1
    counts = [hours.get(key, 0) for key in keys]
    heights = [max(1, round(number / most * 8)) if number else 0 for number in counts]
    busiest = sorted(hours, key=lambda key: (-hours[key], key))[:BUSIEST]
    table = plain_table()
    table.add_column("hour (UTC)", style="dim")
    table.add_column("".join(f"{key}    " for key in keys[::3]).rstrip(), no_wrap=True)
    table.add_row("", Text("".join(HEIGHTS[height] * 2 for height in heights), style="cyan"))
    table.add_row("busiest", ", ".join(f"{key}:00 ({hours[key]:,})" for key in busiest))
    return table
