"""Turns of a conversation with a model on loopback, for the tests of models and answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from recollect import AsyncRecollect
from recollect.llm import ChatTurns, OpenAIChatModel

if TYPE_CHECKING:
    from tests.servers import ModelServer


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(main(), 30))


@asynccontextmanager
async def chat(server: ModelServer | None, **options: Any) -> AsyncIterator[tuple[AsyncRecollect, ChatTurns]]:
    model = None if server is None else OpenAIChatModel("test-1", base_url=server.url, timeout=2)
    async with AsyncRecollect("memory://") as memory:
        turns = ChatTurns(memory, model, **options)
        try:
            yield memory, turns
        finally:
            await turns.settle()
            if model is not None:
                await model.close()
