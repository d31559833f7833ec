"""What a context costs in a session of 100,000 messages, and a summary of 1,000: on SQLite, without a model.

python bench/context.py [MESSAGES]

With RECOLLECT_DATA set, also what summaries of real conversations keep: LoCoMo's, 200 tokens for 40 messages, against as many tokens of
messages taken at random, and of the longest.
"""

from __future__ import annotations

import json
import os
import random
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from timing import show

from recollect import ExtractiveSummarizer, Passage, Recollect, SummaryTask, estimate_tokens

TOPICS = ["the harbour museum", "my sister's wedding", "a flight to Busan", "the red bicycle", "peanut allergies"]
KOREAN = "다음 주에 부산으로 여행을 가는데 바다가 보이는 호텔을 예약했고 강아지도 데려갈 수 있어요. "


def _texts(count: int) -> list[str]:
    """Sentences with words as frequent as in a language: the nth most frequent comes a nth as often (Zipf)."""
    dice = random.Random(1)
    sounds = ["ka", "lo", "mi", "ter", "an", "so", "ve", "ri", "du", "pel", "on", "ga"]
    words = [f"{a}{b}{c}" for a in sounds for b in sounds for c in sounds]
    weights = [1 / (rank + 1) for rank in range(len(words))]
    return [" ".join(dice.choices(words, weights, k=18)) for _ in range(count)]


TEXTS = _texts(20_000)


def lines(session: str, count: int, korean: bool = False) -> Iterator[dict[str, Any]]:
    """A session of that many messages, a fact among small talk now and then."""
    for i in range(count):
        fact = f"I have to tell you about {TOPICS[i // 50 % 5]}, number {i}. " if i % 50 == 0 else ""
        content = f"{fact}{i % 997}번째 {KOREAN}" if korean else fact + TEXTS[i % 20_000]
        yield {"session": session, "user": "u", "role": "user" if i % 2 == 0 else "assistant", "content": content}


def timed(call: Callable[[], object], times: int) -> list[float]:
    """Milliseconds of each call."""
    taken = []
    for _ in range(times):
        begin = time.perf_counter()
        call()
        taken.append((time.perf_counter() - begin) * 1e3)
    return sorted(taken)


def contexts(memory: Recollect, count: int) -> list[list[str]]:
    """Contexts of a long session."""
    memory.import_lines(lines("long", count))
    session = memory.session("long", user="u")
    begin = time.perf_counter()
    session.summarize()
    taken = time.perf_counter() - begin
    memory.user("u").preferences.put({"genre": "jazz", "seat": "aisle"})
    rows = []
    for label, question, budget in (
        ("18 words of the newest message", None, 4000),
        ("a question with a rare word", "When did I tell you about the harbour museum?", 4000),
        ("the same, 500 tokens", "When did I tell you about the harbour museum?", 500),
        ("no question", "", 4000),
    ):
        call = timed(lambda question=question, budget=budget: session.context(question, max_tokens=budget), 30)  # type: ignore[misc]
        rows.append([f"context, {label}", f"{statistics.median(call):.1f}", f"{call[-2]:.1f}"])
    rows.append([f"the first summary, of all {count:,} (once)", f"{taken * 1e3:,.0f}", ""])
    return rows


def summaries(memory: Recollect) -> list[list[str]]:
    """Summaries of a thousand messages."""
    rows = []
    for label, korean in (("English", False), ("Korean", True)):
        taken = []
        for i in range(5):
            name = f"{label} {i}"
            memory.import_lines(lines(name, 1020, korean))
            taken += timed(memory.session(name).summarize, 1)
        rows.append([f"summary of 1,000 messages, {label}", f"{statistics.median(taken):.0f}", f"{max(taken):.0f}"])
    return rows


def kept(folder: Path) -> Iterator[tuple[str, float]]:
    """What part of the evidence of LoCoMo's questions is among what a summary keeps, by how it was chosen."""
    found: dict[str, list[float]] = {"extractive": [], "the longest messages": [], "messages at random": []}
    for file in sorted((folder / "locomo").glob("*.json")):
        data = json.loads(file.read_text("utf-8"))
        talk = data["conversation"]
        names = sorted((key for key in talk if re.fullmatch(r"session_\d+", key)), key=lambda key: int(key[8:]))
        turns = [turn for name in names for turn in talk[name]]
        for start in range(0, len(turns), 40):
            block = turns[start : start + 40]
            asked = [
                {int(number) for number, turn in enumerate(block) if turn["dia_id"] in question["evidence"]}
                for question in data["qa"]
                if question["category"] != 5
            ]
            for name, chosen in _chosen(block, random.Random(start)).items():
                found[name] += [len(wanted & chosen) / len(wanted) for wanted in asked if wanted]
    for name, values in found.items():
        yield name, 100 * statistics.mean(values)


def _chosen(block: list[dict[str, Any]], dice: random.Random) -> dict[str, set[int]]:
    passages = [
        Passage(text=turn["text"], speaker=turn["speaker"], first_seq=number + 1, last_seq=number + 1)
        for number, turn in enumerate(block)
    ]
    task = SummaryTask(session_id="s", passages=passages, known="", max_tokens=200, count=estimate_tokens)
    chosen = {"extractive": {seq - 1 for seq in ExtractiveSummarizer().summarize(task).sources}}
    shuffled = list(range(len(block)))
    dice.shuffle(shuffled)
    longest = sorted(range(len(block)), key=lambda number: -len(block[number]["text"]))
    for name, order in (("the longest messages", longest), ("messages at random", shuffled)):
        left, taken = 200, set()
        for number in order:
            cost = estimate_tokens(f"{block[number]['speaker']}: {block[number]['text']}\n")
            if cost <= left:
                left -= cost
                taken.add(number)
        chosen[name] = taken
    return chosen


def main() -> None:
    """Print the tables."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with (
        tempfile.TemporaryDirectory() as name,
        Recollect(f"sqlite:///{Path(name)}/context.db?synchronous=normal") as memory,
    ):
        rows = summaries(memory) + contexts(memory, count)
    note = "goals: context 30 ms (median), summary of 1,000 messages 1,000 ms"
    show(
        f"Contexts in a session of {count:,} messages, and summaries (ms)", ["", "median", "worst but one"], rows, note
    )
    folder = os.environ.get("RECOLLECT_DATA")
    if folder is None:
        print("RECOLLECT_DATA is not set: what summaries keep of LoCoMo is not measured")
        return
    show(
        "What 200 tokens for 40 messages keep of what is asked for later (LoCoMo, % of the evidence)",
        ["", "kept"],
        [[label, f"{value:.1f}"] for label, value in kept(Path(folder))],
    )


if __name__ == "__main__":
    main()
