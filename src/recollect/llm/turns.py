"""A turn of a conversation: the user's message in, context, reply, both stored - whatever happens in between."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any
from weakref import WeakValueDictionary

from recollect import (
    AsyncRecollect,
    AsyncSessionHandle,
    Conflict,
    Context,
    Hit,
    InvalidInput,
    LimitExceeded,
    Message,
    NotFound,
    estimate_tokens,
)
from recollect.llm.answers import Piece, of_model, offline, without_broken_replies
from recollect.llm.events import Event, Finished, Source, Started, TextDelta, Turn, TurnUsage, find_source
from recollect.llm.names import reply_id, title_of
from recollect.llm.offline import OFFLINE
from recollect.llm.protocol import ChatModel, ModelError, TurnError, Usage


class ChatTurns:
    """Turns of conversations over one memory and one model.

    Parameters
    ----------
    memory: where everything is stored. model: None for the offline answerer.
    max_context_tokens: the budget of the context of a reply, by the memory's counter.
    namespaces: what replies rest on beside the user's own messages and memories: documents, as a rule.
    answered: called with every reply that was stored, when its turn is finished.

    What is promised of every turn:

    * The user's message is stored before the model is asked. A model that fails leaves it there and raises
      `TurnError`; what it had said by then is stored too, with metadata ``{"partial": true, "error": ...}``.
    * A consumer that goes away (a closed generator, a cancelled task) leaves what was produced, with metadata
      ``{"partial": true}``.
    * A message over `max_context_tokens` is refused with `LimitExceeded` **before** it is stored: the sender still has
      it and can shorten it, and a stored one would keep everything said before it out of every later context.
    * A turn repeated with the same `message_id` stores nothing twice: when it was answered, the stored reply comes
      back and no model is asked; when the reply had broken off, the model is asked again.
    * A session deleted while its reply is made stays deleted: the reply is not stored, and `NotFound` says so.
    """

    def __init__(
        self,
        memory: AsyncRecollect,
        model: ChatModel | None,
        *,
        max_context_tokens: int = 4000,
        namespaces: Sequence[tuple[str, ...]] = (),
        answered: Callable[[Message], None] | None = None,
    ) -> None:
        self._memory = memory
        self._model = model
        self._max_tokens = max_context_tokens
        self._namespaces = tuple(namespaces)
        self._answered = answered
        self._locks: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()
        self._saving: set[asyncio.Task[Message]] = set()

    async def reply(
        self,
        message: str,
        *,
        session_id: str | None = None,
        user_id: str | None = None,
        message_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Turn:
        """A whole turn; parameters and errors are those of `stream`."""
        async with aclosing(
            self.stream(message, session_id=session_id, user_id=user_id, message_id=message_id, metadata=metadata)
        ) as events:
            async for event in events:
                if isinstance(event, Finished):
                    return event.turn
        raise AssertionError("a turn ends with Finished or raises")

    async def stream(
        self,
        message: str,
        *,
        session_id: str | None = None,
        user_id: str | None = None,
        message_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> AsyncGenerator[Event, None]:
        """A turn as it happens: `Started`, then `TextDelta` after `TextDelta`, then `Finished`.

        Parameters
        ----------
        message: what the user says. session_id: made when None. user_id: whose session it is.
        message_id: makes the turn safe to repeat. metadata: of the user's message.

        Raises `InvalidInput`, `LimitExceeded`, `Conflict` (another user's session, or another text under
        `message_id`) with nothing stored; `TurnError` when the model fails; `Unavailable` when the store does.
        """
        if not isinstance(message, str) or not message.strip():
            raise InvalidInput("a message needs text", field="message")
        if (tokens := estimate_tokens(message)) > self._max_tokens:
            raise LimitExceeded(
                f"a message of {tokens:,} tokens is over the context budget of {self._max_tokens:,} "
                "(RECOLLECT_MAX_CONTEXT_TOKENS): shorten it. It is not stored."
            )
        session = self._memory.session(str(uuid.uuid4()) if session_id is None else session_id, user=user_id)
        given: dict[str, Any] = {"role": "user", "content": message, "metadata": metadata or {}}
        if message_id is not None:
            given["id"] = message_id
        async with self._one_at_a_time(session.id, message_id):
            appended = await session.append(given, buffer=False)
            asked = appended[0]
            if asked.content != message or asked.role != "user":
                raise Conflict(f"message id {message_id!r} already stands for another message in this session")
            turn = _Turn(self, session, asked)
            if not appended.written and await turn.find_answer():
                events = turn.again()
            else:
                await turn.give_title(message)
                events = turn.run(message)
            async with aclosing(events):
                async for event in events:
                    yield event

    @asynccontextmanager
    async def _one_at_a_time(self, session_id: str, message_id: str | None) -> AsyncIterator[None]:
        """A repeat waits for the first of its kind, and then finds its reply."""
        if message_id is None:
            yield
            return
        lock = self._locks.setdefault((session_id, message_id), asyncio.Lock())
        async with lock:
            yield

    async def settle(self) -> None:
        """Wait until replies that broke off are stored. Call before the memory is closed."""
        while self._saving:
            await asyncio.wait(self._saving)

    async def save(self, session: AsyncSessionHandle, asked: Message, given: dict[str, Any]) -> Message:
        """Store a reply, even when the caller is cancelled meanwhile."""
        task = asyncio.ensure_future(_save(session, asked, given))
        self._saving.add(task)
        task.add_done_callback(self._saving.discard)
        return await asyncio.shield(task)

    def finished(self, reply: Message) -> None:
        """A turn has ended with this reply."""
        if self._answered is not None:
            self._answered(reply)

    def answer(self, asked: Message, context: Context) -> AsyncGenerator[Piece, None]:
        """Pieces of the reply, and at some point the passages it rests on."""
        if self._model is None:
            return offline(self._memory, asked, self._namespaces)
        return of_model(self._model, context, without_broken_replies(context, asked))

    @property
    def memory(self) -> AsyncRecollect:
        """The memory below."""
        return self._memory

    @property
    def model_name(self) -> str:
        """What replies say in their metadata: the model, or ``offline``."""
        return OFFLINE if self._model is None else self._model.name

    @property
    def namespaces(self) -> tuple[tuple[str, ...], ...]:
        """What replies rest on beside the user's own."""
        return self._namespaces

    @property
    def max_context_tokens(self) -> int:
        """The budget of a context."""
        return self._max_tokens


class _Turn:
    def __init__(self, turns: ChatTurns, session: AsyncSessionHandle, asked: Message) -> None:
        self._turns = turns
        self._session = session
        self._asked = asked
        self._answer: Message | None = None
        self._attempt = 1

    async def find_answer(self) -> bool:
        """Whether the message was answered already; counts the replies that broke off."""
        after = self._asked.seq
        while True:
            page = await self._session.read(after=after, limit=100)
            for message in page:
                if message.metadata.get("reply_to") != self._asked.id:
                    continue
                if not message.metadata.get("partial"):
                    self._answer = message
                    return True
                self._attempt += 1
            if page.cursor is None:
                return False
            after = page[-1].seq

    async def again(self) -> AsyncGenerator[Event, None]:
        answer = self._answer
        assert answer is not None
        yield Started(session_id=self._session.id, user_message=self._asked)
        yield TextDelta(answer.text)
        kept = answer.metadata.get("usage") or {}
        sources = []
        for place in answer.metadata.get("sources") or ():
            source = await find_source(self._turns.memory, place)
            if source is not None:
                sources.append(source)
        usage = TurnUsage(
            model=answer.metadata.get("model", OFFLINE),
            context_tokens=kept.get("context_tokens", 0),
            prompt_tokens=kept.get("prompt_tokens"),
            completion_tokens=kept.get("completion_tokens"),
        )
        yield self._finished(answer, sources, usage)

    async def give_title(self, message: str) -> None:
        """Name a new session by its first message."""
        seq = self._asked.seq
        if seq > 1:
            before = await self._session.read(before=seq, limit=20, reverse=True)
            if before.cursor is not None or any(row.role in ("user", "assistant") for row in before):
                return
        header = await self._session.info()
        if header is not None and header.title is None:
            await self._session.update(title=title_of(message))

    async def run(self, message: str) -> AsyncGenerator[Event, None]:
        try:
            context = await self._session.context(
                message, max_tokens=self._turns.max_context_tokens, namespaces=self._turns.namespaces
            )
        except LimitExceeded as error:
            raise LimitExceeded(f"{error}; your message is stored, but cannot be answered") from error
        yield Started(session_id=self._session.id, user_message=self._asked, context=context)
        pieces: list[str] = []
        usage: Usage | None = None
        hits: list[Hit] = []
        try:
            async with aclosing(self._turns.answer(self._asked, context)) as answer:
                async for piece in answer:
                    if isinstance(piece, list):
                        hits = piece
                        continue
                    usage = piece.usage or usage
                    if piece.text:
                        pieces.append(piece.text)
                        yield TextDelta(piece.text)
            if not "".join(pieces).strip():
                raise ModelError(f"the model {self._turns.model_name!r} gave an empty reply")
        except ModelError as error:
            partial = await self._keep(pieces, hits, {"partial": True, "error": str(error)})
            raise TurnError(error, session_id=self._session.id, user_message=self._asked, partial=partial) from error
        except (GeneratorExit, asyncio.CancelledError):
            await self._keep(pieces, hits, {"partial": True})
            raise
        figures = TurnUsage(
            model=self._turns.model_name,
            context_tokens=context.tokens,
            prompt_tokens=usage.prompt_tokens if usage else None,
            completion_tokens=usage.completion_tokens if usage else None,
        )
        counted = {key: value for key, value in figures.to_dict().items() if key != "model" and value is not None}
        stored = await self._store("".join(pieces), hits, {"usage": counted})
        self._turns.finished(stored)
        yield self._finished(stored, [Source.of(hit.item, hit.score) for hit in hits], figures)

    async def _keep(self, pieces: list[str], hits: list[Hit], marks: dict[str, Any]) -> Message | None:
        text = "".join(pieces)
        if not text.strip():
            return None
        try:
            return await self._store(text, hits, marks)
        except NotFound:
            return None

    async def _store(self, text: str, hits: list[Hit], marks: dict[str, Any]) -> Message:
        metadata = {
            "model": self._turns.model_name,
            "reply_to": self._asked.id,
            **({"recall": False} if self._turns.model_name == OFFLINE else {}),
            "sources": [Source.of(hit.item, hit.score).place() for hit in hits],
            **marks,
        }
        reply = {
            "role": "assistant",
            "content": text,
            "id": reply_id(self._asked.id, self._attempt),
            "metadata": metadata,
        }
        return await self._turns.save(self._session, self._asked, reply)

    def _finished(self, stored: Message, sources: list[Source], usage: TurnUsage) -> Finished:
        return Finished(
            Turn(
                session_id=self._session.id,
                reply=stored.text,
                message=stored,
                user_message=self._asked,
                sources=sources,
                usage=usage,
            )
        )


async def _save(session: AsyncSessionHandle, asked: Message, given: dict[str, Any]) -> Message:
    still = await session.get(asked.seq)
    if still is None or still.id != asked.id:
        raise NotFound("the message was deleted while its reply was made, so the reply is not stored")
    return (await session.append(given))[0]
