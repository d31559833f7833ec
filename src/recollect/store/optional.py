"""What a store need not write. Each method is correct as it stands here; a store overrides what its backend does better."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal, NamedTuple

from recollect.errors import ConfigError, RecollectError, Unsupported
from recollect.model import Buffered, Delivered, Message
from recollect.store.contract import Commit, Key, Result, Verbs
from recollect.store.driver import Driver
from recollect.store.tables import TABLES


class Stretch(NamedTuple):
    """A part of a session's log, both ends included."""

    session_id: str
    first: int
    last: int


class LogText(NamedTuple):
    """A page of a session's log, encoded.

    Parameters
    ----------
    text: `Message.to_json` of each message, with a comma between two. last: the ``seq`` of the last of them.
    more: whether a message follows within the bounds. user_id: the session's owner.
    """

    text: bytes
    last: int
    more: bool
    user_id: str | None


class Store(Verbs):
    """A backend: the eight verbs of the contract, and what most stores leave as it is here."""

    templates: ClassVar[tuple[str, ...]] = ()
    """The forms that `template` knows, the usual one first."""

    async def commit_many(self, commits: Sequence[Commit]) -> list[list[Result] | RecollectError]:
        """Many commits, each atomic by itself, with one outcome for each: its results or its error.

        Not a verb that a store must write: this loop is correct. A store overrides it where the backend has a
        faster way to send many at once.
        """
        outcomes: list[list[Result] | RecollectError] = []
        for partition, ops in commits:
            try:
                outcomes.append(await self.commit(partition, ops))
            except RecollectError as error:
                outcomes.append(error)
        return outcomes

    async def stretches(
        self, path: Literal["messages", "vectors"], scope: str, asked: Sequence[Stretch]
    ) -> list[Sequence[Any]]:
        """The rows of many short parts of logs, for each part what `query` gives of it.

        Not a verb that a store must write: this loop is correct. A store overrides it where the backend has a faster way
        to read many at once.
        """
        found = []
        for session_id, first, last in asked:
            bounds: dict[str, Any] = {"after": (first - 1,), "before": (last + 1,), "limit": last - first + 1}
            found.append(await self.query(path, (scope, session_id), **bounds))
        return found

    async def query_json(
        self, hash: Key, *, after: Key | None = None, before: Key | None = None, limit: int, reverse: bool = False
    ) -> LogText | None:
        """A page of the path ``messages``, encoded, where the backend makes it faster than `query` and an encoder do.

        Not a verb that a store must write: None, at any time, sends the caller to `query`. Parameters as there.
        """
        return None

    async def wait(self, scope: str, after: str | None, seconds: float) -> None:
        """Until something may have come behind a cursor of the feed, for so many seconds at most.

        Not a verb that a store must write: this sleeps. Where the capabilities say `push`, it returns as soon as a commit
        of anybody has added to the scope's feed, also one between the last `changes` and this call.
        """
        await self.driver.sleep(seconds)

    async def create_tables(self, driver: Driver) -> list[str]:
        """Make what `open` needs and is not there, and wait until it can be used; the names of what was made.

        Like `check_tables` it is called on a store that is not open, and leaves it so. Not a verb that a store must
        write: by default opening makes it, and tells no names.
        """
        await self.open(driver)
        await self.close()
        return []

    async def check_tables(self, driver: Driver) -> list[str]:
        """What is missing, or not as it is needed: a sentence each. Nothing is made or changed.

        Not a verb that a store must write: by default, for backends that need nothing made, opening says what is wrong.
        """
        try:
            await self.open(driver)
        except ConfigError as error:
            return [str(error)]
        await self.close()
        return []

    def table_names(self) -> tuple[str, ...]:
        """What the tables are called in the backend, as `check_tables` names them.

        Not a verb that a store must write: by default they are called as they are declared.
        """
        return tuple(TABLES)

    def template(self, form: str) -> str:
        """What `create_tables` would make, as a text for other tools.

        Parameters
        ----------
        form: one of `templates`. Raises `Unsupported` for another.
        """
        known = ", ".join(self.templates)
        if not known:
            raise Unsupported(f"{self.kind} needs nothing made, so there is no template of it")
        raise Unsupported(f"{self.kind} has no template {form!r}: {known}")

    async def buffered(self, driver: Driver) -> Buffered:
        """What is kept for later, also before the store is open. A store keeps nothing; a buffer above it does."""
        return Buffered()

    async def deliver(self, refused: Literal["keep", "again", "drop"]) -> Delivered:
        """Deliver what is kept for later; see `recollect.AsyncRecollect.deliver`. Of a store there is nothing."""
        return Delivered()

    async def index_version(self) -> int:
        """The version of the rules by which the terms in the store's index were made; 0 while there are none.

        Not a verb that a store must write: a store without an index has none to make anew.
        """
        return 0

    async def mark_index(self, version: int) -> None:
        """Note by which rules the terms that will come are made. Only called while `index_version` is 0."""

    async def reindex(self, version: int, terms: Callable[[Message], str], progress: Callable[[int], object]) -> int:
        """Make the terms of every message anew, of all scopes, then note the version; how many messages were done.

        Appends and searches go on meanwhile. Repeating it is safe, also after it was broken off.

        Parameters
        ----------
        terms: the terms of a message, separated by single spaces. progress: called with the messages done so far.
        """
        return 0

    async def warnings(self) -> list[str]:
        """What in the backend's set-up endangers what was promised, each a sentence with what to do about it.

        Not a verb that a store must write: none is correct. `recollect doctor` shows them.
        """
        return []
