"""Text that arrives in pieces, wrapped by words while it arrives."""

from __future__ import annotations

import re
from typing import TextIO

from rich.cells import cell_len

from recollect.cli.text import clean

_SPACELESS = re.compile("[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_PIECES = re.compile(r"\n|[ \t]+|[^ \t\n]+")


class Flow:
    """Writes pieces of a text to a terminal.

    A word is held back until its end is known, so that a line never breaks inside it. Scripts without spaces break
    anywhere.

    Parameters
    ----------
    width: columns of the terminal; None does not wrap. indent: columns left free.
    """

    def __init__(self, stream: TextIO, *, width: int | None, indent: int = 0) -> None:
        self._stream = stream
        self._width = None if width is None else max(width - indent, 10)
        self._margin = " " * indent
        self._word = ""
        self._gap = ""
        self._column = 0
        self._fresh = True

    def write(self, text: str) -> None:
        """The next piece."""
        for piece in _PIECES.findall(clean(text)):
            if piece == "\n":
                self._end_word()
                self._break()
                self._gap = ""
            elif piece.isspace():
                self._end_word()
                self._gap += piece
            else:
                self._word += piece
                if self._width is None or _SPACELESS.search(piece):
                    self._end_word()
        self._stream.flush()

    def finish(self) -> None:
        """The text is whole: write what is held back and end the line."""
        self._end_word()
        if not self._fresh:
            self._break()
        self._stream.flush()

    def _end_word(self) -> None:
        if not self._word:
            return
        word, self._word = self._word, ""
        gap, self._gap = self._gap, ""
        if self._width is None:
            self._put(gap + word)
            return
        length = cell_len(word)
        if self._column + cell_len(gap) + length <= self._width:
            self._put(gap + word)
            return
        if self._column and length <= self._width and not _SPACELESS.search(word):
            self._break()
            self._put(word)
            return
        if self._column + cell_len(gap) + cell_len(word[0]) > self._width:
            if self._column:
                self._break()
        elif gap:
            self._put(gap)
        for character in word:
            if self._column + cell_len(character) > self._width:
                self._break()
            self._put(character)

    def _put(self, text: str) -> None:
        if self._fresh:
            self._stream.write(self._margin)
            self._fresh = False
        self._stream.write(text)
        self._column += cell_len(text)

    def _break(self) -> None:
        self._stream.write("\n")
        self._column = 0
        self._fresh = True
