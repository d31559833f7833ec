"""The code blocks of a page: found, run in their order, and compared with what the page shows.

What a page may say in an HTML comment right above a block:

* ``<!-- not run: reason -->``  the block cannot run here; `test_docs` counts these.
* ``<!-- file: name -->``       the block is written to this file of the page's folder, for the blocks behind it.
* ``<!-- keeps running -->``    the command is started and left running, until the page ends or starts another.

A page has a folder of its own, with `examples` in it, where all its blocks run, one after the other:

* ``python``   in one namespace; what it prints stands in the ``text`` block behind it.
* ``console``  lines that begin with ``$ `` are run by bash, lines with ``> `` go on with them; what follows is what they
  print. A command that fails is followed by ``$ echo $?``.
* ``json``, ``jsonl``, ``toml``, ``ini``, ``pyi`` are parsed. ``sql`` is a statement of the schema.

In what is shown, ``...`` stands for anything on its line, and on a line of its own for any lines. Ports are moved to
free ones, ``localhost:11434`` (Ollama's) is a stand-in for a model, ``localhost:5432`` a PostgreSQL server with a
database ``chat``, and ``localhost:6379`` a Redis server.

``python -m tests.docs.blocks PAGE...`` runs pages and writes what was printed into them, where they show something else.
"""

from __future__ import annotations

import ast
import configparser
import io
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, chdir, contextmanager, redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import recollect
from tests.servers import ModelServer, free_port, serve
from tests.services.postgres import postgres_of
from tests.services.postgres import programs as postgres_programs
from tests.services.redis import RedisServer

ROOT = Path(__file__).resolve().parents[2]
SOURCE = Path(recollect.__file__).resolve().parents[1]
SCHEMAS = SOURCE / "recollect" / "stores"
STAND_INS = Path(__file__).with_name("stand_ins.py")

PORTS = (8000, 9000)
"""Ports of the pages; each page gets free ones in their place."""
MODEL_PORT = 11434
POSTGRES_PORT = 5432
REDIS_PORT = 6379
MODEL_SAYS = ["You", " like", " window", " seats", "."]
USER = "ann"
PATIENCE = 30.0

_FENCE = re.compile(r"^(?P<indent> *)(?P<ticks>`{3,})(?P<language>\S*)")
_MARK = re.compile(r"^\s*<!-- (?P<name>not run|file|keeps running)(?:: (?P<value>.*?))? -->\s*$")


class Mismatch(AssertionError):
    """A page does not show what happens; the message says where, what, and what else."""


@dataclass
class Block:
    """One fenced block.

    Parameters
    ----------
    line: of the opening fence, from 1. marks: of the comments above it. indent: of the fence.
    """

    page: Path
    line: int
    language: str
    text: str
    marks: dict[str, str]
    indent: str = ""

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return f"{self.page.relative_to(ROOT) if self.page.is_relative_to(ROOT) else self.page}:{self.line}"

    @property
    def reason(self) -> str | None:
        """Why it is not run; None if it is."""
        return self.marks.get("not run")


def pages() -> list[Path]:
    """Every page of the documentation."""
    top = [ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")]
    return [*(page for page in top if page.is_file()), *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    found: list[Block] = []
    marks: dict[str, str] = {}
    lines = iter(enumerate(page.read_text("utf-8").splitlines(), 1))
    for number, line in lines:
        if mark := _MARK.match(line):
            marks[mark["name"]] = mark["value"] or ""
        elif fence := _FENCE.match(line):
            indent, ticks = fence["indent"], fence["ticks"]
            body = []
            for _, inner in lines:
                if inner.strip() == ticks:
                    break
                body.append(inner.removeprefix(indent))
            else:
                raise Mismatch(f"{page}:{number}: this block has no end")
            found.append(Block(page, number, fence["language"], "".join(f"{one}\n" for one in body), marks, indent))
            marks = {}
        elif line.strip():
            marks = {}
    return found


def same(shown: str, printed: str) -> bool:
    """Whether what was printed is what is shown; see `...` above."""
    pieces = []
    for line in _lines(shown):
        if line.strip() == "...":
            pieces.append(r"(?:.*\n)*?")
        else:
            line = re.sub(r"^ +(?=\.\.\.)", "", line)
            pieces.append(".*?".join(map(re.escape, line.split("..."))) + r"\n")
    return re.fullmatch("".join(pieces), "".join(f"{line}\n" for line in _lines(printed))) is not None


def _lines(text: str) -> list[str]:
    lines = [line.rstrip() for line in text.splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _shown(printed: str) -> str:
    """What to show of what was printed: without the instants and ids of this run."""
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    printed = re.sub(rf"{today}([T ]\d\d:\d\d(:\d\d(\.\d+)?)?Z?)?", "...", printed)
    printed = re.sub(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "...", printed)
    printed = re.sub(r" in \d+\.\d s( \([\d,]+/s\))?\.", " in ...", printed)
    return "".join(f"{line}\n" for line in _lines(printed))


@dataclass
class Command:
    """A command of a console block and what is shown behind it."""

    line: int
    text: str
    shown: str = ""
    script: str = ""


def commands(block: Block) -> list[Command]:
    """The commands of a console block."""
    found: list[Command] = []
    for number, line in enumerate(block.text.splitlines(), block.line + 1):
        if line.startswith("$ "):
            found.append(Command(number, f"{line}\n", script=line[2:]))
        elif not found:
            raise Mismatch(f"{block.place}: a console block begins with a command, after `$ `")
        elif line.startswith("> ") and not found[-1].shown:
            found[-1].text += f"{line}\n"
            found[-1].script += "\n" + line[2:]
        else:
            found[-1].shown += f"{line}\n"
    return found


@dataclass
class Runner:
    """Runs one page.

    Parameters
    ----------
    folder: an empty one. update: collect what has to change instead of raising `Mismatch`.
    """

    page: Path
    folder: Path
    update: bool = False
    changed: dict[int, str] = field(default_factory=dict)

    def run(self) -> None:
        """All blocks of the page."""
        found = blocks(self.page)
        self._namespace: dict[str, Any] = {"__name__": "__main__"}
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        with ExitStack() as stack:
            self._ports = {port: free_port() for port in PORTS}
            if any(f":{MODEL_PORT}" in block.text for block in found):
                model = ModelServer(pieces=MODEL_SAYS)
                url = stack.enter_context(serve(model.app()))
                self._ports[MODEL_PORT] = int(url.rpartition(":")[2])
            if any(f":{POSTGRES_PORT}" in block.text for block in found):
                self._ports[POSTGRES_PORT] = stack.enter_context(postgres_of(USER))
            if any(f"localhost:{REDIS_PORT}" in block.text and block.reason is None for block in found):
                self._ports[REDIS_PORT] = stack.enter_context(RedisServer()).port
            home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            self._shell = home / "shell"
            stack.enter_context(_environment(_variables(home, self._ports[8000])))
            stack.enter_context(chdir(self.folder))
            stack.callback(self._stop_all)
            (self.folder / "examples").symlink_to(ROOT / "examples")
            for index, block in enumerate(found):
                behind = found[index + 1] if index + 1 < len(found) else None
                self._run(block, behind)

    def _run(self, block: Block, behind: Block | None) -> None:
        if block.reason is not None:
            if not block.reason:
                raise Mismatch(f"{block.place}: say why it is not run")
            return
        if "file" in block.marks:
            self._write(block)
        elif block.language == "python":
            shown = behind if behind is not None and behind.language == "text" and behind.reason is None else None
            self._python(block, shown)
        elif block.language == "console":
            self._keep(block) if "keeps running" in block.marks else self._console(block)
        elif block.language in _PARSERS:
            try:
                _PARSERS[block.language](block.text)
            except (ValueError, SyntaxError, configparser.Error) as error:
                raise Mismatch(f"{block.place}: not {block.language}: {error}") from error
        elif block.language != "text":
            raise Mismatch(f"{block.place}: {block.language or 'a block without a language'} is not run; mark it")

    def _write(self, block: Block) -> None:
        path = self.folder / block.marks["file"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self._moved(block.text), "utf-8")
        if block.language == "python":
            ast.parse(block.text, block.place)

    def _python(self, block: Block, shown: Block | None) -> None:
        printed = io.StringIO()
        # Line numbers of tracebacks are those of the page.
        code = compile("\n" * block.line + self._moved(block.text), str(self.page), "exec", dont_inherit=True)
        with redirect_stdout(printed):
            exec(code, self._namespace)
        self._compare(shown or block, shown.text if shown else "", self._back(printed.getvalue()), shown)

    def _compare(self, place: Block, expected: str, printed: str, shown: Block | None) -> None:
        if same(expected, printed):
            return
        if self.update and shown is not None:
            self.changed[shown.line] = _shown(printed)
            return
        where = "shows" if shown else "shows no text block for what is printed, so"
        raise Mismatch(f"{place.place} {where}\n{expected}\nbut this is printed:\n{printed}")

    def _console(self, block: Block) -> None:
        found = commands(block)
        mark = "-- end of command --"
        lines = ["set +o history", f"[ -f {self._shell} ] && . {self._shell}"]
        for command in found:
            lines.append(f"{self._moved(command.script)}\n_rc=$?; printf '%s %d\\n' '{mark}' $_rc; (exit $_rc)")
        lines.append(f"export -p > {self._shell}; printf 'cd %q\\n' \"$PWD\" >> {self._shell}")
        done = subprocess.run(
            ["bash", "-c", "\n".join(lines)],
            env=dict(os.environ),  # readline, which pytest loads, puts COLUMNS into the process's own
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=PATIENCE * 2,
            check=False,
        )
        parts = re.split(rf"{mark} (\d+)\n", self._back(done.stdout.decode()))
        text = ""
        for index, command in enumerate(found):
            printed, code = parts[2 * index], int(parts[2 * index + 1])
            followed = index + 1 < len(found) and found[index + 1].script.startswith("echo $?")
            if code and not followed:
                raise Mismatch(f"{block.place}: {command.script!r} ends with {code}:\n{printed}")
            fits = same(command.shown, printed)
            if not fits and not self.update:
                raise Mismatch(
                    f"{block.page}:{command.line} {command.script!r} shows\n{command.shown}\nbut prints\n{printed}"
                )
            text += command.text + (command.shown if fits else _shown(printed))
        if text != block.text:
            self.changed[block.line] = text

    def _keep(self, block: Block) -> None:
        (command,) = commands(block)
        self._stop_all()
        output = self.folder.parent / f"{self.folder.name}-{block.line}.log"
        with output.open("wb") as file:
            process = subprocess.Popen(
                ["bash", "-c", f"[ -f {self._shell} ] && . {self._shell}; exec {self._moved(command.script)}"],
                env=dict(os.environ),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._running[command.script] = process
        deadline = time.monotonic() + PATIENCE
        while True:
            printed = self._back(output.read_text("utf-8", "replace"))
            if same(f"{command.shown}...\n", printed):
                return
            if process.poll() is not None or time.monotonic() > deadline:
                raise Mismatch(f"{block.place} shows\n{command.shown}\nbut this is printed:\n{printed}")
            time.sleep(0.02)

    def _stop(self, script: str) -> None:
        process = self._running.pop(script, None)
        if process is None:
            return
        with ExitStack() as stack:
            stack.callback(process.wait)
            try:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def _stop_all(self) -> None:
        for script in list(self._running):
            self._stop(script)

    def _moved(self, text: str) -> str:
        """With this page's ports for the usual ones."""
        for usual, free in self._ports.items():
            text = re.sub(rf"(?<=:){usual}\b|(?<=--port ){usual}\b|(?<=port = ){usual}\b", str(free), text)
        return text

    def _back(self, text: str) -> str:
        """With the usual ports for this page's, and without this machine's folders."""
        for usual, free in self._ports.items():
            text = re.sub(rf"(?<=:){free}\b", str(usual), text)
        return text.replace(str(self.folder.resolve()), "/home/ann")

    def rewrite(self) -> bool:
        """Write into the page what was printed; whether anything was different."""
        if not self.changed:
            return False
        lines = self.page.read_text("utf-8").splitlines()
        for block in reversed(blocks(self.page)):
            if block.line in self.changed:
                size = len(block.text.splitlines())
                new = [block.indent + line for line in self.changed[block.line].splitlines()]
                lines[block.line : block.line + size] = new
        self.page.write_text("\n".join(lines) + "\n", "utf-8")
        return True


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


_PARSERS: dict[str, Callable[[str], object]] = {
    "json": json.loads,
    "jsonl": _jsonl,
    "toml": _toml,
    "ini": _ini,
    "sql": _sql,
    "pyi": ast.parse,
}


def _variables(home: Path, port: int) -> dict[str, str]:
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
def _environment(variables: dict[str, str]) -> Iterator[None]:
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


def main(names: list[str]) -> None:
    """Run pages and write what was printed into them."""
    for page in [Path(name).resolve() for name in names] or pages():
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder, "page")
            place.mkdir()
            runner = Runner(page, place, update=True)
            began = time.perf_counter()
            try:
                runner.run()
            finally:
                changed = runner.rewrite()
        print(f"{page.name}: {'rewritten' if changed else 'as shown'}, {time.perf_counter() - began:.1f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
