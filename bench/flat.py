"""Does the cost grow with the history? Append and tail in sessions of 100 and of 1,000,000 messages; memory used.

python bench/flat.py [MESSAGES]
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from timing import against, in_turns, show, texts

from recollect import Recollect

TEXTS = texts(1000)


def lines(count: int) -> Iterator[dict[str, Any]]:
    """A session of that many messages."""
    for i in range(count):
        yield {"session": f"s-{count}", "user": "u", "role": "user", "content": TEXTS[i % 1000]}


def main() -> None:
    """Print the table."""
    large = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with (
        tempfile.TemporaryDirectory() as name,
        Recollect(f"sqlite:///{Path(name)}/flat.db?synchronous=normal") as memory,
    ):
        memory.import_lines(lines(100))
        begin = time.perf_counter()
        memory.import_lines(lines(large))
        taken = time.perf_counter() - begin
        small, big = memory.session("s-100", user="u"), memory.session(f"s-{large}", user="u")
        append = in_turns(
            {
                "small": lambda i: small.append({"role": "user", "content": TEXTS[i % 1000]}),
                "big": lambda i: big.append({"role": "user", "content": TEXTS[i % 1000]}),
            },
            rounds=20,
            each=100,
        )
        reads = {
            "tail of 20": (lambda _: small.tail(20), lambda _: big.tail(20)),
            "window of 2,000 tokens": (
                lambda _: small.window(max_tokens=2000),
                lambda _: big.window(max_tokens=2000),
            ),
            "header": (lambda _: small.info(), lambda _: big.info()),
        }
        rows = [
            ["append", f"{append['small']:.1f}", f"{append['big']:.1f}", against(append["big"], append["small"], 1.2)]
        ]
        for label, (a, b) in reads.items():
            times = in_turns({"small": a, "big": b}, rounds=10, each=100)
            rows.append(
                [label, f"{times['small']:.1f}", f"{times['big']:.1f}", against(times["big"], times["small"], 1.2)]
            )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    show(
        "Cost against the length of the session (median us a call)",
        ["", "100 messages", f"{large:,}", "ratio"],
        rows,
        f"{large:,} messages imported at {large / taken:,.0f}/s in process; peak resident memory {peak:.0f} MB (goal < 100)",
    )


if __name__ == "__main__":
    main()
