"""Everything that Recollect raises.

::

    RecollectError
    +- InvalidInput    an argument that cannot be accepted (also a ValueError); `.field` names it
    +- ConfigError     bad URL, unknown option, missing extra, a database this version cannot use
    +- NotFound        what was named is not there
    +- Conflict        a guarded write lost; read again and decide
    +- LimitExceeded   over a limit that `Capabilities` names
    +- Unsupported     a capability this store does not have
    +- Unavailable     the backend is away, busy, full or read-only; `.retryable` says whether waiting helps
    +- CorruptRecord   stored bytes that do not decode
    +- InvalidAnswer   what a model answered cannot be used, and asking again did not help

Drivers' exceptions are translated where the I/O happens, always ``raise ... from``.
"""

from __future__ import annotations


class RecollectError(Exception):
    """Base of every error raised on purpose by this package."""


class InvalidInput(RecollectError, ValueError):
    """An argument that cannot be accepted. Nothing was written.

    Parameters
    ----------
    message: what is wrong and what would be right.
    field: the name of the argument or of the field of the record, where one is to blame.
    """

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class ConfigError(RecollectError):
    """The installation, the URL or the database cannot work as given."""


class NotFound(RecollectError):
    """What was named is not there, or is there no longer."""


class Conflict(RecollectError):
    """A guarded write lost against another writer, or contradicts what is stored."""


class LimitExceeded(RecollectError):
    """Larger than a limit that `Capabilities` names. Nothing was written."""


class Unsupported(RecollectError):
    """The store does not have this capability; the message says which stores do."""


class Unavailable(RecollectError):
    """The backend cannot serve now.

    Parameters
    ----------
    message: what happened, in the user's terms.
    retryable: True when the same call may succeed later without anyone's help.
    """

    def __init__(self, message: str, *, retryable: bool = True) -> None:
        super().__init__(message)
        self.retryable = retryable


class CorruptRecord(RecollectError):
    """Stored bytes that do not decode; the message names the record."""


def missing_extra(package: str, extra: str) -> ConfigError:
    """The error for an optional dependency that is not installed, with the line that installs it."""
    return ConfigError(f'{package} is not installed: pip install "recollect[{extra}]"')


class InvalidAnswer(RecollectError):
    """What a model answered cannot be used, and asking it again did not help."""
