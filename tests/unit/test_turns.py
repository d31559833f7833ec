"""Turns of a conversation: both sides stored, once, whatever the model or the caller does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest

from recollect import AsyncRecollect, Conflict, InvalidInput, LimitExceeded, NotFound
from recollect.llm import (
    ChatTurns,
    Delta,
    Started,
    TextDelta,
    TurnError,
)
from recollect.llm.names import reply_id, title_of

if TYPE_CHECKING:
    from tests.servers import ModelServer
from tests.unit.turns import chat, run


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


def test_titles_are_cut_at_a_word() -> None:
    assert title_of("  Hi\n there ") == "Hi there"
    assert title_of("a" * 100) == "a" * 59 + "…"
    assert len(title_of("word " * 50)) <= 60
    assert title_of("한" * 100) == "한" * 59 + "…"


def test_reply_ids_fit_the_limit_of_an_id() -> None:
    assert reply_id("m", 1) == "reply:m"
    assert reply_id("m", 2) == "reply:m:2"
    assert len(reply_id("한" * 170, 20).encode()) <= 512
