"""Summaries without a model: the sentences that say most, in their order, with where they come from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from recollect.core.summarizer import Passage, Summarized, SummaryTask
from recollect.core.tokens import TokenCounter
from recollect.recall.centrality import Sentences
from recollect.recall.sentences import sentences

INFORMATIVE = 0.98
"""A sentence weighs by the square of its information, as a part of what this part of the sentences stay below. Without
that the most central sentences of a conversation are greetings and nods: on LoCoMo, with 200 tokens for 40 messages each,
33 % of what the questions ask for later is among what is kept, and 40 % with it."""

QUESTION = 0.5
"""The weight of a question: what somebody asked is worth less later than what somebody said."""

ADDRESSED = 0.6
"""The weight of what is said of the other: praise and good wishes, mostly, where people tell of themselves otherwise."""

TOOL = 0.3
"""The weight of what a tool gave: mostly data that an answer repeats in words."""

EARLIER = 1.5
"""The weight of a sentence of an earlier summary beside one that is new: it was chosen out of many already."""

LONGEST_TOKEN = 40
"""Characters. There are longer ones; a text that needs this much room for a token is no loss when it is cut."""

LONGEST_TEXT = 100_000

_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_ADDRESSED = re.compile(r"\b[Yy]ou(?:r|rs|'re|’re|'ve|’ve|'ll|’ll)?\b|당신|너는|네가|あなた|[你您]")
_QUESTION = re.compile(r"[?？]\W*$|(?:까요|나요|니|ですか|ますか|吗|嗎|呢)[.。]?$")


class _Line(Struct, frozen=True):
    """A sentence with its place.

    Parameters
    ----------
    text: with its speaker in front. said: without. day: when, as a date; empty if it is not known.
    """

    text: str
    said: str
    day: str
    source: int
    weight: float


class ExtractiveSummarizer:
    """Chooses sentences by centrality and novelty; needs no model, and works in Korean, Japanese and Chinese too.

    The summary has a line for each sentence, with who said it, below the day it was said on; its sources are in the order
    of these lines, 0 where one is not known. The same passages give the same summary.
    """

    name = "extractive"
    max_input_tokens = 8000

    def summarize(self, task: SummaryTask) -> Summarized:
        """The sentences that say most, within the length asked for."""
        lines = [line for passage in task.passages for line in _lines(passage)]
        chosen = _choose(lines, task.max_tokens, task.count)
        if not chosen:
            return Summarized(text=cut("\n".join(line.text for line in lines), task.max_tokens, task.count))
        return Summarized(text=_render(chosen), sources=[line.source for line in chosen])


def shorten(text: str, max_tokens: int, count: TokenCounter) -> str:
    """A text within a length: its sentences that say most, whole and in order; empty where not one fits.

    Of a text over `LONGEST_TEXT` characters only so many are looked at.
    """
    if count(text) <= max_tokens:
        return text
    lines = _lines(Passage(text=text[:LONGEST_TEXT], first_seq=0, last_seq=0))
    return _render(_choose(lines, max_tokens, count))


def cut(text: str, max_tokens: int, count: TokenCounter) -> str:
    """A text within a length: `shorten`, or where not one sentence is so short as much of its beginning as fits."""
    found = shorten(text, max_tokens, count)
    if found or not text:
        return found
    text = text[: max_tokens * LONGEST_TOKEN]
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if count(text[:middle] + "…") <= max_tokens else (low, middle - 1)
    return text[:low].rstrip() + "…"


def _lines(passage: Passage) -> list[_Line]:
    if passage.speaker:
        day = _day(passage.at)
        base = TOOL if passage.speaker == "tool" else 1.0
        return [
            _Line(f"{passage.speaker}: {said}", said, day, passage.first_seq, base * _weight(said))
            for said in sentences(passage.text)
        ]
    rows = passage.text.splitlines()
    own = len(passage.sources) == sum(not _DAY.fullmatch(row) for row in rows)
    sources = iter(passage.sources)
    found: list[_Line] = []
    day = ""
    for row in rows:
        if _DAY.fullmatch(row):
            day = row
        elif own:
            found.append(_Line(row, row, day, next(sources), EARLIER))
        else:
            found += [_Line(said, said, day, 0, EARLIER) for said in sentences(row)]
    return found


def _weight(said: str) -> float:
    return (QUESTION if _QUESTION.search(said) else 1.0) * (ADDRESSED if _ADDRESSED.search(said) else 1.0)


def _day(at: datetime | None) -> str:
    return at.date().isoformat() if at is not None else ""


def _choose(lines: Sequence[_Line], max_tokens: int, count: TokenCounter) -> list[_Line]:
    """Lines that fit together, in their order."""
    if not lines:
        return []
    known = Sentences([line.said for line in lines])
    much = sorted(known.information)[int(len(lines) * INFORMATIVE)] or 1.0
    weights = [
        line.weight * min(1.0, information / much) ** 2
        for line, information in zip(lines, known.information, strict=True)
    ]
    mean = sum(weights) / len(weights) or 1.0
    central = known.central([weight / mean for weight in weights])
    scores = [rank * weight for rank, weight in zip(central, weights, strict=True)]
    spent, days = 0, set[str]()

    def fits(index: int) -> bool:
        nonlocal spent
        line = lines[index]
        cost = count(line.text) + 1 + (count(line.day) + 1 if line.day and line.day not in days else 0)
        if spent + cost > max_tokens:
            return False
        spent += cost
        days.add(line.day)
        return True

    # Where all say the same nothing tells them apart, and one after the other is as good.
    order = known.choose(scores, fits) or [i for i in _different(lines) if fits(i)]
    while order and count(_render([lines[index] for index in sorted(order)])) > max_tokens:
        order.pop()
    return [lines[index] for index in sorted(order)]


def _different(lines: Sequence[_Line]) -> list[int]:
    return list({line.said: index for index, line in reversed(list(enumerate(lines)))}.values())[::-1]


def _render(lines: Sequence[_Line]) -> str:
    rows: list[str] = []
    day = ""
    for line in lines:
        if line.day != day:
            day = line.day
            rows += [day] if day else []
        rows.append(line.text)
    return "\n".join(rows)
