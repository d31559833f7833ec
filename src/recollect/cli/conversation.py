"""A conversation: its turns, and what is said about it."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from datetime import datetime

from recollect import AsyncRecollect, Conflict, Context, Hit, Message, NotFound, Page, Session
from recollect.llm import ChatModel, ChatTurns, Finished, TextDelta, Turn


class Conversation:
    """One person talking in one session at a time.

    Parameters
    ----------
    user_id: whose sessions are listed, and who owns a new one. Begins in a new session.
    only: go on in no session of another user.
    """

    def __init__(self, turns: ChatTurns, *, user_id: str, only: bool) -> None:
        self._turns = turns
        self.memory: AsyncRecollect = turns.memory
        self.user_id = user_id
        self._only = only
        self._owner: str | None = user_id
        self.session_id = new_session_id()

    async def open(self, session_id: str) -> Session | None:
        """Go on in a session; its header, None if it begins now. A session that has an owner stays that one's.

        Raises `Conflict` where that is another user and may not be.
        """
        header = await self.memory.session(session_id).info()
        if self._only and header is not None and header.user_id not in (None, self.user_id):
            raise Conflict(f"session {session_id!r} belongs to user {header.user_id!r}, not to {self.user_id!r}")
        self.session_id = session_id
        self._owner = self.user_id if header is None or header.user_id is None else header.user_id
        return header

    def begin(self) -> None:
        """Go on in a new session."""
        self.session_id, self._owner = new_session_id(), self.user_id

    @property
    def owner(self) -> str | None:
        """Whose session it is."""
        return self._owner

    async def turn(self, message: str, said: Callable[[str], None]) -> Turn:
        """Say something; `said` is called with each piece of the answer.

        Raises what `ChatTurns.stream` raises. When it is cancelled, what was said by then is stored.
        """
        stream = self._turns.stream(message, session_id=self.session_id, user_id=self._owner)
        async with aclosing(stream) as events:
            async for event in events:
                if isinstance(event, TextDelta):
                    said(event.text)
                elif isinstance(event, Finished):
                    return event.turn
        raise AssertionError("a turn ends with Finished or raises")

    async def recent(self, count: int) -> list[Message]:
        """The last messages."""
        return await self.memory.session(self.session_id).tail(count)

    async def sessions(self, limit: int) -> Page[Session]:
        """The user's sessions, latest first."""
        return await self.memory.user(self.user_id).sessions(limit)

    async def find(self, name: str) -> str:
        """The session that an id, or the beginning of one, names. Raises `NotFound` with what to do."""
        if await self.memory.session(name).info() is not None:
            return name
        candidates = [s.id for s in (await self.memory.sessions(1000)) if s.id.startswith(name)]
        if len(candidates) == 1:
            return candidates[0]
        if candidates:
            raise NotFound(f"{name!r} begins {len(candidates)} session ids: {', '.join(candidates[:5])}")
        raise NotFound(f"there is no session {name!r}: /sessions lists them")

    async def search(self, query: str) -> list[Hit]:
        """What the user has said and heard about something."""
        return await self.memory.user(self._owner or self.user_id).recall(query, limit=5)

    async def context(self, query: str | None) -> Context:
        """What the model would see now."""
        handle = self.memory.session(self.session_id, user=self._owner)
        return await handle.context(query, max_tokens=self._turns.max_context_tokens)


def new_session_id() -> str:
    """An id that a person can tell from others and type: ``chat-20240501-3fa94c1e``."""
    return f"chat-{datetime.now().astimezone():%Y%m%d}-{secrets.token_hex(4)}"


@asynccontextmanager
async def opened(memory: AsyncRecollect, model: ChatModel | None, max_context_tokens: int) -> AsyncIterator[ChatTurns]:
    """Turns over an opened memory; at the end broken-off replies are stored before it is closed."""
    async with memory:
        turns = ChatTurns(memory, model, max_context_tokens=max_context_tokens)
        try:
            yield turns
        finally:
            await turns.settle()
            if model is not None:
                await model.close()
