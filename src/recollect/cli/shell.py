"""What a command works with: the memory it opens, how it speaks to people and to machines, how it fails."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from shlex import quote
from typing import Any, BinaryIO, NoReturn
from urllib.parse import unquote

import typer
from rich.console import Console, RenderableType
from rich.text import Text

from recollect import ConfigError, Embedder, Recollect, Store, connect, embedder_from_settings
from recollect.cli.config import setting
from recollect.cli.text import clean, one_line, without_password

WIDE = 10_000
"""Columns of an output that is no terminal: nothing is cut or wrapped for `grep` and `cut`."""


class _Console(Console):
    def on_broken_pipe(self) -> NoReturn:
        raise BrokenPipeError


class Shell:
    """One run of a command.

    Parameters
    ----------
    url: the store, or None for the default. scope: the tenant.
    json: for machines: JSON on standard output and nothing else. debug: let tracebacks through.
    """

    def __init__(
        self, *, url: str | None = None, scope: str = "default", json: bool = False, debug: bool = False
    ) -> None:
        self.told_url = url
        self.scope = scope
        self.json = json
        self.debug = debug
        self.out = _console(sys.stdout)
        self.err = _console(sys.stderr)

    @property
    def url(self) -> str | None:
        """The store's URL as it was told or configured; None for the default."""
        return self.told_url or setting("url")

    @contextmanager
    def memory(self, *, make: bool = True) -> Iterator[Recollect]:
        """The store, opened. Without `make` a database that is not there is not made: it is as an empty one."""
        with Recollect(self.store(make=make), scope=self.scope, embedder=self._embedder()) as memory:
            yield memory

    def _embedder(self) -> Embedder | None:
        try:
            return embedder_from_settings(setting("embed_base_url"), setting("embed_model"), setting("embed_api_key"))
        except ConfigError as error:
            self.wrong_usage(str(error))

    def store(self, *, make: bool = True) -> Store:
        """The store, not yet opened. A URL that cannot be is wrong usage."""
        url = self.url
        try:
            store = connect(url)
        except ConfigError as error:
            self.wrong_usage(str(error))
        path = database_file(store)
        if not make and path is not None and _can_be_made(path) and "mode=" not in (url or ""):
            self.note(f"there is no database at {path} yet")
            return connect("memory://")
        return store

    def again(self, *words: str) -> str:
        """A command line for the user to type, on the same store as this one; a password is for the user to put in."""
        shown = ["recollect", *words]
        if self.told_url not in (None, os.environ.get("RECOLLECT_URL")):
            shown += ["--url", without_password(self.told_url)]
        if self.scope != "default":
            shown += ["--scope", self.scope]
        return clean(" ".join(map(quote, shown)))

    def emit(self, value: Any) -> None:
        """One JSON document on a line of standard output."""
        data = json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8", "backslashreplace")
        sys.stdout.buffer.write(data + b"\n")

    def binary_out(self) -> BinaryIO:
        """Standard output for bytes."""
        sys.stdout.flush()
        return sys.stdout.buffer

    def say(self, what: RenderableType) -> None:
        """A table for people, on standard output."""
        if self.out.is_terminal:
            self.out.print(what)
            return
        with self.out.capture() as captured:
            self.out.print(what)
        for line in captured.get().splitlines():
            self.line(line.rstrip())

    def line(self, text: str, style: str = "") -> None:
        """A line of text for people, never broken by us: the terminal may."""
        self.out.print(Text(text, style=style), soft_wrap=True)

    def working(self, what: str) -> AbstractContextManager[object]:
        """A sign of life at a terminal while something takes long; nothing elsewhere."""
        if not self.err.is_terminal:
            return nullcontext()
        return self.err.status(Text(what, style="dim"), spinner="dots")

    def note(self, text: str) -> None:
        """A remark beside the result, on standard error."""
        self.err.print(Text(clean(text), style="dim"), soft_wrap=True)

    def warn(self, text: str) -> None:
        """Something that went wrong, while the command goes on."""
        self.err.print(Text(clean(text), style="yellow"), soft_wrap=True)

    def complain(self, text: str) -> None:
        """The line that says why the command failed."""
        self.err.print(Text.assemble(("error: ", "bold red"), one_line(text)), soft_wrap=True)

    def fail(self, text: str) -> NoReturn:
        """End the command: it failed."""
        self.complain(text)
        raise typer.Exit(1)

    def wrong_usage(self, text: str) -> NoReturn:
        """End the command: it was called wrongly."""
        self.complain(text)
        raise typer.Exit(2)


def database_file(store: Store) -> Path | None:
    """The file of an SQLite store; None where the store is no file."""
    if store.kind != "sqlite":
        return None
    path = unquote(store.url.removeprefix("sqlite://").partition("?")[0]).removeprefix("/")
    return Path(path) if path else None


def _can_be_made(path: Path) -> bool:
    return not path.exists() and path.absolute().parent.is_dir()


def _console(stream: Any) -> Console:
    console = _Console(file=stream, highlight=False, markup=False, emoji=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = WIDE
    return console
