"""The index of one partition, in memory: what a user has said and what is remembered about them, ready to be ranked.

It grows by what is appended (some microseconds a message) and forgets what is removed; nothing is rebuilt but what
`remove` leaves too empty. It has no clock, no store and no lock: its owner keeps it in step with the rows, and lets one
thread at a time at it.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from recollect.recall.columns import Columns, Document
from recollect.recall.lexical import Statistics
from recollect.recall.question import read
from recollect.recall.ranking import Ranked, search

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Document", "PartitionIndex", "Ranked", "Statistics"]


class PartitionIndex(Columns):
    """Documents of one partition, and the search over them."""

    def search(
        self,
        query: str,
        *,
        limit: int,
        now: float | None = None,
        logs: Collection[str] | None = None,
        role: str | None = None,
        since: float | None = None,
        until: float | None = None,
        as_of: float | None = None,
        vector: NDArray[np.floating] | None = None,
        knows: Collection[str] | None = None,
        related: bool = True,
        statistics: Statistics | None = None,
    ) -> list[Ranked]:
        """The documents that answer a question best, best first; of equal ones the newest first.

        Parameters
        ----------
        now: seconds of the epoch: what has expired is left out, and "yesterday" is understood. Without it nothing has
            expired, and the newest document says when yesterday was.
        logs, role: only of these. since, until: only from then on, and before then, in seconds of the epoch.
        as_of: only what was there at that instant and still held; without it, what holds now.
        vector: of the query's `bare` text.
        knows: languages (``english``) and scripts (``latin``, ``cjk``, ``hangul``...) that the model of the vectors was
            made for: a query in another is ranked without. All, when not given.
        related: also what only was said in the same conversation as something that matches, after all that matches.
        statistics: of the store that the index is a part of, where it holds only the best candidates and their
            neighbours.

        Raises
        ------
        ValueError
            The vector is not of the dimension of those of the index, or not finite.
        """
        return search(
            self,
            query,
            limit=limit,
            now=now,
            logs=logs,
            role=role,
            since=since,
            until=until,
            as_of=as_of,
            vector=vector,
            knows=knows,
            related=related,
            statistics=statistics,
        )

    def counts(self, query: str) -> Statistics:
        """How many documents there are, how many have each term of a query, and the mean of the vectors.

        Added up over several indexes and given to `search` of each, they make its scores comparable with the others'.
        """
        question = read(self, query)
        words = (*question.content, *question.names, *question.stops, *question.ideographs, *question.syllables)
        known = {term: self.terms[term] for word in words for term in word if term in self.terms}
        having = {term: len(self.postings[key]) for term, key in known.items()}
        return Statistics(self.live, having, self.vectors.mean)

    def bare(self, query: str) -> str:
        """The query without the names of those who speak in the index: what an embedder should be given.

        An embedder takes a name for what the question is about, and finds greetings: without names MiniLM finds twice
        as much of LoCoMo. Empty where the query is nothing but names; the query itself serves then.
        """
        return read(self, query).bare
