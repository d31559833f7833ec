"""The context as a record: what the model should see now, what each part of it costs, and what was left out."""

from __future__ import annotations

from itertools import groupby

from msgspec import Struct, field

from recollect.model import JSON, Hit, Message

ALIKE_SHOWN = 4
"""Lines of a table for what was left out of one section for one reason; the last stands for all that remains."""


class Section(Struct, frozen=True, kw_only=True):
    """A part of the context.

    Parameters
    ----------
    name: ``instructions``, ``preferences``, ``summary``, ``recalled``, ``question`` or ``window``.
    tokens: its cost. count: messages, keys or passages in it. why: how it was chosen.
    """

    name: str
    tokens: int
    count: int
    why: str


class Dropped(Struct, frozen=True, kw_only=True):
    """Something that did not get in.

    Parameters
    ----------
    section: where it would have stood. what: which one. tokens: its cost. why: the reason.
    """

    section: str
    what: str
    tokens: int
    why: str


class Context(Struct, frozen=True, kw_only=True):
    """The context for the next reply.

    Parameters
    ----------
    messages: chat-completions dicts, ready to send. sections: what they are made of.
    dropped: what was left out and why. tokens: of all messages together, at most `max_tokens`.
    recalled: the hits whose passages are in it. window: the newest stored messages, without a hole.
    question: the user's last message, where the window does not reach back to it; with the tool calls and results that it
        stands among, if it does. It is sent before the window.
    """

    messages: list[dict[str, JSON]]
    sections: list[Section]
    dropped: list[Dropped]
    tokens: int
    max_tokens: int
    recalled: list[Hit] = field(default_factory=list)
    window: list[Message] = field(default_factory=list)
    question: list[Message] = field(default_factory=list)

    def to_dict(self) -> dict[str, JSON]:
        """The context as JSON-able data, without the stored records behind it."""
        return {
            "messages": self.messages,
            "sections": [{f: getattr(s, f) for f in s.__struct_fields__} for s in self.sections],
            "dropped": [{f: getattr(d, f) for f in d.__struct_fields__} for d in self.dropped],
            "tokens": self.tokens,
            "max_tokens": self.max_tokens,
        }

    def __str__(self) -> str:
        rows = [(s.name, str(s.tokens), str(s.count), s.why) for s in self.sections]
        for (section, why), group in groupby(self.dropped, lambda one: (one.section, one.why)):
            alike = list(group)
            shown = alike if len(alike) <= ALIKE_SHOWN else alike[: ALIKE_SHOWN - 1]
            rows += [(f"- {section}: {' '.join(one.what.split())}", str(one.tokens), "", why) for one in shown]
            if rest := alike[len(shown) :]:
                rows.append((f"- {section}: {len(rest)} more", str(sum(one.tokens for one in rest)), "", why))
        head = ("section", "tokens", "count", "why")
        widths = [max(len(row[i]) for row in [head, *rows]) for i in range(3)]
        lines = [f"{a:<{widths[0]}}  {b:>{widths[1]}}  {c:>{widths[2]}}  {d}".rstrip() for a, b, c, d in [head, *rows]]
        return "\n".join([*lines, f"{self.tokens} of {self.max_tokens} tokens"])
