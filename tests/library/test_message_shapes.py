"""Messages of every provider go in and come back as they were given."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recollect import Message, Part, Recollect
from recollect.core.checks import MAX_JSON_DEPTH

CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "서울"}'}}
PNG = "data:image/png;base64,iVBORw0KGgo="

SHAPES: dict[str, dict[str, Any]] = {
    "plain": {"role": "user", "content": "Hi"},
    "empty text": {"role": "user", "content": ""},
    "white space": {"role": "user", "content": " \n\t "},
    "no parts": {"role": "user", "content": []},
    "named": {"role": "user", "content": "Hi", "name": "Ann"},
    "empty name": {"role": "user", "content": "Hi", "name": ""},
    "system": {"role": "system", "content": "Be kind."},
    "developer": {"role": "developer", "content": "Be kind."},
    "human": {"role": "human", "content": "Hi"},
    "ai": {"role": "ai", "content": "Hi"},
    "model": {"role": "model", "content": "Hi"},
    "function": {"role": "function", "name": "weather", "content": "22"},
    "openai calls": {"role": "assistant", "content": None, "tool_calls": [CALL]},
    "openai calls and text": {"role": "assistant", "content": "Let me see.", "tool_calls": [CALL, {**CALL, "id": "b"}]},
    "openai calls and empty text": {"role": "assistant", "content": "", "tool_calls": [CALL]},
    "openai result": {"role": "tool", "tool_call_id": "call_1", "content": "22"},
    "openai custom call": {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "sql", "input": "SELECT 1"}}],
    },
    "openai legacy call": {
        "role": "assistant",
        "content": None,
        "function_call": {"name": "weather", "arguments": "{}"},
    },
    "openai vision": {
        "role": "user",
        "content": [
            {"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}},
            {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
            {"type": "file", "file": {"file_id": "file-1"}},
        ],
    },
    "openai dump": {
        "role": "assistant",
        "content": "Hello",
        "refusal": None,
        "annotations": [{"type": "url_citation", "url_citation": {"url": "https://x.org", "start_index": 0}}],
        "audio": {"id": "audio_1", "expires_at": 1729018505, "data": "", "transcript": "Hello"},
        "reasoning_content": "",
    },
    "openai refusal": {"role": "assistant", "content": None, "refusal": "I cannot help with that."},
    "anthropic call": {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "Hm.", "signature": "EqQB"},
            {"type": "redacted_thinking", "data": "EmwK"},
            {"type": "text", "text": "I look.", "citations": None},
            {
                "type": "tool_use",
                "id": "toolu_1",
                "name": "weather",
                "input": {"city": "東京", "deep": {"a": [1, 2.5]}},
            },
        ],
    },
    "anthropic result": {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "toolu_1", "content": "22", "is_error": False},
            {
                "type": "tool_result",
                "tool_use_id": "toolu_2",
                "content": [{"type": "text", "text": "ok"}, {"type": "image", "source": {"type": "url", "url": "u"}}],
            },
            {"type": "tool_result", "tool_use_id": "toolu_3"},
        ],
    },
    "anthropic image": {
        "role": "user",
        "content": [
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBO"}},
            {"type": "document", "source": {"type": "text", "data": "x"}, "cache_control": {"type": "ephemeral"}},
        ],
    },
    "langchain calls": {
        "role": "ai",
        "content": "",
        "tool_calls": [{"name": "weather", "args": {"city": "Oslo"}, "id": "call_9", "type": "tool_call"}],
        "invalid_tool_calls": [],
        "usage_metadata": {"input_tokens": 3, "output_tokens": 5, "total_tokens": 8},
        "response_metadata": {"model": "m", "finish_reason": "tool_calls"},
        "additional_kwargs": {},
    },
    "no calls": {"role": "assistant", "content": "Hello", "tool_calls": []},
    "responses message": {
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "output_text", "text": "Hello", "annotations": [], "logprobs": []}],
    },
    "responses call": {
        "type": "function_call",
        "role": "assistant",
        "content": None,
        "call_id": "c1",
        "arguments": "{}",
        "status": "completed",
    },
    "responses result": {
        "type": "function_call_output",
        "role": "tool",
        "content": None,
        "call_id": "c1",
        "output": "22",
    },
    "gemini": {"role": "model", "content": None, "parts": [{"text": "Hello"}]},
    "part of an unheard kind": {"role": "user", "content": [{"type": "hologram", "n": 1}, {"no": "type"}, {}]},
    "part whose kind is no text": {"role": "user", "content": [{"type": ["x"]}, {"type": {"a": 1}}, {"type": None}]},
    "part whose text is no text": {"role": "user", "content": [{"type": "text", "text": 5}, {"type": "text"}]},
    "result of a strange kind": {"role": "user", "content": [{"type": "tool_result", "content": 5}]},
    "fields called as ours": {"role": "user", "content": "Hi", "session": "theirs", "user": "theirs", "scope": 1},
}

TEXTS = {
    "nul": "a\0b\0",
    "emoji": "👩‍👩‍👧‍👦🏳️‍🌈🇰🇷",
    "right to left": "שלום \u202eevil\u202c مرحبا",
    "combining": "e\u0301 \u1100\u1161 \u1112\u1161\u11ab",
    "not normal": "\ufb01 ﬁ Å \u212b",
    "private and last": "\ue000\uffff\U0010ffff\ufeff",
    "quotes": "'\"\\`;-- DROP TABLE recollect_messages; %s {} \r\n\x1b[0m",
    "line ends": "a\u2028b\u2029c\x85d",
}

SYNC = pytest.mark.parametrize("mode", ["sync"], indirect=True)
"""The shapes do not depend on who waits: one client is enough for the many of them."""


def roundtrip(memory: Recollect, given: Any) -> Message:
    """What is stored of a message; as appended, as read by number and as read in the tail it is the same."""
    session = memory.session("s", "u")
    before = copy.deepcopy(given)
    (stored,) = session.append(given)
    assert given == before, "the caller's own dict was changed"
    assert session.get(stored.seq) == stored
    assert session.tail(1) == [stored]
    return stored


@SYNC
@pytest.mark.parametrize("shape", SHAPES)
def test_provider_shapes_come_back_equal(memory: Recollect, shape: str) -> None:
    """A provider's message dict goes in and comes back without loss, as JSON text too."""
    given = SHAPES[shape]
    stored = roundtrip(memory, given)
    assert stored.to_provider() == given
    assert json.loads(json.dumps(stored.to_provider())) == given
    assert json.loads(json.dumps(stored.to_dict()))["seq"] == stored.seq
    assert isinstance(stored.text, str)


@SYNC
@pytest.mark.parametrize("shape", SHAPES)
def test_a_message_read_in_one_place_may_be_appended_in_another(memory: Recollect, shape: str) -> None:
    """A stored `Message` and its `to_dict` are input too: the provider's shape and id survive the second trip."""
    first = roundtrip(memory, SHAPES[shape])
    other = memory.session("other", "v")
    for again in (first, first.to_dict() | {"id": "copy"}):
        (second,) = other.append(again)
        assert second.to_provider() == SHAPES[shape]
        assert (second.session_id, second.user_id) == ("other", "v")
        assert second.created_at == first.created_at
    assert [message.seq for message in other.read()] == [1, 2]
    assert other.tail(2)[0].id == first.id


@SYNC
@pytest.mark.parametrize("name", TEXTS)
def test_text_of_every_kind_comes_back(memory: Recollect, name: str) -> None:
    """Text comes back by code point, wherever it stands: content, parts, names, metadata, ids, keys."""
    text = TEXTS[name]
    stored = roundtrip(
        memory,
        {
            "role": "user",
            "content": [{"type": "text", "text": text, text: text}],
            "id": text,
            "name": text,
            "metadata": {text: [text]},
            "x" + text: text,
            "tool_call_id": text,
        },
    )
    assert stored.text == stored.id == stored.name == stored.tool_call_id == text
    assert stored.metadata == {text: [text]}
    assert stored.extra == {"x" + text: text}
    assert roundtrip(memory, {"role": "user", "content": text}).content == text
    named = memory.session(text, text)
    named.append({"role": "user", "content": "here"})
    assert [s.id for s in memory.user(text).sessions()] == [text]
    assert named.tail(1)[0].session_id == text


def test_a_message_of_ten_megabytes(memory: Recollect) -> None:
    """10 MB of text are a message like any other."""
    text = "재미있는 이야기 and more \0 " * 300_000
    assert len(text.encode()) > 10_000_000
    assert roundtrip(memory, {"role": "user", "content": text}).content == text


def test_json_as_deep_as_allowed(memory: Recollect) -> None:
    """JSON up to the documented depth comes back from any field."""
    deep: Any = "x"
    for i in range(MAX_JSON_DEPTH - 5):
        deep = {"a": deep} if i % 2 else [deep]
    given = {"role": "user", "content": [{"type": "x", "d": deep}], "metadata": {"d": deep}, "more": deep}
    stored = roundtrip(memory, given)
    assert (stored.content, stored.metadata["d"], stored.extra["more"]) == (given["content"], deep, deep)


class Label(str):
    """Text of a subclass, as template engines and numpy make it."""


class Score(float):
    """A float of a subclass, as numpy.float64 is one."""


class Number(int):
    """An int of a subclass, as an IntEnum is one."""


def test_subclasses_of_plain_types_are_stored_as_these(memory: Recollect) -> None:
    """A subclass of str, int or float (numpy.float64, an enum) is the plain value, on every store."""
    values = {Label("k"): [Label("v"), Score(0.5), Number(3)]}
    given = {"role": "user", "content": Label("x"), "metadata": values, "more": values}
    stored = roundtrip(memory, given)
    assert stored.metadata == stored.extra["more"] == {"k": ["v", 0.5, 3]}
    assert type(stored.content) is str
    assert [type(value) for value in stored.metadata["k"]] == [str, float, int]
    roundtrip(memory, {"role": "user", "content": [{"type": Label("text"), "text": Label("x")}]})


def test_numbers_keep_their_kind(memory: Recollect) -> None:
    """Whole floats stay floats; the limits of 64 bits and of doubles come back exactly."""
    values = [1, 1.0, -0.0, 2**63, 2**64 - 1, -(2**63), 1e308, 5e-324, 0.1 + 0.2, True, None]
    stored = roundtrip(memory, {"role": "user", "content": "x", "metadata": {"v": values}})
    assert list(map(repr, stored.metadata["v"])) == list(map(repr, values))


def test_tuples_become_lists(memory: Recollect) -> None:
    """JSON has no tuple: a list comes back, at once and on reading."""
    stored = roundtrip(memory, {"role": "user", "content": ({"type": "text", "text": "x"},), "metadata": {"v": (1,)}})
    assert stored.content == [{"type": "text", "text": "x"}]
    assert stored.metadata == {"v": [1]}


def test_parts_have_what_the_shapes_share(memory: Recollect) -> None:
    """A part is the provider's dict, read-only, with its kind and text."""
    call = roundtrip(memory, SHAPES["anthropic call"])
    result = roundtrip(memory, SHAPES["anthropic result"])
    assert isinstance(call.content, list)
    assert isinstance(result.content, list)
    assert [part.kind for part in call.content] == ["other", "other", "text", "tool_call"]
    assert [part.kind for part in result.content] == ["tool_result"] * 3
    assert (call.text, result.text) == ("I look.", "22\nok")
    part = call.content[2]
    with pytest.raises(TypeError, match="read-only"):
        part["text"] = "other"
    assert copy.deepcopy(part) == pickle.loads(pickle.dumps(part)) == part
    assert type(pickle.loads(pickle.dumps(part))) is Part
    assert pickle.loads(pickle.dumps(call)) == copy.deepcopy(call) == call


def test_what_comes_back_is_the_callers_own(memory: Recollect) -> None:
    """Changing a dict that was given or that came back changes nothing in the store."""
    session, user = memory.session("s", "u"), memory.user("u")
    metadata = {"tags": ["a"]}
    message = Message("user", "Hi", metadata=metadata, extra={"x": []}, id="m")
    (stored,) = session.append(message)
    metadata["tags"].append("b")
    stored.metadata["mine"] = 1
    stored.extra["x"].append(1)
    session.tail(1)[0].metadata["tags"].append("c")
    (again,) = session.append(message)
    assert again.metadata == {"tags": ["a"]}
    assert session.tail(1)[0].metadata == {"tags": ["a"]}
    assert session.tail(1)[0].extra == {"x": []}
    user.preferences.put({"a": {"b": 1}})
    user.preferences.get()["a"]["b"] = 2
    assert user.preferences.get() == {"a": {"b": 1}}
    session.update(metadata={"a": [1]}).metadata["a"].append(2)
    info = session.info()
    assert info is not None
    assert info.metadata == {"a": [1]}


CHARACTERS = st.characters(codec="utf-8")
JSONS = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(CHARACTERS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(CHARACTERS), inner),
    max_leaves=8,
)  # fmt: skip
NAMES = st.text(CHARACTERS, min_size=1).filter(
    lambda name: (
        name
        not in {
            *("role", "content", "id", "name", "metadata", "created_at", "tool_calls", "tool_call_id", "ttl", "extra"),
            *("seq", "session_id", "user_id", "tokens", "expires_at"),
        }
    )
)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.text(CHARACTERS) | st.lists(st.dictionaries(st.text(CHARACTERS), JSONS, max_size=3), max_size=3),
    extra=st.dictionaries(NAMES, JSONS, max_size=3),
    metadata=st.dictionaries(st.text(CHARACTERS), JSONS, max_size=3),
)
def test_any_json_comes_back(memory: Recollect, content: Any, extra: dict[str, Any], metadata: dict[str, Any]) -> None:
    """Whatever JSON a provider invents comes back equal."""
    stored = roundtrip(memory, {"role": "user", "content": content, "metadata": metadata, **extra})
    assert stored.to_provider() == {"role": "user", "content": content, **extra}
    assert stored.metadata == metadata
