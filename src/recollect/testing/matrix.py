"""A pytest plugin: a run of the suites ends in a table, store by promise, which can be written into a page.

Registered by a ``conftest.py``: ``pytest_plugins = ["recollect.testing.matrix"]``.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from rich.console import Console
from rich.table import Table

from recollect.testing.suite import Suite

OPTION = "--promises-matrix"
PROPERTY = "recollect"
MATRIX = ("<!-- promises:matrix -->", "<!-- /promises:matrix -->")
SENTENCES = ("<!-- promises:sentences -->", "<!-- /promises:sentences -->")
_PAGE = f"# What every store promises\n\n{MATRIX[0]}\n{MATRIX[1]}\n\n{SENTENCES[0]}\n{SENTENCES[1]}\n"


class Tally(NamedTuple):
    """How the tests of one promise ended on one store."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __str__(self) -> str:
        parts = [f"{self.passed} passed"] if self.passed else []
        parts += [f"{self.failed} FAILED"] if self.failed else []
        parts += [f"{self.skipped} skipped"] if self.skipped else []
        return ", ".join(parts) or "-"


class Matrix:
    """Counts outcomes by store and promise, in the order in which they come."""

    def __init__(self) -> None:
        self.outcomes: dict[tuple[str, str], Counter[str]] = {}

    def add(self, store: str, promise: str, outcome: str) -> None:
        """Count one outcome: ``passed``, ``failed`` or ``skipped``."""
        self.outcomes.setdefault((store, promise), Counter())[outcome] += 1

    @property
    def stores(self) -> list[str]:
        """The stores that were tried."""
        return list(dict.fromkeys(store for store, _ in self.outcomes))

    @property
    def promises(self) -> list[str]:
        """The promises that were tried, in the order of the suites."""
        tried = dict.fromkeys(promise for _, promise in self.outcomes)
        known = [name for name in (suite.promise for suite in suites()) if name in tried]
        return known + [name for name in tried if name not in known]

    def tally(self, store: str, promise: str) -> Tally:
        """The counts of one cell."""
        counts = self.outcomes.get((store, promise), Counter())
        return Tally(counts["passed"], counts["failed"], counts["skipped"])

    def table(self) -> Table:
        """The matrix as a rich table: a row for each promise."""
        table = Table(title="What every store promises", title_style="bold", header_style="bold")
        table.add_column("promise")
        for store in self.stores:
            table.add_column(store, justify="right")
        for promise in self.promises:
            table.add_row(promise, *(_painted(self.tally(store, promise)) for store in self.stores))
        return table

    def markdown(self) -> str:
        """The matrix as a Markdown table."""
        lines = ["| promise | " + " | ".join(f"`{store}`" for store in self.stores) + " |"]
        lines.append("|---|" + "---:|" * len(self.stores))
        for promise in self.promises:
            lines.append(
                f"| {promise} | " + " | ".join(str(self.tally(store, promise)) for store in self.stores) + " |"
            )
        return "\n".join(lines)


def suites() -> tuple[type[Suite], ...]:
    """All suites, in the order of the page."""
    from recollect.testing.suites import SUITES

    return SUITES


def sentences() -> str:
    """Every sentence that the suites hold, by promise, as Markdown."""
    parts = []
    for suite in suites():
        tests = [test for name, test in vars(suite).items() if name.startswith("test_")]
        lines = "\n".join(f"- {' '.join((test.__doc__ or '').split())}" for test in tests)
        parts.append(f"## {suite.promise.capitalize()}\n\n{(suite.__doc__ or '').strip()}\n\n{lines}")
    return "\n\n".join(parts)


def write_page(path: Path, matrix: Matrix) -> None:
    """Write the matrix and the sentences between their markers; a page that is not there is begun.

    Raises `ValueError` if a page is there and has no markers.
    """
    text = path.read_text(encoding="utf-8") if path.exists() else _PAGE
    for (begin, end), content in ((MATRIX, matrix.markdown()), (SENTENCES, sentences())):
        before, found, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        if not found or not closed:
            raise ValueError(f"{path} has no place for it: {begin} ... {end}")
        text = f"{before}{begin}\n\n{content}\n\n{end}{after}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _painted(tally: Tally) -> str:
    if tally.failed:
        return f"[bold red]{tally}[/]"
    return f"[green]{tally}[/]" if tally.passed else f"[yellow]{tally}[/]"


_matrix = pytest.StashKey[Matrix]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option that writes the page."""
    group = parser.getgroup("recollect", "the conformance kit of Recollect")
    group.addoption(
        OPTION,
        metavar="FILE",
        type=Path,
        help="write the matrix of stores and promises, and every promise's sentences, into this Markdown page",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Begin a matrix."""
    config.stash[_matrix] = Matrix()
    config.pluginmanager.register(_Counter(config.stash[_matrix]), "recollect-matrix-counter")


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Note store and promise on every test of a suite; the note travels with its report, also between processes."""
    for item in items:
        cls = getattr(item, "cls", None)
        if cls is None or not issubclass(cls, Suite):
            continue
        name = getattr(item, "originalname", item.name)
        owner = next((base for base in cls.__mro__ if name in vars(base)), cls)
        item.user_properties.append((PROPERTY, f"{cls.name or cls.__name__}|{owner.promise or owner.__name__}"))


class _Counter:
    def __init__(self, matrix: Matrix) -> None:
        self.matrix = matrix

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call" and report.outcome == "passed":
            return
        for name, value in report.user_properties:
            if name == PROPERTY and isinstance(value, str):
                store, promise = value.rsplit("|", 1)
                self.matrix.add(store, promise, report.outcome)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Draw the matrix, and write it if asked."""
    matrix = config.stash[_matrix]
    if not matrix.outcomes:
        return
    text = io.StringIO()
    colour = terminalreporter.hasmarkup
    width = max(60, 18 + 34 * len(matrix.stores))
    Console(file=text, force_terminal=colour, no_color=not colour, width=width).print(matrix.table())
    terminalreporter.write_line("")
    terminalreporter.write(text.getvalue())
    path: Path | None = config.getoption(OPTION)
    if path is not None:
        write_page(path, matrix)
        terminalreporter.write_line(f"written: {path}")
