"""What is there against what is needed, for ``store check`` and ``store create``: columns, indexes, triggers, functions, rights.

`layout.txt` has what a new schema has (a test compares them); the bodies of functions are those of the migrations.
"""

from __future__ import annotations

import re
from importlib.resources import files

from recollect.stores.postgres.links import Run
from recollect.stores.postgres.names import in_schema, quoted
from recollect.stores.postgres.schema import MIGRATIONS, OURS, statements

Objects = dict[tuple[str, str], str]
"""Definitions, by kind and name."""

_HERE = files("recollect.stores.postgres")
_WHAT = _HERE.joinpath("layout.sql").read_text("utf-8")
_RIGHTS = _HERE.joinpath("rights.sql").read_text("utf-8")
_ON = re.compile(r" ON recollect\.(\w+)")
_MAKES = re.compile(r"CREATE (?:OR REPLACE )?(?:UNIQUE )?(TABLE|INDEX|TRIGGER|FUNCTION) (?:recollect\.)?(\w+)")


def _statements() -> Objects:
    """What makes each table, index, trigger and function; the last one, where one was made anew."""
    made: Objects = {}
    for entry in MIGRATIONS:
        for statement in statements(entry.read_text("utf-8")):
            match = _MAKES.match(statement)
            if match is not None:
                made[match[1].lower(), match[2]] = statement
    return made


def needed(name: str) -> Objects:
    """What a schema of this name has to have."""
    found: Objects = {}
    for line in _HERE.joinpath("layout.txt").read_text("utf-8").splitlines():
        kind, object, definition = line.split(" ", 2)
        found[kind, object] = definition
    for (kind, object), statement in _statements().items():
        if kind == "function":
            found[kind, object] = in_schema(statement, name).split("$recollect$")[1]
    return found


async def there(run: Run, name: str) -> Objects:
    """What a schema has, written as for the schema ``recollect``."""
    ((own,),) = await run("SELECT quote_ident($1)", (name,))
    prefix = re.compile(rf"(?<![\w\"]){re.escape(own)}\.")
    return {
        (kind, object): definition if kind == "function" else prefix.sub("recollect.", definition)
        for kind, object, definition in await run(_WHAT, (name,))
    }


async def differences(run: Run, name: str) -> list[str]:
    """What is missing, or not as it is needed, or not allowed to this role: a sentence each."""
    wanted, found = needed(name), await there(run, name)
    out: list[str] = []
    for (kind, object), definition in wanted.items():
        actual = found.get((kind, object))
        table = _table_of(kind, object, definition)
        if actual == definition or (table and ("table", table) not in found):
            continue
        if actual is None:
            out.append(f"the {kind} {object} is missing")
        elif kind == "function":
            out.append(f"the function {object} is not Recollect's")
        else:
            out.append(f"the {kind} {object} is {actual}, and has to be {definition}")
    for (kind, object), definition in found.items():
        is_ours = kind == "column" and ("table", _table_of(kind, object, definition)) in wanted
        if is_ours and (kind, object) not in wanted and definition.endswith(" NOT NULL"):
            out.append(f"the column {object} is not Recollect's and has no default: no row can be written")
    out += await _not_allowed(run, name)
    return [f"{sentence} (schema {name})" for sentence in out]


def _table_of(kind: str, object: str, definition: str) -> str:
    """The table that a column, an index or a trigger belongs to."""
    if kind == "column":
        return object.partition(".")[0]
    match = _ON.search(definition)
    return match[1] if kind in ("index", "trigger") and match is not None else ""


async def _not_allowed(run: Run, name: str) -> list[str]:
    ((role,),) = await run("SELECT quote_ident(current_user)", ())
    lacking: dict[str, list[str]] = {}
    for right, objects in await run(_RIGHTS, (name, OURS)):
        lacking.setdefault(objects, []).append(right)
    return [
        f"the role {role} may not {', '.join(rights)} ({objects}): GRANT {', '.join(rights)} ON ALL "
        f"{'ROUTINES' if 'EXECUTE' in rights else 'TABLES'} IN SCHEMA {quoted(name)} TO {role}"
        for objects, rights in lacking.items()
    ]


async def mend(run: Run, name: str) -> list[str]:
    """Make what is missing, but columns; what was made. What is there is left as it is."""
    found = await there(run, name)
    made: list[str] = []
    for (kind, object), statement in _statements().items():
        if (kind, object) not in found:
            await run(in_schema(statement, name), ())
            made.append(f"the {kind} {object} in the schema {name}")
    return made
