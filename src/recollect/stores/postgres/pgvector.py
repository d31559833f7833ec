"""The extension pgvector, where it is there or may be made: what it adds to the schema."""

from __future__ import annotations

import re
from importlib.resources import files

from recollect.errors import RecollectError
from recollect.stores.postgres.links import Link, Run
from recollect.stores.postgres.names import in_schema, quoted
from recollect.stores.postgres.schema import LOCK, statements

OLDEST = (0, 8)
"""Its version that goes on searching where a filter leaves too little (``hnsw.iterative_scan``)."""

_STATE = """
SELECT e.extversion, n.nspname, a.default_version,
    EXISTS (SELECT FROM pg_attribute AS c WHERE c.attrelid = to_regclass($1) AND c.attname = 'embedding' AND NOT c.attisdropped),
    pg_is_in_recovery()
FROM (VALUES (1)) AS one (n)
LEFT JOIN pg_extension AS e ON e.extname = 'vector'
LEFT JOIN pg_namespace AS n ON n.oid = e.extnamespace
LEFT JOIN pg_available_extensions AS a ON a.name = 'vector'
"""
_MAY = """
SELECT pg_has_role(c.relowner, 'USAGE') AND (
    EXISTS (SELECT FROM pg_extension WHERE extname = 'vector')
    OR (SELECT r.rolsuper FROM pg_roles AS r WHERE r.rolname = current_user)
    OR (has_database_privilege(current_database(), 'CREATE') AND EXISTS (
        SELECT FROM pg_available_extension_versions AS v
        JOIN pg_available_extensions AS a ON a.name = v.name AND a.default_version = v.version
        WHERE v.name = 'vector' AND v.trusted)))
FROM pg_class AS c WHERE c.oid = to_regclass($1)
"""
_PREFIX = re.compile(r"\bpgvector\.(?=[a-z<])")


async def prepare(link: Link, name: str) -> bool:
    """Whether vectors can be searched for in this schema; what is missing for it is made, if the role may.

    What cannot be made is no error: then recall compares the vectors itself.
    """
    version, _, available, is_there, standby = await _state(link.fetch, name)
    if is_there:
        return True
    if standby or not _is_new_enough(version or available):
        return False
    # Asked first: what is refused stands in the server's log.
    allowed = await link.fetch(_MAY, (f"{quoted(name)}.vectors",))
    if not allowed or not allowed[0][0]:
        return False
    try:
        return await link.transaction(lambda run: _make(run, name), unhurried=True)
    except RecollectError:
        return False


async def _state(run: Run, name: str) -> tuple[str | None, str | None, str | None, bool, bool]:
    ((version, place, available, is_there, standby),) = await run(_STATE, (f"{quoted(name)}.vectors",))
    return version, place, available, is_there, standby


async def _make(run: Run, name: str) -> bool:
    await run(f"SELECT pg_advisory_xact_lock({LOCK})", ())
    version, place, _, is_there, _ = await _state(run, name)
    if is_there:
        return True
    if version is None:
        await run("CREATE EXTENSION vector", ())
        _, place, *_ = await _state(run, name)
    if place is None or "$" in place:
        return False
    # The first use loads the library, and with it the settings that are named below. All vectors that are there are read.
    await run(f"SELECT '[1]'::{quoted(place)}.halfvec", ())
    for statement in statements(files("recollect.stores.postgres").joinpath("pgvector.sql").read_text("utf-8")):
        await run(in_schema(_PREFIX.sub(lambda _: f"{quoted(place)}.", statement), name), ())
    return True


def _is_new_enough(version: str | None) -> bool:
    numbers = tuple(int(part) for part in re.findall(r"\d+", version or "")[:2])
    return numbers >= OLDEST
