"""The whole command ``recollect import``: messages a second, and resident memory of its larger process and of both.

    python bench/import_.py [messages]        1,000,000 if not given

The messages are those of `examples/generate_messages.py`: six languages, lengths as in real chats, the sessions
interleaved as in a server's log. Goals: 50,000 messages/s, under 100 MB.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from timing import show

HERE = Path(__file__).parent
COMMAND = [sys.executable, "-m", "recollect.cli"]
GENERATOR = HERE.parent / "examples" / "generate_messages.py"
GOAL_RATE, GOAL_MEGABYTES = 50_000, 100


class Run(NamedTuple):
    """A command that has ended: seconds on the clock and of the processors, megabytes resident at most (of one of its
    processes, and of all together), its output."""

    seconds: float
    cpu: float
    largest: float
    together: float
    output: bytes


def run(*words: str) -> Run:
    """Run the command line to its end."""
    began = time.perf_counter()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen([*COMMAND, *words], stdout=output)
        with ThreadPoolExecutor(1) as watching:
            ended = threading.Event()
            resident = watching.submit(_watched, process.pid, ended)
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - began
            ended.set()
        largest, together = (max(most, _megabytes(usage)) for most in resident.result())
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"recollect {' '.join(words)} failed with {process.returncode}")
        output.seek(0)
        return Run(seconds, usage.ru_utime + usage.ru_stime, largest, together, output.read())


def _watched(process: int, ended: threading.Event) -> tuple[float, float]:
    """Megabytes resident at most of a process or one of its children, and of all together, where the system tells."""
    largest = together = 0
    while not ended.wait(0.05):
        with suppress(OSError):
            children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
            pages = [int(Path(f"/proc/{one}/statm").read_text().split()[1]) for one in (process, *children)]
            largest, together = max(largest, *pages), max(together, sum(pages))
    page = resource.getpagesize() / 1_000_000
    return largest * page, together * page


def _megabytes(usage: resource.struct_rusage) -> float:
    return usage.ru_maxrss / (1_000_000 if sys.platform == "darwin" else 1000)


def generate(path: Path, count: int, sessions: int) -> None:
    """Write the messages."""
    with path.open("wb") as file:
        words = [str(count), "--sessions", str(sessions), "--users", str(max(1, sessions // 40))]
        subprocess.run([sys.executable, str(GENERATOR), *words], stdout=file, check=True)


def main() -> None:
    """The command."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        lines = Path(folder) / "messages.jsonl"
        for sessions in (max(1, count // 50), 100, 1):
            generate(lines, count, sessions)
            url = f"sqlite:///{folder}/{sessions}.db"
            name = f"into {sessions:,} session{'s' if sessions > 1 else ''}"
            first = run("import", str(lines), "--url", url, "--json")
            assert json.loads(first.output)["written"] == count
            rows.append(_row(name, count, first))
            if sessions == 100:
                again = run("import", str(lines), "--url", url, "--json")
                assert json.loads(again.output)["known"] == count
                rows.append(_row(f"{name}, again", count, again))
                rows.append(_row(f"export of {name[5:]}", count, run("export", "--url", url, "-o", f"{folder}/out")))
            Path(f"{folder}/{sessions}.db").unlink()
    show(
        f"recollect import, {count:,} messages, full durability",
        ("what", "seconds", "cpu seconds", "messages/s", "goal", "MB of one", "goal", "MB together"),
        rows,
    )


def _row(name: str, count: int, done: Run) -> tuple[str, ...]:
    rate = count / done.seconds
    return (
        name,
        f"{done.seconds:.1f}",
        f"{done.cpu:.1f}",
        f"{rate:,.0f}",
        "ok" if rate >= GOAL_RATE else f"{GOAL_RATE:,}",
        f"{done.largest:.0f}",
        "ok" if done.largest < GOAL_MEGABYTES else f"{GOAL_MEGABYTES}",
        f"{done.together:.0f}",
    )


if __name__ == "__main__":
    main()
