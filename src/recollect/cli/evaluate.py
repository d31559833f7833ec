"""``eval recall`` and ``reindex``: how well recall finds, and what it finds by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any, NamedTuple

import typer
from rich.table import Table

from recollect import Recollect
from recollect.cli.command import command
from recollect.cli.eval_data import Corpus, read, recall_at
from recollect.cli.listing import plain_table
from recollect.cli.progress import bar
from recollect.cli.shell import Shell

DEPTHS = (5, 10, 50)

_eval = typer.Typer(help="Measure on data sets.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(_eval, name="eval")
    command(_eval, name="recall")(recall)
    command(app)(reindex)


class Row(NamedTuple):
    """A line of the table: how many questions, and the mean recall at each of `DEPTHS`, in percent."""

    data: str
    category: str
    questions: int
    recall: tuple[float, ...]

    def to_dict(self) -> dict[str, Any]:
        """The line as JSON-able data."""
        shares = {f"recall_at_{depth}": round(share, 2) for depth, share in zip(DEPTHS, self.recall, strict=True)}
        return {"data": self.data, "category": self.category, "questions": self.questions, **shares}


def recall(
    shell: Shell,
    data: Annotated[Path, typer.Argument(metavar="DATA", help="A folder with locomo/, korean/, memorybank/ in it.")],
    digit: Annotated[
        int, typer.Option("--digit", min=0, max=9, metavar="N", help="Of KorQuAD's questions those that end in it.")
    ] = 0,
) -> None:
    """Measure recall: how much of the evidence is among the first 5, 10 and 50 hits.

    Each conversation is written into a tenant of its own, asked, and removed again. Without a store it is an SQLite
    database in memory. With an embedder set (RECOLLECT_EMBED_MODEL) its vectors are made first.
    """
    try:
        sets = read(data, korquad_digit=digit)
    except FileNotFoundError as error:
        shell.fail(str(error))
    shell.told_url = shell.url or "sqlite://"
    total = sum(len(corpus.questions) for corpora in sets.values() for corpus in corpora)
    rows: list[Row] = []
    with shell.memory() as memory, bar(shell, "Asking", total, bytes=False) as progress:
        done = 0
        for name, corpora in sets.items():
            outcomes: list[tuple[str, tuple[float, ...]]] = []
            for outcome in (found for corpus in corpora for found in measured(memory, corpus)):
                outcomes.append(outcome)
                done += 1
                progress.update(done, done)
            rows += summed(name, outcomes)
    if shell.json:
        for row in rows:
            shell.emit(row.to_dict())
        return
    shell.say(_table(rows))


def measured(memory: Recollect, corpus: Corpus) -> Iterator[tuple[str, tuple[float, ...]]]:
    """The category of each question of a corpus, and its recall at each depth in percent."""
    tenant = memory.in_scope(f"eval {corpus.name}")
    user = corpus.messages[0]["user"]
    tenant.user(user).forget()
    try:
        tenant.import_lines(corpus.messages)
        for question in corpus.questions:
            hits = tenant.user(user).recall(question.text, limit=DEPTHS[-1])
            found = [hit.item.id for hit in hits]
            yield question.category, tuple(100 * recall_at(found, question.gold, depth) for depth in DEPTHS)
    finally:
        tenant.user(user).forget()


def summed(name: str, outcomes: Sequence[tuple[str, tuple[float, ...]]]) -> Iterator[Row]:
    """A row for all questions of a data set, and one for each category."""
    for category in ("", *sorted({category for category, _ in outcomes} - {""})):
        some = [shares for own, shares in outcomes if category in ("", own)]
        yield Row(name, category, len(some), tuple(fmean(column) for column in zip(*some, strict=True)))


def _table(rows: Sequence[Row]) -> Table:
    table = plain_table()
    table.add_column("data")
    table.add_column("questions", justify="right")
    for depth in DEPTHS:
        table.add_column(f"R@{depth}", justify="right")
    for row in rows:
        name = f"  {row.category}" if row.category else row.data
        style = "" if row.category else "bold"
        table.add_row(name, f"{row.questions:,}", *(f"{share:.1f}" for share in row.recall), style=style)
    return table


def reindex(shell: Shell) -> None:
    """Make anew what search goes by: the index of words of another version, and missing vectors.

    Vectors are made when an embedder is set (RECOLLECT_EMBED_MODEL, RECOLLECT_EMBED_BASE_URL), for what has none of
    its model. Everything else goes on meanwhile; broken off, it can be begun again.
    """
    with shell.memory(make=False) as memory:
        total = memory.stats().messages
        with bar(shell, "Reindexing", total, bytes=False) as progress:
            done = memory.reindex(lambda _, count: progress.update(count, count)).to_dict()
    if shell.json:
        shell.emit(done)
    else:
        shell.line(f"Index: {done['messages']:,} messages. Vectors: {done['vectors']:,} made.")
