"""Asking a chat model for one whole text, within a time, whoever the model belongs to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any, cast

from recollect.llm.protocol import ChatModel, ModelError


class Asking:
    """A chat model as something that answers.

    Parameters
    ----------
    model: a chat model, which stays its owner's, or a function that makes one, which is then made for each use and closed.
    timeout: seconds for a use. wanted: what it is asked for, for the message of the error.
    """

    def __init__(self, model: ChatModel | Callable[[], ChatModel], timeout: float, wanted: str) -> None:
        if isinstance(model, ChatModel):
            self._shared: ChatModel | None = model
            self._make: Callable[[], ChatModel] | None = None
            self.name = model.name
        else:
            self._shared, self._make = None, model
            self.name = model().name
        self._timeout = timeout
        self._wanted = wanted

    @asynccontextmanager
    async def use(self) -> AsyncIterator[ChatModel]:
        """The model, for the time that it has; raises `ModelError` when that is over."""
        model = self._shared or cast("Callable[[], ChatModel]", self._make)()
        try:
            async with asyncio.timeout(self._timeout):
                yield model
        except TimeoutError as error:
            raise ModelError(
                f"the model {self.name!r} took over {self._timeout:g} seconds for {self._wanted}"
            ) from error
        finally:
            if self._shared is None:
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
