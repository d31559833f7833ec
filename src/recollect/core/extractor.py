"""What draws memories from a conversation: the protocol, what it is given, what it gives."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from datetime import datetime
from typing import Literal, Protocol, get_args, runtime_checkable

from msgspec import Struct, field

from recollect.model import JSON, Memory

StatementKind = Literal["fact", "preference", "event"]

KINDS: tuple[str, ...] = get_args(StatementKind)

LONGEST_STATEMENT = 1000
"""Characters. What is longer is no statement but a text, and is refused."""


class Said(Struct, frozen=True, kw_only=True):
    """A message as an extractor sees it.

    Parameters
    ----------
    id: of the message. role: ``user``, or ``assistant`` for what was answered: statements are drawn from the user's only.
    speaker: the author's name, or the role. text: what was said, cut where it is too long to be shown. at: when.
    """

    id: str
    role: str
    speaker: str
    text: str
    at: datetime | None = None


class ExtractionTask(Struct, frozen=True, kw_only=True):
    """What an extractor is asked for.

    Parameters
    ----------
    session_id, user_id: whose. messages: the new ones, in order. before: some that stand before them, for reference.
    known: memories of the user that are near to what was said, `Extractor.max_known` at most.
    """

    session_id: str
    user_id: str
    messages: list[Said]
    before: list[Said] = field(default_factory=list)
    known: list[Memory] = field(default_factory=list)


class Statement(Struct, frozen=True, kw_only=True):
    """Something that a user has said and that is worth keeping.

    Parameters
    ----------
    content: the statement in plain text, at most 1,000 characters. kind: ``fact``, ``preference`` or ``event``.
    subject: whom or what it is about; the user when None. at: when it happened, where that was said.
    messages: ids of the user's messages it comes from. Others are ignored; without one it is dropped.
    supersedes: the id of a known memory that holds no longer.
    slot: where only one statement can hold at a time (``lives in``), its name: a later one with it supersedes this one.
    key, value: of a preference, the preference that it suggests; a list's key when `listed`, to which the value is added.
    opposite: where the same was said in the list of another key before, that key.
    """

    content: str
    kind: str = "fact"
    subject: str | None = None
    at: datetime | None = None
    messages: list[str] = field(default_factory=list)
    supersedes: str | None = None
    slot: str | None = None
    key: str | None = None
    value: JSON = None
    listed: bool = False
    opposite: str | None = None


@runtime_checkable
class Extractor(Protocol):
    """Draws statements from messages. Anything with these four members serves.

    What `extract` raises leaves everything as it was, and whoever digests gets it: the messages are tried again later. Only
    `InvalidAnswer` says that asking again is of no use: then they are set aside, and the digest goes on.
    """

    @property
    def name(self) -> str:
        """What the metadata of a memory says of who made it."""

    @property
    def max_input_tokens(self) -> int:
        """About how many tokens of messages it can be given at once."""

    @property
    def max_known(self) -> int:
        """How many memories that are near to the messages it wants to be shown; 0 for none, which saves a search."""

    def extract(self, task: ExtractionTask) -> Sequence[Statement] | Awaitable[Sequence[Statement]]:
        """The statements in the messages; a coroutine function serves too, with either client.

        A plain function is called in a worker thread by `AsyncRecollect`.
        """


class DigestReport(Struct, frozen=True, kw_only=True):
    """What a digest has done.

    Parameters
    ----------
    sessions: that had something new. messages: of users, that were read. statements: that were found in them.
    new: kept as memories. superseding: kept in place of a memory that holds no longer. known: that said nothing new.
    aside: messages of which no sense could be made; ``digest(again=True)`` tries them once more.
    """

    sessions: int = 0
    messages: int = 0
    statements: int = 0
    new: int = 0
    superseding: int = 0
    known: int = 0
    aside: int = 0

    def __add__(self, other: DigestReport) -> DigestReport:
        """Both together."""
        return DigestReport(**{name: getattr(self, name) + getattr(other, name) for name in self.__struct_fields__})

    def to_dict(self) -> dict[str, int]:
        """Every figure by its name."""
        return {name: getattr(self, name) for name in self.__struct_fields__}
