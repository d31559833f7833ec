"""The pages of the documentation, and the code blocks of a page."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
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


def shown_of(printed: str) -> str:
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
