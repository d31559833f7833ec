"""Errors of psycopg in our words. Their codes: https://www.postgresql.org/docs/current/errcodes-appendix.html"""

from __future__ import annotations

import psycopg
from psycopg import errors as codes

from recollect.errors import ConfigError, LimitExceeded, RecollectError, Unavailable

_SETUP = {
    "28P01": "the password is wrong",
    "28000": "this user may not connect so",
    "3D000": "there is no such database",
    "42501": "this user lacks a right, recollect store check says which",
    "42939": "this name is PostgreSQL's own",
}


def is_undone(error: psycopg.Error) -> bool:
    """Whether the server undid the transaction for the sake of another one: the same again may succeed at once.

    Two that write the same id, or begin the same session, at the same instant may meet at the index.
    """
    return isinstance(error, codes.SerializationFailure | codes.DeadlockDetected | codes.UniqueViolation)


def translate(error: psycopg.Error, shown: str) -> RecollectError:
    """What an error of the driver means to the user."""
    state = error.sqlstate or ""
    said = _first_line(error)
    if state in _SETUP:
        return ConfigError(f"{shown}: {_SETUP[state]} ({said})")
    if state in ("3F000", "42P01", "42883", "42703"):
        return ConfigError(f"{shown}: Recollect's tables or functions are not as they were made ({said})")
    if state == "25006":
        return Unavailable(
            f"{shown} cannot be written: it is read-only, a standby or made so by its settings ({said})",
            retryable=False,
        )
    if state in ("53100", "53200"):
        what = "disk is full" if state == "53100" else "memory is short"
        return Unavailable(f"the server's {what}; nothing was written: {shown} ({said})", retryable=False)
    if state.startswith("54"):
        return LimitExceeded(f"over a limit of PostgreSQL: {said}")
    if state == "57014":
        return Unavailable(f"{shown} took longer than statement_timeout; nothing was written ({said})")
    if state == "53300":
        return Unavailable(f"{shown} has no connection left (max_connections; pool_size is ours) ({said})")
    if is_undone(error):
        return Unavailable(f"{shown}: other transactions were in the way each time ({said})")
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        if not state and _is_setup(said):
            return ConfigError(f"{shown}: {said}")
        return Unavailable(f"{shown} is away: {said}")
    return Unavailable(f"PostgreSQL refused: {said}", retryable=False)


def _is_setup(said: str) -> bool:
    """Whether a connection failed for what waiting does not heal. Before there is a session, libpq gives only text."""
    return any(
        words in said
        for words in (
            "password authentication failed",
            "no password supplied",
            "no pg_hba.conf entry",
            "does not exist",
            "certificate verify failed",
            "server does not support SSL",
            "invalid connection option",
            "is not permitted to log in",
            "permission denied for database",
        )
    )


def _first_line(error: psycopg.Error) -> str:
    """What went wrong, without the names and addresses that libpq puts before it."""
    lines = str(error).strip().splitlines()
    said = lines[0].rpartition(" failed: ")[2] if lines else type(error).__name__
    return said.removeprefix("FATAL:").strip()
