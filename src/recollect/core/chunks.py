"""A document cut into passages: on its structure where it has one, each with its place in the text."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from typing import NamedTuple

from recollect.core.tokens import TokenCounter

_HEADING = re.compile(r"^(#{1,6})[ \t]+(.+?)[ \t]*#*[ \t]*$", re.MULTILINE)
_FENCE = re.compile(r"^(?:```|~~~)", re.MULTILINE)
_BLOCK = re.compile(r"\n[ \t]*\n\s*")
_SENTENCE = re.compile(r"(?<=[.!?…])[\"'”’)\]]*\s+|(?<=[。！？｡])[」』”’）]*\s*|\n+")
_WORD = re.compile(r"\s+")
_ATOM = 200
"""Characters of a piece of text without any blank (a base64 blob, a language without spaces) that are cut by force."""


class Passage(NamedTuple):
    """A stretch of a document: ``text[start:end]`` without white space at its ends, under its headings."""

    start: int
    end: int
    heading: str


class _Piece(NamedTuple):
    start: int
    end: int
    tokens: int


def split(text: str, *, chunk_tokens: int, overlap_tokens: int, count: TokenCounter) -> list[Passage]:
    """Passages of at most `chunk_tokens` tokens that cover all of the text but white space, in order.

    Parameters
    ----------
    chunk_tokens: of a passage. A section of Markdown (under ``#`` headings) begins a passage of its own; then a passage
        ends between paragraphs, else between sentences, else between words.
    overlap_tokens: so many of a passage's last tokens, in whole sentences, begin the next one of the same section.
    count: tokens of a text.
    """
    passages: list[Passage] = []
    for start, end, heading in _sections(text):
        pieces = list(_pieces(text, start, end, chunk_tokens, count))
        for first, last in _packed(pieces, chunk_tokens, overlap_tokens):
            passages.append(Passage(first, last, heading))
    return passages


def _sections(text: str) -> Iterator[tuple[int, int, str]]:
    """The stretches between headings, each beginning with its own, with the path of headings above."""
    fences = [found.start() for found in _FENCE.finditer(text)]
    marks = [
        (found.start(), len(found[1]), found[2])
        for found in _HEADING.finditer(text)
        if bisect_left(fences, found.start()) % 2 == 0  # else it stands in a block of code
    ]
    if not marks or marks[0][0] > 0:
        yield 0, marks[0][0] if marks else len(text), ""
    path: list[tuple[int, str]] = []
    for index, (start, level, title) in enumerate(marks):
        path = [*((above, name) for above, name in path if above < level), (level, title)]
        end = marks[index + 1][0] if index + 1 < len(marks) else len(text)
        yield start, end, " > ".join(name for _, name in path)


def _pieces(text: str, start: int, end: int, limit: int, count: TokenCounter) -> Iterator[_Piece]:
    """The smallest stretches that are kept whole: paragraphs that fit, else sentences, else words, else characters."""
    for pattern in (_BLOCK, _SENTENCE, _WORD):
        parts = list(_parts(text, start, end, pattern))
        if len(parts) > 1:
            for low, high in parts:
                tokens = count(text[low:high])
                if tokens <= limit:
                    yield _Piece(low, high, tokens)
                else:
                    yield from _pieces(text, low, high, limit, count)
            return
    for low, high in _parts(text, start, end, None):
        tokens = count(text[low:high])
        if tokens <= limit:
            yield _Piece(low, high, tokens)
            return
        step = max(1, min(_ATOM, (high - low) * limit // (2 * tokens)))
        for at in range(low, high, step):
            stop = min(at + step, high)
            yield _Piece(at, stop, count(text[at:stop]))


def _parts(text: str, start: int, end: int, pattern: re.Pattern[str] | None) -> Iterator[tuple[int, int]]:
    """What stands between matches, without white space at its ends."""
    begin = start
    cuts = [] if pattern is None else [found.span() for found in pattern.finditer(text, start, end)]
    for low, high in [*cuts, (end, end)]:
        inner = text[begin:low]
        bare = inner.strip()
        if bare:
            first = begin + len(inner) - len(inner.lstrip())
            yield first, first + len(bare)
        begin = high


def _packed(pieces: list[_Piece], limit: int, overlap: int) -> Iterator[tuple[int, int]]:
    """Neighbouring pieces together, as many as fit."""
    first = 0
    while first < len(pieces):
        last, tokens = first, pieces[first].tokens
        while last + 1 < len(pieces) and tokens + pieces[last + 1].tokens <= limit:
            last += 1
            tokens += pieces[last].tokens
        yield pieces[first].start, pieces[last].end
        if last + 1 == len(pieces):
            return
        following, shared = last + 1, 0
        # What is repeated leaves room for something new.
        while following - 1 > first and shared + pieces[following - 1].tokens <= overlap:
            if shared + pieces[following - 1].tokens + pieces[last + 1].tokens > limit:
                break
            following -= 1
            shared += pieces[following].tokens
        first = following
