"""Docstrings and signatures as Markdown, for the reference pages."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

NOTE = "<!-- Made by tools/build_docs.py from the code: edit the docstrings there. -->"
WIDTH = 100

Table = list[tuple[str, ...]]


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
