"""Any OpenAI-compatible endpoint as a chat model: OpenAI, vLLM, Ollama, llama.cpp and the like."""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from recollect import ConfigError
from recollect.llm.protocol import ChatModel, Delta, ModelError, Usage
from recollect.llm.wire import to_wire

if TYPE_CHECKING:
    import openai

LONGEST_PAUSE = 10.0
"""Seconds that a repeat waits at most. An endpoint that asks for more gets no repeat: the user is told instead."""

LONGEST_REPLY = 2_000_000
"""Characters of a reply. No model means to say more; one that goes round in circles would fill the memory."""


class OpenAIChatModel:
    """A model behind the official `openai` client, streaming.

    Parameters
    ----------
    model: as the endpoint calls it, e.g. ``gpt-4o-mini`` or ``llama3.2``.
    base_url: e.g. ``http://localhost:11434/v1`` for Ollama; OpenAI itself when None.
    api_key: None for endpoints that need none. ``OPENAI_API_KEY`` is used for OpenAI itself only, never sent elsewhere.
    timeout: seconds without anything new from the endpoint.
    max_retries: repeats when it refuses the connection or answers 408, 409, 429 or 5xx before any text, with growing
        pauses or as ``Retry-After`` asks. A time-out is not repeated: the user has waited long enough.

    Raises `ConfigError` when `openai` is not installed or a key is missing.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        timeout: float = 60.0,
        max_retries: int = 2,
    ) -> None:
        try:
            import openai
        except ImportError as error:
            raise ConfigError('openai is not installed: pip install "recollect[llm]"') from error
        self._model = model
        self._url = base_url or os.environ.get("OPENAI_BASE_URL") or None
        if base_url:
            key = api_key or "not-needed"
        else:
            key = api_key or os.environ.get("OPENAI_API_KEY") or ("not-needed" if self._url else "")
        if not key:
            raise ConfigError(
                "the OpenAI API needs a key: set RECOLLECT_LLM_API_KEY, or RECOLLECT_LLM_BASE_URL for another endpoint"
            )
        if self._url is not None and urlsplit(self._url).scheme not in ("http", "https"):
            raise ConfigError(f"the model's base URL starts with http:// or https://, not {self._url!r}")
        self._key = key
        self._timeout = timeout
        self._max_retries = max_retries
        self._ask_usage = True
        self._errors = openai
        self._client = openai.AsyncOpenAI(api_key=key, base_url=self._url, timeout=timeout, max_retries=0)

    @property
    def name(self) -> str:
        """The model."""
        return self._model

    @property
    def base_url(self) -> str | None:
        """The endpoint, without a password; None for OpenAI itself."""
        if self._url is None:
            return None
        parts = urlsplit(self._url)
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))

    def twin(self) -> OpenAIChatModel:
        """The same model with connections of its own, for another event loop: those of one cannot be used in another."""
        return OpenAIChatModel(
            self._model, base_url=self._url, api_key=self._key, timeout=self._timeout, max_retries=self._max_retries
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def stream(self, messages: list[dict[str, Any]]) -> AsyncGenerator[Delta, None]:
        """The reply, piece by piece; see `ChatModel.stream`."""
        ready = to_wire(messages)
        attempt = 0
        while True:
            begun = False
            try:
                async with aclosing(self._once(ready)) as pieces:
                    async for piece in pieces:
                        begun = begun or bool(piece.text)
                        yield piece
                return
            except (self._errors.OpenAIError, TimeoutError, json.JSONDecodeError, UnicodeDecodeError) as caught:
                if self._refuses_usage(caught):
                    self._ask_usage = False
                    continue
                error = self._translate(caught)
                pause = error.retry_after
                if pause is None:
                    pause = min(LONGEST_PAUSE, 0.5 * 2.0**attempt) * random.uniform(0.75, 1.0)
                attempt += 1
                if begun or attempt > self._max_retries or pause > LONGEST_PAUSE or not self._worth_repeating(caught):
                    raise error from caught
            await asyncio.sleep(pause)

    async def _once(self, messages: list[Any]) -> AsyncGenerator[Delta, None]:
        extra: dict[str, Any] = {"stream_options": {"include_usage": True}} if self._ask_usage else {}
        async with asyncio.timeout(self._timeout):
            source = await self._client.chat.completions.create(
                model=self._model, messages=messages, stream=True, **extra
            )
        finished, half, length = False, "", 0
        try:
            kind = source.response.headers.get("content-type", "")
            if kind.startswith(("text/html", "application/json")):
                raise ModelError(
                    f"{self._place()} answers {kind.partition(';')[0]}, not a stream of events: is the base URL right "
                    "(it usually ends in /v1)?",
                    retryable=False,
                )
            while True:
                async with asyncio.timeout(self._timeout):
                    chunk = await anext(source, None)
                if chunk is None:
                    break
                text, ended, usage = _read(chunk)
                finished = finished or ended
                text, half = _paired(half + text, whole=ended)
                length += len(text)
                if length > LONGEST_REPLY:
                    raise ModelError(
                        f"{self._place()} does not end: {LONGEST_REPLY:,} characters so far", retryable=False
                    )
                if text or usage is not None:
                    yield Delta(text, usage)
        finally:
            await source.close()
        if not finished:
            raise ModelError(f"{self._place()} broke off before the reply was finished")

    def _refuses_usage(self, caught: Exception) -> bool:
        """Whether an endpoint refused the request for its `stream_options`, which older ones do not know."""
        refused = (self._errors.BadRequestError, self._errors.UnprocessableEntityError)
        said = f"{caught} {getattr(caught, 'body', '')}"
        return self._ask_usage and isinstance(caught, refused) and ("stream_options" in said or "include_usage" in said)

    def _worth_repeating(self, caught: Exception) -> bool:
        if isinstance(caught, self._errors.APIStatusError):
            return caught.status_code in (408, 409, 429) or caught.status_code >= 500
        timed_out = isinstance(caught, self._errors.APITimeoutError)
        return isinstance(caught, self._errors.APIConnectionError) and not timed_out

    def _place(self) -> str:
        return f"the model's endpoint {self.base_url or 'of OpenAI'}"

    def _translate(self, caught: Exception) -> ModelError:
        place = self._place()
        if isinstance(caught, TimeoutError | self._errors.APITimeoutError):
            return ModelError(f"{place} gave nothing new for {self._timeout:g} seconds")
        if isinstance(caught, self._errors.APIConnectionError):
            cause = caught.__cause__
            return ModelError(f"{place} cannot be reached or broke off: {cause or caught}")
        if isinstance(caught, ValueError):
            return ModelError(f"{place} sent something that is not a chat completion: {caught}")
        if not isinstance(caught, self._errors.APIStatusError):
            return ModelError(f"{place} reports an error: {_short(caught)}")
        status, said = caught.status_code, _short(caught)
        if status in (401, 403):
            return ModelError(f"{place} refuses the API key ({status}): {said}", retryable=False)
        if status == 404:
            return ModelError(f"{place} has no model {self._model!r}, or is not there (404): {said}", retryable=False)
        if status == 429:
            return ModelError(f"{place} is over its rate limit (429): {said}", retry_after=_retry_after(caught))
        if status in (408, 409) or status >= 500:
            return ModelError(f"{place} fails ({status}): {said}", retry_after=_retry_after(caught))
        return ModelError(f"{place} refuses the request ({status}): {said}", retryable=False)


def _read(chunk: Any) -> tuple[str, bool, Usage | None]:
    """Text, whether this was the last piece of it, and usage. The client does not check what the endpoint sent."""
    choices = getattr(chunk, "choices", None)
    text, ended = "", False
    if isinstance(choices, list) and choices:
        content = getattr(getattr(choices[0], "delta", None), "content", None)
        text = content if isinstance(content, str) else ""
        ended = getattr(choices[0], "finish_reason", None) is not None
    given = getattr(chunk, "usage", None)
    if given is None:
        return text, ended, None
    counts = (getattr(given, name, None) for name in ("prompt_tokens", "completion_tokens"))
    return text, ended, Usage(*(count if isinstance(count, int) else None for count in counts))


def _paired(text: str, *, whole: bool) -> tuple[str, str]:
    """The text without half surrogate pairs, which nothing can store, and what may be the first half of the next piece.

    Parameters
    ----------
    whole: whether no more comes.
    """
    if text.isascii():
        return text, ""
    ready = text if whole or not "\ud800" <= text[-1] <= "\udbff" else text[:-1]
    return ready.encode("utf-16", "surrogatepass").decode("utf-16", "replace"), text[len(ready) :]


def _short(caught: Exception) -> str:
    return str(caught)[:300]


def _retry_after(caught: openai.APIStatusError) -> float | None:
    given = caught.response.headers.get("retry-after", "")
    try:
        seconds = float(given)
    except ValueError:
        return None
    return seconds if 0 <= seconds < 86400 else None


def from_settings(
    base_url: str | None, model: str | None, api_key: str | None = None, *, timeout: float = 60.0
) -> ChatModel | None:
    """The chat model of the configuration; None (the offline answerer replies) when none is named.

    Raises `ConfigError` for an endpoint without a model.
    """
    if model:
        return OpenAIChatModel(model, base_url=base_url or None, api_key=api_key or None, timeout=timeout)
    if base_url:
        raise ConfigError("RECOLLECT_LLM_BASE_URL is set and RECOLLECT_LLM_MODEL is not: which model shall it be?")
    return None
