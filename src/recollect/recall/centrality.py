"""Which of many sentences say most of what they say together: centrality, then novelty.

Centrality is LexRank (Erkan and Radev, 2004) in its continuous form: the stationary distribution of a walk between
sentences by the cosine of their weighted terms. The matrix of similarities is never made: it is the product of the
sentences' vectors with themselves, so a step of the walk costs as much as there are terms, and a thousand messages need
no linear algebra library. Novelty is maximal marginal relevance (Carbonell and Goldstein, 1998).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from heapq import heapify, heappop, heappush

from recollect.recall.analyzer import analyze

DAMPING = 0.85
"""The part of the walk that follows similarity; the rest begins anew at a sentence by its weight (PageRank's usual)."""

STEPS = 16
"""Of the walk. What is left of its start after them is 0.85 to the 16th, 7 %, the same for all that are alike."""

EVERYWHERE = 0.1
"""A term that more than this part of the sentences has says nothing of what they are about: the words of grammar, in
any language, and the names of who talks."""

ALIKE = 0.9
"""Of a sentence that is so like one that was chosen already nothing new is learned."""

LEAST = 0.003
"""What is worth less than this part of the best is not taken, though there be room."""

ALONE = 1e-9
"""A sentence that is like no other; what is over this is no rounding."""

Vector = dict[int, float]


def _terms(text: str) -> list[str]:
    """The terms of a sentence. Of Han, kana and Hangul the pairs only: single characters say little by themselves."""
    found = analyze(text)
    longer = [term for term in found if len(term) > 1]
    return longer or found


class Sentences:
    """Sentences as vectors of weighted terms, each of length 1.

    Parameters
    ----------
    texts: the sentences.

    ``vectors`` has one for each, by the numbers of its terms; ``information`` the sum of what its terms weigh: the
    logarithm of how rare each is among these sentences.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        bags = [Counter(_terms(text)) for text in texts]
        having = Counter(term for bag in bags for term in bag)
        total = len(bags)
        most = max(2, total * EVERYWHERE)
        weights = {term: math.log((total + 1) / count) for term, count in having.items() if count <= most}
        numbers = {term: number for number, term in enumerate(weights)}
        self._size = len(numbers)
        self.vectors: list[Vector] = []
        self.information: list[float] = []
        for bag in bags:
            raw = {
                numbers[term]: (1.0 + math.log(count)) * weights[term] for term, count in bag.items() if term in weights
            }
            norm = math.sqrt(sum([weight * weight for weight in raw.values()]))
            self.information.append(sum([weights[term] for term in bag if term in weights]))
            self.vectors.append({number: weight / norm for number, weight in raw.items()} if norm else {})

    def central(self, weights: Sequence[float]) -> list[float]:
        """How central each sentence is: about 1 in the middle, 0.15 where it is like no other.

        Parameters
        ----------
        weights: for each sentence how likely the walk begins there; the mean is 1.
        """
        count = len(self.vectors)
        pull = self._times([1.0] * count)
        start = [weight / count for weight in weights]
        rank = list(start)
        for _ in range(STEPS):
            spread = self._times([value / out if out > ALONE else 0.0 for value, out in zip(rank, pull, strict=True)])
            rank = [(1 - DAMPING) * begin + DAMPING * got for begin, got in zip(start, spread, strict=True)]
        return [value * count for value in rank]

    def _times(self, values: Sequence[float]) -> list[float]:
        """The matrix of similarities, without those of each to itself, times a column."""
        terms = [0.0] * self._size
        for vector, value in zip(self.vectors, values, strict=True):
            if value:
                for number, weight in vector.items():
                    terms[number] += weight * value
        return [
            sum([weight * terms[number] for number, weight in vector.items()]) - (value if vector else 0.0)
            for vector, value in zip(self.vectors, values, strict=True)
        ]

    def choose(self, scores: Sequence[float], fits: Callable[[int], bool]) -> list[int]:
        """Sentences by score and novelty, the best first.

        Parameters
        ----------
        scores: higher is better. fits: asked for each in turn; whether it is taken.
        """
        holding: list[list[int]] = [[] for _ in range(self._size)]
        for index, vector in enumerate(self.vectors):
            for number in vector:
                holding[number].append(index)
        likeness = [0.0] * len(self.vectors)
        # What a sentence is worth only falls, so one that is still worth what the heap says is the best there is.
        heap = [(-scores[index], index) for index, vector in enumerate(self.vectors) if vector]
        heapify(heap)
        chosen: list[int] = []
        least = LEAST * heap[0][0] if heap else 0.0
        while heap and heap[0][0] < least:
            worth, best = heappop(heap)
            now = -scores[best] * (1.0 - likeness[best])
            if likeness[best] > ALIKE:
                continue
            if now > worth:
                heappush(heap, (now, best))
                continue
            if not fits(best):
                continue
            chosen.append(best)
            near: dict[int, float] = {}
            for number, weight in self.vectors[best].items():
                for index in holding[number]:
                    near[index] = near.get(index, 0.0) + weight * self.vectors[index][number]
            for index, cosine in near.items():
                if cosine > likeness[index]:
                    likeness[index] = cosine
        return chosen
