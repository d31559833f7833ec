"""Summaries by a chat model."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from string import Template
from typing import Any

from recollect import Passage, SummaryTask
from recollect.llm.asking import Asking
from recollect.llm.openai import OpenAIChatModel
from recollect.llm.protocol import ChatModel, ModelError

TOO_LONG = 4
"""An answer so many times as long as asked for is not a summary. One that is less so is cut to whole sentences."""

LONGEST_TOKEN = 40
"""Characters: an answer is read no further than its tokens could reach."""

WORDS = 0.7
"""Of a token; what models keep to better than to tokens."""

_AGAIN = "That was not a summary. Answer with the summary alone: plain sentences, not empty, within the length."


class ModelSummarizer:
    """A summarizer over a chat model; see `recollect.Summarizer`.

    Parameters
    ----------
    model: a chat model, or a function that makes one. An `OpenAIChatModel` and what a function makes get connections of
        their own for each summary, closed behind it, so that they serve both clients and any number of event loops. Another
        model is used as it is, and stays its owner's.
    max_input_tokens: of messages in one request; leave room for the prompt and for the answer in the model's window.
    timeout: seconds that a summary may take, all attempts together.

    `summarize` raises `ModelError` when the model fails, takes too long, or answers what is no summary: nothing, half a
    JSON, a refusal, something absurdly long. Fences, labels, quotation marks and thoughts around a summary are taken off.
    """

    def __init__(
        self, model: ChatModel | Callable[[], ChatModel], *, max_input_tokens: int = 3000, timeout: float = 120.0
    ) -> None:
        self._asking = Asking(model, timeout, "a summary")
        self._max_input_tokens = max_input_tokens

    @property
    def name(self) -> str:
        """The model."""
        return self._asking.name

    @property
    def max_input_tokens(self) -> int:
        """Tokens of messages in one request."""
        return self._max_input_tokens

    async def summarize(self, task: SummaryTask) -> str:
        """Ask the model."""
        async with self._asking.use() as model:
            most = task.max_tokens * TOO_LONG * LONGEST_TOKEN
            return await self._asking.accepted(
                model, prompt_for(task), most, lambda answer: self._checked(answer, task), again=_AGAIN
            )

    def _checked(self, answer: str, task: SummaryTask) -> str:
        text = clean(answer)
        if not text:
            raise ModelError(f"the model {self.name!r} gave an empty summary")
        if _DATA.match(text) or _REFUSAL.match(text):
            raise ModelError(f"the model {self.name!r} gave no summary: {text[:80]!r}")
        if (tokens := task.count(text)) > task.max_tokens * TOO_LONG + 100:
            raise ModelError(f"the model {self.name!r} gave {tokens:,} tokens for a summary of {task.max_tokens:,}")
        return text


def openai_summarizer(
    model: str,
    *,
    base_url: str | None = None,
    api_key: str | None = None,
    max_input_tokens: int = 3000,
    timeout: float = 120.0,
) -> ModelSummarizer:
    """A summarizer over any OpenAI-compatible endpoint, for either client; parameters as those of `OpenAIChatModel`.

    Raises `ConfigError` when `openai` is not installed or a key is missing.
    """

    def make() -> ChatModel:
        return OpenAIChatModel(model, base_url=base_url, api_key=api_key, timeout=min(60.0, timeout))

    return ModelSummarizer(make, max_input_tokens=max_input_tokens, timeout=timeout)


@cache
def _template(name: str) -> Template:
    return Template((Path(__file__).parent / "prompts" / name).read_text("utf-8"))


def prompt_for(task: SummaryTask) -> list[dict[str, Any]]:
    """What a model is asked."""
    name = "condense.txt" if task.condenses else "summary.txt"
    rule = _template(name).substitute(words=max(10, int(task.max_tokens * WORDS)))
    told = "\n".join(map(_shown, task.passages))
    if task.known and not task.condenses:
        told = f"What came before, for reference only:\n{task.known}\n\nThe part to summarise:\n{told}"
    return [{"role": "system", "content": rule.strip()}, {"role": "user", "content": told}]


def _shown(passage: Passage) -> str:
    if not passage.speaker:
        return f"- {passage.text}"
    day = f"{passage.at.date().isoformat()} " if passage.at is not None else ""
    return f"{day}{passage.speaker}: {passage.text}"


_THOUGHTS = re.compile(r"\A.*</think(?:ing)?>|<think(?:ing)?>.*\Z", re.DOTALL | re.IGNORECASE)
_FENCE = re.compile(r"\A.*?```\w*\n(?P<inner>.*?)\n?```.*\Z", re.DOTALL)
_LABEL = re.compile(
    r"\A(?:[#*_ ]*(?:(?:here(?:'s| is| are)|sure|okay|certainly)[^\n:]{0,100}:|(?:updated |new )?summary\s*:?(?=[*_:\s]*\n)|summary\s*:|요약\s*:|要約\s*[:：]|摘要\s*[:：])[*_ ]*\s*)+",
    re.IGNORECASE,
)
_REFUSAL = re.compile(r"(?:I['’]m sorry|I am sorry|Sorry, (?:but )?I|I can(?:no|['’])t|As an AI)\b", re.IGNORECASE)
_DATA = re.compile(r'\{|\[\s*(?:["{\[\]]|-?\d+\s*[,\]])')
_QUOTES = {'"': '"', "“": "”", "「": "」", "'": "'"}


def clean(answer: str) -> str:
    """The summary in what a model has answered, without what models put around one; empty if there is none."""
    text = _THOUGHTS.sub("", answer).strip()
    if fenced := _FENCE.match(text):
        text = fenced["inner"].strip()
    text = _of_json(text)
    text = _LABEL.sub("", text).strip()
    if len(text) > 1 and _QUOTES.get(text[0]) == text[-1] and text.count(text[0]) + text.count(text[-1]) in (2, 4):
        text = text[1:-1].strip()
    return re.sub(r"\s*\n\s*", "\n", text)


def _of_json(text: str) -> str:
    """The text inside, when a model answers an object, with prose around it or not."""
    start = text.find("{")
    if start < 0:
        return text
    try:
        value, _ = json.JSONDecoder().raw_decode(text[start:])
    except ValueError:
        return text
    texts = [found for key in ("summary", "text", "content") if isinstance(found := value.get(key), str)]
    return texts[0].strip() if texts else text
