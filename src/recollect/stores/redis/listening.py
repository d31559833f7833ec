"""Waiting for what a server will say: blocking reads, each on a connection of its own.

A connection that waits serves nobody else, so none of them comes from a node's pool. Those that were answered are kept
for the next who waits; one that is given up, because another was answered first or the waiting task was cancelled, is
closed, which is how a server learns that nobody waits there any longer.
"""

from __future__ import annotations

import asyncio
import os
import selectors
import socket
import weakref
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from time import monotonic
from typing import Any

from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from recollect.stores.redis.errors import Lost
from recollect.stores.redis.nodes import Node

Call = tuple[Node, bytes]

KEPT = 16
"""Connections to one server that are kept for those who will wait."""

GLANCE = 0.05
"""Seconds for the rest of an answer that has begun to come. What came may also be of TLS alone, with no answer behind it."""


class Listeners(ABC):
    """Waits at servers."""

    @abstractmethod
    async def first(self, calls: Sequence[Call], seconds: float) -> Any:
        """The first answer that says something, an error reply among them; None if all of them come back empty.

        Parameters
        ----------
        calls: blocking commands, packed, and where they go. seconds: after which the servers answer by themselves; one
            that does not counts as lost after its node's timeout more.

        Raises `Lost`.
        """

    @abstractmethod
    async def close(self) -> None:
        """Close all connections; who still waits raises `Lost`."""


class BlockingListeners(Listeners):
    """Threads that wait, each at all of its servers at once."""

    def __init__(self) -> None:
        self._reset()
        _alive.add(self)

    def _reset(self) -> None:
        """No connections: at the beginning, and in a child after a fork."""
        self._idle: dict[Node, deque[Any]] = {}
        self._waiting: set[Any] = set()

    async def first(self, calls: Sequence[Call], seconds: float) -> Any:
        waiting: dict[Any, Node] = {}
        try:
            with selectors.DefaultSelector() as selector:
                for node, packed in calls:
                    connection = self._take(node)
                    waiting[connection] = node
                    self._waiting.add(connection)
                    if not connection.is_connected:
                        connection.connect()
                    connection.send_packed_command((packed,), check_health=False)
                    selector.register(connection._sock, selectors.EVENT_READ, connection)
                patience = max(node.timeout for node, _ in calls)
                deadline = monotonic() + seconds + patience
                while waiting:
                    if not (ready := selector.select(deadline - monotonic())) and monotonic() >= deadline:
                        raise RedisTimeoutError(f"no answer within {seconds + patience:g} s")
                    for key, _ in ready:
                        connection = key.data
                        try:
                            found = _reply(connection)
                        except RedisTimeoutError:
                            continue  # TLS had something to say, Redis not yet
                        selector.unregister(key.fileobj)
                        self._keep(waiting.pop(connection), connection)
                        if found:
                            return found
                return None
        except (RedisError, OSError, ValueError) as error:
            # A ValueError is what the system says of a connection that `close` took away meanwhile.
            raise Lost(error, sent=True) from error
        finally:
            for connection in waiting:
                self._waiting.discard(connection)
                connection.disconnect()

    def _take(self, node: Node) -> Any:
        """A connection, either new and not connected or one on which nothing is left to read."""
        idle = self._idle.get(node)
        while idle:
            try:
                connection = idle.pop()
            except IndexError:
                break
            try:
                if not connection.can_read():
                    return connection
            except (RedisError, OSError):
                pass
            connection.disconnect()
        return node.connect()

    def _keep(self, node: Node, connection: Any) -> None:
        self._waiting.discard(connection)
        idle = self._idle.setdefault(node, deque())
        if len(idle) < KEPT:
            idle.append(connection)
        else:
            connection.disconnect()

    async def close(self) -> None:
        for connection in list(self._waiting):
            try:
                connection._sock.shutdown(socket.SHUT_RDWR)
            except (AttributeError, OSError):
                pass  # not connected yet, or not any more
        for idle in list(self._idle.values()):
            while idle:
                idle.pop().disconnect()


def _reply(connection: Any) -> Any:
    try:
        return connection.read_response(timeout=GLANCE, disconnect_on_error=False)
    except ResponseError as error:
        return error


_alive: weakref.WeakSet[BlockingListeners] = weakref.WeakSet()


def _after_fork() -> None:
    for listeners in list(_alive):
        listeners._reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class AsyncListeners(Listeners):
    """Tasks that wait. A connection belongs to its event loop."""

    def __init__(self) -> None:
        self._idle: dict[tuple[asyncio.AbstractEventLoop, Node], deque[Any]] = {}
        self._waiting: dict[Any, asyncio.AbstractEventLoop] = {}

    async def first(self, calls: Sequence[Call], seconds: float) -> Any:
        if len(calls) == 1:
            return await self._one(*calls[0], seconds)
        tasks = [asyncio.create_task(self._one(node, packed, seconds)) for node, packed in calls]
        left = set(tasks)
        try:
            while left:
                done, left = await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    if found := task.result():
                        return found
            return None
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _one(self, node: Node, packed: bytes, seconds: float) -> Any:
        connection: Any = None
        try:
            async with asyncio.timeout(node.timeout) as limit:
                connection = await self._take(node)
                self._waiting[connection] = asyncio.get_running_loop()
                if not connection.is_connected:
                    await connection.connect()
                await connection.send_packed_command((packed,), check_health=False)
                limit.reschedule(asyncio.get_running_loop().time() + seconds + node.timeout)
                try:
                    found = await connection.read_response(timeout=seconds + node.timeout)
                except ResponseError as error:
                    found = error
            await self._keep(node, connection)
            return found
        except BaseException as error:
            if connection is not None:
                self._waiting.pop(connection, None)
                await connection.disconnect(nowait=True)
            if isinstance(error, RedisError | OSError):
                raise Lost(error, sent=True) from error
            raise

    async def _take(self, node: Node) -> Any:
        idle = self._idle.get((asyncio.get_running_loop(), node))
        while idle:
            connection = idle.pop()
            try:
                if not await connection.can_read():
                    return connection
            except (RedisError, OSError):
                pass
            await connection.disconnect(nowait=True)
        return node.connect()

    async def _keep(self, node: Node, connection: Any) -> None:
        del self._waiting[connection]
        for other in [other for other in self._idle if other[0].is_closed()]:
            del self._idle[other]
        idle = self._idle.setdefault((asyncio.get_running_loop(), node), deque())
        if len(idle) < KEPT:
            idle.append(connection)
        else:
            await connection.disconnect(nowait=True)

    async def close(self) -> None:
        loop = asyncio.get_running_loop()
        for connection in [connection for connection, owner in self._waiting.items() if owner is loop]:
            await connection.disconnect(nowait=True)
        for (owner, _), idle in self._idle.items():
            while idle and owner is loop:
                await idle.pop().disconnect()
