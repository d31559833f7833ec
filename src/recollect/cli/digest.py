"""``digest``: memories drawn from what users have said."""

from __future__ import annotations

import sys
import time
from typing import Annotated

import typer
from rich.table import Table

from recollect import ConfigError, DigestReport, Extractor, Recollect, RuleExtractor
from recollect.cli.command import command
from recollect.cli.config import setting
from recollect.cli.progress import bar
from recollect.cli.shell import Shell
from recollect.cli.text import count

EVERY = 1.0
"""Seconds between two looks with ``--follow``."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app)(digest)


def digest(
    shell: Shell,
    by: Annotated[
        str | None,
        typer.Option(
            "--by",
            envvar="RECOLLECT_DIGEST",
            metavar="WHO",
            help="rules, which need no model, or model: the configured chat model.",
        ),
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Try what was set aside once more.")] = False,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is said meanwhile.")] = False,
) -> None:
    """Draw memories from what users have said since the last digest.

    Each message is read once, however often this runs and on how many machines. What was stopped goes on where it was.
    """
    extractor = _extractor(shell, by or setting("digest") or "rules")
    with shell.memory(make=False) as memory:
        report = _once(shell, memory, extractor, again)
        _tell(shell, report)
        while follow:
            sys.stdout.flush()
            time.sleep(EVERY)
            report = _once(shell, memory, extractor, False)
            if any(report.to_dict().values()):
                _tell(shell, report)


def _once(shell: Shell, memory: Recollect, extractor: Extractor, again: bool) -> DigestReport:
    with bar(shell, "Digesting", None, bytes=False) as progress:
        return memory.digest(
            extractor, again=again, progress=lambda report: progress.update(report.sessions, report.messages)
        )


def _tell(shell: Shell, report: DigestReport) -> None:
    if shell.json:
        shell.emit(report.to_dict())
        return
    if not any(report.to_dict().values()):
        shell.line("Nothing new was said.")
        return
    shell.line(f"Read {count(report.messages, 'message')} of {count(report.sessions, 'session')}.")
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column()
    table.add_column(justify="right")
    for name in ("new", "superseding", "known"):
        table.add_row(name, f"{getattr(report, name):,}")
    shell.say(table)
    if report.aside:
        shell.warn(
            f"{count(report.aside, 'message')} set aside: {shell.again('digest', '--again')} tries them once more"
        )


def _extractor(shell: Shell, by: str) -> Extractor:
    wanted = by.lower()
    if wanted in ("rules", "off"):  # off is the server's word for doing nothing by itself
        return RuleExtractor()
    if wanted != "model":
        shell.wrong_usage(f"--by is rules or model, not {by!r}")
    model = setting("llm_model")
    if not model:
        shell.wrong_usage("--by model needs a chat model: set RECOLLECT_LLM_MODEL")
    from recollect.llm import openai_extractor

    try:
        return openai_extractor(model, base_url=setting("llm_base_url"), api_key=setting("llm_api_key"))
    except ConfigError as error:
        shell.wrong_usage(str(error))
