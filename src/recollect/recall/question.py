"""What a question says beside its words: who it names, what time it speaks of, and whether it asks for one."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from typing import TYPE_CHECKING, NamedTuple

from recollect.recall.analyzer import Kind, language_of, query_words
from recollect.recall.languages import DEFAULT, STOP_WORDS
from recollect.recall.persons import is_to_other
from recollect.recall.time_expressions import Times, asks_when, find

if TYPE_CHECKING:
    from recollect.recall.columns import Columns

MAX_CHARACTERS = 10_000
"""Of a longer question; what lies behind changes no answer."""


class Question(NamedTuple):
    """A question, read against an index."""

    content: list[tuple[str, ...]]
    """Words that say what it is about, each with what it may be indexed as."""
    names: list[tuple[str, ...]]
    """Words of the names of those who speak in the index."""
    stops: list[tuple[str, ...]]
    """The commonest words, and those that say a time by the present: texts of other times say them too."""
    ideographs: list[tuple[str, ...]]
    syllables: list[tuple[str, ...]]
    """Single characters of scripts without spaces, beside their pairs in `content`."""
    speakers: Collection[int]
    """Numbers of the names whose words weigh more: of those named, unless all are."""
    times: Times
    asks_when: bool
    is_to_other: bool
    """It is put to the one who is asked for ("what did you say?")."""
    newest: float
    """When the newest document of the index is from, in seconds of the epoch."""
    bare: str
    """The question without the names of those who speak."""
    kinds: frozenset[str]
    """The script of most of its letters (the first word of their Unicode names, in small letters: ``latin``, ``cjk``,
    ``hangul``, ``hiragana``, ``cyrillic``...) and, in Latin script, its language (``english``)."""


def read(index: Columns, query: str) -> Question:
    """Read a question."""
    query = query[:MAX_CHARACTERS]
    languages = [name for name, number in index.languages.items() if index.language_counts[number]]
    words = query_words(query, languages)
    said = {word.terms[0] for word in words}
    known = [(name, number) for name, number in index.names.items() if index.name_counts[number]]
    named = [(name, number) for name, number in known if _is_named(index.name_words[number], said)]
    name_terms = {term for _, number in named for term in index.name_words[number]}
    first, newest = index.span()
    times = find(query, first, newest)
    rest = {word.terms[0] for word in query_words(times.rest, languages)} if times.relative else said
    by_kind: dict[Kind, list[tuple[str, ...]]] = {kind: [] for kind in Kind}
    for word in words:
        if word.terms[0] not in name_terms:
            kind = word.kind if word.terms[0] in rest else Kind.STOP
            by_kind[kind].append(word.terms)
    script = kinds(query)
    language = next((kind for kind in script if kind in STOP_WORDS), DEFAULT)
    return Question(
        by_kind[Kind.CONTENT],
        [word.terms for word in words if word.terms[0] in name_terms],
        by_kind[Kind.STOP],
        by_kind[Kind.IDEOGRAPH],
        by_kind[Kind.SYLLABLE],
        [number for _, number in named] if len(named) < len(known) else [],
        times,
        asks_when(query),
        is_to_other(said, language),
        newest,
        _without(query, [name for name, _ in named]),
        script,
    )


def kinds(text: str) -> frozenset[str]:
    """The script of most letters of a text and, in Latin script, the language that it is taken for."""
    if text.isascii():
        return frozenset({"latin", language_of(text)})
    scripts: dict[str, int] = {}
    for character in text:
        if character.isalpha():
            script = "latin" if character.isascii() else unicodedata.name(character, "none").partition(" ")[0].lower()
            scripts[script] = scripts.get(script, 0) + 1
    script = max(scripts, key=scripts.__getitem__, default="latin")
    return frozenset({script, language_of(text)} if script == "latin" else {script})


def _is_named(name: tuple[str, ...], said: Collection[str]) -> bool:
    return bool(name) and all(word in said for word in name)


def _without(query: str, names: list[str]) -> str:
    for name in sorted(names, key=len, reverse=True):
        query = re.sub(rf"(?<!\w){re.escape(name)}(?:['’`]s)?(?!\w)", " ", query, flags=re.IGNORECASE)
    return " ".join(query.split())
