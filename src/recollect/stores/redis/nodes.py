"""One server as the two drivers see it: commands out, replies in, over a few connections that are kept."""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Any

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError

from recollect.stores.redis.errors import Lost

Connect = Callable[[], Any]


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
    """Connections used by the calling threads."""

    def __init__(self, connect: Connect, *, size: int, patience: float, timeout: float) -> None:
        super().__init__(connect, size=size, patience=patience, timeout=timeout)
        self._idle: deque[Any] = deque()
        self._free = threading.Semaphore(size)

    async def exchange(self, packed: bytes, replies: int) -> list[Any]:
        if not self._free.acquire(timeout=self.patience):
            raise Lost(_exhausted(self.size, self.patience), sent=False)
        connection, sent = None, False
        try:
            try:
                connection = self._idle.pop()
                if connection.can_read():
                    connection.disconnect()
            except IndexError:
                connection = self.connect()
            except (RedisError, OSError):
                connection.disconnect()
            connection.connect()
            connection.check_health()
            sent = True
            connection.send_packed_command((packed,), check_health=False)
            return [_reply(connection) for _ in range(replies)]
        except BaseException as error:
            if connection is not None:
                connection.disconnect()
            if isinstance(error, RedisError | OSError):
                raise Lost(error, sent=sent) from error
            raise
        finally:
            if connection is not None:
                self._idle.append(connection)
            self._free.release()

    async def close(self) -> None:
        while self._idle:
            self._idle.pop().disconnect()


def _reply(connection: Any) -> Any:
    try:
        return connection.read_response()
    except ResponseError as error:
        return error


class AsyncNode(Node):
    """Connections used by tasks. Connections belong to an event loop, so each loop has its own."""

    def __init__(self, connect: Connect, *, size: int, patience: float, timeout: float) -> None:
        super().__init__(connect, size=size, patience=patience, timeout=timeout)
        self._pools: dict[asyncio.AbstractEventLoop, tuple[deque[Any], asyncio.Semaphore]] = {}

    def _pool(self) -> tuple[deque[Any], asyncio.Semaphore]:
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
                await asyncio.wait_for(free.acquire(), self.patience)
            except TimeoutError as error:
                raise Lost(_exhausted(self.size, self.patience), sent=False) from error
        else:
            await free.acquire()
        connection, sent = None, False
        try:
            async with asyncio.timeout(self.timeout):
                try:
                    connection = idle.pop()
                    if await connection.can_read():
                        await connection.disconnect(nowait=True)
                except IndexError:
                    connection = self.connect()
                except (RedisError, OSError):
                    await connection.disconnect(nowait=True)
                await connection.connect()
                await connection.check_health()
                sent = True
                await connection.send_packed_command((packed,), check_health=False)
                return [await _reply_later(connection) for _ in range(replies)]
        except BaseException as error:
            if connection is not None:
                await connection.disconnect(nowait=True)
            if isinstance(error, TimeoutError):
                raise Lost(TimeoutError(f"no answer within {self.timeout:g} s"), sent=sent) from error
            if isinstance(error, RedisError | OSError):
                raise Lost(error, sent=sent) from error
            raise
        finally:
            if connection is not None:
                idle.append(connection)
            free.release()

    async def close(self) -> None:
        idle, _ = self._pool()
        while idle:
            await idle.pop().disconnect()


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
        super().__init__(pool.make_connection, size=0, patience=0.0, timeout=timeout)
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
    return reply
