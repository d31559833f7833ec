"""Messages as OpenAI-compatible endpoints take them, whatever shape they were stored in.

Stored messages keep every field of the provider they came from; another endpoint refuses fields and parts it does not
know. Chat templates of local models also refuse a second system message and two user messages in a row, which a
failed turn leaves behind. Here everything becomes what all of them accept, and nothing a reader could use is lost.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from recollect import Part

_KEYS = ("role", "content", "name", "tool_calls", "tool_call_id")
_MERGED = ("system", "developer", "user")
_NOT_IN_NAMES = re.compile(r"[\s<|\\/>]+")


def to_wire(messages: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Chat-completions messages that any compatible endpoint takes."""
    out: list[dict[str, Any]] = []
    for message in messages:
        for ready in _one(message):
            last = out[-1] if out else None
            if last is not None and _mergeable(last, ready):
                out[-1] = {**last, "content": f"{last['content']}\n\n{ready['content']}"}
            else:
                out.append(ready)
    return out


def _mergeable(first: dict[str, Any], second: dict[str, Any]) -> bool:
    return (
        first["role"] == second["role"]
        and first["role"] in _MERGED
        and first.get("name") == second.get("name")
        and isinstance(first["content"], str)
        and isinstance(second["content"], str)
    )


def _one(message: dict[str, Any]) -> list[dict[str, Any]]:
    out = {key: message[key] for key in _KEYS if message.get(key) is not None}
    role = out["role"] = {"human": "user", "ai": "assistant", "model": "assistant", "function": "tool"}.get(
        message["role"], message["role"]
    )
    if "name" in out:
        out["name"] = _NOT_IN_NAMES.sub("_", out["name"])[:64]
    content = message.get("content")
    out["content"] = content
    results: list[dict[str, Any]] = []
    if isinstance(content, list):
        parts = [Part(part) if isinstance(part, dict) else Part(type="text", text=part) for part in content]
        results = [_result(part) for part in parts if part.kind == "tool_result"]
        calls = [_call(part) for part in parts if part.kind == "tool_call"]
        if calls:
            out["tool_calls"] = [*out.get("tool_calls", ()), *calls]
        out["content"] = _content([part for part in parts if part.kind not in ("tool_result", "tool_call")])
    if role == "tool" and not out.get("tool_call_id"):
        out = {"role": "user", "content": out["content"]}
    if not out["content"]:
        if results:
            return results
        out["content"] = None if out.get("tool_calls") else ""
    return [*results, out]


def _content(parts: list[Part]) -> str | list[dict[str, Any]]:
    ready: list[dict[str, Any]] = []
    for part in parts:
        image = _image(part) if part.kind == "image" else None
        if image is not None:
            ready.append({"type": "image_url", "image_url": image})
        elif part.text:
            ready.append({"type": "text", "text": part.text})
    if all(part["type"] == "text" for part in ready):
        return "\n".join(part["text"] for part in ready)
    return ready


def _image(part: Part) -> dict[str, Any] | None:
    given = part.get("image_url")
    if isinstance(given, dict) and given.get("url"):
        return given
    if isinstance(given, str):
        return {"url": given}
    source = part.get("source")
    if not isinstance(source, dict):
        return None
    if source.get("type") == "base64":
        return {"url": f"data:{source.get('media_type')};base64,{source.get('data')}"}
    return {"url": source["url"]} if source.get("url") else None


def _call(part: Part) -> dict[str, Any]:
    given = part.get("input", part.get("args", part.get("arguments", {})))
    arguments = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
    return {
        "id": str(part.get("id") or part.get("call_id") or ""),
        "type": "function",
        "function": {"name": str(part.get("name", "")), "arguments": arguments},
    }


def _result(part: Part) -> dict[str, Any]:
    call = part.get("tool_use_id") or part.get("tool_call_id") or part.get("call_id") or ""
    return {"role": "tool", "tool_call_id": str(call), "content": part.text}
