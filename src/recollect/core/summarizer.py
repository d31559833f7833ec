"""What makes a summary: the protocol, what it is given, what it gives."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import datetime
from typing import Protocol, runtime_checkable

from msgspec import Struct, field

from recollect.core.tokens import TokenCounter


class Passage(Struct, frozen=True, kw_only=True):
    """A piece of what is to be summarised: a message, or an earlier summary.

    Parameters
    ----------
    text: what was said. speaker: its author's name, or role; empty for an earlier summary.
    at: when it was said. first_seq, last_seq: the messages it stands for.
    sources: of an earlier summary, the messages that its sentences come from, where they are known.
    """

    text: str
    speaker: str = ""
    at: datetime | None = None
    first_seq: int
    last_seq: int
    sources: list[int] = field(default_factory=list)


class SummaryTask(Struct, frozen=True, kw_only=True):
    """What a summarizer is asked for.

    Parameters
    ----------
    session_id: whose. passages: to be summarised, in order; messages, or earlier summaries that have to become one.
    known: the summary of all that lies before, for reference; it is kept and need not be said again.
    max_tokens: the length asked for. count: the client's counter.
    """

    session_id: str
    passages: list[Passage]
    known: str
    max_tokens: int
    count: TokenCounter

    @property
    def condenses(self) -> bool:
        """Whether these are earlier summaries."""
        return all(not passage.speaker for passage in self.passages)


class Summarized(Struct, frozen=True, kw_only=True):
    """What a summarizer gives.

    Parameters
    ----------
    text: the summary. sources: the numbers of the messages that it comes from, where they are known; in any order.
    """

    text: str
    sources: list[int] = field(default_factory=list)


@runtime_checkable
class Summarizer(Protocol):
    """Makes a short text of a long one. Anything with these three members serves.

    What `summarize` raises leaves everything as it was, and the caller gets it.
    """

    @property
    def name(self) -> str:
        """What the metadata of a summary says of who made it."""

    @property
    def max_input_tokens(self) -> int:
        """About how many tokens of passages it can be given at once; a session's backlog is cut by it."""

    def summarize(self, task: SummaryTask) -> str | Summarized | Awaitable[str | Summarized]:
        """The summary of the passages; a coroutine function serves too, with either client.

        A plain function is called in a worker thread by `AsyncRecollect`, of which there are few: one that waits for a
        network should be a coroutine function.
        """
