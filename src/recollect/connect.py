"""A URL to a store: the one place that names them."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from recollect.errors import ConfigError, InvalidInput
from recollect.store import Store

DEFAULT_URL = "sqlite:///recollect.db"

BUFFER_FILE = "recollect-buffer.db"
BUFFER_BYTES = 256 * 1024 * 1024

Options = dict[str, str]
OnUnavailable = Literal["raise", "buffer"]


def connect(url: str | None = None) -> Store:
    """The store of a URL, not yet opened.

    Parameters
    ----------
    url: ``memory://``, ``sqlite:///file.db`` (relative), ``sqlite:////abs/file.db``, ``sqlite://`` (in memory);
        ``postgresql://user@host/database``; ``redis://host:6379/0?prefix=app``, ``rediss://`` (TLS),
        ``redis+cluster://host,host``; ``dynamodb://region/table-prefix``; ``RECOLLECT_URL``, or
        ``sqlite:///recollect.db``, when None.

    Raises `ConfigError` for an unknown scheme, an unknown option, or a missing extra.
    """
    if url is None or url == "":
        url = os.environ.get("RECOLLECT_URL") or DEFAULT_URL
    if not isinstance(url, str):
        raise ConfigError(f"a store is given by its URL or as a Store, not as {type(url).__name__}")
    scheme, mark, _ = url.partition("://")
    make = _SCHEMES.get(scheme.lower())
    if not mark or make is None:
        raise ConfigError(_no_such_scheme(url, scheme.lower() if mark else ""))
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ConfigError(f"{_shown(url)!r} is not a store URL: {error}") from error
    if parts.fragment:
        raise ConfigError(f"a store URL has no fragment (#...): write %23 for # in {_shown(url)!r}")
    try:
        pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        raise ConfigError(f"options are written name=value&name=value in {_shown(url)!r}") from None
    options = dict(pairs)
    if len(options) < len(pairs):
        raise ConfigError(f"an option is given twice in {_shown(url)!r}")
    store = make(parts.netloc, unquote(parts.path), options)
    if options:
        raise ConfigError(f"unknown option for {scheme}://: {', '.join(sorted(options))}")
    return store


def buffered(
    store: str | Store | None, on_unavailable: OnUnavailable, path: str | os.PathLike[str] | None, limit: int | None
) -> Store:
    """The store of a URL, or the one given, with a buffer above it if that is wanted. Parameters are those of `Recollect`.

    Raises `InvalidInput` for options that cannot be, and what `connect` raises.
    """
    if on_unavailable not in ("raise", "buffer"):
        raise InvalidInput(f"on_unavailable is raise or buffer, not {on_unavailable!r}", field="on_unavailable")
    if on_unavailable == "raise":
        for name, value in (("buffer_path", path), ("buffer_bytes", limit)):
            if value is not None:
                raise InvalidInput(f'{name} goes with on_unavailable="buffer"', field=name)
        return store if isinstance(store, Store) else connect(store)
    if limit is not None and (type(limit) is not int or limit < 1):
        raise InvalidInput("buffer_bytes is a whole number, at least 1", field="buffer_bytes")
    if path is not None and not (isinstance(path, str | os.PathLike) and os.fspath(path)):
        raise InvalidInput("buffer_path is the path of a file", field="buffer_path")
    from recollect.store.buffer import BufferedStore

    inner = store if isinstance(store, Store) else connect(store)
    return BufferedStore(inner, BUFFER_FILE if path is None else os.fspath(path), limit or BUFFER_BYTES)


def _memory(netloc: str, path: str, options: Options) -> Store:
    from recollect.stores.memory import MemoryStore

    if netloc or path not in ("", "/"):
        raise ConfigError("memory:// has no path")
    return MemoryStore(feed_retention=_seconds(options, "feed_retention", 7 * 86400))


def _sqlite(netloc: str, path: str, options: Options) -> Store:
    from recollect.stores.sqlite import SQLiteStore

    if netloc:
        host = _shown(f"sqlite://{netloc}")
        raise ConfigError(f"{host} names a host: a file is sqlite:///relative.db or sqlite:////absolute.db")
    synchronous = options.pop("synchronous", "full").lower()
    if synchronous not in ("full", "normal"):
        raise ConfigError(f"synchronous is full or normal, not {synchronous!r}")
    mode = options.pop("mode", "rwc").lower()
    if mode not in ("rwc", "rw", "ro"):
        raise ConfigError(f"mode is rwc, rw or ro, not {mode!r}")
    return SQLiteStore(
        path.removeprefix("/") or None,
        synchronous=synchronous,
        mode=mode,
        busy_timeout=_seconds(options, "busy_timeout", 60.0),
        feed_retention=_seconds(options, "feed_retention", 7 * 86400),
    )


def _redis(scheme: str) -> Callable[[str, str, Options], Store]:
    def make(netloc: str, path: str, options: Options) -> Store:
        from recollect.stores.redis import RedisStore, parse_url

        return RedisStore(parse_url(scheme, netloc, path, options))

    return make


def _postgres(netloc: str, path: str, options: Options) -> Store:
    from recollect.stores.postgres import PostgresStore

    return PostgresStore.from_url(netloc, path, options)


def _dynamodb(netloc: str, path: str, options: Options) -> Store:
    from recollect.stores.dynamodb import DynamoDBStore
    from recollect.stores.dynamodb.options import parse

    return DynamoDBStore(parse(netloc, path, options))


def _seconds(options: Options, name: str, default: float) -> float:
    given = options.pop(name, None)
    if given is None:
        return default
    try:
        value = float(given)
    except ValueError as error:
        raise ConfigError(f"{name} is a number of seconds, not {given!r}") from error
    if not 0 <= value < 1e10:
        raise ConfigError(f"{name} is a number of seconds, not {given!r}")
    return value


def _no_such_scheme(url: str, scheme: str) -> str:
    known = ", ".join(f"{name}://" for name in _SCHEMES)
    if not scheme and "://" not in url and ":" not in url and "@" not in url:
        return f"{_shown(url)!r} is not a store URL: for a file of this name write sqlite:///{_shown(url)}"
    return f"{_shown(url)!r} is not a store URL: one of {known}"


def _shown(url: str) -> str:
    """The URL without what may be secret: what stands before an @, the values of options, the fragment."""
    bare, asked, _ = url.partition("#")[0].partition("?")
    scheme, mark, rest = bare.partition("://") if "://" in bare else ("", "", bare)
    authority, at, tail = rest.rpartition("@")
    return f"{scheme}{mark}{'***@' if at and authority else ''}{tail}{'?...' if asked else ''}"


_SCHEMES: dict[str, Callable[[str, str, Options], Store]] = {
    "memory": _memory,
    "sqlite": _sqlite,
    "postgresql": _postgres,
    "postgres": _postgres,
    **{scheme: _redis(scheme) for scheme in ("redis", "rediss", "redis+cluster")},
    "dynamodb": _dynamodb,
}
