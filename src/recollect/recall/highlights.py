"""Where the words of a query stand in a text, for display."""

from __future__ import annotations

from recollect.recall.analyzer import Kind, query_words, terms_with_spans


def highlights(text: str, query: str) -> list[tuple[int, int]]:
    """Begins and ends in the text of what the query's words match, through their stems, in order and not overlapping.

    Stop words are marked only when the query has nothing else; a single character of a script without spaces only
    where it stands beside another that matches, or when the query is nothing but single characters.
    """
    words = query_words(query)
    for kinds in ((Kind.CONTENT,), (Kind.IDEOGRAPH, Kind.SYLLABLE), (Kind.STOP,)):
        wanted = {term for word in words if word.kind in kinds for term in word.terms}
        found = sorted((begin, end) for term, begin, end in terms_with_spans(text) if term in wanted)
        if found:
            return _joined(found)
    return []


def _joined(found: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans that overlap become one."""
    joined = found[:1]
    for begin, end in found[1:]:
        last_begin, last_end = joined[-1]
        if begin < last_end:
            joined[-1] = (last_begin, max(last_end, end))
        else:
            joined.append((begin, end))
    return joined
