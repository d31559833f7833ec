"""A writer of the torture: appends until it is killed, and says what it tried and what was acknowledged.

``writer.py URL NAME SESSIONS SKEW SEED [BUFFER]``. Lines of standard output: ``T id session`` before the first try of a
message, ``A id session seq`` when it is acknowledged, ``B id session`` when the buffer keeps it. What failed with
`Unavailable` is tried again under the same id.
"""

from __future__ import annotations

import os
import random
import sys
import time
from datetime import UTC, datetime, timedelta

from recollect import Message, Recollect, Unavailable


def main(url: str, name: str, sessions: int, skew: float, seed: int, buffer: str | None = None) -> None:
    """Append for ever, one message or a few at a time."""
    dice = random.Random(seed)

    def clock() -> datetime:
        return datetime.now(UTC) + timedelta(seconds=skew)

    # Opened by its first append, which may have to wait for the server.
    memory = Recollect(url, clock=clock, on_unavailable="buffer" if buffer else "raise", buffer_path=buffer)
    number = 0
    while True:
        session = f"s-{dice.randrange(sessions)}"
        batch = []
        for _ in range(dice.choice((1, 1, 1, 3))):
            batch.append(Message(role="user", content=f"{name} says {number}", id=f"{name}-{number}"))
            number += 1
        say("".join(f"T {message.id} {session}\n" for message in batch))
        while True:
            try:
                stored = memory.session(session).append(batch)
                break
            except Unavailable as error:
                if not error.retryable:
                    raise
                time.sleep(dice.uniform(0, 0.1))
        if stored.buffered:
            say("".join(f"B {message.id} {session}\n" for message in stored))
            time.sleep(0.005)
        else:
            say("".join(f"A {message.id} {session} {message.seq}\n" for message in stored))


def say(text: str) -> None:
    """One write, so that a kill does not cut a line in two."""
    os.write(1, text.encode())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), int(sys.argv[5]), *sys.argv[6:7])
