"""What a message may be: every provider's shape in, one record out, nothing lost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from recollect.core.checks import (
    check_id,
    check_json,
    check_object,
    check_text,
    check_time,
    check_ttl,
)
from recollect.core.tokens import TokenCounter
from recollect.errors import InvalidInput, LimitExceeded
from recollect.model import JSON, Content, Message, Part
from recollect.store import Driver

ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "ai": "assistant",
    "model": "assistant",
    "tool": "tool",
    "function": "tool",
}
"""Accepted roles and what they are here. The word that was given comes back from `Message.to_provider`."""

OURS = frozenset({"seq", "session_id", "user_id", "tokens", "expires_at"})
"""Fields of a stored message that an append ignores, so that a message read in one place may be appended in another."""

KNOWN = frozenset(
    {"role", "content", "id", "name", "metadata", "created_at", "tool_calls", "tool_call_id", "ttl", "extra"}
)

MESSAGE_TOKENS = 4
"""What a message costs beside its text: three for its frame and one for role or name (OpenAI's cookbook,
"How to count tokens with tiktoken")."""

IMAGE_TOKENS = 765
"""A 1024 x 1024 image at high detail in the GPT-4o family; a smaller one costs less, so a window never overflows."""

MessageLike = Message | Mapping[str, JSON]


class Intake:
    """Checks what is to be appended and completes it.

    Parameters
    ----------
    driver: gives instants and ids. count: counts the tokens of a text. item_bytes: the store's largest message.
    """

    def __init__(self, driver: Driver, count: TokenCounter, item_bytes: int) -> None:
        self._driver = driver
        self.count = count
        self.item_bytes = item_bytes

    def accept(self, given: MessageLike, ttl: float | None = None) -> Message:
        """The message to store: checked, with id, created_at, tokens and expires_at.

        Raises `InvalidInput` that names the field, `LimitExceeded` over the store's largest message.
        """
        now = self._driver.now()
        if type(given) is dict and given.keys() <= _PLAIN and type(given.get("content")) is str and "role" in given:
            return self._of_plain(given, now, ttl)
        if isinstance(given, Mapping):
            own = given.get("ttl")
            return self._of_mapping(given, now, ttl if own is None else check_ttl(own))
        if isinstance(given, Message):
            return self._of_message(given, now, ttl)
        raise InvalidInput(f"a message is a Message or a dict, not {type(given).__name__}", field="message")

    def _of_plain(self, given: dict[str, JSON], now: datetime, ttl: float | None) -> Message:
        """The short way for the most usual message: a role and a text, perhaps with its id and its time."""
        content: str = given["content"]
        extra: dict[str, JSON] = {}
        size = len(check_text(content, "content"))
        if size > self.item_bytes:
            raise self._too_large(size)
        role = _role(given["role"], extra)
        identity, created = given.get("id"), given.get("created_at")
        return Message(
            role,
            content,
            id=self._driver.new_id(now) if identity is None else check_id(identity, "id"),
            created_at=now if created is None else check_time(created, "created_at"),
            extra=extra,
            tokens=MESSAGE_TOKENS + self.count(content),
            expires_at=None if ttl is None else now + timedelta(seconds=ttl),
        )

    def _of_message(self, given: Message, now: datetime, ttl: float | None) -> Message:
        extra = check_object(given.extra, "extra")
        tool_calls = _tool_calls(given.tool_calls)
        has_more = bool(tool_calls or extra)
        role = _role(given.role, extra)
        _check_extra(extra)
        return self._completed(
            Message(
                role,
                _content(given.content, has_more),
                id=self._driver.new_id() if given.id is None or given.id == "" else check_id(given.id, "id"),
                name=_optional_text(given.name, "name"),
                metadata=check_object(given.metadata, "metadata"),
                created_at=now if given.created_at is None else check_time(given.created_at, "created_at"),
                tool_calls=tool_calls,
                tool_call_id=_optional_text(given.tool_call_id, "tool_call_id"),
                extra=extra,
                expires_at=None if ttl is None else now + timedelta(seconds=ttl),
            )
        )

    def _of_mapping(self, given: Mapping[str, JSON], now: datetime, ttl: float | None) -> Message:
        if "role" not in given:
            raise InvalidInput("a message needs a role: system, user, assistant or tool", field="role")
        extra: dict[str, JSON] = {}
        if unknown := given.keys() - _NAMED:
            extra = check_object({key: given[key] for key in given if key in unknown}, "extra")
        if "extra" in given:
            extra |= check_object(given["extra"], "extra")
        get = given.get
        tool_calls = _tool_calls(get("tool_calls"))
        has_more = bool(tool_calls or extra)
        role = _role(given["role"], extra)
        if extra:
            _check_extra(extra)
        created, identity, metadata = get("created_at"), get("id"), get("metadata")
        return self._completed(
            Message(
                role,
                _content(get("content"), has_more),
                id=self._driver.new_id() if identity is None else check_id(identity, "id"),
                name=_optional_text(get("name"), "name"),
                metadata={} if metadata is None else check_object(metadata, "metadata"),
                created_at=now if created is None else check_time(created, "created_at"),
                tool_calls=tool_calls,
                tool_call_id=_optional_text(get("tool_call_id"), "tool_call_id"),
                extra=extra,
                expires_at=None if ttl is None else now + timedelta(seconds=ttl),
            )
        )

    def _completed(self, message: Message) -> Message:
        self.check_size(message)
        return message.replace(tokens=message_tokens(message, self.count))

    def check_size(self, message: Message) -> None:
        """Raise `LimitExceeded` for a message over the store's largest."""
        content = message.content
        size = len(check_text(content, "content")) if isinstance(content, str) else _json_bytes(content)
        if message.metadata or message.extra or message.tool_calls or message.name or message.tool_call_id:
            size += _json_bytes(
                [message.metadata, message.extra, message.tool_calls, message.name, message.tool_call_id]
            )
        if size > self.item_bytes:
            raise self._too_large(size)

    def _too_large(self, size: int) -> LimitExceeded:
        return LimitExceeded(
            f"a message of {size:,} bytes is over this store's limit of {self.item_bytes:,} (item_bytes)"
        )


_PLAIN = frozenset({"role", "content", "id", "created_at"})
_CANONICAL = frozenset(ROLES.values())
_NAMED = KNOWN | OURS
_json_bytes: Callable[[Any], int] = lambda value: 0 if value is None else len(msgspec.json.encode(value))  # noqa: E731


def _role(given: object, extra: dict[str, JSON]) -> str:
    if type(given) is str and given in _CANONICAL and not extra:
        return given
    role = ROLES.get(given) if isinstance(given, str) else None
    if role is None:
        raise InvalidInput(f"unknown role {given!r}: one of {', '.join(sorted(ROLES))}", field="role")
    if role != given:
        extra.setdefault("role", str.__str__(given))
    word = extra.get("role", role)
    if not isinstance(word, str) or ROLES.get(word) != role:
        raise InvalidInput(f"extra.role {word!r} contradicts the role {role}", field="extra")
    return role


def _check_extra(extra: dict[str, JSON]) -> None:
    """`extra` is for fields we have no word for: one of ours in it would speak against the message."""
    for name in ("content", "name", "tool_calls", "tool_call_id"):
        if name in extra:
            raise InvalidInput(f"extra holds {name!r}, which is a field of the message itself", field="extra")


def _content(given: object, has_more: bool) -> Content:
    if isinstance(given, str):
        return str.__str__(given)
    if given is None:
        if not has_more:
            raise InvalidInput("a message needs content: text, or a list of parts", field="content")
        return None
    if isinstance(given, Mapping):
        given = [given]
    if not isinstance(given, list | tuple):
        raise InvalidInput(f"content is text or a list of parts, not {type(given).__name__}", field="content")
    return [_part(part, i) for i, part in enumerate(given)]


def _part(given: object, index: int) -> Part:
    if isinstance(given, Mapping):
        return Part(check_json(given, f"content[{index}]"))
    if isinstance(given, str):
        check_text(given, f"content[{index}]")
        return Part(type="text", text=given)
    raise InvalidInput(f"content[{index}] is a part (dict) or text, not {type(given).__name__}", field="content")


def _tool_calls(given: object) -> list[JSON] | None:
    if given is None:
        return None
    if not isinstance(given, list | tuple) or not all(isinstance(call, Mapping) for call in given):
        raise InvalidInput("tool_calls is a list of objects", field="tool_calls")
    calls: list[JSON] = check_json(given, "tool_calls")
    return calls


def _optional_text(given: object, field: str) -> str | None:
    if given is None:
        return None
    if not isinstance(given, str):
        raise InvalidInput(f"{field} is text, not {type(given).__name__}", field=field)
    check_text(given, field)
    return str.__str__(given)


def message_tokens(message: Message, count: TokenCounter) -> int:
    """Tokens of a message in a chat prompt: its text, its calls as JSON, its images at `IMAGE_TOKENS`, its frame."""
    content = message.content
    if isinstance(content, str):
        total = MESSAGE_TOKENS + count(content)
    else:
        total = MESSAGE_TOKENS
        for part in content or ():
            text = part.text
            if text:
                total += count(text)
            elif part.kind == "image":
                total += IMAGE_TOKENS
            else:
                total += count(msgspec.json.encode(part).decode())
    if message.tool_calls:
        total += count(msgspec.json.encode(message.tool_calls).decode())
    if message.name:
        total += count(message.name)
    return total


def calls_of(message: Message) -> set[str]:
    """The ids of the tool calls that a message makes, in the shapes of OpenAI, LangChain and Anthropic."""
    found = {str(call["id"]) for call in message.tool_calls or () if call.get("id")}
    if isinstance(message.content, list):
        found |= {
            str(part.get("id") or part.get("call_id"))
            for part in message.content
            if part.kind == "tool_call" and (part.get("id") or part.get("call_id"))
        }
    if message.extra.get("type") == "function_call" and message.extra.get("call_id"):
        found.add(str(message.extra["call_id"]))
    return found


def answers_of(message: Message) -> set[str]:
    """The ids of the tool calls that a message answers."""
    found = {message.tool_call_id} if message.tool_call_id else set()
    if isinstance(message.content, list):
        found |= {
            str(part.get("tool_use_id") or part.get("tool_call_id") or part.get("call_id"))
            for part in message.content
            if part.kind == "tool_result"
        }
    if message.extra.get("type") == "function_call_output" and message.extra.get("call_id"):
        found.add(str(message.extra["call_id"]))
    return found


_ONE = (Message, Mapping)


def many(given: MessageLike | Iterable[MessageLike]) -> list[MessageLike]:
    """One message or many, as a list."""
    if type(given) is dict or isinstance(given, _ONE):
        return [given]
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise InvalidInput(
            f'a message is a Message or a dict like {{"role": "user", "content": "Hi"}}, not {type(given).__name__}',
            field="message",
        )
    return list(given)
