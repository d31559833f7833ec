"""SQL is written for the schema ``recollect``; here it is put into the one that the user names."""

from __future__ import annotations

import re

from recollect.errors import ConfigError

MAX_NAME = 63
"""Bytes of an identifier; PostgreSQL cuts what is longer without a word."""

_PREFIX = re.compile(r"\brecollect\.(?=[a-z])")


def quoted(name: str) -> str:
    """An identifier as SQL has it. Raises `ConfigError` for what can be none."""
    if not name or "\0" in name or "$" in name or len(name.encode("utf-8", "surrogatepass")) > MAX_NAME:
        raise ConfigError(f"schema is a name of 1 to {MAX_NAME} bytes without $, not {name[:80]!r}")
    return '"' + name.replace('"', '""') + '"'


def in_schema(sql: str, name: str) -> str:
    """SQL written for the schema ``recollect``, for another one."""
    sql = _PREFIX.sub(lambda _: quoted(name) + ".", sql)
    return sql.replace("'recollect:channel'", "'" + name.replace("'", "''") + "'")
