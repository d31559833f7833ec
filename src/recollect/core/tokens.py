"""How many tokens a text is: an estimate by script that needs no vocabulary and no download, or an exact counter.

A tokenizer cuts where two neighbouring characters seldom stand together. So the estimate gives every character one of
16 classes, looks up what a character of one class costs after a character of another, and adds up:

* ASCII and other Latin letters by one pair of tables, 16 x 16. The plain table has the rates of prose and of source
  code, the dense one those of text that merges badly: hashes, random letters, languages unlike English. The larger
  sum counts.
* every other character by a pair of tables over scripts. A character for which the vocabulary has no token of its own
  falls apart into two to four; which ones do was measured, character by character.

The costs are the result of a fit; one of them alone means nothing. `tools/token_table.py` makes them and measures the
estimate on other text; ``docs/explanation/tokens.md`` shows what comes out.
"""

from __future__ import annotations

import base64
import importlib
import unicodedata
import zlib
from functools import cache
from typing import Any, Protocol
from zlib import adler32

from recollect.core.token_costs import (
    ALONE,
    ASCII,
    BLANK,
    COMMON,
    COMMON_LETTERS,
    DENSE,
    DENSE_BESIDE,
    FOUR,
    FREQUENT,
    FREQUENT_LETTERS,
    LATIN,
    LATIN_LOWER,
    LATIN_RANGES,
    LATIN_UPPER,
    OTHER,
    PLAIN,
    PLAIN_BESIDE,
    RARE,
    SCRIPT_DENSE,
    SCRIPT_PLAIN,
    SCRIPT_UNIT,
    SCRIPTS,
    SELDOM,
    SIGN,
    SYMBOL,
    THREE,
    TOKEN,
    TWO,
    VOWEL,
    VOWEL_SIGNS,
    VOWELS,
)
from recollect.errors import ConfigError


class TokenCounter(Protocol):
    """Anything that says how many tokens a text is: a function, a bound method, a lambda."""

    def __call__(self, text: str, /) -> int:
        """The tokens of `text`: 0 for the empty text, at least 1 for any other."""
        ...


# Texts longer than this many characters are counted in slices, so that the memory in use does not grow with them.
_SLICE = 1 << 20

# A text of _LONG characters or more, of which three samples of _SAMPLE have no more than _FEW different characters, is
# taken for a short pattern repeated: four fifths of a token a character, at least. Such patterns merge anything from
# not at all (#*#*) to eighty in a token (----), and no table of pairs can tell.
_LONG, _SAMPLE, _FEW = 512, 32, 8


def _latin_classes() -> bytes:
    table = bytearray([OTHER]) * 256
    for number, characters in enumerate(LATIN):
        for character in characters:
            table[ord(character)] = number
    return bytes(table)


def _beside(table: bytes, row: bytes, column: bytes) -> bytes:
    """`table` for a text that is not all ASCII: the last class is what is not Latin."""
    mixed = bytearray(table)
    mixed[OTHER::16] = column
    mixed[OTHER * 16 :] = row
    return bytes(mixed)


# What `bytes.translate` reads: a class for each ASCII character.
_CLASS = _latin_classes()
_PLAIN_MIXED = _beside(PLAIN, *PLAIN_BESIDE)
_DENSE_MIXED = _beside(DENSE, *DENSE_BESIDE)

# Codes: what `str.translate` puts in the place of a character, so that one byte says both of its classes. An ASCII
# character stands for itself, 0x80 + n for class n of the scripts, and "?" for what is behind the end of the table:
# that is how `encode` writes it. The real question mark goes in as a full stop, which has the same classes.
_CODE_LOWER, _CODE_UPPER = 0x90, 0x91
_MIXED_CLASS = bytearray(_CLASS)
_MIXED_CLASS[ord("?")] = OTHER
_MIXED_CLASS[_CODE_LOWER], _MIXED_CLASS[_CODE_UPPER] = LATIN_LOWER, LATIN_UPPER
_SCRIPT_CLASS = bytearray([ASCII]) * 256
_SCRIPT_CLASS[0x80:0x90] = bytes(range(16))
_SCRIPT_CLASS[ord("?")] = FOUR
for _blank in b" \t\n\r":
    _SCRIPT_CLASS[_blank] = BLANK


@cache
def _codes() -> str:
    """The codes of U+0000 to U+1FFFF; made when the first text comes that is not all ASCII (some milliseconds)."""
    alone = zlib.decompress(base64.b85decode(ALONE))

    def coded(first: int, last: int, one: int) -> bytes:
        costs = bytes([0, 0x80 + one, 0x80 + TWO, 0x80 + THREE, 0x80 + FOUR]) + bytes(251)
        return alone[first - 0x80 : last - 0x80].translate(costs)

    codes = bytearray(range(0x80))
    codes[ord("?")] = ord(".")
    for control in (*range(9), 11, 12, *range(14, 32), 127):
        codes[control] = 0x80 + TWO
    codes += coded(0x80, 0x80 + len(alone), SYMBOL)
    for first, last, script in SCRIPTS:
        codes[first:last] = coded(first, last, script)
        for point in range(first, last) if script == SELDOM else ():
            if codes[point] == 0x80 + SELDOM and unicodedata.category(chr(point)) in ("Mn", "Mc"):
                codes[point] = 0x80 + SIGN
    for letters, script in (
        (VOWELS + VOWELS.upper(), VOWEL),
        (FREQUENT_LETTERS, FREQUENT),
        (VOWEL_SIGNS, SIGN),
        (COMMON_LETTERS, COMMON),
    ):
        for letter in letters:
            if codes[ord(letter)] in (0x80 + RARE, 0x80 + SELDOM):
                codes[ord(letter)] = 0x80 + script
    for first, last in LATIN_RANGES:
        for point in range(first, last):
            if codes[point] == 0x80 + SYMBOL and chr(point).isalpha():
                codes[point] = _CODE_UPPER if chr(point).isupper() else _CODE_LOWER
    for invisible in (0xAD, 0x200B, 0x200E, 0x200F, 0x2060, 0xFEFF):
        codes[invisible] = 0x80 + TWO
    return codes.decode("latin-1")


_number = int.from_bytes


# The lower half of Adler-32 (RFC 1950) is one more than the sum of the bytes, modulo 65521: the sum of so many bytes, ten
# times as fast as `sum`, which makes a number of each.
_SUMMED = 256


def _total(data: bytes) -> int:
    """The sum of the bytes."""
    pieces = range(0, len(data), _SUMMED)
    return sum(adler32(data[i : i + _SUMMED]) & 0xFFFF for i in pieces) - len(pieces)


def _mixed_classes(text: str) -> tuple[bytes, bytes]:
    """The Latin classes and the scripts of the characters of a text that is not all ASCII."""
    codes = text.translate(_codes()).encode("latin-1", "replace")
    return codes.translate(_MIXED_CLASS), codes.translate(_SCRIPT_CLASS)


def _pairs(classes: bytes) -> bytes:
    """A byte each character: the class of the character before it times 16, plus its own; a blank precedes the text."""
    number = _number(classes)
    return (number | number >> 4).to_bytes(len(classes))


def _cost(classes: bytes, plain: bytes, dense: bytes) -> int:
    """What the pairs of classes cost by the table that makes more of them."""
    pairs = _pairs(classes)
    if len(pairs) > _SUMMED:
        return max(_total(pairs.translate(plain)), _total(pairs.translate(dense)))
    one, other = adler32(pairs.translate(plain)) & 0xFFFF, adler32(pairs.translate(dense)) & 0xFFFF
    return (one if one > other else other) - 1


def _least(text: str, size: int) -> int:
    """Units below which a long text of very few different characters is not counted; blanks do merge."""
    middle = size // 2
    sample = text[:_SAMPLE] + text[middle : middle + _SAMPLE] + text[-_SAMPLE:]
    return size * TOKEN * 4 // 5 if len(set(sample)) <= _FEW and not sample.isspace() else 0


def estimate_tokens(text: str) -> int:
    """About how many ``o200k_base`` tokens `text` is.

    Within 15 % of the exact count on ordinary text in English, Korean, Japanese, Chinese and source code; above it,
    rather than far below, on random text, repeated patterns and whatever else. Some 1.5 microseconds for 100 characters
    of ASCII and 6 for other text, linear in the length, and a pure function of the text.

    Parameters
    ----------
    text: any string, lone surrogates included.

    Returns the number of tokens: 0 for the empty text, at least 1 for any other. The costs that are added up come from a
    fit by `tools/token_table.py --fit`; the measured errors are in ``docs/explanation/tokens.md``.
    """
    size = len(text)
    if size > _SLICE:
        return sum(estimate_tokens(text[i : i + _SLICE]) for i in range(0, size, _SLICE))
    if text.isascii():
        units = _cost(text.encode().translate(_CLASS), PLAIN, DENSE)
    else:
        latin, scripts = _mixed_classes(text)
        units = _cost(latin, _PLAIN_MIXED, _DENSE_MIXED) + SCRIPT_UNIT * _cost(scripts, SCRIPT_PLAIN, SCRIPT_DENSE)
    if size >= _LONG:
        units = max(units, _least(text, size))
    return (units + TOKEN // 2) // TOKEN or min(size, 1)


def tiktoken_counter(encoding: str = "o200k_base") -> TokenCounter:
    """An exact counter from OpenAI's `tiktoken`, for ``Recollect(url, count_tokens=tiktoken_counter())``.

    Special tokens in a text, such as ``<|endoftext|>``, are counted as the plain text they are. tiktoken fetches the
    vocabulary over the network when it is used for the first time, and keeps it.

    Parameters
    ----------
    encoding: the name of the vocabulary, as tiktoken has it.

    Raises ConfigError where tiktoken is not installed, has no such encoding, or cannot fetch it.
    """
    try:
        tiktoken: Any = importlib.import_module("tiktoken")
    except ImportError as error:
        raise ConfigError(
            'tiktoken_counter needs the package tiktoken:\n\n    pip install "recollect[tiktoken]"\n'
        ) from error
    try:
        encode = tiktoken.get_encoding(encoding).encode
    except (ValueError, OSError) as error:
        raise ConfigError(f"tiktoken has no encoding {encoding!r} to count with: {error}") from error

    def count(text: str, /) -> int:
        return len(encode(text, disallowed_special=()))

    return count
