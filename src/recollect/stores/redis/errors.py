"""What the server and the connection say, in our words."""

from __future__ import annotations

from redis.exceptions import ResponseError

from recollect.errors import ConfigError, CorruptRecord, RecollectError, Unavailable


class Lost(Exception):
    """A connection that failed.

    Parameters
    ----------
    cause: what the client library or the system said. sent: whether the commands may have reached the server.
    """

    def __init__(self, cause: BaseException, *, sent: bool) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.sent = sent


BEFORE_ANYTHING = ("LOADING", "TRYAGAIN", "CLUSTERDOWN", "MASTERDOWN", "BUSY")
"""Replies that say: not now, nothing was done. Waiting helps."""


_CODES = {
    "AskError": "ASK",
    "AuthenticationError": "NOAUTH",
    "BusyLoadingError": "LOADING",
    "ClusterDownError": "CLUSTERDOWN",
    "MasterDownError": "MASTERDOWN",
    "MovedError": "MOVED",
    "NoPermissionError": "NOPERM",
    "NoScriptError": "NOSCRIPT",
    "OutOfMemoryError": "OOM",
    "ReadOnlyError": "READONLY",
    "TryAgainError": "TRYAGAIN",
}


def code_of(error: BaseException) -> str:
    """The word that an error reply begins with, which the client library takes off where it has a class for it."""
    if "access a non local key" in str(error):
        # A script met a key that is on its way to another server of the cluster, before it wrote anything.
        return "TRYAGAIN"
    return _CODES.get(type(error).__name__) or str(error).partition(" ")[0]


def refusal(error: Exception, where: str) -> RecollectError:
    """An error reply as an error of ours."""
    text = str(error)
    code = code_of(error)
    if code in BEFORE_ANYTHING:
        return Unavailable(f"{where} cannot serve now: {text}")
    if code == "READONLY" or "read only replica" in text:
        return Unavailable(f"{where} is a read-only replica: name the primary in the URL", retryable=False)
    if code == "OOM" or "used memory > 'maxmemory'" in text:
        return Unavailable(
            f"{where} is out of memory (maxmemory): nothing was written; raise it, or sweep", retryable=False
        )
    if code == "MISCONF" or "unable to persist" in text:
        return Unavailable(f"{where} refuses writes because it cannot save to its disk: {text}", retryable=False)
    if code == "NOREPLICAS":
        return Unavailable(f"{where} refuses writes without enough replicas: {text}")
    if code in ("NOAUTH", "WRONGPASS") or "AUTH" in text or "invalid username-password" in text:
        return ConfigError(f"{where} refuses the user name or password: {text}")
    if code == "NOPERM" or "no permissions" in text:
        return ConfigError(
            f"{where} does not permit this user what Recollect needs: {text} (docs/stores/redis.md has the ACL rule)"
        )
    if code == "WRONGTYPE" or "WRONGTYPE" in text:
        return CorruptRecord(f"{where} holds another kind of value under one of our keys: {text}")
    if "DB index" in text or "SELECT is not allowed" in text:
        return ConfigError(f"{where} has no such database number: {text}")
    return Unavailable(f"{where} refused: {text}", retryable=False)


def is_denied(error: RecollectError) -> bool:
    """Whether the user may not call a command."""
    cause = error.__cause__
    return isinstance(cause, ResponseError) and (code_of(cause) == "NOPERM" or "no permissions" in str(cause))


def lost(error: Lost, where: str, *, writing: bool) -> RecollectError:
    """A failed connection as an error of ours."""
    cause = error.cause
    text = str(cause) or type(cause).__name__
    kind = type(cause).__name__
    if kind in ("AuthenticationError", "AuthenticationWrongNumberOfArgsError", "AuthorizationError"):
        return ConfigError(f"{where} refuses the user name or password: {text}")
    if kind == "NoPermissionError":
        return ConfigError(f"{where} does not permit this user to connect: {text}")
    if kind == "ResponseError":
        return refusal(cause if isinstance(cause, Exception) else error, where)
    if kind == "BusyLoadingError":
        return Unavailable(f"{where} is still loading its data")
    if "certificate" in text.lower() or "ssl" in text.lower():
        return ConfigError(f"{where} and this client do not agree on TLS: {text}")
    doubt = "; the write may or may not have happened" if writing and error.sent else ""
    return Unavailable(f"{where} is away: {text}{doubt}")
