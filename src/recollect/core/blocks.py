"""Which messages a summary takes up next: how far, in what pieces, and what of them can be read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec
from msgspec import Struct

from recollect.core.base import Base
from recollect.core.messages import answers_of, calls_of
from recollect.core.summarizer import Passage
from recollect.core.views import is_recallable
from recollect.core.window import PAGE, PAIR_REACH
from recollect.model import Message

BLOCK_ROWS = 1000
"""Messages of a block at most."""

PASSAGE_CHARACTERS = 4000
"""What is read of one message: its beginning and its end. A longer one is a document."""

RESULT_CHARACTERS = 600
"""The same for what a tool gave, and for the arguments of a call."""


class Limits(Protocol):
    """What decides whether a summary is due; see `summaries.Limits`."""

    @property
    def max_recent(self) -> int: ...

    @property
    def max_tokens(self) -> int | None: ...

    @property
    def force(self) -> bool: ...


class Block(Struct, frozen=True, kw_only=True):
    """Messages that go into a summary together.

    Parameters
    ----------
    passages: what can be read of them. tokens: of the passages. first_seq, last_seq: all of them.
    """

    passages: list[Passage]
    tokens: int
    first_seq: int
    last_seq: int


async def border(base: Base, session_id: str, covered: int, limits: Limits) -> int | None:
    """The number up to which messages are to be summarised; None if nothing is due.

    Parameters
    ----------
    covered: the number up to which they are already.
    """
    count = tokens = 0
    until: int | None = None
    due = limits.force
    before: tuple[int] | None = None
    while True:
        rows = await base.messages(
            session_id, after=(covered,) if covered else None, before=before, limit=PAGE, reverse=True
        )
        for row in rows:
            if row.role == "system":
                continue
            count += 1
            tokens += base.tokens(row) if limits.max_tokens is not None else 0
            over = limits.max_tokens is not None and tokens > limits.max_tokens
            half = limits.max_tokens is not None and count > 1 and 2 * tokens > limits.max_tokens
            if until is None and (count > limits.max_recent or half):
                until = row.seq
            due = due or over or count > 2 * limits.max_recent
            if due and until is not None:
                return until
        if len(rows) < PAGE:
            return None
        before = (rows[-1].seq,)


async def next_block(base: Base, session_id: str, covered: int, until: int, most: int) -> Block | None:
    """The next messages to summarise, cut where no tool call stands apart from its result.

    Parameters
    ----------
    covered: the number up to which messages are summarised. until: the last that may be.
    most: tokens of a block, unless a single stretch that cannot be cut has more.

    None where nothing can be cut off, and where there is nothing to read.
    """
    limit = BLOCK_ROWS + PAIR_REACH
    rows = await base.messages(session_id, after=(covered,) if covered else None, limit=limit)
    known = len(rows) if len(rows) < limit else BLOCK_ROWS
    whole = cuts(rows)
    passages: list[Passage] = []
    tokens = 0
    found: Block | None = None
    for index, row in enumerate(rows[:known]):
        if row.seq > until:
            break
        passage = passage_of(row)
        if passage is not None:
            passages.append(passage)
            tokens += base.count(passage.text)
        if found is not None and tokens > most:
            break
        if whole[index] and passages:
            found = Block(passages=list(passages), tokens=tokens, first_seq=covered + 1, last_seq=row.seq)
    return found


def cuts(rows: Sequence[Message]) -> list[bool]:
    """For each message whether a summary may end with it: no call up to it is answered behind it, or still waits to be."""
    made_at: dict[str, int] = {}
    waiting: dict[str, int] = {}
    whole = [True] * len(rows)
    for index, row in enumerate(rows):
        answers, calls = answers_of(row), calls_of(row)
        for call in answers - calls:
            waiting.pop(call, None)
            if call in made_at:
                first = made_at[call]
                whole[first:index] = [False] * (index - first)
        if row.role == "user" and not answers:
            waiting.clear()  # whoever goes on talking waits no more
        made_at.update(dict.fromkeys(calls, index))
        waiting.update(dict.fromkeys(calls, index))
    if waiting:
        first = min(waiting.values())
        whole[first:] = [False] * (len(rows) - first)
    return whole


def passage_of(message: Message) -> Passage | None:
    """What a summary reads of a message; None for instructions, and for what is not to be recalled."""
    if message.role == "system" or not is_recallable(message):
        return None
    text = clip(message.text, RESULT_CHARACTERS if message.role == "tool" else PASSAGE_CHARACTERS)
    called = [_called(call) for call in message.tool_calls or ()]
    if isinstance(message.content, list):
        called += [_called(part) for part in message.content if part.kind == "tool_call"]
        called += [clip(part.text, RESULT_CHARACTERS) for part in message.content if part.kind == "tool_result"]
    text = "\n".join(piece for piece in (text.strip(), *called) if piece)
    if not text:
        return None
    return Passage(
        text=text,
        speaker=" ".join((message.name or "").split()) or message.role,
        at=message.created_at,
        first_seq=message.seq,
        last_seq=message.seq,
    )


def _called(call: object) -> str:
    """A tool call in words."""
    given = call if isinstance(call, dict) else {}
    function = given.get("function")
    inner = function if isinstance(function, dict) else given
    arguments = inner.get("arguments", inner.get("input", inner.get("args", "")))
    shown = arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode()
    return f"[calls {inner.get('name', 'a tool')}({clip(shown, RESULT_CHARACTERS)})]"


def clip(text: str, most: int) -> str:
    """A text, or the beginning and the end of it."""
    if len(text) <= most:
        return text
    return f"{text[: most * 3 // 4]} … {text[-(most // 4) :]}"
