"""``chat``: a conversation in the terminal."""

from __future__ import annotations

import asyncio
import getpass
import sys
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from recollect import AsyncRecollect, ConfigError, RecollectError
from recollect.cli import options
from recollect.cli.command import command
from recollect.cli.config import setting
from recollect.cli.lines import piped
from recollect.cli.shell import Shell

if TYPE_CHECKING:
    from recollect.cli.conversation import Conversation
    from recollect.llm import ChatModel

N = TypeVar("N", int, float)
MODEL_PANEL = "Chat model"
MAX_CONTEXT_TOKENS = 4000


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app)(chat)


def chat(
    shell: Shell,
    session: Annotated[
        str | None,
        typer.Option(
            "--session",
            "-s",
            metavar="ID",
            help="Go on in this session, or begin it.",
            autocompletion=options.session_ids,
        ),
    ] = None,
    latest: Annotated[bool, typer.Option("--continue", "-c", help="Go on in your latest session.")] = False,
    user: Annotated[
        str | None,
        typer.Option(
            "--user",
            "-u",
            envvar="RECOLLECT_USER",
            metavar="ID",
            help="Who you are.",
            show_default="the session's own user, or your login name",
        ),
    ] = None,
    message: Annotated[
        str | None,
        typer.Option("--message", "-m", metavar="TEXT", help="Say one thing and leave; - is all of standard input."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            envvar="RECOLLECT_LLM_MODEL",
            metavar="NAME",
            help="The chat model. Without one the answers are quotations from memory.",
            rich_help_panel=MODEL_PANEL,
        ),
    ] = None,
    base_url: Annotated[
        str | None,
        typer.Option(
            envvar="RECOLLECT_LLM_BASE_URL",
            metavar="URL",
            help="An OpenAI-compatible endpoint, as http://localhost:11434/v1.",
            rich_help_panel=MODEL_PANEL,
        ),
    ] = None,
    api_key: Annotated[
        str | None,
        typer.Option(
            envvar="RECOLLECT_LLM_API_KEY",
            metavar="KEY",
            help="Its key; better in the environment, where no other user of the machine sees it.",
            rich_help_panel=MODEL_PANEL,
        ),
    ] = None,
    max_context_tokens: Annotated[
        int | None,
        typer.Option(
            envvar="RECOLLECT_MAX_CONTEXT_TOKENS",
            min=1,
            metavar="N",
            help=f"The budget of the context of an answer ({MAX_CONTEXT_TOKENS}).",
            rich_help_panel=MODEL_PANEL,
        ),
    ] = None,
) -> None:
    """Talk, with a memory that lasts.

    At a terminal this is a conversation (/help shows its commands). Otherwise every line of standard input is a
    message; with --json every answer is a line of JSON.
    """
    if session is not None and latest:
        shell.wrong_usage("--session and --continue: one of them")
    from recollect.cli.conversation import Conversation, opened
    from recollect.llm import from_settings

    chosen = from_settings(
        base_url or setting("llm_base_url"), model or setting("llm_model"), api_key or setting("llm_api_key")
    )
    budget = max_context_tokens or _number("max_context_tokens", int) or MAX_CONTEXT_TOKENS
    memory = AsyncRecollect(
        shell.store(),
        scope=shell.scope,
        ttl=_number("ttl", float),
        sliding=str(setting("sliding")).lower() in ("1", "true", "yes", "on"),
    )
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        turns = runner.run(stack.enter_async_context(opened(memory, chosen, budget)))
        try:
            talk = Conversation(turns, user_id=user or login_name(), only=user is not None)
            if latest:
                session = _latest(shell, runner, talk)
            if session is not None:
                runner.run(talk.open(session))
            _converse(shell, runner, talk, message, _described(chosen), resumed=session is not None)
        finally:
            runner.run(stack.aclose())


def _number(name: str, kind: Callable[[Any], N]) -> N | None:
    given = setting(name)
    try:
        return None if given is None else kind(given)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"RECOLLECT_{name.upper()} is a number, not {given!r}") from error


def login_name() -> str:
    """The user of a conversation in a terminal: whoever is logged in."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "me"


def _latest(shell: Shell, runner: asyncio.Runner, talk: Conversation) -> str:
    found = runner.run(talk.sessions(1))
    if not found.items:
        shell.fail(f"user {talk.user_id!r} has no session yet: leave --continue out to begin one")
    return str(found[0].id)


def _described(model: ChatModel | None) -> str:
    if model is None:
        return "no model: answers are quoted from memory"
    return model.name if model.base_url is None else f"{model.name} at {model.base_url}"


def _converse(
    shell: Shell, runner: asyncio.Runner, talk: Conversation, message: str | None, model: str, *, resumed: bool
) -> None:
    """By turns at a terminal; otherwise an answer for the one message, or for each line of standard input."""
    if message is None and not shell.json and sys.stdin.isatty() and shell.out.is_terminal:
        from recollect.cli.talk import Talk

        Talk(shell, runner, talk, model).run(resumed=resumed)
    else:
        said = [sys.stdin.read() if message == "-" else message] if message is not None else piped()
        _answer_all(shell, runner, talk, said)


def _answer_all(shell: Shell, runner: asyncio.Runner, talk: Conversation, said: Iterable[str]) -> None:
    """One answer for each message. A failing one is reported and the next is asked."""
    from recollect.cli.flow import Flow

    failed = False
    for number, message in enumerate(said):
        flow = Flow(sys.stdout, width=None)
        if number and not shell.json:
            sys.stdout.write("\n")
        try:
            turn = runner.run(talk.turn(message, _nothing if shell.json else flow.write))
        except RecollectError as error:
            if shell.debug:
                raise
            failed = True
            flow.finish()
            shell.complain(str(error))
            if shell.json:
                shell.emit({"session_id": talk.session_id, "message": message, "error": str(error)})
            continue
        flow.finish()
        if shell.json:
            shell.emit(turn.to_dict())
    if failed:
        raise typer.Exit(1)


def _nothing(_: str) -> None:
    pass
