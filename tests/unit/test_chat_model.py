"""The client of a chat model, the real one against a real endpoint on loopback."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from recollect import ConfigError
from recollect.llm import (
    ChatModel,
    Delta,
    ModelError,
    OpenAIChatModel,
    from_settings,
)
from recollect.llm.wire import to_wire

if TYPE_CHECKING:
    from tests.servers import ModelServer
from tests.unit.turns import run

ASK: list[dict[str, Any]] = [{"role": "user", "content": "Hi"}]


async def ask(server: ModelServer, **options: Any) -> tuple[str, list[Delta]]:
    model = OpenAIChatModel("test-1", base_url=server.url, **{"timeout": 2, **options})
    try:
        pieces = [piece async for piece in model.stream(ASK)]
        return "".join(piece.text for piece in pieces), pieces
    finally:
        await model.close()


def test_a_reply_streams_with_its_usage_and_without_a_key(model_server: ModelServer) -> None:
    async def main() -> None:
        text, pieces = await ask(model_server)
        assert text == model_server.reply
        assert pieces[-1].usage is not None
        assert pieces[-1].usage.prompt_tokens == 11
        assert model_server.requests[0]["model"] == "test-1"
        assert model_server.headers[0]["authorization"] == "Bearer not-needed"

    run(main)


def test_the_key_of_openai_is_not_sent_elsewhere(model_server: ModelServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")

    async def main() -> None:
        await ask(model_server)
        await ask(model_server, api_key="mine")
        assert [headers["authorization"] for headers in model_server.headers] == ["Bearer not-needed", "Bearer mine"]

    run(main)


def test_an_endpoint_that_refuses_stream_options_serves_without_them(model_server: ModelServer) -> None:
    async def main() -> None:
        model_server.mode = "no_usage"
        text, _ = await ask(model_server)
        assert text == model_server.reply
        assert ["stream_options" in body for body in model_server.requests] == [True, False]

    run(main)


@pytest.mark.parametrize("mode", ["fails", "limited"])
def test_a_passing_failure_is_repeated(model_server: ModelServer, mode: str) -> None:
    async def main() -> None:
        model_server.mode = mode
        text, _ = await ask(model_server)
        assert text == model_server.reply
        assert len(model_server.requests) == 2

    run(main)


def test_a_long_retry_after_is_told_and_not_waited_for(model_server: ModelServer) -> None:
    async def main() -> None:
        model_server.mode, model_server.failures, model_server.retry_after = "limited", 99, "60"
        began = time.monotonic()
        with pytest.raises(ModelError, match="rate limit") as caught:
            await ask(model_server)
        assert time.monotonic() - began < 5
        assert caught.value.retry_after == 60
        assert caught.value.retryable

    run(main)


@pytest.mark.parametrize(
    ("mode", "says", "retryable"),
    [
        ("dies", "broke off", True),
        ("truncated", "broke off", True),
        ("garbage", "not a chat completion", True),
        ("error", "out of memory", True),
        ("html", "text/html", False),
        ("unauthorized", "API key", False),
        ("missing", "no model 'test-1'", False),
        ("fails", "the model crashed", True),
        ("hangs", "0.5 seconds", True),
    ],
)
def test_every_failure_is_one_error_that_says_what(
    model_server: ModelServer, mode: str, says: str, retryable: bool
) -> None:
    async def main() -> None:
        model_server.mode, model_server.failures = mode, 99
        with pytest.raises(ModelError, match=says) as caught:
            await ask(model_server, timeout=0.5, max_retries=0)
        assert caught.value.retryable is retryable

    run(main)


def test_half_a_surrogate_pair_is_joined_with_its_other_half_or_replaced(model_server: ModelServer) -> None:
    """Endpoints cut between tokens, not between characters."""
    model_server.pieces = ["Slice: \ud83c", "\udf55, ", "half: \ud83c", " and \udf55", " end \ud83c"]

    async def main() -> None:
        text, pieces = await ask(model_server)
        assert text == "Slice: 🍕, half: \ufffd and \ufffd end \ufffd"
        assert all(piece.text.encode() is not None for piece in pieces)

    run(main)


def test_a_reply_without_end_is_broken_off(model_server: ModelServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recollect.llm.openai.LONGEST_REPLY", 1000)
    model_server.pieces = ["round and round "] * 100

    async def main() -> None:
        with pytest.raises(ModelError, match="does not end: 1,000 characters so far"):
            await ask(model_server)

    run(main)


def test_nobody_listening_is_an_error_that_names_the_place(unused_port: int) -> None:
    async def main() -> None:
        model = OpenAIChatModel("m", base_url=f"http://user:secret@127.0.0.1:{unused_port}/v1", max_retries=0)
        with pytest.raises(ModelError, match="cannot be reached") as caught:
            _ = [piece async for piece in model.stream(ASK)]
        assert "secret" not in str(caught.value)
        await model.close()

    run(main)


def test_configuration_that_cannot_work_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    assert from_settings(None, None) is None
    with pytest.raises(ConfigError, match="RECOLLECT_LLM_MODEL"):
        from_settings("http://localhost:1/v1", None)
    with pytest.raises(ConfigError, match="RECOLLECT_LLM_API_KEY"):
        from_settings(None, "gpt-4o-mini")
    with pytest.raises(ConfigError, match="http"):
        from_settings("localhost:11434", "llama")
    assert isinstance(from_settings("http://localhost:1/v1", "llama"), ChatModel)


def test_the_wire_takes_every_stored_shape() -> None:
    given: list[dict[str, Any]] = [
        {"role": "system", "content": "Be kind."},
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": "One", "cache_control": {"type": "ephemeral"}},
        {"role": "user", "content": [{"type": "text", "text": "Two"}]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "add", "input": {"a": 1}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "2"}]},
        {"role": "human", "name": "Ann Lee", "content": [{"type": "input_image", "image_url": "data:x"}]},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "t2", "type": "function"}], "refusal": None},
        {"role": "tool", "content": "ok", "tool_call_id": "t2"},
    ]
    assert to_wire(given) == [
        {"role": "system", "content": "Be kind."},
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": "One\n\nTwo"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "t1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}],
        },
        {"role": "tool", "tool_call_id": "t1", "content": "2"},
        {"role": "user", "name": "Ann_Lee", "content": [{"type": "image_url", "image_url": {"url": "data:x"}}]},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "t2", "type": "function"}]},
        {"role": "tool", "content": "ok", "tool_call_id": "t2"},
    ]
