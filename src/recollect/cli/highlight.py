"""Which part of a long text answers a query, and which words of it."""

from __future__ import annotations

import re
from itertools import pairwise

from rich.text import Text

from recollect.cli.text import one_line

_CJK = (
    "\u1100-\u11ff\u3040-\u30ff\u3130-\u318f\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff"
)
_WORDS = re.compile(rf"[{_CJK}]+|[^\W{_CJK}]+")
_NOTHING = re.compile(r"(?!)")

LONGEST_WORDS = 64
"""A longer query is a document: its first words are enough to show why a text was found."""


def matcher(query: str) -> re.Pattern[str]:
    """A pattern for the query's words in a text: whole words where a script has spaces, pairs of characters elsewhere."""
    found: dict[str, None] = {}
    for word in _WORDS.findall(query)[:LONGEST_WORDS]:
        if re.match(f"[{_CJK}]", word) is None:
            found[rf"(?<!\w){re.escape(word)}(?!\w)"] = None
        elif len(word) == 1:
            found[word] = None
        else:
            # A lookahead, so that overlapping pairs of one word run together.
            found |= dict.fromkeys(f"{a}(?={b})|(?<={a}){b}" for a, b in pairwise(word))
    return re.compile("|".join(found), re.IGNORECASE) if found else _NOTHING


def excerpt(text: str, pattern: re.Pattern[str], length: int) -> Text:
    """At most `length` characters of the text, on one line, around where most matches lie, with these marked."""
    line = one_line(text)
    start = 0
    if len(line) > length:
        places = [match.start() for match in pattern.finditer(line)]
        best = max(places, key=lambda place: sum(place <= other < place + length for other in places), default=0)
        start = max(0, min(best - length // 5, len(line) - length))
        if start:
            start = line.find(" ", start, start + 20) + 1 or start
    shown = Text(line[start : start + length])
    shown.highlight_regex(pattern, "bold yellow")
    if start:
        shown = Text("… ", style="dim") + shown
    if start + length < len(line):
        shown.append(" …", style="dim")
    return shown
