"""The same turn of work with the classes that people use today, in one run on one machine.

python bench/peers.py
"""

from __future__ import annotations

import asyncio
import importlib.util
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from timing import in_turns, show, texts

from recollect import Recollect

TEXTS = texts(1000)
SIZES = (10, 100, 1000, 5000)

Pair = tuple[Callable[[int], Any], Callable[[int], Any]]


def recollect_pair(folder: Path) -> Pair:
    """Ours, with full durability as it comes."""
    session = Recollect(f"sqlite:///{folder}/recollect.db").session("s", user="u")
    return lambda i: session.append({"role": "user", "content": TEXTS[i % 1000]}), lambda _: session.tail(20)


def langchain_pair(folder: Path) -> Pair:
    """LangChain's SQLChatMessageHistory."""
    from langchain_community.chat_message_histories import SQLChatMessageHistory
    from langchain_core.messages import HumanMessage

    history = SQLChatMessageHistory("s", connection=f"sqlite:///{folder}/langchain.db")
    return (
        lambda i: history.add_message(HumanMessage(TEXTS[i % 1000])),
        lambda _: history.messages[-20:],
    )


def agents_pair(folder: Path) -> Pair:
    """The OpenAI Agents SDK's SQLiteSession."""
    from agents import SQLiteSession

    session = SQLiteSession("s", folder / "agents.db")
    loop = asyncio.new_event_loop()
    return (
        lambda i: loop.run_until_complete(session.add_items([{"role": "user", "content": TEXTS[i % 1000]}])),
        lambda _: loop.run_until_complete(session.get_items(limit=20)),
    )


PEERS: dict[str, tuple[str, Callable[[Path], Pair]]] = {
    "Recollect": ("recollect", recollect_pair),
    "LangChain SQLChatMessageHistory": ("langchain_community", langchain_pair),
    "OpenAI Agents SQLiteSession": ("agents", agents_pair),
}


def main() -> None:
    """Print the tables."""
    warnings.simplefilter("ignore")
    rows, reads = [], []
    for name, (module, make) in PEERS.items():
        if importlib.util.find_spec(module) is None:
            rows.append([name, *["not installed"] * len(SIZES)])
            continue
        with tempfile.TemporaryDirectory() as folder:
            append, tail = make(Path(folder))
            done, appends, tails = 0, [], []
            for size in SIZES:
                while done < size:
                    append(done)
                    done += 1
                appends.append(in_turns({"x": append}, rounds=1, each=20)["x"] / 1000)
                done += 20
                tails.append(in_turns({"x": tail}, rounds=1, each=20)["x"] / 1000)
            rows.append([name, *(f"{value:.2f}" for value in appends)])
            reads.append([name, *(f"{value:.2f}" for value in tails)])
    columns = ["", *(f"{size:,}" for size in SIZES)]
    show("Append one message, ms, by messages in the session", columns, rows)
    show("Read the last 20, ms", columns, reads)


if __name__ == "__main__":
    main()
