"""What people tell of themselves is found again in their language, without a model: as memories and as turns of a chat."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from recollect import Recollect

EVERYDAY: dict[str, Any] = tomllib.loads((Path(__file__).parent / "everyday.toml").read_text("utf-8"))
BESIDE = {"hindi": 1, "thai": 1}
"""Of twenty questions so many have no word of their own in common with the answer."""


@pytest.mark.parametrize("language", EVERYDAY)
def test_memories_answer(memory: Recollect, language: str) -> None:
    """Of thirty memories, the one that answers comes first."""
    user, facts = memory.user("ann"), EVERYDAY[language]["facts"]
    for fact in facts:
        user.remember(fact)
    wrong = [
        question
        for question, answer in EVERYDAY[language]["asked"]
        if user.recall(question, limit=1)[0].text != facts[answer]
    ]
    assert len(wrong) <= BESIDE.get(language, 0), wrong


@pytest.mark.parametrize("language", EVERYDAY)
def test_turns_answer(memory: Recollect, language: str) -> None:
    """Of thirty turns, each beside others of other things, the one that answers is among the first three."""
    facts = EVERYDAY[language]["facts"]
    memory.session("s", "ann").append([{"role": "user", "content": fact} for fact in facts])
    wrong = [
        question
        for question, answer in EVERYDAY[language]["asked"]
        if facts[answer] not in [hit.text for hit in memory.user("ann").recall(question, limit=3)]
    ]
    assert len(wrong) <= BESIDE.get(language, 0), wrong


TALK = [
    ("user", "Hi! I'm planning a dinner for my sister's birthday on Saturday, any ideas?"),
    ("assistant", "How lovely! Do your guests have allergies that you should plan the dinner around?"),
    ("user", "I'm allergic to peanuts, and my sister does not eat fish."),
    ("assistant", "Then you could make a mushroom risotto, it has no peanuts and no fish."),
    ("user", "Good idea. I will buy the mushrooms at the market on Friday."),
    ("assistant", "Your market sounds great, you will find fresh mushrooms there."),
]


@pytest.mark.parametrize(
    ("statement", "question"),
    [
        ("Ann is allergic to peanuts.", "What is Ann allergic to?"),
        ("Allergic to peanuts", "What am I allergic to?"),
        ("Her sister does not eat fish.", "What does my sister not eat?"),
        ("The sister's birthday dinner is mushroom risotto.", "What is the birthday dinner for my sister?"),
        ("Buys mushrooms at the market on Fridays.", "Where do I buy mushrooms?"),
    ],
)
def test_a_memory_comes_before_the_turns_that_it_sums_up(memory: Recollect, statement: str, question: str) -> None:
    """A memory that states the answer comes before a conversation that has the same words, and its neighbours."""
    user = memory.user("ann")
    memory.session("s", "ann").append(
        [{"role": role, "content": text, **({"name": "Ann"} if role == "user" else {})} for role, text in TALK]
    )
    user.remember(statement)
    user.remember("Ann drinks her tea without milk.")
    first = user.recall(question, limit=1)[0]
    assert first.text == statement, first.explain
    assert first.explain.get("neighbours") is None


def test_memories_of_other_things_stay_behind(memory: Recollect) -> None:
    """A memory that shares one word of a question stands behind the turn that has all of them."""
    user = memory.user("ann")
    memory.session("s", "ann").append([{"role": role, "content": text} for role, text in TALK])
    for thing in ("The market in Ghent is closed.", "A dinner in Rome was good.", "Birthday cards are in the drawer."):
        user.remember(thing)
    assert user.recall("Which fresh mushrooms can I buy at the market?", limit=1)[0].message is not None
