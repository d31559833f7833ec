"""What a rolling summary does in trouble: a model that fails, a claim left behind, deletions, hostile messages."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from recollect import Conflict, InvalidInput, Recollect, Unavailable
from recollect.testing.clock import ManualClock
from tests.library.contexts import say
from tests.library.harness import Opener
from tests.library.summarizers import AsyncScripted, Scripted, check, talk

SYNC = pytest.mark.parametrize("mode", ["sync"], indirect=True)
FAST = pytest.mark.parametrize("url", ["memory"], indirect=True)


@pytest.mark.parametrize("kind", [Scripted, AsyncScripted])
@pytest.mark.parametrize(
    ("says", "error"),
    [
        (ZeroDivisionError("the model crashed"), ZeroDivisionError),
        (Unavailable("over its rate limit"), Unavailable),
        ("", Unavailable),
        (" \n ", Unavailable),
        (None, InvalidInput),
        (b"bytes", InvalidInput),
    ],
)
def test_a_failure_changes_nothing(opener: Opener, kind: type[Scripted], says: Any, error: type[Exception]) -> None:
    """Neither the first summary nor a later one is touched, the caller is told, and the next try works."""
    model = kind(says)
    session = opener(summarizer=model).session("s")
    session.append(talk(50))
    with pytest.raises(error):
        session.summarize()
    assert session.summary() is None
    assert "summary" not in str(session.context(max_tokens=200).messages)
    model.says = "They talked about a dog."
    known = session.summarize()
    assert known is not None
    assert known.text == "They talked about a dog."
    session.append(talk(50, 50))
    model.says = says
    with pytest.raises(error):
        session.summarize()
    now = session.summary()
    assert now is not None
    assert now.replace(version=known.version) == known
    model.says = "And about a flight."
    after = session.summarize()
    assert after is not None
    assert after.text == "They talked about a dog.\nAnd about a flight."
    assert after.covers_seq == 80


def test_what_was_folded_before_a_failure_stays(opener: Opener) -> None:
    """A backlog is taken up where it was left."""
    model: Scripted = Scripted(
        lambda task: Unavailable("enough") if len(model.tasks) == 3 else "Part.", max_input_tokens=100
    )
    session = opener(summarizer=model).session("s")
    session.append([say("A sentence of some length, about nothing." * 2) for _ in range(60)])
    with pytest.raises(Unavailable):
        session.summarize()
    kept = session.summary()
    assert kept is not None
    asked = model.tasks[2].passages[0].first_seq
    assert kept.covers_seq == asked - 1
    summary = session.summarize(force=True)
    assert summary is not None
    assert summary.covers_seq == 40
    assert model.tasks[3].passages[0].first_seq == asked


def test_a_claim_that_was_left_behind(opener: Opener) -> None:
    """A program that died while it worked holds the others up for the time of its claim only; a mad clock for none."""
    clock = ManualClock()
    model = Scripted()
    memory = opener(summarizer=model, clock=clock)
    session = memory.session("s")
    session.append(talk(50))
    for minutes in (-1, 60):
        claim = (clock() + timedelta(minutes=minutes)).isoformat()
        session.save_summary("Before.", covers_seq=1, metadata={"claim": claim, "topic": "x"})
        shown = session.summary()
        assert shown is not None
        assert shown.metadata == {"topic": "x"}
        summary = session.summarize(force=True)
        assert summary is not None
        assert summary.covers_seq == 30


def test_deleted_while_the_model_works(opener: Opener) -> None:
    """A session that is deleted meanwhile stays so; what it said does not come back with a new one of its name."""
    model = Scripted("They talked about a secret.")
    memory = opener(summarizer=model)
    session = memory.session("s")
    session.append(talk(50))
    eraser = Recollect(memory.store)
    model.meanwhile = lambda: eraser.session("s").delete()
    assert session.summarize() is None
    assert session.summary() is None
    model.meanwhile = None
    session.append(talk(3))
    assert session.summary() is None


def test_a_summary_stored_meanwhile_wins(opener: Opener) -> None:
    """Who stores one by hand while another is made is not overwritten."""
    model = Scripted("By the model.")
    memory = opener(summarizer=model)
    session = memory.session("s")
    session.append(talk(50))
    writer = Recollect(memory.store)
    model.meanwhile = lambda: writer.session("s").save_summary("By hand.", covers_seq=45, expect=0)
    summary = session.summarize()
    assert summary is not None
    assert (summary.text, summary.covers_seq) == ("By hand.", 45)
    assert len(model.tasks) == 1


def test_others_may_not(memory: Recollect) -> None:
    """Another user's session is not summarised; arguments that cannot be are refused."""
    memory.session("s", "ann").append(talk(50))
    with pytest.raises(Conflict):
        memory.session("s", "eve").summarize()
    session = memory.session("s", "ann")
    for wrong in (
        {"max_recent": -1},
        {"max_recent": 1.5},
        {"max_tokens": 0},
        {"length": 0},
        {"force": 1},
        {"wait": None},
    ):
        with pytest.raises(InvalidInput):
            session.summarize(**wrong)
    with pytest.raises(InvalidInput, match="summarize"):
        Recollect("memory://", summarizer=object())  # type: ignore[arg-type]


def test_hostile_messages(memory: Recollect) -> None:
    """Ten megabytes, control characters and half of nothing in a session do no harm."""
    session = memory.session("s" * 512)
    session.append([say("A lot. " * 1_500_000), say("\x00\x01\u200b"), say("⚡" * 500), say("?" * 10_000), *talk(50)])
    summary = session.summarize()
    assert summary is not None
    check(session, summary)


@SYNC
@FAST
def test_a_summary_of_ten_megabytes(memory: Recollect) -> None:
    """What somebody has stored is shortened in the context, and by the next summary."""
    session = memory.session("s")
    session.append(talk(60))
    session.save_summary("A sentence of some length. And another one! " * 240_000, covers_seq=5)
    context = session.context(max_tokens=300)
    assert context.tokens <= 300
    assert "A sentence of some length." in str(context.messages)
    summary = session.summarize()
    assert summary is not None
    check(session, summary)


def test_what_has_expired_is_passed_over(opener: Opener) -> None:
    """Messages that are gone when a summary is made are not in it."""
    clock = ManualClock()
    session = opener(clock=clock).session("s")
    session.append([say(f"The secret number {i} is gone.") for i in range(30)], ttl=60)
    session.append(talk(50))
    clock.forward(60)
    summary = session.summarize()
    assert summary is not None
    assert summary.covers_seq == 60
    assert "secret" not in summary.text
