"""Real, long conversations, summarised without a model as they grow. Needs RECOLLECT_DATA."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from recollect import Message, Recollect
from tests.library.summarizers import Scripted, check

FOLDER = Path(os.environ.get("RECOLLECT_DATA", "")) / "locomo"
FILES = sorted(FOLDER.glob("*.json")) if os.environ.get("RECOLLECT_DATA") else []
pytestmark = pytest.mark.skipif(not FILES, reason="RECOLLECT_DATA has no LoCoMo conversations")


def conversation(file: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The turns of a conversation and the questions about it."""
    data = json.loads(file.read_text("utf-8"))
    talk = data["conversation"]
    names = sorted((key for key in talk if re.fullmatch(r"session_\d+", key)), key=lambda key: int(key[8:]))
    return [turn for name in names for turn in talk[name]], data["qa"]


def of_turn(turn: dict[str, Any]) -> Message:
    return Message("user", turn["text"], name=turn["speaker"], id=turn["dia_id"])


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_as_it_grows(file: Path) -> None:
    """After every twenty turns: bounded, whole, and of what questions ask for more than chance would keep."""
    turns, questions = conversation(file)
    with Recollect("memory://") as memory:
        session = memory.session(file.stem)
        kept: set[int] = set()
        for start in range(0, len(turns), 20):
            session.append([of_turn(turn) for turn in turns[start : start + 20]])
            summary = session.summarize()
            if summary is not None:
                check(session, summary)
                newest: Any = summary.metadata["parts"]
                kept |= set(newest[-1]["sources"])
        assert summary is not None
        assert summary.covers_seq > len(turns) - 41
        assert len([part for part in newest if part["level"] > 0]) >= 1
        context = session.context(max_tokens=1500)
        assert context.tokens <= 1500
        numbers = {turn["dia_id"]: number for number, turn in enumerate(turns, 1)}
        asked = [
            {numbers[one] for one in question["evidence"] if one in numbers}
            for question in questions
            if question["category"] != 5
        ]
        found = [len(one & kept) / len(one) for one in asked if one]
        chance = len(kept) / len(turns)
        assert sum(found) / len(found) > chance * 1.1, (sum(found) / len(found), chance)


def test_a_model_that_comes_and_goes() -> None:
    """A scripted model that fails each third time: the conversation is summarised in the end, nothing is skipped."""
    turns, _ = conversation(FILES[0])
    model: Scripted = Scripted(
        lambda task: RuntimeError("away") if len(model.tasks) % 3 == 0 else f"Part {task.passages[-1].last_seq}."
    )
    with Recollect("memory://", summarizer=model) as memory:
        session = memory.session("s")
        failures = 0
        for start in range(0, len(turns), 10):
            session.append([of_turn(turn) for turn in turns[start : start + 10]])
            try:
                session.summarize()
            except RuntimeError:
                failures += 1
        model.says = "The end."
        summary = session.summarize(force=True)
        assert failures > 3
        assert summary is not None
        assert summary.covers_seq == len(turns) - 20
        check(session, summary)
