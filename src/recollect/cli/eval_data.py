"""The data sets that recall is measured with, read from a folder: messages to import, and questions with their answers.

Nothing of them is part of this project. `read` expects a folder that has ``locomo/``, ``korean/`` and ``memorybank/``
(or some of them):

* LoCoMo (Maharana et al., ACL 2024): conversations of two people over months. Every dated session is a session.
* KorQuAD 1.0: paragraphs split into sentences, a session each paragraph; the gold is the sentence that holds the
  beginning of the answer.
* MemoryBank-SiliconFriend: exchanges with a companion, in Chinese and in English; a session each day.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

LOCOMO_CATEGORIES = {1: "multi-hop", 2: "temporal", 3: "open-domain", 4: "single-hop", 5: "adversarial"}
"""By the labels in the data; many published tables have them mixed up."""

BETWEEN_TURNS = timedelta(seconds=5)
"""LoCoMo and MemoryBank date sessions only; their turns follow each other by this."""

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


class Question(NamedTuple):
    """A question and the ids of the messages that answer it, as often as the data name them; none at all is possible."""

    text: str
    gold: tuple[str, ...]
    category: str = ""


class Corpus(NamedTuple):
    """What one user has said, in the form that ``recollect import`` reads, and what is asked about it."""

    name: str
    messages: list[dict[str, Any]]
    questions: list[Question]


def read(folder: Path, *, korquad_digit: int = 0) -> dict[str, list[Corpus]]:
    """The data sets that are in the folder, by name: ``locomo``, ``korquad``, ``memorybank-cn``, ``memorybank-en``.

    Parameters
    ----------
    korquad_digit: of KorQuAD's questions those whose number ends in it.

    Raises
    ------
    FileNotFoundError
        None of them is there.
    """
    found: dict[str, list[Corpus]] = {}
    if conversations := sorted((folder / "locomo").glob("*.json")):
        found["locomo"] = [corpus for file in conversations for corpus in locomo(_load(file))]
    if paragraphs := sorted((folder / "korean").glob("KorQuAD*.json")):
        found["korquad"] = [korquad(_load(paragraphs[0]), digit=korquad_digit)]
    for language in ("cn", "en"):
        if users := sorted((folder / "memorybank").glob(f"*_{language}.json")):
            found[f"memorybank-{language}"] = [corpus for file in users for corpus in memorybank(_load(file))]
    if not found:
        raise FileNotFoundError(f"neither locomo/, korean/ nor memorybank/ with JSON files is in {folder}")
    return found


def recall_at(found: Sequence[str], gold: Sequence[str], k: int) -> float:
    """The share of the gold ids that are among the first `k` found; 1.0 where there is no gold (LoCoMo's arithmetic)."""
    if not gold:
        return 1.0
    top = set(found[:k])
    return sum(item in top for item in gold) / len(gold)


def locomo(source: Any) -> Iterator[Corpus]:
    """The conversations of a file: one, or a list of them."""
    for sample in source if isinstance(source, list) else [source]:
        name, conversation = sample["sample_id"], sample["conversation"]
        yield Corpus(
            name,
            list(_turns(name, conversation)),
            [
                Question(str(qa["question"]), tuple(qa["evidence"]), LOCOMO_CATEGORIES[qa["category"]])
                for qa in sample["qa"]
            ],
        )


def _turns(name: str, conversation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    number = 0
    while f"session_{(number := number + 1)}_date_time" in conversation:
        instant = datetime.strptime(conversation[f"session_{number}_date_time"], "%I:%M %p on %d %B, %Y")
        for i, turn in enumerate(conversation.get(f"session_{number}", [])):
            caption = turn.get("blip_caption")
            yield {
                "session": f"{name}/session_{number}",
                "user": name,
                "role": "user" if turn["speaker"] == conversation["speaker_a"] else "assistant",
                "name": turn["speaker"],
                "content": "\n".join(filter(None, (turn["text"], caption and f"[photo: {caption}]"))),
                "id": turn["dia_id"],
                "created_at": (instant.replace(tzinfo=UTC) + i * BETWEEN_TURNS).isoformat(),
            }


def korquad(source: Any, *, digit: int = 0) -> Corpus:
    """All sentences of a file in SQuAD's form, and the questions whose number ends in the digit."""
    messages: list[dict[str, Any]] = []
    questions: list[Question] = []
    number = 0
    paragraphs = (paragraph for article in source["data"] for paragraph in article["paragraphs"])
    for p, paragraph in enumerate(paragraphs):
        begins, text = [], paragraph["context"]
        for begin, end in _sentences(text):
            begins.append(begin)
            messages.append(
                {
                    "session": f"korquad/{p}",
                    "user": "korquad",
                    "role": "user",
                    "content": text[begin:end],
                    "id": f"{p}.{len(begins) - 1}",
                }
            )
        for qa in paragraph["qas"]:
            if number % 10 == digit:
                start = qa["answers"][0]["answer_start"]
                sentence = max(i for i, begin in enumerate(begins) if begin <= max(start, begins[0]))
                questions.append(Question(qa["question"], (f"{p}.{sentence}",)))
            number += 1
    return Corpus("korquad", messages, questions)


def _sentences(text: str) -> Iterator[tuple[int, int]]:
    begin = 0
    for gap in [*(match.span() for match in _SENTENCE_END.finditer(text)), (len(text), len(text))]:
        if text[begin : gap[0]].strip():
            yield begin, gap[0]
        begin = gap[1]


def memorybank(source: Any) -> Iterator[Corpus]:
    """The users of a file."""
    for user in source:
        messages: list[dict[str, Any]] = []
        for doc in user["docs"]:
            day = datetime.fromisoformat(doc["date"]).replace(tzinfo=UTC)
            position = int(doc["id"].rpartition("#")[2])
            messages.append(
                {
                    "session": f"{user['id']}/{doc['date']}",
                    "user": user["id"],
                    "role": "user",
                    "content": doc["text"],
                    "id": doc["id"],
                    "created_at": (day + position * BETWEEN_TURNS).isoformat(),
                }
            )
        yield Corpus(user["id"], messages, [Question(q["q"], tuple(q["gold"])) for q in user["questions"]])


def _load(file: Path) -> Any:
    return json.loads(file.read_text("utf-8"))
