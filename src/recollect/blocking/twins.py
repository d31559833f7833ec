"""What a method takes from its async twin: its words, and its items one by one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import TypeVar

from recollect.store.driver import drive

F = TypeVar("F", bound=Callable[..., object])
T = TypeVar("T")


def as_twin(twin: Callable[..., object]) -> Callable[[F], F]:
    """Give a method the docstring of its async twin, as its words hold for both."""

    def dress(method: F) -> F:
        method.__doc__ = (twin.__doc__ or "").replace("`AsyncRecollect.", "`Recollect.")
        return method

    return dress


def iterate(source: AsyncIterator[T]) -> Iterator[T]:
    """The items of an async iterator that never suspends."""
    while True:
        try:
            item = drive(_next(source))
        except StopAsyncIteration:
            return
        yield item


async def _next(source: AsyncIterator[T]) -> T:
    return await anext(source)
