"""Which part of a long text answers a query, and which words of it."""

from __future__ import annotations

from rich.text import Text

from recollect import highlights
from recollect.cli.text import one_line


def excerpt(text: str, query: str, length: int) -> Text:
    """At most `length` characters of the text, on one line, around where most of the query's words lie, with these marked."""
    line = one_line(text)
    spans = highlights(line, query)
    start = 0
    if len(line) > length:
        places = [begin for begin, _ in spans]
        best = max(places, key=lambda place: sum(place <= other < place + length for other in places), default=0)
        start = max(0, min(best - length // 5, len(line) - length))
        if start:
            start = line.find(" ", start, start + 20) + 1 or start
    shown = Text(line[start : start + length])
    for begin, end in spans:
        shown.stylize("bold yellow", max(begin - start, 0), max(end - start, 0))
    if start:
        shown = Text("… ", style="dim") + shown
    if start + length < len(line):
        shown.append(" …", style="dim")
    return shown
