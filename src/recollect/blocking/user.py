"""The handle of one user, blocking: the twin of `recollect.user`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from recollect.blocking.namespace import NamespaceHandle
from recollect.blocking.twins import as_twin
from recollect.core.suggestions import Suggestion
from recollect.model import JSON, Hit, Message, Page, Preferences, Receipt, Session, Stats
from recollect.store.driver import drive
from recollect.user import AsyncUserHandle, AsyncUserPreferences


class UserPreferences:
    __doc__ = AsyncUserPreferences.__doc__

    def __init__(self, twin: AsyncUserPreferences) -> None:
        self._twin = twin

    @as_twin(AsyncUserPreferences.get)
    def get(self) -> dict[str, JSON]:
        return drive(self._twin.get())

    @as_twin(AsyncUserPreferences.record)
    def record(self) -> Preferences | None:
        return drive(self._twin.record())

    @as_twin(AsyncUserPreferences.put)
    def put(self, values: Mapping[str, JSON], *, expect: int | None = None) -> Preferences:
        return drive(self._twin.put(values, expect=expect))

    @as_twin(AsyncUserPreferences.merge)
    def merge(self, patch: Mapping[str, JSON]) -> Preferences:
        return drive(self._twin.merge(patch))

    @as_twin(AsyncUserPreferences.set)
    def set(self, key: str, value: JSON) -> Preferences:
        return drive(self._twin.set(key, value))

    @as_twin(AsyncUserPreferences.remove)
    def remove(self, key: str) -> bool:
        return drive(self._twin.remove(key))

    @as_twin(AsyncUserPreferences.delete)
    def delete(self) -> bool:
        return drive(self._twin.delete())


class UserHandle(NamespaceHandle):
    __doc__ = AsyncUserHandle.__doc__
    _twin: AsyncUserHandle

    def __init__(self, twin: AsyncUserHandle) -> None:
        super().__init__(twin)
        self._preferences = UserPreferences(twin.preferences)

    @property
    @as_twin(AsyncUserHandle.id.fget)  # type: ignore[attr-defined]
    def id(self) -> str:
        return self._twin.id

    @property
    @as_twin(AsyncUserHandle.preferences.fget)  # type: ignore[attr-defined]
    def preferences(self) -> UserPreferences:
        return self._preferences

    @as_twin(AsyncUserHandle.sessions)
    def sessions(self, limit: int = 20, *, cursor: str | None = None) -> Page[Session]:
        return drive(self._twin.sessions(limit, cursor=cursor))

    @as_twin(AsyncUserHandle.messages)
    def messages(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 100,
        cursor: str | None = None,
        reverse: bool = True,
    ) -> Page[Message]:
        return drive(self._twin.messages(since=since, until=until, limit=limit, cursor=cursor, reverse=reverse))

    @as_twin(AsyncUserHandle.recall)
    def recall(
        self,
        query: str,
        *,
        limit: int = 10,
        session: str | None = None,
        role: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        where: Mapping[str, JSON] | None = None,
        as_of: datetime | None = None,
        offset: int = 0,
    ) -> list[Hit]:
        return drive(
            self._twin.recall(
                query,
                limit=limit,
                session=session,
                role=role,
                since=since,
                until=until,
                where=where,
                as_of=as_of,
                offset=offset,
            )
        )

    @as_twin(AsyncUserHandle.suggestions)
    def suggestions(self, limit: int = 100) -> list[Suggestion]:
        return drive(self._twin.suggestions(limit))

    @as_twin(AsyncUserHandle.accept)
    def accept(self, id: str) -> Preferences:
        return drive(self._twin.accept(id))

    @as_twin(AsyncUserHandle.dismiss)
    def dismiss(self, id: str) -> Suggestion:
        return drive(self._twin.dismiss(id))

    @as_twin(AsyncUserHandle.stats)
    def stats(self, *, detail: bool = True) -> Stats:
        return drive(self._twin.stats(detail=detail))

    @as_twin(AsyncUserHandle.forget)
    def forget(self) -> Receipt:
        return drive(self._twin.forget())
