"""The ranking of a partition's documents for a question: the same for every store, every number with its reason.

The score of a document is a sum of parts, in the units of BM25:

* ``lexical``: Okapi BM25 of its own terms, and ``neighbours``: what the terms of the two documents before and after it
  add, counted as weighted occurrences of its own (so that a word said twice in an exchange counts less than two words);
* ``scene``: BM25 of the conversation that it is part of;
* ``expansion``: the same of what is of the kind that a word of the question names, or means the same (`concepts`);
* ``words``: what stop words and single characters add among the best;
* ``speaker``: who the question names said it; ``time``: it says a time and the question asks for one; ``question``:
  it asks itself (less); ``date``: it is of the time that the question speaks of;
* ``vector``: the cosine of its vector with the query's, scaled to the best lexical score.

The numbers were measured on the open data that ``bench/recall_quality.py`` reads, five LoCoMo conversations above all,
and chosen in the middle of where all five are flat. Rules and vectors only ever add to what the lexical score finds.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

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
    TELLS_TIME,
    Columns,
)
from recollect.recall.concepts import concepts
from recollect.recall.question import Question, read

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Slots = NDArray[np.int64]

K1 = 0.8
"""Saturation of a term's occurrences. Flat from 0.5 to 1.2 once neighbours count."""
B = 0.4
"""Normalisation by length; 0.75, the usual one, favours greetings. Flat from 0.2 to 0.6."""
SCENE = 0.3
"""Weight of the conversation's own BM25: R@50 +1; flat from 0.2 to 0.5."""
SCENE_K1, SCENE_B = 1.0, 0.5
SPEAKER = 0.3
"""Of the score more for what the person named in the question said: multi-hop R@10 +3. More than 0.5 costs questions
that name the wrong person, which people do ask (LoCoMo's adversarial ones)."""
TIME = 0.6
"""Of the score more for a document that says a time, when the question asks for one: temporal R@10 +2; flat to 0.8."""
QUESTION = 0.15
"""Of the score less for a question: it is seldom the answer. Flat from 0.1 to 0.2; without it R@10 -0.7."""
DATE = 0.4
"""Of the best score, for a document of the time that the question speaks of; flat from 0.3 to 0.8."""
DATE_ALONE = 2.0
"""The same, when no word of the question but names and stop words is known: it is about its time then."""
FRINGE = 0.5
"""Strength of a time just after the one spoken of: one tells on Monday of the weekend."""
FRINGE_SECONDS = 4 * 86_400.0
STOP_WORD = 0.15
"""Weight of a stop word against another of the same rarity: R@10 +0.6; flat from 0.1 to 0.2."""
IDEOGRAPH, SYLLABLE = 0.7, 0.3
"""Weights of a single character beside the pairs that it is part of: a Han character is a word's root, a syllable is
not. MemoryBank in Chinese is best from 0.7 on, KorQuAD from 0.2 to 0.5."""
MEMBER, SYNONYM = 0.5, 0.5
"""Weights of what is of a word's kind and of what means the same (`concepts`), against the word itself: multi-hop R@10
+3, R@50 +1; flat from 0.4 to 0.7."""
OTHER_LANGUAGE = 0.5
"""Weight of a word's stem in a language that is not the query's: it may be another word's stem there."""
REFINED = 1000
"""Of the best so many get what stop words and single characters add."""
VECTOR = 0.5
"""Weight of the best cosine against the best lexical score: flat from 0.4 to 0.6; from 1.0 on it costs R@5."""
VECTOR_BEFORE, VECTOR_AFTER = 0.2, 0.1
"""Of a neighbour's cosine, the one before and the one after: R@10 +0.3; flat to 0.4 and 0.2."""
MAX_TERMS = 64
"""Of a longer query the rarest terms count."""


class Statistics(NamedTuple):
    """Counts of a larger store, when an index holds only the candidates of it."""

    total: int
    """Documents."""
    having: Mapping[str, int]
    """Documents that have a term, by term."""


class Ranked(NamedTuple):
    """A document that was found."""

    log: str
    seq: int
    score: float
    explain: dict[str, float]
    """The parts of the score, that add up to it."""


class _Arrays:
    """The columns of an index as arrays, for the length of one search: while they are held the index must not grow."""

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
        self.before = np.frombuffer(index.before, np.int32)
        self.after = np.frombuffer(index.after, np.int32)
        self.scene = np.frombuffer(index.scene, np.int32)
        average = index.total_context_length / max(index.live, 1) or 1.0
        length = np.frombuffer(index.context_length, np.uint64).astype(np.float32)
        self.norm: Floats = (K1 * (1.0 - B) + K1 * B / average * length).astype(np.float32)


class _Term(NamedTuple):
    keys: tuple[int, ...]
    """Terms that count as one."""
    weight: float


def search(
    index: Columns,
    query: str,
    *,
    limit: int,
    now: float | None,
    logs: Collection[str] | None,
    role: str | None,
    since: float | None,
    until: float | None,
    as_of: float | None,
    vector: NDArray[np.floating] | None,
    knows: Collection[str] | None,
    related: bool,
    statistics: Statistics | None,
) -> list[Ranked]:
    """See `recollect.recall.index.PartitionIndex.search`."""
    if not index.live or limit < 1:
        return []
    columns = _Arrays(index)
    eligible = _eligible(index, columns, now, logs, role, since, until, as_of)
    found = _Search(index, columns, read(index, query), statistics)
    return found.run(limit, now, eligible, vector, knows, related=related)


def _eligible(
    index: Columns,
    columns: _Arrays,
    now: float | None,
    logs: Collection[str] | None,
    role: str | None,
    since: float | None,
    until: float | None,
    as_of: float | None,
) -> NDArray[np.bool_]:
    import numpy as np

    wanted: NDArray[np.bool_] = (columns.flags & DEAD) == 0
    if now is not None:
        wanted &= columns.expires > now
    if as_of is not None:
        wanted &= (columns.at <= as_of) & (columns.until > as_of)
    elif now is not None:
        wanted &= columns.until > now
    else:
        wanted &= np.isinf(columns.until)
    if logs is not None:
        chosen = np.zeros(len(index.log_names), bool)
        chosen[[index.logs[log] for log in logs if log in index.logs]] = True
        wanted &= chosen[columns.log]
    if role is not None:
        wanted &= columns.role == index.roles.get(role, 255)
    if since is not None:
        wanted &= columns.at >= since
    if until is not None:
        wanted &= columns.at < until
    return wanted


class _Search:
    def __init__(self, index: Columns, columns: _Arrays, question: Question, statistics: Statistics | None) -> None:
        self.index, self.columns, self.question = index, columns, question
        self._dead = len(index.log) > index.live
        self.total = statistics.total if statistics else index.live
        self._having = statistics.having if statistics else None
        self._postings: dict[tuple[int, ...], tuple[Slots, Floats]] = {}
        self.content = self._terms(question.content)
        self.expanded = self._expanded()
        self.terms, self.refining = self._weighed()

    def _weighed(self) -> tuple[list[_Term], list[_Term]]:
        """The terms that find, and those that only refine."""
        question = self.question
        names, stops = self._terms(question.names), self._terms(question.stops)
        ideographs, syllables = self._terms(question.ideographs), self._terms(question.syllables)
        if self.content or self.expanded:
            single = [*_times(IDEOGRAPH, ideographs), *_times(SYLLABLE, syllables)]
            return _rarest(self.content), _rarest([*_times(STOP_WORD, stops), *single])
        characters = [*ideographs, *syllables]
        return _rarest(names or characters or stops), _rarest(_times(STOP_WORD, stops if names or characters else []))

    def _terms(self, words: Sequence[tuple[str, ...]]) -> list[_Term]:
        weights: dict[int, float] = {}
        for word in words:
            for i, term in enumerate(word):
                key = self.index.terms.get(term)
                if key is not None and (having := self._count(term, key)):
                    weight = _idf(self.total, having) * (OTHER_LANGUAGE if i else 1.0)
                    weights[key] = max(weight, weights.get(key, 0.0))
        return [_Term((key,), weight) for key, weight in weights.items()]

    def _expanded(self) -> list[_Term]:
        """For each word of the question what is of its kind, and what means the same, as one term each."""
        known, asked = self.index.terms, {key for term in self.content for key in term.keys}
        found = []
        for word in self.question.content:
            for table, factor in zip(concepts(), (MEMBER, SYNONYM), strict=True):
                counts = {
                    known[other]: self._count(other, known[other])
                    for other in table.get(word[0], ())
                    if other in known and known[other] not in asked
                }
                keys = tuple(key for key, count in counts.items() if count)
                if keys:
                    weight = _idf(self.total, min(sum(counts.values()), self.total))
                    key = known.get(word[0])
                    if key is not None and (having := self._count(word[0], key)):
                        weight = min(weight, _idf(self.total, having))
                    found.append(_Term(keys, factor * weight))
        return _rarest(found)

    def _count(self, term: str, key: int) -> int:
        """Documents that have a term."""
        if self._having is not None and term in self._having:
            return self._having[term]
        return len(self._posting((key,))[0]) if self._dead else len(self.index.postings[key])

    def _posting(self, keys: tuple[int, ...]) -> tuple[Slots, Floats]:
        """The documents that have one of the terms, in order, and how often."""
        import numpy as np

        if keys in self._postings:
            return self._postings[keys]
        packed = np.concatenate([np.frombuffer(self.index.postings[key], np.uint32) for key in keys])
        slots, counts = (packed >> 8).astype(np.int64), (packed & 255).astype(np.float32)
        if self._dead:
            alive = (self.columns.flags[slots] & DEAD) == 0
            slots, counts = slots[alive], counts[alive]
        if len(keys) > 1:
            slots, places = np.unique(slots, return_inverse=True)
            counts = np.bincount(places, counts, len(slots)).astype(np.float32)
        self._postings[keys] = slots, counts
        return slots, counts

    # -- the score of all ----------------------------------------------------------------------------------------

    def run(
        self,
        limit: int,
        now: float | None,
        eligible: NDArray[np.bool_],
        vector: NDArray[np.floating] | None,
        knows: Collection[str] | None,
        *,
        related: bool,
    ) -> list[Ranked]:
        import numpy as np

        lexical, scene = self._lexical(self.terms)
        expansion, expanded_scene = self._lexical(self.expanded)
        scene += expanded_scene
        matching = eligible if related else eligible & (lexical > 0)
        parts = {"scene": np.float32(SCENE) * scene * matching, "expansion": expansion * matching}
        lexical *= eligible
        parts["words"] = self._refine(lexical + parts["scene"] + parts["expansion"])
        base = lexical + parts["scene"] + parts["expansion"] + parts["words"]
        parts |= self._rules(base)
        scored = lexical + sum(parts.values())
        best = float(scored.max()) or 1.0
        parts |= self._dates(eligible, now, best)
        if vector is not None and (knows is None or not self.question.kinds.isdisjoint(knows)):
            parts["vector"] = self._vector(vector, eligible, scored, best)
        scored = lexical + sum(parts.values())
        return self._explained(self._first(scored, limit), lexical, parts)

    def _lexical(self, terms: list[_Term]) -> tuple[Floats, Floats]:
        """BM25 of every document with its neighbours, and of the scene that it is in."""
        import numpy as np

        columns = self.columns
        score = np.zeros(columns.count, np.float32)
        scratch = np.zeros(columns.count, np.float32)
        scenes = len(self.index.scene_size)
        scene_score = np.zeros(scenes + 1, np.float32)
        if scenes:
            lengths = np.frombuffer(self.index.scene_length, np.uint64).astype(np.float32)
            there = max(int((np.frombuffer(self.index.scene_size, np.uint32) > 0).sum()), 1)
            scene_norm = SCENE_K1 * (1.0 - SCENE_B + SCENE_B * lengths / (lengths.sum() / there or 1.0))
        for keys, weight in terms:
            slots, counts = self._posting(keys)
            touched = self._spread(slots, counts, scratch)
            tf = scratch[touched] / np.float32(OWN)
            score[touched] += np.float32(weight * (K1 + 1.0)) * tf / (tf + columns.norm[touched])
            scratch[touched] = 0
            if scenes:
                in_scene = columns.scene[slots]
                linked = in_scene != NONE
                tf = np.bincount(in_scene[linked], counts[linked], scenes).astype(np.float32)
                scene_score[:-1] += np.float32(weight * (SCENE_K1 + 1.0)) * tf / (tf + scene_norm)
        return score, scene_score[columns.scene]

    def _spread(self, slots: Slots, counts: Floats, scratch: Floats) -> Slots:
        """Add a term's occurrences, in twentieths, to its documents and their neighbours; say which those are."""
        import numpy as np

        scratch[slots] += counts * np.float32(OWN)
        if not len(self.index.scene_size):
            return slots
        columns = self.columns
        touched = [slots]
        asked = (columns.flags[slots] & ASKS) != 0
        lent = np.where(asked, np.float32(BEFORE_ASKED), np.float32(BEFORE)) * counts
        for link, first, second in (
            (columns.after, lent, BEFORE_2),
            (columns.before, counts * np.float32(AFTER), AFTER_2),
        ):
            near = link[slots]
            linked = near != NONE
            near = near[linked]
            scratch[near] += first[linked]
            far = link[near]
            further = far != NONE
            scratch[far[further]] += counts[linked][further] * np.float32(second)
            touched += [near, far[further]]
        return np.concatenate(touched)

    # -- parts ---------------------------------------------------------------------------------------------------

    def _refine(self, base: Floats) -> Floats:
        """What stop words and single characters add to the best."""
        import numpy as np

        words = np.zeros(len(base), np.float32)
        best = np.flatnonzero(base)
        if len(best) > REFINED:
            best = np.sort(best[np.argpartition(base[best], -REFINED)[-REFINED:]])
        for keys, weight in self.refining:
            tf = self._tf_near(keys, best)
            words[best] += np.float32(weight * (K1 + 1.0)) * tf / (tf + self.columns.norm[best])
        return words

    def _tf_near(self, keys: tuple[int, ...], slots: Slots) -> Floats:
        """Occurrences of a term in documents and their neighbours."""
        import numpy as np

        columns = self.columns
        having, counts = self._posting(keys)

        def tf(at: Slots, weight: Floats | float) -> Floats:
            places = np.minimum(np.searchsorted(having, at), len(having) - 1)
            found = (having[places] == at) & (at != NONE)
            return np.where(found, counts[places] * np.float32(1) * weight, np.float32(0)).astype(np.float32)

        def step(at: Slots, link: NDArray[np.int32]) -> Slots:
            return np.where(at == NONE, NONE, link[at]).astype(np.int64)

        before, after = step(slots, columns.before), step(slots, columns.after)
        asked = np.where((columns.flags[before] & ASKS) != 0, np.float32(BEFORE_ASKED), np.float32(BEFORE))
        tfs = tf(slots, OWN) + tf(before, asked) + tf(after, AFTER)
        tfs += tf(step(before, columns.before), BEFORE_2) + tf(step(after, columns.after), AFTER_2)
        return tfs / np.float32(OWN)

    def _rules(self, base: Floats) -> dict[str, Floats]:
        """Who said it, and whether it tells or asks."""
        import numpy as np

        columns, parts = self.columns, {}
        if self.question.speakers:
            said = np.zeros(len(self.index.name_words) + 1, np.float32)  # the last is who has no name
            said[list(self.question.speakers)] = SPEAKER
            parts["speaker"] = base * said[columns.name]
        if self.question.asks_when:
            parts["time"] = base * ((columns.flags & TELLS_TIME) != 0) * np.float32(TIME)
        parts["question"] = base * ((columns.flags & ASKS) != 0) * np.float32(-QUESTION)
        return parts

    def _dates(self, eligible: NDArray[np.bool_], now: float | None, best: float) -> dict[str, Floats]:
        """What it adds to be of the time that the question speaks of."""
        times = self.question.times
        if not times.dates and not times.relative:
            return {}
        import numpy as np

        at = self.columns.at
        strength = np.zeros(len(at), np.float32)
        for interval in times.dates:
            np.maximum(strength, _within(at, interval.start, interval.end), out=strength)
        newest = self.question.newest
        for interval_at in times.relative:
            interval = interval_at(newest if now is None else now)
            found = _within(at, interval.start, interval.end)
            if not (found * eligible).any():
                interval = interval_at(newest)
                found = _within(at, interval.start, interval.end)
            np.maximum(strength, found, out=strength)
        weight = DATE if self.content or self.expanded else DATE_ALONE
        return {"date": np.float32(weight * best) * strength * eligible}

    def _vector(
        self, vector: NDArray[np.floating], eligible: NDArray[np.bool_], scored: Floats, best_score: float
    ) -> Floats:
        import numpy as np

        likely = np.flatnonzero(scored)
        if len(likely) > REFINED:
            likely = likely[np.argpartition(scored[likely], -REFINED)[-REFINED:]]
        slots, cosines = self.index.vectors.similarities(vector, likely.tolist())
        result = np.zeros(len(scored), np.float32)
        if not len(slots):
            return result
        floor, best = float(cosines.mean()), float(cosines.max())
        if best <= floor:
            return result
        near = np.zeros(len(scored), np.float32)
        near[slots] = np.maximum(cosines - floor, 0) / (best - floor)
        result += near
        columns = self.columns
        for link, weight in ((columns.before, VECTOR_BEFORE), (columns.after, VECTOR_AFTER)):
            result[slots] += np.where(link[slots] == NONE, 0, near[link[slots]]) * np.float32(weight)
        if self.question.speakers:
            said = np.zeros(len(self.index.name_words) + 1, np.float32)
            said[list(self.question.speakers)] = SPEAKER
            result *= 1 + said[columns.name]
        return np.float32(VECTOR * best_score) * result * eligible

    # -- the best ------------------------------------------------------------------------------------------------

    def _first(self, scored: Floats, limit: int) -> Slots:
        """The best, of equal ones the newest, then by log and number."""
        import numpy as np

        found = np.flatnonzero(scored > 0)
        if len(found) > limit:
            least = np.partition(scored[found], -limit)[-limit]
            found = found[scored[found] >= least]
        columns = self.columns
        logs = np.unique(columns.log[found])
        names = self.index.log_names
        order = np.zeros(len(names), np.int64)
        order[sorted(logs.tolist(), key=names.__getitem__)] = np.arange(len(logs))
        ranked = np.lexsort((columns.seq[found], order[columns.log[found]], -columns.at[found], -scored[found]))
        return found[ranked[:limit]]

    def _explained(self, slots: Slots, lexical: Floats, parts: dict[str, Floats]) -> list[Ranked]:
        import numpy as np

        columns, names = self.columns, self.index.log_names
        own = np.zeros(len(slots))
        for keys, weight in self.terms:
            having, counts = self._posting(keys)
            places = np.minimum(np.searchsorted(having, slots), len(having) - 1)
            tf = np.where(having[places] == slots, counts[places], 0)
            own += weight * (K1 + 1.0) * tf / (tf + columns.norm[slots])
        own = np.minimum(own, lexical[slots])
        table: list[tuple[str, Any]] = [("lexical", own.tolist()), ("neighbours", (lexical[slots] - own).tolist())]
        table += [(name, part[slots].tolist()) for name, part in parts.items()]
        ranked = []
        for i, slot in enumerate(slots.tolist()):
            explain = {name: values[i] for name, values in table if abs(values[i]) > 1e-9}
            ranked.append(
                Ranked(names[columns.log[slot]], int(columns.seq[slot]), math.fsum(explain.values()), explain)
            )
        return ranked


def _times(factor: float, terms: list[_Term]) -> list[_Term]:
    return [_Term(term.keys, factor * term.weight) for term in terms]


def _rarest(terms: list[_Term]) -> list[_Term]:
    """At most `MAX_TERMS` of them, in their order."""
    if len(terms) <= MAX_TERMS:
        return terms
    kept = sorted(range(len(terms)), key=lambda i: -terms[i].weight)[:MAX_TERMS]
    return [terms[i] for i in sorted(kept)]


def _idf(total: int, having: int) -> float:
    """The always positive idf (Robertson & Zaragoza 2009, as Lucene has it)."""
    return math.log(1.0 + (max(total, having) - having + 0.5) / (having + 0.5))


def _within(at: NDArray[np.float64], start: float, end: float) -> Floats:
    """1 from start to end, then falling from `FRINGE` to nothing."""
    import numpy as np

    fringe = max(FRINGE_SECONDS, (end - start) / 3)
    after = FRINGE * np.clip(1.0 - (at - end) / fringe, 0.0, 1.0)
    return np.where(at < start, 0.0, np.where(at < end, 1.0, after)).astype(np.float32)
