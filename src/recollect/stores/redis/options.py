"""What a Redis URL says."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

from msgspec import Struct

from recollect.errors import ConfigError

CLUSTER_SHARDS = 16
"""On a cluster a tenant is divided into so many parts, each in one slot."""

MAX_SHARDS = 1024
_PREFIX = re.compile(r"[A-Za-z0-9._:\-]{1,100}")
_TRUE = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


class Options(Struct, frozen=True, kw_only=True):
    """How to reach Redis, and under which keys.

    Parameters
    ----------
    hosts: servers; the first that answers tells the others of a cluster. socket: the path of a Unix socket instead.
    cluster, tls: what kind of connection. db: the number of the database, 0 on a cluster.
    ca: a file with the certificates to trust; cert, key: this client's own; verify: whether the server's is checked.
    prefix: what all keys begin with. shards: parts of a tenant; None for what the database has, or the usual for a new one.
    timeout: seconds to wait for an answer; connect_timeout: for a connection.
    health_check: seconds after which an idle connection is tried before it is used; 0 for never.
    retries: how often a call that failed is tried again where that is safe. pool_size: connections to one server at most.
    feed_retention: seconds that entries of the feed are kept by a sweep.
    """

    hosts: tuple[tuple[str, int], ...] = (("localhost", 6379),)
    socket: str | None = None
    cluster: bool = False
    tls: bool = False
    db: int = 0
    username: str | None = None
    password: str | None = None
    ca: str | None = None
    cert: str | None = None
    key: str | None = None
    verify: bool = True
    prefix: str = "recollect"
    shards: int | None = None
    timeout: float = 5.0
    connect_timeout: float = 2.0
    health_check: float = 30.0
    retries: int = 3
    pool_size: int = 64
    feed_retention: float = 7 * 86400

    @property
    def where(self) -> str:
        """The server's name in messages."""
        if self.socket is not None:
            return f"Redis at {self.socket}"
        name = "Redis Cluster" if self.cluster else "Redis"
        return f"{name} at {_addresses(self.hosts)}"

    @property
    def url(self) -> str:
        """The URL without passwords."""
        tail = "" if self.prefix == "recollect" else f"?prefix={self.prefix}"
        if self.socket is not None:
            return f"redis+unix://{self.socket}{tail}"
        scheme = "redis+cluster" if self.cluster else "rediss" if self.tls else "redis"
        user = f"{self.username}@" if self.username else ""
        return f"{scheme}://{user}{_addresses(self.hosts)}{f'/{self.db}' if self.db else ''}{tail}"


def _addresses(hosts: tuple[tuple[str, int], ...]) -> str:
    return ",".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in hosts)


def parse_url(scheme: str, netloc: str, path: str, options: dict[str, str]) -> Options:
    """The options of a URL; those that are known are taken out of `options`.

    Raises `ConfigError` for what cannot be.
    """
    cluster = scheme == "redis+cluster"
    found: dict[str, Any] = {"cluster": cluster, "tls": scheme == "rediss"}
    credentials, at, addresses = netloc.rpartition("@")
    if at:
        name, colon, password = credentials.partition(":")
        found["username"] = unquote(name) or None
        found["password"] = unquote(password) if colon else None
    found["hosts"] = tuple(map(_host, addresses.split(",")))
    if len(found["hosts"]) > 1 and not cluster:
        raise ConfigError(f"{scheme}:// names one server; several are those of a redis+cluster://")
    database = path.removeprefix("/")
    if database and not (database.isascii() and database.isdigit() and len(database) < 6):
        raise ConfigError(f"the path of a Redis URL is a database number, not {database!r}")
    found["db"] = int(database or 0)
    if cluster and found["db"]:
        raise ConfigError("a Redis Cluster has database 0 only")
    for name, take in _TAKEN.items():
        if name in options:
            found[name] = take(name, options.pop(name))
    if (found.get("cert") is None) != (found.get("key") is None):
        raise ConfigError("cert and key go together: the client's certificate and its private key")
    if not found["tls"] and {"ca", "cert", "key", "verify"} & found.keys():
        raise ConfigError("ca, cert, key and verify are options of rediss://, and of redis+cluster:// with tls=true")
    return Options(**found)


def _host(text: str) -> tuple[str, int]:
    host, port = text, ""
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":")
    elif ":" in text:
        host, _, port = text.rpartition(":")
    if port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ConfigError(f"{port!r} is not a port")
    return unquote(host) or "localhost", int(port or 6379)


def _text(name: str, value: str) -> str:
    if not value:
        raise ConfigError(f"{name} is empty")
    return value


def _flag(name: str, value: str) -> bool:
    if value.lower() not in _TRUE:
        raise ConfigError(f"{name} is true or false, not {value!r}")
    return _TRUE[value.lower()]


def _prefix(name: str, value: str) -> str:
    if not _PREFIX.fullmatch(value):
        raise ConfigError(f"{name} is up to 100 letters, digits and . _ : -, not {value!r}")
    return value


def _seconds(name: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not (0 if name in ("health_check", "feed_retention") else 0.001) <= number < 1e10:
        raise ConfigError(f"{name} is a number of seconds, not {value!r}")
    return number


def _count(name: str, value: str) -> int:
    least, most = {"retries": (0, 20), "pool_size": (1, 10_000), "shards": (1, MAX_SHARDS)}[name]
    if not (value.isascii() and value.isdigit() and len(value) < 6 and least <= int(value) <= most):
        raise ConfigError(f"{name} is a number from {least} to {most:,}, not {value!r}")
    return int(value)


_TAKEN: dict[str, Any] = {
    "tls": _flag,
    "ca": _text,
    "cert": _text,
    "key": _text,
    "verify": _flag,
    "prefix": _prefix,
    "shards": _count,
    "timeout": _seconds,
    "connect_timeout": _seconds,
    "health_check": _seconds,
    "retries": _count,
    "pool_size": _count,
    "feed_retention": _seconds,
}
