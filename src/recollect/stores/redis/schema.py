"""What the database says of itself, in one hash: the version of the layout and the number of shards."""

from __future__ import annotations

from typing import Final

from recollect.errors import ConfigError, CorruptRecord
from recollect.stores.redis.errors import is_denied
from recollect.stores.redis.wire import Wire

NEWEST: Final = 2
"""1 had no vectors and no hashes for RediSearch; it needs no more to become 2 than to say so."""

OLDEST_SERVER: Final = (6, 2)


async def check(
    wire: Wire, meta: str, *, shards: int | None, usual: int, searchable: bool, where: str
) -> tuple[int, bool]:
    """Check or write the database's hash; the number of shards it has, and whether its messages are indexed.

    Parameters
    ----------
    shards: that are asked for; usual: for a new database. searchable: whether the server can index a new database.

    Raises `ConfigError` for a layout that is newer than this code, for keys of somebody else, for an old server and
    for another number of shards than asked for.
    """
    for version in await _server_versions(wire):
        if version < OLDEST_SERVER:
            raise ConfigError(f"{where} is Redis {'.'.join(map(str, version))}; Recollect needs 6.2 or newer")
    try:
        row = await wire.ask(meta, ("HMGET", meta, "schema", "shards", "indexed"))
        if row[:2] == [None, None]:
            wanted = usual if shards is None else shards
            await wire.ask(
                meta,
                ("HSETNX", meta, "shards", wanted),
                ("HSETNX", meta, "indexed", int(searchable)),
                ("HSETNX", meta, "schema", NEWEST),
            )
            row = await wire.ask(meta, ("HMGET", meta, "schema", "shards", "indexed"))
    except CorruptRecord as error:
        raise ConfigError(f"{where} holds something else under {meta}: choose another prefix") from error
    schema, stored, indexed = row
    if not (schema or "").isdigit() or not (stored or "").isdigit():
        raise ConfigError(f"{where} holds a hash {meta} that is not Recollect's: choose another prefix")
    if int(schema) > NEWEST:
        raise ConfigError(f"{where} was written by a newer Recollect (layout {schema}, this one knows {NEWEST})")
    if shards is not None and int(stored) != shards:
        raise ConfigError(f"{where} was made with shards={stored}: it cannot be opened with shards={shards}")
    if int(schema) < NEWEST:
        await wire.ask(meta, ("HSET", meta, "schema", NEWEST))
    return int(stored), indexed == "1"


async def _server_versions(wire: Wire) -> list[tuple[int, ...]]:
    """The version of each server; nothing for a user who may not ask, as those without ``@dangerous`` commands."""
    try:
        return [server_version(info) for info in await wire.everywhere(("INFO", "server"))]
    except ConfigError as error:
        if is_denied(error):
            return []
        raise


def server_version(info: str) -> tuple[int, ...]:
    """The version in an answer of ``INFO server``."""
    return tuple(int(part) for part in info_fields(info).get("redis_version", "0").split(".") if part.isdigit())


def info_fields(info: str) -> dict[str, str]:
    """The fields of an answer of ``INFO``."""
    return dict(line.split(":", 1) for line in info.splitlines() if ":" in line)
