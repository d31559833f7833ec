"""The schema: numbered `.sql` files, applied in order, each in one transaction."""

from __future__ import annotations

import sqlite3
from importlib.resources import files

from recollect.errors import ConfigError

MIGRATIONS = sorted(
    (entry for entry in files("recollect.stores.sqlite").joinpath("migrations").iterdir() if entry.name[:4].isdigit()),
    key=lambda entry: entry.name,
)
NEWEST = len(MIGRATIONS)

APPEND_ONE = files("recollect.stores.sqlite").joinpath("append_one.sql").read_text("utf-8")
"""What a writing connection has beside the schema."""

PAGE_BYTES = 2048
"""Of a new file. An append changes five pages a little, and the log takes each of them whole: with SQLite's usual 4096
bytes an append costs a tenth more, and with 1024 an import does."""


def script() -> str:
    """All migrations, one behind the other, and the note of the last."""
    parts = [f"PRAGMA page_size = {PAGE_BYTES};\nPRAGMA journal_mode = WAL;\n"]
    parts += [entry.read_text("utf-8") for entry in MIGRATIONS]
    parts.append(f"INSERT INTO recollect_meta (name, value) VALUES ('schema', {NEWEST});\n")
    return "\n".join(parts)


def stored_version(connection: sqlite3.Connection) -> int:
    """The number of the last migration applied; 0 for a database without our tables."""
    there = connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'recollect_meta'").fetchone()
    if there is None:
        return 0
    row = connection.execute("SELECT value FROM recollect_meta WHERE name = 'schema'").fetchone()
    return int(row[0]) if row else 0


def check_version(version: int, shown: str) -> None:
    """Refuse a database that a newer Recollect has made."""
    if version > NEWEST:
        raise ConfigError(
            f"{shown} was made by a newer Recollect (schema {version}; this one knows up to {NEWEST}): "
            "upgrade with pip install -U recollect"
        )


def migrate(connection: sqlite3.Connection, version: int) -> None:
    """Apply what is missing, inside the caller's transaction."""
    for number, entry in enumerate(MIGRATIONS[version:], version + 1):
        for statement in _statements(entry.read_text("utf-8")):
            connection.execute(statement)
        connection.execute(
            "INSERT INTO recollect_meta (name, value) VALUES ('schema', ?) "
            "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (number,),
        )


def _statements(script: str) -> list[str]:
    found, lines = [], []
    for line in script.splitlines():
        lines.append(line)
        text = "\n".join(lines)
        if sqlite3.complete_statement(text):
            found.append(text)
            lines = []
    return found
