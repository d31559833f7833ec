"""The window: the newest messages that fit, whole, in order, with every tool result beside its call."""

from __future__ import annotations

from collections import deque
from typing import Literal

from recollect.core.base import Base
from recollect.core.messages import answers_of, calls_of
from recollect.model import Message

SystemRule = Literal["keep", "window", "drop"]

PAIR_REACH = 256
"""How far behind a tool result its call is looked for. A result whose call is not there is an orphan, which
providers refuse, and is left out."""

PAGE = 64


class Unit:
    """Messages that stay together: one message, or a tool call with all that came up to its last result."""

    __slots__ = ("messages", "tokens")

    def __init__(self, messages: list[Message], tokens: int) -> None:
        self.messages = messages
        self.tokens = tokens


class Backwards:
    """The session's units, newest first, read page by page as they are asked for.

    Parameters
    ----------
    before: begin below this seq. skip_system: leave system messages out.
    """

    def __init__(self, base: Base, session_id: str, *, skip_system: bool, before: int | None = None) -> None:
        self._base = base
        self._session_id = session_id
        self._skip_system = skip_system
        self._ahead: deque[Message] = deque()
        self._before = before
        self._end = False
        self._lost: set[str] = set()

    async def next(self) -> Unit | None:
        """The next older unit; None at the beginning of the session."""
        while await self._reach(1):
            length, orphans = await self._measure()
            taken = [self._ahead.popleft() for _ in range(length)]
            taken = self._without_orphans(taken, orphans)
            if taken:
                taken.reverse()
                return Unit(taken, sum(map(self._base.tokens, taken)))
        return None

    async def _reach(self, count: int) -> bool:
        while len(self._ahead) < count and not self._end:
            rows = await self._base.messages(
                self._session_id,
                before=None if self._before is None else (self._before,),
                limit=PAGE,
                reverse=True,
            )
            self._end = len(rows) < PAGE
            if rows:
                self._before = rows[-1].seq
            self._ahead.extend(row for row in rows if not (self._skip_system and row.role == "system"))
        return len(self._ahead) >= count

    async def _measure(self) -> tuple[int, set[str]]:
        """How many of the messages ahead belong together, the newest first, and which answers lack their call."""
        waiting = answers_of(self._ahead[0]) - calls_of(self._ahead[0])
        orphans: set[str] = set()
        length = 1
        while waiting:
            call_at = await self._find_call(length, waiting)
            if call_at is None:
                orphans |= waiting
                break
            for index in range(length, call_at + 1):
                message = self._ahead[index]
                waiting -= calls_of(message)
                waiting |= answers_of(message) - calls_of(message)
            length = call_at + 1
        return length, orphans

    async def _find_call(self, start: int, waiting: set[str]) -> int | None:
        for index in range(start, start + PAIR_REACH):
            if not await self._reach(index + 1):
                return None
            if calls_of(self._ahead[index]) & waiting:
                return index
        return None

    def _without_orphans(self, messages: list[Message], orphans: set[str]) -> list[Message]:
        """The messages of a unit that can be sent. A message is whole or not there: one answer without its call takes
        the message out, and with it the calls that it answers, their other answers, and so on."""
        kept = messages
        while True:
            answered: set[str] = set().union(*map(answers_of, kept))
            # The call of an answer that was left out is left out too, however far back it stands.
            lost = self._lost | orphans
            out = {m.seq for m in kept if answers_of(m) & orphans or (calls_of(m) - answered) & lost}
            if not out:
                self._lost |= orphans
                return kept
            for message in kept:
                if message.seq in out:
                    self._lost -= calls_of(message)
                    orphans |= answers_of(message) | calls_of(message)
            kept = [message for message in kept if message.seq not in out]


async def window(
    base: Base,
    session_id: str,
    *,
    max_messages: int | None,
    max_tokens: int | None,
    system: SystemRule,
) -> list[Message]:
    """The newest messages within both limits, oldest first.

    With ``keep``, system messages stay wherever they stand in the session, and count in both limits; the newest
    other unit is placed before them. The window ends at the first unit that does not fit: it has no holes.
    """
    kept = await system_messages(base, session_id) if system == "keep" else []
    units = Backwards(base, session_id, skip_system=system != "window")
    budget = _Budget(max_messages, max_tokens)
    chosen: list[Message] = []
    unit = await units.next() if budget.room() else None
    if unit is not None and budget.take(len(unit.messages), unit.tokens):
        chosen += unit.messages
        open_end = True
    else:
        open_end = False
    chosen += [message for message in kept if budget.take(1, base.tokens(message))]
    while open_end and budget.room() and (unit := await units.next()) is not None:
        if not budget.take(len(unit.messages), unit.tokens):
            break
        chosen += unit.messages
    chosen.sort(key=_seq)
    return chosen


async def system_messages(base: Base, session_id: str) -> list[Message]:
    """The session's system messages, newest first."""
    found: list[Message] = []
    before: tuple[int] | None = None
    while True:
        rows = await base.store.query(
            "system_messages", (base.scope, session_id), before=before, limit=PAGE, reverse=True
        )
        found += rows
        if len(rows) < PAGE:
            return found
        before = (rows[-1].seq,)


class _Budget:
    def __init__(self, messages: int | None, tokens: int | None) -> None:
        self._messages = messages
        self._tokens = tokens

    def room(self) -> bool:
        return (self._messages is None or self._messages > 0) and (self._tokens is None or self._tokens > 0)

    def take(self, messages: int, tokens: int) -> bool:
        if self._messages is not None and messages > self._messages:
            return False
        if self._tokens is not None and tokens > self._tokens:
            return False
        if self._messages is not None:
            self._messages -= messages
        if self._tokens is not None:
            self._tokens -= tokens
        return True


def _seq(message: Message) -> int:
    return message.seq
