"""Messages as people read them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.text import Text

from recollect import Message, Part
from recollect.cli.text import clean, one_line, size

COLOURS = {"user": "bold green", "assistant": "bold cyan", "system": "bold magenta", "tool": "bold yellow"}
INDENT = 2
RAW = 100_000
"""Characters beyond which a text is not wrapped by words: it is a document, and wrapping it takes seconds."""

CALL = 200


def speaker(message: Message) -> Text:
    """Who speaks: the role in its colour, the name if there is one."""
    role = message.extra.get("role") or message.role
    text = Text(clean(str(role)), style=COLOURS.get(message.role, "bold"))
    if message.name:
        text.append(f" {one_line(message.name)}", style="not bold")
    return text


def transcript(messages: Iterator[Message], *, verbose: bool, console: Console) -> Iterator[Text]:
    """The lines of a conversation: a heading for each message, its parts below it, a line where a day begins."""
    day = ""
    for message in messages:
        local = message.created_at.astimezone() if message.created_at else None
        if local is not None and (today := local.strftime("%A, %Y-%m-%d")) != day:
            day = today
            yield Text(f"── {day} ──", style="dim")
            yield Text()
        heading = Text.assemble((f"#{message.seq} ", "dim"), speaker(message))
        if local is not None:
            heading.append(f"  {local.strftime('%H:%M:%S')}", style="dim")
        yield heading
        for body in parts(message):
            yield from indented(body, console)
        if verbose:
            for detail in details(message):
                yield from indented(detail, console)
        yield Text()


def parts(message: Message) -> Iterator[Text]:
    """What a message holds: text as it is, everything else in a line of its own."""
    if message.tool_call_id and message.role == "tool":
        yield Text(f"← answers {one_line(message.tool_call_id)}", style="yellow")
    if isinstance(message.content, str):
        yield Text(clean(message.content))
    for part in message.content if isinstance(message.content, list) else ():
        yield _part(part)
    for call in message.tool_calls or ():
        function = call.get("function") if isinstance(call.get("function"), dict) else call
        arguments = function.get("arguments", function.get("args", {}))
        yield _call(function.get("name"), arguments, call.get("id"))
    if message.content is None and not message.tool_calls:
        yield Text(f"[{one_line(_json(message.extra))[:CALL]}]", style="dim")


def _part(part: Part) -> Text:
    if part.kind == "text":
        return Text(clean(part.text))
    if part.kind == "tool_call":
        return _call(
            part.get("name"), part.get("input", part.get("arguments", {})), part.get("id", part.get("call_id"))
        )
    if part.kind == "tool_result":
        answered = part.get("tool_use_id", part.get("tool_call_id", part.get("call_id", "")))
        head = Text(f"← answers {one_line(str(answered))}", style="yellow")
        return head.append(f"\n{clean(part.text)}", style="default") if part.text else head
    if part.kind == "image":
        return Text(f"[image: {_where(part)}]", style="blue")
    return Text(f"[{one_line(str(part.get('type', 'part')))}: {_short(part)}]", style="blue")


def _call(name: object, arguments: object, call_id: object) -> Text:
    given = arguments if isinstance(arguments, str) else _json(arguments)
    text = Text(f"→ {one_line(str(name or 'call'))}", style="bold yellow")
    text.append(f" {_cut(one_line(given))}", style="not bold")
    if call_id:
        text.append(f"  {one_line(str(call_id))}", style="dim")
    return text


def _where(part: Part) -> str:
    source = part.get("source", part.get("image_url", part))
    if isinstance(source, dict):
        if isinstance(source.get("data"), str):
            return f"{one_line(str(source.get('media_type', 'data')))}, {size(len(source['data']) * 3 // 4)}"
        source = source.get("url", source.get("image_url", source.get("file_id", "")))
    url = str(source)
    if url.startswith("data:"):
        kind, _, data = url.removeprefix("data:").partition(",")
        return f"{one_line(kind.partition(';')[0])}, {size(len(data) * 3 // 4)}"
    return _cut(one_line(url))


def _short(part: Part) -> str:
    return _cut(one_line(_json({key: value for key, value in part.items() if key != "type"})))


def details(message: Message) -> Iterator[Text]:
    """What stands beside a message's content: its id, metadata, provider's fields, tokens, expiry."""
    yield Text(f"id {one_line(message.id)} · {message.tokens:,} tokens", style="dim")
    for name, value in (("metadata", message.metadata), ("extra", message.extra)):
        if value:
            yield Text(f"{name} {one_line(_json(value))}", style="dim")
    if message.expires_at is not None:
        yield Text(f"expires {message.expires_at.astimezone().isoformat(sep=' ', timespec='seconds')}", style="dim")


def indented(body: Text, console: Console) -> Iterator[Text]:
    """A text wrapped by words and moved to the right."""
    width = console.width - INDENT
    lines = body.split("\n", allow_blank=True) if len(body) > RAW else body.wrap(console, max(width, 10))
    for line in lines:
        line.rstrip()
        yield Text(" " * INDENT) + line


def _cut(text: str) -> str:
    return text if len(text) <= CALL else f"{text[:CALL]}… ({len(text):,} characters)"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
