"""The schema: numbered `.sql` files, applied in order, under one lock, each once."""

from __future__ import annotations

from importlib.resources import files

from recollect.errors import ConfigError
from recollect.store.tables import TABLES
from recollect.stores.postgres.links import Link, Run
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
SELECT current_setting('server_version_num')::bigint, current_setting('server_encoding'),
    to_regnamespace($1) IS NOT NULL, to_regclass($1 || '.meta') IS NOT NULL,
    coalesce((SELECT string_agg(c.relname, ', ' ORDER BY c.relname) FROM pg_class AS c
        WHERE c.relnamespace = to_regnamespace($1) AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relname = ANY ($2)), ''),
    pg_is_in_recovery(), has_function_privilege('pg_control_system()', 'EXECUTE')
"""
_SET_META = """
INSERT INTO recollect.meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value
"""
_OURS = [*TABLES, "changes", "swept", "followers", "meta"]


async def prepare(link: Link, name: str, *, shown: str) -> None:
    """Check the schema, or make it. Servers that start at once take turns.

    Raises `ConfigError` for a server, a schema or rights that do not fit.
    """
    if not await _is_current(link.fetch, name, shown):
        await link.transaction(lambda run: _migrate(run, name, shown))
    await _recognise(link, name)


async def missing(link: Link, name: str, *, shown: str) -> list[str]:
    """What `prepare` would make, in words; nothing is made. Raises what `prepare` raises for what does not fit."""
    if await _is_current(link.fetch, name, shown):
        return []
    return [f"the schema {name} in {shown} is not there, or older than this version's ({NEWEST})"]


def script(name: str) -> str:
    """The schema as one script for ``psql``: all migrations, and the note of the last."""
    parts = [f"CREATE SCHEMA IF NOT EXISTS {quoted(name)};"]
    parts += [in_schema(statement, name) for entry in MIGRATIONS for statement in statements(entry.read_text("utf-8"))]
    parts.append(in_schema(f"INSERT INTO recollect.meta (name, value) VALUES ('schema', '{NEWEST}');", name))
    return "\n\n".join(parts) + "\n"


async def _is_current(run: Run, name: str, shown: str) -> bool:
    ((server, encoding, _, ours, taken, standby, _),) = await run(_STATE, (quoted(name), _OURS))
    if server < OLDEST_SERVER:
        raise ConfigError(f"{shown} is PostgreSQL {server // 10000}: 14 is the oldest that works")
    if encoding != "UTF8":
        raise ConfigError(f"the encoding of {shown} is {encoding}: make a database with ENCODING 'UTF8'")
    if not ours:
        if taken:
            raise ConfigError(
                f"the schema {name} in {shown} has tables that are not Recollect's ({taken}): name another one with ?schema="
            )
        if standby:
            raise ConfigError(f"{shown} is a read-only standby without Recollect's tables: open the primary once")
        return False
    version = await _version(run, name, shown)
    if version > NEWEST:
        raise ConfigError(
            f"the schema {name} in {shown} was made by a newer Recollect (schema {version}; this one knows up to "
            f"{NEWEST}): upgrade with pip install -U recollect"
        )
    if version < NEWEST and standby:
        raise ConfigError(f"{shown} is a read-only standby with an older schema: open the primary once")
    return version == NEWEST


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
    ((*_, standby, allowed),) = await link.fetch(_STATE, (quoted(name), _OURS))
    if standby or not allowed:
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

    await link.transaction(settle)


async def _version(run: Run, name: str, shown: str) -> int:
    columns = await run(
        "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass($1 || '.meta') AND attnum > 0", (quoted(name),)
    )
    if not {"name", "value"} <= {column for (column,) in columns}:
        raise ConfigError(
            f"the schema {name} in {shown} has a table meta that is not Recollect's: name another one with ?schema="
        )
    rows = await run(in_schema("SELECT value FROM recollect.meta WHERE name = 'schema'", name), ())
    return int(rows[0][0]) if rows else 0


async def _migrate(run: Run, name: str, shown: str) -> None:
    await run(f"SELECT pg_advisory_xact_lock({LOCK})", ())
    if await _is_current(run, name, shown):
        return
    ((there, ours),) = await run(
        "SELECT to_regnamespace($1) IS NOT NULL, to_regclass($1 || '.meta') IS NOT NULL", (quoted(name),)
    )
    if not there:
        await run(f"CREATE SCHEMA {quoted(name)}", ())
    version = await _version(run, name, shown) if ours else 0
    for number, entry in enumerate(MIGRATIONS[version:], version + 1):
        for statement in statements(entry.read_text("utf-8")):
            await run(in_schema(statement, name), ())
        await run(in_schema(_SET_META, name), ("schema", str(number)))


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
