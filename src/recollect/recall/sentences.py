"""Text to sentences, in scripts that end one with a full stop and a blank, and in those that need no blank."""

from __future__ import annotations

import re

LONGEST = 400
"""Characters. A longer stretch without an end (a list, code, a transcript) is cut at a clause, else at a blank."""

_WIDE = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3"
_CLOSING = "\"'”’\\])»」』）"
# An end: a line's; marks with what closes behind them, before white space or between Han, kana and Hangul; marks of East
# Asia anywhere. A run of marks is looked at from its first only: else a long one takes the square of its length.
_END = re.compile(
    rf"\n+|(?<![.!?…])[.!?…]++[{_CLOSING}]*+(?=\s)|(?<=[{_WIDE}])[.!?]++(?=[{_WIDE}])|[。！？｡]+[{_CLOSING}]*"
)
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\[\"'])(?:[A-Za-z]|Mr|Mrs|Ms|Dr|Prof|Sr|Jr|St|Mt|vs|etc|Fig|approx|[Ee]\.g|[Ii]\.e|[AaPp]\.m|U\.S)\.$"
)
_CLAUSE = re.compile(r"[;,:、，；：]")


def sentences(text: str) -> list[str]:
    """The sentences of a text, in order, with single blanks inside; none is longer than `LONGEST` characters."""
    found: list[str] = []
    start = 0
    for end in _END.finditer(text):
        if text[end.start()] == "." and _ABBREVIATION.search(text, max(start, end.start() - 8), end.start() + 1):
            continue
        _add(found, text[start : end.end()])
        start = end.end()
    _add(found, text[start:])
    return found


def _add(found: list[str], piece: str) -> None:
    piece = " ".join(piece.split())
    start = 0
    while len(piece) - start > LONGEST:
        end = _cut(piece, start)
        found.append(piece[start:end].rstrip())
        start = end + (piece[end] == " ")
    if start < len(piece):
        found.append(piece[start:])


def _cut(piece: str, start: int) -> int:
    """Where to cut a piece that is too long: behind its last clause, at its last blank, or anywhere."""
    clauses = [clause.end() for clause in _CLAUSE.finditer(piece, start + LONGEST // 2, start + LONGEST)]
    if clauses:
        return clauses[-1]
    blank = piece.rfind(" ", start + LONGEST // 2, start + LONGEST)
    return blank if blank > 0 else start + LONGEST
