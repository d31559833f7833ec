"""What a recall is asked: a question, checked, and what can be told of it before anything is found."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from recollect.core.checks import check_count, check_id, check_object, check_optional_time
from recollect.core.messages import ROLES
from recollect.errors import InvalidInput
from recollect.model import JSON, Message
from recollect.recall.question import kinds

if TYPE_CHECKING:
    from recollect.recall.index import PartitionIndex

MAX_QUERY_CHARACTERS = 100_000

QUESTION_WORDS = 3
"""A query of fewer words is a look-up: then only what has one of them is a hit. To a question, what stands beside the
words is often the answer, so there it is one too."""

_WIDE = re.compile("[\u3040-\u30ff\u3400-\u9fff]")


class Question(Struct, frozen=True, kw_only=True):
    """A checked question."""

    text: str
    limit: int
    offset: int
    session_id: str | None
    role: str | None
    since: datetime | None
    until: datetime | None
    where: dict[str, bytes]
    as_of: datetime | None

    @property
    def is_lookup(self) -> bool:
        """Whether it has few words."""
        return is_lookup(self.text)

    def matches(self, row: Message) -> bool:
        """Whether a row's metadata has what was asked for."""
        return all(key in row.metadata and _frozen(row.metadata[key]) == value for key, value in self.where.items())


def checked(
    query: object,
    limit: int,
    offset: int,
    session_id: str | None,
    role: str | None,
    since: datetime | None,
    until: datetime | None,
    where: Mapping[str, JSON] | None,
    as_of: datetime | None,
) -> Question:
    """The question of what a user gave. Raises `InvalidInput`."""
    if not isinstance(query, str):
        raise InvalidInput(f"a query is text, not {type(query).__name__}", field="query")
    check_count(limit, "limit")
    check_count(offset, "offset", least=0)
    if role is not None and not (isinstance(role, str) and role in ROLES):
        raise InvalidInput(f"unknown role {role!r}", field="role")
    return Question(
        text=query[:MAX_QUERY_CHARACTERS],
        limit=limit,
        offset=offset,
        session_id=None if session_id is None else check_id(session_id, "session"),
        role=None if role is None else ROLES[role],
        since=check_optional_time(since, "since"),
        until=check_optional_time(until, "until"),
        where={key: _frozen(value) for key, value in check_object(where, "where").items()},
        as_of=check_optional_time(as_of, "as_of"),
    )


def _frozen(value: JSON) -> bytes:
    """JSON values by what they are: 1 is not true, and the order of keys says nothing."""
    return msgspec.json.encode(value, order="deterministic")


def is_lookup(text: str) -> bool:
    """Whether a query has few words; scripts without spaces write one in about two characters."""
    words = sum(max(1, len(word) // 2) if _WIDE.search(word) else 1 for word in text.split())
    return words < QUESTION_WORDS


def kinds_of(text: str, index: PartitionIndex) -> frozenset[str]:
    """Script and language of a question; a word or two in Latin script are taken to be in that of what was said."""
    of = kinds(text)
    if "latin" in of and is_lookup(text):
        counts = {name: index.language_counts[number] for name, number in index.languages.items()}
        if counts:
            return frozenset({"latin", max(counts, key=counts.__getitem__)})
    return of


def bare_of(text: str, index: PartitionIndex) -> str:
    """What of a question is for the embedder."""
    return index.bare(text) or text
