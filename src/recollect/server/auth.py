"""Who may ask: keys, and without keys nobody but this machine."""

from __future__ import annotations

import hmac
import ipaddress
from hashlib import sha256
from urllib.parse import urlsplit

from starlette.responses import Response
from starlette.types import Scope

from recollect import ConfigError
from recollect.server.problems import problem
from recollect.settings import Settings

OPEN = frozenset({"/", "/healthz", "/readyz", "/docs", "/docs/oauth2-redirect", "/openapi.json", "/favicon.ico"})
"""Paths that need no key. ``/metrics`` is not among them: its figures are of all scopes together."""

_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="recollect"'}


def check_exposure(settings: Settings) -> None:
    """Refuse to serve the whole memory to a network without keys."""
    if settings.api_keys or settings.loopback_only:
        return
    raise ConfigError(
        f"without keys the server listens on loopback only, and {settings.host} is reachable from elsewhere. "
        'Set keys, each with the scope it opens: RECOLLECT_API_KEYS="<a long random key>:<scope>" '
        "(python -c 'import secrets; print(secrets.token_urlsafe(32))' makes one), or leave RECOLLECT_HOST out."
    )


class Keys:
    """The keys of the configuration, kept as digests."""

    def __init__(self, settings: Settings) -> None:
        self._digests = [(_digest(key.get_secret_value()), scope) for key, scope in settings.api_keys]

    def __bool__(self) -> bool:
        return bool(self._digests)

    def find(self, given: str) -> tuple[int, str] | None:
        """The number and the scope of a key. Takes as long for any text: digests are compared, all of them."""
        digest = _digest(given)
        found = None
        for number, (known, scope) in enumerate(self._digests):
            if hmac.compare_digest(known, digest):
                found = (number, scope)
        return found


def _digest(key: str) -> bytes:
    return sha256(key.encode("utf-8", "replace")).digest()


class Doorkeeper:
    """Decides for a request who asks.

    Parameters
    ----------
    settings: with keys, a request needs one; without, it has to be meant for this machine by name, so that a web page
        elsewhere cannot reach the server through its visitor's browser (DNS rebinding, cross-site requests).
    """

    def __init__(self, settings: Settings) -> None:
        self._keys = Keys(settings)
        self._good_hosts: set[bytes] = set()

    def admit(self, scope: Scope, headers: dict[bytes, bytes]) -> tuple[str, str | None] | Response:
        """Who asks (for the rate limit) and the scope that opens for them; or the refusal."""
        if not self._keys:
            return self._local(scope, headers)
        path: str = scope["path"]
        if path in OPEN or path.startswith("/static/"):
            return _address(scope), None
        kind, _, given = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        if not given:
            return problem(scope, 401, "Send a key: Authorization: Bearer <key>.", headers=_CHALLENGE)
        found = self._keys.find(given.strip()) if kind.lower() == "bearer" else None
        if found is None:
            detail = "This key is not known." if kind.lower() == "bearer" else "Send the key as a Bearer token."
            challenge = {"WWW-Authenticate": _CHALLENGE["WWW-Authenticate"] + ', error="invalid_token"'}
            return problem(scope, 401, detail, headers=challenge)
        return f"key {found[0]}", found[1]

    def _local(self, scope: Scope, headers: dict[bytes, bytes]) -> tuple[str, None] | Response:
        if not self._is_loopback(headers.get(b"host", b"")):
            return problem(
                scope,
                421,
                "Without keys this server answers to localhost only: ask it as http://localhost or 127.0.0.1.",
            )
        origin = headers.get(b"origin")
        if origin is not None and not self._is_loopback(origin.partition(b"://")[2]):
            return problem(scope, 403, "Without keys this server takes no requests from pages of other sites.")
        return _address(scope), None

    def _is_loopback(self, host: bytes) -> bool:
        if host in self._good_hosts:
            return True
        good = is_loopback_name(host.decode("latin-1"))
        if good and len(self._good_hosts) < 1000:
            self._good_hosts.add(host)
        return good


def is_loopback_name(host: str) -> bool:
    """Whether a Host header names this machine: localhost, names below it, 127.0.0.0/8, [::1], with any port."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return f"address {client[0]}" if client else "address"
