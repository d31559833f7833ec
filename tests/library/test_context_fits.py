"""The context of any history fits any budget by the exact counter, and says what it left out."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recollect import Context, InvalidInput, LimitExceeded, Message
from tests.library.contexts import check, say, section
from tests.library.harness import Opener
from tests.library.logs import WILD, Log, answers, calls, openai_call, openai_result, proper_logs, unpaired

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


LONG = "제인은 부산으로 여행을 갑니다. Jane has a dog. 그 개의 이름은 렉스입니다. It barks at trains.\n" * 6
RICH = st.one_of(
    WILD,
    proper_logs(),
    st.lists(
        st.one_of(
            st.sampled_from(
                [
                    say("부산 여행은 언제예요?"),
                    say("apollo " * 20, "assistant", name="Ann"),
                    say("Be brief.", "system"),
                    say("", "user"),
                    {
                        "role": "user",
                        "content": [{"type": "text", "text": "look"}, {"type": "image_url", "image_url": "x"}],
                    },
                    {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:x"}}]},
                    {"role": "assistant", "content": [{"type": "other", "weight": "1" * 60}]},
                ]
            ),
        ),
        max_size=24,
    ),
)
SHARES = st.none() | st.dictionaries(
    st.sampled_from(["instructions", "preferences", "summary", "recalled", "window"]), st.sampled_from([0, 0.1, 0.5, 1])
)


def cost_of_any(message: dict[str, Any], count: Callable[[str], int]) -> int:
    """What a message of any shape costs, said anew."""

    def packed(value: Any) -> int:
        return count(json.dumps(value, ensure_ascii=False, separators=(",", ":")))

    content = message["content"]
    total = 4 + (count(content) if isinstance(content, str) else 0)
    for part in content if isinstance(content, list) else ():
        text = part.get("text", "") if part["type"] == "text" else part.get("content", "")
        total += count(text) if text else 765 if part["type"] == "image_url" else packed(part)
    total += packed(message["tool_calls"]) if "tool_calls" in message else 0
    return total + (count(message["name"]) if "name" in message else 0)


def asks(message: Message) -> bool:
    """Whether it is the user who speaks, and not a tool in the user's name."""
    results = isinstance(message.content, list) and any(part["type"] == "tool_result" for part in message.content)
    return message.role == "user" and not results


@SYNC
@FAST
@settings(FUZZ, max_examples=60)
@given(
    log=RICH,
    older=TALK,
    preferences=PREFERENCES,
    summary=st.sampled_from(["", "so far", LONG]),
    budget=st.integers(1, 1200),
    counter=st.sampled_from([len, words, lines]),
    shares=SHARES,
)
def test_the_last_word_of_the_user_is_in_it(
    opener: Opener,
    log: Log,
    older: Log,
    preferences: dict[str, Any],
    summary: str,
    budget: int,
    counter: Callable[[str], int],
    shares: dict[str, float] | None,
) -> None:
    """Parts, calls, Korean, any shares: it fits, it is in order, and the user's last message is there if it can be."""
    memory = opener(count_tokens=counter)
    number = next(_serial)
    user = memory.user(f"u{number}")
    user.preferences.put(preferences)
    memory.session(f"older {number}", user.id).append([*older, say("부산 apollo look")])
    session = memory.session(f"s{number}", user.id)
    session.append(log)
    if log and summary:
        session.save_summary(summary, covers_seq=max(1, len(log) // 2))
    stored = session.read(limit=1000).items
    try:
        context = session.context(max_tokens=budget, shares=shares)
    except LimitExceeded:
        return
    check(context, stored)
    assert context == session.context(max_tokens=budget, shares=shares)
    assert context.tokens == sum(cost_of_any(message, counter) for message in context.messages) <= budget
    numbers = [m.seq for m in (*context.question, *context.window)]
    assert numbers == sorted(numbers)
    plain = [message for message in stored if message.role != "system"]
    asked = next((message for message in reversed(plain) if asks(message)), None)
    if asked is not None and not unpaired(plain):
        newest = sum(cost_of_any(m.to_provider(), counter) for m in context.window)
        alone = cost_of_any(asked.to_provider(), counter)
        assert asked.seq in numbers or newest + alone > budget or in_a_pair(plain, asked)
    for name, share in (shares or {}).items():
        if name != "window":
            assert section(context, name) <= int(budget * share) + 10 or name == "recalled"
        if not share:
            assert not section(context, name) or name == "window"


def in_a_pair(log: list[Message], message: Message) -> bool:
    """Whether a message stands between a call and its result, which have to be there with it."""
    before = {one for m in log if m.seq < message.seq for one in calls(m)}
    return any(one in before for m in log if m.seq > message.seq for one in answers(m))


def test_a_question_behind_many_steps(opener: Opener) -> None:
    """What the user wants is sent before the steps that fit, however many there were; it costs what is said."""
    session = opener(count_tokens=len).session("s")
    steps = [step for i in range(60) for step in (openai_call(f"c{i}"), openai_result(f"c{i}"))]
    session.append([say("Old."), say("Noted.", "assistant"), say("Please book the flight to Busan."), *steps])
    context = session.context(max_tokens=600)
    check(context, session.read(limit=1000).items)
    assert [message.content for message in context.question] == ["Please book the flight to Busan."]
    assert section(context, "question") == 36
    assert section(context, "window") > 300
    assert "beyond the window" in str(context)
    everything = session.context(max_tokens=100_000)
    assert everything.question == []
    assert len(everything.window) == 123


def test_ten_thousand_messages_in_five_hundred_tokens(opener: Opener) -> None:
    """A long life in a small budget: the summary, shortened to its share, what the question is about, the newest."""
    session = opener().session("s", "ann")
    session.append(
        [
            say("The rocket is called apollo." if i == 77 else f"We talked about item number {i} at some length today.")
            for i in range(9_999)
        ]
    )
    summary = session.summarize()
    assert summary is not None
    session.append(say("What is the rocket called?"))
    context = session.context(max_tokens=500)
    check(context, session.read(limit=10_000).items)
    assert context.tokens <= 500
    assert 0 < section(context, "summary") <= 125
    assert [one.what for one in context.dropped if one.section == "summary"] == ["its lesser sentences"]
    assert 78 in [hit.item.seq for hit in context.recalled]
    assert context.window[-1].text == "What is the rocket called?"
    assert section(context, "window") >= 100


def test_shares(opener: Opener) -> None:
    """Sections take what they are given, those that are named first; what is kept for the window is; nonsense is refused."""
    memory = opener(count_tokens=len)
    memory.user("ann").preferences.put({f"key {i}": "x" * 40 for i in range(30)})
    session = memory.session("s", "ann")
    session.append([say("word " * 10, "system") for _ in range(30)])
    session.append([say("talk " * 10) for _ in range(60)])
    session.save_summary("A sentence about something. " * 60, covers_seq=40)
    usual = session.context("talk", max_tokens=2000)
    assert section(usual, "window") > 500 - 54
    for name, share in {"instructions": 0.5, "preferences": 0.15, "summary": 0.25, "recalled": 0.25}.items():
        assert 0 < section(usual, name) <= 2000 * share or name == "recalled", name
    mine = session.context("talk", max_tokens=2000, shares={"preferences": 0.6, "instructions": 0.1, "recalled": 0})
    assert 1000 < section(mine, "preferences") <= 1200
    assert section(mine, "instructions") <= 200
    assert section(mine, "recalled") == 0
    greedy = session.context(max_tokens=2000, shares={"window": 1})
    assert [one.name for one in greedy.sections] == ["window"]
    first = session.context(max_tokens=400, shares={"summary": 1, "window": 0})
    last = session.context(max_tokens=400, shares={"instructions": 1, "summary": 1, "window": 0})
    assert section(first, "summary") > section(last, "summary")
    wrong: Any
    for wrong in (
        {"windows": 1},
        {"window": 1.1},
        {"window": -1},
        {"window": True},
        {"window": float("nan")},
        [1],
        "x",
    ):
        with pytest.raises(InvalidInput) as caught:
            session.context(shares=wrong)
        assert caught.value.field == "shares"
