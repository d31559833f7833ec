"""Writers in many processes on few sessions, killed at random, their server too; then everything is read back.

    python -m tests.torture.run sqlite postgres redis dynamodb [--how kill cut buffer] [--seconds 60] [--writers 16]

Each store is tortured on a server of its own (`tests.torture.targets`), in several ways:

* ``kill``: the writers and the server are killed.
* ``cut``: besides, the writers' connections are cut at random bytes, mostly in the middle of a reply.
* ``buffer``: besides, the writers buffer what the store cannot take (``on_unavailable="buffer"``), two of them in one
  file. A writer that comes after a killed one finds what it left.

What is lost, doubled or out of order is printed with its place, and the command fails.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from recollect import Change, Recollect, Unavailable
from tests.torture.history import History, check
from tests.torture.proxy import Proxy

WRITER = Path(__file__).with_name("writer.py")
How = Literal["kill", "cut", "buffer"]
SKEWS = (0.0, 3600.0, -3600.0, 0.5)
"""Seconds by which the writers' clocks are wrong."""


@dataclass
class Target:
    """What is tortured.

    Parameters
    ----------
    url: of the store. kill, restart: of its server, where it has one. port: that it listens on.
    impatient: options with which the store gives up soon, for writers that buffer.
    """

    url: str
    kill: Callable[[], object] | None = None
    restart: Callable[[], object] | None = None
    port: int | None = None
    impatient: str = ""

    def through(self, port: int) -> str:
        """The URL with another port."""
        return self.url.replace(f":{self.port}", f":{port}")


@dataclass
class Outcome:
    """How it went: what is wrong, and how much was done."""

    wrong: list[str]
    acknowledged: int
    kept: int
    tried: int
    writers_killed: int
    server_killed: int
    cuts: int


class _Writer:
    def __init__(self, url: str, name: str, sessions: int, dice: random.Random, buffer: Path | None) -> None:
        words = [url, name, str(sessions), str(dice.choice(SKEWS)), str(dice.randrange(10**9))]
        words += [] if buffer is None else [str(buffer)]
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

    @property
    def is_at_work(self) -> bool:
        """Whether something of it was acknowledged."""
        return any(not line.startswith("T") for line in self.lines[:20])

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


def torture(
    target: Target,
    *,
    seconds: float,
    least: int = 0,
    how: How = "kill",
    writers: int = 16,
    sessions: int = 4,
    seed: int = 1,
) -> Outcome:
    """Torture a store and look at what is left.

    Parameters
    ----------
    seconds: that it lasts; on a machine that is busy a minute more at most, until `least` messages are acknowledged and some
        writers and the server were killed. how: see this page's head. writers: processes at once. sessions: that they share.
    """
    with ExitStack() as stack:
        url, proxy, folder = target.url, None, None
        if how != "kill" and target.port is not None:
            proxy = stack.enter_context(Proxy(target.port, seed))
            url = target.through(proxy.port)
        if how == "buffer":
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            url += f"{'&' if '?' in url else '?'}{target.impatient}" if target.impatient else ""
        with Recollect(target.url) as memory:
            memory.open()
        run = _Run(target, url, folder, writers, sessions, random.Random(seed))
        follower = _Follower(target.url)
        try:
            run.go(seconds, least)
        finally:
            run.stop()
            if proxy is not None:
                proxy.calm()
            if folder is not None:
                run.deliver()
            followed = follower.end()
        cuts = 0 if proxy is None else proxy.close()
        with Recollect(target.url) as memory:
            run.wrong += check(run.history, memory, followed)
    history = run.history
    tried = sum(map(len, history.tried.values()))
    return Outcome(
        run.wrong, len(history.acknowledged), len(history.kept), tried, run.writers_killed, run.server_killed, cuts
    )


class _Run:
    """The writers and their server while it lasts."""

    def __init__(
        self, target: Target, url: str, folder: Path | None, writers: int, sessions: int, dice: random.Random
    ) -> None:
        self.history, self.wrong = History(), list[str]()
        self.writers_killed = self.server_killed = 0
        self._target, self._url, self._folder, self._sessions, self._dice = target, url, folder, sessions, dice
        self._names = iter(range(10**6))
        self._running = [self._start(slot) for slot in range(writers)]

    def _start(self, slot: int) -> _Writer:
        buffer = None if self._folder is None else self._folder / f"{slot // 2}.db"
        return _Writer(self._url, f"w{next(self._names)}", self._sessions, self._dice, buffer)

    def go(self, seconds: float, least: int) -> None:
        """Kill at random for so long."""
        dice, target = self._dice, self._target
        end = time.monotonic() + seconds
        next_crash = time.monotonic() + seconds / 4
        while (now := time.monotonic()) < end or (now < end + 60 and not self._is_enough(least)):
            time.sleep(dice.uniform(0.1, 0.5))
            # Most are killed at work, a few while they begin (on a busy machine that takes seconds).
            at_work = [n for n, writer in enumerate(self._running) if writer.is_at_work or dice.random() < 0.03]
            if not at_work:
                continue
            victim = dice.choice(at_work)
            self._end(self._running[victim])
            self._running[victim] = self._start(victim)
            self.writers_killed += 1
            if target.kill is not None and target.restart is not None and time.monotonic() > next_crash:
                target.kill()
                time.sleep(dice.uniform(0, 0.3) if self._folder is None else dice.uniform(0.5, 2))
                target.restart()
                self.server_killed += 1
                next_crash = time.monotonic() + seconds / 4

    def _is_enough(self, least: int) -> bool:
        done = len(self.history.acknowledged) + sum(len(writer.lines) // 2 for writer in self._running)
        return done >= least and self.writers_killed > 5 and (self.server_killed > 0 or self._target.kill is None)

    def _end(self, writer: _Writer) -> None:
        self.wrong += writer.kill()
        self.history.add(writer.lines)

    def stop(self) -> None:
        """Kill all writers."""
        for writer in self._running:
            self._end(writer)

    def deliver(self) -> None:
        """What the writers have left in their buffers."""
        assert self._folder is not None
        for buffer in sorted(self._folder.glob("*.db")):
            with Recollect(self._url, on_unavailable="buffer", buffer_path=buffer) as memory:
                deadline = time.monotonic() + 60
                while True:
                    try:
                        memory.deliver()
                        break
                    except Unavailable as error:
                        if time.monotonic() > deadline:
                            self.wrong.append(f"{buffer.name} cannot be delivered: {error}")
                            break
                left = memory.buffered()
            if left.waiting or left.refused or left.elsewhere:
                self.wrong.append(f"{buffer.name} still holds {left}")


def main() -> int:
    """The command."""
    from tests.torture.targets import TARGETS

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stores", nargs="*", choices=[[], *TARGETS], help="all when none is named")
    parser.add_argument("--how", nargs="+", choices=get_args(How), default=get_args(How))
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--writers", type=int, default=16)
    parser.add_argument("--sessions", type=int, default=4)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    given = parser.parse_args()
    failed = False
    for name, how in ((name, how) for name in given.stores or TARGETS for how in given.how):
        with TARGETS[name]() as target:
            if how == "cut" and target.port is None:
                continue
            outcome = torture(
                target, seconds=given.seconds, how=how, writers=given.writers, sessions=given.sessions, seed=given.seed
            )
        print(
            f"{name} {how} (seed {given.seed}): {outcome.acknowledged:,} acknowledged and {outcome.kept:,} kept of"
            f" {outcome.tried:,} tried, {outcome.writers_killed} writers and {outcome.server_killed} servers killed,"
            f" {outcome.cuts:,} connections cut: {f'{len(outcome.wrong)} WRONG' if outcome.wrong else 'nothing wrong'}",
            flush=True,
        )
        for line in outcome.wrong[:20]:
            print(f"  {line}")
        failed |= bool(outcome.wrong)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
