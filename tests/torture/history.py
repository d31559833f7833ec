"""What the writers of a torture said, and whether the store agrees."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from recollect import Change, Message, Recollect


@dataclass
class History:
    """What was tried, and what was acknowledged.

    Parameters
    ----------
    tried: ids by session. acknowledged: the number that each id was told, with its session.
    kept: the session of each id that a buffer took over, without a number.
    """

    tried: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    acknowledged: dict[str, tuple[str, int]] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)

    def add(self, lines: Iterable[str]) -> None:
        """What a writer said."""
        for line in lines:
            kind, id, session, *seq = line.split()
            if kind == "T":
                self.tried[session].add(id)
            elif kind == "B":
                self.kept[id] = session
            else:
                self.acknowledged[id] = (session, int(seq[0]))


def check(history: History, memory: Recollect, followed: list[Change]) -> list[str]:
    """What is wrong, in words; nothing when every promise was kept.

    Parameters
    ----------
    followed: what a follower saw while it happened; it has had time to see the end.
    """
    wrong: list[str] = []
    stored = {session: _log(memory, session) for session in history.tried}
    for session, log in stored.items():
        wrong += _check_log(session, log, history.tried[session])
        header = memory.session(session).info()
        if log and (header is None or (header.message_count, header.last_seq) != (len(log), len(log))):
            wrong.append(f"{session}: the header says {header}, and there are {len(log)} messages")
    at = {message.id: (session, message.seq) for session, log in stored.items() for message in log}
    for id, place in history.acknowledged.items():
        if at.get(id) != place:
            wrong.append(f"{id} was acknowledged as {place} and is {at.get(id, 'nowhere')}")
    for id, session in history.kept.items():
        if at.get(id, ("nowhere", 0))[0] != session:
            wrong.append(f"{id} was kept for {session} and is {at.get(id, 'nowhere')}")
    feed = _feed(memory)
    wrong += _check_feed(feed, {session: len(log) for session, log in stored.items()})
    if Counter(change.cursor for change in followed) != Counter(change.cursor for change in feed):
        wrong.append(f"a follower saw {len(followed)} changes, the feed holds {len(feed)}")
    wrong += _check_feed(followed, {session: len(log) for session, log in stored.items()})
    return wrong


def _log(memory: Recollect, session: str) -> list[Message]:
    rows: list[Message] = []
    while page := memory.session(session).read(after=rows[-1].seq if rows else None, limit=1000).items:
        rows += page
    return rows


def _feed(memory: Recollect) -> list[Change]:
    found: list[Change] = []
    while page := memory.changes(found[-1].cursor if found else None, limit=1000).items:
        found += page
    return found


def _check_log(session: str, log: list[Message], tried: set[str]) -> list[str]:
    wrong = []
    numbers = [message.seq for message in log]
    if numbers != list(range(1, len(log) + 1)):
        odd = next(i for i, seq in enumerate(numbers, 1) if seq != i)
        wrong.append(f"{session}: number {odd} is {numbers[odd - 1]}")
    for id, count in Counter(message.id for message in log).items():
        if count > 1:
            wrong.append(f"{session}: {id} is there {count} times")
        if id not in tried:
            wrong.append(f"{session}: nobody wrote {id}")
    last: dict[str, int] = {}
    for message in log:
        writer, _, number = message.id.rpartition("-")
        if int(number) <= last.get(writer, -1):
            wrong.append(f"{session}: {message.id} comes behind {writer}-{last[writer]}")
        last[writer] = int(number)
    return wrong


def _check_feed(feed: list[Change], lengths: dict[str, int]) -> list[str]:
    """Each session's appends tell its numbers from 1 to the last, in order and once."""
    wrong = []
    told: dict[str, int] = dict.fromkeys(lengths, 0)
    for change in feed:
        if change.kind != "append":
            continue
        if change.first_seq != told.get(change.partition, 0) + 1:
            wrong.append(
                f"feed of {change.partition}: {change.first_seq}-{change.last_seq} behind {told.get(change.partition)}"
            )
        told[change.partition] = change.last_seq
    wrong += [f"feed of {s}: ends at {told[s]} of {length}" for s, length in lengths.items() if told[s] != length]
    return wrong
