"""Guarded changes of single records: read, change, write on the version read, and again if another was first."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from recollect.core.base import Base
from recollect.core.checks import check_count, check_object, check_text
from recollect.errors import Conflict, InvalidInput, NotFound
from recollect.model import JSON, Preferences, Session, Summary
from recollect.store import ABSENT, ANY, Delete, Put, SessionDefaults

ATTEMPTS = 200
"""Of a lost race every loser means one winner, so this many losses in a row take that many winners."""


class Unset:
    """The type of `UNSET`."""

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset()
"""An argument that was not given, where None has a meaning of its own."""


async def change_preferences(
    base: Base, user_id: str, change: Callable[[dict[str, JSON]], dict[str, JSON]]
) -> Preferences:
    """Apply a change to the user's document, atomically under any number of writers."""
    for attempt in range(ATTEMPTS):
        known = await base.preferences(user_id)
        values = check_object(change(copy.deepcopy(known.values) if known else {}), "preferences")
        if known is not None and values == known.values:
            return known
        try:
            return await put_preferences(base, user_id, values, expect=known.version if known else ABSENT, known=known)
        except Conflict:
            await base.driver.sleep(_pause(attempt))
    raise Conflict(f"the preferences of {user_id!r} were changed by others {ATTEMPTS} times in a row")


async def put_preferences(
    base: Base, user_id: str, values: Mapping[str, JSON], *, expect: int = ANY, known: Preferences | None = None
) -> Preferences:
    """Replace the user's document."""
    now = base.driver.now()
    created = known.created_at if known else None
    if known is None and expect != ABSENT:
        stored = await base.preferences(user_id)
        created = stored.created_at if stored else None
    row = Preferences(
        user_id=user_id, values=check_object(values, "preferences"), created_at=created or now, updated_at=now
    )
    (result,) = await base.store.commit(
        base.user_partition(user_id), [Put(table="preferences", row=row, expect=expect)]
    )
    assert isinstance(result, Preferences)
    return result


async def delete_preferences(base: Base, user_id: str) -> bool:
    """Remove the user's document; whether there was one."""
    (count,) = await base.store.commit(base.user_partition(user_id), [Delete(table="preferences")])
    return bool(count)


def merge_patch(target: JSON, patch: JSON) -> JSON:
    """RFC 7396: objects are merged, null removes, anything else replaces."""
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(target) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


async def update_session(
    base: Base,
    session_id: str,
    defaults: SessionDefaults,
    *,
    title: str | Unset | None,
    metadata: Mapping[str, JSON] | Unset,
    ttl: float | Unset | None,
    sliding: bool,
) -> Session:
    """Change the header, making it if there is none; metadata is merged, a key with None is removed."""
    if isinstance(title, str):
        check_text(title, "title")
    elif title is not None and not isinstance(title, Unset):
        raise InvalidInput(f"title is text, not {type(title).__name__}", field="title")
    patch = {} if isinstance(metadata, Unset) else _checked_patch(metadata)
    for attempt in range(ATTEMPTS):
        known = await base.header(session_id)
        now = base.driver.now()
        if known is None:
            row = Session(id=session_id, user_id=defaults.user_id, **_lifetime(now, defaults.ttl, defaults.sliding))
        else:
            if known.user_id is not None and defaults.user_id is not None and known.user_id != defaults.user_id:
                raise Conflict(f"session {session_id!r} belongs to another user")
            row = known if known.user_id is not None else known.replace(user_id=defaults.user_id)
        if not isinstance(title, Unset):
            row = row.replace(title=title)
        if not isinstance(ttl, Unset):
            row = row.replace(**_lifetime(now, ttl, sliding))
        row = row.replace(metadata=merge_patch(row.metadata, patch))
        try:
            put = Put(table="sessions", row=row, expect=known.version if known else ABSENT)
            (stored,) = await base.store.commit(base.session_partition(session_id), [put])
        except Conflict:
            await base.driver.sleep(_pause(attempt))
            continue
        assert isinstance(stored, Session)
        return stored
    raise Conflict(f"the header of session {session_id!r} was changed by others {ATTEMPTS} times in a row")


def _checked_patch(metadata: object) -> dict[str, JSON]:
    if not isinstance(metadata, Mapping):
        raise InvalidInput(f"metadata is an object (dict), not {type(metadata).__name__}", field="metadata")
    return check_object(metadata, "metadata")


def _lifetime(now: datetime, ttl: float | None, sliding: bool) -> dict[str, Any]:
    expires = None if ttl is None else now + timedelta(seconds=ttl)
    return {"expires_at": expires, "ttl": ttl if sliding else None}


async def save_summary(
    base: Base,
    session_id: str,
    text: str,
    *,
    covers_seq: int,
    metadata: Mapping[str, JSON] | None,
    expect: int | None,
) -> Summary:
    """Store the session's summary in place of the one before."""
    if not isinstance(text, str) or not text.strip():
        raise InvalidInput("a summary needs text", field="text")
    check_text(text, "text")
    check_count(covers_seq, "covers_seq", least=0, most=None)
    header = await base.header(session_id)
    if header is None:
        raise NotFound(f"no session {session_id!r}")
    if covers_seq > header.last_seq:
        raise InvalidInput(f"covers_seq {covers_seq} is beyond the last message, {header.last_seq}", field="covers_seq")
    known = await base.summary_row(session_id)
    now = base.driver.now()
    row = Summary(
        session_id=session_id,
        text=text,
        covers_seq=covers_seq,
        metadata=check_object(metadata, "metadata"),
        tokens=base.count(text),
        created_at=known.created_at if known else now,
        updated_at=now,
    )
    if expect == 0 and known is not None and not known.text:
        expect = known.version  # the claim of somebody who has not made the first one yet
    guard = ANY if expect is None else ABSENT if expect == 0 else expect
    (stored,) = await base.store.commit(
        base.session_partition(session_id), [Put(table="summaries", row=row, expect=guard)]
    )
    assert isinstance(stored, Summary)
    return stored


def _pause(attempt: int) -> float:
    """Seconds to wait after a lost race: random, growing to 50 ms."""
    return random.uniform(0, min(0.05, 0.001 * 2 ** min(attempt, 6)))
