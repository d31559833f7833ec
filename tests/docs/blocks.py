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
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, chdir, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.docs.pages import ROOT, Block, Mismatch, blocks, commands, pages, same, shown_of
from tests.docs.place import PARSERS, USER, environment, variables
from tests.servers import ModelServer, free_port, serve
from tests.services.postgres import postgres_of
from tests.services.redis import RedisServer

PORTS = (8000, 9000)
"""Ports of the pages; each page gets free ones in their place."""
MODEL_PORT = 11434
POSTGRES_PORT = 5432
REDIS_PORT = 6379
MODEL_SAYS = ["You", " like", " window", " seats", "."]
PATIENCE = 30.0


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
            stack.enter_context(environment(variables(home, self._ports[8000])))
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
        elif block.language in PARSERS:
            try:
                PARSERS[block.language](block.text)
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
            self.changed[shown.line] = shown_of(printed)
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
            text += command.text + (command.shown if fits else shown_of(printed))
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
