"""Pages that are kept encoded: used again while nothing has changed, by whomever, and never after."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from recollect import Recollect, SessionHandle
from recollect.store import LogText
from recollect.stores.sqlite import encoded
from recollect.stores.sqlite.pages import Pages, State
from recollect.testing.clock import ManualClock

START = datetime(2026, 5, 3, 9, 30, 0, 250_000, UTC)


def says(count: int, word: str = "") -> list[dict[str, Any]]:
    return [{"role": "user", "content": f"{word}{n}", "id": f"{n}", "created_at": START} for n in range(count)]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/chat.db"


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """One entry for each page that was encoded."""
    entries: list[object] = []
    plain = encoded.log_text

    def noted(*args: Any) -> tuple[State, LogText] | None:
        entries.append(args)
        return plain(*args)

    monkeypatch.setattr(encoded, "log_text", noted)
    return entries


def page(session: SessionHandle, **asked: Any) -> list[bytes]:
    """A page and, to compare, the same read by itself."""
    read = session.read(**asked)
    cursor = b"null" if read.cursor is None else b'"%b"' % read.cursor.encode()
    return [
        session.read_json(**asked),
        b'{"items":[%b],"cursor":%b}' % (b",".join(message.to_json() for message in read), cursor),
    ]


def test_a_page_is_encoded_once(url: str, made: list[object]) -> None:
    """A full page also stays when more is said behind it; one at the end is made anew then."""
    with Recollect(url) as memory:
        session = memory.session("s")
        session.append(says(30))
        for _ in range(3):
            for asked in ({"limit": 10}, {"limit": 10, "reverse": True}, {"limit": 100}):
                got, wanted = page(session, **asked)
                assert got == wanted
        assert len(made) == 3
        session.append({"role": "user", "content": "more"})
        assert b"more" in session.read_json(limit=10, reverse=True)
        assert b"more" in session.read_json(limit=100)
        assert len(made) == 5
        session.read_json(limit=10)
        assert len(made) == 5


def test_the_same_page_of_others_is_another(url: str) -> None:
    """Of another session, of another tenant."""
    with Recollect(url) as memory, Recollect(url, scope="other") as other:
        for client, session, word in ((memory, "s", "a"), (memory, "t", "b"), (other, "s", "c")):
            client.session(session).append(says(12, word))
        for client, session, found in ((memory, "s", b"a3"), (memory, "t", b"b3"), (other, "s", b"c3")):
            assert found in client.session(session).read_json()


@pytest.mark.parametrize("elsewhere", [False, True])
@pytest.mark.parametrize("change", ["pop", "clear", "delete", "adopt", "owner", "again", "forget"])
def test_a_change_is_seen_at_once(url: str, change: str, elsewhere: bool) -> None:
    """Removed, or of another owner, or another session of that name, with the same ids, times and numbers."""
    with Recollect(url) as memory, Recollect(url) as second:
        session = memory.session("s")
        memory.session("s", user="ann" if change == "forget" else None).append(says(30))
        before = session.read_json(limit=10), session.read_json()
        assert before == (session.read_json(limit=10), session.read_json())
        writer = (second if elsewhere else memory).session("s")
        if change in ("adopt", "owner"):
            owned = (second if elsewhere else memory).session("s", user="bob")
            owned.append(says(1)) if change == "adopt" else owned.update(title="mine")
        elif change == "again":
            writer.delete()
            writer.append(says(30, "new "))
        elif change == "forget":
            (second if elsewhere else memory).user("ann").forget()
        else:
            getattr(writer, change)()
        for asked in ({"limit": 10}, {}):
            got, wanted = page(session, **asked)
            assert got == wanted
        assert session.read_json() != before[1]


def test_a_session_that_expires_is_gone(url: str) -> None:
    """Its pages with it, and they are back if the clock was wrong."""
    clock = ManualClock(START)
    with Recollect(url, clock=clock) as memory:
        session = memory.session("s", ttl=60)
        session.append(says(12))
        before = session.read_json()
        clock.forward(60)
        assert session.read_json() == b'{"items":[],"cursor":null}'
        clock.back(30)
        assert session.read_json() == before


def test_what_is_swept_is_gone(url: str) -> None:
    clock = ManualClock(START)
    with Recollect(url, clock=clock) as memory:
        session = memory.session("s", ttl=60)
        session.append(says(12))
        session.read_json()
        clock.forward(60)
        memory.sweep()
        session.append(says(12, "anew "))
        assert b"anew 3" in session.read_json()


def text(size: int) -> LogText:
    return LogText(b"x" * size, 1, True, None)


def test_bounds() -> None:
    """The pages used longest ago go first; a very large one is not kept."""
    pages = Pages(800)
    for name in range(8):
        pages.put((name,), State(0, 9), True, text(100))
    assert pages.get((0,), State(0, 9)) is not None
    pages.put((8,), State(0, 9), True, text(90))
    assert pages.get((0,), State(0, 9)) is not None
    assert pages.get((1,), State(0, 9)) is None
    pages.put((9,), State(0, 9), True, text(101))
    assert pages.get((9,), State(0, 9)) is None
    pages.put((0,), State(0, 9), True, text(50))
    assert pages._used == sum(len(kept[2].text) for kept in pages._pages.values())


def test_a_page_read_before_a_change_is_not_kept_after_it() -> None:
    """Threads: the one that was slower does not bring back what is gone."""
    pages = Pages()
    pages.put((1,), State(5, 9), True, text(1))
    pages.put((2,), State(4, 9), True, text(1))
    assert pages.get((2,), State(5, 9)) is None
    assert pages.get((1,), State(5, 99)) is not None
    assert pages.get((1,), State(6, 9)) is None
    assert pages._used == 0


def test_many_threads(url: str) -> None:
    """Readers in threads while one takes away: none sees a page from before what it was told is gone."""
    with Recollect(url) as memory:
        session = memory.session("s")
        session.append(says(100))
        gone, stop, failures = [101], threading.Event(), list[str]()

        def read() -> None:
            while not stop.is_set():
                known = gone[0]
                if b'"seq":%d,' % known in session.read_json(limit=100):
                    failures.append(f"{known} was back")

        threads = [threading.Thread(target=read) for _ in range(3)]
        for thread in threads:
            thread.start()
        for _ in range(40):
            popped = session.pop()
            assert popped is not None
            gone[0] = popped.seq
        stop.set()
        for thread in threads:
            thread.join()
        assert failures == []
