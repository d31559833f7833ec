"""Ways to run the command line: in this process, as a process, at a terminal."""

from __future__ import annotations

import codecs
import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from types import TracebackType
from typing import Any, Self

from typer.testing import CliRunner, Result

from recollect.cli.app import app

PROGRAM = [sys.executable, "-m", "recollect.cli"]
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x01|\x02|\x1b\][^\x07]*\x07")


class Cli:
    """Runs commands in this process."""

    def __init__(self, url: str) -> None:
        self.url = url

    def __call__(self, *words: str, code: int = 0, input: str | bytes | None = None) -> Result:
        """Run a command and hold it to its exit code."""
        result = CliRunner().invoke(app, [words[0], "--url", self.url, *words[1:]], input=input)
        assert result.exit_code == code, (result.exit_code, result.stdout, result.stderr, result.exception)
        return result

    def lines(self, *words: str, **given: Any) -> list[str]:
        """What a command says, line by line, without the ends."""
        return [line.rstrip() for line in self(*words, **given).stdout.splitlines()]

    def json(self, *words: str, **given: Any) -> Any:
        """The one JSON document of a command."""
        return json.loads(self(words[0], "--json", *words[1:], **given).stdout)

    def jsonl(self, *words: str, **given: Any) -> list[Any]:
        """The JSON Lines of a command."""
        return [json.loads(line) for line in self(words[0], "--json", *words[1:], **given).stdout.split("\n")[:-1]]

    def error(self, *words: str, code: int = 1, **given: Any) -> str:
        """The one line with which a command fails."""
        result = self(*words, code=code, **given)
        assert "Traceback" not in result.stderr
        found = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
        assert len(found) == 1, result.stderr
        return found[0].removeprefix("error: ")


class Program:
    """Runs commands as processes of their own."""

    def __init__(self, url: str) -> None:
        self.url = url

    def run(self, *words: str, input: bytes = b"", **env: str) -> subprocess.CompletedProcess[bytes]:
        """Run a command to its end."""
        return subprocess.run(
            [*PROGRAM, *words], input=input, capture_output=True, env=self._env(env), timeout=60, check=False
        )

    def start(self, *words: str, **env: str) -> subprocess.Popen[bytes]:
        """Start a command with pipes on all sides."""
        return subprocess.Popen(
            [*PROGRAM, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self._env(env),
        )

    def at_terminal(self, *words: str, columns: int = 80, **env: str) -> Terminal:
        """Start a command at a terminal."""
        return Terminal([*PROGRAM, *words], self._env({"TERM": "xterm-256color", **env}), columns)

    def _env(self, env: dict[str, str]) -> dict[str, str]:
        return {**os.environ, "RECOLLECT_URL": self.url, **env}


class Terminal:
    """A command at a terminal: what is typed into it, what it shows."""

    def __init__(self, command: list[str], env: dict[str, str], columns: int) -> None:
        self._main, other = pty.openpty()
        import fcntl
        import struct
        import termios

        fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        self.process = subprocess.Popen(
            command, stdin=other, stdout=other, stderr=other, env=env, start_new_session=True, preexec_fn=_control
        )
        os.close(other)
        self.raw = self.everything = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._main)

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._main, text.encode())

    def interrupt(self) -> None:
        """Press Ctrl-C at a prompt: a moment after the last key, as a signal that comes while readline draws waits
        for the next one."""
        time.sleep(0.2)
        self.type("\x03")

    def end_by_interrupt(self) -> int:
        """Press Ctrl-C as a person does, again while nothing happens; the exit code."""
        for _ in range(5):
            self.interrupt()
            try:
                return self.end(seconds=3)
            except subprocess.TimeoutExpired:
                continue
        raise AssertionError("five times Ctrl-C did not end it")

    def expect(self, text: str, *, seconds: float = 30) -> str:
        """Wait until the terminal shows a text; what it showed up to there, without escapes, is taken away."""
        deadline = time.monotonic() + seconds
        while text not in self.shown:
            left = deadline - time.monotonic()
            assert left > 0, f"{text!r} does not appear in:\n{self.shown}"
            if self._read(left) is None:
                raise AssertionError(f"it ended before {text!r}:\n{self.shown}")
        before, _, rest = self.shown.partition(text)
        self.raw = rest
        return before + text

    def end(self, *, seconds: float = 30) -> int:
        """Wait for the end of the command; its exit code."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self._read(0.2) is not None:
            if self.process.poll() is not None and not select.select([self._main], [], [], 0)[0]:
                break
        return self.process.wait(max(0.1, deadline - time.monotonic()))

    @property
    def shown(self) -> str:
        """What the terminal has shown and nobody has taken away, without escapes."""
        return ESCAPES.sub("", self.raw).replace("\r\n", "\n")

    def _read(self, seconds: float) -> bool | None:
        """Read what there is or wait for it; None when the other side is closed."""
        if not select.select([self._main], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self._main, 65536)
        except OSError:
            return None
        text = self._decoder.decode(data)
        self.raw += text
        self.everything += text
        return True


def _control() -> None:
    """Make the terminal the controlling one, so that Ctrl-C is a signal."""
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
