"""What was drawn from a conversation against what is known of its user: new, known already, or in place of the old."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Any

from recollect.core import areas, memories
from recollect.core.base import Base
from recollect.core.extractor import KINDS, LONGEST_STATEMENT, DigestReport, Statement
from recollect.core.memories import memory_of
from recollect.errors import Conflict, NotFound
from recollect.model import JSON, Memory, Message

ATTEMPTS = 20

DISMISSED, ACCEPTED = "dismissed", "accepted"
"""What becomes of a suggestion, in the metadata of the memory that makes it."""

_WORD = re.compile(r"[\w']+")
_FILLERS = frozenset(("a", "an", "the", "really", "very", "also"))


def accepted(statements: Iterable[object], messages: Sequence[Message]) -> list[Statement]:
    """Those that are statements, of a kind there is, short enough, and drawn from messages that the user said.

    Parameters
    ----------
    messages: the user's messages that the extractor was given.
    """
    own = {message.id for message in messages}
    found: list[Statement] = []
    for statement in statements:
        if not isinstance(statement, Statement) or not isinstance(statement.content, str):
            continue
        content = " ".join(statement.content.encode("utf-8", "replace").decode().split())
        sources = list(dict.fromkeys(id for id in statement.messages if id in own))
        if content and len(content) <= LONGEST_STATEMENT and sources and statement.kind in KINDS:
            found.append(
                Statement(
                    **{name: getattr(statement, name) for name in statement.__struct_fields__}
                    | {"content": content, "messages": sources}
                )
            )
    return found


async def keep(
    base: Base, user_id: str, session_id: str, statements: Sequence[Statement], times: dict[str, datetime], by: str
) -> tuple[DigestReport, list[str]]:
    """Keep what is new; the figures, and the ids of what was written. Repeating it writes nothing twice.

    Parameters
    ----------
    times: when the messages were said, by their ids. by: the extractor's name.
    """
    path = (areas.USER, user_id)
    report, written = DigestReport(), []
    known = await _known(base, path)
    slots: set[str] = set()
    for statement in statements:
        for attempt in range(ATTEMPTS):
            try:
                what, changed = await _keep_one(base, path, session_id, statement, known, times, by)
                break
            except (Conflict, NotFound):
                # Somebody else has closed, replaced or forgotten what this one was to take the place of.
                if attempt + 1 == ATTEMPTS:
                    raise
                known = await _known(base, path)
        if changed:
            written.append(changed[-1].id)
            known = {**known, **{memory.id: memory for memory in changed}}
        if statement.slot is not None:
            # Also when it was known already: an earlier try may have written it and gone no further.
            slots.add(statement.slot)
        report += DigestReport(statements=1, **{what: 1})
    if slots:
        await _settle(base, path, slots)
    return report, written


async def _known(base: Base, path: tuple[str, ...]) -> dict[str, Memory]:
    found = [memory_of(row, path) async for rows in base.area.pages(areas.log_of(path)) for row in rows]
    return {memory.id: memory for memory in found}


async def _settle(base: Base, path: tuple[str, ...], slots: set[str]) -> None:
    """Close all but the latest statement of a slot, where another program has filled it at the same time."""
    known = await _known(base, path)
    for slot in slots:
        found = [one for one in known.values() if one.closed_at is None and one.metadata.get("slot") == slot]
        for memory in sorted(found, key=lambda one: (one.created_at or base.driver.now(), one.id))[:-1]:
            try:
                await memories.close(base, path, memory.id)
            except (Conflict, NotFound):
                continue  # closed or forgotten by the other


async def _keep_one(
    base: Base,
    path: tuple[str, ...],
    session_id: str,
    statement: Statement,
    index: dict[str, Memory],
    times: dict[str, datetime],
    by: str,
) -> tuple[str, list[Memory]]:
    """What a statement is, and the memories that it changed, its own the last."""
    known = list(index.values())
    source: dict[str, JSON] = {"session": session_id, "messages": list(statement.messages)}
    said = max((times[id] for id in statement.messages if id in times), default=base.driver.now())
    if any(
        memory.source.get("session") == session_id
        and memory.source.get("messages") == source["messages"]
        and memory.content == statement.content
        for memory in known
    ):
        return "known", []  # kept by an earlier try
    if any(memory.closed_at is None and alike(memory, statement) for memory in known):
        return "known", []
    old = [memory for memory in known if memory.closed_at is None and _replaced(memory, statement)]
    fields: dict[str, Any] = {
        "id": _id(statement, old, known),
        "kind": statement.kind,
        "subject": statement.subject,
        "source": source,
        "created_at": said,
        "metadata": _metadata(statement, known, by),
    }
    for other in old:
        if other.created_at is not None and other.created_at > said:
            # Said before what is known: it held until then.
            kept = await memories.remember_closed(
                base, path, statement.content, closed_at=other.created_at, superseded_by=other.id, **fields
            )
            return "known", [kept]
    if not old:
        return "new", [await memories.remember(base, path, statement.content, **fields)]
    closed = [await memories.close(base, path, other.id) for other in old[1:]]
    kept = await memories.supersede(base, path, old[0].id, statement.content, **fields)
    first = old[0].replace(closed_at=base.driver.now(), superseded_by=kept.id)
    return "superseding", [*closed, first, kept]


def _id(statement: Statement, old: Sequence[Memory], known: Sequence[Memory]) -> str:
    """The same for the same statement in the same state of what is known: two programs that keep it keep one."""
    said = " ".join(_words(statement.content)) or statement.content
    before = sorted(memory.id for memory in known if memory.closed_at is not None and alike(memory, statement))
    told = "\0".join([statement.kind, statement.subject or "", said, *before, *sorted(memory.id for memory in old)])
    return f"digest-{blake2b(told.encode(), digest_size=16).hexdigest()}"


def alike(memory: Memory, statement: Statement) -> bool:
    """Whether both say the same: the same words in the same order, but for articles and the like.

    Nothing looser: *prefers tea to coffee* and *does not like tea* share nearly all their words with their contraries.
    """
    if (memory.subject or "") != (statement.subject or ""):
        return False
    ours = _words(statement.content)
    return ours == _words(memory.content) if ours else statement.content.strip() == memory.content.strip()


def _words(text: str) -> list[str]:
    return [word for word in _WORD.findall(text.casefold()) if word not in _FILLERS]


def _replaced(memory: Memory, statement: Statement) -> bool:
    if memory.id == statement.supersedes:
        return True
    return statement.slot is not None and memory.metadata.get("slot") == statement.slot


def _metadata(statement: Statement, known: Sequence[Memory], by: str) -> dict[str, JSON]:
    found: dict[str, JSON] = {"extractor": by}
    if statement.slot is not None:
        found["slot"] = statement.slot
    if statement.at is not None:
        found["at"] = statement.at.isoformat()
    if statement.kind == "preference":
        suggests: dict[str, JSON] = {"key": statement.key or "stated", "value": statement.value}
        if statement.key is None:
            suggests["value"] = statement.content
        if statement.listed or statement.key is None:
            suggests["listed"] = True
        if statement.opposite is not None:
            suggests["opposite"] = statement.opposite
        found["suggests"] = suggests
        if any(
            memory.metadata.get("suggestion") == DISMISSED and memory.metadata.get("suggests") == suggests
            for memory in known
        ):
            found["suggestion"] = DISMISSED
    return found
