"""What a URL says: where the server is, and how it is used."""

from __future__ import annotations

import select
from typing import Any
from urllib.parse import quote, unquote

import psycopg
from msgspec import Struct
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import Conninfo

from recollect.errors import ConfigError, InvalidInput
from recollect.stores.postgres.limited import GRACE
from recollect.stores.postgres.names import quoted

OPTIONS = {
    "schema": "recollect",
    "pool_size": "10",
    "pool_timeout": "30",
    "connect_timeout": "10",
    "statement_timeout": "60",
    "synchronous_commit": "",
    "prepare": "on",
    "push": "on",
    "feed_retention": str(7 * 86400),
}
"""Ours, with their defaults; all others are libpq's."""

PLANNER = ("-c jit=off", "-c enable_seqscan=off", "-c enable_sort=off", "-c plan_cache_mode=force_generic_plan")
"""Every statement has its index, which gives its order too, and a plan is made once for a connection: one made while a
table was small must be good when it is large."""
_ISOLATION = r"-c default_transaction_isolation=read\ committed"
"""Whatever the database's own default is: writers of a session take turns, and each sees what the one before it did."""
_SYNCHRONOUS = ("on", "off", "local", "remote_write", "remote_apply")
_NOT_FROM_A_URL = {"client_encoding", "options", "replication", "dbname", "user", "password"}
_poll = getattr(select, "poll", None)


class Settings(Struct, frozen=True, kw_only=True):
    """Checked settings.

    Parameters
    ----------
    conninfo: for libpq. url: to be shown. shown: the database, for messages. limit: for an answer. The others are the
        options of the URL, times in seconds.
    """

    conninfo: str
    url: str
    shown: str
    schema: str = "recollect"
    pool_size: int = 10
    pool_timeout: float = 30.0
    connect_timeout: float = 10.0
    prepare_threshold: int | None = 2
    push: bool = False
    limit: float | None = None
    feed_retention: float = 7 * 86400

    @property
    def all_busy(self) -> str:
        """For a call that found no connection free."""
        return f"all {self.pool_size} connections to {self.shown} were busy for {self.pool_timeout:g} s (pool_size)"

    @staticmethod
    def is_starting(error: psycopg.Error) -> bool:
        """Whether the server answers, but is not ready yet: it starts, recovers or goes down."""
        said = str(error)
        return "the database system is" in said and "not accepting" not in said


def from_url(netloc: str, path: str, options: dict[str, str]) -> Settings:
    """The settings of ``postgresql://netloc/path?options``. Takes the options that it knows out of `options`.

    Raises `ConfigError` for what is not a value of its option.
    """
    own = {name: options.pop(name, default) for name, default in OPTIONS.items()}
    where = _address(netloc, path)
    known = {option.keyword.decode() for option in Conninfo.get_defaults()} - _NOT_FROM_A_URL
    where |= {name: options.pop(name) for name in list(options) if name in known}
    return _settings(where, own)


def _address(netloc: str, path: str) -> dict[str, str]:
    account, at, hosts = netloc.rpartition("@")
    where: dict[str, str] = {}
    if at:
        user, colon, password = account.partition(":")
        where["user"] = unquote(user)
        if colon:
            where["password"] = unquote(password)
    names, ports = [], []
    for one in hosts.split(",") if hosts else ():
        # [::1]:5432 is an IPv6 address and its port.
        name, _, port = one.rpartition(":") if not one.endswith("]") and ":" in one else (one, "", "")
        names.append(unquote(name.removeprefix("[").removesuffix("]")))
        ports.append(port)
    if names:
        where["host"] = ",".join(names)
    if any(ports):
        where["port"] = ",".join(ports)
    database = path.removeprefix("/")
    if database:
        where["dbname"] = database
    return where


def _settings(where: dict[str, str], own: dict[str, str]) -> Settings:
    quoted(own["schema"])
    timeout = _number(own, "connect_timeout", least=1)
    statement = _number(own, "statement_timeout")
    server = [f"-c statement_timeout={round(statement * 1000)}", *PLANNER, _ISOLATION]
    if own["synchronous_commit"]:
        if own["synchronous_commit"] not in _SYNCHRONOUS:
            raise ConfigError(f"synchronous_commit is {', '.join(_SYNCHRONOUS)}, not {own['synchronous_commit']!r}")
        server.append(f"-c synchronous_commit={own['synchronous_commit']}")
    for name in ("prepare", "push"):
        if own[name] not in ("on", "off"):
            raise ConfigError(f"{name} is on or off, not {own[name]!r}")
    size = _number(own, "pool_size", least=1)
    if size != int(size):
        raise ConfigError(f"pool_size is a whole number, not {own['pool_size']!r}")
    given: dict[str, Any] = {
        "application_name": "recollect",
        "keepalives_idle": "30",
        "keepalives_interval": "10",
        "keepalives_count": "3",
        **where,
        "connect_timeout": str(max(1, round(timeout))),
        "client_encoding": "UTF8",
        "options": " ".join(server),
    }
    try:
        conninfo = make_conninfo(**given)
    except psycopg.ProgrammingError as error:
        raise ConfigError(f"not a PostgreSQL address: {error}") from error
    return Settings(
        conninfo=conninfo,
        url=_shown_url(where, own),
        shown=_shown(where),
        schema=own["schema"],
        pool_size=int(size),
        pool_timeout=_number(own, "pool_timeout"),
        connect_timeout=timeout,
        prepare_threshold=2 if own["prepare"] == "on" else None,
        push=own["push"] == "on",
        limit=statement + GRACE if statement else None,
        feed_retention=_number(own, "feed_retention"),
    )


def _number(own: dict[str, str], name: str, *, least: float = 0) -> float:
    try:
        value = float(own[name])
    except ValueError as error:
        raise ConfigError(f"{name} is a number, not {own[name]!r}") from error
    if not least <= value < 1e9:
        raise ConfigError(f"{name} is a number from {least:g} on, not {own[name]!r}")
    return value


def _shown(where: dict[str, str]) -> str:
    host = where.get("host") or where.get("service") or "localhost"
    port = f":{where['port']}" if where.get("port") else ""
    return f"{host}{port}/{where.get('dbname', '')}"


def _shown_url(where: dict[str, str], own: dict[str, str]) -> str:
    user = f"{quote(where['user'], safe='')}@" if where.get("user") else ""
    hosts = where.get("host", "").split(",")
    ports = where.get("port", "").split(",") if where.get("port") else [""] * len(hosts)
    address = ",".join(
        (f"[{host}]" if ":" in host else quote(host, safe="")) + (f":{port}" if port else "")
        for host, port in zip(hosts, ports * len(hosts) if len(ports) == 1 else ports, strict=False)
    )
    changed = [(name, own[name]) for name in ("schema",) if own[name] != OPTIONS[name]]
    asked = "&".join(f"{name}={quote(value, safe='')}" for name, value in changed)
    return f"postgresql://{user}{address}/{quote(where.get('dbname', ''), safe='')}" + (f"?{asked}" if asked else "")


def of_borrowed(schema: str, given: Any, feed_retention: float, statement_timeout: float) -> Settings:
    """The settings for a pool or a connection that belongs to the user."""
    quoted(schema)
    try:
        conninfo = given.info.dsn if hasattr(given, "info") else given.conninfo
    except psycopg.Error:  # a closed connection does not know where it was
        conninfo = ""
    if not isinstance(conninfo, str):  # a pool may be given a function
        conninfo = ""
    if not 0 <= feed_retention < 1e10:
        raise InvalidInput("feed_retention is a number of seconds", field="feed_retention")
    if not 0 <= statement_timeout < 1e9:
        raise InvalidInput("statement_timeout is a number of seconds", field="statement_timeout")
    where = {name: str(value) for name, value in conninfo_to_dict(conninfo).items() if value is not None}
    return Settings(
        conninfo="",
        url=_shown_url(where, {**OPTIONS, "schema": schema}),
        shown=_shown(where),
        schema=schema,
        limit=statement_timeout or None,
        feed_retention=feed_retention,
    )


def is_quiet(connection: Any) -> bool:
    """Whether an idle connection is still one: a server that went away has left something to be read. Costs no trip."""
    if connection.closed:
        return False
    if _poll is None:
        return not select.select([connection.fileno()], [], [], 0)[0]
    poll = _poll()
    poll.register(connection.fileno(), select.POLLIN)
    return not poll.poll(0)
