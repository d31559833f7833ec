"""Statements drawn by a model that is slow, fails, answers prose, half a JSON, a list of something else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from recollect import ExtractionTask, Extractor, InvalidAnswer, Memory, Message, Recollect, Said, Statement
from recollect.llm import Delta, ModelError, ModelExtractor, openai_extractor
from recollect.llm.extractor import prompt_for, read_answer
from tests.servers import ModelServer

SEOUL = {"content": "Lives in Seoul.", "kind": "fact", "messages": ["m1"]}
GOOD = json.dumps({"statements": [SEOUL]})
KNOWN = Memory(id="old", namespace=("user", "ann"), content="Lives in Busan.")


class Says:
    """A chat model that gives its answers one after the other; an error is raised, a number waited."""

    name = "says"
    base_url = None

    def __init__(self, *answers: str | Exception | float) -> None:
        self.answers = list(answers)
        self.asked: list[list[dict[str, Any]]] = []

    async def stream(self, messages: list[dict[str, Any]]) -> AsyncIterator[Delta]:
        self.asked.append(messages)
        answer = self.answers[min(len(self.asked), len(self.answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, float):
            await asyncio.sleep(answer)
            return
        for i in range(0, len(answer), 7):
            yield Delta(answer[i : i + 7])

    async def close(self) -> None: ...


def task(*texts: str) -> ExtractionTask:
    messages = [
        Said(id=f"id-{number}", role="user", speaker="Ann", text=text, at=datetime(2024, 5, 3, tzinfo=UTC))
        for number, text in enumerate(texts or ("I moved to Seoul",), 1)
    ]
    before = [Said(id="b", role="assistant", speaker="assistant", text="Where do you live?")]
    return ExtractionTask(session_id="s", user_id="ann", messages=messages, before=before, known=[KNOWN])


def drawn(*answers: str | Exception | float, **options: Any) -> list[Statement]:
    return asyncio.run(ModelExtractor(Says(*answers), **options).extract(task()))


@pytest.mark.parametrize(
    "answer",
    [
        GOOD,
        f"```json\n{GOOD}\n```",
        f"Sure! Here is what I found:\n\n{GOOD}\n\nAnything else?",
        f"<think>They said {{something}} [maybe]</think>{GOOD}",
        f"The messages [m1] say {{a lot}}: {GOOD}",
        json.dumps([SEOUL]),
        json.dumps({"statements": [{**SEOUL, "confidence": 0.9}]}, indent=2),
    ],
)
def test_json_is_found(answer: str) -> None:
    """Whatever stands around it; fields that nobody asked for do no harm."""
    assert drawn(answer) == [Statement(content="Lives in Seoul.", messages=["id-1"])]


@pytest.mark.parametrize(
    "answer",
    [
        "", "There is nothing to remember here.", GOOD[:-20], '{"statements": [' + json.dumps(SEOUL) + ", {",
        '{"statements": "none"}', '{"statements": [{"content": 3}]}', '{"facts": []}', "[1, 2]", "{" * 100_000, "[" * 100_000,
        json.dumps({"statements": [{**SEOUL, "kind": "poem"}]}), json.dumps({"statements": [SEOUL] * 101}),
    ],
)  # fmt: skip
def test_an_invalid_answer_is_asked_again_once(answer: str) -> None:
    """With what was wrong; then it is of no use."""
    model = Says(answer, GOOD)
    assert len(asyncio.run(ModelExtractor(model).extract(task()))) == 1
    assert "not valid" in model.asked[1][-1]["content"]
    model = Says(answer)
    with pytest.raises(InvalidAnswer):
        asyncio.run(ModelExtractor(model).extract(task()))
    assert len(model.asked) == 2


def test_nothing_is_an_answer() -> None:
    """An empty list."""
    assert drawn('{"statements": []}') == []


def test_labels_become_ids() -> None:
    """Those that there are not are left out; words for nothing are nothing."""
    told = {
        "content": "Prefers a window seat.", "kind": "preference", "subject": "the user", "at": "2024-05-03",
        "messages": ["[m1]", "m7"], "supersedes": "k1", "key": "seat", "value": "window",
    }  # fmt: skip
    other = {**told, "supersedes": "k9", "at": "last week", "key": None, "subject": "Mina"}
    first, second = drawn(json.dumps({"statements": [told, other]}))
    assert first == Statement(
        content="Prefers a window seat.",
        kind="preference",
        at=datetime(2024, 5, 3, tzinfo=UTC),
        messages=["id-1"],
        supersedes="old",
        key="seat",
        value="window",
    )
    assert (second.supersedes, second.at, second.key, second.subject) == (None, None, None, "Mina")


def test_failures_are_the_models() -> None:
    """Slow, away, broken: to be tried again, never set aside."""
    for answer in (ModelError("away"), RuntimeError("bug"), OSError("cut")):
        with pytest.raises(ModelError):
            drawn(answer)
    with pytest.raises(ModelError, match=r"over 0\.05 seconds"):
        drawn(5.0, timeout=0.05)


def test_the_prompt() -> None:
    """Labels, days, speakers, what is known, what was said before."""
    rule, asked = prompt_for(task("I moved to Seoul"))
    assert "JSON" in rule["content"]
    assert "[k1] Lives in Busan." in asked["content"]
    assert "assistant: Where do you live?" in asked["content"]
    assert "[m1] 2024-05-03 user Ann: I moved to Seoul" in asked["content"]
    assert isinstance(ModelExtractor(Says()), Extractor)


def test_a_digest_by_a_model() -> None:
    """Prose sets the messages aside; a failure leaves them; both are digested when the model has come to its senses."""
    with Recollect("memory://") as memory:
        memory.session("s", user="ann").append(Message("user", "I moved to Seoul"))
        with pytest.raises(ModelError):
            memory.digest(ModelExtractor(lambda: Says(ModelError("away"))))
        assert memory.digest(ModelExtractor(lambda: Says("prose"))).aside == 1
        assert memory.digest(ModelExtractor(lambda: Says(GOOD))).messages == 0
        assert memory.digest(ModelExtractor(lambda: Says(GOOD)), again=True).new == 1
        assert [one.content for one in memory.user("ann").memories()] == ["Lives in Seoul."]


def test_an_endpoint(model_server: ModelServer) -> None:
    """Any that speaks OpenAI's protocol, with either client; the user's message is what it is asked about."""
    model_server.pieces = [GOOD[:20], GOOD[20:]]
    extractor = openai_extractor("test-1", base_url=model_server.url)
    with Recollect("memory://") as memory:
        memory.session("s", user="ann").append(Message("user", "I moved to Seoul"))
        assert memory.digest(extractor).new == 1
        (kept,) = memory.user("ann").memories()
        assert kept.metadata["extractor"] == "test-1"


def test_deep_json_is_no_answer() -> None:
    """And no crash."""
    with pytest.raises(InvalidAnswer):
        read_answer('{"statements": ' + "[" * 100_000)
