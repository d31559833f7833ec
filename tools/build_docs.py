"""Write the reference pages, ``docs/reference/*.md``, from the code: docstrings, commands, the OpenAPI schema, settings.

    python tools/build_docs.py            # write them
    python tools/build_docs.py --check    # say which are not fresh, and fail

``docs/reference/promises.md`` is not made here: the conformance kit writes it.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import inspect
import os
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "docs" / "reference"
NOTE = "<!-- Made by tools/build_docs.py from the code: edit the docstrings there. -->"
WIDTH = 100

for _name in [name for name in os.environ if name.startswith("RECOLLECT_")]:
    del os.environ[_name]  # defaults are shown, not what happens to be set here

import recollect  # noqa: E402
from recollect import errors  # noqa: E402

Table = list[tuple[str, ...]]


# -- text --------------------------------------------------------------------------------------------------------------


def page(title: str, *parts: str) -> str:
    """A page with its title and the note that it is generated."""
    return "\n\n".join([f"# {title}", NOTE, *(part.strip("\n") for part in parts if part.strip())]) + "\n"


def table(head: tuple[str, ...], rows: Table) -> str:
    """A Markdown table, without the columns that are empty everywhere."""
    used = [i for i in range(len(head)) if any(row[i] for row in rows)]
    lines = [[head[i] for i in used], ["---"] * len(used), *([row[i] for i in used] for row in rows)]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def code(text: str, language: str = "pyi") -> str:
    """A fenced block."""
    return f"```{language}\n{text.strip(chr(10))}\n```"


def tick(text: object) -> str:
    """Inline code; nothing for nothing."""
    return f"`{text}`" if text not in (None, "") else ""


_PARAMETER = re.compile(r"^(?P<names>[a-z_]\w*(?:, [a-z_]\w*)*|`[a-z_]+`): (?P<text>.*)$")
_SECTION = re.compile(r"^(?P<title>[A-Z][A-Za-z ]+)\n-{3,}\n", re.MULTILINE)


def markdown(docstring: str | None) -> str:
    """A docstring as Markdown: its sections as bold words with lists, its ``code`` as `code`."""
    text = inspect.cleandoc(docstring or "")
    pieces = _SECTION.split(text)
    out = [_paragraphs(pieces[0])]
    for title, body in zip(pieces[1::2], pieces[2::2], strict=True):
        listed, _, rest = body.partition("\n\n")
        if title in ("Parameters", "Attributes"):
            out.append(f"{title}:\n\n{_parameters(listed)}")
        else:
            rest, listed = body, ""
            out.append(f"**{title}**")
        out.append(_paragraphs(rest))
    return "\n\n".join(piece for piece in out if piece)


_INNER = re.compile(r"(?<=[.;]) (?=[a-z_]+(?:, [a-z_]+)*: )")


def _parameters(text: str) -> str:
    lines: list[str] = []
    for line in _INNER.sub("\n", text).splitlines():
        found = _PARAMETER.match(line)
        if found:
            names = ", ".join(f"`{name}`" for name in found["names"].strip("`").split(", "))
            lines.append(f"* {names}: {found['text']}")
        elif lines:
            lines.append(f"  {line.strip()}")
    return _plain_code("\n".join(lines))


def _paragraphs(text: str) -> str:
    """Prose; an indented stretch behind ``::`` becomes a block."""
    out = []
    for block in re.split(r"\n\n+", text.strip("\n")):
        if block.strip() == "::":
            continue
        if block and all(line.startswith("    ") for line in block.splitlines()):
            out.append(code(textwrap.dedent(block), "text"))
        else:
            out.append(_plain_code(block))
    return "\n\n".join(out)


def _plain_code(text: str) -> str:
    return re.sub(r"``(.+?)``", r"`\1`", text, flags=re.DOTALL)


# -- Python ------------------------------------------------------------------------------------------------------------


def tree(thing: Any) -> ast.AST:
    """The syntax of a class or function."""
    return ast.parse(textwrap.dedent(inspect.getsource(thing))).body[0]


def signature(function: Callable[..., Any], *, method: bool = False) -> str:
    """A signature as it stands in the source, on one line where it fits."""
    node = tree(function)
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    arguments = [_resolved(argument, function) for argument in _arguments(node.args)]
    if method:
        arguments = arguments[1:]
    head = f"{'async ' if isinstance(node, ast.AsyncFunctionDef) else ''}def {node.name}("
    result = f") -> {ast.unparse(node.returns)}" if node.returns and node.name != "__init__" else ")"
    line = f"{head}{', '.join(arguments)}{result}: ..."
    if len(line) <= WIDTH:
        return line
    return "\n".join([head, *(f"    {argument}," for argument in arguments), f"{result}: ..."])


def _resolved(argument: str, function: Callable[..., Any]) -> str:
    """With the value of a constant that is the default."""
    head, equals, name = argument.partition(" = ")
    value = getattr(function, "__globals__", {}).get(name) if name.isupper() else None
    return f"{head} = {value!r}" if equals and isinstance(value, str | int | float) else argument


def _arguments(node: ast.arguments) -> list[str]:
    plain = [*node.posonlyargs, *node.args]
    defaults = [None] * (len(plain) - len(node.defaults)) + list(node.defaults)
    out = [_argument(arg, default) for arg, default in zip(plain, defaults, strict=True)]
    if node.posonlyargs:
        out.insert(len(node.posonlyargs), "/")
    if node.vararg:
        out.append(f"*{_argument(node.vararg, None)}")
    elif node.kwonlyargs:
        out.append("*")
    out += [_argument(arg, default) for arg, default in zip(node.kwonlyargs, node.kw_defaults, strict=True)]
    if node.kwarg:
        out.append(f"**{_argument(node.kwarg, None)}")
    return out


def _argument(arg: ast.arg, default: ast.expr | None) -> str:
    typed = f"{arg.arg}: {ast.unparse(arg.annotation)}" if arg.annotation else arg.arg
    if default is None:
        return typed
    return f"{typed} = {ast.unparse(default)}" if arg.annotation else f"{typed}={ast.unparse(default)}"


def own_members(cls: type) -> Iterator[tuple[str, Any]]:
    """Public methods and properties in the order of the source, those of base classes of ours first."""
    seen = set()
    for base in reversed(cls.__mro__):
        if not base.__module__.startswith("recollect"):
            continue
        for name, member in vars(base).items():
            if not name.startswith("_") and name not in seen and (isinstance(member, property) or callable(member)):
                seen.add(name)
                yield name, getattr(cls, name) if not isinstance(member, property) else member


def methods(cls: type, level: str = "###") -> str:
    """Every public method and property of a class."""
    out = []
    for name, member in own_members(cls):
        if isinstance(member, property):
            assert member.fget is not None
            node = tree(member.fget)
            assert isinstance(node, ast.FunctionDef)
            returns = f": {ast.unparse(node.returns)}" if node.returns else ""
            out.append(f"{level} {cls.__name__}.{name}\n\n{code(f'{name}{returns}')}\n\n{markdown(member.__doc__)}")
        elif inspect.isfunction(member):
            text = f"{code(signature(member, method=True))}\n\n{markdown(member.__doc__)}"
            out.append(f"{level} {cls.__name__}.{name}\n\n{text}")
    return "\n\n".join(out)


def record(cls: type) -> str:
    """A record: its fields, what they mean, its methods in one line each."""
    fields: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if not base.__module__.startswith("recollect"):
            continue
        node = tree(base)
        assert isinstance(node, ast.ClassDef)
        for item in node.body:
            if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
                default = _default(item.value)
                text = f"{item.target.id}: {ast.unparse(item.annotation)}{default}"
                if "ClassVar" not in text:
                    fields[item.target.id] = text
    lines = [f"class {cls.__name__}:", *(f"    {text}" for text in fields.values())]
    parts = [f"### {cls.__name__}", code("\n".join(lines)) if fields else "", markdown(cls.__doc__)]
    short = []
    for name, member in own_members(cls):
        if name in fields or name == "replace" or _first(member.__doc__) == "Every field as JSON-able data.":
            continue
        if isinstance(member, property):
            short.append(f"* `{name}`: {_first(member.__doc__)}")
        elif inspect.isfunction(member) and member.__doc__:
            line = signature(member, method=True).removeprefix("def ").removesuffix(": ...")
            short.append(f"* `{' '.join(line.split())}`: {_first(member.__doc__)}")
    return "\n\n".join(part for part in [*parts, "\n".join(["It has:\n", *short] if short else [])] if part)


def _default(value: ast.expr | None) -> str:
    if value is None:
        return ""
    text = ast.unparse(value)
    made = re.fullmatch(r"field\(default_factory=(dict|list)\)", text)
    return f" = {'{}' if made and made[1] == 'dict' else '[]' if made else text}"


def _first(docstring: str | None) -> str:
    return _plain_code(" ".join(inspect.cleandoc(docstring or "").split("\n\n")[0].split()))


def heading(cls: type) -> str:
    """A class with its constructor and its docstring."""
    return f"## {cls.__name__}\n\n{constructor(cls)}\n\n{markdown(cls.__doc__)}"


def constructor(cls: type) -> str:
    """How a class is made."""
    made = signature(cls.__init__, method=False)  # type: ignore[misc]
    return code(f"class {cls.__name__}:\n" + textwrap.indent(made, "    "))


def handle(cls: type) -> str:
    """A class that nobody makes: its docstring."""
    return f"## {cls.__name__}\n\n{markdown(cls.__doc__)}"


RECORDS = (
    "Message", "Part", "Session", "Summary", "Preferences", "Hit", "Page", "Context", "Section", "Dropped", "Stats",
    "Spread", "Receipt", "Swept", "Change", "Appended", "ImportReport", "LineError", "Capabilities",
)  # fmt: skip
FUNCTIONS = ("connect", "estimate_tokens", "tiktoken_counter", "merge_patch")
CLIENTS = ("Recollect", "SessionHandle", "UserHandle", "UserPreferences")
TWINS = ("AsyncRecollect", "AsyncSessionHandle", "AsyncUserHandle", "AsyncUserPreferences")
OTHERS = ("TokenCounter", "Store", "UNSET", "Unset", "__version__")


def python() -> str:
    """The names of `recollect`."""
    raised = {name for name in recollect.__all__ if name in vars(errors)}
    described = {*RECORDS, *FUNCTIONS, *CLIENTS, *TWINS, *OTHERS, *raised}
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
        "`embed_base_url` and `embed_model` are read and not used yet: there is no vector search in this version.",
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
        "The options of a store stand in its URL: [SQLite](../stores/sqlite.md#the-url), [Redis](../stores/redis.md#the-url), [memory](../stores/memory.md).",
    )


# -- HTTP --------------------------------------------------------------------------------------------------------------


EVERYWHERE = ("401", "422", "429", "503")
"""Statuses that are explained once."""


def http() -> str:
    """The OpenAPI schema."""
    from recollect.server import create_app
    from recollect.settings import Settings

    schema = create_app(Settings(url="memory://")).openapi()
    forms: dict[str, Any] = schema["components"]["schemas"]
    calls: dict[str, list[tuple[str, str, dict[str, Any]]]] = {tag["name"]: [] for tag in schema["tags"]}
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            calls[operation["tags"][0]].append((method.upper(), path, operation))
    overview: Table = [
        (f"`{method} {path}`", f"[{operation['summary']}](#{_slug(operation['summary'])})")
        for group in calls.values()
        for method, path, operation in group
    ]
    parts = []
    for tag in schema["tags"]:
        parts.append(f"## {tag['name'].capitalize()}\n\n{tag['description']}")
        parts += [_call(*call) for call in calls[tag["name"]]]
    everywhere = schema["paths"]["/api/v1/about"]["get"]["responses"]
    described = [_form(name, form) for name, form in sorted(forms.items()) if not name.startswith("Page_")]
    return page(
        "HTTP",
        schema["info"]["description"],
        "The server describes itself at `/docs` (and as OpenAPI at `/openapi.json`). With keys, every call but `/healthz` and"
        " `/readyz` needs `Authorization: Bearer <key>`: [Serving](../how-to/serve.md#keys-and-scopes).",
        table(("call", "does"), overview),
        *parts,
        "## Problems\n\nAny call below `/api/` may also answer with one of these [problems](#problem):\n\n"
        + table(("status", "when"), [(code, everywhere[code]["description"]) for code in EVERYWHERE])
        + "\n\nWhich error has which `type`: [Errors](errors.md#at-the-edges).",
        "## Forms",
        "A page is `{items, cursor}`.",
        *described,
    )


def _slug(text: str) -> str:
    return re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-")


def _call(method: str, path: str, operation: dict[str, Any]) -> str:
    parts = [f"### {operation['summary']}", code(f"{method} {path}", "text"), operation.get("description", "")]
    rows: Table = []
    for parameter in operation.get("parameters", ()):
        schema = parameter["schema"]
        said = parameter.get("description") or schema.get("description") or _inner(schema).get("description", "")
        default = schema.get("default")
        place = parameter["in"] if parameter["in"] != "query" else ""
        rows.append((tick(parameter["name"]), place, _type(schema), tick(default), said))
    if rows:
        parts.append(table(("parameter", "in", "type", "default", "meaning"), rows))
    body = operation.get("requestBody", {}).get("content", {})
    if body:
        kind, content = next(iter(body.items()))
        shown = _type(content["schema"])
        media = "" if kind == "application/json" else f" (`{kind}`)"
        parts.append(f"Body: {'a JSON object' if shown == 'object' else shown}{media}.")
    usual = EVERYWHERE if path.startswith("/api/") else ()
    answers = [_answer(*answer) for answer in operation["responses"].items() if answer[0] not in usual]
    parts.append(table(("status", "body", "when"), answers))
    return "\n\n".join(part for part in parts if part)


def _answer(status: str, response: dict[str, Any]) -> tuple[str, ...]:
    shown = [
        _type(content.get("schema", {})) or tick(kind)
        for kind, content in response.get("content", {}).items()
        if kind != "text/event-stream"
    ]
    return status, " or ".join(shown), response.get("description", "")


def _inner(schema: dict[str, Any]) -> dict[str, Any]:
    options = [option for option in schema.get("anyOf", ()) if option.get("type") != "null"]
    return options[0] if len(options) == 1 else schema


def _type(schema: dict[str, Any]) -> str:
    schema = _inner(schema)
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        page_of = re.fullmatch(r"Page_(\w+)_", name)
        return f"page of {_link(page_of[1])}" if page_of else _link(name)
    if "anyOf" in schema:
        return " or ".join(_type(option) for option in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        items = _type(schema.get("items", {}))
        return f"list of {items}" if items else "list"
    kind = {"date-time": "time"}.get(schema.get("format", ""), schema.get("type", ""))
    bounds = [
        f"{sign} {schema[key]:,}"
        for key, sign in (("minimum", "≥"), ("exclusiveMinimum", ">"), ("maximum", "≤"))
        if key in schema
    ]
    return " ".join([str(kind), *bounds]).strip()


def _link(name: str) -> str:
    return f"[{name}](#{name.lower()})"


def _form(name: str, form: dict[str, Any]) -> str:
    needed = set(form.get("required", ()))
    given = name.endswith(("In", "Patch"))
    rows: Table = [
        (tick(field), _type(schema), "yes" if given and field in needed else "", schema.get("description", ""))
        for field, schema in form.get("properties", {}).items()
    ]
    parts = [f"### {name}", form.get("description", ""), table(("field", "type", "needed", "meaning"), rows)]
    return "\n\n".join(part for part in parts if part)


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
