"""The offline answerer: what it quotes, in whose words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from recollect import AsyncRecollect, Message
from recollect.llm import (
    Finished,
    TextDelta,
)

if TYPE_CHECKING:
    pass
from tests.unit.turns import chat, run


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


def test_offline_quotes_nothing_for_standing_beside_the_question_itself() -> None:
    async def main() -> None:
        async with chat(None, namespaces=[("documents",)]) as (memory, turns):
            await memory.namespace("documents").remember_document("guide.md", "The Haeundae beach opens at nine.")
            await memory.session("s", user="ann").append(
                [
                    {"role": "user", "content": "Look at the sky."},
                    {"role": "assistant", "content": "It is 21 degrees."},
                ]
            )
            for _ in range(3):
                turn = await turns.reply("When does the Haeundae beach open?", session_id="s", user_id="ann")
                assert [source.document for source in turn.sources] == ["guide.md"], turn.reply

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
