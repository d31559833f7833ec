"""Tokens to terms: the stem of a word by its script and language, the characters and pairs of what is written without
spaces."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from operator import add

from recollect.recall.irregular import lemmas
from recollect.recall.languages import DEFAULT, OTHER_STOP_WORDS, STOP_WORDS

MAX_TERM = 64
"""Longer runs (base64, hashes glued together) are cut: they still match themselves."""

REMEMBERED_WORDS = 100_000
"""For each language as many words' stems are kept at hand (some 10 MB): a chat's vocabulary many times over."""

REMEMBERED_RUN = 8
"""Characters of a run without spaces that is remembered too: a longer one hardly comes again."""

_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
    "\u1100-\u11ff\u3040-\u30ff\u3130-\u318f\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff"
)
_EMOJI = "\u203c\u2049\u2139\u2190-\u21ff\u2300-\u23ff\u25a0-\u27bf\u2934\u2935\u2b00-\u2bff\U0001f000-\U0001faff"
_FLAG = "[\U0001f1e6-\U0001f1ff]{2}"
# By the first letter of a word: the script's last code point, and the stemmer that serves it.
_SCRIPTS = (
    (0x24F, ""),
    (0x36F, None),
    (0x3FF, "greek"),
    (0x52F, "russian"),
    (0x58F, "armenian"),
    (0x5FF, None),
    (0x6FF, "arabic"),
    (0x8FF, None),
    (0x97F, "hindi"),
    (0xB7F, None),
    (0xBFF, "tamil"),
    (0x1DFF, None),
    (0x1EFF, ""),
    (0x1FFF, "greek"),
)


def script_stemmer(token: str) -> str | None:
    """The stemmer that the script of a word asks for; empty where the script does not say, `None` where none is."""
    first = ord(token[0])
    for last, stemmer in _SCRIPTS:
        if first <= last:
            return stemmer
    return None


class _Stems(dict[str, str]):
    """From a token to its terms, separated by blanks, in a text of one language; made when first asked for."""

    def __init__(self, language: str) -> None:
        super().__init__()
        self._language = language
        self._stops = STOP_WORDS.get(language, OTHER_STOP_WORDS)

    def __missing__(self, token: str) -> str:
        if not token.isascii() and unspaced().match(token):
            terms = " ".join([*token, *map(add, token, token[1:])])
            if len(token) > REMEMBERED_RUN:
                return terms
        else:
            script = "" if token.isascii() else script_stemmer(token)
            if script is None or len(token) > MAX_TERM:
                return token[:MAX_TERM]
            if script and script != self._language:
                return stems(script)[token]
            terms = self._stem(token)
        if len(self) >= REMEMBERED_WORDS:
            self.clear()
        self[token] = terms
        return terms

    def _stem(self, word: str) -> str:
        from Stemmer import Stemmer

        # A stemmer must not be used by two threads at once; making one costs as much as one word.
        lemma = lemmas().get(word, word) if self._language == DEFAULT else word
        term = word if word in self._stops else Stemmer(self._language, 0).stemWord(lemma) or word
        if not term.isascii() and self._language not in _KEEPS_MARKS:
            term = "".join(c for c in unicodedata.normalize("NFD", term) if not unicodedata.combining(c))
        return term


_KEEPS_MARKS = frozenset({"russian", "arabic", "hindi", "tamil", "armenian"})


@cache
def stems(language: str) -> _Stems:
    return _Stems(language)


@cache
def wide() -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    """Tokens, compounds and the test for scripts without spaces. Compiled when first needed: it takes milliseconds."""
    marks = re.escape("".join(c for c in map(chr, range(0x300, 0x10000)) if unicodedata.category(c)[0] == "M"))
    letter = rf"[^\W_{_UNSPACED}]"
    word = rf"{letter}++(?:[{marks}]++{letter}*+)*+"
    return (
        re.compile(rf"[{_UNSPACED}]+|{_FLAG}|[{_EMOJI}]|{word}"),
        re.compile(rf"(?<!{letter}){word}(?:[._@+/-]{word})++"),
        re.compile(f"[{_UNSPACED}]"),
    )


@cache
def unspaced() -> re.Pattern[str]:
    return wide()[2]
