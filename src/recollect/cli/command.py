"""How a function becomes a command: the options all share, and the one place where errors become exit codes."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Concatenate, ParamSpec

import typer

from recollect import InvalidInput, RecollectError
from recollect.cli.shell import Shell

P = ParamSpec("P")
PANEL = "Every command"

INTERRUPTED = 130
"""128 + SIGINT, as a shell reports it."""

BROKEN_PIPE = 141
"""128 + SIGPIPE: what `head` does to any other program."""

_Url = Annotated[
    str | None,
    typer.Option(
        "--url",
        envvar="RECOLLECT_URL",
        metavar="URL",
        help="The store: sqlite:///file.db, sqlite:////absolute/file.db, memory://; sqlite:///recollect.db if not given.",
        rich_help_panel=PANEL,
    ),
]
_Scope = Annotated[str, typer.Option("--scope", metavar="NAME", help="The tenant to work in.", rich_help_panel=PANEL)]
_Json = Annotated[
    bool,
    typer.Option("--json", help="For machines: JSON on standard output, nothing else.", rich_help_panel=PANEL),
]
_Debug = Annotated[
    bool, typer.Option("--debug", help="Show where an error came from (traceback).", rich_help_panel=PANEL)
]


def _parameter(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


_SHARED = (
    _parameter("url", _Url, None),
    _parameter("scope", _Scope, "default"),
    _parameter("json", _Json, False),
    _parameter("debug", _Debug, False),
)


def command(
    app: typer.Typer, *, without: Collection[str] = (), **settings: Any
) -> Callable[[Callable[Concatenate[Shell, P], None]], Callable[Concatenate[Shell, P], None]]:
    """Make a command of a function whose first parameter is a `Shell`; its docstring is the help.

    ``--url``, ``--scope``, ``--json`` and ``--debug`` are added to what the function takes, and go into the shell;
    `without` leaves out some of them.
    """
    shared = [parameter for parameter in _SHARED if parameter.name not in without]

    def register(function: Callable[Concatenate[Shell, P], None]) -> Callable[Concatenate[Shell, P], None]:
        def run(**given: Any) -> None:
            shell = Shell(**{parameter.name: given.pop(parameter.name) for parameter in shared})
            with failures(shell):
                function(shell, **given)  # type: ignore[call-arg]
                sys.stdout.flush()

        _, *own = inspect.signature(function, eval_str=True).parameters.values()
        own = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
        run.__name__ = function.__name__
        paragraphs = (function.__doc__ or "").split("\n\n")
        run.__doc__ = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
        run.__signature__ = inspect.Signature([*own, *shared])  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in (*own, *shared)}
        app.command(**settings)(run)
        return function

    return register


@contextmanager
def failures(shell: Shell) -> Iterator[None]:
    """Turn whatever ends a command into one line and an exit code."""
    try:
        yield
    except (typer.Exit, typer.Abort, typer.BadParameter):
        raise
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    except BrokenPipeError:
        _drop_output()
        raise typer.Exit(BROKEN_PIPE) from None
    except Exception as error:
        if shell.debug:
            raise
        if isinstance(error, RecollectError):
            shell.complain(str(error))
        elif isinstance(error, OSError):
            shell.complain(reason(error))
        else:
            shell.complain(f"unexpected {type(error).__name__}: {error} (--debug shows where; please report it)")
        raise typer.Exit(2 if isinstance(error, InvalidInput) else 1) from None


def reason(error: OSError) -> str:
    """What went wrong with which file, in words."""
    text = error.strerror or str(error) or type(error).__name__
    return f"{error.filename}: {text}" if error.filename else text


def _drop_output() -> None:
    """Nobody reads standard output any more: what is left in its buffer must not fail when Python ends."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        pass
