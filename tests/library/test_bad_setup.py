"""A client that cannot work as given says so at once: the URL, the options, the scope, the ttl."""

from __future__ import annotations

import math
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from msgspec import structs

from recollect import AsyncRecollect, ConfigError, InvalidInput, LimitExceeded, NotFound, Recollect, connect
from tests.library.harness import Opener

CLIENTS = pytest.mark.parametrize("kind", [Recollect, AsyncRecollect])

URLS = {
    "nope": "store URL",
    "nope://x": "store URL",
    "://": "store URL",
    "sqlite:chat.db": "store URL",
    "sqlite:/chat.db": "store URL",
    "/chat.db": "store URL",
    "http://u:secret@host/db": "store URL",
    "nope://u:p@ss:secret@host": "store URL",
    "nope://u:secret@host/p@th": "store URL",
    "nope://u:secret@host?password=secret": "store URL",
    "nope:u:secret@host/db": "store URL",
    "memory://?journal=x": "journal",
    "memory://host": "path",
    "memory:///path": "path",
    "sqlite://chat.db": "names a host",
    "sqlite:///chat.db?syncronous=full": "syncronous",
    "sqlite:///chat.db?synchronous=off": "full or normal",
    "sqlite:///chat.db?synchronous=": "full or normal",
    "sqlite:///chat.db?mode=w": "rwc, rw or ro",
    "sqlite:///chat.db?mode": "name=value",
    "sqlite:///chat.db?busy_timeout=soon": "busy_timeout",
    "sqlite:///chat.db?busy_timeout=-1": "busy_timeout",
    "sqlite:///chat.db?busy_timeout=nan": "busy_timeout",
    "sqlite:///chat.db?busy_timeout=inf": "busy_timeout",
    "sqlite:///chat.db?mode=ro&mode=rw": "twice",
    "sqlite:///chat.db?password=secret": "password",
    "sqlite:///chat.db#secret": "fragment",
    "sqlite://u:secret@host/chat.db": "names a host",
    "memory://u:secret@host": "path",
    "sqlite://[::1/chat.db": "",
}


@CLIENTS
@pytest.mark.parametrize("url", URLS)
def test_a_url_that_cannot_work(kind: Any, url: str) -> None:
    """`ConfigError` says what is wrong with the URL, and never shows a password."""
    for make in (kind, connect):
        with pytest.raises(ConfigError) as caught:
            make(url)
        assert URLS[url] in str(caught.value)
        assert "secret" not in str(caught.value), "the error shows the password"
        cause = caught.value.__cause__ or caught.value.__context__
        assert cause is None or "secret" not in str(cause)


@CLIENTS
@pytest.mark.parametrize(
    "given", [5, b"memory://", ["memory://"], object(), Recollect, True, Path("chat.db"), 0, False]
)
def test_a_store_that_is_none(kind: Any, given: Any) -> None:
    """A store is a URL or a `Store`; everything else is refused."""
    with pytest.raises(ConfigError):
        kind(given)


@CLIENTS
@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("scope", value) for value in ("", None, 5, b"x", "x" * 513, "\ud800")),
        *(("ttl", value) for value in (0, -1, math.nan, math.inf, "5", True)),
        *(("sliding", value) for value in ("no", 1, None)),
        *(("count_tokens", value) for value in (5, "tiktoken")),
        *(("clock", value) for value in (5, None)),
    ],
)
def test_an_option_that_cannot_work(kind: Any, option: str, value: Any) -> None:
    """An option of the wrong kind is refused when the client is made, by name."""
    with pytest.raises((InvalidInput, ConfigError, TypeError)) as caught:
        kind("memory://", **{option: value})
    assert option in str(caught.value)


def test_the_url_of_a_client_without_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """RECOLLECT_URL when no argument is given; otherwise a file in the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RECOLLECT_URL", "memory://")
    assert Recollect().store.url == "memory://"
    monkeypatch.delenv("RECOLLECT_URL")
    memory = Recollect()
    assert memory.store.url == "sqlite:///recollect.db"
    assert list(tmp_path.iterdir()) == [], "a client that was not used made a file"
    with memory:
        pass
    assert (tmp_path / "recollect.db").is_file()


def test_a_handle_makes_nothing(tmp_path: Path) -> None:
    """Clients and handles do no I/O until they are used."""
    memory = Recollect(f"sqlite:///{tmp_path}/chat.db")
    memory.session("s", "u")
    memory.user("u")
    memory.in_scope("x")
    assert list(tmp_path.iterdir()) == []
    memory.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a b.db", "한글.db", "a%20b.db", "a?b.db", "a#b.db", "a%b.db", "a;b.db", "a'b.db"])
def test_file_names_of_every_kind(tmp_path: Path, name: str) -> None:
    """A file of any name is reached by its percent-encoded URL, and is made under just that name."""
    with Recollect(f"sqlite:///{tmp_path}/{quote(name)}") as memory:
        memory.session("s").append({"role": "user", "content": "x"})
        assert (tmp_path / name).is_file()
    assert [path.name for path in tmp_path.iterdir()] == [name]


def _say(given: Any, text: str) -> Any:
    return given


def test_a_broken_counter_is_reported(opener: Opener) -> None:
    """A counter that gives no whole number of 0 or more is a clear error; nothing is written."""
    for number in ("5", None, -1000, 1.5, True):
        given: Any = number
        memory = opener(count_tokens=partial(_say, given))
        with pytest.raises((InvalidInput, ConfigError, TypeError, ValueError), match="count_tokens"):
            memory.session("s").append({"role": "user", "content": "x"})
        assert memory.changes().items == []


def test_a_counter_that_fails_is_not_hidden(opener: Opener) -> None:
    """The counter's own error comes out, and nothing is written."""

    def fail(text: str) -> int:
        raise LookupError("theirs")

    memory = opener(count_tokens=fail)
    with pytest.raises(LookupError, match="theirs"):
        memory.session("s").append({"role": "user", "content": "x"})
    assert memory.changes().items == []


def test_a_clock_without_a_timezone_is_reported(opener: Opener) -> None:
    """A naive clock is refused by name, not by a riddle of Python's."""
    with pytest.raises((InvalidInput, ConfigError), match="clock"):
        opener(clock=lambda: datetime(2024, 1, 1)).session("s").append({"role": "user", "content": "x"})


def test_over_the_stores_limit(opener: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    """`LimitExceeded` names the limit; all fields count; nothing is written."""
    memory = opener()
    store = memory.store
    small = structs.replace(store.capabilities, item_bytes=1000)
    monkeypatch.setattr(type(store), "capabilities", small, raising=False)
    store.__dict__.pop("capabilities", None)
    memory = opener(store)
    session = memory.session("s")
    for message in (
        {"role": "user", "content": "가" * 400},
        {"role": "user", "content": [{"type": "text", "text": "x" * 1000}]},
        {"role": "user", "content": "x", "metadata": {"a": "x" * 1000}},
        {"role": "user", "content": "x", "unknown": "x" * 1000},
        {"role": "user", "content": "x", "tool_calls": [{"id": "x" * 1000}]},
        {"role": "user", "content": "x", "name": "x" * 1000},
        {"role": "user", "content": "x", "tool_call_id": "x" * 1000},
    ):
        with pytest.raises(LimitExceeded, match=r"1,000.*item_bytes"):
            session.append([{"role": "user", "content": "x"}, message])
    assert memory.changes().items == []
    assert session.append({"role": "user", "content": "x" * 900})[0].seq == 1


def test_a_summary_of_nothing(opener: Opener) -> None:
    """A summary needs its session."""
    memory = opener()
    with pytest.raises(NotFound, match="nobody"):
        memory.session("nobody").save_summary("x", covers_seq=0)
