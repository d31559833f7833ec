"""Asking a chat model for one whole text, within a time, whoever the model belongs to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import Any, TypeVar, cast

from recollect import InvalidAnswer
from recollect.llm.openai import OpenAIChatModel
from recollect.llm.protocol import ChatModel, ModelError

T = TypeVar("T")


class Asking:
    """A chat model as something that answers.

    Parameters
    ----------
    model: a chat model, or a function that makes one. An `OpenAIChatModel` and what a function makes get connections of
        their own for each use, closed behind it, so that they serve both clients and any number of event loops. Another
        model is used as it is, and stays its owner's.
    timeout: seconds for a use. wanted: what it is asked for, for the message of the error.
    """

    def __init__(self, model: ChatModel | Callable[[], ChatModel], timeout: float, wanted: str) -> None:
        self._own = isinstance(model, OpenAIChatModel) or not isinstance(model, ChatModel)
        self._make: Callable[[], ChatModel]
        if isinstance(model, OpenAIChatModel):
            self.name, self._make = model.name, model.twin
        elif isinstance(model, ChatModel):
            self.name, self._make = model.name, partial(_itself, model)
        else:
            self.name, self._make = model().name, model
        self._timeout = timeout
        self._wanted = wanted

    @asynccontextmanager
    async def use(self) -> AsyncIterator[ChatModel]:
        """The model, for the time that it has; raises `ModelError` when that is over."""
        # Made in a thread: reading the certificates takes some milliseconds, which a server's loop has better use for.
        model = await asyncio.to_thread(self._make) if self._own else self._make()
        try:
            async with asyncio.timeout(self._timeout):
                yield model
        except TimeoutError as error:
            raise ModelError(
                f"the model {self.name!r} took over {self._timeout:g} seconds for {self._wanted}"
            ) from error
        finally:
            if self._own:
                await model.close()

    async def answer(self, model: ChatModel, messages: list[dict[str, Any]], most: int) -> str:
        """What the model answers, to `most` characters or little more; raises `ModelError` for whatever it fails with."""
        text = ""
        try:
            async with aclosing(cast(Any, model.stream(messages))) as pieces:
                async for piece in pieces:
                    text += piece.text
                    if len(text) > most:
                        break
        except (ModelError, TimeoutError):
            raise
        except Exception as error:
            raise ModelError(f"the model {self.name!r} failed: {error!r}") from error
        return text

    async def accepted(
        self, model: ChatModel, messages: list[dict[str, Any]], most: int, read: Callable[[str], T], *, again: str
    ) -> T:
        """What `read` makes of the model's answer; one that it refuses is sent back once, to be given better.

        Failures of its endpoint are repeated, or not, by the model itself.

        Parameters
        ----------
        most: as for `answer`. read: raises `ModelError` or `InvalidAnswer` for what is none.
        again: what the model is told of its first answer; ``{why}`` in it is what `read` said.
        """
        answer = await self.answer(model, messages, most)
        try:
            return read(answer)
        except (ModelError, InvalidAnswer) as error:
            refused = {"role": "assistant", "content": answer[:1000] or "..."}
            told = {"role": "user", "content": again.format(why=error)}
        return read(await self.answer(model, [*messages, refused, told], most))


def _itself(model: ChatModel) -> ChatModel:
    return model
