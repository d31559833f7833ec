"""BM25 over an index: of a document with its neighbours, and of the conversation that it is part of.

Okapi BM25 with the always positive idf (Robertson & Zaragoza 2009, as Lucene has it). The terms of a document's two
neighbours on each side count as fractions of its own, before saturation: a word said twice in an exchange counts less
than two words do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from recollect.recall import weights
from recollect.recall.columns import (
    AFTER,
    AFTER_2,
    ASKS,
    BEFORE,
    BEFORE_2,
    BEFORE_ASKED,
    DEAD,
    NONE,
    OWN,
    SPEAKERS,
    Columns,
)
from recollect.recall.concepts import concepts
from recollect.recall.question import Question

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Slots = NDArray[np.int64]

DENSE_FROM = 8
"""A term that every so manieth document has is counted over all of them at once."""


class Statistics(NamedTuple):
    """Counts of a larger store, when an index holds only the candidates of it."""

    total: int
    """Documents."""
    having: Mapping[str, int]
    """Documents that have a term, by term."""
    mean: Floats | None = None
    """Of the vectors; None where those of the index are all there are."""
    best: float = 0.0
    """Score without vectors and dates, in other parts of the store: the best vector and date count for shares of it."""


class Term(NamedTuple):
    """A term of a query, with its weight."""

    keys: tuple[int, ...]
    """Of the index; several count as one."""
    weight: float
    beside: Term | None = None
    """The word of the question that they stand for, with what they count less for next to it."""


class Arrays:
    """The columns of an index as arrays, for the length of one search: while they are held the index must not grow.

    Those of links and what is added up have one place more: the link of nothing leads there, and back to itself.
    """

    def __init__(self, index: Columns) -> None:
        import numpy as np

        self.count = len(index.log)
        self.log = np.frombuffer(index.log, np.uint32)
        self.seq = np.frombuffer(index.seq, np.int64)
        self.at = np.frombuffer(index.at, np.float64)
        self.until = np.frombuffer(index.until, np.float64)
        self.expires = np.frombuffer(index.expires, np.float64)
        self.name = np.frombuffer(index.name, np.int32)
        self.role = np.frombuffer(index.role, np.uint8)
        self.flags = np.frombuffer(index.flags, np.uint8)
        self.scene = np.frombuffer(index.scene, np.int32)
        self.before: Slots = np.append(np.frombuffer(index.before, np.int32), NONE).astype(np.int64)
        self.after: Slots = np.append(np.frombuffer(index.after, np.int32), NONE).astype(np.int64)
        average = index.total_context_length / max(index.live, 1) or 1.0
        length = np.append(np.frombuffer(index.context_length, np.uint64), np.uint64(0)).astype(np.float32)
        k1, b = weights.K1, weights.B
        self.norm: Floats = (k1 * (1.0 - b) + k1 * b / average * length).astype(np.float32)
        self.alone: Slots = np.flatnonzero((self.before[:-1] == NONE) & (self.after[:-1] == NONE))
        """Memories, and passages that are a whole document: what has no neighbours, but for the turns of somebody."""
        spoken = np.isin(self.role[self.alone], [index.roles[role] for role in SPEAKERS & index.roles.keys()])
        self.alone = self.alone[~spoken | (self.scene[self.alone] == NONE)]
        asked = (np.append(self.flags, 0) & ASKS) != 0
        self.lent_after: Floats = np.where(asked, np.float32(BEFORE_ASKED), np.float32(BEFORE))
        """What a document's terms count for in the one after it, in twentieths."""


class Lexical:
    """The terms of a question in an index, and what they make of its documents."""

    def __init__(self, index: Columns, arrays: Arrays, question: Question, statistics: Statistics | None) -> None:
        self._index, self._arrays, self._question = index, arrays, question
        self._dead = len(index.log) > index.live
        self._total = statistics.total if statistics else index.live
        self._having = statistics.having if statistics else None
        self._postings: dict[tuple[int, ...], tuple[Slots, Floats]] = {}
        content = self._terms(question.content)
        self.expanding = self._expanding({key for term in content for key in term.keys})
        self.says_something = bool(content or self.expanding)
        """The question has more that is known than names and stop words."""
        names, stops = self._terms(question.names), self._terms(question.stops)
        ideographs, syllables = self._terms(question.ideographs), self._terms(question.syllables)
        if self.says_something:
            single = [*_times(weights.IDEOGRAPH, ideographs), *_times(weights.SYLLABLE, syllables)]
            finding, refining = content, [*_times(weights.STOP_WORD, stops), *single]
        else:
            # That two texts share stop words says nothing, unless the question has no other words.
            finding = names or [*ideographs, *syllables] or ([] if question.content else stops)
            refining = [] if finding is stops else _times(weights.STOP_WORD, stops)
        self.finding, self.refining = _rarest(finding), _rarest(refining)

    # -- terms ---------------------------------------------------------------------------------------------------

    def _terms(self, words: Sequence[tuple[str, ...]]) -> list[Term]:
        found: dict[int, float] = {}
        for word in words:
            for i, term in enumerate(word):
                key = self._index.terms.get(term)
                if key is not None and (having := self._count(term, key)):
                    weight = idf(self._total, having) * (weights.OTHER_LANGUAGE if i else 1.0)
                    found[key] = max(weight, found.get(key, 0.0))
        return [Term((key,), weight) for key, weight in found.items()]

    def _expanding(self, asked: set[int]) -> list[Term]:
        """For each word of the question what is of its kind, and what means the same, as one term each."""
        known, found = self._index.terms, []
        for word in self._question.content:
            for table, factor in zip(concepts(), (weights.MEMBER, weights.SYNONYM), strict=True):
                counts = {
                    known[other]: self._count(other, known[other])
                    for other in table.get(word[0], ())
                    if other in known and known[other] not in asked
                }
                keys = tuple(key for key, count in counts.items() if count)
                if keys:
                    weight = idf(self._total, min(sum(counts.values()), self._total))
                    key = known.get(word[0])
                    beside = None
                    if key is not None and (having := self._count(word[0], key)):
                        own = idf(self._total, having)
                        weight, beside = min(weight, own), Term((key,), weights.BESIDE * own)
                    found.append(Term(keys, factor * weight, beside))
        return _rarest(found)

    def _count(self, term: str, key: int) -> int:
        """Documents that have a term."""
        if self._having is not None and term in self._having:
            return self._having[term]
        return len(self._posting((key,))[0]) if self._dead else len(self._index.postings[key])

    def _posting(self, keys: tuple[int, ...]) -> tuple[Slots, Floats]:
        """The documents that have one of the terms, in order, and how often."""
        import numpy as np

        if keys in self._postings:
            return self._postings[keys]
        packed = np.concatenate([np.frombuffer(self._index.postings[key], np.uint32) for key in keys])
        slots, counts = (packed >> 8).astype(np.int64), (packed & 255).astype(np.float32)
        if self._dead:
            alive = (self._arrays.flags[slots] & DEAD) == 0
            slots, counts = slots[alive], counts[alive]
        if len(keys) > 1:
            slots, places = np.unique(slots, return_inverse=True)
            counts = np.bincount(places, counts, len(slots)).astype(np.float32)
        self._postings[keys] = slots, counts
        return slots, counts

    # -- scores --------------------------------------------------------------------------------------------------

    def scores(self, terms: list[Term]) -> tuple[Floats, Floats]:
        """Of every document with its neighbours; and of every scene, with one place more for what is in none."""
        import numpy as np

        arrays = self._arrays
        score = np.zeros(arrays.count + 1, np.float32)
        scratch = np.zeros(arrays.count + 1, np.float32)
        scenes = len(self._index.scene_size)
        scene_score = np.zeros(scenes + 1, np.float32)
        scene_norm = self._scene_norm() if scenes else scene_score
        for keys, weight, beside in terms:
            slots, counts = self._posting(keys)
            if scenes and len(slots) * DENSE_FROM > arrays.count:
                more = _saturated(self._spread_all(slots, counts), arrays.norm, weight, weights.K1)
                if beside is not None:
                    more = np.maximum(more - self._near(beside, np.arange(arrays.count + 1)), 0)
                score += more
            else:
                touched = self._spread(slots, counts, scratch) if scenes else slots
                tf = scratch[touched] if scenes else counts * np.float32(OWN)
                more = _saturated(tf, arrays.norm[touched], weight, weights.K1)
                if beside is not None:
                    more = np.maximum(more - self._near(beside, touched), 0)
                score[touched] += more
                scratch[touched] = 0
            if scenes:
                in_scene = np.bincount(arrays.scene[slots] + 1, counts, scenes + 1)[1:].astype(np.float32)
                scene_score[:-1] += _saturated(in_scene * np.float32(OWN), scene_norm, weight, weights.SCENE_K1)
        score[arrays.alone] *= np.float32(weights.ALONE)
        return score[:-1], scene_score

    def _scene_norm(self) -> Floats:
        import numpy as np

        lengths = np.frombuffer(self._index.scene_length, np.uint64).astype(np.float32)
        there = max(int((np.frombuffer(self._index.scene_size, np.uint32) > 0).sum()), 1)
        k1, b = weights.SCENE_K1, weights.SCENE_B
        norm: Floats = (k1 * (1.0 - b) + k1 * b / (lengths.sum() / there or 1.0) * lengths).astype(np.float32)
        return norm

    def _spread(self, slots: Slots, counts: Floats, scratch: Floats) -> Slots:
        """Add a term's occurrences, in twentieths, to its documents and their neighbours; say which those are."""
        import numpy as np

        arrays = self._arrays
        after, before = arrays.after[slots], arrays.before[slots]
        after_2, before_2 = arrays.after[after], arrays.before[before]
        scratch[slots] += counts * np.float32(OWN)
        scratch[after] += counts * arrays.lent_after[slots]
        scratch[after_2] += counts * np.float32(BEFORE_2)
        scratch[before] += counts * np.float32(AFTER)
        scratch[before_2] += counts * np.float32(AFTER_2)
        return np.concatenate([slots, after, after_2, before, before_2])

    def _spread_all(self, slots: Slots, counts: Floats) -> Floats:
        """The same, over all documents."""
        import numpy as np

        arrays = self._arrays
        own = np.zeros(arrays.count + 1, np.float32)
        own[slots] = counts
        return self._gathered(np.arange(arrays.count + 1), own.__getitem__)

    def near(self, term: Term, slots: Slots) -> Floats:
        """What a term adds to documents with their neighbours."""
        return self._near(term, slots) * self._worth(slots)

    def _near(self, term: Term, slots: Slots) -> Floats:

        having, counts = self._posting(term.keys)
        tf = self._gathered(slots, lambda at: _counted(having, counts, at))
        return _saturated(tf, self._arrays.norm[slots], term.weight, weights.K1)

    def _gathered(self, slots: Slots, occurrences: Callable[[Slots], Floats]) -> Floats:
        """Occurrences in documents and their neighbours, in twentieths."""
        import numpy as np

        arrays = self._arrays
        before, after = arrays.before[slots], arrays.after[slots]
        tf = occurrences(slots) * np.float32(OWN)
        tf += occurrences(before) * arrays.lent_after[before]
        tf += occurrences(arrays.before[before]) * np.float32(BEFORE_2)
        tf += occurrences(after) * np.float32(AFTER)
        tf += occurrences(arrays.after[after]) * np.float32(AFTER_2)
        return tf

    def own(self, slots: Slots) -> Floats:
        """What the finding terms make of documents by themselves."""
        import numpy as np

        score = np.zeros(len(slots), np.float32)
        for keys, weight, _ in self.finding:
            having, counts = self._posting(keys)
            tf = _counted(having, counts, slots) * np.float32(OWN)
            score += _saturated(tf, self._arrays.norm[slots], weight, weights.K1)
        return score * self._worth(slots)

    def _worth(self, slots: Slots) -> Floats:
        """What terms count for in documents."""
        import numpy as np

        return np.where(np.isin(slots, self._arrays.alone), np.float32(weights.ALONE), np.float32(1))


def idf(total: int, having: int) -> float:
    """The weight of a term that `having` of `total` documents have."""
    return math.log(1.0 + (max(total, having) - having + 0.5) / (having + 0.5))


def _counted(having: Slots, counts: Floats, at: Slots) -> Floats:
    """How often documents have a term. Nobody may: it is gone from here, and lives on in another part of the store."""
    import numpy as np

    if not len(having):
        return np.zeros(len(at), np.float32)
    places = np.minimum(np.searchsorted(having, at), len(having) - 1)
    return np.where(having[places] == at, counts[places], np.float32(0))


def _saturated(twentieths: Floats, norm: Floats, weight: float, k1: float) -> Floats:
    import numpy as np

    tf = twentieths * np.float32(1 / OWN)
    score: Floats = np.float32(weight * (k1 + 1.0)) * tf / (tf + norm)
    return score


def _times(factor: float, terms: list[Term]) -> list[Term]:
    return [Term(term.keys, factor * term.weight) for term in terms]


def _rarest(terms: list[Term]) -> list[Term]:
    """At most `MAX_TERMS` of them, in their order."""
    if len(terms) <= weights.MAX_TERMS:
        return terms
    kept = sorted(range(len(terms)), key=lambda i: -terms[i].weight)[: weights.MAX_TERMS]
    return [terms[i] for i in sorted(kept)]
