"""What a chat model is here: something that streams pieces of text, and fails in one way."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Protocol, runtime_checkable

from msgspec import Struct

from recollect import Message, Unavailable


class Usage(Struct, frozen=True):
    """Tokens as the model's own endpoint counts them; None where it does not say."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class Delta(Struct, frozen=True):
    """A piece of a reply.

    Parameters
    ----------
    text: the next characters; may be empty. usage: the figures of the whole reply, usually on the last piece.
    """

    text: str = ""
    usage: Usage | None = None


@runtime_checkable
class ChatModel(Protocol):
    """A chat model. Anything with these four members serves.

    `name` and `base_url` are shown to users; they hold no secrets.
    """

    @property
    def name(self) -> str:
        """The model, as its endpoint calls it."""

    @property
    def base_url(self) -> str | None:
        """Where it is; None for the endpoint's usual place."""

    def stream(self, messages: list[dict[str, Any]]) -> AsyncIterator[Delta]:
        """The reply to chat-completions messages, piece by piece.

        Raises `ModelError` for everything that can go wrong with the model. Ends normally only when the reply is
        whole; one that breaks off is an error.
        """

    async def close(self) -> None:
        """Let go of connections."""


class ModelError(Unavailable):
    """The chat model did not give a (whole) reply.

    Parameters
    ----------
    message: what happened, in the user's terms.
    retryable: True when the same call may succeed later without anyone's help.
    retry_after: seconds after which it may, where the endpoint says so.
    """

    def __init__(self, message: str, *, retryable: bool = True, retry_after: float | None = None) -> None:
        super().__init__(message, retryable=retryable)
        self.retry_after = retry_after


class TurnError(ModelError):
    """A model failed in a turn of a conversation. The user's message is stored.

    Parameters
    ----------
    session_id: the session, also when it was made for this turn. user_message: the stored message of the user.
    partial: the stored beginning of the reply, if there was any.
    """

    def __init__(
        self, cause: ModelError, *, session_id: str, user_message: Message, partial: Message | None = None
    ) -> None:
        kept = "your message is stored" if partial is None else "your message and what came of the reply are stored"
        super().__init__(f"{cause} ({kept})", retryable=cause.retryable, retry_after=cause.retry_after)
        self.session_id = session_id
        self.user_message = user_message
        self.partial = partial
