"""The names of keys: readable, and so that nothing in an id is mistaken for structure.

``prefix:{tag}:...`` where the tag, which decides the slot of a Redis Cluster, is the tenant, and behind a slash the
number of the shard where the database has several.
"""

from __future__ import annotations

import re
from binascii import crc_hqx
from functools import lru_cache
from typing import NamedTuple
from zlib import crc32

_ENCODED = re.compile("%([0-9A-F]{2})")
_UNSAFE = re.compile(r"[\x00-\x7f](?<![A-Za-z0-9._~:@+=,\-])")


def encode(id: str) -> str:
    """An id as part of a key: ASCII other than letters, digits and ``._~:@+=,-`` as ``%XX``.

    `lua/session.lua` has the same rule, for users.
    """
    return _UNSAFE.sub(lambda found: f"%{ord(found[0]):02X}", id)


def decode(text: str) -> str:
    """The id that `encode` wrote so."""
    return _ENCODED.sub(lambda found: chr(int(found[1], 16)), text)


def slot(key: str) -> int:
    """The slot of one of our keys: that of its hash tag if it has one (Redis Cluster specification, "Hash tags")."""
    _, tagged, rest = key.partition("{")
    return crc_hqx((rest.partition("}")[0] if tagged else key).encode(), 0) % 16384


class SessionKeys(NamedTuple):
    """What one session occupies and what it shares with others of its tag, in the order of the scripts."""

    header: str
    messages: str
    ids: str
    expiring: str
    system: str
    summary: str
    sessions: str
    due: str
    changes: str
    state: str
    vectors: str


class UserKeys(NamedTuple):
    """What one user's preferences occupy, then what they share with others of their tag."""

    document: str
    users: str
    changes: str
    state: str


class Keys:
    """Makes keys.

    Parameters
    ----------
    prefix: what all of them begin with. shards: into how many parts a tenant is divided, each of one slot.
    indexed: whether messages have a hash beside them that RediSearch indexes.
    """

    def __init__(self, prefix: str, shards: int, *, indexed: bool = False) -> None:
        self.prefix = prefix
        self.shards = shards
        self.indexed = indexed
        self.meta = f"{prefix}:meta"
        self.scopes = f"{prefix}:scopes"
        self.session = lru_cache(4096)(self._session)
        self.appending = lru_cache(4096)(self._appending)
        self.bases = lru_cache(1024)(self._bases)

    def _bases(self, scope: str) -> tuple[str, ...]:
        """What all keys of a tenant begin with, one for each of its shards."""
        name = encode(scope)
        if self.shards == 1:
            return (f"{self.prefix}:{{{name}}}:",)
        return tuple(f"{self.prefix}:{{{name}/{shard}}}:" for shard in range(self.shards))

    def base(self, scope: str, id: str) -> str:
        """What the keys of one session or user begin with."""
        bases = self.bases(scope)
        return bases[0] if len(bases) == 1 else bases[crc32(id.encode()) % len(bases)]

    def _session(self, scope: str, id: str) -> tuple[str, SessionKeys]:
        """The base and the keys of a session."""
        base = self.base(scope, id)
        own = f"{base}session:{encode(id)}:"
        parts = (f"{own}{part}" for part in ("header", "messages", "ids", "expiring", "system", "summary"))
        shared = (f"{base}{part}" for part in ("sessions", "due", "changes", "state"))
        return base, SessionKeys._make((*parts, *shared, f"{own}vectors"))

    def _appending(self, scope: str, id: str) -> tuple[str, ...]:
        """The keys that the most usual commit touches, see `append.lua`."""
        _, session = self.session(scope, id)
        return session.header, session.messages, session.ids, session.sessions, session.changes

    def documents(self, scope: str, kind: str = "") -> tuple[str, ...]:
        """What the keys of the hashes in an index begin with, one for each shard of a tenant.

        Parameters
        ----------
        kind: of vectors; the index of terms when empty.
        """
        part = f"vec:{kind}:" if kind else "doc:"
        return tuple(f"{base}{part}" for base in self.bases(scope))

    def index(self, scope: str, kind: str = "") -> str:
        """The name of a tenant's index."""
        return f"{self.prefix}:{{{encode(scope)}}}:index:{kind or 'terms'}"

    def user(self, scope: str, id: str) -> UserKeys:
        """The keys of a user's preferences."""
        base = self.base(scope, id)
        shared = (f"{base}{part}" for part in ("preferences", "changes", "state"))
        return UserKeys(f"{base}user:{encode(id)}:preferences", *shared)
