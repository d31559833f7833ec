"""Chat models, the offline answerer and turns - the real client against a real endpoint on loopback."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from recollect import AsyncRecollect, ConfigError, Conflict, InvalidInput, LimitExceeded, Message, NotFound
from recollect.llm import (
    ChatModel,
    ChatTurns,
    Delta,
    Finished,
    ModelError,
    OpenAIChatModel,
    Started,
    TextDelta,
    TurnError,
    from_settings,
)
from recollect.llm.names import reply_id, title_of
from recollect.llm.wire import to_wire

if TYPE_CHECKING:
    from tests.servers import ModelServer


ASK: list[dict[str, Any]] = [{"role": "user", "content": "Hi"}]


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(main(), 30))


@asynccontextmanager
async def chat(server: ModelServer | None, **options: Any) -> AsyncIterator[tuple[AsyncRecollect, ChatTurns]]:
    model = None if server is None else OpenAIChatModel("test-1", base_url=server.url, timeout=2)
    async with AsyncRecollect("memory://") as memory:
        turns = ChatTurns(memory, model, **options)
        try:
            yield memory, turns
        finally:
            await turns.settle()
            if model is not None:
                await model.close()


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


def test_a_turn_stores_both_sides_and_names_the_session(model_server: ModelServer) -> None:
    async def main() -> None:
        async with chat(model_server) as (memory, turns):
            turn = await turns.reply("Where shall we go in May? " * 5, user_id="ann", metadata={"via": "web"})
            assert turn.reply == model_server.reply
            stored = await memory.session(turn.session_id).tail()
            assert [m.role for m in stored] == ["user", "assistant"]
            assert stored == [turn.user_message, turn.message]
            assert stored[0].metadata == {"via": "web"}
            assert stored[1].metadata["model"] == "test-1"
            assert stored[1].metadata["reply_to"] == stored[0].id
            assert turn.usage.prompt_tokens == 11
            assert turn.usage.context_tokens > 0
            info = await memory.session(turn.session_id).info()
            assert info is not None
            assert info.title == "Where shall we go in May? Where shall we go in May? Where…"
            assert info.user_id == "ann"
            again = await turns.reply("And in June?", session_id=turn.session_id)
            assert again.session_id == turn.session_id
            assert [m["content"] for m in model_server.requests[1]["messages"]][-2:] == [turn.reply, "And in June?"]
            after = await memory.session(turn.session_id).info()
            assert after is not None
            assert after.title == info.title

    run(main)


def test_a_given_title_stays(model_server: ModelServer) -> None:
    async def main() -> None:
        async with chat(model_server) as (memory, turns):
            await memory.session("s").update(title="Mine")
            await turns.reply("Hello", session_id="s")
            info = await memory.session("s").info()
            assert info is not None
            assert info.title == "Mine"

    run(main)


def test_a_failing_model_leaves_the_users_message_and_says_so(model_server: ModelServer) -> None:
    async def main() -> None:
        async with chat(model_server) as (memory, turns):
            model_server.mode = "unauthorized"
            with pytest.raises(TurnError, match="your message is stored") as caught:
                await turns.reply("Hello")
            stored = await memory.session(caught.value.session_id).tail()
            assert stored == [caught.value.user_message]
            assert not caught.value.retryable
            model_server.mode = "normal"
            await turns.reply("Still there?", session_id=caught.value.session_id)
            assert model_server.requests[-1]["messages"] == [{"role": "user", "content": "Hello\n\nStill there?"}]

    run(main)


@pytest.mark.parametrize("mode", ["empty", "weird"])
def test_a_reply_without_text_is_an_error(model_server: ModelServer, mode: str) -> None:
    async def main() -> None:
        async with chat(model_server) as (memory, turns):
            model_server.mode = mode
            with pytest.raises(TurnError, match="empty reply"):
                await turns.reply("Hello", session_id="s")
            assert len(await memory.session("s").tail()) == 1

    run(main)


@pytest.mark.parametrize("mode", ["dies", "error", "truncated"])
def test_a_reply_that_breaks_off_is_kept_as_partial(model_server: ModelServer, mode: str) -> None:
    async def main() -> None:
        async with chat(model_server) as (memory, turns):
            model_server.mode = mode
            with pytest.raises(TurnError, match="what came of the reply") as caught:
                await turns.reply("Hello", session_id="s")
            _, partial = await memory.session("s").tail()
            assert partial == caught.value.partial
            assert partial.text
            assert model_server.reply.startswith(partial.text)
            assert partial.metadata["partial"] is True
            assert partial.metadata["error"]

    run(main)


@pytest.mark.parametrize("how", ["close", "cancel"])
def test_a_consumer_that_goes_away_leaves_what_was_produced(model_server: ModelServer, how: str) -> None:
    async def main() -> None:
        async with chat(model_server) as (memory, turns):
            model_server.mode = "slow"
            seen: list[str] = []
            begun = asyncio.Event()

            async def consume() -> None:
                async with aclosing(turns.stream("Hello", session_id="s")) as events:
                    async for event in events:
                        if isinstance(event, TextDelta):
                            seen.append(event.text)
                            begun.set()
                            if how == "close":
                                return

            task = asyncio.create_task(consume())
            await begun.wait()
            task.cancel()
            await asyncio.wait([task])
            await turns.settle()
            _, partial = await memory.session("s").tail()
            assert partial.text == "".join(seen)
            assert partial.metadata["partial"] is True
            assert "error" not in partial.metadata
            await asyncio.sleep(0.3)
            assert model_server.open == 0, "the model's stream is still read"

    run(main)


def test_a_repeated_turn_is_answered_once(model_server: ModelServer) -> None:
    async def main() -> None:
        async with chat(model_server) as (memory, turns):
            first = await turns.reply("Hello", session_id="s", message_id="m-1")
            again = await turns.reply("Hello", session_id="s", message_id="m-1")
            assert again == first
            assert len(model_server.requests) == 1
            both = await asyncio.gather(*(turns.reply("Two", session_id="s", message_id="m-2") for _ in range(3)))
            assert both[0] == both[1] == both[2]
            assert len(model_server.requests) == 2
            assert len(await memory.session("s").tail()) == 4
            with pytest.raises(Conflict):
                await turns.reply("Something else", session_id="s", message_id="m-1")

    run(main)


def test_a_turn_that_broke_off_is_answered_anew(model_server: ModelServer) -> None:
    async def main() -> None:
        async with chat(model_server) as (memory, turns):
            model_server.mode = "dies"
            for _ in range(2):
                with pytest.raises(TurnError):
                    await turns.reply("Hello", session_id="s", message_id="m-1")
            model_server.mode = "normal"
            turn = await turns.reply("Hello", session_id="s", message_id="m-1")
            assert turn.reply == model_server.reply
            roles = [(m.role, bool(m.metadata.get("partial"))) for m in await memory.session("s").tail()]
            assert roles == [("user", False), ("assistant", True), ("assistant", True), ("assistant", False)]
            assert model_server.requests[-1]["messages"] == [{"role": "user", "content": "Hello"}]
            again = await turns.reply("Hello", session_id="s", message_id="m-1")
            assert again.message == turn.message

    run(main)


def test_a_session_deleted_meanwhile_stays_deleted(model_server: ModelServer) -> None:
    async def main() -> None:
        async with chat(model_server) as (memory, turns):
            events = turns.stream("Hello", session_id="s")
            assert isinstance(await anext(events), Started)
            await memory.session("s").delete()
            with pytest.raises(NotFound, match="deleted"):
                _ = [event async for event in events]
            assert await memory.session("s").info() is None

    run(main)


def test_bad_turns_store_nothing(model_server: ModelServer) -> None:
    async def main() -> None:
        async with chat(model_server, max_context_tokens=100) as (memory, turns):
            for message in ("", "  \n", None):
                with pytest.raises(InvalidInput) as caught:
                    await turns.reply(message, session_id="s")  # type: ignore[arg-type]
                assert caught.value.field == "message"
            with pytest.raises(LimitExceeded, match="not stored"):
                await turns.reply("words " * 1000, session_id="s")
            with pytest.raises(InvalidInput):
                await turns.reply("Hi", session_id="x" * 600)
            assert await memory.session("s").info() is None
            assert not model_server.requests

    run(main)


def test_another_users_session_is_refused(model_server: ModelServer) -> None:
    async def main() -> None:
        async with chat(model_server) as (_, turns):
            await turns.reply("Hi", session_id="s", user_id="ann")
            with pytest.raises(Conflict):
                await turns.reply("Hi", session_id="s", user_id="bob")

    run(main)


def test_any_failure_of_a_users_own_model_is_a_turn_error() -> None:
    class Broken:
        name = "broken"
        base_url = None

        async def stream(self, messages: list[dict[str, Any]]) -> AsyncIterator[Delta]:
            yield Delta("I ")
            raise ZeroDivisionError("by zero")

        async def close(self) -> None: ...

    async def main() -> None:
        async with AsyncRecollect("memory://") as memory:
            with pytest.raises(TurnError, match="by zero"):
                await ChatTurns(memory, Broken()).reply("Hi", session_id="s")
            assert [m.text for m in await memory.session("s").tail()] == ["Hi", "I "]

    run(main)


async def _remember(memory: AsyncRecollect) -> None:
    day = datetime(2026, 5, 3, 9, 30, tzinfo=UTC)
    await memory.session("trip", user="ann").append(
        [
            Message("user", "My dog Rex barks at trains.", name="Ann", created_at=day),
            Message("assistant", "Then a sleeper is no good for you two.", created_at=day),
            Message("user", "What is the name of the hotel?", created_at=day),
            Message("assistant", "The Astoria, at the harbour.", created_at=day),
            Message("user", "부산 여행은 오월에 갑니다.", created_at=day),
        ]
    )
    await memory.session("trip").update(title="Trip to Busan")


def test_offline_quotes_who_when_and_where_and_says_that_no_model_is_set() -> None:
    async def main() -> None:
        async with chat(None) as (memory, turns):
            await _remember(memory)
            events = [event async for event in turns.stream("Who barks at trains?", session_id="new", user_id="ann")]
            assert isinstance(events[-1], Finished)
            turn = events[-1].turn
            assert "".join(event.text for event in events if isinstance(event, TextDelta)) == turn.reply
            assert "No chat model is set" in turn.reply
            assert "> My dog Rex barks at trains.\n— Ann, 2026-05-03 09:30 UTC, session “Trip to Busan”" in turn.reply
            assert turn.sources[0].session_id == "trip"
            assert turn.sources[0].seq == 1
            assert turn.usage.model == turn.message.metadata["model"] == "offline"
            again = await turns.reply("Who barks at trains?", session_id="new", user_id="ann")
            assert {source.session_id for source in again.sources} == {"trip"}

    run(main)


def test_offline_quotes_the_answer_beside_a_question_that_matches() -> None:
    async def main() -> None:
        async with chat(None) as (memory, turns):
            await _remember(memory)
            turn = await turns.reply("name of that hotel", user_id="ann")
            assert turn.reply.count("The Astoria, at the harbour.") == 1

    run(main)


def test_offline_does_not_quote_questions_that_it_was_asked_itself() -> None:
    async def main() -> None:
        async with chat(None) as (memory, turns):
            await _remember(memory)
            await turns.reply("Does my dog bark at cats?", user_id="ann")
            turn = await turns.reply("Who is my dog?", user_id="ann")
            assert {source.session_id for source in turn.sources} == {"trip"}

    run(main)


@pytest.mark.parametrize(
    ("question", "says"),
    [
        ("부산 여행은 언제?", "설정된 채팅 모델이 없어서"),
        ("この町はどこですか", "チャットモデルが設定されていない"),
        ("我们什么时候出发", "没有设置聊天模型"),
        ("quantum chromodynamics", "I find nothing about that"),
        ("Docker 설치 방법", "저장되었으니"),
    ],
)
def test_offline_answers_in_the_script_of_the_question(question: str, says: str) -> None:
    async def main() -> None:
        async with chat(None) as (memory, turns):
            await _remember(memory)
            turn = await turns.reply(question, user_id="ann")
            assert says in turn.reply

    run(main)


def test_offline_knows_the_preferences() -> None:
    async def main() -> None:
        async with chat(None) as (memory, turns):
            await memory.user("ann").preferences.put({"genre": "jazz", "diet": ["vegan"], "language": "ko"})
            turn = await turns.reply("Which genre shall I play?", user_id="ann")
            assert "- genre: jazz" in turn.reply
            assert "diet" not in turn.reply
            turn = await turns.reply("What do I prefer?", user_id="ann")
            assert "- diet: vegan" in turn.reply
            other = await turns.reply("What do I prefer?", user_id="bob")
            assert "vegan" not in other.reply

    run(main)


def test_offline_quotes_the_fitting_part_of_a_long_text() -> None:
    async def main() -> None:
        async with chat(None) as (memory, turns):
            filler = "The weather was fine that day. " * 40
            await memory.session("s", user="ann").append(
                {"role": "user", "content": f"{filler}The zeppelin landed in Friedrichshafen. {filler}"}
            )
            turn = await turns.reply("Where did the zeppelin land?", user_id="ann")
            assert "… The zeppelin landed in Friedrichshafen." in turn.reply
            assert len(turn.reply) < 1000

    run(main)


def test_titles_are_cut_at_a_word() -> None:
    assert title_of("  Hi\n there ") == "Hi there"
    assert title_of("a" * 100) == "a" * 59 + "…"
    assert len(title_of("word " * 50)) <= 60
    assert title_of("한" * 100) == "한" * 59 + "…"


def test_reply_ids_fit_the_limit_of_an_id() -> None:
    assert reply_id("m", 1) == "reply:m"
    assert reply_id("m", 2) == "reply:m:2"
    assert len(reply_id("한" * 170, 20).encode()) <= 512
