"""From options to a wire: the client library's connections, set up on purpose."""

from __future__ import annotations

import ssl
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import redis
import redis.asyncio
from redis.asyncio.connection import Connection as AsyncConnection
from redis.asyncio.connection import SSLConnection as AsyncSSLConnection
from redis.asyncio.connection import UnixDomainSocketConnection as AsyncUnixConnection
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.exceptions import ResponseError
from redis.retry import Retry

from recollect.errors import ConfigError
from recollect.store import Driver
from recollect.stores.redis.cluster import ClusterWire
from recollect.stores.redis.listening import AsyncListeners, BlockingListeners, Listeners
from recollect.stores.redis.nodes import AsyncBorrowedNode, AsyncNode, BlockingNode, BorrowedNode, Node
from recollect.stores.redis.options import Options
from recollect.stores.redis.wire import SingleWire, Wire


def make_wire(options: Options, driver: Driver) -> Wire:
    """A wire of our own."""
    check_files(options)
    make_node = partial(_node, options, driver)
    how: dict[str, Any] = {"where": options.where, "retries": options.retries}
    if options.cluster:
        return ClusterWire(driver, _listeners(driver), options.hosts, make_node, **how)
    return SingleWire(driver, _listeners(driver), make_node(options.hosts[0]), **how)


def borrowed_wire(client: Any, options: Options, driver: Driver) -> Wire:
    """A wire over the user's own client."""
    blocking = isinstance(client, redis.Redis)
    if not blocking and not isinstance(client, redis.asyncio.Redis):
        raise ConfigError(f"a client is a redis.Redis or a redis.asyncio.Redis, not {type(client).__name__}")
    if blocking is not driver.blocking:
        needed, given = ("redis.Redis", "Recollect") if driver.blocking else ("redis.asyncio.Redis", "AsyncRecollect")
        raise ConfigError(f"{given} needs a {needed} for its client")
    kind = BorrowedNode if blocking else AsyncBorrowedNode
    node = kind(client.connection_pool, timeout=options.timeout)
    return SingleWire(driver, _listeners(driver), node, where="Redis (the client handed in)", retries=options.retries)


def _listeners(driver: Driver) -> Listeners:
    return BlockingListeners() if driver.blocking else AsyncListeners()


def check_files(options: Options) -> None:
    """Raise `ConfigError` for a certificate that is not there, before the library does in its own words."""
    for name in ("ca", "cert", "key"):
        path = getattr(options, name)
        if path is not None and not Path(path).is_file():
            raise ConfigError(f"{name}: there is no file {path}")


_NAME = ("CLIENT", "SETNAME", "recollect")
"""So that an administrator sees who is connected. A user who may not say it does without: the client library would not."""


def _introduced(connection: Any) -> None:
    connection.on_connect()
    connection.send_command(*_NAME)
    with suppress(ResponseError):
        connection.read_response()


async def _introduced_later(connection: Any) -> None:
    await connection.on_connect()
    await connection.send_command(*_NAME)
    with suppress(ResponseError):
        await connection.read_response()


def _node(options: Options, driver: Driver, address: tuple[str, int]) -> Node:
    blocking = driver.blocking
    arguments: dict[str, Any] = {
        "db": options.db,
        "username": options.username,
        "password": options.password,
        "protocol": 2,
        "encoding": "utf-8",
        "encoding_errors": "surrogateescape",
        "decode_responses": True,
        "health_check_interval": options.health_check,
        # What the async driver waits for is limited around the whole exchange, which costs less than each read does.
        "socket_timeout": options.timeout if blocking else None,
        "socket_connect_timeout": options.connect_timeout,
        "retry": Retry(NoBackoff(), 0) if blocking else AsyncRetry(NoBackoff(), 0),
        "redis_connect_func": _introduced if blocking else _introduced_later,
    }
    kind: Any
    if options.socket is not None:
        kind = UnixDomainSocketConnection if blocking else AsyncUnixConnection
        del arguments["socket_connect_timeout"]
        arguments["path"] = options.socket
    else:
        kind = Connection if blocking else AsyncConnection
        arguments |= {"host": address[0], "port": address[1], "socket_keepalive": True}
    if options.tls:
        kind = SSLConnection if blocking else AsyncSSLConnection
        arguments |= {
            "ssl_ca_certs": options.ca,
            "ssl_certfile": options.cert,
            "ssl_keyfile": options.key,
            "ssl_cert_reqs": "required" if options.verify else "none",
            "ssl_check_hostname": options.verify,
            "ssl_min_version": ssl.TLSVersion.TLSv1_2,
        }
    node = BlockingNode if blocking else AsyncNode
    return node(
        partial(kind, **arguments),
        size=options.pool_size,
        patience=options.timeout,
        timeout=options.timeout + options.connect_timeout,
    )
