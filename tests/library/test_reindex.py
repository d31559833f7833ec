"""An index made by another version's rules: it is said, it is not asked, and it is made anew while work goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recollect import Message, Recollect
from recollect.core import base, reindex, sources
from recollect.stores.sqlite import SQLiteStore
from tests.library.harness import Opener


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Only a store with an index has one to make anew."""
    return f"sqlite:///{tmp_path}/old.db"


@pytest.fixture
def old(opener: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file with 1,200 messages whose terms were made by other rules: upside down."""
    with monkeypatch.context() as patch:
        patch.setattr(base, "term_text", lambda text: " ".join(word[::-1] for word in text.split()))
        patch.setattr(reindex, "VERSION", 1)
        memory = opener()
        for n in range(3):
            memory.session(f"s{n}", "ann").append(
                [Message("user", f"message {n} {i} {'apple' if i % 50 == 0 else 'pear'}") for i in range(400)]
            )
        memory.close()


def asked(memory: Recollect, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The questions that the store's index gets from now on, with no view large enough to hold the messages."""
    seen: list[Any] = []
    search = SQLiteStore.search

    async def watched(self: SQLiteStore, scope: str, **question: Any) -> Any:
        seen.append(question["terms"])
        return await search(self, scope, **question)

    monkeypatch.setattr(SQLiteStore, "search", watched)
    monkeypatch.setattr(sources, "MOST_ROWS", 100)
    return seen


@pytest.mark.usefixtures("old")
def test_it_is_said_and_mended(opener: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until it is made anew the newest messages are looked through; then the index answers for all of them."""
    memory = opener()
    assert any("recollect reindex" in warning for warning in memory.warnings())
    seen = asked(memory, monkeypatch)
    assert all("apple" in hit.text for hit in memory.search("apple"))
    assert seen == []
    told: list[tuple[str, int]] = []
    done = memory.reindex(lambda what, count: told.append((what, count)))
    assert done.messages == 1200
    assert [count for _, count in told] == [500, 1000]
    assert memory.warnings() == []
    assert len(memory.search("apple", limit=100)) == 24
    assert seen
    assert opener().warnings() == []


@pytest.mark.parametrize("mode", ["sync"], indirect=True)
@pytest.mark.usefixtures("old")
def test_what_comes_meanwhile(opener: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages appended and deleted between its steps are found, and not found, afterwards."""
    memory, other = opener(), opener()

    def work(_: str, done: int) -> None:
        other.session("new", "bob").append(Message("user", f"apple of {done}"))
        other.session("s0").pop()

    assert memory.reindex(work).messages >= 1200
    asked(memory, monkeypatch)
    found = {hit.text for hit in memory.search("apple", limit=100)}
    assert {"apple of 500", "apple of 1000"} <= found
    assert len(found) == 26
    assert memory.reindex().messages == 1200


def test_a_new_file_is_ours(opener: Opener) -> None:
    memory = opener()
    assert memory.warnings() == []
    memory.session("s").append(Message("user", "x"))
    assert memory.reindex().to_dict() == {"messages": 1, "vectors": 0}
    memory.close()
    assert opener(f"{opener().store.url}?mode=ro").warnings() == []
