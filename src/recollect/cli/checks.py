"""What `doctor` looks at, apart from the store: the installation, the clock, the environment, the chat model."""

from __future__ import annotations

import difflib
import importlib.util
import os
import platform
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Final, Literal

from msgspec import Struct

import recollect
from recollect.cli.text import count

OK: Final = "ok"
WARNING: Final = "warning"
PROBLEM: Final = "problem"
Status = Literal["ok", "warning", "problem"]

EXTRAS = {
    "cli": ("typer", "rich"),
    "llm": ("openai",),
    "redis": ("redis", "hiredis"),
    "server": ("fastapi", "uvicorn", "pydantic_settings", "prometheus_client", "structlog", "limits"),
    "tiktoken": ("tiktoken",),
    "testing": ("pytest", "hypothesis"),
}
MODEL_TIMEOUT = 5.0


class Check(Struct, frozen=True):
    """One finding.

    Parameters
    ----------
    about: what was looked at. text: what was found. todo: what to do about it, unless it is ok.
    """

    about: str
    status: Status
    text: str
    todo: str = ""


def installation() -> Iterator[Check]:
    """Python, the package, its extras."""
    running = f"{platform.python_implementation()} {platform.python_version()} on {platform.platform(terse=True)}"
    yield Check("Python", OK, running)
    home = Path(recollect.__file__).parent
    yield Check("Recollect", OK, f"{recollect.__version__} in {home}")
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    if encoding != "utf8":
        yield Check(
            "terminal", WARNING, f"its encoding is {sys.stdout.encoding}: other scripts show as ?", "set PYTHONUTF8=1"
        )
    for extra, modules in EXTRAS.items():
        missing = [module for module in modules if importlib.util.find_spec(module) is None]
        if not missing:
            yield Check(f"extra {extra}", OK, ", ".join(_version(module) for module in modules))
        elif len(missing) == len(modules):
            yield Check(f"extra {extra}", OK, f'not installed; pip install "recollect[{extra}]" adds it')
        else:
            yield Check(f"extra {extra}", WARNING, f"without {', '.join(missing)}", f'pip install "recollect[{extra}]"')


def _version(module: str) -> str:
    name = module.replace("_", "-")
    try:
        return f"{name} {metadata.version(name)}"
    except metadata.PackageNotFoundError:
        return name


def buffer(url: str | None, on_unavailable: str | None, path: str | None) -> Iterator[Check]:
    """What is kept for a store that was away. A buffer that is not used and holds nothing is not spoken of."""
    try:
        found = recollect.Recollect(url, on_unavailable="buffer", buffer_path=path).buffered()
    except recollect.RecollectError as error:
        yield Check("buffer", PROBLEM, str(error), "mend RECOLLECT_BUFFER_PATH, or move the file out of the way")
        return
    if found.waiting:
        text = f"{count(found.waiting, 'message')} wait in {found.path} since {found.oldest:%Y-%m-%d %H:%M:%S} UTC"
        yield Check("buffer", WARNING, text, "see the store above; recollect deliver takes them there")
    if found.refused:
        one = found.refusals[0]
        text = f"the store refused {count(found.refused, 'message')} in {found.path}; the first for: {one.reason}"
        yield Check("buffer", WARNING, text, "recollect deliver --again, or --drop")
    if found.elsewhere:
        text = f"{found.path} holds {count(found.elsewhere, 'message')} for another store than this one"
        yield Check("buffer", WARNING, text, "recollect deliver --url with the store that they are for")
    if on_unavailable == "buffer" and not (found.waiting or found.refused or found.elsewhere):
        yield Check("buffer", OK, f"{found.path}: nothing waits")


def clock() -> Iterator[Check]:
    """Whether the system's clock can be believed. All expiry is judged by it."""
    now = datetime.now(UTC)
    built = datetime.fromtimestamp(Path(recollect.__file__).stat().st_mtime, UTC)
    shown = now.strftime("%Y-%m-%d %H:%M:%S UTC")
    if (built - now).total_seconds() > 86400:
        text = f"{shown}, but Recollect was installed on {built:%Y-%m-%d}"
        yield Check("clock", PROBLEM, text, "set the clock: what expires is judged by it")
    elif now.year < 2025:
        yield Check("clock", PROBLEM, f"{shown} lies in the past", "set the clock: what expires is judged by it")
    else:
        yield Check("clock", OK, f"{shown} (here {time.tzname[time.localtime().tm_isdst > 0]})")


def environment(known: set[str]) -> Iterator[Check]:
    """Variables that begin with RECOLLECT_ and mean nothing: a misspelt one is ignored in silence."""
    for name in sorted(os.environ):
        if name.startswith("RECOLLECT_") and name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            todo = f"is it {near[0]}?" if near else "remove it"
            yield Check("environment", WARNING, f"{name}: there is no such setting", todo)


def chat_model(base_url: str | None, model: str | None, api_key: str | None) -> Iterator[Check]:
    """Whether the endpoint of the chat model answers."""
    if not model and not base_url:
        text = "none set: answers are quoted from memory (RECOLLECT_LLM_MODEL sets one)"
        yield Check("chat model", OK, text)
        return
    if not model:
        text = "RECOLLECT_LLM_BASE_URL is set and RECOLLECT_LLM_MODEL is not"
        yield Check("chat model", PROBLEM, text, "name the model in RECOLLECT_LLM_MODEL")
        return
    if importlib.util.find_spec("openai") is None:
        yield Check("chat model", PROBLEM, "openai is not installed", 'pip install "recollect[llm]"')
        return
    yield _endpoint(base_url or "https://api.openai.com/v1", model, api_key)


def _endpoint(base_url: str, model: str, api_key: str | None) -> Check:
    url = base_url.rstrip("/") + "/models"
    where = f"{model} at {_without_secret(base_url)}"
    if not url.startswith(("http://", "https://")):
        return Check("chat model", PROBLEM, f"{base_url!r} is no http(s) URL", "mend RECOLLECT_LLM_BASE_URL")
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    began = time.perf_counter()
    try:
        request = urllib.request.Request(url, headers=headers)  # noqa: S310 - http and https only, above
        with urllib.request.urlopen(request, timeout=MODEL_TIMEOUT):  # noqa: S310
            took = (time.perf_counter() - began) * 1000
            return Check("chat model", OK, f"{where} answers in {took:.0f} ms")
    except urllib.error.HTTPError as error:
        if error.code in (401, 403):
            todo = "check RECOLLECT_LLM_API_KEY" if api_key else "set RECOLLECT_LLM_API_KEY"
            return Check("chat model", PROBLEM, f"{where} refuses the key (HTTP {error.code})", todo)
        if error.code in (404, 405):
            return Check("chat model", OK, f"{where} is there (it does not list its models)")
        return Check("chat model", WARNING, f"{where} answers HTTP {error.code}", "look at the endpoint's own log")
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        return Check("chat model", PROBLEM, f"{where} cannot be reached: {reason}", "start it, or mend the URL")


def _without_secret(url: str) -> str:
    scheme, mark, rest = url.partition("://")
    authority, at, tail = rest.rpartition("@")
    return f"{scheme}{mark}***@{tail}" if at and authority else url
