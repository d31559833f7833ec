"""The public surface, async: one client over one store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime
from os import PathLike

from recollect.connect import OnUnavailable, buffered
from recollect.core.areas import check_path
from recollect.core.base import Base
from recollect.core.checks import check_clock, check_count, check_flag, check_id, check_ttl, refuse
from recollect.core.digest import Progress as DigestProgress
from recollect.core.digest import checked_extractor, digest
from recollect.core.extractor import DigestReport, Extractor
from recollect.core.feed import follow
from recollect.core.pages import page_of_sessions
from recollect.core.recall import recall
from recollect.core.statistics import total_stats
from recollect.core.summarizer import Summarizer
from recollect.core.tokens import TokenCounter
from recollect.core.transfer import (
    ImportReport,
    OnError,
    Progress,
    check_lines,
    export_lines,
    import_batches,
    read_here,
)
from recollect.errors import InvalidInput
from recollect.model import JSON, Change, Hit, Page, Session, Stats
from recollect.namespace import AsyncNamespaceHandle
from recollect.recall.embedders import Embedder
from recollect.session import AsyncSessionHandle
from recollect.store import Driver, SessionDefaults, Store, utc_now
from recollect.store.driver import Clock
from recollect.upkeep import Upkeep
from recollect.user import AsyncUserHandle

DEFAULT_SCOPE = "default"


class AsyncRecollect(Upkeep):
    """The memory of a chatbot or an agent, on one store.

    Parameters
    ----------
    store: a URL (see `connect`), a `Store` object, or None for ``RECOLLECT_URL``, else ``sqlite:///recollect.db``.
    scope: the tenant. Nothing in one scope can be seen from another.
    count_tokens: an exact token counter, ``text -> int``; the estimator by script when None.
    ttl: seconds that a new session lives; None for ever. A session's own ``ttl`` goes before it.
    sliding: whether each append begins a session's ``ttl`` anew.
    summarizer: makes the summaries of `AsyncSessionHandle.summarize`; None for `ExtractiveSummarizer`, without a model.
    clock: gives the present instant, timezone-aware; all expiry is judged by it.
    embedder: makes vectors of texts, by which `recall` and `search` find what was said in other words too; without one
        they go by words, which needs no model.
    on_unavailable: what becomes of an append that the store cannot take now. ``raise``: the caller gets `Unavailable`.
        ``buffer``: it is kept in a file on this machine's disk, its messages come back with ``seq`` 0, and it is delivered
        in order and once when the store is back, by a later call or by `deliver`, also of another process on the file.
        Everything else raises `Unavailable` all the same; so does a read of what is not delivered yet.
    buffer_path: the buffer's file, an SQLite database of its own; ``recollect-buffer.db`` in the working directory when None.
    buffer_bytes: what it keeps at most; an append that is one too many raises `Unavailable`. 256 MiB when None.

    Opens on first use or on ``async with``. Raises `ConfigError` for what cannot work as given.
    """

    def __init__(
        self,
        store: str | Store | None = None,
        *,
        scope: str = DEFAULT_SCOPE,
        count_tokens: TokenCounter | None = None,
        ttl: float | None = None,
        sliding: bool = False,
        summarizer: Summarizer | None = None,
        clock: Clock = utc_now,
        embedder: Embedder | None = None,
        on_unavailable: OnUnavailable = "raise",
        buffer_path: str | PathLike[str] | None = None,
        buffer_bytes: int | None = None,
    ) -> None:
        from recollect.store.threads import AsyncDriver

        found = buffered(store, on_unavailable, buffer_path, buffer_bytes)
        self._setup(found, scope, count_tokens, ttl, sliding, summarizer, AsyncDriver(clock), embedder)

    def _setup(
        self,
        store: Store,
        scope: str,
        count_tokens: TokenCounter | None,
        ttl: float | None,
        sliding: bool,
        summarizer: Summarizer | None,
        driver: Driver,
        embedder: Embedder | None,
    ) -> None:
        check_clock(driver.now)
        self._defaults = SessionDefaults(ttl=check_ttl(ttl), sliding=check_flag(sliding, "sliding"))
        base = Base(
            store,
            driver,
            tenant=check_id(scope, "scope"),
            count=count_tokens,
            summarizer=summarizer,
            embedder=_checked_embedder(embedder),
        )
        self._start(store, driver, base)

    @property
    def store(self) -> Store:
        """The store below."""
        return self._store

    @property
    def scope(self) -> str:
        """The tenant."""
        return self._base.tenant

    @property
    def embeds(self) -> bool:
        """Whether an embedder is set."""
        return self._base.embedder is not None

    def in_scope(self, scope: str) -> AsyncRecollect:
        """The same store seen by another tenant; it is opened and closed by this client."""
        twin = object.__new__(type(self))
        twin._defaults = self._defaults
        twin._start(self._store, self._driver, self._base.of_tenant(check_id(scope, "scope")), parent=self)
        return twin

    def session(
        self, id: str, user: str | None = None, *, ttl: float | None = None, sliding: bool | None = None
    ) -> AsyncSessionHandle:
        """A handle for a session; no I/O until it is used.

        Parameters
        ----------
        id: any text up to 512 bytes. user: whose session it is; None is fine.
        ttl, sliding: the lifetime, should this handle create the session; the client's own when None.
        """
        return AsyncSessionHandle(self, id, user, self._lifetime(ttl, sliding))

    def _lifetime(self, ttl: float | None, sliding: bool | None) -> SessionDefaults:
        own = self._defaults
        return SessionDefaults(
            ttl=own.ttl if ttl is None else check_ttl(ttl),
            sliding=own.sliding if sliding is None else check_flag(sliding, "sliding"),
        )

    def user(self, id: str) -> AsyncUserHandle:
        """A handle for a user; no I/O until it is used."""
        return AsyncUserHandle(self, id)

    def namespace(self, *labels: str) -> AsyncNamespaceHandle:
        """A handle for knowledge that belongs to no session; no I/O until it is used.

        Parameters
        ----------
        labels: the path, from the general to the special: ``("docs", "handbook")``. ``("user", ID)`` is the user's own.
        """
        return AsyncNamespaceHandle(self, check_path(labels))

    async def sessions(self, limit: int = 20, *, cursor: str | None = None) -> Page[Session]:
        """All sessions of the scope, latest activity first.

        Parameters
        ----------
        limit: 1 to 10,000. cursor: of the page before.
        """
        base = await self._ready()
        return await page_of_sessions(base, "sessions", (base.scope,), limit, cursor)

    async def search(
        self,
        query: str,
        *,
        limit: int = 10,
        user: str | None = None,
        session: str | None = None,
        role: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        where: Mapping[str, JSON] | None = None,
        as_of: datetime | None = None,
        offset: int = 0,
        namespaces: Iterable[Sequence[str]] = (),
    ) -> list[Hit]:
        """The messages that answer a question best, of every session; in Chinese, Japanese and Korean too.

        A message whose metadata has ``"recall": false`` is not found.

        Parameters
        ----------
        query: plain text; nothing in it is syntax. limit: hits, 1 to 10,000. offset: so many of the best are left out.
        user, session, role, since, until: narrow it; ``since <= created_at < until``. With a user, memories are found too.
        where: top-level metadata that must be there, by equality.
        as_of: what was known at that instant.
        namespaces: the memories and documents under these paths are looked through too.
        """
        return await recall(
            await self._ready(),
            query,
            limit=limit,
            offset=offset,
            as_of=as_of,
            namespaces=[check_path(tuple(path)) for path in namespaces],
            user_id=user,
            session_id=session,
            role=role,
            since=since,
            until=until,
            where=where,
        )

    async def stats(self, *, detail: bool = False) -> Stats:
        """Figures of the scope. With `detail` every message is read once, for roles, days, tokens and more: see `Stats`."""
        return await total_stats(await self._ready(), user_id=None, detail=detail)

    async def changes(self, after: str | None = None, *, limit: int = 100) -> Page[Change]:
        """The feed behind a cursor: what was appended, put and deleted, in commit order.

        A page's `cursor` is None when there is no more yet; go on later from the last change's own ``cursor``.
        Expiry makes no entry. Raises `NotFound` when entries behind `after` are swept already.
        """
        base = await self._ready()
        check_count(limit, "limit")
        if after is not None and not isinstance(after, str):
            refuse("after", after)
        found = await base.store.changes(base.scope, after=after, limit=limit)
        return Page(found, found[-1].cursor if len(found) == limit else None)

    async def follow(self, after: str | None = None) -> AsyncIterator[Change]:
        """The feed of changes without an end: what is behind the cursor, then each change soon after it was committed.

        Parameters
        ----------
        after: the cursor of the last change that was seen; None for all that the feed holds.

        Waits between looks: woken by the store where its capabilities say `push`, else 0.05 to 1 second. Leave it with
        ``break``, or by cancelling the task. Raises what `changes` raises.
        """
        base = await self._ready()
        if after is not None and not isinstance(after, str):
            refuse("after", after)
        async for change in follow(base, after):
            yield change

    async def digest(
        self,
        extractor: Extractor | None = None,
        *,
        again: bool = False,
        wait: bool = True,
        progress: DigestProgress | None = None,
    ) -> DigestReport:
        """Read what users have said since the last digest, and keep what is worth it as memories of theirs.

        Only sessions that have a user are read, and each message once, whoever digests and however often. Left out are
        sessions with the metadata ``{"digest": false}`` and messages with ``{"recall": false}``.

        Parameters
        ----------
        extractor: draws the statements; `RuleExtractor`, which needs no model, when None.
        again: try once more, too, what was set aside because the extractor gave no valid answer.
        wait: whether to wait for another program that is at a session; if not, the rest is left to the next digest.
        progress: called with the figures so far, after each session.

        A statement that is known already changes nothing; one that takes the place of another closes that. Raises what the
        extractor raises; what was digested by then is kept, and the rest is tried by the next digest.
        """
        base = await self._ready()
        check_flag(again, "again")
        check_flag(wait, "wait")
        return await digest(base, checked_extractor(extractor), again=again, wait=wait, progress=progress)

    async def import_lines(
        self,
        lines: Iterable[bytes | str | Mapping[str, JSON]],
        *,
        on_error: OnError = "stop",
        progress: Progress | None = None,
        second_process: bool = False,
    ) -> ImportReport:
        """Append messages from JSON Lines, or dicts of the same form; see `docs/how-to/import-export.md`.

        Parameters
        ----------
        lines: ``{"session", "user"?, "role", "content", "created_at"?, "id"?, "metadata"?}``, one message each.
        on_error: ``stop`` raises `InvalidInput` with the line's number (what stands before it is imported);
            ``skip`` goes on and reports it.
        progress: called after each batch with the lines and bytes read so far.
        second_process: read the lines, which are bytes then, in a process of their own while this one writes: nearly twice
            as fast for many. Only without a token counter or a clock of your own, which it would not know.

        Safe to repeat: a line without an id gets one made from its number and the lines up to it.
        """
        base = await self._ready()
        check_lines(lines)
        if not check_flag(second_process, "second_process"):
            return await import_batches(base, read_here(base, lines), on_error=on_error, progress=progress)
        if base.given_count is not None or self._driver.now is not utc_now:
            raise InvalidInput("a second process knows no counter and no clock of yours", field="second_process")
        from recollect.parsing import ReadElsewhere

        read = ReadElsewhere(lines, base.intake, base.store.capabilities, stop=on_error == "stop")  # type: ignore[arg-type]
        try:
            return await import_batches(base, read, on_error=on_error, progress=progress)
        finally:
            await self._driver.run(read.close)

    async def export_lines(
        self, *, session: str | None = None, user: str | None = None
    ) -> AsyncIterator[dict[str, JSON]]:
        """Every message as a dict that `import_lines` reads, session by session, in order."""
        async for line in export_lines(await self._ready(), session_id=session, user_id=user):
            yield line


def _checked_embedder(given: object) -> Embedder | None:
    if given is None or isinstance(given, Embedder):
        return given
    raise InvalidInput("an embedder has a `model` and a method `embed(texts, query=False)`", field="embedder")
