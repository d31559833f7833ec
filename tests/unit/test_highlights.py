"""Where the words of a query stand in a text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recollect.recall.highlights import highlights


@pytest.mark.parametrize(
    ("text", "query", "marked"),
    [
        ("I was Painting sunsets (sunset)!", "paint sunset", ["Painting", "sunsets", "sunset"]),
        ("나는 한국어를 공부한다", "한국어 공부", ["한국어", "공부"]),
        ("ＦＵＬＬ width", "full", ["ＦＵＬＬ"]),
        ("Café, cafe\u0301", "cafe", ["Café", "cafe\u0301"]),
        ("我去了绿禾公园", "公园景色", ["公园"]),
        ("我去了绿禾公园", "园", ["园"]),
        ("the cat and the dog", "the dog", ["dog"]),
        ("the cat", "the", ["the"]),
        ("x\u200by", "xy", ["x\u200by"]),
        ("mail a.bee@sea.org now", "a.bee@sea.org", ["bee", "sea", "org"]),
        ("well 👍🏽", "👍", ["👍🏽"]),
        ("in der Straße", "STRASSE", ["Straße"]),
        ("nothing here", "else", []),
        ("", "x", []),
        ("x", "", []),
    ],
)
def test_spans(text: str, query: str, marked: list[str]) -> None:
    """Words are marked through their stems, scripts without spaces through pairs of characters."""
    assert [text[begin:end] for begin, end in highlights(text, query)] == marked


@settings(deadline=None)
@given(st.text(max_size=60), st.text(max_size=20))
def test_spans_are_in_order(text: str, query: str) -> None:
    """Spans lie in the text, are not empty, do not overlap, and come in order."""
    last = 0
    for begin, end in highlights(text, query):
        assert last <= begin < end <= len(text)
        last = end
