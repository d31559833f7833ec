"""Calls: sent, tried again where that is safe, answered or refused in our words."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple

import hiredis
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from recollect.errors import ConfigError, RecollectError
from recollect.store import Driver
from recollect.stores.redis.errors import BEFORE_ANYTHING, Lost, code_of, lost, refusal
from recollect.stores.redis.listening import Listeners
from recollect.stores.redis.nodes import Node
from recollect.stores.redis.scripts import Command, with_source

pack: Callable[[Command], bytes] = hiredis.pack_command  # type: ignore[assignment]


PASSING = (*BEFORE_ANYTHING, "MOVED", "ASK", "UNBLOCKED")
"""Replies to who waits that say no more than that it has to be asked again, and perhaps elsewhere."""

PAUSE = 0.5
"""Seconds until what could not be waited for is looked at."""


class Unit(NamedTuple):
    """Commands that go to one slot together; several of them are one transaction.

    Parameters
    ----------
    key: any key of the slot. again: whether it may be sent again when nobody knows if it was executed.
    loose: whether several commands go without a transaction around them.
    """

    key: str
    commands: tuple[Command, ...]
    again: bool = True
    loose: bool = False


_MULTI = pack(("MULTI",))
_EXEC = pack(("EXEC",))


def packed(unit: Unit) -> tuple[bytes, int]:
    """The bytes of a unit and how many replies they get."""
    commands = unit.commands
    if len(commands) == 1:
        return pack(commands[0]), 1
    if unit.loose:
        return b"".join(map(pack, commands)), len(commands)
    return b"".join((_MULTI, *map(pack, commands), _EXEC)), len(commands) + 2


def answer(unit: Unit, replies: Sequence[Any]) -> Any:
    """The answer of a unit: an error, or what it gave; for several commands a list."""
    if len(replies) == 1:
        return replies[0]
    found = replies if unit.loose else replies[-1]
    if isinstance(found, Exception):
        return next((reply for reply in replies if isinstance(reply, Exception)), found)
    return next((reply for reply in found if isinstance(reply, Exception)), found)


class Wire(ABC):
    """What the store talks to.

    Parameters
    ----------
    driver: waits. listeners: wait at servers. where: the server's name for messages.
    retries: how often what failed is tried again.
    """

    one_slot: ClassVar[bool]
    """Whether one command may have keys of several tags."""

    def __init__(self, driver: Driver, listeners: Listeners, *, where: str, retries: int) -> None:
        self._driver = driver
        self._listeners = listeners
        self._where = where
        self._retries = retries
        self._told = set[object]()

    @abstractmethod
    async def _send(self, units: Sequence[Unit]) -> list[Any]:
        """One try: an answer for each unit, an error of the server's or `Lost` among them."""

    @abstractmethod
    async def close(self) -> None:
        """Close connections of our own."""

    @abstractmethod
    async def _node_of(self, key: str) -> Node:
        """The server that has a key; raises `Lost` where none is known."""

    async def first(self, units: Sequence[Unit], seconds: float) -> None:
        """Send units of one blocking command each, and wait until one of them is answered with something.

        Returns after `seconds` if none is, and a while after a connection was lost or a slot has moved: whoever looks
        then is told by that. Raises what a server refuses, in our words.
        """
        try:
            calls = [(await self._node_of(unit.key), packed(unit)[0]) for unit in units]
            found = await self._listeners.first(calls, seconds)
        except Lost as error:
            found = error
        if isinstance(found, Lost) or (isinstance(found, Exception) and code_of(found) in PASSING):
            await self._driver.sleep(min(seconds, PAUSE))
        elif isinstance(found, Exception):
            raise self._translated(found, units[0])

    @abstractmethod
    async def everywhere(self, command: Command) -> list[Any]:
        """A command's answer from every server that holds data."""

    async def ask(self, key: str, *commands: Command, again: bool = True) -> Any:
        """The answer of one unit; raises what went wrong, in our words."""
        units = (Unit(key, commands, again),)
        answers = await self._send(units)
        if isinstance(answers[0], Exception):
            answers = await self._settle(units, answers)
            if isinstance(answers[0], RecollectError):
                raise answers[0]
        return answers[0]

    async def ask_all(self, units: Sequence[Unit]) -> list[Any]:
        """An answer for each unit, or its error."""
        if not units:
            return []
        units = list(map(self._with_news, units))
        return await self._settle(units, await self._send(units))

    def _with_news(self, unit: Unit) -> Unit:
        """With the source of a script that this client has not sent yet: a unit whose script the server does not know would
        come again behind the others, and so would its entry of the feed."""
        command = unit.commands[0]
        if command[0] != "EVALSHA" or len(unit.commands) > 1 or command[1] in self._told:
            return unit
        self._told.add(command[1])
        return unit._replace(commands=(with_source(command),))

    async def _settle(self, units: Sequence[Unit], answers: list[Any]) -> list[Any]:
        """Try again what failed, where that is safe, and say in our words what still fails.

        What was certainly not executed is sent again after a pause, up to `retries` times; so is, where the unit says
        that it may be, what got no answer. Units of one slot keep their order.
        """
        attempt = 0
        while True:
            failed = [n for n, found in enumerate(answers) if isinstance(found, Exception)]
            if not failed:
                return answers
            again = [n for n in failed if _may_repeat(units[n], answers[n], attempt)]
            # Another form of the same is no second try: the server has not begun.
            if not all(_needs_another_form(units[n], answers[n]) for n in again):
                if attempt == self._retries:
                    break
                await self._driver.sleep(random.uniform(0.5, 1.0) * min(1.0, 0.05 * 3**attempt))
                attempt += 1
            if not again:
                break
            units = [_other_form(unit, found) for unit, found in zip(units, answers, strict=True)]
            for n, found in zip(again, await self._send([units[n] for n in again]), strict=True):
                answers[n] = found
        return [
            self._translated(found, unit) if isinstance(found, Exception) else found
            for unit, found in zip(units, answers, strict=True)
        ]

    def _translated(self, found: Exception, unit: Unit) -> RecollectError:
        """The error to raise, with the original as its cause."""
        if isinstance(found, Lost):
            error, cause = lost(found, self._where, writing=not unit.again), found.cause
        else:
            error, cause = refusal(found, self._where), found
        error.__cause__ = cause
        return error


def _is_unknown_script(found: object) -> bool:
    return isinstance(found, ResponseError) and code_of(found) == "NOSCRIPT"


def _is_full(found: object) -> bool:
    return isinstance(found, ResponseError) and code_of(found) == "OOM"


def _needs_another_form(unit: Unit, found: object) -> bool:
    """Whether the server will take the same at once in another form.

    It may not know a script. And when its memory is full it takes no transaction, not one that only reads either; then
    the commands go one by one: in a pinch the owner may be read a moment before the messages.
    """
    unknown = _is_unknown_script(found) and unit.commands[0][0] == "EVALSHA"
    return unknown or (_is_full(found) and len(unit.commands) > 1 and not unit.loose)


def _other_form(unit: Unit, found: object) -> Unit:
    if not _needs_another_form(unit, found):
        return unit
    if len(unit.commands) > 1:
        return unit._replace(loose=True)
    return unit._replace(commands=(with_source(unit.commands[0]),))


def _may_repeat(unit: Unit, found: Exception, attempt: int) -> bool:
    if isinstance(found, Lost):
        if isinstance(lost(found, "", writing=False), ConfigError):
            return False
        # A server that does not answer is asked once more and no further: each time costs the whole timeout.
        slow = isinstance(found.cause, TimeoutError | RedisTimeoutError)
        return (unit.again or not found.sent) and not (slow and attempt > 0)
    return _needs_another_form(unit, found) or code_of(found) in BEFORE_ANYTHING


class SingleWire(Wire):
    """One server."""

    one_slot = True

    def __init__(self, driver: Driver, listeners: Listeners, node: Node, *, where: str, retries: int) -> None:
        super().__init__(driver, listeners, where=where, retries=retries)
        self._node = node

    async def _send(self, units: Sequence[Unit]) -> list[Any]:
        if len(units) > 1:
            return await exchange(self._node, units)
        data, count = packed(units[0])
        try:
            return [answer(units[0], await self._node.exchange(data, count))]
        except Lost as error:
            return [error]

    async def _node_of(self, key: str) -> Node:
        return self._node

    async def close(self) -> None:
        await self._listeners.close()
        await self._node.close()

    async def everywhere(self, command: Command) -> list[Any]:
        return [await self.ask("{}", command)]


async def exchange(node: Node, units: Sequence[Unit]) -> list[Any]:
    """Units sent to one server together; if the connection fails, all of them get that error."""
    try:
        if len(units) == 1:
            data, count = packed(units[0])
            return [answer(units[0], await node.exchange(data, count))]
        pieces, counts = zip(*map(packed, units), strict=True)
        replies = await node.exchange(b"".join(pieces), sum(counts))
    except Lost as error:
        return [error] * len(units)
    answers, at = [], 0
    for unit, count in zip(units, counts, strict=True):
        answers.append(answer(unit, replies[at : at + count]))
        at += count
    return answers


def settled(answers: Sequence[Any]) -> list[Any]:
    """The answers; raises the first that is an error."""
    for found in answers:
        if isinstance(found, Exception):
            raise found
    return list(answers)
