"""How a context is filled: each section in its turn takes what its share allows, whole or not at all."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping

from msgspec import structs

from recollect.core.base import Base
from recollect.core.context import Context, Dropped, Section
from recollect.core.extractive import shorten
from recollect.core.known import (
    SUMMARY_HEADING,
    Key,
    Known,
    key_of,
    named,
    passage_line,
    preference_line,
    worth_recalling,
)
from recollect.core.messages import answers_of
from recollect.core.window import Backwards, Unit, system_messages
from recollect.errors import LimitExceeded
from recollect.model import JSON, Hit, Message, Preferences, Summary

RECALLED_PASSAGES = 12
QUESTION_REACH = 200
"""How many steps behind the newest message, in a loop of tool calls, the user's question is looked for."""

OVER = "over its share of the budget"

SHORTENINGS = 8
"""How often a summary is shortened again, by a counter that counts a text as more than its sentences."""

_FRAMEWORK_ROLES = frozenset({"human", "ai", "model"})

SECTIONS = ("instructions", "preferences", "summary", "recalled", "question", "window")


class Filling:
    """A context that is being filled.

    Parameters
    ----------
    shares: see `context.SHARES`; one for every section.
    """

    def __init__(self, base: Base, session_id: str, max_tokens: int, shares: Mapping[str, float]) -> None:
        self._base = base
        self._session_id = session_id
        self._max = max_tokens
        self._caps = {name: int(max_tokens * share) for name, share in shares.items()}
        self._units = Backwards(base, session_id, skip_system=True)
        self._ahead: deque[Unit] = deque()
        self._window: list[Unit] = []
        self._asked: Unit | None = None
        self._instructions: list[Message] = []
        self._known = Known(base.count)
        self._summary: Summary | None = None
        self._lines: dict[Key, int] = {}
        self._sections: dict[str, Section] = {}
        self._dropped: list[Dropped] = []
        self._refused: dict[Key, Dropped] = {}
        self._spent = 0
        self._shown = 0
        self.question = ""

    def _left(self, *, of_all: bool = False) -> int:
        """Tokens that are free: of the whole budget, or without what is kept for the window."""
        kept = 0 if of_all else max(0, self._caps["window"] - self._shown)
        return self._max - self._spent - self._known.tokens - kept

    async def newest(self) -> None:
        """The newest message, with the tool call that it answers, and the user's last one."""
        newest = unit = await self._units.next()
        if newest is None or unit is None:
            return
        if newest.tokens > self._max:
            raise LimitExceeded(f"the newest message takes {newest.tokens} tokens, more than max_tokens = {self._max}")
        self._show(newest)
        while not any(map(_asks, unit.messages)):
            if len(self._ahead) >= QUESTION_REACH or (unit := await self._units.next()) is None:
                return
            self._ahead.append(unit)
        self.question = next(_own_words(m) for m in reversed(unit.messages) if _asks(m))
        if unit is not newest and unit.tokens <= self._max - self._spent:
            self._asked = unit
            self._spent += unit.tokens

    async def instructions(self) -> None:
        """The session's system messages, the newest first."""
        used = 0
        for message in await system_messages(self._base, self._session_id):
            cost = self._base.tokens(message)
            if used + cost > self._caps["instructions"] or cost > self._left():
                self._drop("instructions", f"message {message.seq}", cost, OVER)
                continue
            used += cost
            self._spent += cost
            self._instructions.append(message)
        self._instructions.sort(key=lambda message: message.seq)
        self._note("instructions", used, len(self._instructions), "system messages of the session, as told")

    def preferences(self, stored: Preferences | None) -> None:
        """The user's document, key by key."""
        if stored is None or not stored.values:
            return
        before = self._known.tokens
        lines = self._known.preferences
        for key in sorted(stored.values):
            lines.append(preference_line(key, stored.values[key]))
            if self._known.tokens - before > self._caps["preferences"] or self._left() < 0:
                self._drop("preferences", key, self._base.count(lines.pop()), OVER)
        self._note("preferences", self._known.tokens - before, len(lines), f"version {stored.version}")

    def summary(self, stored: Summary | None) -> None:
        """The summary; where it is too long, those of its sentences that say most."""
        if stored is None:
            return
        before = self._known.tokens
        room = min(self._caps["summary"], self._left())
        self._known.summary = stored.text
        whole = used = self._known.tokens - before
        size = room - self._base.count(SUMMARY_HEADING)
        for _ in range(SHORTENINGS):
            if used <= room or size <= 0:
                break
            self._known.summary = shorten(stored.text, size, self._base.count)
            used = self._known.tokens - before
            size -= max(1, used - room)
        if used > room or not self._known.summary:
            self._known.summary = ""
            self._drop("summary", f"up to message {stored.covers_seq}", whole, OVER)
            return
        self._summary = stored
        why = f"stands for the messages up to {stored.covers_seq}"
        if self._known.summary != stored.text:
            self._drop("summary", "its lesser sentences", whole - used, OVER)
            why += ", shortened"
        self._note("summary", used, 1, why)

    def recall(self, hits: Iterable[Hit], question: str, *, at_last: bool = False) -> None:
        """Passages, the best first, of what the window does not show.

        Parameters
        ----------
        at_last: whether the window is full, so that passages may take all that is left.
        """
        asked = [] if self._asked is None else [self._asked]
        shown = {key_of(m) for unit in (*self._window, *asked) for m in unit.messages}
        shown |= {key_of(m) for m in self._instructions}
        chosen = self._known.hits
        for key in chosen.keys() & shown:
            del chosen[key]
        without = self._known.tokens_without_hits()
        cap = self._max if at_last else self._caps["recalled"]
        for hit in hits:
            key = key_of(hit.item)
            if key in shown or key in chosen or not worth_recalling(hit.item, question):
                continue
            if len(chosen) >= RECALLED_PASSAGES:
                break
            room = min(cap + without - self._known.tokens, self._left(of_all=at_last))
            cost = self._line_tokens(key, hit)
            if cost <= room:
                before = self._known.tokens
                chosen[key] = hit
                cost = self._known.tokens - before
                if self._known.tokens - without <= cap and self._left(of_all=at_last) >= 0:
                    self._refused.pop(key, None)
                    continue
                del chosen[key]
            what = named(hit.item)
            self._refused[key] = Dropped(section="recalled", what=what, tokens=cost, why="does not fit any more")
        for key in self._refused.keys() & shown:
            del self._refused[key]

    def _line_tokens(self, key: Key, hit: Hit) -> int:
        """Of a passage by itself: what does not fit so is not tried in its place, which costs more."""
        if key not in self._lines:
            self._lines[key] = self._base.count(passage_line(hit))
        return self._lines[key]

    async def window(self) -> None:
        """The newest messages, as many as fit."""
        while (unit := self._ahead.popleft() if self._ahead else await self._units.next()) is not None:
            if unit is self._asked:
                self._asked = None
                self._spent -= unit.tokens
            if unit.tokens > self._left(of_all=True):
                what = f"message {unit.messages[0].seq} and all before it"
                self._drop("window", what, unit.tokens, "the window ends where one does not fit")
                break
            self._show(unit)
        if self._summary is not None and self._shown_up_to(self._summary.covers_seq) >= self._summary.covers_seq:
            cost = self._sections.pop("summary").tokens
            self._dropped = [one for one in self._dropped if one.section != "summary"]
            self._drop("summary", f"up to message {self._summary.covers_seq}", cost, "the window shows all it covers")
            self._known.summary = ""

    def _show(self, unit: Unit) -> None:
        self._window.append(unit)
        self._spent += unit.tokens
        self._shown += unit.tokens

    def _shown_up_to(self, seq: int) -> int:
        """How many of the messages up to a number are in the window or among the instructions."""
        units = self._window if self._asked is None else [*self._window, self._asked]
        recent = (message for unit in units for message in unit.messages)
        return sum(message.seq <= seq for message in (*self._instructions, *recent))

    def _note(self, name: str, tokens: int, count: int, why: str) -> None:
        if count:
            self._sections[name] = Section(name=name, tokens=tokens, count=count, why=why)

    def _drop(self, section: str, what: str, tokens: int, why: str) -> None:
        self._dropped.append(Dropped(section=section, what=what, tokens=tokens, why=why))

    def context(self) -> Context:
        """The context as it is now."""
        text = self._known.text()
        recent = [message for unit in reversed(self._window) for message in unit.messages]
        asked = [] if self._asked is None else self._asked.messages
        messages = [_to_send(message) for message in self._instructions]
        recalled = sorted(self._known.hits.values(), key=lambda hit: -hit.score)
        if text:
            messages.append({"role": "system", "content": text})
            self._note("recalled", 0, len(recalled), "answer the question best")
            for name, cost in self._known.costs(self._caps).items():
                if name in self._sections:
                    self._sections[name] = structs.replace(self._sections[name], tokens=cost)
        messages += [_to_send(message) for message in (*asked, *recent)]
        if self._asked is not None:
            self._note("question", self._asked.tokens, len(asked), "the user's last message, beyond the window")
        self._note("window", self._shown, len(recent), "the newest messages")
        return Context(
            messages=messages,
            sections=[self._sections[name] for name in SECTIONS if name in self._sections],
            dropped=[*self._dropped, *self._refused.values()],
            tokens=self._spent + self._known.tokens,
            max_tokens=self._max,
            recalled=recalled,
            window=recent,
            question=asked,
        )


def _to_send(message: Message) -> dict[str, JSON]:
    """A message in the shape it was given in, but for a role in the words of a framework, which models refuse."""
    ready = message.to_provider()
    if ready["role"] in _FRAMEWORK_ROLES:
        ready["role"] = message.role
    return ready


def _asks(message: Message) -> bool:
    """Whether a user says something, and does not merely hand in the result of a tool."""
    return message.role == "user" and (bool(_own_words(message)) or not answers_of(message))


def _own_words(message: Message) -> str:
    """The text of a message without that of the tools whose results are in it."""
    if not isinstance(message.content, list):
        return message.text
    return "\n".join(part.text for part in message.content if part.kind != "tool_result" and part.text)
