"""Where a tenant's rows lie: conversations in one area of the store, memories and documents in another.

A namespace of memories is a log like a session: its rows are numbered, idempotent by id, expire, and are in a feed. So
both are kept by the same tables under the same promises, and only the area, a prefix of the tenant, tells them apart.
"""

from __future__ import annotations

from recollect.core.checks import MAX_ID_BYTES, check_id
from recollect.errors import InvalidInput

MEMORIES = "memories:"
_CONVERSATIONS = "conversations:"

USER = "user"
"""The first label of the namespaces that belong to a user; the second is the user's id."""

MEMORY_ROLE = "memory"
PASSAGE_ROLE = "passage"

_DOCUMENT = "#"
_DIGEST = 64


def conversations(tenant: str) -> str:
    """The store's scope for a tenant's sessions: the tenant's own name, unless that would be another's area."""
    return f"{_CONVERSATIONS}{tenant}" if tenant.startswith((MEMORIES, _CONVERSATIONS)) else tenant


def memories(tenant: str) -> str:
    """The store's scope for a tenant's memories and documents."""
    return MEMORIES + tenant


def check_path(labels: tuple[str, ...]) -> tuple[str, ...]:
    """A namespace's path: one or more ids."""
    if not labels:
        raise InvalidInput("a namespace has at least one label", field="namespace")
    return tuple(check_id(label, "namespace") for label in labels)


def log_of(path: tuple[str, ...]) -> str:
    """The log that holds a namespace's memories: its labels joined by ``/``."""
    return _fitted("/".join(map(_escaped, path)))


def document_log(path: tuple[str, ...], document: str) -> str:
    """The log that holds a document's passages: the namespace, ``#``, the document."""
    return _fitted("/".join(map(_escaped, path)) + _DOCUMENT + _escaped(document))


def path_of(log: str) -> tuple[str, ...]:
    """The namespace of a log; of one whose name was too long to keep, what is left of it."""
    return tuple(map(_plain, log.partition(_DOCUMENT)[0].split("/")))


def is_document(log: str) -> bool:
    """Whether a log holds a document's passages rather than memories."""
    return _DOCUMENT in log


def owner_of(path: tuple[str, ...]) -> str:
    """Under whose name a namespace's logs are listed: the user for a user's, else the namespace itself."""
    return log_of(path[:2] if path[0] == USER else path)


def _escaped(label: str) -> str:
    return label.replace("%", "%25").replace("/", "%2F").replace(_DOCUMENT, "%23").replace("~", "%7E")


def _plain(label: str) -> str:
    return label.replace("%2F", "/").replace("%23", _DOCUMENT).replace("%7E", "~").replace("%25", "%")


def _fitted(log: str) -> str:
    """The log's id, its end replaced by a digest where it is longer than an id may be."""
    raw = log.encode()
    if len(raw) <= MAX_ID_BYTES:
        return log
    from hashlib import sha256

    kept = raw[: MAX_ID_BYTES - _DIGEST - 2].decode(errors="ignore")
    mark = _DOCUMENT if _DOCUMENT in log and _DOCUMENT not in kept else ""
    return f"{kept}{mark}~{sha256(raw).hexdigest()}"
