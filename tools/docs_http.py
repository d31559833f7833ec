"""The reference page of the HTTP API, from its OpenAPI schema."""

from __future__ import annotations

import re
from typing import Any

from docs_text import Table, code, page, table, tick

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
        schema = parameter["schema"] if "schema" in parameter else parameter["content"]["application/json"]["schema"]
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
