"""Terms on PostgreSQL that were made by other rules: it is said, and they are made anew while work goes on."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from recollect import AsyncRecollect, Message, Recollect
from recollect.core import base, reindex
from recollect.recall.analyzer import VERSION
from tests.services.postgres import postgres_url, url_of


def _terms(name: str) -> set[str]:
    with psycopg.connect(postgres_url(), autocommit=True) as connection:
        return {terms for (terms,) in connection.execute(f"SELECT terms FROM {name}.messages").fetchall()}


@pytest.fixture
def old(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A schema with 1,200 messages whose terms were made by other rules: upside down."""
    with monkeypatch.context() as patch:
        patch.setattr(base, "term_text", lambda text: " ".join(word[::-1] for word in text.split()))
        patch.setattr(reindex, "VERSION", 1)
        with Recollect(url_of(name)) as memory:
            for n in range(3):
                memory.session(f"s{n}", "ann").append([Message("user", "apple pear") for _ in range(400)])
    assert _terms(name) == {"elppa raep"}


@pytest.mark.usefixtures("old")
def test_it_is_said_and_mended_while_messages_come_and_go(name: str) -> None:
    with Recollect(url_of(name)) as memory, Recollect(url_of(name)) as other:
        assert any("recollect reindex" in warning for warning in memory.warnings())
        told: list[int] = []

        def work(_: str, done: int) -> None:
            told.append(done)
            other.session("new", "bob").append(Message("user", "apple pear"))
            other.session("s0").pop()

        done = memory.reindex(work)
        assert told[:2] == [500, 1000]
        assert done.messages >= 1200
        assert memory.warnings() == []
        assert _terms(name) == {"appl pear"}
        assert len(memory.search("apple", limit=10_000)) == 1200
        assert memory.reindex().messages == 1200
    with Recollect(url_of(name)) as again:
        assert again.warnings() == []


@pytest.mark.usefixtures("old")
def test_async(name: str) -> None:
    async def run() -> None:
        async with AsyncRecollect(url_of(name)) as memory:
            assert (await memory.reindex()).messages == 1200
            assert await memory.warnings() == []

    asyncio.run(run())
    assert _terms(name) == {"appl pear"}


def test_a_new_schema_is_ours_and_one_from_before_the_versions_is_not(name: str) -> None:
    with Recollect(url_of(name)) as memory:
        assert memory.warnings() == []
        memory.session("s").append(Message("user", "x"))
    with psycopg.connect(postgres_url(), autocommit=True) as connection:
        kept = connection.execute(f"SELECT value FROM {name}.meta WHERE name = 'analyzer'").fetchone()
        assert kept == (VERSION,)
        connection.execute(f"UPDATE {name}.meta SET value = 7 WHERE name = 'schema'")
        connection.execute(f"DELETE FROM {name}.meta WHERE name = 'analyzer'")
    with Recollect(url_of(name)) as memory:
        assert len(memory.warnings()) == 1
        memory.reindex()
        assert memory.warnings() == []
