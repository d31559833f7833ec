"""Pages that are encoded by columns: which ones, where, and what happens to rows that somebody has written by hand."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

from recollect import AsyncRecollect, CorruptRecord, Recollect
from recollect.store import LogText
from recollect.stores import _columns
from recollect.stores.sqlite import encoded
from recollect.stores.sqlite.pages import State

KEY = ("default", "s")


def says(count: int, **more: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": f"{n}", **more} for n in range(count)]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/chat.db"


async def ask(url: str, *messages: dict[str, Any], **asked: Any) -> LogText | None:
    """What the store gives for a session of these messages."""
    async with AsyncRecollect(url) as memory:
        await memory.session("s").append(messages)
        return await memory.store.query_json(KEY, **{"limit": 10, **asked})


def test_usual_messages_are_encoded_by_columns(url: str) -> None:
    """Text with metadata, from both ends; the last number and whether more follow are told."""
    up = asyncio.run(ask(url, *says(12, metadata={"a": 1})))
    assert up is not None
    assert (up.last, up.more, up.user_id) == (10, True, None)
    down = asyncio.run(ask(url, reverse=True, limit=12))
    assert down is not None
    assert (down.last, down.more) == (1, False)
    middle = asyncio.run(ask(url, after=(1,), before=(12,), limit=9))
    assert middle is not None
    assert (middle.last, middle.more) == (10, True)


@pytest.mark.parametrize(
    "unusual",
    [{"name": "Ann"}, {"ttl": 60}, {"content": [{"type": "text", "text": "p"}]}, {"refusal": None}, {"role": "human"}],
    ids=str,
)
def test_others_are_left_to_rows(url: str, unusual: dict[str, Any]) -> None:
    """One message that needs more than this is for is enough; the session is remembered as such."""
    assert asyncio.run(ask(url, *says(3), {"role": "user", "content": "x", **unusual})) is None


def test_a_session_that_was_unusual_is_not_tried_again(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[object] = []
    plain = encoded.log_text

    def noted(*args: Any) -> tuple[State, LogText] | None:
        tries.append(args)
        return plain(*args)

    monkeypatch.setattr(encoded, "log_text", noted)
    with Recollect(url) as memory:
        session = memory.session("s")
        session.append(says(3, name="Ann"))
        assert session.read_json() == session.read_json()
    assert len(tries) == 1


@pytest.mark.parametrize("short", [10.0, -1.0])
def test_a_long_page_goes_to_a_thread(url: str, monkeypatch: pytest.MonkeyPatch, short: float) -> None:
    """A page that turns out to be long is encoded elsewhere; the loop is not held up."""
    monkeypatch.setattr(encoded, "SHORT", short)
    threads: list[str] = []
    plain = _columns.woven

    def noted(*args: Any) -> bytes:
        threads.append(threading.current_thread().name)
        return plain(*args)

    monkeypatch.setattr(_columns, "woven", noted)
    found = asyncio.run(ask(url, *says(300), limit=250))
    assert found is not None
    assert found.text.count(b'"seq":') == 250
    assert [name == "recollect" for name in threads] == [short < 0]


@pytest.mark.parametrize("break_in", ["content", "id"])
def test_a_text_with_the_break_in_it(url: str, break_in: str) -> None:
    """The character that stands between values is one that a text may have."""
    asked = {break_in: f"a{_columns.BREAK}b"}
    assert asyncio.run(ask(url, *says(9), {"role": "user", "content": "x", **asked})) is None
    with Recollect(url) as memory:
        session = memory.session("s")
        assert session.read_json() == (
            b'{"items":[%b],"cursor":null}' % b",".join(row.to_json() for row in session.read())
        )


def test_where_nothing_is_read_nothing_is_learnt(url: str) -> None:
    """A page behind the end, before the beginning or of no session does not make the session an unusual one."""
    with Recollect(url) as memory:
        session = memory.session("s")
        nothing: list[dict[str, Any]] = [{"after": 12}, {"before": 1}, {"after": 5, "before": 6}, {"after": 10**12}]
        assert session.read_json() == b'{"items":[],"cursor":null}'
        session.append(says(1))
        for asked in nothing:
            assert session.read_json(**asked) == b'{"items":[],"cursor":null}'
    found = asyncio.run(ask(url, *says(12)))
    assert found is not None
    assert (found.last, found.more) == (10, True)


@pytest.mark.parametrize(
    ("column", "value", "decodes"),
    [
        ("id", "CAST(x'ff' AS TEXT)", False),
        ("metadata", "'{'", False),
        ("metadata", "'{ \"a\" :' || char(10) || ' 1 }'", True),
        ("metadata", "''", False),
        ("created_at", "'yesterday'", False),
        ("created_at", "'2026-13-01T00:00:00.000000Z'", False),
        ("created_at", "'2026-11-01T00:00:00Z'", True),
        ("role", "'wizard\"'", True),
        ("content", "NULL", True),
        ("content", "x'ff'", True),
        ("tokens", "'many'", True),
    ],
)
def test_rows_written_by_hand(url: str, column: str, value: str, decodes: bool) -> None:
    """What does not decode is named; what does is answered as it always was."""
    with Recollect(url) as memory:
        session = memory.session("s")
        session.append(says(12))
        with sqlite3.connect(url.removeprefix("sqlite:///")) as hand:
            hand.execute(f"UPDATE recollect_messages SET {column} = {value} WHERE seq = 5")
        if decodes:
            text = session.read_json()
            assert text == b'{"items":[%b],"cursor":null}' % b",".join(row.to_json() for row in session.read())
        else:
            with pytest.raises(CorruptRecord):
                session.read_json()
