"""One surface for both clients: the async one is driven call by call on a loop of its own."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from typing import Any, Literal, Protocol, cast

from recollect import (
    AsyncNamespaceHandle,
    AsyncRecollect,
    AsyncSessionHandle,
    AsyncUserHandle,
    AsyncUserPreferences,
    Embedder,
    Recollect,
    Store,
    Summarizer,
)
from recollect.store.driver import Clock

Mode = Literal["sync", "async"]
_HANDLES = (AsyncRecollect, AsyncNamespaceHandle, AsyncSessionHandle, AsyncUserHandle, AsyncUserPreferences)


class Opener(Protocol):
    """Makes a client on the test's store, closed at the end of the test."""

    def __call__(
        self,
        store: str | Store | None = None,
        *,
        scope: str = ...,
        count_tokens: Callable[[str], int] | None = ...,
        ttl: float | None = ...,
        sliding: bool = ...,
        summarizer: Summarizer | None = ...,
        clock: Clock = ...,
        embedder: Embedder | None = ...,
    ) -> Recollect: ...


class Driven:
    """An async client or handle, each of whose calls is run to its end."""

    def __init__(self, target: object, runner: asyncio.Runner) -> None:
        self._target = target
        self._runner = runner

    def __getattr__(self, name: str) -> Any:
        return self._wrap(getattr(self._target, name))

    def _wrap(self, value: Any) -> Any:
        if isinstance(value, _HANDLES):
            return Driven(value, self._runner)
        if inspect.ismethod(value):
            return lambda *args, **kwargs: self._wrap(value(*args, **kwargs))
        if inspect.isasyncgen(value):
            return self._iterate(value)
        if inspect.isawaitable(value):
            return self._runner.run(_await(value))
        return value

    def _iterate(self, source: Any) -> Iterator[Any]:
        while True:
            try:
                item = self._runner.run(_await(anext(source)))
            except StopAsyncIteration:
                return
            yield item


async def _await(value: Any) -> Any:
    return await value


def client(mode: Mode, runner: asyncio.Runner, store: str | Store | None, **options: Any) -> Recollect:
    """A client of either kind, to be called as the sync one is."""
    if mode == "sync":
        return Recollect(store, **options)
    return cast(Recollect, Driven(AsyncRecollect(store, **options), runner))
