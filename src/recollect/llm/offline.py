"""The offline answerer: replies without a model, by quoting what was said, by whom, when and where."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct

from recollect import AsyncRecollect, Hit, Memory, Message
from recollect.llm.phrases import ABOUT_PREFERENCES, Phrases, phrases_for

OFFLINE = "offline"
"""What the metadata of its replies says for ``model``, so that it never quotes itself."""

PASSAGES = 4
CANDIDATES = 40
QUOTE_CHARACTERS = 320
CLEARLY_WORSE = 0.35
"""A passage with less than this part of the best one's score is left out."""
LENT_WITHIN = 2
"""So many messages away from another, a message gets a part of its score (``neighbours``) from it."""
GROUNDS = frozenset({"lexical", "expansion", "date", "vector"})
"""Parts of a score that a passage has by itself."""

_WORD = re.compile(r"[^\W_]+", re.UNICODE)
_CJK = re.compile(r"[\u1100-\u11ff\u3041-\u30ff\u3130-\u318f\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff]")
_SENTENCE = re.compile(r"(?<=[.!?])\s+|(?<=[。!?…])|\n+")
_QUESTION = re.compile(r"[??]\s*$|(?:か|吗|嗎|呢|니|나요|까요|습니까)[。.]?\s*$")


class Quotation(Struct, frozen=True):
    """What the answerer says, and the passages it quotes."""

    text: str
    hits: list[Hit]


async def quote(memory: AsyncRecollect, asked: Message, namespaces: Sequence[tuple[str, ...]] = ()) -> Quotation:
    """The reply to a stored message of the user.

    Looks through everything the user has said and heard (through the session alone when it has no user), the user's
    memories, and the documents of `namespaces`; leaves out the message itself, its repetitions and earlier replies of
    this answerer, and prefers statements to questions.
    """
    question = asked.text
    words = phrases_for(question)
    session = asked.session_id if asked.user_id is None else None
    found = await memory.search(
        question[:2000], limit=CANDIDATES, user=asked.user_id, session=session, namespaces=namespaces
    )
    passages = await _best(memory, found, asked)
    hits = [hit for hit, _ in passages]
    blocks = [words.no_model]
    preferences = await _preferences(memory, asked)
    if preferences:
        blocks.append("\n".join([words.preferences, *preferences]))
    if hits:
        titles = await _titles(memory, hits)
        quoted = [_passage(hit, reply, question, titles, words) for hit, reply in passages]
        blocks.append("\n\n".join([words.found, *quoted]))
    if not hits and not preferences:
        blocks.append(words.nothing)
    blocks.append(words.how)
    return Quotation("\n\n".join(blocks), hits)


async def _best(memory: AsyncRecollect, found: Iterable[Hit], asked: Message) -> list[tuple[Hit, Message | None]]:
    """The passages to quote; a question among them with the reply that it got from somebody."""
    found = list(found)
    same = _plain(asked.text)
    echoes = [_place(hit.message) for hit in found if hit.message and _is_echo(hit.message, asked, same)]
    echoes.append(_place(asked))
    seen = {same}
    scored: list[tuple[float, Hit]] = []
    for hit in found:
        text = _plain(hit.text)
        if not text or text in seen or (hit.message is not None and not _quotable(hit.message, asked)):
            continue
        seen.add(text)
        if worth := _worth(hit, echoes):
            scored.append((worth * (0.5 if _QUESTION.search(hit.text) else 1.0), hit))
    scored.sort(key=lambda pair: -pair[0])
    best: list[tuple[Hit, Message | None]] = []
    quoted: set[tuple[str, int]] = set()
    for score, hit in scored:
        if len(best) == PASSAGES or score < scored[0][0] * CLEARLY_WORSE:
            break
        if hit.message is not None and _place(hit.message) in quoted:
            continue
        reply = await _reply_to(memory, hit.message) if hit.message and _QUESTION.search(hit.text) else None
        if reply is not None and _place(reply) in quoted:
            continue
        if reply is None or reply.metadata.get("model") != OFFLINE:
            best.append((hit, reply))
            quoted |= {_place(message) for message in (hit.message, reply) if message is not None}
    return best


def _place(message: Message) -> tuple[str, int]:
    return message.session_id, message.seq


def _is_echo(message: Message, asked: Message, same: str) -> bool:
    """Whether a message is the question, said now or before, or was made of it by this answerer."""
    return _plain(message.text) == same or message.metadata.get("model") == OFFLINE or _place(message) == _place(asked)


def _worth(hit: Hit, echoes: Sequence[tuple[str, int]]) -> float:
    """The score of a hit without what it has for standing beside the question itself; 0 when nothing else speaks for it."""
    score, grounds = hit.score, GROUNDS | {"neighbours"}
    if hit.message is not None:
        session_id, seq = _place(hit.message)
        if any(session_id == other and abs(seq - at) <= LENT_WITHIN for other, at in echoes):
            score, grounds = score - hit.explain.get("neighbours", 0.0), GROUNDS
    return score if hit.explain.keys() & grounds else 0.0


def _quotable(message: Message, asked: Message) -> bool:
    return (
        message.role in ("user", "assistant")
        and message.metadata.get("model") != OFFLINE
        and not (message.session_id == asked.session_id and message.seq >= asked.seq)
    )


async def _reply_to(memory: AsyncRecollect, asked: Message) -> Message | None:
    """What somebody else said next."""
    reply = await memory.session(asked.session_id).get(asked.seq + 1)
    if reply is None or not reply.text or reply.role not in ("user", "assistant"):
        return None
    return reply if (reply.role, reply.name) != (asked.role, asked.name) else None


async def _titles(memory: AsyncRecollect, hits: Iterable[Hit]) -> dict[str, str]:
    titles = {}
    for session_id in dict.fromkeys(hit.message.session_id for hit in hits if hit.message is not None):
        header = await memory.session(session_id).info()
        titles[session_id] = f"“{header.title}”" if header is not None and header.title else session_id
    return titles


def _passage(hit: Hit, reply: Message | None, question: str, titles: dict[str, str], words: Phrases) -> str:
    when = _when(hit.item.created_at, words)
    if hit.message is not None:
        who, session = _who(hit.message, words), titles[hit.message.session_id]
        source = words.source.format(who=who, when=when, session=session)
    else:
        source = _memory_source(hit.item, when, words)
    lines = [f"> {excerpt(hit.text, question)}"]
    if reply is not None:
        lines.append(f"> {words.asked.format(who=_who(reply, words), text=excerpt(reply.text, question))}")
    return "\n".join([*lines, f"— {source}"])


def _memory_source(memory: Message | Memory, when: str, words: Phrases) -> str:
    """A document by its title and heading, a memory by when it was learned."""
    told = memory.source if isinstance(memory, Memory) else {}
    if "document" not in told:
        return words.memory.format(when=when)
    title = str(told.get("title") or told["document"])
    heading = str(told.get("heading") or "")
    part = heading or str(int(told.get("position", 0)) + 1)
    return words.document.format(title=title, part=part)


async def _preferences(memory: AsyncRecollect, asked: Message) -> list[str]:
    """The lines of the preference document that the question is about."""
    if asked.user_id is None:
        return []
    values = await memory.user(asked.user_id).preferences.get()
    if not values:
        return []
    wanted = _terms(asked.text)
    lines = {f"- {key}: {_shown(value)}": _terms(f"{key} {_shown(value)}") for key, value in sorted(values.items())}
    matching = [line for line, terms in lines.items() if terms & wanted]
    return matching or (list(lines) if ABOUT_PREFERENCES.search(asked.text) else [])


def excerpt(text: str, question: str) -> str:
    """The part of a text that shares most with the question: whole when short, else the best sentences of it."""
    text = text.strip()
    if len(text) <= QUOTE_CHARACTERS:
        return " ".join(text.split())
    wanted = _terms(question)
    sentences = [part.strip() for part in _SENTENCE.split(text[:50_000]) if part and part.strip()]
    best = max(range(len(sentences)), key=lambda i: (len(_terms(sentences[i]) & wanted), -i))
    first, last = best, best + 1
    while last < len(sentences) and sum(map(len, sentences[first : last + 1])) < QUOTE_CHARACTERS:
        last += 1
    body = " ".join(" ".join(sentences[first:last]).split())
    cut = body if len(body) <= QUOTE_CHARACTERS else body[:QUOTE_CHARACTERS].rstrip() + " …"
    return ("… " if first else "") + cut + (" …" if last < len(sentences) and cut == body else "")


def _terms(text: str) -> set[str]:
    found: set[str] = set()
    for word in _WORD.findall(text.casefold()[:50_000]):
        if _CJK.search(word):
            found.update(word[i : i + 2] for i in range(max(1, len(word) - 1)))
        elif len(word) > 2:
            found.add(word)
    return found


def _plain(text: str) -> str:
    return " ".join(_WORD.findall(text.casefold()))


def _who(message: Message, words: Phrases) -> str:
    return message.name or (words.user if message.role == "user" else words.assistant)


def _when(instant: datetime | None, words: Phrases) -> str:
    return words.undated if instant is None else f"{instant:%Y-%m-%d %H:%M} UTC"


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_shown, value))
    if isinstance(value, dict):
        return "; ".join(f"{key}: {_shown(item)}" for key, item in value.items())
    return str(value)
