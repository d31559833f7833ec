"""The description of the API: FastAPI's own, with the bodies that routes read themselves, and the key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fastapi_offline
from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.staticfiles import StaticFiles
from pydantic.json_schema import models_json_schema
from starlette.responses import HTMLResponse

from recollect.server.schemas import (
    ChatIn,
    DocumentIn,
    MemoryIn,
    MessageIn,
    Problem,
    SessionPatch,
    SummarizeIn,
    SummaryIn,
)

_BODIES = (ChatIn, MessageIn, MemoryIn, DocumentIn, SessionPatch, SummarizeIn, SummaryIn, Problem)

DESCRIPTION = """The memory of a chatbot or an agent.

Ids of sessions, users and messages are any text up to 512 bytes; in a path they are percent-encoded. Times are
ISO 8601 with their offset. Lists come in pages: `{items, cursor}`; give the cursor back to go on. Errors are
`application/problem+json` (RFC 9457) with a `type` that never changes.
"""

TAGS = [
    {"name": "chat", "description": "A conversation: context, answer, both messages stored."},
    {"name": "messages", "description": "The ordered log of a session."},
    {"name": "sessions", "description": "Headers, context, summary."},
    {"name": "users", "description": "Preferences, messages across sessions, forgetting."},
    {"name": "memories", "description": "Statements that outlive sessions."},
    {"name": "documents", "description": "What the chat answers from, beside what was said."},
    {"name": "search", "description": "Across sessions."},
    {"name": "system", "description": "Health, figures, the feed."},
]

_OPEN = ("/healthz", "/readyz")


_ASSETS = "/static/openapi"


def mount_docs(app: FastAPI) -> None:
    """Serve the description as a page at ``/docs``, from files of this machine: it has to work without a network."""
    app.mount(_ASSETS, StaticFiles(directory=Path(fastapi_offline.__file__).parent / "static"), name="openapi")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url=str(app.openapi_url),
            title=f"{app.title} API",
            swagger_js_url=f"{_ASSETS}/swagger-ui-bundle.js",
            swagger_css_url=f"{_ASSETS}/swagger-ui.css",
            swagger_favicon_url="/favicon.ico",
        )


def install(app: FastAPI, *, keys: bool) -> None:
    """Complete the app's description.

    Parameters
    ----------
    keys: whether a key is needed.
    """
    generate = app.openapi
    done: dict[str, Any] = {}

    def openapi() -> dict[str, Any]:
        if not done:
            done.update(generate())
            _complete(done, keys=keys)
        return done

    app.openapi = openapi  # type: ignore[method-assign]


def _complete(schema: dict[str, Any], *, keys: bool) -> None:
    components = schema.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    bodies = [(model, "validation") for model in _BODIES]
    _, described = models_json_schema(bodies, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
    schemas.update(described["$defs"])
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    if keys:
        components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        schema["security"] = [{"key": []}]
        for path in _OPEN:
            for operation in schema["paths"].get(path, {}).values():
                operation["security"] = []
