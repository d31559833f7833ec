"""A conversation memory service: the methods that chatbot services call such a thing by, over any store."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import islice
from types import TracebackType
from typing import Any, Self

from recollect import ConfigError, Conflict, InvalidInput, Message, Page, Recollect, SessionHandle, Store

PAGE = 1000
"""Messages that are read at once, where everything is."""

_INSTANT = timedelta(microseconds=1)
"""The precision of time in every store."""


class ConversationMemoryService:
    """History, preferences and statistics of a chatbot's conversations, blocking, as plain dicts.

    Parameters
    ----------
    store: a URL (``dynamodb://eu-central-1/app``, ``sqlite:///chat.db``, ...), a `Store`, or a `Recollect` client, which
        stays open when the service is closed; ``RECOLLECT_URL``, else ``sqlite:///recollect.db``, when None. Names of tables
        come from the URL and, on DynamoDB, from the environment (``AWS_DYNAMODB_CONVERSATIONS_TABLE`` and so on).
    scope: the tenant; None for the client's own, or ``default``.
    ttl: seconds that a new session lives, None for ever. sliding: whether each message begins them anew.
        Not together with a client, which has its own.

    What the results mean, everywhere:

    * A message is a dict of ``session_id, timestamp, message_id, role, content, user_id, metadata``. ``timestamp`` is ISO 8601
      in UTC, as Python writes it. The order is that in which messages were stored, whatever their timestamps say.
    * ``True`` from a ``store_`` or ``update_`` method says that it is stored. There is no ``False``: everything else raises.
    * ``False`` from a ``delete_`` method says that there was nothing to delete.
    * A store that is away raises `Unavailable`, also on reading: an empty history would be a lie, on which a chatbot would
      go on to greet a known user as a stranger. Wrong arguments raise `InvalidInput`.
    * A naive datetime or a text without an offset is refused: it could be any of 27 instants.
    """

    def __init__(
        self,
        store: str | Store | Recollect | None = None,
        *,
        scope: str | None = None,
        ttl: float | None = None,
        sliding: bool = False,
    ) -> None:
        self._borrowed = isinstance(store, Recollect)
        if isinstance(store, Recollect):
            if ttl is not None or sliding:
                raise ConfigError("ttl and sliding are the client's own: give them to Recollect(...)")
            self._root = store
            self._memory = store if scope is None else store.in_scope(scope)
        else:
            self._memory = Recollect(store, scope="default" if scope is None else scope, ttl=ttl, sliding=sliding)
            self._root = self._memory

    @property
    def memory(self) -> Recollect:
        """The client below, for everything that this service has no method for."""
        return self._memory

    def close(self) -> None:
        """Close what this service opened. Closing twice is harmless."""
        if not self._borrowed:
            self._memory.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def create_tables_if_not_exist(self) -> dict[str, bool]:
        """Make the tables that are missing, and wait until they can be used. Nothing is ever changed or dropped.

        Returns for each table, by its name in the database, whether it is there and as it is needed. A table that is there and does
        not fit is False, and none is made beside it; every later call raises `ConfigError` that says what differs.
        Raises `Unavailable` if the database is away, `ConfigError` if it cannot be used at all.
        """
        names, wrong = self._root.store.table_names(), list[str]()
        try:
            self._root.create_tables()
        except ConfigError:
            try:
                wrong = self._root.check_tables()
            except ConfigError:
                self._root.open()  # raises, unless it is open already: then its tables were looked at
            else:
                if not any(_names(text, name) for text in wrong for name in names):
                    raise
        return {name: not any(_names(text, name) for text in wrong) for name in names}

    def store_conversation_message(
        self,
        session_id: str,
        message_id: str,
        role: str,
        content: str | list[dict[str, Any]],
        user_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        timestamp: datetime | str | None = None,
    ) -> bool:
        """Store one message at the end of a session, making the session if there is none. Safe to repeat.

        Parameters
        ----------
        message_id: unique in its session. The same message again is not stored twice.
        role: ``user``, ``assistant``, ``system``, ``tool`` (also ``human``, ``ai``, ``developer``, ``function``).
        content: text, or a list of parts as the provider shapes them.
        user_id: whose session it is; a session without an owner gets this one. metadata: JSON data.
        timestamp: when it was said, timezone-aware, kept as it is; now when None.

        Returns True: it is stored. Raises `InvalidInput`, `Conflict` (the session is another user's, or the id already stands
        for another message), `LimitExceeded`, `Unavailable`; then nothing is.
        """
        if not isinstance(message_id, str):
            raise InvalidInput(f"message_id is text, not {type(message_id).__name__}", field="message_id")
        given = {
            "id": message_id,
            "role": role,
            "content": content,
            "metadata": metadata,
            "created_at": _instant(timestamp, "timestamp"),
        }
        appended = self._memory.session(session_id, user=user_id).append(given)
        if not appended.written:
            stored = _shown(appended[0])
            if stored["role"] != role or stored["content"] != content:
                raise Conflict(f"message_id {message_id!r} already stands for another message in this session")
        return True

    def retrieve_conversation_history(
        self,
        session_id: str,
        limit: int | None = None,
        start_time: datetime | str | None = None,
        end_time: datetime | str | None = None,
    ) -> list[dict[str, Any]]:
        """The messages of a session, the oldest first; empty if there is no such session.

        Parameters
        ----------
        limit: the latest so many; all when None. start_time, end_time: timestamps from and to, both included.
        """
        session = self._memory.session(session_id)
        since, until = _instant(start_time, "start_time"), _behind(_instant(end_time, "end_time"))
        if limit is not None and since is until is None:
            return [_shown(message) for message in session.tail(_count(limit, "limit"))]
        return _latest(
            lambda size, cursor: session.read(since=since, until=until, limit=size, cursor=cursor, reverse=True), limit
        )

    def retrieve_user_conversations(self, user_id: str, limit: int | None = None) -> list[dict[str, Any]]:
        """The messages of all the user's sessions, by timestamp, the oldest first.

        Parameters
        ----------
        limit: the latest so many; all when None.
        """
        user = self._memory.user(user_id)
        return _latest(lambda size, cursor: user.messages(limit=size, cursor=cursor, reverse=True), limit)

    def delete_conversation_history(self, session_id: str) -> bool:
        """Delete a session with all its messages and its summary; False if there was none."""
        return self._memory.session(session_id).delete()

    def store_user_preferences(self, user_id: str, preferences: Mapping[str, Any]) -> bool:
        """Store the user's preferences, JSON data, in place of those before. Returns True."""
        self._memory.user(user_id).preferences.put(preferences)
        return True

    def retrieve_user_preferences(self, user_id: str) -> dict[str, Any] | None:
        """The user's preferences, or None if there are none."""
        found = self._memory.user(user_id).preferences.record()
        return None if found is None else found.values

    def update_user_preference(self, user_id: str, preference_key: str, preference_value: Any) -> bool:
        """Set one preference, atomically: writers of other keys at the same time lose nothing. Returns True.

        Makes the user's preferences if there are none.
        """
        self._memory.user(user_id).preferences.set(preference_key, preference_value)
        return True

    def delete_user_preferences(self, user_id: str) -> bool:
        """Delete the user's preferences; False if there were none."""
        return self._memory.user(user_id).preferences.delete()

    def get_context_for_response(
        self, session_id: str, user_id: str | None = None, message_limit: int = 10
    ) -> dict[str, Any]:
        """What a reply should know.

        Parameters
        ----------
        user_id: whose preferences are wanted; None for none. message_limit: the latest so many messages.

        Returns ``recent_messages`` (the oldest first), ``user_preferences`` (None if there are none) and ``conversation_summary``:
        ``text`` and ``covers_seq`` of the stored summary (None and 0 without one), ``message_count``, ``first_message_at``,
        ``last_message_at`` of the session as it is now.
        Raises `Conflict` if the session is another user's: nobody is shown another's conversation.
        """
        session = self._memory.session(session_id, user=user_id)
        recent = session.tail(_count(message_limit, "message_limit"))
        return {
            "recent_messages": [_shown(message) for message in recent],
            "user_preferences": None if user_id is None else self.retrieve_user_preferences(user_id),
            "conversation_summary": _summary(session),
        }

    def get_memory_statistics(self) -> dict[str, Any]:
        """Totals of everything in this scope. Reads every message once, for the counts by role and by day.

        Returns ``total_messages, total_sessions, total_users, total_tokens, messages_by_role, messages_by_day`` (UTC),
        ``first_message_at, last_message_at`` (ISO 8601 or None), ``store`` (its kind) and ``location`` (its URL, without
        secrets).
        """
        found, store = self._memory.stats(detail=True), self._memory.store
        return {
            "total_messages": found.messages,
            "total_sessions": found.sessions,
            "total_users": found.users,
            "total_tokens": found.tokens,
            "messages_by_role": found.messages_by_role,
            "messages_by_day": found.messages_by_day,
            "first_message_at": _iso(found.first_message_at),
            "last_message_at": _iso(found.last_message_at),
            "store": store.kind,
            "location": store.url,
        }


def _names(text: str, table: str) -> bool:
    """Whether a sentence is about this table, and not about one whose name contains its name."""
    return re.search(rf"(?<![\w.-]){re.escape(table)}(?![\w.-])", text) is not None


def _instant(given: datetime | str | None, field: str) -> datetime | None:
    if given is None:
        return None
    when = given
    if isinstance(given, str):
        try:
            when = datetime.fromisoformat(given)
        except ValueError as error:
            raise InvalidInput(f"{field} is not ISO 8601: {given[:40]!r}", field=field) from error
    if not isinstance(when, datetime):
        raise InvalidInput(f"{field} is a datetime or ISO 8601 text, not {type(given).__name__}", field=field)
    if when.utcoffset() is None:
        raise InvalidInput(
            f"{field} has no timezone: write datetime.now(timezone.utc), or 2026-05-03T09:30:00+00:00", field=field
        )
    return when


def _behind(end: datetime | None) -> datetime | None:
    """The first instant after `end`; None, which is no bound, behind the last there is."""
    try:
        return None if end is None else end + _INSTANT
    except OverflowError:
        return None


def _count(value: int, field: str) -> int:
    if type(value) is not int or value < 0:
        raise InvalidInput(f"{field} is a whole number from 0 on, not {value!r}", field=field)
    return value


def _latest(read: Callable[[int, str | None], Page[Message]], limit: int | None) -> list[dict[str, Any]]:
    """The newest messages of a backward reading, oldest first."""
    if limit is not None and not _count(limit, "limit"):
        return []
    found = list(islice(_pages(read, PAGE if limit is None else min(limit, PAGE)), limit))
    return [_shown(message) for message in reversed(found)]


def _pages(read: Callable[[int, str | None], Page[Message]], size: int) -> Iterator[Message]:
    cursor: str | None = None
    while True:
        page = read(size, cursor)
        yield from page
        cursor = page.cursor
        if cursor is None:
            return


def _shown(message: Message) -> dict[str, Any]:
    """A message as users of conversation services know it: role and content in the words they were given in."""
    given = message.to_provider()
    return {
        "session_id": message.session_id,
        "timestamp": _iso(message.created_at),
        "message_id": message.id,
        "role": given["role"],
        "content": given["content"],
        "user_id": message.user_id,
        "metadata": dict(message.metadata),
    }


def _summary(session: SessionHandle) -> dict[str, Any]:
    header, stored = session.info(), session.summary()
    first, last = session.read(limit=1).items, session.tail(1)
    return {
        "text": None if stored is None else stored.text,
        "covers_seq": 0 if stored is None else stored.covers_seq,
        "message_count": 0 if header is None else header.message_count,
        "first_message_at": _iso(first[0].created_at) if first else None,
        "last_message_at": _iso(last[0].created_at) if last else None,
    }


def _iso(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()
