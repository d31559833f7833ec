"""The content of a message: text, or parts exactly as their provider shaped them."""

from __future__ import annotations

from typing import Any, Literal, NoReturn


class Part(dict[str, Any]):
    """One piece of a message's content, exactly as the provider shaped it.

    It *is* the provider's dict (so nothing is lost and ``==`` and ``json.dumps`` work), read-only,
    with what the shapes of OpenAI and Anthropic share as properties.
    """

    __slots__ = ()

    @property
    def kind(self) -> Literal["text", "image", "tool_call", "tool_result", "other"]:
        """What the part is, whatever its provider calls it."""
        kind = self.get("type")
        return _PART_KINDS.get(kind, "other") if isinstance(kind, str) else "other"

    @property
    def text(self) -> str:
        """The readable text of the part; empty for an image or a call."""
        if self.kind == "text":
            value = self.get("text", "")
            return value if isinstance(value, str) else ""
        if self.kind == "tool_result":
            return content_text(self.get("content", self.get("output")))
        return ""

    def _read_only(self, *_args: object, **_kwargs: object) -> NoReturn:
        """Refuse: a part is read-only."""
        raise TypeError("a Part is read-only; make a new one")

    __setitem__ = __delitem__ = _read_only
    clear = pop = popitem = setdefault = update = _read_only
    __ior__ = _read_only

    def __reduce__(self) -> tuple[type[Part], tuple[dict[str, Any]]]:
        return (Part, (dict(self),))


_PART_KINDS: dict[str, Literal["text", "image", "tool_call", "tool_result"]] = {
    "text": "text",
    "input_text": "text",
    "output_text": "text",
    "image": "image",
    "image_url": "image",
    "input_image": "image",
    "tool_use": "tool_call",
    "tool_call": "tool_call",
    "function_call": "tool_call",
    "tool_result": "tool_result",
    "function_call_output": "tool_result",
}
Content = str | list[Part] | None


def content_text(content: object) -> str:
    """The readable text of a message's content: the text itself, or its text parts joined by newlines."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        texts = (
            Part(part).text if isinstance(part, dict) else part if isinstance(part, str) else "" for part in content
        )
        return "\n".join(text for text in texts if text)
    return ""
