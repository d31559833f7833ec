"""Memories drawn from conversation by a chat model."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from recollect import ExtractionTask, InvalidAnswer, Said, Statement
from recollect.llm.asking import Asking
from recollect.llm.openai import OpenAIChatModel
from recollect.llm.protocol import ChatModel

LONGEST_ANSWER = 60_000
"""Characters: an answer is read no further."""

MOST_STATEMENTS = 100

LONGEST_VALUE = 200
"""Characters of the value of a preference."""

MOST_STARTS = 200
"""Of JSON in an answer that are tried; prose with more braces than these is none."""

_AGAIN = (
    'That was not valid ({why}). Answer with the JSON object alone: {{"statements": [...]}}, each with content, kind '
    "(fact, preference or event) and messages (labels such as m1)."
)


class _Given(Struct):
    """A statement as a model writes it; labels instead of ids."""

    content: str
    kind: Literal["fact", "preference", "event"]
    messages: list[str]
    subject: str | None = None
    at: str | None = None
    supersedes: str | None = None
    key: str | None = None
    value: str | int | float | bool | None = None


class _Answer(Struct):
    statements: list[_Given]


class ModelExtractor:
    """An extractor over a chat model; see `recollect.Extractor`.

    Parameters
    ----------
    model: a chat model, or a function that makes one. An `OpenAIChatModel` and what a function makes get connections of
        their own for each call, closed behind it, so that they serve both clients and any number of event loops. Another
        model is used as it is, and stays its owner's.
    max_input_tokens: of messages in one request; leave room for the prompt and for the answer in the model's window.
    max_known: memories that it is shown. timeout: seconds that an answer may take, all attempts together; keep it under the
        300 seconds after which another program may take a session over.

    `extract` raises `ModelError` when the model fails or takes too long, and `InvalidAnswer` when it has answered twice what
    is no list of statements. Prose, fences and thoughts around the JSON do no harm.
    """

    def __init__(
        self,
        model: ChatModel | Callable[[], ChatModel],
        *,
        max_input_tokens: int = 3000,
        max_known: int = 20,
        timeout: float = 120.0,
    ) -> None:
        self._asking = Asking(model, timeout, "the statements in a conversation")
        self._max_input_tokens = max_input_tokens
        self._max_known = max_known

    @property
    def name(self) -> str:
        """The model."""
        return self._asking.name

    @property
    def max_input_tokens(self) -> int:
        """Tokens of messages in one request."""
        return self._max_input_tokens

    @property
    def max_known(self) -> int:
        """Memories that it is shown."""
        return self._max_known

    async def extract(self, task: ExtractionTask) -> list[Statement]:
        """Ask the model."""
        async with self._asking.use() as model:
            return await self._asking.accepted(
                model,
                prompt_for(task),
                LONGEST_ANSWER,
                lambda answer: _statements(read_answer(answer), task),
                again=_AGAIN,
            )


def openai_extractor(
    model: str,
    *,
    base_url: str | None = None,
    api_key: str | None = None,
    max_input_tokens: int = 3000,
    max_known: int = 20,
    timeout: float = 120.0,
) -> ModelExtractor:
    """An extractor over any OpenAI-compatible endpoint, for either client; parameters as those of `OpenAIChatModel`.

    Raises `ConfigError` when `openai` is not installed or a key is missing.
    """

    def make() -> ChatModel:
        return OpenAIChatModel(model, base_url=base_url, api_key=api_key, timeout=min(60.0, timeout))

    return ModelExtractor(make, max_input_tokens=max_input_tokens, max_known=max_known, timeout=timeout)


@cache
def _rule() -> str:
    return (Path(__file__).parent / "prompts" / "extract.txt").read_text("utf-8").strip()


def prompt_for(task: ExtractionTask) -> list[dict[str, Any]]:
    """What a model is asked. Messages and memories have labels: ids are long, and may be anything."""
    told = []
    if task.known:
        known = (f"[k{number}] {_one_line(memory.content)}" for number, memory in enumerate(task.known, 1))
        told.append("What is known of the user:\n" + "\n".join(known))
    if task.before:
        told.append("What was said before, for reference only:\n" + "\n".join(_shown(one, "") for one in task.before))
    lines = (_shown(one, f"[m{number}] ") for number, one in enumerate(task.messages, 1))
    told.append("The part to draw statements from:\n" + "\n".join(lines))
    return [{"role": "system", "content": _rule()}, {"role": "user", "content": "\n\n".join(told)}]


def _shown(said: Said, label: str) -> str:
    day = f"{said.at.date().isoformat()} " if said.at is not None else ""
    who = said.role if said.speaker == said.role else f"{said.role} {said.speaker}"
    return f"{label}{day}{_one_line(who)}: {said.text}"


def _one_line(text: str) -> str:
    return " ".join(text.split())


_THOUGHTS = re.compile(r"\A.*</think(?:ing)?>|<think(?:ing)?>.*\Z", re.DOTALL | re.IGNORECASE)


_START = re.compile(r"[\[{]")
_BEGUN = re.compile(r'\{\s*"statements"')


def read_answer(text: str) -> list[_Given]:
    """The statements in what a model has answered: in the first valid JSON in it, whatever stands around that.

    Raises `InvalidAnswer` that says what is wrong with it.
    """
    why = "no JSON"
    for value in _values(_THOUGHTS.sub("", text)):
        given = {"statements": value} if isinstance(value, list) else value
        try:
            found = msgspec.convert(given, _Answer).statements
        except msgspec.ValidationError as error:
            why = str(error)
            continue
        if len(found) > MOST_STATEMENTS:
            why = f"{len(found)} statements"
            continue
        return found
    raise InvalidAnswer(f"no list of statements: {why}")


def _values(text: str) -> Iterator[Any]:
    """The objects and lists of JSON in a text, in order; not those inside of others."""
    decoder, place, starts = json.JSONDecoder(), 0, 0
    while starts < MOST_STARTS:
        found = _START.search(text, place)
        if found is None:
            return
        starts += 1
        try:
            value, place = decoder.raw_decode(text, found.start())
        except (ValueError, RecursionError):
            if _BEGUN.match(text, found.start()):
                return  # half an answer: what is whole inside of it is not all that was meant
            place = found.start() + 1
            continue
        yield value


def _statements(given: list[_Given], task: ExtractionTask) -> list[Statement]:
    """With ids in the place of labels; labels that there are not are left out."""
    messages = {f"m{number}": said.id for number, said in enumerate(task.messages, 1)}
    known = {f"k{number}": memory.id for number, memory in enumerate(task.known, 1)}
    return [
        Statement(
            content=one.content,
            kind=one.kind,
            subject=_subject(one.subject),
            at=_instant(one.at),
            messages=[messages[name] for label in one.messages if (name := label.strip("[] ")) in messages],
            supersedes=known.get((one.supersedes or "").strip("[] ")),
            key=(key := _key(one)),
            value=None if key is None else one.value,
        )
        for one in given
    ]


def _key(given: _Given) -> str | None:
    """The preference that is suggested; None for what is no preference, or says not how it is to be set."""
    if given.kind != "preference" or given.value is None or len(str(given.value)) > LONGEST_VALUE:
        return None
    return _one_line(given.key or "")[:100] or None


def _subject(given: str | None) -> str | None:
    told = _one_line(given or "")[:100]
    return None if told.casefold() in ("", "user", "the user", "null", "none", "self") else told


def _instant(given: str | None) -> datetime | None:
    try:
        found = datetime.fromisoformat((given or "").strip())
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
