"""The ranking of a partition's documents for a question: the same for every store, every number with its reason.

The score of a document is a sum of parts, in the units of BM25:

* ``lexical``: Okapi BM25 of its own terms, and ``neighbours``: what the terms of the two documents before and after it
  add, counted as weighted occurrences of its own (so that a word said twice in an exchange counts less than two words);
* ``scene``: BM25 of the conversation that it is part of;
* ``expansion``: the same of what is of the kind that a word of the question names, or means the same (`concepts`);
* ``words``: what stop words and single characters add among the best;
* ``speaker``: who the question names said it; ``person``: it speaks only of the other (less);
  ``time``: it says a time and the question asks for one; ``question``: it asks itself (less); ``date``: it is of the
  time that the question speaks of;
* ``vector``: the cosine of its vector with the query's, scaled to the best lexical score.

Rules are boosts and no filters: a wrong name or time in a question costs little. The numbers are in `weights`.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import TYPE_CHECKING, NamedTuple

from recollect.recall import weights
from recollect.recall.columns import ASKS, DEAD, OF_OTHER, TELLS_TIME, Columns
from recollect.recall.lexical import Arrays, Lexical, Statistics
from recollect.recall.question import Question, read

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Slots = NDArray[np.int64]
    Truths = NDArray[np.bool_]


__all__ = ["Ranked", "Statistics", "search"]


class Ranked(NamedTuple):
    """A document that was found."""

    log: str
    seq: int
    score: float
    explain: dict[str, float]
    """The parts of the score, that add up to it."""


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
    import numpy as np

    question, arrays = read(index, query), Arrays(index)
    eligible = _eligible(index, arrays, now, logs, role, since, until, as_of)
    lexical = Lexical(index, arrays, question, statistics)
    found, scenes = lexical.scores(lexical.finding)
    expansion, expanded_scenes = lexical.scores(lexical.expanding)
    scene = (np.float32(weights.SCENE) * (scenes + expanded_scenes))[arrays.scene]
    matching = eligible if related else eligible & (found > 0)
    total = (found + expansion + scene) * matching
    strength = _dates(question, arrays, eligible, now)
    asked = vector is not None and (knows is None or not question.kinds.isdisjoint(knows))
    near = (
        _near(index, arrays, question, vector, _best(total, weights.REFINED), statistics)
        if asked and vector is not None
        else None
    )

    slots = _best(total, max(weights.CANDIDATES, limit))
    for more in (strength, near):
        if more is not None:
            slots = np.union1d(slots, _best(more * eligible, max(weights.CANDIDATES, limit)))
    parts = {
        "lexical": found[slots] * matching[slots],
        "scene": scene[slots] * matching[slots],
        "expansion": expansion[slots] * matching[slots],
        "words": _words(lexical, slots, total[slots]),
    }
    parts |= _rules(index, arrays, question, slots, _sum(parts))
    best = max(float(_sum(parts).max(initial=0.0)), statistics.best if statistics is not None else 0.0) or 1.0
    if strength is not None:
        weight = weights.DATE if lexical.says_something else weights.DATE_ALONE
        parts["date"] = np.float32(weight * best) * strength[slots]
    if near is not None:
        parts["vector"] = np.float32(weights.VECTOR * best) * near[slots] * eligible[slots]
    first = _first(index, arrays, slots, _sum(parts), limit)
    own = np.minimum(lexical.own(slots[first]), parts["lexical"][first])
    shown = {name: part[first] for name, part in parts.items()}
    shown = {"lexical": own, "neighbours": shown.pop("lexical") - own, **shown}
    return _explained(index, arrays, slots[first], shown)


def _eligible(
    index: Columns,
    arrays: Arrays,
    now: float | None,
    logs: Collection[str] | None,
    role: str | None,
    since: float | None,
    until: float | None,
    as_of: float | None,
) -> Truths:
    import numpy as np

    wanted: Truths = (arrays.flags & DEAD) == 0
    if now is not None:
        wanted &= arrays.expires > now
    if as_of is not None:
        wanted &= (arrays.at <= as_of) & (arrays.until > as_of)
    else:
        wanted &= np.isinf(arrays.until) if now is None else arrays.until > now
    if logs is not None:
        chosen = np.zeros(len(index.log_names), bool)
        chosen[[index.logs[log] for log in logs if log in index.logs]] = True
        wanted &= chosen[arrays.log]
    if role is not None:
        wanted &= arrays.role == index.roles.get(role, 255)
    if since is not None:
        wanted &= arrays.at >= since
    if until is not None:
        wanted &= arrays.at < until
    return wanted


def _best(score: Floats, count: int) -> Slots:
    """Those that score, the best of them where there are more; equal ones together. In order of their slots."""
    import numpy as np

    found: Slots = np.flatnonzero(score > 0)
    if len(found) > count:
        scores = score[found]
        found = found[scores >= np.partition(scores, -count)[-count]]
    return found


def _sum(parts: dict[str, Floats]) -> Floats:
    import numpy as np

    total: Floats = np.sum(list(parts.values()), axis=0, dtype=np.float32)
    return total


# -- parts -------------------------------------------------------------------------------------------------------


def _words(lexical: Lexical, slots: Slots, total: Floats) -> Floats:
    """What stop words and single characters add to the best."""
    import numpy as np

    words = np.zeros(len(slots), np.float32)
    best = _best(total, weights.REFINED)
    for term in lexical.refining:
        words[best] += lexical.near(term, slots[best])
    return words


def _rules(index: Columns, arrays: Arrays, question: Question, slots: Slots, base: Floats) -> dict[str, Floats]:
    """Who said it and of whom, and whether it tells or asks."""
    import numpy as np

    parts: dict[str, Floats] = {}
    if question.speakers:
        said = _said(index, question)[arrays.name[slots]]
        parts["speaker"] = base * np.maximum(said, _told(index, arrays, question, slots))
    flags = arrays.flags[slots]
    if not question.is_to_other:
        parts["person"] = _where(flags, OF_OTHER, -weights.OTHER * base)
    if question.asks_when:
        parts["time"] = _where(flags, TELLS_TIME, weights.TIME * base)
    parts["question"] = _where(flags, ASKS, -weights.QUESTION * base)
    return parts


def _where(flags: NDArray[np.uint8], flag: int, part: Floats) -> Floats:
    import numpy as np

    return np.where(flags & flag, part, np.float32(0))


def _said(index: Columns, question: Question) -> Floats:
    """By name, and last for none: what it is worth that the question names it."""
    import numpy as np

    said = np.zeros(len(index.name_words) + 1, np.float32)
    said[list(question.speakers)] = weights.SPEAKER
    return said


def _told(index: Columns, arrays: Arrays, question: Question, slots: Slots) -> Floats:
    """What it is worth that the question names somebody whom a memory names: nobody has said it, but it is of them."""
    import numpy as np

    worth = np.zeros(len(slots), np.float32)
    alone = np.flatnonzero(np.isin(slots, arrays.alone))
    if len(alone):
        for name in question.speakers:
            named = np.ones(len(alone), bool)
            for word in index.name_words[name]:
                number = index.terms.get(word)
                having = np.frombuffer(index.postings[number] if number is not None else b"", np.uint32) >> 8
                named &= np.isin(slots[alone], having)
            worth[alone[named]] = weights.SPEAKER
    return worth


def _dates(question: Question, arrays: Arrays, eligible: Truths, now: float | None) -> Floats | None:
    """How much each document is of the time that the question speaks of."""
    times = question.times
    if not times.dates and not times.relative:
        return None
    import numpy as np

    strength = np.zeros(arrays.count, np.float32)
    for interval in times.dates:
        np.maximum(strength, _within(arrays.at, interval.start, interval.end), out=strength)
    for interval_at in times.relative:
        found = np.zeros(arrays.count, np.float32)
        for anchor in (question.newest if now is None else now, question.newest):
            interval = interval_at(anchor)
            found = _within(arrays.at, interval.start, interval.end)
            if (found * eligible).any():
                break
        np.maximum(strength, found, out=strength)
    return strength * eligible


def _within(at: NDArray[np.float64], start: float, end: float) -> Floats:
    """1 from start to end, then falling from `FRINGE` to nothing."""
    import numpy as np

    fringe = max(weights.FRINGE_SECONDS, (end - start) / 3)
    after = weights.FRINGE * np.clip(1.0 - (at - end) / fringe, 0.0, 1.0)
    return np.where(at < start, 0.0, np.where(at < end, 1.0, after)).astype(np.float32)


def _near(
    index: Columns,
    arrays: Arrays,
    question: Question,
    vector: NDArray[np.floating],
    likely: Slots,
    statistics: Statistics | None,
) -> Floats | None:
    """How near each document's vector is, from 0 for the mean to 1 for the nearest, and what its neighbours' add."""
    import numpy as np

    slots, cosines, mean = index.vectors.similarities(vector, likely.tolist())
    if statistics is not None and statistics.mean is not None:
        mean = float(np.einsum("j,j->", statistics.mean, vector) / (np.linalg.norm(vector) or 1.0))
    if not len(slots) or (best := float(cosines.max())) <= mean:
        return None
    alone = np.zeros(arrays.count + 1, np.float32)
    alone[slots] = np.maximum(cosines - mean, 0) / (best - mean)
    near = alone.copy()
    near[slots] += np.float32(weights.VECTOR_BEFORE) * alone[arrays.before[slots]]
    near[slots] += np.float32(weights.VECTOR_AFTER) * alone[arrays.after[slots]]
    rules = _rules(index, arrays, question, slots, near[slots])
    del rules["question"]  # that a text asks says little of what it means: with it MemoryBank loses
    near[slots] += _sum(rules) if rules else np.float32(0)
    return near[:-1]


# -- the best ----------------------------------------------------------------------------------------------------


def _first(index: Columns, arrays: Arrays, slots: Slots, score: Floats, limit: int) -> Slots:
    """Where the best are among the slots: of equal ones the newest first, then by log and number."""
    import numpy as np

    best = _best(score, limit)
    found = slots[best]
    logs = np.unique(arrays.log[found])
    order = np.zeros(len(index.log_names), np.int64)
    order[sorted(logs.tolist(), key=index.log_names.__getitem__)] = np.arange(len(logs))
    ranked = np.lexsort((arrays.seq[found], order[arrays.log[found]], -arrays.at[found], -score[best]))
    return best[ranked[:limit]]


def _explained(index: Columns, arrays: Arrays, slots: Slots, parts: dict[str, Floats]) -> list[Ranked]:
    table = [(name, part.tolist()) for name, part in parts.items()]
    ranked = []
    for i, slot in enumerate(slots.tolist()):
        explain = {name: values[i] for name, values in table if abs(values[i]) > 1e-9}
        score = math.fsum(explain.values())
        ranked.append(Ranked(index.log_names[arrays.log[slot]], int(arrays.seq[slot]), score, explain))
    return ranked
