"""Recall on every store, each on its real server: the same questions have the same answers, with the same scores."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from recollect import Recollect
from recollect.cli.eval_data import read
from tests.library.test_vectors import Meanings
from tests.services.fresh import KINDS, fresh

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
PLACES = ("Busan", "Lisbon", "the harbour", "서울", "京都", "the old library", "a small garden", "Acme")
THINGS = ("piano", "sailing boat", "window seat", "refund", "고양이", "猫", "doctor", "E-1042", "birthday cake")
DOINGS = ("bought", "lost", "talked about", "dreamed of", "paid for", "painted", "left", "found")
QUESTIONS = (
    "What did Ann buy in Lisbon?",
    "When did they talk about the piano?",
    "서울에서 고양이를 찾았나요?",
    "京都で猫を見ましたか",
    "who paid for the birthday cake last week",
    "E-1042",
    "refund",
    "Where was the sailing boat found, and by whom?",
    "the",
    "nothing of this kind",
)


def conversations() -> Iterator[dict[str, Any]]:
    """Four hundred messages in ten sessions, by two people, over a month."""
    dice = random.Random(3)
    for n in range(400):
        session, who = n // 40, ("Ann", "Bob")[n % 2]
        text = f"{who} {dice.choice(DOINGS)} {dice.choice(THINGS)} in {dice.choice(PLACES)}."
        if n % 7 == 0:
            text = f"Did you see the {dice.choice(THINGS)}?"
        yield {
            "session": f"s-{session}",
            "user": "ann",
            "role": ("user", "assistant")[n % 2],
            "name": who,
            "content": text,
            "id": f"m-{n}",
            "created_at": (START + timedelta(days=3 * session, minutes=n)).isoformat(),
        }


@pytest.fixture(params=[kind for kind in KINDS if kind != "memory"])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Recollect, Recollect]]:
    """The memory store, and another, with the same in both, and vectors."""
    with ExitStack() as stack:
        made = []
        for kind in ("memory", request.param):
            store = stack.enter_context(fresh(kind, tmp_path))
            memory = stack.enter_context(
                Recollect(store, embedder=Meanings(), clock=lambda: START + timedelta(days=40))
            )
            memory.import_lines(conversations())
            for n, thing in enumerate(THINGS):
                memory.user("ann").remember(f"Ann is fond of the {thing}.", id=f"fond-{n}")
            memory.user("ann").supersede("fond-3", "Ann got no refund.", id="no-refund")
            memory.namespace("docs").remember_document(
                "guide", "# Refunds\n\nTen days.\n\n# Cars\n\nPark behind the house."
            )
            made.append(memory)
        yield made[0], made[1]


def shown(hits: list[Any]) -> list[tuple[str, str, float]]:
    """What is compared: which ones, what they say, and the score."""
    return [(hit.item.id, hit.text, round(hit.score, 3)) for hit in hits]


def test_the_same_answers(pair: tuple[Recollect, Recollect]) -> None:
    """For a user, a tenant, a session and a namespace, with filters, and as of another day."""
    oracle, memory = pair
    narrow: list[dict[str, Any]] = [
        {},
        {"session": "s-4"},
        {"role": "assistant"},
        {"since": START + timedelta(days=9), "until": START + timedelta(days=20)},
        {"as_of": START + timedelta(days=12)},
        {"limit": 3, "offset": 4},
    ]
    for question in QUESTIONS:
        for filters in narrow:
            theirs, mine = (shown(one.user("ann").recall(question, **filters)) for one in pair)
            assert mine == theirs, (question, filters)
        assert shown(memory.search(question)) == shown(oracle.search(question)), question
        assert shown(memory.namespace("docs").recall(question)) == shown(oracle.namespace("docs").recall(question))
    assert shown(memory.user("ann").recall("where is the automobile parked", limit=3))


def test_what_changes_is_seen(pair: tuple[Recollect, Recollect]) -> None:
    """Appended, popped, forgotten: at once, as in memory."""
    for memory in pair:
        memory.session("s-1").append({"role": "user", "content": "A walrus on the beach.", "id": "w", "name": "Ann"})
    assert shown(pair[1].user("ann").recall("walrus")) == shown(pair[0].user("ann").recall("walrus"))
    for memory in pair:
        memory.session("s-1").pop()
        memory.session("s-2").delete()
        memory.user("ann").forget_memory("fond-0")
    for question in ("walrus", *QUESTIONS):
        theirs, mine = (shown(one.user("ann").recall(question)) for one in pair)
        assert mine == theirs, question


def test_vectors_are_kept(pair: tuple[Recollect, Recollect]) -> None:
    """What one client's embedder has seen, another's need not."""
    base = pair[1]._twin._base
    embedder = base.embedder
    assert isinstance(embedder, Meanings)
    pair[1].user("ann").recall("where is the hound")
    seen = len(embedder.seen)
    assert seen > 300
    base.views._views.clear()
    pair[1].user("ann").recall("where is the puppy")
    assert len(embedder.seen) == seen + 1


@pytest.mark.skipif(not os.environ.get("RECOLLECT_DATA"), reason="RECOLLECT_DATA names no folder of open data")
def test_open_data(pair: tuple[Recollect, Recollect]) -> None:
    """A LoCoMo conversation: the same ten for fifty of its questions."""
    corpus = read(Path(os.environ["RECOLLECT_DATA"]))["locomo"][0]
    for memory in pair:
        memory._twin._base.embedder = None
        memory.import_lines(corpus.messages)
    user = corpus.messages[0]["user"]
    for question in corpus.questions[::4][:50]:
        theirs, mine = (shown(one.user(user).recall(question.text)) for one in pair)
        assert mine == theirs, question.text
