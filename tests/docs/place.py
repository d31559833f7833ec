"""Where a page's blocks run: a new user's environment; and what is parsed instead of run."""

from __future__ import annotations

import ast
import configparser
import json
import os
import shlex
import shutil
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import recollect
from tests.services.postgres import programs as postgres_programs

SOURCE = Path(recollect.__file__).resolve().parents[1]
SCHEMAS = SOURCE / "recollect" / "stores"
STAND_INS = Path(__file__).with_name("stand_ins.py")
USER = "ann"


def _toml(text: str) -> None:
    values = tomllib.loads(text)
    if any(isinstance(value, dict) for value in values.values()):
        return
    from recollect.settings import load_settings

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "recollect.toml")
        path.write_text(text, "utf-8")
        load_settings(path)


def _ini(text: str) -> None:
    configparser.ConfigParser(strict=False, interpolation=None).read_string(text)


def _sql(text: str) -> None:
    """A statement of the schema, as it stands in a migration (white space apart)."""
    schema = " ".join(" ".join(path.read_text("utf-8") for path in sorted(SCHEMAS.rglob("*.sql"))).split())
    if " ".join(text.split()) not in schema:
        raise ValueError("this is not in the migrations")


def _jsonl(text: str) -> None:
    for line in text.splitlines():
        json.loads(line)


PARSERS: dict[str, Callable[[str], object]] = {
    "json": json.loads,
    "jsonl": _jsonl,
    "toml": _toml,
    "ini": _ini,
    "sql": _sql,
    "pyi": ast.parse,
}


def variables(home: Path, port: int) -> dict[str, str]:
    """The environment of a new user: their own name, nothing configured, the commands of this environment first."""
    bin_ = home / "bin"
    bin_.mkdir()
    python = shlex.quote(sys.executable)
    programs = {"python": f"exec {python}", "recollect": f"exec {python} -m recollect.cli"}
    if shutil.which("psql") is None and (folder := postgres_programs()) is not None:
        programs["psql"] = f"exec {shlex.quote(str(folder / 'psql'))}"
    for name in ("curl", "sqlite3"):
        if shutil.which(name) is None or os.environ.get("DOCS_STAND_INS"):
            programs[name] = f"exec {python} {shlex.quote(str(STAND_INS))} {name}"
    for name, line in programs.items():
        path = bin_ / name
        path.write_text(f'#!/bin/sh\n{line} "$@"\n', "utf-8")
        path.chmod(0o755)
    kept = ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT", "TMPDIR")
    return {
        **{name: os.environ[name] for name in kept if name in os.environ},
        "PATH": os.pathsep.join([str(bin_), str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
        "PYTHONPATH": str(SOURCE),
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "USER": USER,
        "LOGNAME": USER,
        "RECOLLECT_PORT": str(port),
    }


@contextmanager
def environment(variables: dict[str, str]) -> Iterator[None]:
    """With these variables and no others."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(variables)
    time.tzset()
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        time.tzset()
