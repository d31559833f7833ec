"""A writer whose every row has a word of its own, to be killed; and a look, in a process of its own, at what is found then.

``indexing.py write URL NAME SEED`` writes and takes back until it is killed; each word is a line on standard output before
it is written. ``indexing.py check URL`` takes those lines from standard input; what it prints is wrong.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from recollect import Message, Recollect
from recollect.recall.analyzer import query_terms
from recollect.store.driver import drive

COMMON = "told"
"""A word that every row has."""


def write(url: str, name: str, seed: int) -> None:
    """Append one and many, remember and take back, at random."""
    dice = random.Random(seed)
    number = 0

    def rows(count: int) -> list[str]:
        nonlocal number
        words = [f"{name}n{number + n}" for n in range(count)]
        number += count
        sys.stdout.write("".join(f"{word}\n" for word in words))
        sys.stdout.flush()
        return words

    with Recollect(url) as memory:
        user = memory.user("u")
        remembered: list[str] = []
        while True:
            session = memory.session(f"s-{dice.randrange(3)}", user="u")
            choice = dice.random()
            time.sleep(0.003)
            if choice < 0.6:
                session.append(message(rows(1)[0]))
            elif choice < 0.65:
                # So many at once are moved into SQLite's index by their own commit.
                session.append([message(word) for word in rows(dice.choice((5, 5, 5, 70)))])
            elif choice < 0.9:
                (word,) = rows(1)
                user.remember(f"It was {COMMON}: {word}", id=word)
                remembered.append(word)
            elif choice < 0.95:
                session.pop()
            elif remembered:
                user.forget_memory(remembered.pop(dice.randrange(len(remembered))))


def message(word: str) -> Message:
    """A message with a word of its own."""
    return Message(role="user", content=f"{COMMON} {word}", id=word)


def check(url: str, tried: list[str]) -> list[str]:
    """What is wrong with what is found, in words."""
    wrong: list[str] = []
    with Recollect(url) as memory:
        told = {row.id for session in memory.sessions().items for row in memory.session(session.id).tail(10_000)}
        noted = {row.id for row in memory.user("u").memories(limit=10_000).items}
        whole = found(memory.user("u").recall(COMMON, limit=10_000))
        if sorted(whole) != sorted(told | noted):
            wrong.append(f"of {len(told)} messages and {len(noted)} memories {len(whole)} are found together")
        if sorted(found(memory.search(COMMON, limit=10_000))) != sorted(told):
            wrong.append("search and the sessions do not agree")
        for word in tried:
            there = [word] if word in told or word in noted else []
            if found(memory.user("u").recall(word)) != there:
                wrong.append(f"recall finds {found(memory.user('u').recall(word))} for {there}")
        base = memory._twin._base
        if base.store.capabilities.text_search:
            wrong += check_index(base, told, tried)
    return wrong


def check_index(base: Any, ids: set[str], tried: list[str]) -> list[str]:
    """What is wrong with what the store's own index finds."""

    def search(word: str) -> list[str]:
        return [row.id for row, _ in drive(base.store.search(base.scope, terms=query_terms(word), limit=20_000))]

    wrong = [] if sorted(search(COMMON)) == sorted(ids) else ["the index and the sessions do not agree"]
    for word in tried:
        if search(word) != [word] * (word in ids):
            wrong.append(f"the index finds {search(word)} for {word}, which is there: {word in ids}")
    return wrong


def found(hits: list[Any]) -> list[str]:
    """The ids of hits."""
    return [hit.item.id for hit in hits]


def start(*words: str) -> subprocess.Popen[str]:
    """This script in a process of its own."""
    return subprocess.Popen(
        [sys.executable, str(Path(__file__)), *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


if __name__ == "__main__":
    if sys.argv[1] == "write":
        write(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        print("\n".join(check(sys.argv[2], sys.stdin.read().split())))
