"""A summary as its parts: each stands for a stretch of the session, older ones for longer stretches than newer ones.

The text of a summary is that of its parts, one below the other. What a part stands for is in the summary's metadata::

    {"by": "extractive", "sources": [3, 9, 41],
     "parts": [{"from": 1, "to": 40, "level": 1, "characters": 310, "sources": [3, 9, 9]}, ...]}

A summary that somebody else has stored is one part.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct, field

from recollect.core.summarizer import Passage
from recollect.model import JSON, Summary

CLAIM = "claim"
"""The key, in the metadata of a stored row, of who is making the next summary. No reader sees it."""

_OURS = frozenset({"by", "sources", "parts", CLAIM})


class Part(Struct, frozen=True, kw_only=True):
    """The summary of the messages from one number to another.

    Parameters
    ----------
    level: 0 for a summary of messages, else one more than that of the summaries it was made of.
    sources: the messages that its sentences come from, where they are known; from `ExtractiveSummarizer` one for each line.
    """

    text: str
    first_seq: int
    last_seq: int
    level: int = 0
    sources: list[int] = field(default_factory=list)

    def passage(self) -> Passage:
        """The part as something to be summarised."""
        return Passage(text=self.text, first_seq=self.first_seq, last_seq=self.last_seq, sources=self.sources)


def parts_of(summary: Summary | None) -> list[Part]:
    """The parts of a stored summary, the oldest first."""
    if summary is None or not summary.text:
        return []
    return _read(summary) or [Part(text=summary.text, first_seq=1, last_seq=summary.covers_seq)]


def _read(summary: Summary) -> list[Part]:
    """The parts that the metadata tells of; none where it does not fit the text."""
    known = summary.metadata.get("parts")
    if not isinstance(known, list):
        return []
    found: list[Part] = []
    at = 0
    for given in known:
        if not isinstance(given, dict):
            return []
        first, last, level, size = (given.get(name) for name in ("from", "to", "level", "characters"))
        sources = given.get("sources")
        if not (type(first) is int and type(last) is int and type(level) is int and type(size) is int and size > 0):
            return []
        text = summary.text[at : at + size]
        at += size + 1
        numbers = [seq for seq in sources if type(seq) is int] if isinstance(sources, list) else []
        found.append(Part(text=text, first_seq=first, last_seq=last, level=level, sources=numbers))
    whole = at == len(summary.text) + 1 and all(part.text.strip() for part in found)
    return found if whole and found[-1].last_seq == summary.covers_seq else []


def text_of(parts: Sequence[Part]) -> str:
    """The text of a summary."""
    return "\n".join(part.text for part in parts)


def metadata_of(parts: Sequence[Part], by: str, before: dict[str, JSON]) -> dict[str, JSON]:
    """The metadata of a summary.

    Parameters
    ----------
    by: the summarizer's name. before: of the summary before; what an application keeps there stays.
    """
    rows: list[dict[str, Any]] = [
        {
            "from": part.first_seq,
            "to": part.last_seq,
            "level": part.level,
            "characters": len(part.text),
            "sources": part.sources,
        }
        for part in parts
    ]
    kept = {key: value for key, value in before.items() if key not in _OURS}
    return {**kept, "by": by, "sources": sorted({seq for part in parts for seq in part.sources if seq}), "parts": rows}


def shown(row: Summary | None) -> Summary | None:
    """A stored row as readers get it: without the claim on it; None for a row that is nothing but a claim."""
    if row is None or not row.text:
        return None
    if CLAIM not in row.metadata:
        return row
    return row.replace(metadata={key: value for key, value in row.metadata.items() if key != CLAIM})
