"""What holds of every context, said without the code under test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from recollect import Context, Hit, Message
from tests.library.logs import check_pairs


def said(hit: Hit) -> Message:
    """The message that a hit is."""
    assert hit.message is not None
    return hit.message


def say(text: str, role: str = "user", **more: Any) -> dict[str, Any]:
    return {"role": role, "content": text, **more}


def section(context: Context, name: str) -> int:
    return next((found.tokens for found in context.sections if found.name == name), 0)


def memory_text(context: Context) -> str:
    """The system message that holds preferences, summary and passages; empty if there is none."""
    shown = len(context.messages) - len(context.window) - len(context.question)
    instructions = next((s.count for s in context.sections if s.name == "instructions"), 0)
    return "" if shown == instructions else str(context.messages[instructions]["content"])


def check(context: Context, log: Sequence[Message]) -> None:
    """What holds of every context."""
    assert context.tokens <= context.max_tokens
    assert sum(one.tokens for one in context.sections) == context.tokens
    assert all(one.count > 0 and one.why.strip() for one in context.sections)
    assert all(one.section and one.what and one.why.strip() for one in context.dropped)
    names = [one.name for one in context.sections]
    assert len(set(names)) == len(names)
    assert set(names) <= {"instructions", "preferences", "summary", "recalled", "question", "window"}
    stored = {message.seq: message for message in log}
    assert all(stored[message.seq] == message for message in context.window)
    assert [m.seq for m in context.window] == sorted({m.seq for m in context.window})
    assert context.messages[len(context.messages) - len(context.window) :] == [m.to_provider() for m in context.window]
    before = context.messages[: len(context.messages) - len(context.window)]
    if context.question:
        asked = context.question
        assert before[-len(asked) :] == [m.to_provider() for m in asked]
        del before[-len(asked) :]
        assert all(stored[message.seq] == message for message in asked)
        assert any(message.role == "user" for message in asked)
        assert context.window
        assert asked[-1].seq < context.window[0].seq
        check_pairs([m for m in log if m.role != "system"], asked)
    assert all(message["role"] in ("system", "developer") for message in before)
    check_pairs([m for m in log if m.role != "system"], context.window)
    shown = {(m.session_id, m.seq) for m in (*context.window, *context.question)}
    recalled = [(said(hit).session_id, said(hit).seq) for hit in context.recalled]
    assert not shown & set(recalled), "recalled repeats what the window shows"
    assert len(set(recalled)) == len(recalled)
    assert all(hit.text in memory_text(context) for hit in context.recalled)
