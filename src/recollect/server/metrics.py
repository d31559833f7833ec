"""Figures for Prometheus, in a registry of their own. No label holds an id, a scope or a key."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest

from recollect import Buffered, __version__

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """What is counted."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._requests = Counter(
            "recollect_http_requests",
            "Requests answered; a status of 499 is a client that went away first.",
            ("method", "route", "status"),
            registry=registry,
        )
        self._seconds = Histogram(
            "recollect_http_request_seconds",
            "From the first byte of a request to the last of its answer.",
            ("method", "route"),
            buckets=_BUCKETS,
            registry=registry,
        )
        self.answering = self.answered = 0
        Gauge("recollect_http_requests_in_progress", "Requests being answered.", registry=registry).set_function(
            lambda: self.answering
        )
        self.messages = Counter(
            "recollect_messages_appended", "Messages stored, without repeated ones.", registry=registry
        )
        self.turns = Counter(
            "recollect_chat_turns", "Turns of conversation by how they ended.", ("outcome",), registry=registry
        )
        self.summaries = Counter(
            "recollect_summaries",
            "Summaries made in the background, and failed tries.",
            ("outcome",),
            registry=registry,
        )
        self.digest = Counter(
            "recollect_digest",
            "The digest: users' messages read, statements new, superseding or known, messages set aside, failed tries.",
            ("outcome",),
            registry=registry,
        )
        self.store_up = Gauge("recollect_store_up", "Whether the store answered when last asked.", registry=registry)
        self._buffered = Gauge(
            "recollect_buffered_messages",
            "Messages in the buffer: those that wait for the store, those that it refused, those for another store.",
            ("state",),
            registry=registry,
        )
        self.show_buffer(Buffered())
        Info("recollect", "This server.", registry=registry).info({"version": __version__})
        for outcome in ("answered", "failed", "left", "refused"):
            self.turns.labels(outcome)
        for outcome in ("made", "failed"):
            self.summaries.labels(outcome)
        for outcome in ("messages", "new", "superseding", "known", "aside", "failed"):
            self.digest.labels(outcome)
        self._known: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request.

        Parameters
        ----------
        route: the template, not the path. status: of the answer. seconds: that it took.
        """
        key = (method, route, status)
        known = self._known.get(key)
        if known is None:
            shown = method if method in _METHODS else "other"
            known = (self._requests.labels(shown, route, str(status)), self._seconds.labels(shown, route))
            if method in _METHODS:
                self._known[key] = known
        self.answered += 1
        known[0].inc()
        known[1].observe(seconds)

    def show_buffer(self, found: Buffered) -> None:
        """Set the figures of the buffer."""
        for state in ("waiting", "refused", "elsewhere"):
            self._buffered.labels(state).set(getattr(found, state))

    def render(self) -> bytes:
        """The text format of Prometheus."""
        return generate_latest(self.registry)
