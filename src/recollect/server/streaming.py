"""Server-sent events: a turn of conversation, with an honest status where it fails before the first of them; the feed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing
from functools import partial
from typing import Any, Final, TypeVar, cast

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from recollect import AsyncRecollect, Change, RecollectError, Unavailable
from recollect.llm import Event, Finished, Started, TextDelta
from recollect.server.problems import body_of_error, internal, of_error
from recollect.server.state import Server, info_of

T = TypeVar("T")

START_GRACE = 3.0
"""Seconds that the first event waits for the model's first words, so that a model that fails at once is a status and
not an event."""

KEEP_ALIVE = 15.0
"""Seconds of silence after which a comment is sent, for proxies that close silent connections."""

_GONE: Final = "gone"
_STOP: Final = "stop"
_Item = Event | Exception | str


class _EventStream(Response):
    media_type = "text/event-stream"

    def __init__(self, server: Server) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._server = server

    async def _start(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})

    async def _send(self, send: Send, data: bytes, *, last: bool = False) -> None:
        await send({"type": "http.response.body", "body": data, "more_body": not last})


class TurnStream(_EventStream):
    """Sends a turn's events while it runs.

    The turn runs in a task of its own. A client that goes away, and a server that stops, cancel it, and wait until
    what it has produced is stored.
    """

    def __init__(self, server: Server, events: AsyncGenerator[Event, None]) -> None:
        super().__init__(server)
        self._events = events
        self._queue: asyncio.Queue[_Item] = asyncio.Queue()
        self._started: Started | None = None
        self._begun = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        turn = asyncio.create_task(self._run())
        self._server.streams.add(turn)
        turn.add_done_callback(self._server.streams.discard)
        watchers = [
            asyncio.create_task(self._tell(_gone(receive), _GONE)),
            asyncio.create_task(self._tell(self._server.stopped(), _STOP)),
        ]
        try:
            await self._relay(scope, receive, send, turn)
        finally:
            for watcher in watchers:
                watcher.cancel()
            turn.cancel()
            await asyncio.wait([turn, *watchers])

    async def _run(self) -> None:
        try:
            async with aclosing(self._events) as events:
                async for event in events:
                    self._queue.put_nowait(event)
        except Exception as error:
            self._queue.put_nowait(error)

    async def _tell(self, event: Coroutine[Any, Any, None], name: str) -> None:
        await event
        self._queue.put_nowait(name)

    async def _relay(self, scope: Scope, receive: Receive, send: Send, turn: asyncio.Task[None]) -> None:
        outcomes = self._server.metrics.turns
        while True:
            item = await self._next()
            if item is None:
                await (self._send(send, b": still there\n\n") if self._begun else self._begin(send))
            elif isinstance(item, Started):
                self._started = item
            elif isinstance(item, TextDelta):
                await self._begin(send)
                await self._send(send, _event("delta", {"text": item.text}))
            elif isinstance(item, Finished):
                outcomes.labels("answered").inc()
                await self._begin(send)
                await self._send(send, _event("done", item.turn.to_dict()), last=True)
                return
            elif item == _GONE:
                outcomes.labels("left").inc()
                return
            else:
                outcomes.labels("left" if item == _STOP else "failed").inc()
                turn.cancel()
                await asyncio.wait([turn])
                await self._fail(scope, receive, send, stopping() if isinstance(item, str) else item)
                return

    async def _next(self) -> _Item | None:
        """The next thing that happens; None when nothing does for so long that something should be sent."""
        if self._started is not None and not self._begun:
            seconds: float | None = START_GRACE
        else:
            seconds = KEEP_ALIVE if self._begun else None
        try:
            async with asyncio.timeout(seconds):
                return await self._queue.get()
        except TimeoutError:
            return None

    async def _begin(self, send: Send) -> None:
        if self._begun or self._started is None:
            return
        self._begun = True
        await self._start(send)
        start = {"session_id": self._started.session_id, "user_message": self._started.user_message.to_dict()}
        await self._send(send, _event("start", start))

    async def _fail(self, scope: Scope, receive: Receive, send: Send, error: Exception) -> None:
        if not isinstance(error, RecollectError):
            if not self._begun:
                raise error
            self._server.log.error("a stream failed", exc_info=error)
            await self._send(send, _event("error", internal(scope)), last=True)
        elif self._begun:
            await self._send(send, _event("error", body_of_error(scope, error)[0]), last=True)
        else:
            await of_error(scope, error)(scope, receive, send)


class FeedStream(_EventStream):
    """Sends the changes behind a cursor as they happen, until the client goes away or the server stops.

    Parameters
    ----------
    after: the cursor; it has been looked at.
    """

    def __init__(self, server: Server, memory: AsyncRecollect, after: str | None) -> None:
        super().__init__(server)
        self._changes = cast("AsyncGenerator[Change, None]", memory.follow(after))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._start(send)
        info = info_of(scope)
        if info is not None and info.head_only:
            await self._send(send, b"", last=True)
            return
        ends = [
            asyncio.create_task(self._relay(scope, send)),
            asyncio.create_task(_gone(receive)),
            asyncio.create_task(self._server.stopping.wait()),
        ]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in ends:
                task.cancel()
            await asyncio.gather(*ends, return_exceptions=True)
        if not ends[1].done() or ends[1].cancelled():
            await self._send(send, b"", last=True)

    async def _relay(self, scope: Scope, send: Send) -> None:
        tell = partial(self._send, send)
        await tell(b"retry: 1000\n\n")
        async with aclosing(self._changes) as changes:
            coming: asyncio.Future[Change] | None = None
            try:
                while True:
                    coming = coming or asyncio.ensure_future(anext(changes))
                    if not (await asyncio.wait([coming], timeout=KEEP_ALIVE))[0]:
                        await tell(b": still there\n\n")
                        continue
                    change, coming = coming.result(), None
                    await tell(b"id: %b\n%b" % (change.cursor.encode(), _event("change", change.to_dict())))
            except RecollectError as error:
                await tell(_event("error", body_of_error(scope, error)[0]))
            finally:
                if coming is not None:
                    coming.cancel()
                    await asyncio.wait([coming])


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _event(name: str, data: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), msgspec.json.encode(data))


def stopping() -> Unavailable:
    """The error of a turn that the end of the server cuts off."""
    return Unavailable("the server is stopping; your message is stored, and what came of the reply too")


async def unless_stopped(server: Server, work: Coroutine[Any, Any, T], otherwise: Exception | None = None) -> T:
    """The result of a turn without a stream; it is cut off when the server stops, and what it produced is stored.

    Parameters
    ----------
    otherwise: the error then; `stopping` when None.
    """
    task, stop = asyncio.create_task(work), asyncio.create_task(server.stopped())
    server.streams.add(task)
    try:
        await asyncio.wait([task, stop], return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            task.cancel()
            await asyncio.wait([task])
            raise stopping() if otherwise is None else otherwise
        return task.result()
    finally:
        server.streams.discard(task)
        task.cancel()
        stop.cancel()
        await asyncio.wait([task, stop])
