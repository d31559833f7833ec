"""Processes that append until they are told to stop, and say what was acknowledged.

Run as a script: ``writers.py URL SESSION NAME COUNT``; each acknowledged id is a line on standard output.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from recollect import Recollect


def main(url: str, session: str, name: str, count: int) -> None:
    """Append `count` messages one by one."""
    with Recollect(url) as memory:
        handle = memory.session(session, user="u")
        for number in range(count):
            stored = handle.append({"role": "user", "content": f"{name} says {number}", "id": f"{name}-{number}"})
            sys.stdout.write(f"{stored[0].seq} {stored[0].id}\n")
            sys.stdout.flush()


def start(url: str, session: str, name: str, count: int) -> subprocess.Popen[str]:
    """A writer in a process of its own."""
    return subprocess.Popen(
        [sys.executable, str(Path(__file__)), url, session, name, str(count)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
