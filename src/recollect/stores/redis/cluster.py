"""Redis Cluster: each unit to the server that has its slot.

Written here rather than with the client library's cluster classes, whose async and sync twins differ and which cannot
send a transaction and read its replies as they are. All it takes is the map of slots and two redirections (Redis
Cluster specification, "MOVED Redirection" and "ASK redirection").
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from redis.exceptions import RedisError

from recollect.store import Driver
from recollect.stores.redis.errors import Lost, code_of
from recollect.stores.redis.keys import slot
from recollect.stores.redis.listening import Listeners
from recollect.stores.redis.nodes import Node
from recollect.stores.redis.scripts import Command
from recollect.stores.redis.wire import Unit, Wire, exchange, pack, packed

Address = tuple[str, int]

_ASKING = pack(("ASKING",))
REDIRECTIONS = 5


class ClusterWire(Wire):
    """A cluster.

    Parameters
    ----------
    seeds: servers to begin with. make_node: gives a server's node.
    """

    one_slot = False

    def __init__(
        self,
        driver: Driver,
        listeners: Listeners,
        seeds: Sequence[Address],
        make_node: Callable[[Address], Node],
        *,
        where: str,
        retries: int,
    ) -> None:
        super().__init__(driver, listeners, where=where, retries=retries)
        self._seeds = tuple(seeds)
        self._make_node = make_node
        self._nodes: dict[Address, Node] = {}
        self._owners: list[Address | None] = []

    def _node(self, address: Address) -> Node:
        node = self._nodes.get(address)
        if node is None:
            node = self._nodes.setdefault(address, self._make_node(address))
        return node

    async def _node_of(self, key: str) -> Node:
        try:
            if not self._owners:
                await self._learn()
        except RedisError as error:
            raise Lost(error, sent=False) from error
        owner = self._owners[slot(key)]
        if owner is None:
            raise _unowned()
        return self._node(owner)

    async def close(self) -> None:
        await self._listeners.close()
        for node in self._nodes.values():
            await node.close()

    async def everywhere(self, command: Command) -> list[Any]:
        try:
            await self._learn()
        except (Lost, RedisError) as error:
            raise self._translated(error, Unit("{}", (command,))) from error
        found = []
        for address in sorted({owner for owner in self._owners if owner is not None}):
            (reply,) = await exchange(self._node(address), (Unit("{}", (command,)),))
            if isinstance(reply, Exception):
                raise self._translated(reply, Unit("{}", (command,)))
            found.append(reply)
        return found

    async def _learn(self) -> None:
        """Ask any server who has which slots; raises `Lost` or the refusal of the last one asked."""
        failure: Exception | None = None
        for address in dict.fromkeys((*self._nodes, *self._seeds)):
            (found,) = await exchange(self._node(address), (Unit("{}", (("CLUSTER", "SLOTS"),)),))
            if isinstance(found, Exception):
                failure = found
                continue
            owners: list[Address | None] = [None] * 16384
            for first, last, primary, *_ in found:
                owner = (primary[0] or address[0], int(primary[1]))
                owners[int(first) : int(last) + 1] = [owner] * (int(last) - int(first) + 1)
            self._owners = owners
            return
        assert failure is not None
        raise failure

    async def _send(self, units: Sequence[Unit]) -> list[Any]:
        answers: list[Any] = [None] * len(units)
        left = list(range(len(units)))
        try:
            if not self._owners:
                await self._learn()
        except (Lost, RedisError) as error:
            return [error] * len(units)
        for _ in range(REDIRECTIONS):
            left = await self._round(units, left, answers)
            if not left:
                break
        return answers

    async def _round(self, units: Sequence[Unit], left: list[int], answers: list[Any]) -> list[int]:
        """Send what is left to the servers that are thought to have it; what was redirected is left for the next."""
        by_owner: dict[Address | None, list[int]] = {}
        for n in left:
            by_owner.setdefault(self._owners[slot(units[n].key)], []).append(n)
        moved: list[int] = []
        stale = False
        for owner, numbers in by_owner.items():
            if owner is None:
                for n in numbers:
                    answers[n] = _unowned()
                stale = True
                continue
            for n, found in zip(numbers, await exchange(self._node(owner), [units[n] for n in numbers]), strict=True):
                answers[n] = found
                code = code_of(found) if isinstance(found, Exception) else ""
                if code == "MOVED":
                    stale = True
                    moved.append(n)
                elif code == "ASK":
                    answers[n] = await self._ask_there(units[n], str(found))
                stale = stale or isinstance(found, Lost)
        if stale:
            try:
                await self._learn()
            except (Lost, RedisError):
                pass  # what was not answered says so itself
        return moved

    async def _ask_there(self, unit: Unit, told: str) -> Any:
        """A slot that is moving: this once, ask the server it moves to, whose address ends what was told."""
        host, _, port = told.split(" ")[-1].rpartition(":")
        data, count = packed(unit)
        try:
            if count > 1:
                # ASKING holds for one command, and in a transaction for each that is queued: so without one.
                replies = [
                    (await self._node((host, int(port))).exchange(_ASKING + pack(command), 2))[1]
                    for command in unit.commands
                ]
                return next((reply for reply in replies if isinstance(reply, Exception)), replies)
            return (await self._node((host, int(port))).exchange(_ASKING + data, count + 1))[1]
        except Lost as error:
            return error


def _unowned() -> Lost:
    return Lost(ConnectionError("no server has this slot (is the cluster complete?)"), sent=False)
