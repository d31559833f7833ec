"""Where a conversation's lines come from: a person at a terminal, or a pipe."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator, Sequence

try:
    import readline
except ImportError:  # Windows: the console edits lines by itself
    readline = None  # type: ignore[assignment]


class Terminal:
    """Lines that a person types: edited, with history, a paste of several lines in one piece.

    Parameters
    ----------
    prompt: shown before each line. style: the escape sequence of its colour, or empty.
    commands: words that the Tab key completes at the beginning of a line.
    """

    def __init__(self, prompt: str, *, style: str, commands: Sequence[str]) -> None:
        self._prompt = prompt
        if readline is None:
            return
        if style:
            self._prompt = f"\001{style}\002{prompt}\001\x1b[0m\002"
        self._commands = commands
        readline.set_auto_history(False)
        readline.set_completer(self._complete)
        readline.set_completer_delims(" ")
        if "libedit" in (readline.__doc__ or ""):
            readline.parse_and_bind("bind ^I rl_complete")
        else:
            readline.parse_and_bind("tab: complete")
            readline.parse_and_bind("set enable-bracketed-paste on")

    def remember(self, line: str) -> None:
        """Let the arrow keys bring back a line."""
        if readline is not None and line:
            readline.add_history(line)

    def read(self) -> str:
        """The next message; a backslash at the end of a line continues it on the next. Raises EOFError at the end."""
        pieces = [input(self._prompt)]
        while pieces[-1].endswith("\\"):
            pieces[-1] = pieces[-1][:-1]
            pieces.append(input("... "))
        text = "\n".join(pieces)
        self.remember(text)
        return text

    def _complete(self, text: str, state: int) -> str | None:
        if not text.startswith("/") or readline.get_begidx():
            return None
        found = [word for word in self._commands if word.startswith(text)]
        return found[state] if state < len(found) else None


def piped() -> Iterator[str]:
    """The lines of standard input, one message each; bytes that are no UTF-8 become U+FFFD."""
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(encoding="utf-8", errors="replace")
    for line in sys.stdin:
        if line.strip():
            yield line.rstrip("\r\n")
