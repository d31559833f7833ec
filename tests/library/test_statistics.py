"""Figures in detail: tokens, lengths, days, hours, active sessions, the time to a reply."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from recollect import Message, Recollect, Spread, Stats
from recollect.testing.clock import ManualClock
from tests.library.harness import Opener

NOON = datetime(2026, 5, 3, 12, tzinfo=UTC)


def at(seconds: float, role: str, content: str | None = "x", **more: object) -> dict[str, object]:
    return {"role": role, "content": content, "created_at": NOON + timedelta(seconds=seconds), **more}


def spread(value: float, count: int = 1) -> object:
    """A spread of equal figures."""
    near: Any = pytest.approx(value, rel=0.01)
    return Spread(count=count, mean=near, median=near, p95=near, max=value)


def test_tokens_lengths_days_and_hours(memory: Recollect) -> None:
    memory.session("a", "ann").append([at(0, "user", "12345"), at(1, "assistant", "안녕하세요")])
    memory.session("b").append([at(86_400, "user", "1" * 5), at(90_000, "user", "22222"), at(0, "tool", "55555")])
    found = memory.stats(detail=True)
    by_role: dict[str, int] = {}
    for name in "ab":
        for message in memory.session(name).read():
            by_role[message.role] = by_role.get(message.role, 0) + message.tokens
    assert found.tokens_by_role == by_role
    assert found.tokens == sum(by_role.values())
    assert found.lengths == spread(5, 5)
    assert found.messages_by_day == {"2026-05-03": 3, "2026-05-04": 2}
    assert found.sessions_by_day == {"2026-05-03": 2, "2026-05-04": 1}
    assert found.messages_by_hour == {"12": 4, "13": 1}
    one = memory.user("ann").stats()
    assert (one.sessions_by_day, one.lengths, one.latency) == ({"2026-05-03": 1}, spread(5, 2), spread(1))
    assert found.to_dict()["lengths"] == {"count": 5, "mean": 5, "median": 5, "p95": 5, "max": 5}
    short = memory.stats()
    assert {short.to_dict()[name] for name in ("tokens", "latency", "first_message_at")} == {None}
    assert short.to_dict()["messages_by_day"] is None
    assert short == Stats(sessions=2, messages=5, users=1, active_sessions=short.active_sessions)


def test_a_reply_is_the_first_text_behind_the_last_question(memory: Recollect) -> None:
    call = {"tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}
    memory.session("s").append(
        [
            at(0, "assistant", "Welcome!"),
            at(10, "user"),
            at(20, "user", "and another thing"),
            at(21, "assistant", None, **call),
            at(22, "tool", "{}", tool_call_id="c"),
            at(24, "assistant", "here you are"),
            at(25, "assistant", "one more thing"),
        ]
    )
    assert memory.session("s").stats().latency == spread(4)


def test_a_clock_that_jumps_gives_no_latency(memory: Recollect) -> None:
    memory.session("s").append([at(100, "user"), at(50, "assistant"), at(60, "user"), at(60, "assistant")])
    assert memory.session("s").stats().latency == Spread(count=1, mean=0, median=0, p95=0, max=0)
    memory.session("t").append([at(0, "user"), at(-1, "assistant")])
    assert memory.session("t").stats().latency is None


def test_a_turn_over_the_border_of_a_page(memory: Recollect) -> None:
    """Sessions are read in pages of 500; the question is the last message of one."""
    rows = [at(n, "tool") for n in range(499)]
    memory.session("s").append([*rows, at(500, "user"), at(507, "assistant")])
    assert memory.session("s").stats().latency == spread(7)


def test_active_sessions(opener: Opener) -> None:
    clock = ManualClock(NOON)
    memory = opener(clock=clock)
    memory.session("a", "ann").append({"role": "user", "content": "x"})
    memory.session("named").update(title="nobody has said anything")
    assert [memory.stats(detail=detail).active_sessions for detail in (False, True)] == [1, 1]
    clock.forward(15 * 60)
    memory.session("b").append(Message(role="user", content="x"))
    assert memory.stats().active_sessions == 2
    clock.forward(1)
    assert memory.stats().active_sessions == 1
    assert memory.user("ann").stats().active_sessions == memory.session("a").stats().active_sessions == 0


def test_what_has_expired_is_not_counted(opener: Opener) -> None:
    clock = ManualClock(NOON)
    memory = opener(clock=clock)
    memory.session("a").append({"role": "user", "content": "x"}, ttl=60)
    memory.session("a").append({"role": "user", "content": "yy"})
    clock.forward(61)
    found = memory.stats(detail=True)
    assert (found.messages, found.lengths) == (1, spread(2))
