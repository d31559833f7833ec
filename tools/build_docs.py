"""Write the reference pages, ``docs/reference/*.md``, from the code: docstrings, commands, the OpenAPI schema, settings.

    python tools/build_docs.py            # write them
    python tools/build_docs.py --check    # say which are not fresh, and fail

``docs/reference/promises.md`` is not made here: the conformance kit writes it.
"""

from __future__ import annotations

import argparse
import difflib
import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "docs" / "reference"

for _name in [name for name in os.environ if name.startswith("RECOLLECT_")]:
    del os.environ[_name]  # defaults are shown, not what happens to be set here

from docs_http import http  # noqa: E402
from docs_text import Table, code, constructor, handle, heading, markdown, methods, page, record, signature, table, tick  # noqa: E402

import recollect  # noqa: E402
from recollect import errors  # noqa: E402

RECORDS = (
    "Message", "Part", "Session", "Summary", "Preferences", "Memory", "Document", "Hit", "Page", "Context", "Section",
    "Dropped", "Stats", "Spread", "Receipt", "Swept", "Change", "Appended", "ImportReport", "LineError", "Reindexed",
    "Buffered", "Refused", "Delivered", "Passage", "SummaryTask", "Summarized", "ExtractionTask",
    "Said", "Statement", "DigestReport", "Suggestion", "Capabilities",
)  # fmt: skip
FUNCTIONS = (
    "connect", "estimate_tokens", "tiktoken_counter", "merge_patch", "highlights", "embedder_from_settings",
)  # fmt: skip
CLIENTS = ("Recollect", "SessionHandle", "UserHandle", "NamespaceHandle", "UserPreferences")
TWINS = (
    "AsyncRecollect", "AsyncSessionHandle", "AsyncUserHandle", "AsyncNamespaceHandle", "AsyncUserPreferences",
)  # fmt: skip
PROTOCOLS = (
    "Embedder",
    "OpenAIEmbedder",
    "LocalEmbedder",
    "Summarizer",
    "ExtractiveSummarizer",
    "Extractor",
    "RuleExtractor",
)
OTHERS = ("TokenCounter", "Store", "UNSET", "Unset", "__version__")


def python() -> str:
    """The names of `recollect`."""
    raised = {name for name in recollect.__all__ if name in vars(errors)}
    described = {*RECORDS, *FUNCTIONS, *CLIENTS, *TWINS, *PROTOCOLS, *OTHERS, *raised}
    forgotten = set(recollect.__all__) ^ described
    if forgotten:
        raise SystemExit(f"tools/build_docs.py: put these into a list of it: {', '.join(sorted(forgotten))}")
    from recollect.adapters.conversation import ConversationMemoryService

    client, *handles = (getattr(recollect, name) for name in CLIENTS)
    pairs = "\n".join(f"* `{twin}` is `{name}`" for twin, name in zip(TWINS, CLIENTS, strict=True))
    return page(
        "Python",
        "Everything here is imported from `recollect`. [Errors](errors.md) have a page of their own.",
        heading(client),
        methods(client),
        *(f"{handle(cls)}\n\n{methods(cls)}" for cls in handles),
        "## Async\n\nThe same classes with the same methods, which are awaited; `export_lines` is iterated with `async for`."
        f" See [From async code](../how-to/async.md).\n\n{pairs}",
        "## Embedders and summarizers\n\nWhat can be plugged in; none is needed.",
        *(_plugged(getattr(recollect, name)) for name in PROTOCOLS),
        "## Records\n\nFrozen; `replace(...)` makes a changed copy, `to_dict()` JSON-able data.",
        *(record(getattr(recollect, name)) for name in RECORDS),
        "## Functions and constants",
        *(_function(getattr(recollect, name)) for name in FUNCTIONS),
        _counter(),
        f"### UNSET\n\n{markdown('An argument that was not given, where None has a meaning of its own: `update(title=None)` removes the title.')}",
        "### Store\n\nWhat a store is, for those who write one: [Write a store](../how-to/write-a-store.md).",
        f"{heading(ConversationMemoryService)}\n\n`from recollect.adapters.conversation import ConversationMemoryService`;"
        " [how to use it](../how-to/conversation-service.md).",
        methods(ConversationMemoryService),
    )


def _plugged(cls: type) -> str:
    made = inspect.isfunction(cls.__init__) and not getattr(cls, "_is_protocol", False)  # type: ignore[misc]
    return f"{heading(cls) if made else handle(cls)}\n\n{methods(cls)}"


def _function(function: Callable[..., Any]) -> str:
    return f"### {function.__name__}\n\n{code(signature(function))}\n\n{markdown(function.__doc__)}"


def _counter() -> str:
    cls = recollect.TokenCounter
    call = cls.__dict__.get("__call__")
    shown = f"\n\n{code(signature(call, method=True))}" if inspect.isfunction(call) else ""
    return f"### TokenCounter{shown}\n\n{markdown(cls.__doc__) or 'Anything that counts the tokens of a text.'}"


# -- errors ------------------------------------------------------------------------------------------------------------


def error_page() -> str:
    """The tree of errors, and what each becomes at the edges."""
    from recollect.llm import ModelError, TurnError
    from recollect.server.problems import body_of_error

    classes = [
        cls for cls in vars(errors).values() if inspect.isclass(cls) and issubclass(cls, recollect.RecollectError)
    ]
    rows: Table = []
    for cls in classes[1:]:
        if cls in (recollect.CorruptRecord, recollect.ConfigError):
            rows.append((tick(cls.__name__), "500", tick("urn:recollect:problem:internal"), "", "1"))
            continue
        body, wait = body_of_error({}, cls("x"))
        rows.append(
            (
                tick(cls.__name__),
                str(body["status"]),
                tick(body["type"]),
                "yes" if wait else "",
                "2" if cls is recollect.InvalidInput else "1",
            )
        )
    for shown, error in (
        ("`ModelError`, may pass", ModelError("x")),
        ("`ModelError`", ModelError("x", retryable=False)),
    ):
        body, wait = body_of_error({}, error)
        rows.append((shown, str(body["status"]), tick(body["type"]), "yes" if wait else "", "1"))
    parts = [f"## {cls.__name__}\n\n{_constructor(cls)}{markdown(cls.__doc__)}" for cls in classes]
    models = [
        f"## {cls.__name__}\n\n`from recollect.llm import {cls.__name__}`\n\n{markdown(cls.__doc__)}"
        for cls in (ModelError, TurnError)
    ]
    return page(
        "Errors",
        markdown(errors.__doc__),
        "## At the edges\n\nWhat an error is over HTTP (`application/problem+json`, [RFC 9457 form](http.md#problem)) and as the"
        " exit code of a command. `Retry-After`: the response says when to ask again.\n\n"
        + table(("error", "status", "type", "Retry-After", "exit code"), rows)
        + "\n\nExit code 2 is also wrong usage of a command, 130 an interruption (Ctrl-C).",
        *parts,
        *models,
    )


def _constructor(cls: type) -> str:
    if "__init__" not in vars(cls):
        return ""
    return constructor(cls) + "\n\n"


# -- command line ------------------------------------------------------------------------------------------------------


def command_line() -> str:
    """Typer's commands."""
    import typer

    from recollect.cli.app import app

    group: Any = typer.main.get_command(app)
    shared = {"url", "scope", "json", "debug"}
    parts = []
    everywhere: dict[str, Any] = {}
    commands = [
        (f"{name} {below}".strip(), command)
        for name, found in group.commands.items()
        for below, command in getattr(found, "commands", {"": found}).items()
    ]
    for name, command in commands:
        options: Table = []
        arguments: Table = []
        usage = [f"recollect {name}"]
        for parameter in command.params:
            if parameter.name in shared:
                everywhere.setdefault(parameter.name, parameter)
            elif parameter.opts[0].startswith("-"):
                options.append(_option(parameter))
            else:
                shown = parameter.metavar or parameter.name.upper()
                many = parameter.nargs == -1
                usage.append(f"{shown}{'...' if many else ''}" if parameter.required else f"[{shown}]")
                arguments.append((tick(shown), parameter.help or ""))
        if options:
            usage.insert(1, "[OPTIONS]")
        without = sorted(shared - {parameter.name for parameter in command.params})
        parts += [
            f"## {name}",
            code(" ".join(usage), "text"),
            markdown(command.help),
            table(("argument", "meaning"), arguments) if arguments else "",
            table(("option", "meaning", "default", "variable"), options) if options else "",
            f"It has no `--{'`, `--'.join(without)}`." if without else "",
        ]
    return page(
        "Command line",
        f'`recollect COMMAND`. {group.help} It comes with `pip install "recollect[cli]"`, and with `recollect[server]`.',
        "Commands: " + ", ".join(f"[{name}](#{name.replace(' ', '-')})" for name, _ in commands) + ".",
        "## Every command\n\n"
        + table(("option", "meaning", "default", "variable"), [_option(p) for p in everywhere.values()])
        + "\n\nExit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted. Results go to standard output, everything else to"
        " standard error. Settings can also stand in `recollect.toml`: [configuration](configuration.md).\n\n"
        "`recollect --install-completion` sets up completion in your shell; `recollect --version` shows the version.",
        *parts,
    )


def _option(parameter: Any) -> tuple[str, ...]:
    value = "" if parameter.is_flag else f" {parameter.metavar or 'TEXT'}"
    spelled = ", ".join(f"`{word}{value}`" for word in parameter.opts)
    default = parameter.default
    if isinstance(parameter.show_default, str):
        shown = parameter.show_default
    else:
        shown = "" if default in (None, False, "") else tick(getattr(default, "value", default))
    return spelled, parameter.help or "", shown, tick(parameter.envvar)


# -- configuration -----------------------------------------------------------------------------------------------------


def configuration() -> str:
    """The settings."""
    from pydantic import SecretStr

    from recollect.settings import Settings

    rows: Table = []
    for name, field in Settings.model_fields.items():
        default = field.default
        empty = default is None or default == () or isinstance(default, SecretStr)
        shown = "" if empty else tick(str(default).lower() if isinstance(default, bool) else default)
        option = "`--url`" if name == "url" else f"`--{name.replace('_', '-')}`"
        rows.append((f"`{name}`", f"`RECOLLECT_{name.upper()}`", option, shown, field.description or ""))
    return page(
        "Configuration",
        "A setting has one name and three places: an option of `recollect serve`, a variable of the environment, a key of"
        " `recollect.toml` (in the current folder, or the file that `--config` or `RECOLLECT_CONFIG` names). The option goes"
        " before the variable, the variable before the file.",
        table(("key", "variable", "option of `serve`", "default", "meaning"), rows),
        "With `embed_model`, recall goes by vectors too: [an embedder](../how-to/memories-and-documents.md#an-embedder).",
        "A file:\n\n"
        + code(
            'url = "sqlite:////var/lib/recollect/recollect.db"\n'
            'llm_base_url = "http://localhost:11434/v1"\n'
            'llm_model = "llama3.2"\n'
            "max_context_tokens = 8000\n"
            "ttl = 7_776_000    # ninety days\n"
            "sliding = true",
            "toml",
        ),
        "A key that is not in the table is an error, and so is a value that cannot be; both are named. Keep secrets"
        " (`api_keys`, `llm_api_key`) in the environment: arguments of a process can be read by others on the machine.",
        "The library reads one variable: `RECOLLECT_URL`, where `Recollect()` is called without a store. The other commands read"
        " the URL, the chat model's settings, `ttl`, `sliding` and `max_context_tokens` from the same places, and"
        " `RECOLLECT_USER`, who you are in `recollect chat` (your login name when it is not set).",
        "The options of a store stand in its URL: [SQLite](../stores/sqlite.md#the-url),"
        " [PostgreSQL](../stores/postgres.md#the-url), [Redis](../stores/redis.md#the-url),"
        " [DynamoDB](../stores/dynamodb.md#url), [memory](../stores/memory.md).",
    )


# -- the command -------------------------------------------------------------------------------------------------------

PAGES: dict[str, Callable[[], str]] = {
    "python.md": python,
    "cli.md": command_line,
    "http.md": http,
    "configuration.md": configuration,
    "errors.md": error_page,
}


def main() -> int:
    """Write or check the pages."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a page is not fresh")
    check = parser.parse_args().check
    stale = 0
    for name, make in PAGES.items():
        path = REFERENCE / name
        text = make()
        before = path.read_text("utf-8") if path.exists() else ""
        if text == before:
            continue
        stale += 1
        if check:
            difference = difflib.unified_diff(
                before.splitlines(), text.splitlines(), f"{name} (there)", name, n=1, lineterm=""
            )
            print("\n".join(list(difference)[:40]))
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
            print(f"wrote {path.relative_to(ROOT)}")
    if check and stale:
        print("Run `make docs` to write them anew.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
