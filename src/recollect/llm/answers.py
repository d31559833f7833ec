"""Where a reply comes from: a model over the context, or quotations."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Any

from recollect import AsyncRecollect, Context, Hit, Message
from recollect.llm.offline import quote
from recollect.llm.protocol import ChatModel, Delta, ModelError

Piece = Delta | list[Hit]
"""A piece of a reply, or the passages that it rests on."""


def without_broken_replies(context: Context, asked: Message) -> list[dict[str, Any]]:
    """The context's messages without what an earlier attempt at this reply left, so that the question stands last."""
    kept = [m for m in context.window if not (m.metadata.get("partial") and m.metadata.get("reply_to") == asked.id)]
    if len(kept) == len(context.window):
        return context.messages
    before = context.messages[: len(context.messages) - len(context.window)]
    return [*before, *(message.to_provider() for message in kept)]


async def of_model(model: ChatModel, context: Context, messages: list[dict[str, Any]]) -> AsyncGenerator[Piece, None]:
    """A model's reply to `messages`; its sources are what the context recalled. Whatever it raises is a `ModelError`."""
    yield context.recalled
    source = model.stream(messages)
    try:
        async for delta in source:
            yield delta
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(f"the model {model.name!r} failed: {error!r}") from error
    finally:
        if isinstance(source, AsyncGenerator):
            await source.aclose()


async def offline(
    memory: AsyncRecollect, asked: Message, namespaces: Sequence[tuple[str, ...]] = ()
) -> AsyncGenerator[Piece, None]:
    """Quotations, line by line; their sources are what is quoted."""
    answer = await quote(memory, asked, namespaces)
    yield answer.hits
    for line in answer.text.splitlines(keepends=True):
        yield Delta(line)
