"""Bad arguments: a clear error that names the field, nothing written, and the client goes on."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from recollect import InvalidInput, Message, Recollect

RING: list[Any] = []
RING.append(RING)


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


HALF = "half \ud83d"
NOT_TEXT: list[Any] = [5, b"x", ["a"], {"a": 1}, object(), True]
IDS: list[Any] = ["", "x" * 513, "가" * 200, HALF, 0, *NOT_TEXT]
TIMES: list[Any] = [datetime(2024, 1, 1), "2024-01-01", "2024-01-01T00:00:00", "tomorrow", "", 1700000000, True, b"x"]
LIMITS: list[Any] = [0, -1, 10_001, 2**70, True, 1.0, "1", b"1", math.nan]
COUNTS: list[Any] = [-1, True, 1.5, "1", math.inf, [1]]
TTLS: list[Any] = [0, -1, -0.001, math.nan, math.inf, -math.inf, True, "60", [60], 1e12, 2**70]
OBJECTS: list[Any] = ["x", 5, b"x", ["a"], [("a", 1)], object()]
JSONS: list[Any] = [
    {1},
    b"x",
    object(),
    math.nan,
    math.inf,
    {1: 2},
    {None: 1},
    HALF,
    {HALF: 1},
    2**64,
    RING,
    deep(200),
    1j,
]

Call = Callable[[Recollect, Any], object]


def message(**fields: Any) -> dict[str, Any]:
    return {"role": "user", "content": "x", **fields}


CASES: dict[str, tuple[Call, list[Any]]] = {
    "session": (lambda m, v: m.session(v), [*IDS, None]),
    "user": (lambda m, v: m.session("s", v), IDS),
    "user ": (lambda m, v: m.user(v), [*IDS, None]),
    "scope": (lambda m, v: m.in_scope(v), [*IDS, None]),
    "ttl": (lambda m, v: m.session("s", ttl=v), TTLS),
    "sliding": (lambda m, v: m.session("s", sliding=v), ["no", 0, []]),
    "message": (lambda m, v: m.session("s").append(v), [None, 5, "Hi", b"Hi", object(), [None], ["Hi"], [("role", "user")]]),
    "role": (
        lambda m, v: m.session("s").append({"role": v, "content": "x"}),
        ["", "nobody", "User", " user", None, 5, ["user"], {"a": 1}, HALF],
    ),
    "role of a Message": (lambda m, v: m.session("s").append(Message(v, "x")), ["", "nobody", None, 5, ["user"]]),
    "role missing": (lambda m, v: m.session("s").append(v), [{}, {"content": "x"}]),
    "content": (
        lambda m, v: m.session("s").append({"role": "user", "content": v}),
        [None, 5, b"x", True, {"a"}, object(), HALF, [5], [None], [b"x"], [["x"]], [HALF], *([{"x": v}] for v in JSONS)],
    ),
    "content of a Message": (lambda m, v: m.session("s").append(Message("user", v)), [None, 5, b"x", [5], HALF]),
    "content missing": (lambda m, v: m.session("s").append(v), [{"role": "user"}, {"role": "user", "metadata": {"a": 1}}]),
    "id": (lambda m, v: m.session("s").append(message(id=v)), IDS),
    "id of a Message": (lambda m, v: m.session("s").append(Message("user", "x", id=v)), [v for v in IDS if v != ""]),
    "name": (lambda m, v: m.session("s").append(message(name=v)), [*NOT_TEXT, HALF]),
    "tool_call_id": (lambda m, v: m.session("s").append(message(tool_call_id=v)), [*NOT_TEXT, HALF]),
    "tool_calls": (
        lambda m, v: m.session("s").append(message(tool_calls=v)),
        ["x", 5, {"id": "a"}, ["a"], [None], [[]], b"x", *([{"id": "a", "v": v}] for v in JSONS)],
    ),
    "metadata": (lambda m, v: m.session("s").append(message(metadata=v)), [*OBJECTS, *({"v": v} for v in JSONS)]),
    "metadata of a Message": (
        lambda m, v: m.session("s").append(Message("user", "x", metadata=v)),
        [*OBJECTS, *({"v": v} for v in JSONS)],
    ),
    "extra": (lambda m, v: m.session("s").append(message(extra=v)), [*OBJECTS, *({"v": v} for v in JSONS)]),
    "extra of a Message": (lambda m, v: m.session("s").append(Message("user", "x", extra=v)), OBJECTS),
    "extra: unknown": (lambda m, v: m.session("s").append(message(unknown=v)), JSONS),
    "extra: key": (lambda m, v: m.session("s").append({**message(), v: 1}), [5, None, b"x", ("a",), HALF]),
    "created_at": (lambda m, v: m.session("s").append(message(created_at=v)), TIMES),
    "created_at of a Message": (lambda m, v: m.session("s").append(Message("user", "x", created_at=v)), TIMES),
    "ttl of a dict": (lambda m, v: m.session("s").append(message(ttl=v)), TTLS),
    "ttl of a call": (lambda m, v: m.session("s").append(message(), ttl=v), TTLS),
    "count": (lambda m, v: m.session("s").tail(v), [*COUNTS, None]),
    "limit": (lambda m, v: m.session("s").read(limit=v), [*LIMITS, None]),
    "after": (lambda m, v: m.session("s").read(after=v), COUNTS),
    "before": (lambda m, v: m.session("s").read(before=v), COUNTS),
    "since": (lambda m, v: m.session("s").read(since=v), TIMES),
    "until": (lambda m, v: m.session("s").read(until=v), TIMES),
    "seq": (lambda m, v: m.session("s").get(v), [*COUNTS, None]),
    "max_messages": (lambda m, v: m.session("s").window(v), COUNTS),
    "max_tokens": (lambda m, v: m.session("s").window(max_tokens=v), COUNTS),
    "system": (lambda m, v: m.session("s").window(system=v), ["", "KEEP", None, 5, ["keep"], True]),
    "title": (lambda m, v: m.session("s").update(title=v), [*NOT_TEXT, HALF]),
    "metadata of a session": (
        lambda m, v: m.session("s").update(metadata=v),
        [None, *OBJECTS, *({"v": v} for v in JSONS)],
    ),
    "ttl of a session": (lambda m, v: m.session("s").update(ttl=v), TTLS),
    "sliding of a session": (lambda m, v: m.session("s").update(ttl=5, sliding=v), ["no", 1, None]),
    "text": (lambda m, v: m.session("there").save_summary(v, covers_seq=1), ["", " \n", None, *NOT_TEXT, HALF]),
    "covers_seq": (lambda m, v: m.session("there").save_summary("x", covers_seq=v), [*COUNTS, None, 2, 2**70]),
    "metadata of a summary": (
        lambda m, v: m.session("there").save_summary("x", covers_seq=1, metadata=v),
        [*OBJECTS, *({"v": v} for v in JSONS)],
    ),
    "expect": (lambda m, v: m.session("there").save_summary("x", covers_seq=1, expect=v), COUNTS),
    "query": (lambda m, v: m.session("there").context(v), [*NOT_TEXT, HALF]),
    "max_tokens of a context": (lambda m, v: m.session("there").context(max_tokens=v), [0, None, *COUNTS]),
    "preferences": (lambda m, v: m.user("u").preferences.put(v), [None, *OBJECTS, *({"v": v} for v in JSONS)]),
    "expect of preferences": (lambda m, v: m.user("u").preferences.put({}, expect=v), COUNTS),
    "patch": (lambda m, v: m.user("u").preferences.merge(v), [None, *OBJECTS, *({"v": v} for v in JSONS)]),
    "key": (lambda m, v: m.user("u").preferences.set(v, 1), [*IDS, None]),
    "preferences, the value": (lambda m, v: m.user("u").preferences.set("k", v), JSONS),
    "key to remove": (lambda m, v: m.user("u").preferences.remove(v), [*IDS, None]),
    "limit of sessions": (lambda m, v: m.sessions(v), [*LIMITS, None]),
    "limit of a user's sessions": (lambda m, v: m.user("u").sessions(v), [*LIMITS, None]),
    "limit of a user's messages": (lambda m, v: m.user("u").messages(limit=v), [*LIMITS, None]),
    "since of a user's messages": (lambda m, v: m.user("u").messages(since=v), TIMES),
    "until of a user's messages": (lambda m, v: m.user("u").messages(until=v), TIMES),
    "query to search": (lambda m, v: m.search(v), [None, *NOT_TEXT]),
    "query to recall": (lambda m, v: m.user("u").recall(v), [None, *NOT_TEXT]),
    "limit of a search": (lambda m, v: m.search("x", limit=v), [*LIMITS, None]),
    "limit of an empty search": (lambda m, v: m.search("", limit=v), LIMITS),
    "user to search": (lambda m, v: m.search("x", user=v), IDS),
    "session to search": (lambda m, v: m.search("x", session=v), IDS),
    "role to search": (lambda m, v: m.search("x", role=v), ["", "nobody", 5, ["user"], {"a": 1}]),
    "since of a search": (lambda m, v: m.search("x", since=v), TIMES),
    "until of a search": (lambda m, v: m.search("x", until=v), TIMES),
    "where": (lambda m, v: m.search("x", where=v), [*OBJECTS, *({"v": v} for v in JSONS)]),
    "where of an empty search": (lambda m, v: m.search("", where=v), OBJECTS),
    "after of changes": (lambda m, v: m.changes(v), ["", "x", "-1", "1.5", "²", "9" * 30, HALF, 5, b"1", ["1"], True]),
    "limit of changes": (lambda m, v: m.changes(limit=v), [*LIMITS, None]),
    "on_error": (lambda m, v: m.import_lines([], on_error=v), ["", "ignore", None, 5, True]),
    "progress": (lambda m, v: m.import_lines([message(session="s")], progress=v), [5, "x"]),
    "lines": (lambda m, v: m.import_lines(v), [None, 5, "{}", b"{}", {"session": "s", "role": "user", "content": "x"}]),
    "line": (
        lambda m, v: m.import_lines([v]),
        [None, 5, "[]", "5", "null", '"x"', "{", "\0", b"\xff", b"{}", "{}", HALF, [], object()],
    ),
    "session to export": (lambda m, v: list(m.export_lines(session=v)), IDS),
    "user to export": (lambda m, v: list(m.export_lines(user=v)), IDS),
}  # fmt: skip


def refusal(call: Call, memory: Recollect, value: object) -> Exception | None:
    """What a call raises, or None if it accepts the value."""
    try:
        call(memory, value)
    except Exception as error:
        return error
    return None


@pytest.mark.parametrize("mode", ["sync"], indirect=True)
@pytest.mark.parametrize("case", CASES)
def test_a_bad_argument_is_named_and_nothing_is_written(memory: Recollect, case: str) -> None:
    """`InvalidInput` (or Python's own ValueError, TypeError) names the field; the feed has nothing new."""
    field = case.split()[0].rstrip(":,")
    call, values = CASES[case]
    memory.session("there", "owner").append(message())
    before = memory.changes(limit=1000).items
    for value in values:
        shown = repr(value)[:60].encode("ascii", "backslashreplace").decode()
        error = refusal(call, memory, value)
        text = str(error)
        assert isinstance(error, InvalidInput), f"{field}={shown}: {error!r}"[:300]
        assert field in text or field in (error.field or ""), f"{shown}: {text[:200]}"
        assert len(text) < 1000, f"{shown}: a message of {len(text)} characters"
        assert memory.changes(limit=1000).items == before, f"{shown} wrote something"
    (stored,) = memory.session("there").append(message())
    assert stored.seq == 2
    assert memory.session("there").context().tokens > 0


def test_refusals_are_the_same_when_awaited(memory: Recollect) -> None:
    """The async client refuses as the sync one does, and goes on."""
    session = memory.session("s")
    for call in (
        lambda: session.append({"role": "nobody", "content": "x"}),
        lambda: session.read(limit=0),
        lambda: memory.search("x", limit=-1),
        lambda: list(memory.export_lines(session="")),
    ):
        with pytest.raises(InvalidInput):
            call()
    assert session.append(message())[0].seq == 1
