"""Documents: cut into passages, replaced as a whole, cited by their place."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from recollect import Document, InvalidInput, Recollect
from recollect.testing.clock import ManualClock
from tests.library.harness import Opener

GUIDE = """# Opening hours

We open at nine and close at six. On Sundays we are closed.

# Refunds

A refund takes ten days. Ask at the desk with your receipt.

## Damaged goods

Damaged goods are replaced at once.
"""


def test_passages_know_their_place(memory: Recollect) -> None:
    """Each passage is a stretch of the text, with its document, heading and position."""
    docs = memory.namespace("docs", "handbook")
    kept = docs.remember_document("guide.md", GUIDE, title="Guide", metadata={"lang": "en"})
    assert kept == docs.document("guide.md")
    assert (kept.id, kept.title, kept.passages, kept.metadata) == ("guide.md", "Guide", 3, {"lang": "en"})
    passages = docs.passages("guide.md")
    assert [p.source["heading"] for p in passages] == ["Opening hours", "Refunds", "Refunds > Damaged goods"]
    for position, passage in enumerate(passages):
        assert passage.content == GUIDE[passage.source["start"] : passage.source["end"]]
        assert (passage.source["position"], passage.source["document"], passage.kind) == (
            position,
            "guide.md",
            "passage",
        )
        assert passage.metadata == {"lang": "en"}
    assert docs.passages("guide.md", after=0, limit=1) == [passages[1]]
    assert sum(p.tokens for p in passages) == kept.tokens


def test_recalled_with_its_source(memory: Recollect) -> None:
    """The passage that answers, with what is needed to cite it."""
    docs = memory.namespace("docs")
    docs.remember_document("guide.md", GUIDE, title="Guide")
    docs.remember_document("other.md", "# Cats\n\nCats sleep most of the day.")
    (best, *_) = docs.recall("how long does a refund take?")
    assert best.memory is not None
    assert best.message is None
    assert best.memory.source["heading"] == "Refunds"
    assert best.memory.namespace == ("docs",)
    assert "ten days" in best.text


def test_no_document_is_changed_before_it_was_made(opener: Opener) -> None:
    """Also by a clock that goes on between the library's look at it and the store's."""
    clock = ManualClock()

    def ticking() -> datetime:
        clock.forward(0.001)
        return clock()

    kept = opener(clock=ticking).namespace("docs").remember_document("guide.md", GUIDE)
    assert kept.created_at is not None
    assert kept.updated_at is not None
    assert kept.created_at <= kept.updated_at


def test_given_again(opener: Opener) -> None:
    """The same changes nothing; another text replaces every passage, and no search finds the old ones."""
    clock = ManualClock()
    docs = opener(clock=clock).namespace("docs")
    first = docs.remember_document("guide.md", GUIDE)
    clock.forward(60)
    assert docs.remember_document("guide.md", GUIDE) == first
    assert docs.recall("damaged goods")
    second = docs.remember_document("guide.md", "We never close.")
    assert (second.passages, second.created_at, second.updated_at) == (1, first.created_at, clock())
    assert [hit.text for hit in docs.recall("damaged goods refund hours close")] == ["We never close."]
    assert docs.document("guide.md") == second


def test_lists_and_forgetting(memory: Recollect) -> None:
    """Documents in pages, the latest first; forgotten with all their passages."""
    docs = memory.namespace("docs")
    for n in range(5):
        docs.remember_document(f"d{n}", f"text {n}")
    docs.remember("a memory beside them")
    page = docs.documents(3)
    rest = docs.documents(3, cursor=page.cursor)
    assert sorted(d.id for d in [*page, *rest]) == [f"d{n}" for n in range(5)]
    assert rest.cursor is None
    assert (docs.forget_document("d1"), docs.forget_document("d1")) == (True, False)
    assert docs.document("d1") is None
    assert docs.passages("d1") == []
    receipt = docs.forget()
    assert (receipt.documents, receipt.memories) == (4, 1)
    assert docs.documents().items == []


def test_context_cites_documents(memory: Recollect) -> None:
    """A session's context recalls from the namespaces that it is told of, and says where from."""
    memory.namespace("docs").remember_document("guide.md", GUIDE, title="Guide")
    session = memory.session("s", user="ann")
    session.append({"role": "user", "content": "How long does a refund take?"})
    assert "ten days" not in str(session.context().messages)
    context = session.context(namespaces=[("docs",)])
    assert "ten days" in str(context.messages)
    assert "Guide" in str(context.messages)
    assert context.recalled[0].memory is not None


def test_expiry(opener: Opener) -> None:
    clock = ManualClock()
    docs = opener(clock=clock).namespace("docs")
    docs.remember_document("d", "short lived text", ttl=10)
    assert docs.recall("text")
    clock.forward(10)
    assert (docs.document("d"), docs.passages("d"), docs.recall("text"), docs.documents().items) == (None, [], [], [])


@pytest.mark.parametrize(
    "given",
    [
        {"text": ""},
        {"text": "  \n"},
        {"text": None},
        {"text": "x", "chunk_tokens": 3},
        {"text": "x", "overlap_tokens": 150},
        {"text": "x", "overlap_tokens": -1},
        {"text": "x", "metadata": 3},
        {"text": "x", "title": ""},
        {"text": "x", "id": ""},
    ],
)
def test_bad_input(memory: Recollect, given: dict[str, Any]) -> None:
    docs = memory.namespace("docs")
    with pytest.raises(InvalidInput):
        docs.remember_document(**{"id": "d", **given})
    assert docs.documents().items == []


@pytest.mark.parametrize("mode", ["sync"], indirect=True)
def test_ten_megabytes(memory: Recollect) -> None:
    """Thousands of passages in one commit; replaced again as one."""
    docs = memory.namespace("docs")
    text = "\n\n".join(f"Paragraph {n}. " + "Some words about nothing. " * 60 for n in range(6000))
    assert len(text) > 9_000_000
    kept = docs.remember_document("large", text, chunk_tokens=1000)
    assert isinstance(kept, Document)
    assert kept.passages > 1000
    assert docs.remember_document("large", "small now").passages == 1
    assert len(docs.passages("large")) == 1
