"""Search on a store that has no index: the same hits as with one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from recollect import Recollect
from recollect.core import base, scan
from recollect.stores.memory import MemoryStore
from recollect.stores.sqlite import SQLiteStore

WORDS = ["refund", "flight", "부산", "여행", "東京", "予約", "的", "meeting", "piano", "E-7734", "v1.2.3", "garden"]


class Plain(SQLiteStore):
    """SQLite as if it had no index."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.capabilities = msgspec.structs.replace(self.capabilities, text_search=False)

    async def search(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("a store that does not claim an index is not asked for it")


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Recollect, Recollect]]:
    """The same messages with an index and without."""
    with Recollect(MemoryStore()) as indexed, Recollect(Plain(str(tmp_path / "plain.db"))) as plain:
        for memory in (indexed, plain):
            for i in range(60):
                memory.session(f"s-{i % 5}", user=f"u-{i % 5 % 2}").append(
                    {
                        "id": f"m-{i}",
                        "role": "user" if i % 3 else "assistant",
                        "content": " ".join(WORDS[(i * k) % len(WORDS)] for k in (1, 5, 7)),
                        "metadata": {"even": i % 2 == 0},
                        "created_at": datetime(2026, 1, 1, 0, i, tzinfo=UTC),
                    }
                )
        yield indexed, plain


@pytest.mark.parametrize("query", ["refund", "부산", "여행 東京", "7734", "v1.2.3 garden", "nothing like it", "的"])
@pytest.mark.parametrize(
    "narrow",
    [
        {},
        {"user": "u-1"},
        {"session": "s-3"},
        {"user": "u-1", "session": "s-2"},
        {"role": "assistant"},
        {"where": {"even": True}},
        {"since": datetime(2026, 1, 1, 0, 20, tzinfo=UTC), "until": datetime(2026, 1, 1, 0, 40, tzinfo=UTC)},
    ],
)
def test_the_same_as_an_index(pair: tuple[Recollect, Recollect], query: str, narrow: dict[str, Any]) -> None:
    """What is found does not depend on the store, whatever narrows it."""
    with_index, without = (memory.search(query, limit=100, **narrow) for memory in pair)
    assert {hit.message.id for hit in with_index} == {hit.message.id for hit in without}
    assert [hit.score for hit in without] == sorted((hit.score for hit in without), reverse=True)
    if not narrow:
        assert [round(hit.score, 9) for hit in without] == [round(hit.score, 9) for hit in with_index]


def test_a_context_recalls(pair: tuple[Recollect, Recollect]) -> None:
    """The context of a reply finds passages of other sessions on such a store too."""
    _, plain = pair
    context = plain.session("new", user="u-1").context("refund for the flight", max_tokens=2000)
    assert any(section.name == "recalled" and section.tokens for section in context.sections)


def test_it_reads_so_many_and_no_more(pair: tuple[Recollect, Recollect], monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest messages are searched, in pages; what lies further back is left."""
    _, plain = pair
    monkeypatch.setattr(scan, "SCANNED", 25)
    monkeypatch.setattr(base, "PAGE", 4)
    found = plain.search(" ".join(WORDS), limit=100)
    assert len(found) == 25
    assert {hit.message.session_id for hit in found} == {"s-4", "s-3", "s-2"}


def test_no_terms_are_kept(tmp_path: Path) -> None:
    """A store without an index is not given terms, by an append or by an import."""
    with Recollect(Plain(str(tmp_path / "plain.db"))) as memory:
        memory.session("s").append({"role": "user", "content": "words"})
        memory.import_lines([b'{"session": "t", "role": "user", "content": "more words"}'])
        store = memory.store
        assert isinstance(store, SQLiteStore)
        rows = store._connections.writer.execute("SELECT terms FROM recollect_messages").fetchall()
        assert rows == [("",), ("",)]
