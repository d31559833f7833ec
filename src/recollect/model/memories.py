"""What outlives a session, and what a search finds."""

from __future__ import annotations

from datetime import datetime

from msgspec import field

from recollect.model.base import JSON, Record
from recollect.model.messages import Message


class Memory(Record, frozen=True, kw_only=True):
    """A durable statement that outlives its session: a fact, a note, a passage of a document.

    Parameters
    ----------
    id: unique in its namespace. namespace: the path that it belongs to; a user's own is ``("user", ID)``.
    content: the statement, in plain text. metadata: the application's own JSON object.
    kind: what sort of statement, in the application's words (``fact``, ``preference``, ``event``, ``passage``).
    subject: whom or what it is about.
    source: where it comes from: a conversation (``session``, ``messages``), or a document (``document``, ``title``,
        ``position``, ``start``, ``end``, ``heading``).
    created_at: when it was learned. closed_at: when it ceased to hold; None while it does.
    superseded_by: the id of the memory that took its place.
    seq: its number in the namespace, in the order of writing. tokens: of the content. expires_at: when it is gone.
    """

    id: str
    namespace: tuple[str, ...]
    content: str
    metadata: dict[str, JSON] = field(default_factory=dict)
    kind: str | None = None
    subject: str | None = None
    source: dict[str, JSON] = field(default_factory=dict)
    created_at: datetime | None = None
    closed_at: datetime | None = None
    superseded_by: str | None = None
    expires_at: datetime | None = None
    seq: int = 0
    tokens: int = 0

    @property
    def text(self) -> str:
        """The statement."""
        return self.content

    def to_dict(self) -> dict[str, JSON]:
        """Every field as JSON-able data."""
        return {**super().to_dict(), "namespace": list(self.namespace)}


class Document(Record, frozen=True, kw_only=True):
    """A document whose passages can be recalled.

    Parameters
    ----------
    id: unique in its namespace. namespace: the path that it belongs to. title: for people.
    metadata: the application's own JSON object. passages, tokens: how many, and of all of them together.
    digest: of the text and how it was cut; giving the same again changes nothing.
    created_at: when it was first given. updated_at: when this text was.
    """

    id: str
    namespace: tuple[str, ...]
    title: str | None = None
    metadata: dict[str, JSON] = field(default_factory=dict)
    passages: int = 0
    tokens: int = 0
    digest: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None
    expires_at: datetime | None = None

    def to_dict(self) -> dict[str, JSON]:
        """Every field as JSON-able data."""
        return {**super().to_dict(), "namespace": list(self.namespace)}


class Hit(Record, frozen=True, kw_only=True):
    """One result of a search: a message or a memory.

    Parameters
    ----------
    message, memory: what was found, one of the two. score: higher is better, comparable within one answer.
    explain: the parts that add up to `score`.
    note: what was wrong with the search, if anything: the embedder was away, so words alone were compared.
    """

    message: Message | None = None
    memory: Memory | None = None
    score: float
    explain: dict[str, float] = field(default_factory=dict)
    note: str | None = None

    @property
    def item(self) -> Message | Memory:
        """What was found, whichever it is."""
        found = self.message or self.memory
        assert found is not None
        return found

    @property
    def text(self) -> str:
        """What it says."""
        return self.item.text

    def to_dict(self) -> dict[str, JSON]:
        """What was found under its own name, its score and the score's parts."""
        found = {"message": self.message.to_dict()} if self.message else {"memory": self.item.to_dict()}
        return {**found, "score": self.score, "explain": self.explain, **({"note": self.note} if self.note else {})}
