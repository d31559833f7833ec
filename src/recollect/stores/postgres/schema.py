"""The schema: numbered `.sql` files, applied in order, under one lock, each once."""

from __future__ import annotations

from importlib.resources import files
from typing import NamedTuple

from recollect.errors import ConfigError
from recollect.store.tables import TABLES
from recollect.stores.postgres.links import Link, Rows, Run
from recollect.stores.postgres.names import in_schema, quoted

MIGRATIONS = sorted(
    (
        entry
        for entry in files("recollect.stores.postgres").joinpath("migrations").iterdir()
        if entry.name.endswith(".sql")
    ),
    key=lambda entry: entry.name,
)
NEWEST = len(MIGRATIONS)
OLDEST_SERVER = 140000
"""PostgreSQL 14: date_bin. All older ones are past their end of life."""
LOCK = 7203_0001
"""Whoever makes or changes tables holds it."""
_STATE = """
SELECT current_setting('server_version_num')::bigint, current_setting('server_encoding'), n.oid IS NOT NULL,
    m.oid IS NOT NULL,
    coalesce((SELECT string_agg(c.relname, ', ' ORDER BY c.relname) FROM pg_class AS c
        WHERE c.relnamespace = n.oid AND c.relname = ANY ($2)), ''),
    pg_is_in_recovery(), has_function_privilege('pg_control_system()', 'EXECUTE'),
    quote_ident(current_user), has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(m.oid, 'SELECT'),
    pg_has_role(m.relowner, 'USAGE'),
    CASE WHEN n.oid IS NULL THEN has_database_privilege(current_database(), 'CREATE')
        ELSE has_schema_privilege(n.oid, 'USAGE') AND has_schema_privilege(n.oid, 'CREATE') END
FROM (SELECT to_regnamespace($1)::oid) AS n (oid)
LEFT JOIN pg_class AS m ON m.relnamespace = n.oid AND m.relname = 'meta'
"""
_SET_META = """
INSERT INTO recollect.meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value
"""
OURS = [*TABLES, "changes", "swept", "followers", "meta"]


class _State(NamedTuple):
    """What is there, and what the role may do with it."""

    server: int
    encoding: str
    has_schema: bool
    has_meta: bool
    taken: str
    is_standby: bool
    may_identify: bool
    role: str
    may_read: bool
    is_owner: bool
    may_make: bool


async def _state(run: Run, name: str) -> _State:
    (row,) = await run(_STATE, (quoted(name), OURS))
    return _State(*row)


async def prepare(link: Link, name: str, *, shown: str) -> None:
    """Check the schema, or make it. Servers that start at once take turns.

    Raises `ConfigError` for a server, a schema or rights that do not fit.
    """
    if await _current(link.fetch, name, shown) != NEWEST:
        await link.transaction(lambda run: _migrate(run, name, shown), unhurried=True)
    await _recognise(link, name)


async def missing(link: Link, name: str, *, shown: str) -> list[str]:
    """What `prepare` would make, in words; nothing is made. Raises what `prepare` raises for what does not fit."""
    version = await _current(link.fetch, name, shown)
    if version == NEWEST:
        return []
    if version:
        return [f"the schema {name} in {shown} is of version {version}; this Recollect needs {NEWEST}"]
    return [f"the schema {name} in {shown} is not there, or has nothing of Recollect's"]


def script(name: str) -> str:
    """The schema as one script for ``psql``: all migrations, and the note of the last."""
    parts = [f"CREATE SCHEMA IF NOT EXISTS {quoted(name)};"]
    parts += [in_schema(statement, name) for entry in MIGRATIONS for statement in statements(entry.read_text("utf-8"))]
    parts.append(in_schema(f"INSERT INTO recollect.meta (name, value) VALUES ('schema', '{NEWEST}');", name))
    return "\n\n".join(parts) + "\n"


async def _current(run: Run, name: str, shown: str) -> int:
    """The version of the schema; 0 where it may be made."""
    state = await _state(run, name)
    if state.server < OLDEST_SERVER:
        raise ConfigError(f"{shown} is PostgreSQL {state.server // 10000}: 14 is the oldest that works")
    if state.encoding != "UTF8":
        raise ConfigError(f"the encoding of {shown} is {state.encoding}: make a database with ENCODING 'UTF8'")
    where = f"the schema {name} in {shown}"
    if not state.has_meta:
        if state.taken:
            raise ConfigError(
                f"{where} has tables that are not Recollect's ({state.taken}): name another one with ?schema="
            )
        if state.is_standby:
            raise ConfigError(f"{shown} is a read-only standby without Recollect's tables: open the primary once")
        return 0
    if not state.may_read:
        raise ConfigError(
            f"the role {state.role} lacks a right, to read {where}: GRANT USAGE ON SCHEMA {quoted(name)} TO {state.role}; "
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {quoted(name)} TO {state.role}"
        )
    version = await _version(run, name, where)
    if version > NEWEST:
        raise ConfigError(
            f"{where} was made by a newer Recollect (schema {version}; this one knows up to "
            f"{NEWEST}): upgrade with pip install -U recollect"
        )
    if version < NEWEST and state.is_standby:
        raise ConfigError(f"{shown} is a read-only standby with an older schema: open the primary once")
    return version


_HERE = """
SELECT c.system_identifier, (SELECT m.value FROM recollect.meta AS m WHERE m.name = 'cluster')
FROM pg_control_system() AS c
"""
_BEHIND = """
SELECT EXISTS (SELECT FROM recollect.changes WHERE tx >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint)
    OR EXISTS (SELECT FROM recollect.sessions WHERE feed_tx >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint)
"""
_BEGIN_ANEW = (
    """
INSERT INTO recollect.swept (scope, tx, id)
SELECT scope, pg_snapshot_xmax(pg_current_snapshot())::text::bigint - 1, max(id) FROM recollect.changes GROUP BY scope
ON CONFLICT (scope) DO UPDATE SET tx = excluded.tx, id = excluded.id
""",
    "DELETE FROM recollect.changes",
    "UPDATE recollect.sessions SET feed_tx = 0",
)


async def _recognise(link: Link, name: str) -> None:
    """See whether the tables were brought here from another server, where transactions had other numbers.

    The feed's order is made of these. Where those of the old server are ahead of this one's, the feed begins anew:
    cursors from before raise `NotFound`.
    """
    state = await _state(link.fetch, name)
    if state.is_standby or not state.may_identify:
        return
    ((here, known),) = await link.fetch(in_schema(_HERE, name))
    if here == known:
        return

    async def settle(run: Run) -> None:
        await run(f"SELECT pg_advisory_xact_lock({LOCK})", ())
        ((behind,),) = await run(in_schema(_BEHIND, name), ())
        for statement in _BEGIN_ANEW if behind else ():
            await run(in_schema(statement, name), ())
        await run(in_schema(_SET_META, name), ("cluster", str(here)))

    await link.transaction(settle, unhurried=True)


async def _version(run: Run, name: str, where: str) -> int:
    columns = await run(
        "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass($1 || '.meta') AND attnum > 0", (quoted(name),)
    )
    rows: Rows = []
    if {"name", "value"} <= {column for (column,) in columns}:
        rows = await run(in_schema("SELECT value FROM recollect.meta WHERE name = 'schema'", name), ())
    if not rows:
        raise ConfigError(f"{where} has a table meta that is not Recollect's: name another one with ?schema=")
    return int(rows[0][0])


async def _migrate(run: Run, name: str, shown: str) -> None:
    await run(f"SELECT pg_advisory_xact_lock({LOCK})", ())
    version = await _current(run, name, shown)
    if version == NEWEST:
        return
    state = await _state(run, name)
    if not (state.may_make and (state.is_owner or not version)):
        raise ConfigError(_refused(name, shown, state, version))
    if not state.has_schema:
        await run(f"CREATE SCHEMA {quoted(name)}", ())
    for number, entry in enumerate(MIGRATIONS[version:], version + 1):
        for statement in statements(entry.read_text("utf-8")):
            await run(in_schema(statement, name), ())
        await run(in_schema(_SET_META, name), ("schema", str(number)))


def _refused(name: str, shown: str, state: _State, version: int) -> str:
    where = f"the schema {name} in {shown}"
    if version:
        return (
            f"the role {state.role} lacks a right, to bring {where} from version {version} to {NEWEST}: "
            "let its owner run recollect store create"
        )
    if state.has_schema:
        return (
            f"the role {state.role} lacks a right, to make tables in {where}: "
            f"GRANT USAGE, CREATE ON SCHEMA {quoted(name)} TO {state.role}"
        )
    return (
        f"the role {state.role} lacks a right, to make {where}: let somebody who may "
        f"CREATE SCHEMA {quoted(name)} AUTHORIZATION {state.role}"
    )


def statements(script: str) -> list[str]:
    """The statements of a script. One ends with a semicolon at the end of a line, outside of a function's body."""
    found: list[str] = []
    lines: list[str] = []
    inside = False
    for line in script.splitlines():
        if not lines and (not line.strip() or line.startswith("--")):
            continue
        lines.append(line)
        inside ^= line.count("$recollect$") % 2 == 1
        if not inside and line.rstrip().endswith(";"):
            found.append("\n".join(lines))
            lines = []
    return found
