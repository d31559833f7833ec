"""Passages: they cover the text, keep to their size, and end where its structure does."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from recollect import estimate_tokens
from recollect.core.chunks import Passage, split

TEXTS = st.one_of(
    st.text(max_size=400),
    st.text(alphabet="ab .!?\n#`。가漢", max_size=800),
    st.lists(st.sampled_from(["# A", "## B", "word " * 30, "Satz. Noch ein Satz!", "```", "한국어 문장입니다. 다음.", ""]), max_size=20).map(
        "\n\n".join
    ),
)  # fmt: skip


def cut(text: str, chunk: int = 40, overlap: int = 6) -> list[Passage]:
    return split(text, chunk_tokens=chunk, overlap_tokens=overlap, count=estimate_tokens)


@settings(max_examples=300, deadline=None)
@given(TEXTS, st.integers(8, 60), st.integers(0, 4))
def test_nothing_is_lost(text: str, chunk: int, overlap: int) -> None:
    """Whatever is no white space is in a passage, in order; no passage is empty; the same text is cut the same way."""
    found = cut(text, chunk, overlap)
    covered = set[int]()
    last = (-1, -1)
    for start, end, _ in found:
        assert 0 <= start < end <= len(text)
        assert text[start:end] == text[start:end].strip()
        assert (start, end) > last
        assert end > last[1]
        last = (start, end)
        covered.update(range(start, end))
    assert all(index in covered for index, character in enumerate(text) if not character.isspace())
    assert found == cut(text, chunk, overlap)


@settings(max_examples=200, deadline=None)
@given(TEXTS)
def test_size(text: str) -> None:
    """A passage has the tokens that it may have, or a little more where its blanks between pieces count too."""
    for start, end, _ in cut(text, 40, 6):
        assert estimate_tokens(text[start:end]) <= 40 * 1.5 + 8


def test_sections_begin_passages() -> None:
    """Each section of Markdown begins its own, under the path of its headings; a # in a block of code is no heading."""
    text = "Intro.\n\n# One\n\nFirst.\n\n```sh\n# not a heading\n```\n\n## Two\n\nSecond.\n\n# Three\n\nThird.\n"
    found = [(text[p.start : p.end], p.heading) for p in cut(text)]
    assert found == [
        ("Intro.", ""),
        ("# One\n\nFirst.\n\n```sh\n# not a heading\n```", "One"),
        ("## Two\n\nSecond.", "One > Two"),
        ("# Three\n\nThird.", "Three"),
    ]


def test_overlap() -> None:
    """Whole sentences at the end of one passage begin the next."""
    text = " ".join(f"Sentence number {n} is about topic {n}." for n in range(20))
    found = [text[p.start : p.end] for p in cut(text, 40, 12)]
    assert len(found) > 3
    for before, after in pairwise(found):
        first = after.split(". ")[0]
        assert first in before
        assert after not in before


def test_languages_without_spaces() -> None:
    """Chinese is cut behind its own full stops, and where there is nothing at all, by force."""
    text = "我住在釜山。" * 40
    assert all(text[p.end - 1] == "。" for p in cut(text, 30, 0))
    blob = "x9" * 5000
    pieces = cut(blob, 40, 0)
    assert "".join(blob[p.start : p.end] for p in pieces) == blob
    assert len(pieces) > 50


def test_a_large_text_is_cut_in_reasonable_time() -> None:
    """Thousands of sections: no step looks at the whole text for each of them."""
    text = "\n\n".join(f"# Section {n}\n\n```\n# code\n```\n\nText of section {n}." for n in range(5000))
    assert len(cut(text)) == 5000
