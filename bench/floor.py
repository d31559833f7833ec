"""Append and tail against the same work written by hand on `sqlite3`, with the same durability.

python bench/floor.py
"""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from timing import against, in_turns, show, texts

from recollect import AsyncRecollect, Recollect

TEXTS = texts(1000)
INSERT = "INSERT INTO m VALUES (?, ?, ?, ?, ?)"
SELECT = "SELECT seq, role, content, created_at FROM m WHERE session = ? ORDER BY seq DESC LIMIT 20"
NOW = "2026-01-01T00:00:00.000000Z"


def by_hand(path: Path, synchronous: str) -> sqlite3.Connection:
    """The floor: one table, one statement a call, each in its own transaction."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    connection.execute(
        "CREATE TABLE m (session TEXT, seq INTEGER, role TEXT, content TEXT, created_at TEXT,"
        " PRIMARY KEY (session, seq))"
    )
    return connection


def measure(folder: Path, synchronous: str, rounds: int, each: int) -> list[list[str]]:
    """Rows of the table for one level of durability."""
    hand = by_hand(folder / f"hand-{synchronous}.db", synchronous)
    with Recollect(f"sqlite:///{folder}/ours-{synchronous}.db?synchronous={synchronous}") as memory:
        session = memory.session("s-1", user="u-1")

        def ours(i: int) -> Any:
            return session.append({"role": "user", "content": TEXTS[i % 1000]})

        def floor(i: int) -> Any:
            return hand.execute(INSERT, ("s-1", i, "user", TEXTS[i % 1000], NOW))

        append = in_turns({"floor": floor, "ours": ours}, rounds=rounds, each=each)
        tail = in_turns(
            {"floor": lambda _: hand.execute(SELECT, ("s-1",)).fetchall(), "ours": lambda _: session.tail(20)},
            rounds=10,
            each=200,
        )
    hand.close()
    goal = 1.5 if synchronous == "full" else 4.0
    return [
        [f"append, synchronous={synchronous}", *_row(append, goal)],
        [f"tail of 20, synchronous={synchronous}", *_row(tail, 4.0)],
    ]


def _row(times: dict[str, float], goal: float) -> list[str]:
    return [f"{times['floor']:.1f}", f"{times['ours']:.1f}", against(times["ours"], times["floor"], goal)]


async def measure_async(folder: Path) -> list[list[str]]:
    """The same through the async client, and one bare hop to a thread to see what it is made of."""
    rows = []
    async with AsyncRecollect(f"sqlite:///{folder}/async.db?synchronous=normal") as memory:
        session = memory.session("s-1", user="u-1")
        with Recollect(f"sqlite:///{folder}/async.db?synchronous=normal") as blocking:
            twin = blocking.session("s-1", user="u-1")
            twin.append([{"role": "user", "content": text} for text in TEXTS[:100]])
            calls: dict[str, tuple[Callable[[int], Any], Callable[[int], Any]]] = {
                "append": (
                    lambda i: session.append({"role": "user", "content": TEXTS[i]}),
                    lambda i: twin.append({"role": "user", "content": TEXTS[i]}),
                ),
                "tail of 20": (lambda _: session.tail(20), lambda _: twin.tail(20)),
            }
            for name, (ours, inline) in calls.items():
                times: dict[str, list[float]] = {"async": [], "sync": [], "hop": []}
                for i in range(1000):
                    times["async"].append(await _timed(ours(i)))
                    times["hop"].append(await _timed(memory._driver.run(int)))
                    begin = time.perf_counter()
                    inline(i)
                    times["sync"].append(time.perf_counter() - begin)
                medians = {key: sorted(values)[len(values) // 2] * 1e6 for key, values in times.items()}
                rows.append([f"{name}, async", *(f"{medians[key]:.1f}" for key in ("sync", "hop", "async"))])
    return rows


async def _timed(call: Any) -> float:
    begin = time.perf_counter()
    await call
    return time.perf_counter() - begin


def main() -> None:
    """Print the tables."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = measure(folder, "full", rounds=20, each=50) + measure(folder, "normal", rounds=20, each=500)
        show("SQLite, against sqlite3 by hand (median us a call)", ["", "by hand", "Recollect", "ratio"], rows)
        show(
            "Through the async client (median us a call, synchronous=normal)",
            ["", "sync", "one thread hop", "async"],
            asyncio.run(measure_async(folder)),
        )


if __name__ == "__main__":
    main()
