"""One server as the two drivers see it: commands out, replies in, over a few connections that are kept."""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Any

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError

from recollect.stores.redis.errors import Lost

Connect = Callable[[], Any]

TRUSTED = 0.05
"""Seconds for which a connection that was just used is taken to be open without a look."""


class Node(ABC):
    """A server.

    Parameters
    ----------
    connect: makes a connection object of the client library, not connected yet.
    size: connections at most. patience: seconds to wait for a free one. timeout: seconds to wait for an answer.
    """

    def __init__(self, connect: Connect, *, size: int, patience: float, timeout: float) -> None:
        self.connect = connect
        self.size = size
        self.patience = patience
        self.timeout = timeout

    @abstractmethod
    async def exchange(self, packed: bytes, replies: int) -> list[Any]:
        """Send commands in one go and read so many replies; an error reply stands in its place.

        Raises `Lost`. A connection on which anything went wrong, a cancellation too, is not used again as it is.
        """

    @abstractmethod
    async def close(self) -> None:
        """Close what was connected."""


class BlockingNode(Node):
    """Connections used by the calling threads. Those in `_idle` are connected and have nothing left to read."""

    def __init__(self, connect: Connect, *, size: int, patience: float, timeout: float) -> None:
        super().__init__(connect, size=size, patience=patience, timeout=timeout)
        self._reset()
        _alive.add(self)

    def _reset(self) -> None:
        """No connections: at the beginning, and in a child after a fork, whose parent goes on with those there were."""
        self._idle: deque[tuple[Any, float]] = deque()
        self._made = 0
        self._waiting = 0
        self._released = threading.Condition()

    async def exchange(self, packed: bytes, replies: int) -> list[Any]:
        connection, used = self._take()
        sent = False
        try:
            if not used:
                connection.connect()
            elif monotonic() - used > TRUSTED:
                self._check(connection)
            sent = True
            connection.send_packed_command((packed,), check_health=False)
            found = [_reply(connection) for _ in range(replies)]
        except BaseException as error:
            connection.disconnect()
            self._give_back(None)
            if isinstance(error, RedisError | OSError):
                raise Lost(error, sent=sent) from error
            raise
        self._give_back(connection)
        return found

    def _check(self, connection: Any) -> None:
        """A connection that lay idle may have been closed by the other side: then connect anew."""
        try:
            stale = connection.can_read()
        except (RedisError, OSError):
            stale = True
        if stale:
            connection.disconnect()
            connection.connect()
        connection.check_health()

    def _take(self) -> tuple[Any, float]:
        """A connection and when it was last used; 0.0 for a new one."""
        try:
            return self._idle.pop()
        except IndexError:
            pass
        with self._released:
            deadline = monotonic() + self.patience
            while True:
                if self._made < self.size:
                    self._made += 1
                    return self.connect(), 0.0
                self._waiting += 1
                try:
                    # The look goes after the announcement: who gives back appends first and looks for waiters then.
                    if self._idle:
                        return self._idle.pop()
                    if not self._released.wait(deadline - monotonic()):
                        raise Lost(_exhausted(self.size, self.patience), sent=False)
                except IndexError:
                    continue
                finally:
                    self._waiting -= 1

    def _give_back(self, connection: Any) -> None:
        """Lay a connection ready, or count one less that is broken."""
        if connection is not None:
            self._idle.append((connection, monotonic()))
        else:
            with self._released:
                self._made -= 1
        if self._waiting:
            with self._released:
                self._released.notify()

    async def close(self) -> None:
        while self._idle:
            self._idle.pop()[0].disconnect()
            with self._released:
                self._made -= 1


_alive: weakref.WeakSet[BlockingNode] = weakref.WeakSet()


def _after_fork() -> None:
    for node in list(_alive):
        node._reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _reply(connection: Any) -> Any:
    try:
        return connection.read_response()
    except ResponseError as error:
        return error


class AsyncNode(Node):
    """Connections used by tasks. Connections belong to an event loop, so each loop has its own."""

    def __init__(self, connect: Connect, *, size: int, patience: float, timeout: float) -> None:
        super().__init__(connect, size=size, patience=patience, timeout=timeout)
        self._pools: dict[asyncio.AbstractEventLoop, tuple[deque[tuple[Any, float]], asyncio.Semaphore]] = {}

    def _pool(self) -> tuple[deque[tuple[Any, float]], asyncio.Semaphore]:
        loop = asyncio.get_running_loop()
        pool = self._pools.get(loop)
        if pool is None:
            for other in [other for other in self._pools if other.is_closed()]:
                del self._pools[other]
            pool = self._pools[loop] = (deque(), asyncio.Semaphore(self.size))
        return pool

    async def exchange(self, packed: bytes, replies: int) -> list[Any]:
        idle, free = self._pool()
        if free.locked():
            try:
                async with asyncio.timeout(self.patience):
                    await free.acquire()
            except TimeoutError as error:
                raise Lost(_exhausted(self.size, self.patience), sent=False) from error
        else:
            await free.acquire()
        connection, sent = None, False
        try:
            connection, used = idle.pop() if idle else (self.connect(), 0.0)
            async with asyncio.timeout(self.timeout):
                if not used:
                    await connection.connect()
                elif monotonic() - used > TRUSTED:
                    await self._check(connection)
                sent = True
                await connection.send_packed_command((packed,), check_health=False)
                found = [await _reply_later(connection) for _ in range(replies)]
            idle.append((connection, monotonic()))
            return found
        except BaseException as error:
            if connection is not None:
                await connection.disconnect(nowait=True)
            if isinstance(error, TimeoutError):
                raise Lost(TimeoutError(f"no answer within {self.timeout:g} s"), sent=sent) from error
            if isinstance(error, RedisError | OSError):
                raise Lost(error, sent=sent) from error
            raise
        finally:
            free.release()

    async def _check(self, connection: Any) -> None:
        try:
            stale = await connection.can_read()
        except (RedisError, OSError):
            stale = True
        if stale:
            await connection.disconnect(nowait=True)
            await connection.connect()
        await connection.check_health()

    async def close(self) -> None:
        idle, _ = self._pool()
        while idle:
            await idle.pop()[0].disconnect()


async def _reply_later(connection: Any) -> Any:
    try:
        return await connection.read_response()
    except ResponseError as error:
        return error


def _exhausted(size: int, patience: float) -> RedisConnectionError:
    return RedisConnectionError(f"all {size} connections were busy for {patience:g} s (pool_size)")


class BorrowedNode(Node):
    """The user's own client, through its pool; never closed.

    Parameters
    ----------
    pool: the client's connection pool.
    """

    def __init__(self, pool: Any, *, timeout: float) -> None:
        connect = partial(pool.connection_class, **pool.connection_kwargs)
        super().__init__(connect, size=0, patience=0.0, timeout=timeout)
        self._pool = pool

    async def exchange(self, packed: bytes, replies: int) -> list[Any]:
        connection, sent = None, False
        try:
            connection = self._pool.get_connection()
            sent = True
            connection.send_packed_command((packed,))
            return [_as_text(_raw_reply(connection)) for _ in range(replies)]
        except BaseException as error:
            if connection is not None:
                connection.disconnect()
            if isinstance(error, RedisError | OSError):
                raise Lost(error, sent=sent) from error
            raise
        finally:
            if connection is not None:
                self._pool.release(connection)

    async def close(self) -> None:
        pass


class AsyncBorrowedNode(BorrowedNode):
    """The same for an async client."""

    async def exchange(self, packed: bytes, replies: int) -> list[Any]:
        connection, sent = None, False
        try:
            connection = await self._pool.get_connection()
            sent = True
            await connection.send_packed_command((packed,))
            return [_as_text(await _raw_reply_later(connection)) for _ in range(replies)]
        except BaseException as error:
            if connection is not None:
                await connection.disconnect(nowait=True)
            if isinstance(error, RedisError | OSError):
                raise Lost(error, sent=sent) from error
            raise
        finally:
            if connection is not None:
                await self._pool.release(connection)


def _raw_reply(connection: Any) -> Any:
    try:
        return connection.read_response(disable_decoding=True)
    except ResponseError as error:
        return error


async def _raw_reply_later(connection: Any) -> Any:
    try:
        return await connection.read_response(disable_decoding=True)
    except ResponseError as error:
        return error


def _as_text(reply: Any) -> Any:
    """A reply with text for bytes: the user's client may be set to decode or not, so it is not asked to."""
    if type(reply) is bytes:
        return reply.decode("utf-8", "surrogateescape")
    if isinstance(reply, list | set):
        return [_as_text(item) for item in reply]
    if isinstance(reply, dict):
        return {_as_text(name): _as_text(value) for name, value in reply.items()}
    return reply
