"""The context of any history fits any budget by the exact counter, and says what it left out."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recollect import Context, LimitExceeded
from tests.library.contexts import check, say, section
from tests.library.harness import Opener
from tests.library.logs import WILD, Log, proper_logs, unpaired

SYNC = pytest.mark.parametrize("mode", ["sync"], indirect=True)
FAST = pytest.mark.parametrize("url", ["memory"], indirect=True)
FUZZ = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
_serial = itertools.count()


def words(text: str) -> int:
    return len(text.split())


def lines(text: str) -> int:
    return text.count("\n") * 3 + 1


COUNTERS: dict[str, Callable[[str], int]] = {"len": len, "words": words, "lines": lines}


def cost(context: Context, count: Callable[[str], int]) -> int:
    """What the messages cost, said anew: 4 for each and its text (histories here have no parts and no calls)."""
    return sum(4 + count(message["content"]) for message in context.messages)


TALK = st.lists(
    st.builds(
        say,
        st.sampled_from(["hi", "apollo landed on the moon", "word " * 30, "달에 갔다", "x", "apollo\n\n\nmoon"]),
        st.sampled_from(["user", "user", "assistant", "system"]),
    ),
    max_size=20,
)
PREFERENCES = st.dictionaries(
    st.sampled_from(["genre", "seat", "a"]), st.sampled_from(["jazz", "y " * 20, 5, [1, "b"]])
)


@SYNC
@pytest.mark.parametrize("counter", COUNTERS)
@FUZZ
@given(
    log=TALK,
    older=TALK,
    preferences=PREFERENCES,
    summary=st.sampled_from(["", "so far", "s " * 40]),
    budget=st.integers(1, 400),
)
def test_fits_by_the_exact_counter(
    opener: Opener, counter: str, log: Log, older: Log, preferences: dict[str, Any], summary: str, budget: int
) -> None:
    """Any history, any budget, any counter, whoever stored the messages: counted anew, it fits."""
    count = COUNTERS[counter]
    writer = opener(count_tokens=lambda text: 0)
    number = next(_serial)
    user = writer.user(f"u{number}")
    user.preferences.put(preferences)
    writer.session(f"older {number}", user.id).append([*older, say("apollo went to the moon")])
    session = writer.session(f"s{number}", user.id)
    session.append(log)
    if log and summary:
        session.save_summary(summary, covers_seq=max(1, len(log) // 2))
    reader = opener(writer.store, count_tokens=count).session(session.id, user.id)
    stored = session.read(limit=1000).items
    plain = [message for message in stored if message.role != "system"]
    if plain and 4 + count(plain[-1].text) > budget:
        with pytest.raises(LimitExceeded, match="max_tokens"):
            reader.context(max_tokens=budget)
        return
    context = reader.context(max_tokens=budget)
    assert context.max_tokens == budget
    assert context.tokens == cost(context, count)
    check(context, stored)
    if plain:
        assert context.window[-1] == plain[-1]
        assert context.messages[-1] == plain[-1].to_provider()
    assert context.window == plain[len(plain) - len(context.window) :], "a hole"
    told = {one.section for one in context.dropped}
    assert len(context.window) == len(plain) or "window" in told, "messages are left out and nobody says so"
    instructions = next((one.count for one in context.sections if one.name == "instructions"), 0)
    left_out = [one for one in context.dropped if one.section == "instructions"]
    assert instructions + len(left_out) == len(stored) - len(plain)
    keys = next((one.count for one in context.sections if one.name == "preferences"), 0)
    assert keys + len([one for one in context.dropped if one.section == "preferences"]) == len(preferences)
    if log and summary:
        assert (section(context, "summary") > 0) != ("summary" in told)


@SYNC
@FAST
@FUZZ
@given(log=WILD | proper_logs(), budget=st.integers(1, 500), counter=st.sampled_from([len, words]))
def test_calls_and_results_are_together(opener: Opener, log: Log, budget: int, counter: Callable[[str], int]) -> None:
    """Whatever was stored, no tool call or result stands alone, and it fits."""
    session = opener(count_tokens=counter).session("s")
    session.append(log)
    stored = session.read(limit=1000).items
    try:
        context = session.context(max_tokens=budget)
    except LimitExceeded:
        return
    check(context, stored)
    everything = session.context(max_tokens=10**6)
    check(everything, stored)
    plain = [message for message in stored if message.role != "system"]
    if not unpaired(plain):
        assert everything.window == plain
        assert everything.dropped == []
