"""The window: the newest messages that fit, in order, no holes, every tool result beside its call."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from recollect import Message, Recollect, SessionHandle
from recollect.testing.clock import ManualClock
from tests.library.harness import Opener
from tests.library.logs import (
    WILD,
    Log,
    answers,
    anthropic_call,
    anthropic_results,
    calls,
    check_pairs,
    openai_call,
    openai_result,
    proper_logs,
    total,
    unpaired,
)

SYNC = pytest.mark.parametrize("mode", ["sync"], indirect=True)
FUZZ = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
_serial = itertools.count()


def say(text: str, role: str = "user") -> dict[str, Any]:
    return {"role": role, "content": text}


def fresh(memory: Recollect, log: Sequence[dict[str, Any]]) -> SessionHandle:
    session = memory.session(f"s{next(_serial)}")
    session.append(log)
    return session


def seqs(messages: Sequence[Message]) -> list[int]:
    return [message.seq for message in messages]


def test_the_newest_that_fit(memory: Recollect) -> None:
    """Without limits all; with one, the newest within it, oldest first; the whole messages as stored."""
    session = fresh(memory, [say(str(i)) for i in range(10)])
    assert session.window() == session.read().items
    assert [m.content for m in session.window(3)] == ["7", "8", "9"]
    assert session.window(0) == []
    assert len(session.window(10**9, 10**9)) == 10
    cost = session.tail(1)[0].tokens
    assert len(session.window(max_tokens=3 * cost)) == 3
    assert len(session.window(max_tokens=3 * cost - 1)) == 2
    assert len(session.window(2, 9 * cost)) == 2
    assert len(session.window(9, 2 * cost)) == 2
    assert session.window(max_tokens=cost - 1) == []
    assert memory.session("nobody").window(5) == []


def test_no_holes(memory: Recollect) -> None:
    """The window ends at the first message that does not fit, also where an older one would."""
    session = fresh(memory, [say("a"), say("long " * 200), say("b"), say("c")])
    assert [m.content for m in session.window(max_tokens=50)] == ["b", "c"]


def test_system_rules(memory: Recollect) -> None:
    """keep: system messages stay wherever they stand; window: as any other; drop: left out."""
    session = fresh(
        memory, [say("rules", "system"), *(say(str(i)) for i in range(4)), say("more", "system"), say("end")]
    )
    assert [m.content for m in session.window(4)] == ["rules", "3", "more", "end"]
    assert [m.content for m in session.window(3, system="window")] == ["3", "more", "end"]
    assert [m.content for m in session.window(3, system="drop")] == ["2", "3", "end"]
    assert [m.content for m in session.window(1)] == ["end"]
    assert [m.content for m in session.window(2)] == ["more", "end"]


def test_developer_messages_are_system_messages(memory: Recollect) -> None:
    """OpenAI's `developer` role is kept as `system` is."""
    session = fresh(memory, [say("rules", "developer"), *(say(str(i)) for i in range(9))])
    assert [m.to_provider()["role"] for m in session.window(2)] == ["developer", "user"]


def test_all_system_messages_are_kept(memory: Recollect) -> None:
    """However many system messages there are, `keep` keeps them while they fit."""
    session = fresh(memory, [*(say(str(i), "system") for i in range(400)), say("hi")])
    assert len(session.window()) == 401
    assert len(session.window(350)) == 350


def test_a_call_and_its_results_are_together_or_not_at_all(memory: Recollect) -> None:
    """Parallel calls: if one result does not fit, neither do the call and the other results."""
    log = [say("a"), openai_call("x", "y"), openai_result("x"), openai_result("y"), say("b")]
    session = fresh(memory, log)
    found = [seqs(session.window(n)) for n in range(6)]
    assert found == [[], [5], [5], [5], [2, 3, 4, 5], [1, 2, 3, 4, 5]]


def test_anthropic_calls_too(memory: Recollect) -> None:
    """Calls and results that are parts of the content are kept together as well."""
    session = fresh(memory, [say("a"), anthropic_call("x", "y"), anthropic_results("y", "x"), say("b")])
    assert [seqs(session.window(n)) for n in (1, 2, 3, 4)] == [[4], [4], [2, 3, 4], [1, 2, 3, 4]]


def test_responses_items_too(memory: Recollect) -> None:
    """The items of OpenAI's Responses API, whose call ids are fields of their own."""
    call = {"role": "assistant", "type": "function_call", "call_id": "x", "arguments": "{}", "status": "completed"}
    result = {"role": "tool", "type": "function_call_output", "call_id": "x", "output": "22"}
    session = fresh(memory, [say("a"), call, say("meanwhile"), result])
    assert [seqs(session.window(n)) for n in (1, 2, 3, 4)] == [[], [], [2, 3, 4], [1, 2, 3, 4]]


def test_pending_calls_at_the_end_stay(memory: Recollect) -> None:
    """A call that is not answered yet is what the agent is at: it stays."""
    session = fresh(memory, [say("a"), openai_call("x", "y"), openai_result("x")])
    assert seqs(session.window()) == [1, 2, 3]
    assert seqs(session.window(2)) == [2, 3]


def test_orphans_are_left_out(memory: Recollect) -> None:
    """A result whose call was never stored, or was removed, is refused by providers and left out."""
    session = fresh(memory, [openai_result("x"), say("a"), anthropic_results("y"), say("b")])
    assert seqs(session.window()) == [2, 4]
    assert seqs(session.window(2)) == [2, 4]


def test_a_result_of_a_known_and_an_unknown_call(memory: Recollect) -> None:
    """A message with one orphaned result cannot be sent, so it and what hangs on it are left out."""
    session = fresh(memory, [say("a"), anthropic_call("x"), anthropic_results("x", "gone"), say("b")])
    assert seqs(session.window()) == [1, 4]


def test_call_ids_that_come_again(memory: Recollect) -> None:
    """Some models count their calls from 0 in every turn: a result belongs to the nearest call before it."""
    turn = [openai_call("call_0"), openai_result("call_0")]
    session = fresh(memory, [*turn, say("a"), *turn, say("b")])
    assert [seqs(session.window(n)) for n in range(7)] == [
        [], [6], [6], [4, 5, 6], [3, 4, 5, 6], [3, 4, 5, 6], [1, 2, 3, 4, 5, 6]
    ]  # fmt: skip


def test_expired_calls_orphan_their_results(opener: Opener) -> None:
    """When a call has expired, its result goes out of the window too."""
    clock = ManualClock()
    session = opener(clock=clock).session("s")
    session.append({**openai_call("x"), "ttl": 5})
    session.append([openai_result("x"), say("b")])
    assert seqs(session.window()) == [1, 2, 3]
    clock.forward(5)
    assert seqs(session.window()) == [3]


@SYNC
@pytest.mark.parametrize("gap", [1, 62, 63, 64, 65, 127, 128, 200, 250])
def test_pairs_across_pages(memory: Recollect, gap: int) -> None:
    """A call and its result stay together however many messages stand between them (as far as is documented)."""
    log = [say("first"), openai_call("x"), *(say(str(i)) for i in range(gap)), openai_result("x"), say("end")]
    session = fresh(memory, log)
    assert len(session.window()) == len(log)
    assert seqs(session.window(gap + 2)) == [gap + 4]
    assert seqs(session.window(gap + 3)) == list(range(2, gap + 5))


@SYNC
@pytest.mark.parametrize("gap", [255, 256, 257, 300])
def test_pairs_at_the_end_of_the_reach(memory: Recollect, gap: int) -> None:
    """Where a call stands too far back to be looked for, neither it nor its result is shown alone."""
    log = [say("first"), openai_call("x"), *(say(str(i)) for i in range(gap)), openai_result("x"), say("end")]
    session = fresh(memory, log)
    check_pairs(session.read(limit=1000).items, session.window())


@SYNC
def test_long_sessions(memory: Recollect) -> None:
    """Beyond one page and beyond the reach for calls, windows are exact."""
    log = [say("rules", "system")]
    for i in range(150):
        log += [say(f"ask {i}"), openai_call(f"c{i}"), openai_result(f"c{i}"), say(f"done {i}", "assistant")]
    session = fresh(memory, log)
    everything = session.read(limit=1000).items
    assert session.window() == everything
    for n in (63, 64, 65, 66, 129, 256, 257, 300, 599, 600, 601):
        found = session.window(n)
        check_pairs(everything, found)
        assert found[0].seq == 1
        assert n - 1 <= len(found) <= n
        assert seqs(found)[1:] == list(range(601 - len(found) + 2, 602))


def check_window(session: SessionHandle, messages: int | None, tokens: int | None, system: Any) -> None:
    log = session.read(limit=1000).items
    window = session.window(messages, tokens, system=system)
    stored = {message.seq: message for message in log}
    assert all(stored[message.seq] == message for message in window)
    assert seqs(window) == sorted(set(seqs(window))), "not in order"
    assert messages is None or len(window) <= messages
    assert tokens is None or total(window, lambda m: m.tokens) <= tokens
    check_pairs(log, window)
    plain = [m for m in log if system == "window" or m.role != "system"]
    shown = [m for m in window if system == "window" or m.role != "system"]
    if system == "drop":
        assert all(m.role != "system" for m in window)
    if shown:
        skipped = [m for m in plain if m.seq >= shown[0].seq and m not in shown]
        lost = unpaired(plain)
        for message in skipped:
            hangs = message.seq in lost or calls(message) or answers(message)
            assert hangs, f"a hole at {message.seq}"
    if messages is None and tokens is None:
        assert {m.seq for m in plain if not (m.tool_calls or m.tool_call_id or isinstance(m.content, list))} <= set(
            seqs(shown)
        ), "something was left out without a limit"
        if system == "keep":
            assert [m for m in log if m.role == "system"] == [m for m in window if m.role == "system"]


LIMITS = st.none() | st.integers(0, 30)
BUDGETS = st.none() | st.integers(0, 400)
RULES = st.sampled_from(["keep", "window", "drop"])


@SYNC
@FUZZ
@given(log=WILD, messages=LIMITS, tokens=BUDGETS, system=RULES)
def test_any_log_any_limits(memory: Recollect, log: Log, messages: int | None, tokens: int | None, system: str) -> None:
    """Whatever was stored: within both limits, in order, no result or call alone, no other holes."""
    check_window(fresh(memory, log), messages, tokens, system)


@SYNC
@FUZZ
@given(log=proper_logs(), messages=LIMITS, tokens=BUDGETS, system=RULES)
@example(log=[openai_call("a"), say("s", "system"), openai_result("a")], messages=2, tokens=None, system="keep")
def test_a_proper_log_has_no_holes(
    memory: Recollect, log: Log, messages: int | None, tokens: int | None, system: str
) -> None:
    """Of a log in which every result has its call nothing is left out but what does not fit, and more does not fit."""
    session = fresh(memory, log)
    check_window(session, messages, tokens, system)
    plain = [m for m in session.read(limit=1000) if system == "window" or m.role != "system"]
    window = session.window(messages, tokens, system=system)  # type: ignore[arg-type]
    shown = [m for m in window if system == "window" or m.role != "system"]
    assert shown == plain[len(plain) - len(shown) :], "a hole"
    rest = plain[: len(plain) - len(shown)]
    if not rest:
        return
    for start in range(len(rest) - 1, -1, -1):
        unit = rest[start:]
        if not unpaired([*unit, *shown]):
            break
    over_messages = messages is not None and len(window) + len(unit) > messages
    over_tokens = tokens is not None and total([*window, *unit], lambda m: m.tokens) > tokens
    assert over_messages or over_tokens, "more would have fitted"


@SYNC
def test_the_clients_own_counter_decides(opener: Opener) -> None:
    """`max_tokens` is judged by the counter of the client that asks, not by whoever appended."""
    writer = opener(count_tokens=lambda text: 0)
    writer.session("s").append([say("word " * 100) for _ in range(10)])
    reader = opener(writer.store, count_tokens=lambda text: len(text.split()))
    assert len(reader.session("s").window(max_tokens=320)) == 3
