"""The sweep: sessions and messages that have expired, found by the list of what is due."""

from __future__ import annotations

from datetime import datetime

from recollect.store.codec import dump_time
from recollect.stores.redis.keys import Keys
from recollect.stores.redis.scripts import SWEEP, SWEEP_INDEXED
from recollect.stores.redis.wire import Unit, Wire, settled

AT = 28
"""Where the session's id begins in a member ``<instant> <id>`` of the list of what is due."""

SESSIONS = 50
MESSAGES = 1000
"""A sweep works in small calls, so that appends come in between."""


async def sweep_sessions(wire: Wire, keys: Keys, scope: str, now: datetime) -> tuple[int, int]:
    """How many sessions and messages of a tenant were removed."""
    instant = dump_time(now)
    sessions = messages = 0
    script = SWEEP_INDEXED if keys.indexed else SWEEP
    for base in keys.bases(scope):
        due = f"{base}due"
        while members := await wire.ask(due, ("ZRANGEBYLEX", due, "-", f"[{instant}~", "LIMIT", 0, SESSIONS)):
            units = []
            for member in members:
                id = member[AT:]
                own = keys.session(scope, id)[1]
                units.append(Unit(own.header, (script(own, instant, base, id, member[: AT - 1], MESSAGES),)))
            for gone, parts in settled(await wire.ask_all(units)):
                sessions, messages = sessions + gone, messages + parts
    return sessions, messages
