"""What a running server holds, and what is known of a request."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.types import Scope

from recollect import AsyncRecollect, Message
from recollect.llm import ChatModel, ChatTurns
from recollect.server.digesting import Digesting, extractor_of
from recollect.server.logs import make_request_log
from recollect.server.summaries import Summaries
from recollect.settings import Settings

if TYPE_CHECKING:
    from recollect.server.metrics import Metrics

_KEY = "recollect"

DOCUMENTS = ("documents",)
"""The namespace of the documents that replies rest on."""


class Tenant:
    """One scope: its memory and its turns of conversation."""

    __slots__ = ("memory", "turns")

    def __init__(self, memory: AsyncRecollect, turns: ChatTurns) -> None:
        self.memory = memory
        self.turns = turns


class Server:
    """Everything that requests share.

    Parameters
    ----------
    memory, model: what is served; whoever made them closes them.
    log: where lines go; a structlog logger.
    """

    def __init__(
        self, settings: Settings, memory: AsyncRecollect, model: ChatModel | None, metrics: Metrics, log: Any
    ) -> None:
        self.settings = settings
        self.memory = memory
        self.model = model
        self.metrics = metrics
        self.log = log
        self.log_request = make_request_log(settings, log)
        self.summaries = Summaries(settings, metrics, log)
        self.stopping = asyncio.Event()
        self.streams: set[asyncio.Task[Any]] = set()
        self._tenants: dict[str, Tenant] = {}
        scopes = dict.fromkeys(key.scope for key in settings.api_keys) or {memory.scope: None}
        memories = [self.tenant(scope).memory for scope in scopes]
        self.digesting = Digesting(settings, extractor_of(settings, model), memories, metrics, log)

    def tenant(self, scope: str | None) -> Tenant:
        """The scope that a key opens; None for the memory's own."""
        wanted = self.memory.scope if scope is None else scope
        found = self._tenants.get(wanted)
        if found is None:
            memory = self.memory if wanted == self.memory.scope else self.memory.in_scope(wanted)

            def answered(reply: Message) -> None:
                self.summaries.grown(memory, reply.session_id, reply.seq)

            turns = ChatTurns(
                memory,
                self.model,
                max_context_tokens=self.settings.max_context_tokens,
                namespaces=[DOCUMENTS],
                answered=answered,
            )
            found = self._tenants[wanted] = Tenant(memory, turns)
        return found

    async def ping(self, seconds: float = 2.0) -> None:
        """Ask the store for one row. Raises its error, or `TimeoutError`."""
        try:
            async with asyncio.timeout(seconds):
                await self.memory.session("readyz").info()
        except Exception:
            self.metrics.store_up.set(0)
            raise
        self.metrics.store_up.set(1)

    async def stopped(self) -> None:
        """Returns when the server stops and what is in flight has had its time."""
        await self.stopping.wait()
        await asyncio.sleep(self.settings.shutdown_grace)

    async def settle(self) -> None:
        """Wait until what streams have left is stored."""
        if self.streams:
            await asyncio.wait(self.streams, timeout=5)
        for tenant in self._tenants.values():
            await tenant.turns.settle()


class RequestInfo:
    """What is known of a request beside what it says.

    `status` is 0 until the answer has begun; `failed` says that the log knows already; `head_only`, that no body is sent.
    """

    __slots__ = ("failed", "head_only", "request_id", "server", "status", "tenant")

    def __init__(self, server: Server, request_id: str, *, head_only: bool = False) -> None:
        self.server = server
        self.request_id = request_id
        self.tenant: Tenant | None = None
        self.status = 0
        self.failed = False
        self.head_only = head_only


def info_of(scope: Scope) -> RequestInfo | None:
    """What is known of the request; None outside of the server's own middleware."""
    found: RequestInfo | None = scope.get(_KEY)
    return found


def attach(scope: Scope, info: RequestInfo) -> None:
    """Make it known to everything below."""
    scope[_KEY] = info


def server_of(scope: Scope) -> Server:
    """The server that a request came to."""
    info: RequestInfo = scope[_KEY]
    return info.server


def tenant_of(request: Request) -> Tenant:
    """The scope that a request may see."""
    info: RequestInfo = request.scope[_KEY]
    assert info.tenant is not None, "a route that needs a key was left open"
    return info.tenant


def memory_of(request: Request) -> AsyncRecollect:
    """The memory that a request may see."""
    return tenant_of(request).memory
