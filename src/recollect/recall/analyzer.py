"""Text to terms, the same for every store.

Text is normalised (NFKC) and case-folded. Words of letters and digits are terms, an identifier or number with inner
punctuation (``snake_case``, ``v1.2.3``, ``a@b.org``) is a term whole and in its parts. Han, kana and Hangul have
no spaces to rely on: every character is a term and so is every two neighbours, which finds two-character words that
trigrams cannot and substrings that words cannot.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from itertools import pairwise

VERSION = 1
"""Of the rules on this page; an index made by another version has to be built anew."""

MAX_CHARACTERS = 200_000
"""What lies behind is not indexed: a message that long is a document, and its terms would swamp the index."""

MAX_TERM = 64
"""Longer runs (base64, hashes glued together) are cut: they still match themselves."""

_CJK = (
    "\u1100-\u11ff\u3040-\u30ff\u3130-\u318f\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff"
)
_JOINTS = "._@+'/-"
_ASCII = [chr(i) for i in range(128)]
# Of ASCII, folded: what is between words becomes a blank.
_BREAK = "".join(c.lower() if c.isalnum() else " " for c in _ASCII).encode() + bytes(128)
_KEEP = "".join(c.lower() if c.isalnum() or c in _JOINTS else " " for c in _ASCII).encode() + bytes(128)
_NO_JOINTS = "".join(c for c in _ASCII if c not in _JOINTS).encode()


@cache
def _wide() -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    """Tokens, compounds and the test for Han, kana and Hangul. Compiled when first needed: it takes milliseconds."""
    word = rf"[^\W_{_CJK}]"
    return (
        re.compile(rf"[{_CJK}]+|{word}{{1,{MAX_TERM}}}"),
        re.compile(rf"(?<!{word}){word}++(?:[._@+'’/-]{word}++)++"),
        re.compile(f"[{_CJK}]"),
    )


def analyze(text: str) -> list[str]:
    """The terms of a text, with repetition: words in order, then what is made of several.

    Terms hold no white space. Only the first `MAX_CHARACTERS` characters count.
    """
    text = text[:MAX_CHARACTERS]
    if text.isascii():
        return _ascii(text.encode())
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())[:MAX_CHARACTERS]
    token, compound, _ = _wide()
    return [*_split_cjk(token.findall(folded)), *(found[:MAX_TERM] for found in compound.findall(folded))]


def _ascii(raw: bytes) -> list[str]:
    """As the patterns of `_wide` do it for any text, by byte tables: most messages come this way."""
    tokens = raw.translate(_BREAK).decode().split()
    if raw.translate(None, _NO_JOINTS):
        wholes = (token.strip(_JOINTS) for token in raw.translate(_KEEP).decode().split())
        tokens += [whole for whole in wholes if whole and not whole.isalnum()]
    # Blanks between them leave the longest so many characters at most.
    if len(raw) - 2 * len(tokens) + 2 > MAX_TERM and tokens and max(map(len, tokens)) > MAX_TERM:
        return [token[:MAX_TERM] for token in tokens]
    return tokens


def _split_cjk(tokens: list[str]) -> Iterator[str]:
    is_cjk = _wide()[2].match
    for token in tokens:
        if is_cjk(token):
            yield from token
            for first, second in pairwise(token):
                yield first + second
        else:
            yield token


def query_terms(query: str) -> list[str]:
    """The distinct terms of a query, in order."""
    return list(dict.fromkeys(analyze(query)))
