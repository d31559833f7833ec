"""How much may be asked: bytes of a body, requests a minute, requests at once."""

from __future__ import annotations

import math
import time

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from recollect import LimitExceeded
from recollect.server.auth import Doorkeeper
from recollect.server.problems import of_error, problem
from recollect.server.state import Server, info_of

UNLIMITED = frozenset({"/healthz", "/readyz"})


class Rate:
    """Requests a minute for each of those who ask.

    Counted in lots of a thousandth of the limit (one by one up to 1,999), as counting is not free.
    """

    def __init__(self, per_minute: int) -> None:
        self._item = RateLimitItemPerMinute(per_minute) if per_minute else None
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._lot = max(1, per_minute // 1000)
        self._counted: dict[str, int] = {}

    def is_counted(self, who: str) -> bool:
        """Whether a request is in the lot that was counted last, and needs no `wait`."""
        if left := self._counted.get(who, 0):
            self._counted[who] = left - 1
        return left > 0

    async def wait(self, who: str) -> int:
        """Count a request; the seconds to wait if it is one too many, else 0."""
        if self._item is None:
            return 0
        if await self._limiter.hit(self._item, who, cost=self._lot):
            self._counted[who] = self._lot - 1
            return 0
        window = await self._limiter.get_window_stats(self._item, who)
        return max(1, math.ceil(window.reset_time - time.time()))


class Gate:
    """Lets a request in, or answers it with what it lacks. Pure ASGI."""

    def __init__(self, app: ASGIApp, server: Server) -> None:
        self._app = app
        self._server = server
        self._doorkeeper = Doorkeeper(server.settings)
        self._rate = Rate(server.settings.requests_per_minute)
        self._inside = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = await self._refuse(scope)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        self._inside += 1
        try:
            if scope["method"] in ("POST", "PUT", "PATCH", "DELETE"):
                receive = _Measured(receive, self._server.settings.max_body_bytes)
            await self._app(scope, receive, send)
        finally:
            self._inside -= 1

    async def _refuse(self, scope: Scope) -> Response | None:
        headers = dict(scope["headers"])
        admitted = self._doorkeeper.admit(scope, headers)
        if isinstance(admitted, Response):
            return admitted
        who, tenant = admitted
        if scope["path"] in UNLIMITED:
            return None
        if not self._rate.is_counted(who) and (wait := await self._rate.wait(who)):
            limit = self._server.settings.requests_per_minute
            return problem(scope, 429, f"More than {limit:,} requests a minute.", headers={"Retry-After": str(wait)})
        if self._inside >= self._server.settings.max_concurrent_requests:
            return problem(scope, 503, "Too many requests at once.", headers={"Retry-After": "1"})
        if self._server.stopping.is_set():
            return problem(scope, 503, "The server is stopping.", headers={"Retry-After": "5", "Connection": "close"})
        declared = headers.get(b"content-length")
        if declared is not None:
            if not declared.isdigit():
                return problem(scope, 400, "Content-Length is not a number.")
            if int(declared[:20]) > self._server.settings.max_body_bytes:
                return of_error(scope, too_large(self._server.settings.max_body_bytes))
        info = info_of(scope)
        assert info is not None
        info.tenant = self._server.tenant(tenant)
        return None


class _Measured:
    """A `receive` that stops at the limit: a body without a length is not read into memory beyond it."""

    __slots__ = ("_left", "_limit", "_receive")

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self._left = self._limit = limit

    async def __call__(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            if self._left < 0:
                raise too_large(self._limit)
        return message


def too_large(limit: int) -> LimitExceeded:
    """The error for a body over the limit."""
    return LimitExceeded(f"a request body has at most {limit:,} bytes (RECOLLECT_MAX_BODY_BYTES)")
