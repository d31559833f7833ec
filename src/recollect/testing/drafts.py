"""What random histories are made of: small pools, so that ids, instants and words meet again and again."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from msgspec import Struct

from recollect.model import Message, Part, Preferences, Session, Summary
from recollect.store import ABSENT, ANY, Append, Commit, Delete, Filter, Op, Partition, Put, SessionDefaults

SCOPES = ("one", "one ")
SESSIONS = ("s", "S", "s/\0💬'%")
USERS = ("u", "ü", "u\u0308 ")
IDS = ("a", "A", "b", "\0", "c/..", "é")
ROLES = ("user", "assistant", "system", "tool")
TERMS = ("apple", "pear", "Apple", '"', "or", "한국")
TTLS = (1.0, 2.5, 10.0)
STEPS = (0.000001, 0.5, 1.0, 2.5, 9.999999, 10.0)
CONTENTS: tuple[Any, ...] = ("", "x", "\0", "é💬", None, [], [Part(type="text", text="p")])
OBJECTS: tuple[dict[str, Any], ...] = ({}, {"k": 1}, {"": [None, 0.5, "\0"]})


class Row(Struct, frozen=True):
    """A message to append; `ago` seconds before the clock, gone after `ttl` seconds."""

    id: str
    role: str
    content: Any
    terms: tuple[str, ...]
    ttl: float | None
    ago: float

    def message(self, now: datetime) -> Message:
        """The message as the core would hand it over."""
        return Message(
            self.role,
            self.content,
            id=self.id,
            created_at=now - timedelta(seconds=self.ago),
            expires_at=None if self.ttl is None else now + timedelta(seconds=self.ttl),
            tokens=len(self.terms),
        )


class AppendDraft(Struct, frozen=True):
    """An `Append`."""

    rows: list[Row]
    user: str | None
    ttl: float | None
    sliding: bool

    def op(self, partition: Partition, now: datetime) -> Op:
        """The operation at this instant."""
        return Append(
            rows=[row.message(now) for row in self.rows],
            terms=[" ".join(row.terms) for row in self.rows],
            session=SessionDefaults(user_id=self.user, ttl=self.ttl, sliding=self.sliding),
        )


class SessionDraft(Struct, frozen=True):
    """A `Put` of a header."""

    user: str | None
    title: str | None
    metadata: dict[str, Any]
    lives: float | None
    ttl: float | None
    expect: int

    def op(self, partition: Partition, now: datetime) -> Op:
        """The operation at this instant."""
        row = Session(
            id=partition.id,
            user_id=self.user,
            title=self.title,
            metadata=self.metadata,
            expires_at=None if self.lives is None else now + timedelta(seconds=self.lives),
            ttl=self.ttl,
        )
        return Put(table="sessions", row=row, expect=self.expect)


class SummaryDraft(Struct, frozen=True):
    """A `Put` of a summary."""

    text: str
    covers: int
    expect: int

    def op(self, partition: Partition, now: datetime) -> Op:
        """The operation at this instant."""
        row = Summary(session_id=partition.id, text=self.text, covers_seq=self.covers, created_at=now, updated_at=now)
        return Put(table="summaries", row=row, expect=self.expect)


class PreferencesDraft(Struct, frozen=True):
    """A `Put` of a preference document."""

    values: dict[str, Any]
    expect: int

    def op(self, partition: Partition, now: datetime) -> Op:
        """The operation at this instant."""
        row = Preferences(user_id=partition.id, values=self.values, created_at=now, updated_at=now)
        return Put(table="preferences", row=row, expect=self.expect)


class DeleteDraft(Struct, frozen=True):
    """A `Delete`."""

    table: Any
    seq: int | None = None

    def op(self, partition: Partition, now: datetime) -> Op:
        """The operation."""
        return Delete(table=self.table, seq=self.seq)


Draft = AppendDraft | SessionDraft | SummaryDraft | PreferencesDraft | DeleteDraft


class CommitDraft(Struct, frozen=True):
    """A commit on one partition."""

    partition: Partition
    drafts: list[Draft]

    def commit(self, now: datetime) -> Commit:
        """The commit at this instant."""
        return Commit(self.partition, [draft.op(self.partition, now) for draft in self.drafts])


class FilterDraft(Struct, frozen=True):
    """What a search may find, times as seconds before the clock."""

    user: str | None
    session: str | None
    role: str | None
    since: float | None
    until: float | None

    def filter(self, now: datetime) -> Filter:
        """The filter at this instant."""
        return Filter(
            user_id=self.user,
            session_id=self.session,
            role=self.role,
            since=None if self.since is None else now - timedelta(seconds=self.since),
            until=None if self.until is None else now - timedelta(seconds=self.until),
        )


scopes = st.sampled_from((*SCOPES[:1] * 3, *SCOPES))
sessions = st.sampled_from((*SESSIONS[:1] * 3, *SESSIONS))
users = st.sampled_from(USERS)
ids = st.sampled_from(IDS)
seqs = st.integers(0, 12)
expects = st.sampled_from((ANY, ANY, ABSENT, 1, 2, 3))
words = st.sampled_from((*TERMS[:2] * 2, *TERMS))
terms = st.lists(words, max_size=4).map(tuple)
rows = st.builds(
    Row,
    id=ids,
    role=st.sampled_from(ROLES),
    content=st.sampled_from(CONTENTS),
    terms=terms,
    ttl=st.sampled_from((None, None, *TTLS)),
    ago=st.sampled_from((0.0, 0.0, 0.000001, 1.0, 10.0, -1.0)),
)
appends = st.builds(
    AppendDraft,
    rows=st.lists(rows, min_size=1, max_size=4),
    user=st.sampled_from((None, None, *USERS)),
    ttl=st.sampled_from((None, None, *TTLS)),
    sliding=st.booleans(),
)
session_deletes = st.one_of(
    st.builds(DeleteDraft, table=st.just("messages"), seq=seqs),
    st.builds(DeleteDraft, table=st.sampled_from(("messages", "summaries", "preferences", None))),
)
session_ops = st.one_of(
    appends,
    st.builds(
        SessionDraft,
        user=st.sampled_from((None, *USERS)),
        title=st.sampled_from((None, "", "\0é")),
        metadata=st.sampled_from(OBJECTS),
        lives=st.sampled_from((None, None, *TTLS, 0.0, -1.0)),
        ttl=st.sampled_from((None, *TTLS)),
        expect=expects,
    ),
    st.builds(SummaryDraft, text=st.sampled_from(("", "so far")), covers=seqs, expect=expects),
    session_deletes,
)
user_ops = st.one_of(
    st.builds(PreferencesDraft, values=st.sampled_from(OBJECTS), expect=expects),
    st.builds(PreferencesDraft, values=st.sampled_from(OBJECTS), expect=expects),
    st.builds(DeleteDraft, table=st.sampled_from(("preferences", "messages", None))),
)
session_partitions = st.builds(Partition, scopes, st.just("session"), sessions)
user_partitions = st.builds(Partition, scopes, st.just("user"), users)
commits = st.one_of(
    st.builds(CommitDraft, session_partitions, st.lists(session_ops, min_size=1, max_size=4)),
    st.builds(CommitDraft, user_partitions, st.lists(user_ops, min_size=1, max_size=3)),
)
filters = st.builds(
    FilterDraft,
    user=st.sampled_from((None, None, *USERS)),
    session=st.sampled_from((None, None, *SESSIONS)),
    role=st.sampled_from((None, None, *ROLES)),
    since=st.sampled_from((None, None, 1.0, 10.0)),
    until=st.sampled_from((None, None, 0.0, 1.0)),
)
