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
from collections.abc import Collection, Iterator
from enum import Enum
from functools import cache
from itertools import pairwise
from typing import NamedTuple

from recollect.recall.languages import DEFAULT, OTHER_STOP_WORDS, STOP_WORDS, foreign, guess
from recollect.recall.stems import script_stemmer, stems, unspaced, wide
from recollect.recall.words import (
    MAX_CHARACTERS,
    Pieces,
    compounds_of,
    folded,
    piece_tokens,
    simple,
    simple_tokens,
    tokens_of,
)

VERSION = 3
"""Of the rules on this page; an index made by another version has to be built anew."""

SHORT = 10_000
"""Characters of a text that is looked at by its pieces: folded it is below `MAX_CHARACTERS` still."""

LONG_PIECE = 10
"""Characters between blanks, on average, from which on a text is none of words between blanks."""

_HAN = "\u3400"
_HANGUL = "\ua960"
_SPACED = re.compile(r"\S+")


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
    return _analyzed(text)[0].split()


def term_text(text: str) -> str:
    """What `analyze` gives, separated by single spaces."""
    return _analyzed(text)[0]


def analyze_as(text: str) -> tuple[list[str], str]:
    """The terms of a text, and the language that its words in Latin script were taken for."""
    terms, language = _analyzed(text)
    return terms.split(), language


def _analyzed(text: str) -> tuple[str, str]:
    """The terms of a text, separated by blanks, and its language."""
    if len(text) <= SHORT:
        pieces = text.split()
        if len(text) < LONG_PIECE * len(pieces):
            return _of_pieces(pieces)
    text = text[:MAX_CHARACTERS]
    tokens, compounds = tokens_of(text)
    language = guess(tokens)
    return " ".join([*map(stems(language).__getitem__, tokens), *compounds]), language


def _of_pieces(pieces: list[str]) -> tuple[str, str]:
    """As `_analyzed`, for a text cut at its blanks: nothing of what is looked for reaches over one."""
    terms = list(map(_ordinary().__getitem__, pieces))
    if None not in terms:
        return " ".join(filter(None, terms)), DEFAULT
    others: list[str] = []
    term, known = stems(DEFAULT), simple()
    place = -1
    for _ in range(terms.count(None)):
        place = terms.index(None, place + 1)
        piece = pieces[place]
        tokens = known[piece]
        if tokens is None:
            others.append(piece)
            tokens = piece_tokens(piece)
        words = tokens.split()
        if not foreign().isdisjoint(words):
            return _of_any(pieces)
        terms[place] = " ".join(map(term.__getitem__, words))
    return " ".join([*filter(None, terms), *compounds_of(" ".join(others))]), DEFAULT


def _of_any(pieces: list[str]) -> tuple[str, str]:
    """As `_of_pieces`, for a text that is perhaps in another language."""
    found = list(map(simple().__getitem__, pieces))
    others: list[str] = []
    if None in found:
        for place, piece in enumerate(pieces):
            if found[place] is None:
                others.append(piece)
                found[place] = piece_tokens(piece)
    tokens = " ".join(filter(None, found)).split()
    language = guess(tokens)
    return " ".join([*map(stems(language).__getitem__, tokens), *compounds_of(" ".join(others))]), language


def stem(word: str, language: str = DEFAULT) -> str:
    """The term of one folded word in Latin script."""
    return stems(language)[word]


def language_of(text: str) -> str:
    """The language that the words of a text in Latin script are taken for."""
    return guess(wide()[0].findall(text[:MAX_CHARACTERS].casefold()))


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
    tokens, compounds = tokens_of(query)
    own = guess(tokens)
    stops, tried = STOP_WORDS[own], [own, *languages]
    words: dict[tuple[str, ...], Kind] = {}
    for token in dict.fromkeys(tokens):
        if not token.isascii() and unspaced().match(token):
            for character in token:
                kind = Kind.IDEOGRAPH if _HAN <= character < _HANGUL else Kind.SYLLABLE
                words.setdefault((character,), kind if len(token) > 1 else Kind.CONTENT)
            for pair in _pairs(token):
                words.setdefault((pair,), Kind.CONTENT)
        elif token.isascii() or script_stemmer(token) == "":
            every = tuple(dict.fromkeys(stems(language)[token] for language in tried))
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
            if token.isascii() or not unspaced().match(token):
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
    small = folded(word)
    for match in wide()[0].finditer(small):
        yield (match[0], *(match.span() if len(small) == len(word) else (0, len(word))))


def _terms_of(token: str, language: str) -> list[str]:
    return stems(language)[token].split()


def _pairs(run: str) -> Iterator[str]:
    return (first + second for first, second in pairwise(run))


def _ordinary_terms(inner: str) -> str | None:
    """The terms of a simple piece in a text of the default language; None for a word that may tell of another one."""
    tokens = simple_tokens(inner)
    if tokens is None or not foreign().isdisjoint(tokens.split()):
        return None
    return " ".join(map(stems(DEFAULT).__getitem__, tokens.split()))


@cache
def _ordinary() -> Pieces:
    return Pieces(_ordinary_terms)
