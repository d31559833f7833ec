"""The rolling summary: when it is made, what it covers, how long it is, and what a failure leaves."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recollect import Recollect
from tests.library.contexts import say
from tests.library.harness import Opener
from tests.library.logs import WILD, Log, openai_call, openai_result, proper_logs
from tests.library.summarizers import FACTS, Scripted, check, talk

SYNC = pytest.mark.parametrize("mode", ["sync"], indirect=True)
FAST = pytest.mark.parametrize("url", ["memory"], indirect=True)
FUZZ = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
_serial = itertools.count()


def test_due_behind_twice_as_many(memory: Recollect) -> None:
    """With twice `max_recent` nothing is due; with one more, all but `max_recent` are covered."""
    session = memory.session("s", "ann")
    session.append(talk(40))
    assert session.summarize() is None
    session.append(talk(1, 40))
    first = session.summarize()
    assert first is not None
    assert first.covers_seq == 21
    assert len(check(session, first)) == 41
    assert session.summarize() == first
    session.append(talk(20, 41))
    assert session.summarize() == first
    session.append(talk(20, 61))
    second = session.summarize()
    assert second is not None
    assert (second.covers_seq, second.version) == (61, 2)
    assert second.created_at == first.created_at
    assert first.text in second.text
    check(session, second)


def test_it_says_what_was_said(memory: Recollect) -> None:
    """Facts are in it and small talk is not, with who said it, when, and from which message."""
    session = memory.session("s")
    day = datetime(2024, 5, 1, 12, tzinfo=UTC)
    rows = [{**row, "created_at": day + timedelta(hours=8 * i), "name": "Ann"} for i, row in enumerate(talk(60))]
    session.append(rows)
    summary = session.summarize(max_recent=10, length=300)
    assert summary is not None
    log = check(session, summary, length=300)
    told = [fact for fact in FACTS if f"Ann: {fact}" in summary.text]
    assert len(told) >= 4, summary.text
    assert summary.metadata["by"] == "extractive"
    assert {log[seq - 1].text for seq in summary.metadata["sources"]} >= set(told)
    assert "2024-05-" in summary.text.splitlines()[0]


@pytest.mark.parametrize(
    ("fact", "filler"),
    [
        ("제 강아지 이름은 렉스이고 천둥을 무서워해요.", "네 그렇군요."),
        ("私の犬の名前はレックスで、雷が苦手です。", "そうですか。"),
        ("我的狗叫雷克斯,它害怕打雷。", "好的。"),
    ],
)
def test_scripts_without_blanks(memory: Recollect, fact: str, filler: str) -> None:
    """Korean, Japanese and Chinese are cut into sentences and weighed as any other."""
    session = memory.session("s")
    session.append([say(f"{filler}{fact}{filler}" if i == 7 else filler) for i in range(50)])
    summary = session.summarize(max_recent=5, length=120)
    assert summary is not None
    check(session, summary, length=120)
    assert fact in summary.text
    assert 8 in summary.metadata["sources"]


def test_a_limit_of_tokens(opener: Opener) -> None:
    """Few long messages are due by their tokens, and half of them stays; the newest always does."""
    session = opener(count_tokens=len).session("s")
    session.append([say("x" * 96) for _ in range(10)])
    assert session.summarize(max_tokens=1000) is None
    session.append(say("x" * 96))
    summary = session.summarize(max_tokens=1000)
    assert summary is not None
    assert summary.covers_seq == 6
    session.append(say("y" * 5000))
    summary = session.summarize(max_tokens=1000)
    assert summary is not None
    assert summary.covers_seq == 11
    check(session, summary)


def test_forced(memory: Recollect) -> None:
    """What lies before the newest is folded though it is not due; nothing when there is nothing."""
    session = memory.session("s")
    assert session.summarize(force=True) is None
    assert session.info() is None
    session.append(talk(12))
    assert session.summarize(force=True) is None
    summary = session.summarize(max_recent=4, force=True)
    assert summary is not None
    assert summary.covers_seq == 8
    assert session.summarize(max_recent=4, force=True) == summary
    everything = session.summarize(max_recent=0, force=True)
    assert everything is not None
    assert everything.covers_seq == 12


def test_instructions_are_not_summarised(memory: Recollect) -> None:
    """System messages neither count nor are told; nor is what is marked not to be recalled."""
    session = memory.session("s")
    session.append([say("Secret instruction number one.", "system") for _ in range(50)])
    assert session.summarize() is None
    session.append([say("A hidden sentence stands here.", metadata={"recall": False}), *talk(45)])
    summary = session.summarize()
    assert summary is not None
    assert "instruction" not in summary.text
    assert "hidden" not in summary.text


def test_nothing_to_read(memory: Recollect) -> None:
    """Images and empty messages are passed over until there is something to say."""
    session = memory.session("s")
    image = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:x"}}]}
    session.append([image] * 60)
    assert session.summarize() is None
    session.append(talk(50))
    summary = session.summarize()
    assert summary is not None
    assert summary.covers_seq == 90


def test_a_call_waits_for_its_result(memory: Recollect) -> None:
    """A call that is not answered yet stays out, with all behind it, until it is or somebody goes on talking."""
    session = memory.session("s")
    session.append([*talk(10), openai_call("x"), *[say("Still working.", "assistant") for _ in range(30)]])
    summary = session.summarize(max_recent=5)
    assert summary is not None
    assert summary.covers_seq == 10
    session.append(openai_result("x"))
    later = session.summarize(max_recent=5, force=True)
    assert later is not None
    assert later.covers_seq == 10
    session.append([say("Never mind."), *talk(10)])
    later = session.summarize(max_recent=5, force=True)
    assert later is not None
    assert later.covers_seq == 48


@SYNC
@FAST
@FUZZ
@given(
    log=WILD | proper_logs(),
    recent=st.integers(0, 6),
    length=st.integers(1, 60),
    counter=st.sampled_from([len, lambda text: len(text.split()), lambda text: text.count("\n") * 3 + 1]),
    force=st.booleans(),
    words=st.sampled_from([None, "short", "long " * 300, "x" * 3000, "하나. 둘. 셋. " * 40]),
)
def test_any_history(
    opener: Opener, log: Log, recent: int, length: int, counter: Any, force: bool, words: str | None
) -> None:
    """Whatever was said: no pair is parted, the length holds by the exact counter, nothing is deleted, and once is enough."""
    memory = opener(count_tokens=counter, summarizer=None if words is None else Scripted(words, max_input_tokens=50))
    session = memory.session(f"s{next(_serial)}")
    session.append(log)
    before = list(session.read(limit=1000))
    summary = session.summarize(max_recent=recent, length=length, force=force)
    assert list(session.read(limit=1000)) == before
    if summary is None:
        return
    check(session, summary, length=length)
    plain = [m for m in before if m.role != "system"]
    assert len([m for m in plain if m.seq > summary.covers_seq]) >= min(recent, len(plain))
    again = session.summarize(max_recent=recent, length=length, force=force)
    assert again is not None
    assert again.text == summary.text


@SYNC
def test_a_long_backlog_stays_short(opener: Opener) -> None:
    """Ten thousand messages come to a summary of summaries within its length, the newest told in more detail."""
    session = opener().session("s")
    session.append(talk(10_000))
    summary = session.summarize(length=400)
    assert summary is not None
    assert summary.covers_seq == 9980
    check(session, summary, length=400)
    parts: Any = summary.metadata["parts"]
    assert max(part["level"] for part in parts) >= 2
    assert parts[0]["to"] - parts[0]["from"] > parts[-1]["to"] - parts[-1]["from"]


def test_the_summarizer_gets_what_it_needs(opener: Opener) -> None:
    """The passages of a block with their speakers, what is known so far, and no more than it can read at once."""
    model: Scripted = Scripted(lambda task: f"Part {len(model.tasks)}.", max_input_tokens=100)
    session = opener(summarizer=model).session("s")
    session.append([say("A sentence of some length, about nothing." * 2, name="Ann") for _ in range(30)])
    summary = session.summarize(max_recent=5)
    assert summary is not None
    assert summary.metadata["by"] == "scripted"
    assert [passage.first_seq for task in model.tasks for passage in task.passages] == list(range(1, 26))
    assert all(sum(task.count(one.text) for one in task.passages) <= 100 for task in model.tasks)
    assert {passage.speaker for task in model.tasks for passage in task.passages} == {"Ann"}
    assert model.tasks[0].known == ""
    assert model.tasks[2].known == "Part 1.\nPart 2."
    assert not model.tasks[0].condenses
    assert summary.text.splitlines() == [f"Part {i}." for i in range(1, len(model.tasks) + 1)]


def test_what_cannot_be_parted_is_clipped(opener: Opener) -> None:
    """A stretch that has to stay together, and a summary that somebody else has stored, are not more than can be read."""
    model = Scripted("Part.", max_input_tokens=500)
    session = opener(summarizer=model).session("s")
    ids = [f"c{i}" for i in range(60)]
    results = [{**openai_result(one), "content": "It says a lot. " * 30} for one in ids]
    session.append([say("Go."), openai_call(*ids), *results, *talk(60)])
    session.save_summary("All of it, told at length. " * 5000, covers_seq=1)
    summary = session.summarize(max_recent=40)
    assert summary is not None
    check(session, summary)
    assert all(sum(task.count(one.text) for one in task.passages) <= 500 for task in model.tasks)
    assert all(task.count(task.known) <= 500 for task in model.tasks)


def test_the_summary_of_somebody_else_is_taken_up(opener: Opener) -> None:
    """A stored summary without parts is one; what it says of itself in its metadata stays."""
    session = opener().session("s")
    session.append(talk(60))
    session.save_summary("Ann has a dog.", covers_seq=10, metadata={"by": "me", "topic": "dogs", "parts": [{"to": 4}]})
    summary = session.summarize()
    assert summary is not None
    assert summary.text.startswith("Ann has a dog.\n")
    assert summary.metadata["topic"] == "dogs"
    check(session, summary)
