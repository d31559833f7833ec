"""What every rule works on: a store, a tenant, a way to count tokens."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from copy import copy
from functools import cached_property
from typing import Any, TypeVar

from recollect.core import areas
from recollect.core.messages import Intake, message_tokens
from recollect.core.summarizer import Summarizer
from recollect.core.summary_parts import shown
from recollect.core.tokens import TokenCounter, estimate_tokens
from recollect.core.views import Queries, Views
from recollect.errors import CorruptRecord, InvalidInput
from recollect.model import Message, Preferences, Session, Summary
from recollect.recall.analyzer import term_text
from recollect.recall.embedders import Embedder
from recollect.store import Driver, Partition, Store

T = TypeVar("T")

PAGE = 500
"""Rows of a page, where everything is read."""


class Base:
    """One tenant's view of a store.

    Parameters
    ----------
    tenant: whose data it is. count: tokens of a text; the estimator by script when None.
    summarizer: makes summaries; the extractive one when None. embedder: makes vectors.

    Attributes
    ----------
    scope: what the tenant's sessions are kept under, part of every key. area: the view of the tenant's memories.
    """

    def __init__(
        self,
        store: Store,
        driver: Driver,
        *,
        tenant: str,
        count: TokenCounter | None,
        summarizer: Summarizer | None = None,
        embedder: Embedder | None = None,
    ) -> None:
        self.store = store
        self.driver = driver
        self.tenant = tenant
        self.scope = areas.conversations(tenant)
        self.count = estimate_tokens if count is None else _checked(count)
        self.given_count = count
        self.embedder = embedder
        self.views = Views(driver.mutex)
        self.queries = Queries()
        self.summarizer = None if summarizer is None else _checked_summarizer(summarizer)
        self.intake = Intake(driver, self.count, store.capabilities.item_bytes)

    def of_tenant(self, tenant: str) -> Base:
        """The same store and settings for another tenant; what is held in memory is shared."""
        twin = Base(
            self.store,
            self.driver,
            tenant=tenant,
            count=self.given_count,
            summarizer=self.summarizer,
            embedder=self.embedder,
        )
        twin.views, twin.queries = self.views, self.queries
        return twin

    @cached_property
    def area(self) -> Base:
        """The same view of the tenant's memories: each namespace is a log, as a session is."""
        twin = copy(self)
        twin.scope = areas.memories(self.tenant)
        return twin

    @property
    def indexed(self) -> bool:
        """Whether the store has an index of words that can be asked."""
        return self.store.capabilities.text_search and self.views.index_fits

    def session_partition(self, session_id: str) -> Partition:
        """The partition of a session."""
        return Partition(self.scope, "session", session_id)

    def user_partition(self, user_id: str) -> Partition:
        """The partition of a user."""
        return Partition(self.scope, "user", user_id)

    def tokens(self, message: Message) -> int:
        """Tokens of a stored message by this client's counter; what is stored may be another's count."""
        return message_tokens(message, self.count)

    def terms(self, message: Message) -> str:
        """The terms to store with a message: those of its text; none where the store has no index for them."""
        return term_text(message.text) if self.store.capabilities.text_search else ""

    async def header(self, session_id: str) -> Session | None:
        """The session's header."""
        return _expect(await self.store.get("sessions", (self.scope, session_id)), Session)

    async def summary(self, session_id: str) -> Summary | None:
        """The session's summary."""
        return shown(await self.summary_row(session_id))

    async def summary_row(self, session_id: str) -> Summary | None:
        """The row of the session's summary, with the claim of whoever is making the next one."""
        return _expect(await self.store.get("summaries", (self.scope, session_id)), Summary)

    async def preferences(self, user_id: str) -> Preferences | None:
        """The user's preference document."""
        return _expect(await self.store.get("preferences", (self.scope, user_id)), Preferences)

    async def messages(self, session_id: str, **bounds: Any) -> Sequence[Message]:
        """A stretch of the session's log; `bounds` are those of `Store.query`."""
        return await self.store.query("messages", (self.scope, session_id), **bounds)

    def listing(self, user_id: str | None) -> tuple[str, tuple[str, ...]]:
        """The path of all sessions, or of a user's, and its hash."""
        return ("sessions", (self.scope,)) if user_id is None else ("sessions_by_user", (self.scope, user_id))

    async def headers(self, user_id: str | None = None) -> AsyncIterator[Session]:
        """All sessions, or a user's, the latest activity first."""
        path, hash = self.listing(user_id)
        place: tuple[Any, ...] | None = None
        while True:
            found = await self.store.query(path, hash, before=place, limit=PAGE, reverse=True)
            for header in found:
                yield header
            if len(found) < PAGE:
                return
            place = (found[-1].updated_at, found[-1].id)

    async def pages(
        self, session_id: str, *, start: int = 0, reverse: bool = False, size: int = PAGE, **bounds: Any
    ) -> AsyncIterator[Sequence[Message]]:
        """A session's log in pages of a size, behind or before the number `start`; `bounds` are those of `Store.query`
        beside."""
        side = "before" if reverse else "after"
        place: dict[str, tuple[int]] = {side: (start,)} if start else {}
        while True:
            rows = await self.messages(session_id, **place, **bounds, limit=size, reverse=reverse)
            yield rows
            if len(rows) < size:
                return
            place = {side: (rows[-1].seq,)}


def _checked(count: TokenCounter) -> TokenCounter:
    """The user's counter, whose answers are looked at: a wrong one would be stored with every message."""
    if not callable(count):
        raise InvalidInput(f"count_tokens is a function of a text, not {type(count).__name__}", field="count_tokens")

    def counted(text: str, /) -> int:
        number = count(text)
        if type(number) is not int or number < 0:
            raise InvalidInput(
                f"count_tokens gave {number!r}: it has to give a whole number, 0 or more", field="count_tokens"
            )
        return number

    return counted


def _checked_summarizer(given: object) -> Summarizer:
    if not isinstance(given, Summarizer):
        raise InvalidInput(
            f"a summarizer has a name, max_input_tokens and summarize; {type(given).__name__} has not",
            field="summarizer",
        )
    return given


def _expect(row: object, kind: type[T]) -> T | None:
    if row is None or isinstance(row, kind):
        return row
    raise CorruptRecord(f"the store gave a {type(row).__name__} for a {kind.__name__}")
