"""What in a server's set-up endangers what was promised."""

from __future__ import annotations

from typing import Any

from recollect.errors import RecollectError
from recollect.stores.redis.schema import info_fields
from recollect.stores.redis.wire import Wire


async def warnings(wire: Wire) -> list[str]:
    """Sentences about persistence and eviction, each once however many servers there are."""
    memory = [info_fields(info) for info in await wire.everywhere(("INFO", "memory"))]
    persistence = [info_fields(info) for info in await wire.everywhere(("INFO", "persistence"))]
    save = await _setting(wire, "save")
    fsync = await _setting(wire, "appendfsync")
    found: list[str] = []
    for fields in memory:
        policy = fields.get("maxmemory_policy", "noeviction")
        if fields.get("maxmemory", "0") != "0" and policy != "noeviction":
            found.append(
                f"the server removes keys when its memory is full (maxmemory-policy {policy}), ours too:"
                " CONFIG SET maxmemory-policy noeviction"
            )
    for n, fields in enumerate(persistence):
        snapshots = save[n] if n < len(save) else None
        if fields.get("aof_enabled") != "1":
            if snapshots == "":
                found.append(
                    "the server keeps nothing on disk, so a restart loses everything (no appendonly, no save):"
                    " CONFIG SET appendonly yes"
                )
            else:
                found.append(
                    "the server saves snapshots only, so a crash loses what came after the last one (no appendonly):"
                    " CONFIG SET appendonly yes"
                )
        elif n < len(fsync) and fsync[n] != "always":
            found.append(
                f"a power cut may take what was acknowledged in the last moments (appendfsync {fsync[n]}):"
                " CONFIG SET appendfsync always, if that matters more than speed"
            )
        if fields.get("aof_last_write_status", "ok") != "ok" or fields.get("rdb_last_bgsave_status", "ok") != "ok":
            found.append("the server could not save to its disk the last time it tried: look at its log")
    return list(dict.fromkeys(found))


async def _setting(wire: Wire, name: str) -> list[str]:
    """A setting on each server; nothing where CONFIG is not to be had, as with many who rent Redis out."""
    try:
        answers: list[Any] = await wire.everywhere(("CONFIG", "GET", name))
    except RecollectError:
        return []
    pairs = [next(iter(answer.items())) if isinstance(answer, dict) else answer for answer in answers if answer]
    return [str(value) for _, value in pairs]
