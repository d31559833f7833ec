"""Text to tokens: cut, normalised and small; and what is made of several, compounds and capitals within a word.

A piece of text between blanks is looked at by itself, as nothing of what is looked for reaches over a blank; simple
pieces, as most of a text are, are remembered.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from functools import cache

from recollect.recall.languages import DEFAULT
from recollect.recall.stems import MAX_TERM, stems, wide

MAX_CHARACTERS = 200_000
"""What lies behind is not indexed: a message that long is a document, and its terms would swamp the index."""

REMEMBERED_PIECES = 50_000
REMEMBERED_PIECE = 24
"""As many pieces of text between blanks, and the characters of one: a longer one hardly comes again."""

_AROUND = "".join(c for c in map(chr, range(33, 127)) if not c.isalnum()) + "“”„‘’«»…–—¿¡、。，！？；：「」『』（）《》"
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u0640\u064b-\u0652\u0670\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u180e"
    "\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufe00-\ufe0f\ufeff\U0001f3fb-\U0001f3ff\U000e0000-\U000e0fff]+"
)
_JOINTS = "._@+/-"
_JOINING = frozenset(_JOINTS + ",")
_ASCII = [chr(i) for i in range(128)]
# Of ASCII, folded: what is between words becomes a blank.
_BREAK = "".join(c.lower() if c.isalnum() else " " for c in _ASCII).encode() + bytes(128)
# The shape of ASCII text, to see at a glance whether it has compounds: "a" and "A" for letters, "a" for digits.
_SHAPE = "".join("." if c in _JOINTS else "A" if c.isupper() else "a" if c.isalnum() else "," if c == "," else " " for c in _ASCII)  # fmt: skip
_COMPOUND_SHAPE = _SHAPE.replace("A", "a").encode() + bytes(128)
_CAPITALS_SHAPE = _SHAPE.encode() + bytes(128)
_COMPOUND = re.compile(r"(?<![A-Za-z0-9])[A-Za-z0-9]++(?:[._@+/-][A-Za-z0-9]++)++")
_CAPITAL_INSIDE = re.compile("[a-z][A-Z]")
_RUN = re.compile(r"[A-Za-z0-9]+")
_CAMEL_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_GROUPED = re.compile(r"(?<![\d,.])\d{1,3}(?:,\d{3})++(?![\d,])")
_ADDRESS_JOINTS = re.compile("[@/]")


def tokens_of(text: str) -> tuple[list[str], list[str]]:
    """The tokens of a text, folded, and its compounds."""
    if text.isascii():
        return text.encode().translate(_BREAK).decode().split(), _ascii_compounds(text)
    bare = _INVISIBLE.sub("", text)
    small = _normal(bare)[:MAX_CHARACTERS]
    return wide()[0].findall(small), _wide_compounds(bare, small)


def compounds_of(text: str) -> list[str]:
    """What in a text is a term whole beside its parts; of capitals within a word the parts are."""
    if text.isascii():
        return _ascii_compounds(text) if text else []
    bare = _INVISIBLE.sub("", text)
    return _wide_compounds(bare, _normal(bare))


def _ascii_compounds(text: str) -> list[str]:
    raw = text.encode()
    shape = raw.translate(_COMPOUND_SHAPE)
    found: list[str] = []
    if b"a.a" in shape:
        found += _wholes(match[0].lower() for match in _COMPOUND.finditer(text))
    if b"a,a" in shape:
        found += [match[0].replace(",", "") for match in _GROUPED.finditer(text)]
    if b"aA" in raw.translate(_CAPITALS_SHAPE):
        found += _capital_parts(text)
    return found


def _wide_compounds(bare: str, small: str) -> list[str]:
    found: list[str] = []
    if any(map(small.__contains__, _JOINTS)):
        found += _wholes(wide()[1].findall(small))
    if "," in small:
        found += [grouped.replace(",", "") for grouped in _GROUPED.findall(small)]
    if small != bare and _CAPITAL_INSIDE.search(bare):
        found += _capital_parts(bare)
    return found


def _capital_parts(text: str) -> Iterator[str]:
    """The parts of words that have a capital after a small letter."""
    for run in _RUN.findall(text):
        if len(run) <= MAX_TERM and _CAPITAL_INSIDE.search(run):
            for part in _CAMEL_PART.findall(run):
                yield stems(DEFAULT)[part.lower()]


def _wholes(compounds: Iterable[str]) -> Iterator[str]:
    for compound in compounds:
        yield compound[:MAX_TERM]
        if "@" in compound or "/" in compound:
            for part in _ADDRESS_JOINTS.split(compound):
                if not part.isalnum():
                    yield part[:MAX_TERM]


def folded(text: str) -> str:
    """Without what cannot be seen, normalised, and small."""
    return _normal(_INVISIBLE.sub("", text))


def _normal(bare: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", bare).casefold())


def piece_tokens(piece: str) -> str:
    """The tokens of any piece, separated by blanks."""
    if piece.isascii():
        return piece.encode().translate(_BREAK).decode()
    return " ".join(wide()[0].findall(folded(piece)))


class Pieces(dict[str, str | None]):
    """From a piece of text between blanks to what `make` makes of it, remembered if it is short; None if it is not simple.

    A simple piece is short and holds no compound: its tokens are the same whatever stands around it.
    """

    def __init__(self, make: Callable[[str], str | None]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, piece: str) -> str | None:
        inner = piece.strip(_AROUND)
        if len(inner) > REMEMBERED_PIECE:
            return None
        is_word = inner.isalnum() or _JOINING.isdisjoint(inner)
        made = self._make(inner) if is_word else None
        if len(piece) <= 2 * REMEMBERED_PIECE:
            if len(self) >= REMEMBERED_PIECES:
                self.clear()
            self[piece] = made
        return made


def simple_tokens(inner: str) -> str | None:
    """The tokens of a simple piece, separated by blanks."""
    if inner.isascii():
        return None if _CAPITAL_INSIDE.search(inner) else inner.encode().translate(_BREAK).decode()
    bare = _INVISIBLE.sub("", inner)
    small = _normal(bare)
    return None if _wide_compounds(bare, small) else " ".join(wide()[0].findall(small))


@cache
def simple() -> Pieces:
    return Pieces(simple_tokens)
