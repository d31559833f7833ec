"""Measure `recollect.core.tokens.estimate_tokens` against the exact o200k_base count, and fit its costs.

    python tools/token_table.py          # the table, printed and written into docs/explanation/tokens.md
    python tools/token_table.py --fit    # the costs, written into src/recollect/core/token_costs.py; needs numpy

Exact counts come from the npm package gpt-tokenizer, by `tools/exact_tokens.mjs` (Node 20). The texts are those of
RECOLLECT_DATA (default: ../shared/data beside the repository), of this Python's and npm's own sources, and of packages
that are fetched with pip, npm and apt-get into a cache folder outside the repository; where a source is not to be had,
its rows are left out, and a short sample stands in for Japanese. No text is in both halves, `fit` and `held`.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from token_fit import fit
from token_noise import PIECE, RANDOM, SEED, hostile, pieces
from token_sources import DATA, ROOT, Sources, exact
from token_texts import ORDINARY, PERIODIC, Corpus, corpora

from recollect.core import tokens

PAGE = ROOT / "docs" / "explanation" / "tokens.md"
MODULE = ROOT / "src" / "recollect" / "core" / "token_costs.py"
CACHE = Path(tempfile.gettempdir()) / "recollect-token-table"


@dataclass
class Row:
    """One line of the table: sums over the pieces of one kind of text."""

    name: str
    characters: int
    exact: int
    estimate: int
    quarter: int
    spread: str

    def cells(self) -> list[str]:
        off, quarter = (100 * (n / self.exact - 1) for n in (self.estimate, self.quarter))
        numbers = [f"{n:,}" for n in (self.characters, self.exact, self.estimate)]
        return [self.name, *numbers, f"{off:+.1f} %", self.spread, f"{self.quarter:,}", f"{quarter:+.0f} %"]


HEAD = ["text", "characters", "exact", "estimate", "error", "of a piece", "chars / 4", "its error"]


def row(name: str, texts: list[str], cache: Path) -> Row | None:
    """The line for these texts, or None where there are none."""
    if not (texts := [text for text in texts if text]):
        return None
    counts, estimates = exact(texts, cache), [tokens.estimate_tokens(text) for text in texts]
    errors = sorted(100 * (e / n - 1) for e, n in zip(estimates, counts, strict=True) if n)
    low, high = errors[len(errors) // 20], errors[-1 - len(errors) // 20]
    spread = f"{low:+.0f} to {high:+.0f} %" if len(errors) >= 20 else ""
    quarter = sum((len(text) + 3) // 4 for text in texts)
    return Row(name, sum(map(len, texts)), sum(counts), sum(estimates), quarter, spread)


def markdown(rows: Iterable[Row]) -> str:
    lines = [HEAD, ["---"] + ["---:"] * (len(HEAD) - 1), *(each.cells() for each in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


SHOWN = {
    "Django ko": "Korean, program messages (Django)", "Django ja": "Japanese, program messages (Django)",
    "Django zh_Hans": "Chinese, program messages (Django)", "Django zh_Hant": "Chinese, traditional, messages (Django)",
    "Wesnoth de": "German", "Wesnoth fr": "French", "Wesnoth es": "Spanish", "Wesnoth pl": "Polish", "Wesnoth fi": "Finnish",
    "Wesnoth tr": "Turkish", "Wesnoth id": "Indonesian", "Wesnoth vi": "Vietnamese", "Wesnoth ru": "Russian",
    "GNOME uk": "Ukrainian", "Wesnoth el": "Greek", "Django ar": "Arabic", "Django he": "Hebrew", "Django hi": "Hindi",
    "Django th": "Thai",
}  # fmt: skip


def table(found: list[Corpus], cache: Path, everything: bool) -> Iterator[Row]:
    """The held-out halves, in pieces."""
    for corpus in found:
        if corpus.kind == ORDINARY or corpus.row in SHOWN or everything:
            texts = corpus.held if corpus.kind == PERIODIC else pieces(corpus.held, 2000, SEED + 1)
            if (line := row(SHOWN.get(corpus.row, corpus.row), texts, cache)) is not None:
                yield line
    for name, make in RANDOM.items():
        rng = random.Random(SEED + 2)
        if (line := row(f"random: {name}", [make(rng, PIECE) for _ in range(40)], cache)) is not None:
            yield line
    for name, blocks in {
        "Hangul": "AC00-D7A3",
        "Han": "4E00-9FFF",
        "kana": "3041-30FA",
        "Cyrillic": "0430-044F",
        "emoji": "1F300-1F64F",
    }.items():
        first, last = (int(end, 16) for end in blocks.split("-"))
        rng = random.Random(SEED + 3)
        texts = ["".join(chr(rng.randint(first, last)) for _ in range(100)) for _ in range(40)]
        if (line := row(f"random: {name}", texts, cache)) is not None:
            yield line


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--fit", action="store_true", help="fit the costs and write them into token_costs.py")
    parser.add_argument("--all", action="store_true", help="a line for every text, printed only")
    parser.add_argument("--cache", type=Path, default=CACHE, help=f"where packages are kept (default: {CACHE})")
    options = parser.parse_args()
    options.cache.mkdir(parents=True, exist_ok=True)
    sources = Sources(options.cache)
    found = corpora(sources)
    found += hostile(found)
    if not DATA.exists():
        print(f"token_table: no {DATA} (RECOLLECT_DATA names another folder); its texts are left out", file=sys.stderr)
    for name in sources.missing:
        print(f"token_table: {name} cannot be fetched here; its texts are left out", file=sys.stderr)
    if options.fit:
        source = MODULE.read_text("utf-8")
        before, rest = source.split("# fit:start", 1)
        MODULE.write_text(before + fit(found, options.cache) + rest.split("# fit:end", 1)[1], "utf-8")
        return
    text = markdown(table(found, options.cache, options.all))
    print(text)
    if not options.all:
        page = PAGE.read_text("utf-8")
        before, rest = page.split("<!-- table:start -->", 1)
        after = rest.split("<!-- table:end -->", 1)[1]
        PAGE.write_text(f"{before}<!-- table:start -->\n\n{text}\n\n<!-- table:end -->{after}", "utf-8")


if __name__ == "__main__":
    main()
