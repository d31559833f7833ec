"""What a URL says: ``dynamodb://region/prefix?option=value``, and the environment variables beside it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Literal
from urllib.parse import quote

from msgspec import Struct

from recollect.errors import ConfigError

LOCAL_HOSTS = ("localhost", "127.0.0.1", "[::1]", "host.docker.internal", "dynamodb")


class Options(Struct, frozen=True, kw_only=True):
    """How a `DynamoDBStore` is reached and laid out.

    Parameters
    ----------
    region: the AWS region; ``AWS_REGION`` or ``DDB_AWS_REGION`` (then ``AWS_DEFAULT_REGION``, a profile) when None.
    prefix: with which the tables' names begin: ``{prefix}-conversations`` and so on.
    conversations, preferences, graph: names of single tables, where they are not to follow the prefix.
    endpoint_url: of an emulator or a VPC endpoint; None for AWS itself.
    access_key, secret_key: credentials given openly; None for the default AWS chain (roles, profiles, variables).
    create: whether `open` creates the tables that are missing; None: for a local `endpoint_url` only.
    consistent_read: whether the log of a session is read strongly consistent. False halves the price of a read, and a
        reader may then not see for a moment what it has just written.
    compress: ``zstd`` compresses fields from 1 KB on; what is compressed is read whatever this says.
    connect_timeout, timeout: seconds to connect, and to wait for an answer.
    attempts: how often the SDK tries a request that failed on the way or was throttled.
    connections: open at once, at most.
    billing: ``on_demand`` or ``provisioned`` with `read_units` and `write_units`, when tables are created.
    ttl: whether DynamoDB removes expired messages by itself, a week after they expired.
    point_in_time_recovery, deletion_protection: as they are called in AWS, when tables are created.
    kms_key: the id, alias or ARN of the key that encrypts the tables; None for the one that AWS owns.
    feed_retention: seconds that entries of the feed are kept by `sweep`.
    vector_dimensions: length of the vectors that an index of DynamoDB's own searches, when tables are created; None for
        no such index. Only with ``on_demand``.
    feed: ``items``, or ``streams`` for DynamoDB Streams, which keep 24 hours. The same for all who use the tables.
    """

    region: str | None = None
    prefix: str = "recollect"
    conversations: str | None = None
    preferences: str | None = None
    graph: str | None = None
    endpoint_url: str | None = None
    access_key: str | None = None
    secret_key: str | None = None
    create: bool | None = None
    consistent_read: bool = True
    compress: Literal["zstd"] | None = None
    connect_timeout: float = 5.0
    timeout: float = 10.0
    attempts: int = 4
    connections: int = 32
    billing: Literal["on_demand", "provisioned"] = "on_demand"
    read_units: int = 5
    write_units: int = 5
    ttl: bool = True
    point_in_time_recovery: bool = False
    deletion_protection: bool = False
    kms_key: str | None = None
    feed_retention: float = 7 * 86400
    vector_dimensions: int | None = None
    feed: Literal["items", "streams"] = "items"

    @property
    def creates(self) -> bool:
        """Whether `open` creates what is missing."""
        if self.create is not None:
            return self.create
        host = (self.endpoint_url or "").partition("://")[2].rpartition("@")[2].partition("/")[0]
        return (host.rpartition(":")[0] or host) in LOCAL_HOSTS

    @property
    def url(self) -> str:
        """The URL that gives the same tables, without credentials."""
        given = {
            "endpoint_url": _without_password(self.endpoint_url),
            "conversations": self.conversations,
            "preferences": self.preferences,
            "graph": self.graph,
            "feed": None if self.feed == "items" else self.feed,
        }
        asked = "&".join(f"{name}={quote(value, safe=':/')}" for name, value in given.items() if value)
        return f"dynamodb://{self.region or ''}/{self.prefix}{'?' if asked else ''}{asked}"


def _without_password(url: str | None) -> str | None:
    if url is None or "@" not in url:
        return url
    scheme, _, rest = url.partition("://")
    return f"{scheme}://***@{rest.rpartition('@')[2]}"


def parse(netloc: str, path: str, options: dict[str, str]) -> Options:
    """The options of a URL's parts; takes from `options` what it knows.

    Raises `ConfigError` for a value that cannot be.
    """
    env = os.environ.get
    if "@" in netloc:
        raise ConfigError(
            "dynamodb:// takes no credentials in its URL: they come from the AWS chain (role, profile, variables)"
        )
    if ":" in netloc:
        raise ConfigError(
            "dynamodb://REGION/PREFIX has no port: an emulator is given as ?endpoint_url=http://host:port"
        )
    prefix = path.strip("/") or "recollect"
    if not all(c.isascii() and (c.isalnum() or c in "_.-") for c in prefix) or len(prefix) > 200:
        raise ConfigError(f"a table prefix has letters, digits, _ . and - only, not {prefix!r}")
    given: dict[str, Any] = {
        "region": netloc or env("AWS_REGION") or env("DDB_AWS_REGION") or None,
        "prefix": prefix,
        "conversations": env("AWS_DYNAMODB_CONVERSATIONS_TABLE") or env("DDB_TABLE_FOR_RAG") or None,
        "preferences": env("AWS_DYNAMODB_PREFERENCES_TABLE") or None,
        "access_key": env("DDB_AWS_ACCESS_KEY") or None,
        "secret_key": env("DDB_AWS_SECRET_ACCESS_KEY") or None,
    }
    if (given["access_key"] is None) != (given["secret_key"] is None):
        raise ConfigError("DDB_AWS_ACCESS_KEY and DDB_AWS_SECRET_ACCESS_KEY are set together or not at all")
    for name, read in _READERS.items():
        if (value := options.pop(name, None)) is not None:
            given[name] = read(name, value)
    if given.get("vector_dimensions", 1) > 4096:
        raise ConfigError("vector_dimensions is at most 4096")
    if "vector_dimensions" in given and given.get("billing") == "provisioned":
        raise ConfigError("a vector index needs billing=on_demand")
    return Options(**given)


def _text(name: str, value: str) -> str:
    if not value:
        raise ConfigError(f"{name} is empty")
    return value


def _flag(name: str, value: str) -> bool:
    if value.lower() not in ("true", "false", "1", "0", "yes", "no"):
        raise ConfigError(f"{name} is true or false, not {value!r}")
    return value.lower() in ("true", "1", "yes")


def _seconds(name: str, value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < 1e10:
        raise ConfigError(f"{name} is a number of seconds, not {value!r}")
    return seconds


def _count(name: str, value: str) -> int:
    if not (value.isascii() and value.isdigit() and 0 < int(value) < 1_000_000):
        raise ConfigError(f"{name} is a whole number from 1 on, not {value!r}")
    return int(value)


def _one_of(*known: str) -> Callable[[str, str], str]:
    def read(name: str, value: str) -> str:
        if value.lower() not in known:
            raise ConfigError(f"{name} is {' or '.join(known)}, not {value!r}")
        return value.lower()

    return read


def _endpoint(name: str, value: str) -> str:
    if not value.startswith(("http://", "https://")):
        raise ConfigError(f"{name} begins with http:// or https://, not {value!r}")
    return value


def _compress(name: str, value: str) -> str | None:
    return None if value.lower() in ("", "none") else _one_of("zstd", "none")(name, value)


_READERS: dict[str, Callable[[str, str], Any]] = {
    "endpoint_url": _endpoint,
    "conversations": _text,
    "preferences": _text,
    "graph": _text,
    "create": _flag,
    "consistent_read": _flag,
    "compress": _compress,
    "connect_timeout": _seconds,
    "timeout": _seconds,
    "attempts": _count,
    "connections": _count,
    "billing": _one_of("on_demand", "provisioned"),
    "read_units": _count,
    "write_units": _count,
    "ttl": _flag,
    "point_in_time_recovery": _flag,
    "deletion_protection": _flag,
    "kms_key": _text,
    "feed_retention": _seconds,
    "vector_dimensions": _count,
    "feed": _one_of("items", "streams"),
}
