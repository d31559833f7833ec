"""A page as JSON text is, byte for byte, what its messages give when each is encoded by itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recollect import Conflict, InvalidInput, Recollect
from recollect.core.messages import MessageLike
from recollect.testing.clock import ManualClock
from tests.library.harness import Opener
from tests.library.test_message_shapes import SHAPES

START = datetime(2026, 5, 3, 9, 30, 0, 250_000, UTC)

texts = st.text(max_size=12) | st.sampled_from(['"', "\\", "\0", "\x1f\x7f", '","', "부산 💬", "\u2028", "}\n,{"])
leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)
objects = st.dictionaries(
    texts, st.recursive(leaves, lambda inner: st.lists(inner, max_size=3), max_leaves=4), max_size=3
)
usual = st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "user", "assistant", "tool"]), "content": texts},
    optional={
        "id": st.text(min_size=1, max_size=8),
        "metadata": objects,
        "created_at": st.datetimes(timezones=st.just(UTC)).map(lambda at: at.isoformat()),
    },
)
shaped = st.sampled_from(list(SHAPES.values()))
other = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "developer", "ai"]), "content": texts},
    optional={
        "name": texts,
        "tool_call_id": texts,
        "ttl": st.just(60),
        "extra": st.just({"seq": 7}),
        "refusal": leaves,
    },
)
logs = st.lists(usual, max_size=24) | st.lists(usual | shaped | other, max_size=24)


def slowly(session: Any, **given: Any) -> bytes:
    """The page encoded from `Message.to_dict`."""
    page = session.read(**given)
    return msgspec.json.encode({"items": [message.to_dict() for message in page], "cursor": page.cursor})


def check(session: Any) -> None:
    """Compare pages of every kind."""
    for limit in (1, 8, 23, 24, 100):
        for reverse in (False, True):
            for bounds in ({}, {"after": 2}, {"before": 20}, {"after": 3, "before": 14}, {"after": 10**12}):
                asked = {"limit": limit, "reverse": reverse, **bounds}
                assert session.read_json(**asked) == slowly(session, **asked), asked
    place = None
    while True:
        got = session.read_json(limit=9, cursor=place)
        assert got == slowly(session, limit=9, cursor=place)
        place = msgspec.json.decode(got)["cursor"]
        if place is None:
            return


@pytest.fixture(scope="module")
def memories() -> Iterator[list[Recollect]]:
    """A memory on each kind of store that lives in this process."""
    with ExitStack() as stack:
        yield [stack.enter_context(Recollect(url)) for url in ("memory://", "sqlite://")]


_number = iter(range(10**9))


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(log=logs, removed=st.sets(st.integers(1, 24), max_size=2), id=st.text(min_size=1, max_size=6))
def test_any_log(memories: list[Recollect], log: list[MessageLike], removed: set[int], id: str) -> None:
    """Whatever is in it, with gaps or without."""
    for memory in memories:
        session = memory.session(f"{id}{next(_number)}", user=id)
        session.append(log)
        check(session)
        for _ in range(len(removed)):
            session.pop()
        session.append({"role": "user", "content": "behind a gap"})
        check(session)


def test_pages(opener: Opener) -> None:
    """By each client, on each store."""
    session = opener().session("s")
    assert session.read_json() == b'{"items":[],"cursor":null}'
    session.append([{"role": "user", "content": f"{n}", "metadata": {"n": n} if n % 3 else {}} for n in range(24)])
    check(session)
    for wrong in ({"limit": 0}, {"limit": 10_001}, {"after": -1}, {"cursor": "x"}):
        with pytest.raises(InvalidInput):
            session.read_json(**wrong)


def test_times(opener: Opener) -> None:
    """Stretches of time too."""
    session = opener().session("s")
    session.append([{"role": "user", "content": f"{n}", "created_at": START + timedelta(hours=n)} for n in range(24)])
    asked: dict[str, Any] = {"since": START + timedelta(hours=3), "until": START + timedelta(hours=20), "limit": 10}
    assert session.read_json(**asked) == slowly(session, **asked)
    assert len(msgspec.json.decode(session.read_json(**asked))["items"]) == 10


def test_what_expires_is_gone(opener: Opener) -> None:
    """Messages and sessions whose time has come are in no page."""
    clock = ManualClock(START)
    memory = opener(clock=clock)
    session, short = memory.session("s"), memory.session("short", ttl=5)
    for one in (session, short):
        one.append([{"role": "user", "content": f"{n}"} for n in range(12)])
        check(one)
    session.append({"role": "user", "content": "for a while"}, ttl=5)
    check(session)
    clock.forward(5)
    check(session)
    assert len(msgspec.json.decode(session.read_json())["items"]) == 12
    assert short.read_json() == b'{"items":[],"cursor":null}'


def test_owners(opener: Opener) -> None:
    """A handle that names a user refuses another's session; the owner is in each message, also one that came later."""
    memory = opener()
    session = memory.session("s")
    session.append([{"role": "user", "content": f"{n}"} for n in range(12)])
    check(session)
    memory.session("s", user="ann").append({"role": "user", "content": "mine"})
    check(session)
    assert session.read_json().count(b'"user_id":"ann"') == 13
    for limit in (1, 100):
        with pytest.raises(Conflict):
            memory.session("s", user="bob").read_json(limit=limit)
