"""Writers in many processes on few sessions, killed at random, their server too; then everything is read back.

    python -m tests.torture.run sqlite postgres redis dynamodb [--seconds 60] [--writers 16]

Each store is tortured on a server of its own (`tests.torture.targets`). What is lost, doubled or out of order is printed
with its place, and the command fails.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from recollect import Change, Recollect, Unavailable
from tests.torture.history import History, check

WRITER = Path(__file__).with_name("writer.py")
SKEWS = (0.0, 3600.0, -3600.0, 0.5)
"""Seconds by which the writers' clocks are wrong."""


@dataclass
class Target:
    """What is tortured.

    Parameters
    ----------
    url: of the store. kill, restart: of its server, where it has one.
    """

    url: str
    kill: Callable[[], object] | None = None
    restart: Callable[[], object] | None = None


@dataclass
class Outcome:
    """How it went: what is wrong, and how much was done."""

    wrong: list[str]
    acknowledged: int
    tried: int
    writers_killed: int
    server_killed: int


class _Writer:
    def __init__(self, target: Target, name: str, sessions: int, dice: random.Random) -> None:
        words = [target.url, name, str(sessions), str(dice.choice(SKEWS)), str(dice.randrange(10**9))]
        self.process = subprocess.Popen(
            [sys.executable, str(WRITER), *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.lines: list[str] = []
        self.said = ""
        self._threads = [threading.Thread(target=work) for work in (self._listen, self._listen_to_errors)]
        for thread in self._threads:
            thread.start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as out:
            self.lines.extend(out)

    def _listen_to_errors(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as err:
            self.said = err.read()

    def kill(self) -> list[str]:
        """Kill it; what is wrong if it had ended by itself."""
        ended = self.process.poll()
        self.process.kill()
        self.process.wait(20)
        for thread in self._threads:
            thread.join(20)
        return [] if ended is None else [f"a writer ended by itself with {ended}: {self.said[-2000:]}"]


class _Follower:
    """Follows the feed from its beginning, and goes on from its cursor when the server was away."""

    def __init__(self, url: str) -> None:
        self.seen: list[Change] = []
        self._url = url
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow)
        self._thread.start()

    def _follow(self) -> None:
        with Recollect(self._url) as memory:
            while not self._stop.is_set():
                try:
                    page = memory.changes(self.seen[-1].cursor if self.seen else None, limit=1000).items
                except Unavailable:
                    page = []
                self.seen += page
                if not page:
                    self._stop.wait(0.02)

    def end(self) -> list[Change]:
        """Let it see what is left, and stop it."""
        time.sleep(1.0)
        self._stop.set()
        self._thread.join(30)
        return self.seen


def torture(target: Target, *, seconds: float, writers: int = 16, sessions: int = 4, seed: int = 1) -> Outcome:
    """Torture a store and look at what is left.

    Parameters
    ----------
    seconds: that it lasts. writers: processes at once. sessions: that they share.
    """
    dice = random.Random(seed)
    names = iter(range(10**6))
    history, wrong = History(), []
    killed = server_killed = 0
    with Recollect(target.url) as memory:
        memory.open()
    follower = _Follower(target.url)

    def start() -> _Writer:
        return _Writer(target, f"w{next(names)}", sessions, dice)

    running = [start() for _ in range(writers)]
    end = time.monotonic() + seconds
    next_crash = time.monotonic() + seconds / 4
    try:
        while time.monotonic() < end:
            time.sleep(dice.uniform(0.1, 0.5))
            victim = dice.randrange(writers)
            wrong += running[victim].kill()
            history.add(running[victim].lines)
            running[victim] = start()
            killed += 1
            if target.kill is not None and target.restart is not None and time.monotonic() > next_crash:
                target.kill()
                time.sleep(dice.uniform(0, 0.3))
                target.restart()
                server_killed += 1
                next_crash = time.monotonic() + seconds / 4
    finally:
        for writer in running:
            wrong += writer.kill()
            history.add(writer.lines)
        followed = follower.end()
    with Recollect(target.url) as memory:
        wrong += check(history, memory, followed)
    tried = sum(map(len, history.tried.values()))
    return Outcome(wrong, len(history.acknowledged), tried, killed, server_killed)


def main() -> int:
    """The command."""
    from tests.torture.targets import TARGETS

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stores", nargs="*", choices=[[], *TARGETS], help="all when none is named")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--writers", type=int, default=16)
    parser.add_argument("--sessions", type=int, default=4)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    given = parser.parse_args()
    failed = False
    for name in given.stores or TARGETS:
        with TARGETS[name]() as target:
            outcome = torture(
                target, seconds=given.seconds, writers=given.writers, sessions=given.sessions, seed=given.seed
            )
        print(
            f"{name} (seed {given.seed}): {outcome.acknowledged:,} acknowledged of {outcome.tried:,} tried,"
            f" {outcome.writers_killed} writers and {outcome.server_killed} servers killed:"
            f" {'nothing wrong' if not outcome.wrong else f'{len(outcome.wrong)} WRONG'}"
        )
        for line in outcome.wrong[:20]:
            print(f"  {line}")
        failed |= bool(outcome.wrong)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
