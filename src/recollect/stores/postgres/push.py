"""Being woken: one thread and one connection for all that wait on a store, in both modes.

Commits send `NOTIFY` while somebody is entered in ``followers``. Of the short appends that commit at the same time only one
does (`append_one.sql`), so a notice says that there may be more than it names, now or as soon as the transactions that
were open when it came have ended. Therefore, behind each notice, the thread looks until these have ended; then nothing can
come of which it will not be told. One look is one statement for all that wait.
"""

from __future__ import annotations

import asyncio
import os
import selectors
import socket
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import closing, suppress

import psycopg
from psycopg.rows import tuple_row

from recollect.store import Driver
from recollect.stores.postgres import hearing
from recollect.stores.postgres.limited import Connection
from recollect.stores.postgres.names import in_schema, quoted
from recollect.stores.postgres.settings import Settings

AGAIN = (0.1, 0.2, 0.5, 1.0, 2.0)
"""Seconds until a connection that was lost, or not to be had, is tried again."""
UNHEARD = 0.5
"""Seconds that a wait takes at most while there is no connection to hear by."""
PATIENCE = 2.0
"""Seconds that closing waits for the thread."""

_LOOK = """
SELECT pg_snapshot_xmin(s.seen)::text::bigint, pg_snapshot_xmax(s.seen)::text::bigint, ARRAY(
    SELECT w.n
    FROM unnest($1::text[], $2::text[]::bigint[], $3::text[]::bigint[]) WITH ORDINALITY AS w (scope, tx, id, n)
    WHERE (
        SELECT c.tx FROM recollect.changes AS c
        WHERE c.scope = w.scope AND (c.tx, c.id) > (w.tx, w.id) ORDER BY c.tx, c.id LIMIT 1
    ) < pg_snapshot_xmin(s.seen)::text::bigint
)
FROM (SELECT pg_current_snapshot() AS seen OFFSET 0) AS s
"""
_FOLLOW = "SELECT recollect.follow($1, $2::float8)"

Place = tuple[int, int]


class _Waiter(ABC):
    """One call that waits for something behind its place in the feed of its scope."""

    def __init__(self, scope: str, place: Place) -> None:
        self.scope = scope
        self.place = place
        self.is_heard = True

    @abstractmethod
    def wake(self) -> None:
        """End its wait, from any thread."""

    @abstractmethod
    async def wait(self, seconds: float) -> None:
        """Until it is woken, for so many seconds at most."""


class _OfThread(_Waiter):
    def __init__(self, scope: str, place: Place) -> None:
        super().__init__(scope, place)
        self._event = threading.Event()

    def wake(self) -> None:
        self._event.set()

    async def wait(self, seconds: float) -> None:
        self._event.wait(seconds)


class _OfTask(_Waiter):
    def __init__(self, scope: str, place: Place) -> None:
        super().__init__(scope, place)
        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()

    def wake(self) -> None:
        with suppress(RuntimeError):  # of a loop that is closed: nobody waits there any more
            self._loop.call_soon_threadsafe(self._event.set)

    async def wait(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._event.wait()


class Listener:
    """Wakes who waits for the feed. Its thread and connection are there while somebody waits, and some seconds longer.

    Parameters
    ----------
    settings: where to connect. driver: of the store: whether threads wait or tasks.
    """

    def __init__(self, settings: Settings, driver: Driver) -> None:
        self._settings = settings
        self._driver = driver
        self._name = f"recollect-{driver.new_id()}"
        self._channel = quoted(settings.schema)
        self._look = in_schema(_LOOK, settings.schema)
        self._follow = in_schema(_FOLLOW, settings.schema)
        self._begin_anew()

    def _begin_anew(self) -> None:
        """As it is in a new process: after a fork there is no thread, and the parent's lock may be taken for ever."""
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._waiting: list[_Waiter] = []
        self._thread: _Thread | None = None
        self._is_closed = False

    async def wait(self, scope: str, place: Place, seconds: float) -> None:
        """Until something can be read behind a place of a feed, for so many seconds at most.

        Where there is no connection to hear by, it returns somewhat later: then the caller has to look.
        """
        if self._pid != os.getpid():
            self._begin_anew()
        waiter = (_OfThread if self._driver.blocking else _OfTask)(scope, place)
        deadline = time.monotonic() + seconds
        with self._lock:
            if self._is_closed:
                return
            if self._thread is None:
                self._thread = _Thread(self)
            self._waiting.append(waiter)
            self._thread.call()
        try:
            await waiter.wait(max(0.0, seconds))
        finally:
            with self._lock, suppress(ValueError):
                self._waiting.remove(waiter)
        if not waiter.is_heard:
            await self._driver.sleep(min(UNHEARD, max(0.0, deadline - time.monotonic())))

    async def close(self) -> None:
        """End every wait, and the thread."""
        if self._pid != os.getpid():
            return
        with self._lock:
            self._is_closed = True
            thread, self._thread = self._thread, None
            waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            waiter.wake()
        if thread is not None:
            await self._driver.run(thread.end)

    # -- on the thread ---------------------------------------------------------------------------------------------

    def waiting(self) -> list[_Waiter]:
        """Who waits now."""
        with self._lock:
            return list(self._waiting)

    def release(self, waiters: Sequence[_Waiter], *, is_heard: bool) -> None:
        """Wake some; unless `is_heard` because there is no way to know when to wake them."""
        with self._lock:
            gone = set(map(id, waiters))
            self._waiting = [waiter for waiter in self._waiting if id(waiter) not in gone]
        for waiter in waiters:
            waiter.is_heard = is_heard
            waiter.wake()

    def leave(self, thread: _Thread) -> bool:
        """Whether the thread may end: nobody waits."""
        with self._lock:
            if self._waiting and self._thread is thread:
                return False
            if self._thread is thread:
                self._thread = None
            return True

    def lose(self, thread: _Thread) -> None:
        """The thread ends; if nobody else has said so, it is by an error."""
        with self._lock:
            if self._thread is not thread:
                return
            self._thread = None
        self.release(self.waiting(), is_heard=False)

    def connect(self) -> psycopg.Connection:
        """A connection that hears."""
        connection = Connection.connect(
            self._settings.conninfo, autocommit=True, prepare_threshold=self._settings.prepare_threshold
        )
        connection.limit = self._settings.limit
        try:
            connection.execute(f"LISTEN {self._channel}".encode())
            self.follow(connection, hearing.LEASE)
        except BaseException:
            connection.close()
            raise
        return connection

    def follow(self, connection: psycopg.Connection, seconds: float) -> None:
        """Ask commits for notices."""
        psycopg.RawCursor(connection).execute(self._follow, (self._name, seconds))

    def look(self, connection: psycopg.Connection, waiters: Sequence[_Waiter]) -> tuple[int, int, list[int]]:
        """The oldest transaction that is open, the next one to begin, and which of these (from 1 on) can go on."""
        places = [waiter.place for waiter in waiters]
        values = ([waiter.scope for waiter in waiters], [str(tx) for tx, _ in places], [str(id) for _, id in places])
        cursor = psycopg.RawCursor(connection, row_factory=tuple_row)
        low, high, ready = cursor.execute(self._look, values).fetchall()[0]
        return low, high, ready


class _Thread:
    """The thread, and how it is called."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._ear, self._mouth = socket.socketpair()
        self._ear.setblocking(False)
        self._mouth.setblocking(False)
        self._is_ending = False
        self._thread = threading.Thread(target=self._run, name="recollect-listen", daemon=True)
        self._thread.start()

    def call(self) -> None:
        """Have it look at who waits."""
        with suppress(OSError):  # so many calls wait already that there is no room; or it has ended
            self._mouth.send(b"!")

    def end(self) -> None:
        """End it. One that is just connecting ends behind that, by itself."""
        self._is_ending = True
        self.call()
        self._thread.join(PATIENCE)

    def _run(self) -> None:
        failures = 0
        try:
            while not self._is_ending:
                try:
                    with closing(self._listener.connect()) as connection:
                        failures = 0
                        self._hear(connection)
                    return
                except (psycopg.Error, OSError):
                    pause = AGAIN[min(failures, len(AGAIN) - 1)]
                    failures += 1
                    if self._rest(pause):
                        return
        finally:
            self._listener.lose(self)
            self._ear.close()
            self._mouth.close()

    def _rest(self, seconds: float) -> bool:
        """Without a connection: send on who comes. Whether to end: nobody came."""
        until = time.monotonic() + seconds
        came = False
        with selectors.DefaultSelector() as selector:
            selector.register(self._ear, selectors.EVENT_READ)
            while True:
                waiters = self._listener.waiting()
                came = came or bool(waiters)
                self._listener.release(waiters, is_heard=False)
                left = until - time.monotonic()
                if self._is_ending or left <= 0:
                    return self._is_ending or (not came and self._listener.leave(self))
                if selector.select(left):
                    self._take_calls()

    def _take_calls(self) -> None:
        with suppress(BlockingIOError):
            while self._ear.recv(4096):
                pass

    def _hear(self, connection: psycopg.Connection) -> None:
        """Hear and wake, until there is nobody to be woken any more."""
        state = hearing.State()
        connection.add_notify_handler(state.noticed)
        with selectors.DefaultSelector() as calls, selectors.DefaultSelector() as both:
            for selector in (calls, both):
                selector.register(self._ear, selectors.EVENT_READ)
            both.register(connection.fileno(), selectors.EVENT_READ)
            while True:
                # What floods in is left where it is for a moment.
                calls.select(state.gap())
                for key, _ in both.select(state.patience(bool(self._listener.waiting()))):
                    if key.fileobj is self._ear:
                        self._take_calls()
                        state.is_called = True
                if self._is_ending or not self._turn(connection, state):
                    self._listener.follow(connection, 0)
                    if self._is_ending or self._listener.leave(self):
                        return
                    self._listener.follow(connection, hearing.LEASE)
                    state.unsettle()

    def _turn(self, connection: psycopg.Connection, state: hearing.State) -> bool:
        """Hear what there is to hear, and wake who can go on; whether somebody waits, or did a moment ago."""
        connection.pgconn.consume_input()
        while connection.pgconn.notifies() is not None:
            state.unsettle()
        now = state.turned = time.monotonic()
        if now >= state.renew_at:
            self._listener.follow(connection, hearing.LEASE)
            state.renew_at = now + hearing.LEASE / 3
        waiters = self._listener.waiting()
        if waiters:
            state.left_at = now + hearing.LINGER
            if now >= state.look_at():
                low, high, ready = self._listener.look(connection, waiters)
                state.saw(now, low, high)
                self._listener.release([waiters[n - 1] for n in ready], is_heard=True)
        return now < state.left_at
