"""Text to sentences, in scripts that end one with a full stop and a blank, and in those that need no blank."""

from __future__ import annotations

import re

LONGEST = 400
"""Characters. A longer stretch without an end (a list, code, a transcript) is cut at a clause, else at a blank."""

# An end: a line's; a full stop, with what closes behind it, before white space; one of East Asia's, anywhere.
_END = re.compile(r"""\n+|(?:[.!?…]+["'”’)\]»]*)(?=\s)|[。！？｡]+["'”’」』）)]*""")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\[\"'])(?:[A-Za-z]|Mr|Mrs|Ms|Dr|Prof|Sr|Jr|St|Mt|vs|etc|No|Fig|approx|[Ee]\.g|[Ii]\.e|[AaPp]\.m|U\.S)\.$"
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
    while len(piece) > LONGEST:
        at = _cut(piece)
        found.append(piece[:at].rstrip())
        piece = piece[at:].lstrip()
    if piece:
        found.append(piece)


def _cut(piece: str) -> int:
    """Where to cut a piece that is too long: behind its last clause, at its last blank, or anywhere."""
    clauses = [clause.end() for clause in _CLAUSE.finditer(piece, LONGEST // 2, LONGEST)]
    if clauses:
        return clauses[-1]
    blank = piece.rfind(" ", LONGEST // 2, LONGEST)
    return blank if blank > 0 else LONGEST
