"""Text to terms, the same for every store.

Text is normalised (NFKC) and case-folded; what cannot be seen (zero-width characters, marks of direction, Arabic and
Hebrew vowel points) counts for nothing. A word is a term by its Snowball stem, without accents in Latin and Greek:
the script says the language, and in Latin script the commonest words of the text do (`languages`). Stop words are
terms as they are; ranking gives them little weight. An identifier, number, date, address or URL with inner punctuation
or capitals (``snake_case``, ``getUserName``, ``v1.2.3``, ``a@b.org``, ``1,234``) is a term whole and in its parts.
Han, kana and Hangul, and the scripts of South-East Asia, have no spaces to rely on: every character is a term and so is
every two neighbours, which finds two-character words that trigrams cannot and substrings that words cannot. An emoji
is a term.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from enum import Enum
from functools import cache
from itertools import pairwise
from operator import add
from typing import NamedTuple

from recollect.recall.irregular import lemmas
from recollect.recall.languages import DEFAULT, OTHER_STOP_WORDS, STOP_WORDS, foreign, guess

VERSION = 2
"""Of the rules on this page; an index made by another version has to be built anew."""

MAX_CHARACTERS = 200_000
"""What lies behind is not indexed: a message that long is a document, and its terms would swamp the index."""

MAX_TERM = 64
"""Longer runs (base64, hashes glued together) are cut: they still match themselves."""

REMEMBERED_WORDS = 100_000
"""For each language as many words' stems are kept at hand (some 10 MB): a chat's vocabulary many times over."""

_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
    "\u1100-\u11ff\u3040-\u30ff\u3130-\u318f\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff"
)
_HAN = "\u3400"
_HANGUL = "\ua960"
_EMOJI = "\u203c\u2049\u2139\u2190-\u21ff\u2300-\u23ff\u25a0-\u27bf\u2934\u2935\u2b00-\u2bff\U0001f000-\U0001faff"
_FLAG = "[\U0001f1e6-\U0001f1ff]{2}"
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u0640\u064b-\u0652\u0670\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u180e"
    "\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufe00-\ufe0f\ufeff\U0001f3fb-\U0001f3ff\U000e0000-\U000e0fff]+"
)
_JOINTS = "._@+/-"
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
_ASCII = [chr(i) for i in range(128)]
# Of ASCII, folded: what is between words becomes a blank.
_BREAK = "".join(c.lower() if c.isalnum() else " " for c in _ASCII).encode() + bytes(128)
# The shape of ASCII text, to see at a glance whether it has compounds: "a" and "A" for letters, "a" for digits.
_SHAPE = "".join("." if c in _JOINTS else "A" if c.isupper() else "a" if c.isalnum() else "," if c == "," else " " for c in _ASCII).encode() + bytes(128)  # fmt: skip
_COMPOUND = re.compile(r"(?<![A-Za-z0-9])[A-Za-z0-9]++(?:[._@+/-][A-Za-z0-9]++)++")
_CAPITAL_INSIDE = re.compile("[a-z][A-Z]")
_RUN = re.compile(r"[A-Za-z0-9]+")
_CAMEL_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_GROUPED = re.compile(r"(?<![\d,.])\d{1,3}(?:,\d{3})++(?![\d,])")
_SPACED = re.compile(r"\S+")
_ADDRESS_JOINTS = re.compile("[@/]")


class Kind(Enum):
    """What a word of a query is worth."""

    CONTENT = "content"
    STOP = "stop"
    """Among the commonest words of its language."""
    IDEOGRAPH = "ideograph"
    """One of several Han characters in a run, which says something by itself."""
    SYLLABLE = "syllable"
    """One of several other characters in a run without spaces, which says little without its neighbours."""


class Word(NamedTuple):
    """A word of a query."""

    terms: tuple[str, ...]
    """What it may be indexed as: its stem in the language of the query, then in others."""
    kind: Kind


def analyze(text: str) -> list[str]:
    """The terms of a text, with repetition: words in order, then what is made of several.

    Terms hold no white space. Only the first `MAX_CHARACTERS` characters count.
    """
    return analyze_as(text)[0]


def analyze_as(text: str) -> tuple[list[str], str]:
    """The terms of a text, and the language that its words in Latin script were taken for."""
    text = text[:MAX_CHARACTERS]
    if text.isascii():
        raw = text.encode()
        tokens = raw.translate(_BREAK).decode().split()
        try:
            language, terms = DEFAULT, list(map(_sure.__getitem__, tokens))
        except KeyError:
            sure = foreign().isdisjoint(tokens)
            language = DEFAULT if sure else guess(tokens)
            terms = list(map(_stems(language).__getitem__, tokens))
            if sure:
                _remember(tokens, terms)
        terms += _compounds(text, raw)
        return terms, language
    tokens, compounds = _wide_tokens(text)
    language = guess(tokens)
    is_unspaced, latin, terms = _unspaced().match, _stems(language), []
    for token in tokens:
        if token.isascii():
            terms.append(latin[token])
        elif is_unspaced(token):
            terms += token
            terms += map(add, token, token[1:])
        else:
            terms += _terms_of(token, language)
    return terms + compounds, language


def stem(word: str, language: str = DEFAULT) -> str:
    """The term of one folded word in Latin script."""
    return _stems(language)[word]


def language_of(text: str) -> str:
    """The language that the words of a text in Latin script are taken for."""
    return guess(_wide()[0].findall(text[:MAX_CHARACTERS].casefold()))


def query_terms(query: str) -> list[str]:
    """The distinct terms of a query, in order: all that its words may be indexed as."""
    return list(dict.fromkeys(term for word in query_words(query) for term in word.terms))


def query_words(query: str, languages: Collection[str] = STOP_WORDS.keys()) -> list[Word]:
    """The words of a query, in order and each once; what is made of several words comes last.

    Parameters
    ----------
    languages: that a text may have been taken for; a word's stem in each of them is among its terms.
    """
    query = query[:MAX_CHARACTERS]
    if query.isascii():
        raw = query.encode()
        tokens, compounds = raw.translate(_BREAK).decode().split(), _compounds(query, raw)
    else:
        tokens, compounds = _wide_tokens(query)
    own = guess(tokens)
    stops, tried = STOP_WORDS[own], [own, *languages]
    words: dict[tuple[str, ...], Kind] = {}
    for token in dict.fromkeys(tokens):
        if not token.isascii() and _unspaced().match(token):
            for character in token:
                kind = Kind.IDEOGRAPH if _HAN <= character < _HANGUL else Kind.SYLLABLE
                words.setdefault((character,), kind if len(token) > 1 else Kind.CONTENT)
            for pair in _pairs(token):
                words.setdefault((pair,), Kind.CONTENT)
        elif token.isascii() or _stemmer(token) == "":
            every = tuple(dict.fromkeys(_stems(language)[token] for language in tried))
            words.setdefault(every, Kind.STOP if token in stops else Kind.CONTENT)
        else:
            stop = token in OTHER_STOP_WORDS
            words.setdefault(tuple(_terms_of(token, own)), Kind.STOP if stop else Kind.CONTENT)
    for compound in compounds:
        words.setdefault((compound,), Kind.CONTENT)
    return [Word(terms, kind) for terms, kind in words.items()]


def terms_with_spans(text: str) -> Iterator[tuple[str, int, int]]:
    """The terms of a text's words and runs without spaces, and where each begins and ends in the text."""
    text = text[:MAX_CHARACTERS]
    language = language_of(text)
    for found in _SPACED.finditer(text):
        begin = found.start()
        for token, start, end in _folded_tokens(found[0]):
            if token.isascii() or not _unspaced().match(token):
                for term in _terms_of(token, language):
                    yield term, begin + start, begin + end
                continue
            one_for_one = len(token) == end - start
            for i, character in enumerate(token):
                at = (begin + start + i, begin + start + i + 1) if one_for_one else (begin + start, begin + end)
                yield character, *at
            for i, pair in enumerate(_pairs(token)):
                at = (begin + start + i, begin + start + i + 2) if one_for_one else (begin + start, begin + end)
                yield pair, *at


def _folded_tokens(word: str) -> Iterator[tuple[str, int, int]]:
    """The tokens of what stands between blanks, with their places in it; where folding moves them, all of it."""
    folded = _folded(word)
    for match in _wide()[0].finditer(folded):
        yield (match[0], *(match.span() if len(folded) == len(word) else (0, len(word))))


def _compounds(text: str, raw: bytes) -> list[str]:
    """What in an ASCII text is a term whole beside its parts; of capitals within a word the parts are."""
    shape = raw.translate(_SHAPE).decode()  # `in` takes four times as long with bytes
    found: list[str] = []
    if "." in shape and "a.a" in shape.lower():
        found += _wholes(match[0].lower() for match in _COMPOUND.finditer(text))
    if "," in shape and "a,a" in shape:
        found += [match[0].replace(",", "") for match in _GROUPED.finditer(text)]
    if "aA" in shape:
        found += _capital_parts(text)
    return found


def _capital_parts(text: str) -> Iterator[str]:
    """The parts of words that have a capital after a small letter."""
    for run in _RUN.findall(text):
        if len(run) <= MAX_TERM and _CAPITAL_INSIDE.search(run):
            for part in _CAMEL_PART.findall(run):
                yield _stems(DEFAULT)[part.lower()]


def _wholes(compounds: Iterable[str]) -> Iterator[str]:
    for compound in compounds:
        yield compound[:MAX_TERM]
        if "@" in compound or "/" in compound:
            for part in _ADDRESS_JOINTS.split(compound):
                if not part.isalnum():
                    yield part[:MAX_TERM]


def _wide_tokens(text: str) -> tuple[list[str], list[str]]:
    """The tokens of any text, folded, and its compounds."""
    bare = _INVISIBLE.sub("", text)
    folded = _folded(bare)[:MAX_CHARACTERS]
    token, compound, _ = _wide()
    compounds = list(_wholes(compound.findall(folded)))
    if "," in folded:
        compounds += [found.replace(",", "") for found in _GROUPED.findall(folded)]
    if _CAPITAL_INSIDE.search(bare):
        compounds += _capital_parts(bare)
    return token.findall(folded), compounds


def _folded(text: str) -> str:
    """Without what cannot be seen, normalised, and small."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", _INVISIBLE.sub("", text)).casefold())


def _terms_of(token: str, language: str) -> Iterable[str]:
    if _unspaced().match(token):
        return [*token, *_pairs(token)]
    stemmer = _stemmer(token)
    if stemmer is None:
        return (token[:MAX_TERM],)
    return (_stems(stemmer or language)[token],)


def _pairs(run: str) -> Iterator[str]:
    return (first + second for first, second in pairwise(run))


def _stemmer(token: str) -> str | None:
    """The stemmer that the script of a word asks for; empty where the script does not say, `None` where none is."""
    first = ord(token[0])
    for last, stemmer in _SCRIPTS:
        if first <= last:
            return stemmer
    return None


class _Stems(dict[str, str]):
    """From a word to its term in one language, made when first asked for."""

    def __init__(self, language: str) -> None:
        super().__init__()
        self._language = language
        self._stops = STOP_WORDS.get(language, OTHER_STOP_WORDS)

    def __missing__(self, word: str) -> str:
        if len(word) > MAX_TERM:
            return word[:MAX_TERM]
        from Stemmer import Stemmer

        # A stemmer must not be used by two threads at once; making one costs as much as one word.
        lemma = lemmas().get(word, word) if self._language == DEFAULT else word
        term = word if word in self._stops else Stemmer(self._language, 0).stemWord(lemma) or word
        if not term.isascii() and self._language not in _KEEPS_MARKS:
            term = "".join(c for c in unicodedata.normalize("NFD", term) if not unicodedata.combining(c))
        if len(self) >= REMEMBERED_WORDS:
            self.clear()
        self[word] = term
        return term


_sure: dict[str, str] = {}
"""From words that tell of no other language to their terms in the default one: a text that has only such needs no guess."""


def _remember(words: Iterable[str], terms: Iterable[str]) -> None:
    if len(_sure) >= REMEMBERED_WORDS:
        _sure.clear()
    _sure.update(zip(words, terms, strict=True))


_KEEPS_MARKS = frozenset({"russian", "arabic", "hindi", "tamil", "armenian"})


@cache
def _stems(language: str) -> _Stems:
    return _Stems(language)


@cache
def _wide() -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
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
def _unspaced() -> re.Pattern[str]:
    return _wide()[2]
