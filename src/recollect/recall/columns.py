"""What an index holds in memory, and how it grows and forgets.

Documents are kept in columns by **slot**, the order in which they came. Postings are by term: slots and how often.
Documents of a *linked* log know the one before and after them, within a conversation (`LINK_GAP`), and the **scene**
that they are part of: such a conversation, or `SCENE_LENGTH` documents of a longer one.
"""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from recollect.recall.analyzer import analyze, analyze_as
from recollect.recall.persons import is_of_other
from recollect.recall.time_expressions import tells_time
from recollect.recall.vectors import Vectors

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LINK_GAP = 3 * 3600.0
"""Seconds of silence after which a message no longer is about what the one before it was about."""

SCENE_LENGTH = 64
"""Documents in a scene at most; LoCoMo's sessions have 10 to 47 turns."""

MAX_DOCUMENTS = 1 << 24
MAX_COUNT = 255
"""A posting is a slot and a count in 32 bits; a term that a document has more often counts as so often."""

COMPACT_FROM = 1024
"""Removed documents that are kept before it is asked whether they are more than the others."""

# Weights of the terms of a turn's neighbours as its context, in twentieths (whole numbers: lengths stay exact).
# Measured on LoCoMo: without any, R@10 60; a flat optimum from 0.5 to 0.8 for the one before and 0.3 to 0.5 for the
# one after. A turn that follows a question is its answer, so the question's terms are as good as its own (+0.5).
OWN, BEFORE, BEFORE_ASKED, BEFORE_2, AFTER, AFTER_2 = 20, 14, 20, 7, 8, 4

ASKS, TELLS_TIME, DEAD, OF_OTHER = 1, 2, 4, 8

SPEAKERS = frozenset({"user", "assistant"})
"""Roles of those who say "I" and "you" and mean each other; a memory, a document or a tool does not."""

NONE = -1


class Document(NamedTuple):
    """What is indexed of a message, a memory or a passage."""

    seq: int
    """Its number in its log."""
    id: str
    text: str
    name: str | None
    """Who said it."""
    role: str
    at: float
    """When, in seconds of the epoch."""
    until: float = math.inf
    """Since when it no longer holds."""
    expires: float = math.inf
    """Since when it must not be found."""


class _Vocabulary(dict[str, int]):
    """From a term to its number; a new one, when its number is asked for, gets the next and an empty posting."""

    __slots__ = ("_postings",)

    def __init__(self, postings: list[array[int]]) -> None:
        super().__init__()
        self._postings = postings

    def __missing__(self, term: str) -> int:
        number = self[term] = len(self._postings)
        self._postings.append(array("I"))
        return number


class _Log:
    """The documents of one log: their slots by seq, and what the next one is linked to."""

    __slots__ = ("linked", "scene", "slots", "tail")

    def __init__(self, *, linked: bool) -> None:
        self.linked = linked
        self.slots: dict[int, int] = {}
        self.tail = NONE
        self.scene = NONE


class Columns:
    """The documents of an index, in columns."""

    def __init__(self) -> None:
        self.vectors = Vectors()
        self._clear()

    def _clear(self) -> None:
        self.live = 0
        self.postings: list[array[int]] = []
        self.terms = _Vocabulary(self.postings)
        self.logs: dict[str, int] = {}
        self.log_names: list[str] = []
        self._logs: list[_Log] = []
        self.names: dict[str, int] = {}
        self.name_words: list[tuple[str, ...]] = []
        self.name_counts: list[int] = []
        self.roles: dict[str, int] = {}
        self.languages: dict[str, int] = {}
        self.language_counts: list[int] = []
        self.log = array("I")
        self.seq = array("q")
        self.at = array("d")
        self.until = array("d")
        self.expires = array("d")
        self.name = array("i")
        self.role = array("B")
        self.language = array("B")
        self.flags = array("B")
        self.before = array("i")
        self.after = array("i")
        self.length = array("I")
        self.context_length = array("Q")
        self.total_context_length = 0
        self.scene = array("i")
        self.scene_length = array("Q")
        self.scene_size = array("I")
        self.start = array("Q", (0,))
        self.tokens = array("I")

    def __len__(self) -> int:
        """Documents that are there."""
        return self.live

    @property
    def size_bytes(self) -> int:
        """Memory that it takes, as far as can be counted."""
        columns = sum(column.itemsize * len(column) for column in self._columns())
        vocabulary = sys.getsizeof(self.terms) + sum(sys.getsizeof(term) + 32 for term in self.terms)
        postings = sum(map(sys.getsizeof, self.postings)) + 8 * len(self.postings)
        slots = sum(sys.getsizeof(log.slots) + 200 for log in self._logs)
        return columns + vocabulary + postings + slots + self.vectors.size_bytes

    def _columns(self) -> Iterable[array[int] | array[float]]:
        return [value for value in vars(self).values() if isinstance(value, array)]

    def span(self) -> tuple[float, float]:
        """The oldest and the newest time of its documents, in seconds of the epoch; 0.0 when there are none."""
        if not self.live:
            return 0.0, 0.0
        import numpy as np

        at = np.frombuffer(self.at, np.float64)
        if self.live < len(self.log):
            at = at[(np.frombuffer(self.flags, np.uint8) & DEAD) == 0]
        return float(at.min()), float(at.max())

    # -- growing -------------------------------------------------------------------------------------------------

    def extend(self, log: str, documents: Sequence[Document], *, linked: bool) -> None:
        """Add documents at the end of a log; one that is there already stays as it is.

        Parameters
        ----------
        documents: in the order of their seqs.
        linked: they follow one upon the other, as the turns of a conversation and the passages of a text do, and lend
            each other of their score. What a log is called with first, it is.

        Raises
        ------
        OverflowError
            There are more than `MAX_DOCUMENTS`.
        """
        if len(self.log) + len(documents) > MAX_DOCUMENTS:
            raise OverflowError(f"a partition's index holds {MAX_DOCUMENTS:,} documents at most")
        number = self._number(log, linked=linked)
        state = self._logs[number]
        for document in documents:
            if document.seq not in state.slots:
                self._add(number, state, document)

    def _number(self, log: str, *, linked: bool) -> int:
        number = self.logs.get(log)
        if number is None:
            number = self.logs[log] = len(self._logs)
            self.log_names.append(log)
            self._logs.append(_Log(linked=linked))
        return number

    def _add(self, number: int, state: _Log, document: Document) -> None:
        terms, language = analyze_as(document.text)
        flags = _asks(document.text) * ASKS | tells_time(document.text, terms) * TELLS_TIME
        if state.linked and document.role in SPEAKERS:
            flags |= is_of_other(terms, language) * OF_OTHER
        self._insert(number, state, document, terms, language, flags)

    def _insert(
        self, number: int, state: _Log, document: Document, terms: Sequence[str], language: str, flags: int
    ) -> None:
        slot = len(self.log)
        postings = self.postings
        keys = list(map(self.terms.__getitem__, terms))
        counts: dict[int, int] = {}
        for key in keys:
            counts[key] = counts.get(key, 0) + 1
        for key, count in counts.items():
            postings[key].append(slot << 8 | (count if count < MAX_COUNT else MAX_COUNT))
        self.tokens.extend(keys)
        self.start.append(len(self.tokens))
        self.length.append(len(terms))
        self.log.append(number)
        self.seq.append(document.seq)
        self.at.append(document.at)
        self.until.append(document.until)
        self.expires.append(document.expires)
        self.name.append(self._name(document.name) if document.name else NONE)
        self.role.append(self.roles.setdefault(document.role, len(self.roles)))
        self.language.append(self._language(language))
        self.flags.append(flags)
        self.before.append(NONE)
        self.after.append(NONE)
        self.context_length.append(OWN * len(terms))
        self.total_context_length += OWN * len(terms)
        self.scene.append(NONE)
        state.slots[document.seq] = slot
        self.live += 1
        if state.linked:
            self._link(state, slot)

    def _name(self, name: str) -> int:
        number = self.names.get(name)
        if number is None:
            number = self.names[name] = len(self.name_words)
            self.name_words.append(tuple(analyze(name)))
            self.name_counts.append(0)
        self.name_counts[number] += 1
        return number

    def _language(self, language: str) -> int:
        number = self.languages.setdefault(language, len(self.languages))
        if number == len(self.language_counts):
            self.language_counts.append(0)
        self.language_counts[number] += 1
        return number

    def _link(self, state: _Log, slot: int) -> None:
        """Make a document, the newest of its log, the neighbour of the one before it, and part of a scene."""
        tail = state.tail
        state.tail = slot
        if tail == NONE or self.at[slot] - self.at[tail] > LINK_GAP:
            self._scene(state)
        else:
            if self.scene_size[state.scene] >= SCENE_LENGTH:
                self._scene(state)
            self.before[slot], self.after[tail] = tail, slot
            self._lend(tail, slot, BEFORE_ASKED if self.flags[tail] & ASKS else BEFORE)
            self._lend(slot, tail, AFTER)
            earlier = self.before[tail]
            if earlier != NONE:
                self._lend(earlier, slot, BEFORE_2)
                self._lend(slot, earlier, AFTER_2)
        self.scene[slot] = state.scene
        self.scene_size[state.scene] += 1
        self.scene_length[state.scene] += self.length[slot]

    def _scene(self, state: _Log) -> None:
        state.scene = len(self.scene_size)
        self.scene_size.append(0)
        self.scene_length.append(0)

    def _lend(self, giver: int, taker: int, weight: int) -> None:
        lent = weight * self.length[giver]
        self.context_length[taker] += lent
        self.total_context_length += lent

    # -- changing ------------------------------------------------------------------------------------------------

    def remove(self, log: str, seqs: Collection[int] | None = None) -> None:
        """Take documents out; what is not there is no error.

        Parameters
        ----------
        seqs: of the documents; the whole log when not given.
        """
        number = self.logs.get(log)
        if number is None:
            return
        state = self._logs[number]
        gone = [
            slot
            for seq in (list(state.slots) if seqs is None else seqs)
            if (slot := state.slots.pop(seq, NONE)) != NONE
        ]
        for slot in gone:
            self.flags[slot] |= DEAD
            self.total_context_length -= self.context_length[slot]
            self.context_length[slot] = 0
            self.language_counts[self.language[slot]] -= 1
            if self.name[slot] != NONE:
                self.name_counts[self.name[slot]] -= 1
        self.live -= len(gone)
        self.vectors.remove(gone)
        if gone and state.linked:
            self._relink(state, gone)
        if len(self.log) - self.live > max(COMPACT_FROM, self.live):
            self._compact()

    def _relink(self, state: _Log, gone: Iterable[int]) -> None:
        """Link what is left of a log anew."""
        for slot in gone:
            self._unlink(slot)
        for slot in state.slots.values():
            self._unlink(slot)
            self.total_context_length += OWN * self.length[slot] - self.context_length[slot]
            self.context_length[slot] = OWN * self.length[slot]
        state.tail = state.scene = NONE
        for slot in state.slots.values():
            self._link(state, slot)

    def _unlink(self, slot: int) -> None:
        scene = self.scene[slot]
        if scene != NONE:
            self.scene_size[scene] -= 1
            self.scene_length[scene] -= self.length[slot]
        self.scene[slot] = self.before[slot] = self.after[slot] = NONE

    def close(self, log: str, seq: int, until: float) -> None:
        """Say since when a document no longer holds; one that is not there is no error."""
        slot = self._slot(log, seq)
        if slot != NONE:
            self.until[slot] = until

    def attach(self, log: str, seqs: Sequence[int], matrix: NDArray[np.floating]) -> None:
        """Give documents their vectors; those of documents that are not there are dropped.

        Parameters
        ----------
        matrix: a row for each seq; it is brought to length one and kept as float16.

        Raises
        ------
        ValueError
            Not a row for each seq, not finite, or not of the dimension of the vectors that are there.
        """
        slots = [self._slot(log, seq) for seq in seqs]
        self.vectors.attach(slots, matrix)

    def _slot(self, log: str, seq: int) -> int:
        number = self.logs.get(log)
        return NONE if number is None else self._logs[number].slots.get(seq, NONE)

    def has(self, log: str, seq: int) -> bool:
        """The document is there."""
        return self._slot(log, seq) != NONE

    def _compact(self) -> None:
        """Do away with what was removed: slots, postings, and the words and logs that nothing has any more."""
        old = Columns.__new__(Columns)
        vars(old).update(vars(self))
        words, names, roles, languages = list(old.terms), list(old.names), list(old.roles), list(old.languages)
        kept = [slot for slot, flags in enumerate(old.flags) if not flags & DEAD]
        self._clear()
        for slot in kept:
            number = self._number(old.log_names[old.log[slot]], linked=old._logs[old.log[slot]].linked)
            name = old.name[slot]
            document = Document(
                old.seq[slot],
                "",
                "",
                None if name == NONE else names[name],
                roles[old.role[slot]],
                old.at[slot],
                old.until[slot],
                old.expires[slot],
            )
            terms = [words[key] for key in old.tokens[old.start[slot] : old.start[slot + 1]]]
            self._insert(number, self._logs[number], document, terms, languages[old.language[slot]], old.flags[slot])
        self.vectors.compact(kept)


def _asks(text: str) -> bool:
    """The first or the last line of a text is a question; what is shown under it (a photo's caption) is none."""
    bare = text.strip()
    return bare.endswith(_QUESTION_MARKS) or bare.partition("\n")[0].rstrip().endswith(_QUESTION_MARKS)


_QUESTION_MARKS = ("?", "？", "؟")
