"""How a turn names things: the session by its first message, a reply by the message that it answers."""

from __future__ import annotations

import hashlib

TITLE_CHARACTERS = 60


def reply_id(message_id: str, attempt: int = 1) -> str:
    """The id of the reply to a message: the same for a repeat, so that a message gets one answer.

    Parameters
    ----------
    attempt: one more than the replies that broke off.
    """
    known = message_id if len(message_id.encode()) <= 480 else hashlib.sha256(message_id.encode()).hexdigest()
    return f"reply:{known}" if attempt == 1 else f"reply:{known}:{attempt}"


def title_of(message: str) -> str:
    """A session's title: the beginning of its first message, cut at a word."""
    text = " ".join(message[:1000].split())
    if len(text) <= TITLE_CHARACTERS:
        return text
    head = text[: TITLE_CHARACTERS - 1]
    words = head.rsplit(" ", 1)[0]
    return (words if len(words) > TITLE_CHARACTERS // 2 else head).rstrip(" ,;:") + "…"
