"""Random logs with tool calls, and what a window over them may be, said without the code under test."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from hypothesis import strategies as st

from recollect import Message

Log = list[dict[str, Any]]


def calls(message: Message) -> list[str]:
    """The ids of the calls a message makes, OpenAI's and Anthropic's."""
    found = [call["id"] for call in message.tool_calls or []]
    if isinstance(message.content, list):
        found += [part["id"] for part in message.content if part["type"] == "tool_use"]
    return found


def answers(message: Message) -> list[str]:
    """The ids of the calls a message answers."""
    found = [message.tool_call_id] if message.tool_call_id else []
    if isinstance(message.content, list):
        found += [part["tool_use_id"] for part in message.content if part["type"] == "tool_result"]
    return found


def openai_call(*ids: str) -> dict[str, Any]:
    made = [{"id": one, "type": "function", "function": {"name": "f", "arguments": "{}"}} for one in ids]
    return {"role": "assistant", "content": None, "tool_calls": made}


def openai_result(one: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": one, "content": f"result {one}"}


def anthropic_call(*ids: str) -> dict[str, Any]:
    made = [{"type": "tool_use", "id": one, "name": "f", "input": {}} for one in ids]
    return {"role": "assistant", "content": [{"type": "text", "text": "Let me see."}, *made]}


def anthropic_results(*ids: str) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "tool_result", "tool_use_id": one, "content": "22"} for one in ids]}


_WORDS = st.sampled_from(["hi", "a longer thing to say " * 3, "", "안녕하세요", "x " * 40])
_IDS = st.sampled_from(["a", "b", "c", "d"])
_MESSAGES = st.one_of(
    st.builds(lambda text: {"role": "user", "content": text}, _WORDS),
    st.builds(lambda text: {"role": "assistant", "content": text}, _WORDS),
    st.builds(lambda text: {"role": "system", "content": text}, _WORDS),
    st.builds(openai_call, _IDS),
    st.builds(lambda ids: openai_call(*ids), st.lists(_IDS, min_size=2, max_size=3, unique=True)),
    st.builds(openai_result, _IDS),
    st.builds(lambda ids: anthropic_call(*ids), st.lists(_IDS, min_size=1, max_size=3, unique=True)),
    st.builds(lambda ids: anthropic_results(*ids), st.lists(_IDS, min_size=1, max_size=3, unique=True)),
)
WILD: st.SearchStrategy[Log] = st.lists(_MESSAGES, max_size=24)
"""Any messages in any order: orphans, repeated ids, results before their calls, calls that nobody answers."""


@st.composite
def proper_logs(draw: st.DrawFn) -> Log:
    """What a working agent writes: every result behind its call, parallel and interleaved calls, some pending."""
    log: Log = []
    serial = 0
    for _ in range(draw(st.integers(0, 10))):
        kind = draw(st.sampled_from(["user", "assistant", "system", "openai", "anthropic"]))
        if kind in ("user", "assistant", "system"):
            log.append({"role": kind, "content": draw(_WORDS)})
            continue
        ids = [f"call {serial + i}" for i in range(draw(st.integers(1, 3)))]
        if draw(st.booleans()):
            ids = [f"again {i}" for i in range(len(ids))]
        serial += len(ids)
        if kind == "anthropic":
            log.append(anthropic_call(*ids))
            between(draw, log)
            log.append(anthropic_results(*draw(st.permutations(ids))))
            continue
        log.append(openai_call(*ids))
        for one in draw(st.permutations(ids)):
            between(draw, log)
            log.append(openai_result(one))
    if draw(st.booleans()):
        log.append(openai_call("pending 1", "pending 2"))
        if draw(st.booleans()):
            log.append(openai_result("pending 2"))
    return log


def between(draw: st.DrawFn, log: Log) -> None:
    """Something that gets in between a call and its result."""
    if draw(st.integers(0, 4)) == 0:
        log.append({"role": draw(st.sampled_from(["user", "system"])), "content": "meanwhile"})


def unpaired(messages: Sequence[Message]) -> set[int]:
    """The seqs of messages that answer a call which no earlier message makes, each call being answered once or more."""
    made: set[str] = set()
    lost = set()
    for message in messages:
        if any(one not in made for one in answers(message)):
            lost.add(message.seq)
        made |= set(calls(message))
    return lost


def check_pairs(log: Sequence[Message], window: Sequence[Message]) -> None:
    """No result without its call; no call without a result that is stored behind it (the nearest call owns it)."""
    assert not unpaired(window), "a result without its call"
    inside = {message.seq for message in window}
    for i, message in enumerate(log):
        if message.seq not in inside:
            continue
        for one in calls(message):
            for later in log[i + 1 :]:
                if one in answers(later):
                    assert later.seq in inside, f"the call {one!r} at {message.seq} is without its result {later.seq}"
                if one in calls(later):
                    break


def total(messages: Iterable[Message], cost: Callable[[Message], int]) -> int:
    return sum(map(cost, messages))
