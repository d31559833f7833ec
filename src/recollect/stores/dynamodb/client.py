"""The one place where requests are made: boto3's client, called through the driver, its errors translated."""

from __future__ import annotations

import os
import random
import threading
import time
import weakref
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from recollect.errors import ConfigError, Unavailable, missing_extra
from recollect.store import Driver
from recollect.stores.dynamodb.failures import translate
from recollect.stores.dynamodb.options import Options
from recollect.stores.dynamodb.values import Item
from recollect.stores.dynamodb.whole import is_cut_off, refuse_what_is_cut_off
from recollect.stores.dynamodb.wire import speed_up

GET_KEYS = 100
"""Keys of one BatchGetItem."""

WRITE_ITEMS = 25
"""Requests of one BatchWriteItem."""

UNPROCESSED_TRIES = 12

OF_STREAMS = {"describe_stream", "get_shard_iterator", "get_records"}
"""Operations of DynamoDB Streams."""


class Cancelled(Exception):
    """A transaction that was not applied: for each action its code, and the item that stood against it."""

    def __init__(self, reasons: Sequence[Mapping[str, Any]]) -> None:
        super().__init__("transaction cancelled")
        self.codes: list[str] = [reason.get("Code") or "None" for reason in reasons]
        self.items: list[Item | None] = [reason.get("Item") for reason in reasons]


class Client:
    """boto3's low-level client with its answers made whole.

    Parameters
    ----------
    options: how it is reached. borrowed: a client that somebody else made, and closes.
    """

    def __init__(self, options: Options, borrowed: Any = None) -> None:
        self._options = options
        self._borrowed = borrowed
        self._client: Any = None
        self._streams: Any = None
        self._stale = False
        self._region: str | None = None if borrowed is None else borrowed.meta.region_name
        self._driver: Driver | None = None
        self._forked()
        _alive.add(self)
        self.where = options.endpoint_url or options.region or "AWS"

    def _forked(self) -> None:
        """In a child after a fork, whose parent goes on with the connections there were: none of them is used again."""
        self._lock = threading.Lock()
        self._stale = self._client is not None and self._client is not self._borrowed

    def _renew(self) -> None:
        with self._lock:
            if self._stale:
                client, self._streams = self._make(), None
                refuse_what_is_cut_off(client)
                self._client, self._stale = client, False

    @property
    def is_open(self) -> bool:
        """Whether `open` was called, and `close` not."""
        return self._client is not None

    async def open(self, driver: Driver) -> None:
        """Make the client; nothing is asked of the server yet."""
        if self._client is None:
            client = self._borrowed or await driver.run(self._make)
            refuse_what_is_cut_off(client)
            self._client = client
        self._driver = driver

    async def close(self) -> None:
        """Close the connections, if they are ours."""
        with self._lock:
            client, self._client = self._client, None
            streams, self._streams = self._streams, None
            self._stale = False
        if streams is not None:
            streams.close()
        if client is not None and client is not self._borrowed:
            client.close()

    def _make(self, service: str = "dynamodb") -> Any:
        try:
            import boto3
            from botocore.config import Config
        except ImportError as error:
            raise missing_extra(error.name or "boto3", "dynamodb") from error
        options = self._options
        config = Config(
            connect_timeout=options.connect_timeout,
            read_timeout=options.timeout,
            retries={"mode": "standard", "total_max_attempts": options.attempts},
            max_pool_connections=options.connections,
            parameter_validation=False,
            tcp_keepalive=True,
            user_agent_extra="recollect",
        )
        try:
            session = boto3.session.Session(
                aws_access_key_id=options.access_key,
                aws_secret_access_key=options.secret_key,
                region_name=options.region or self._region,
            )
            session._session.register_component("data_loader", _loader())
            client = session.client(service, endpoint_url=options.endpoint_url, config=config)
        except Exception as error:
            found = translate(error, "the client", self.where)
            if found is None and isinstance(error, ValueError):
                found = ConfigError(f"DynamoDB cannot be reached at {self.where}: {error}")
            if found is None:
                raise
            raise found from error
        if service == "dynamodb":
            speed_up(client)
        return client

    async def call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """One request, and its answer.

        Parameters
        ----------
        operation: boto3's name of it.

        Raises `Cancelled` for a transaction that was not applied.
        """
        driver = self._driver
        if self._client is None or driver is None:
            raise ConfigError("this store is not open")
        return await driver.run(self.request, operation, arguments)

    def request(self, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """The same in the thread that asks, tried again when the answer was cut off, as botocore does when none comes."""
        if self._stale:
            self._renew()
        client = self._client
        if client is None:
            raise ConfigError("this store is closed")
        if operation in OF_STREAMS:
            client = self._of_streams()
        for turn in range(1, self._options.attempts):
            try:
                return self._once(client, operation, arguments)
            except Unavailable as error:
                if error.__cause__ is None or not is_cut_off(error.__cause__):
                    raise
                time.sleep(pause_of(turn))
        return self._once(client, operation, arguments)

    def _once(self, client: Any, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = getattr(client, operation)(**arguments)
            return answer
        except Exception as error:
            name = "".join(word.capitalize() for word in operation.split("_"))
            response = getattr(error, "response", None)
            if response and response.get("Error", {}).get("Code") == "TransactionCanceledException":
                raise Cancelled(response.get("CancellationReasons") or []) from error
            if (found := translate(error, name, self.where)) is None:
                raise
            raise found from error

    def _of_streams(self) -> Any:
        """The client of DynamoDB Streams, which is a service of its own."""
        with self._lock:
            if self._streams is None:
                self._streams = self._make("dynamodbstreams")
            return self._streams

    async def get(self, table: str, key: Item, *, consistent: bool = True) -> Item | None:
        """One item by its key."""
        answer = await self.call("get_item", TableName=table, Key=key, ConsistentRead=consistent)
        found: Item | None = answer.get("Item")
        return found

    async def get_many(self, keys: Mapping[str, Iterable[Item]], *, consistent: bool = True) -> dict[str, list[Item]]:
        """Items of several tables by their keys, in no order; what is not there is left out."""
        pairs = [(table, key) for table, some in keys.items() for key in some]
        found: dict[str, list[Item]] = {table: [] for table in keys}
        for start in range(0, len(pairs), GET_KEYS):
            wanted: dict[str, Any] = {}
            for table, key in pairs[start : start + GET_KEYS]:
                wanted.setdefault(table, {"Keys": [], "ConsistentRead": consistent})["Keys"].append(key)
            tries = 0
            while wanted:
                answer = await self.call("batch_get_item", RequestItems=wanted)
                for table, items in answer.get("Responses", {}).items():
                    found[table] += items
                left = answer.get("UnprocessedKeys") or {}
                tries = await self._back_off(tries, made_progress=_count(left) < _count(wanted)) if left else 0
                wanted = left
        return found

    async def write_many(self, requests: Sequence[tuple[str, dict[str, Any]]]) -> None:
        """Puts and deletes that need no condition and no common fate, 25 at a time."""
        for start in range(0, len(requests), WRITE_ITEMS):
            wanted: dict[str, Any] = {}
            for table, request in requests[start : start + WRITE_ITEMS]:
                wanted.setdefault(table, []).append(request)
            tries = 0
            while wanted:
                answer = await self.call("batch_write_item", RequestItems=wanted)
                left = answer.get("UnprocessedItems") or {}
                tries = await self._back_off(tries, made_progress=_count(left) < _count(wanted)) if left else 0
                wanted = left

    async def query(self, **arguments: Any) -> tuple[list[Item], Item | None]:
        """One page of a query: its items, and the key behind which the next one begins."""
        answer = await self.call("query", **arguments)
        return answer.get("Items", []), answer.get("LastEvaluatedKey")

    async def query_all(self, **arguments: Any) -> list[Item]:
        """All pages of a query."""
        items, start = await self.query(**arguments)
        while start is not None:
            more, start = await self.query(ExclusiveStartKey=start, **arguments)
            items += more
        return items

    async def scan_all(self, **arguments: Any) -> list[Item]:
        """All pages of a scan."""
        items: list[Item] = []
        start: Item | None = None
        while True:
            answer = await self.call("scan", **arguments, **({"ExclusiveStartKey": start} if start else {}))
            items += answer.get("Items", [])
            start = answer.get("LastEvaluatedKey")
            if start is None:
                return items

    async def pause(self, turn: int) -> None:
        """Wait before another try."""
        assert self._driver is not None
        await self._driver.sleep(pause_of(turn))

    async def _back_off(self, tries: int, *, made_progress: bool) -> int:
        tries = 0 if made_progress else tries + 1
        if tries > UNPROCESSED_TRIES:
            raise Unavailable(f"DynamoDB at {self.where} does not process what it is sent: it is throttled")
        await self.pause(tries)
        return tries


_alive: weakref.WeakSet[Client] = weakref.WeakSet()


def _after_fork() -> None:
    for client in list(_alive):
        client._forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def pause_of(turn: int) -> float:
    """Seconds to wait before another try: longer each time, at random, so that those who met do not meet again.

    "Exponential Backoff And Jitter", AWS Architecture Blog, 2015: full jitter.
    """
    return random.uniform(0.0, min(0.5, 0.004 * 2 ** min(turn, 10)))


def _count(requests: Mapping[str, Any]) -> int:
    return sum(len(part["Keys"]) if isinstance(part, dict) else len(part) for part in requests.values())


@cache
def _loader() -> Any:
    """The models of AWS's services, read once for all clients of the process."""
    from botocore.loaders import create_loader

    return create_loader()
