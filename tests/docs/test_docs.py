"""The documentation does what it shows: every block runs, every link leads somewhere, every reference page is fresh."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import unicodedata
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.docs.blocks import Runner
from tests.docs.pages import ROOT, Block, blocks, pages, same
from tests.docs.place import SOURCE

NOT_RUN = 8
"""How many blocks are not run, each for the reason that stands above it. `test_what_is_not_run` lists them (-rP)."""

FROM_TESTS = {ROOT / "docs" / "reference" / "promises.md"}
"""Written by a run of the tests, so it may not be there yet."""

_LINK = re.compile(r"(?<!!)\[(?:[^\[\]]|\[[^\]]*\])*\]\((?P<target>[^()\s]+)\)")
_HEADING = re.compile(r"^#{1,6} (?P<text>.+?)\s*#*$")


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", [page for page in pages() if blocks(page)], ids=name)
def test_every_block_does_what_the_page_shows(page: Path, tmp_path: Path) -> None:
    folder = tmp_path / "page"
    folder.mkdir()
    Runner(page, folder).run()


def test_what_is_not_run() -> None:
    found = [block for page in pages() for block in blocks(page) if block.reason is not None]
    print(*(f"{block.place} ({block.language or 'text'}): {block.reason}" for block in found), sep="\n")
    assert all(block.reason for block in found)
    assert len(found) == NOT_RUN, "\n".join(block.place for block in found)


def lines_outside_blocks(page: Path) -> list[str]:
    inside = {
        number for block in blocks(page) for number in range(block.line, block.line + len(block.text.splitlines()) + 2)
    }
    return [line for number, line in enumerate(page.read_text("utf-8").splitlines(), 1) if number not in inside]


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    found: dict[str, int] = {}
    made = set()
    for line in lines_outside_blocks(page):
        if heading := _HEADING.match(line):
            text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading["text"]).replace("`", "").lower()
            slug = "".join(c for c in text if c in " -_" or unicodedata.category(c)[0] in "LN").replace(" ", "-")
            number = found.get(slug, 0)
            found[slug] = number + 1
            made.add(f"{slug}-{number}" if number else slug)
    return made


def links(page: Path) -> list[str]:
    text = re.sub(r"`[^`]*`", "", "\n".join(lines_outside_blocks(page)))
    return [link["target"] for link in _LINK.finditer(text)]


@pytest.mark.parametrize("page", pages(), ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for target in links(page):
        if re.match(r"[a-z]+:", target):
            continue
        place, _, anchor = target.partition("#")
        path = (page.parent / unquote(place)).resolve() if place else page
        if path in FROM_TESTS and not path.exists():
            continue
        if not path.exists() or (anchor and path.suffix == ".md" and unquote(anchor) not in anchors(path)):
            broken.append(target)
    assert not broken


def test_every_page_is_reached_from_the_index() -> None:
    reached: set[Path] = set()
    waiting = [ROOT / "docs" / "index.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or not page.is_file() or page.suffix != ".md":
            continue
        reached.add(page)
        targets = (target.partition("#")[0] for target in links(page) if not re.match(r"[a-z]+:", target))
        waiting += [(page.parent / unquote(target)).resolve() for target in targets if target]
    assert not {name(page) for page in pages() if page.is_relative_to(ROOT / "docs")} - set(map(name, reached))


def test_the_reference_is_what_the_code_says() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "build_docs.py"), "--check"],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_page_names_the_machine_it_was_written_on() -> None:
    for page in pages():
        text = page.read_text("utf-8")
        assert not re.search(r"/tmp/|/root/|site-packages", text), name(page)


def test_dots_stand_for_anything() -> None:
    assert same("a ... c\n", "a b c\n")
    assert same("a\n...\nz\n", "a\nb\nc\nz\n\n")
    assert same("a\n...\nz\n", "a\nz\n")
    assert not same("a ... c\n", "a b\nc\n")
    assert not same("a\n", "a\nb\n")
    assert not same("", "a\n")


def test_blocks_are_found_with_their_marks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "<!-- not run: no reason -->\n\nText between.\n\n<!-- file: a.py -->\n```python\nx = 1\n```\n\n"
        "1. In a list:\n   <!-- not run: it is an example -->\n   ```text\n   deep\n   ```\n"
    )
    assert blocks(page) == [
        Block(page, 6, "python", "x = 1\n", {"file": "a.py"}),
        Block(page, 12, "text", "deep\n", {"not run": "it is an example"}, "   "),
    ]
