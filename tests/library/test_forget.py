"""Forgetting a user: everything, everywhere, with a receipt, and what is left in the bytes of an SQLite file."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from recollect import Receipt, Recollect
from recollect.testing.clock import ManualClock
from tests.library.contexts import said
from tests.library.harness import Opener

USER = "user-karoline-77"
WORDS = (
    "zebrafish", "unterwasser", "ident-", "Karoline", "metawort", "extrawort", "titelwort", "kopfwort", "summenwort",
    "prefkey", "prefwort", "rufnummer", "anwort",
)  # fmt: skip


def say(text: str, **more: Any) -> dict[str, Any]:
    return {"role": "user", "content": text, **more}


def fill(memory: Recollect, sessions: int, messages: int) -> Receipt:
    """Put words of every kind into every place of the user's; the receipt that forgetting has to give."""
    for i in range(sessions):
        session = memory.session(f"sess-karo-{i}", USER)
        session.append(
            [
                say(
                    f"zebrafish {i} unterwasser",
                    id=f"ident-{n}",
                    name="Karoline",
                    metadata={"key": "metawort"},
                    vendor="extrawort",
                    tool_calls=[{"id": "rufnummer"}],
                )
                for n in range(messages)
            ]
        )
        session.append({"role": "tool", "tool_call_id": "rufnummer", "content": [{"type": "text", "text": "anwort"}]})
        session.update(title="titelwort", metadata={"key": "kopfwort"})
        session.save_summary("summenwort", covers_seq=1)
    memory.user(USER).preferences.put({"prefkey": "prefwort"})
    return Receipt(sessions=sessions, messages=sessions * (messages + 1), summaries=sessions, preferences=1)


def test_everything_everywhere(memory: Recollect) -> None:
    """The receipt counts what was there; nothing of the user can be found; the others keep what is theirs."""
    right = fill(memory, 3, 4)
    memory.session("other", "bob").append(say("zebrafish too"))
    memory.session("nobodys").append(say("zebrafish as well"))
    memory.user("bob").preferences.set("a", 1)
    user = memory.user(USER)
    assert user.forget() == right
    assert (user.messages().items, user.sessions().items, user.preferences.record()) == ([], [], None)
    assert (user.recall("zebrafish"), memory.search("unterwasser")) == ([], [])
    assert (memory.session("sess-karo-0").info(), memory.session("sess-karo-0").summary()) == (None, None)
    assert sorted(said(hit).session_id for hit in memory.search("zebrafish")) == ["nobodys", "other"]
    assert (memory.user("bob").preferences.get(), memory.stats().sessions) == ({"a": 1}, 2)
    assert "sess-karo-0" not in {line["session"] for line in memory.export_lines()}


def test_safe_to_repeat(memory: Recollect) -> None:
    """A second time there is nothing to count; the user may come back and begins anew."""
    assert memory.user(USER).forget() == Receipt()
    fill(memory, 2, 1)
    memory.user(USER).forget()
    assert memory.user(USER).forget() == Receipt()
    (again,) = memory.session("sess-karo-0", USER).append(say("back"))
    assert again.seq == 1
    assert memory.user(USER).forget().to_dict() == Receipt(sessions=1, messages=1).to_dict()


@pytest.mark.parametrize("mode", ["sync"], indirect=True)
def test_more_sessions_than_a_page(memory: Recollect) -> None:
    """Hundreds of sessions, all with the same activity."""
    assert memory.user(USER).forget() == Receipt()
    right = fill(memory, 230, 1)
    assert memory.user(USER).forget() == right


def test_what_had_expired_is_not_counted_but_gone(opener: Opener) -> None:
    """Expired sessions and messages are not in the receipt, as they could not be read."""
    clock = ManualClock()
    memory = opener(clock=clock)
    memory.session("a", USER, ttl=5).append(say("zebrafish"))
    memory.session("b", USER).append([say("zebrafish", ttl=5), say("rest")])
    clock.forward(5)
    assert memory.user(USER).forget() == Receipt(sessions=1, messages=1)
    assert memory.sweep().messages == 0


def bytes_on_disk(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("chat.db*")}


def check_no_words(folder: Path) -> None:
    for name, found in bytes_on_disk(folder).items():
        there = [word for word in WORDS if word.encode() in found or word.encode("utf-16-le") in found]
        assert not there, f"{there} left in {name}"


@pytest.mark.parametrize("url", ["file"], indirect=True)
@pytest.mark.parametrize("messages", [1, 60])
def test_the_bytes_of_the_file(opener: Opener, url: str, tmp_path: Path, messages: int) -> None:
    """After forgetting, in no file of the database, before and after closing, is a word, an id or a name.

    What is left are the feed's entries, which followers need to forget too: for each change the session's id or the
    user's, nothing else. They go when the feed's retention (a week) is over; the newest entry of the file stays.
    """
    clock = ManualClock()
    memory = opener(url, clock=clock)
    right = fill(memory, 40, messages)
    memory.session("other", "bob").append([say("to keep"), say("zander")])
    assert len(memory.search("zebrafish", limit=1000)) == min(40 * messages, 1000)
    before = b"".join(bytes_on_disk(tmp_path).values())
    assert all(word.encode() in before for word in WORDS)
    assert memory.user(USER).forget() == right
    check_no_words(tmp_path)
    memory.close()
    check_no_words(tmp_path)
    assert set(bytes_on_disk(tmp_path)) == {"chat.db"}
    left = bytes_on_disk(tmp_path)["chat.db"]
    with closing(sqlite3.connect(tmp_path / "chat.db")) as connection:
        feed = connection.execute("SELECT kind, table_name, partition_id FROM recollect_changes").fetchall()
    mine = Counter((kind, table) for kind, table, partition in feed if partition == USER or "karo-" in partition)
    assert left.count(USER.encode()) == sum(partition == USER for _, _, partition in feed) == 2
    assert left.count(b"sess-karo-") == sum(partition.startswith("sess-karo-") for _, _, partition in feed)
    assert mine == {
        ("append", "messages"): 80, ("put", "sessions"): 40, ("put", "summaries"): 40, ("put", "preferences"): 1,
        ("delete", "messages"): 40, ("delete", "summaries"): 40, ("delete", "sessions"): 40,
        ("delete", "preferences"): 1,
    }  # fmt: skip
    clock.forward(8 * 86400)
    later = opener(url, clock=clock)
    later.session("other", "bob").append(say("later"))
    later.sweep()
    assert [said(hit).content for hit in later.search("zander")] == ["zander"]
    later.close()
    left = bytes_on_disk(tmp_path)["chat.db"]
    assert (left.count(USER.encode()), left.count(b"sess-karo-")) == (0, 0)


@pytest.mark.parametrize("url", ["file"], indirect=True)
@pytest.mark.parametrize("call", ["delete", "clear", "pop", "expiry"])
def test_the_bytes_of_what_was_removed_otherwise(opener: Opener, url: str, tmp_path: Path, call: str) -> None:
    """After `delete`, `clear`, `pop` or expiry, the next sweep leaves no word of it in the files."""
    clock = ManualClock()
    memory = opener(url, clock=clock)
    memory.session("other", "bob").append(say("to keep"))
    session = memory.session("s", "u")
    session.append([say("zebrafish unterwasser", name="Karoline", id=f"ident-{i}", ttl=5) for i in range(30)])
    memory.search("zebrafish")
    if call == "expiry":
        clock.forward(5)
    elif call == "pop":
        while session.pop():
            pass
    elif call == "delete":
        session.delete()
    else:
        session.clear()
    memory.sweep()
    check_no_words(tmp_path)
    assert len(memory.search("keep")) == 1
