"""The extractor without a model: what it takes from plain sentences, and what it leaves alone."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from recollect import ExtractionTask, RuleExtractor, Said, Statement

DATA = Path(os.environ.get("RECOLLECT_DATA", "data"))


def extract(*texts: str, role: str = "user") -> list[Statement]:
    """The statements in messages."""
    told = [Said(id=str(number), role=role, speaker="ann", text=text) for number, text in enumerate(texts)]
    return RuleExtractor().extract(ExtractionTask(session_id="s", user_id="u", messages=told))


def contents(*texts: str) -> list[str]:
    """What they say."""
    return [statement.content for statement in extract(*texts)]


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ("I love window seats!", "Likes window seats."),
        ("Well, I really like hiking in the mountains 😊", "Likes hiking in the mountains."),
        ("I like to swim.", "Likes to swim."),
        ("I like also cheese pizza!", "Likes cheese pizza."),
        ("I'm a big fan of pottery - the creativity is awesome.", "Likes pottery."),
        ("I don’t like coffee.", "Does not like coffee."),
        ("I hate cilantro a lot", "Does not like cilantro."),
        ("I can't stand loud music", "Does not like loud music."),
        ("I'm not a fan of jazz.", "Does not like jazz."),
        ("I prefer aisle seats.", "Prefers aisle seats."),
        ("I prefer tea to coffee", "Prefers tea to coffee."),
        ("My favourite colour is dark blue.", "Favourite colour: dark blue."),
        ("BTS is my favorite band!", "Favourite band: BTS."),
        ("I live in New York City now.", "Lives in New York City."),
        ("I'm living in São Paulo", "Lives in São Paulo."),
        ("I just moved to Busan last month.", "Lives in Busan."),
        ("I am from Korea", "Is from Korea."),
        ("I work at Naver.", "Works at Naver."),
        ("I work as a nurse.", "Works as a nurse."),
        ("I'm severely allergic to peanuts", "Is severely allergic to peanuts."),
        ("I have a peanut allergy.", "Is allergic to peanut."),
        ("I'm not allergic to eggs.", "Is not allergic to eggs."),
        ("I'm a vegetarian", "Is vegetarian."),
        ("My dog is called Rex.", "Has a dog called Rex."),
        ("I have a cat named Mina", "Has a cat called Mina."),
        ("My wife's name is Yuna.", "Wife's name: Yuna."),
        ("Hi, my name is Ann Lee!", "Name: Ann Lee."),
        ("My birthday is on 3 May.", "Birthday: 3 May."),
        ("나는 커피를 좋아해", "커피를 좋아한다."),
        ("저는 매운 음식을 정말 좋아해요!", "매운 음식을 좋아한다."),
        ("전 재즈가 좋아요", "재즈를 좋아한다."),
        ("저는 커피를 좋아하지 않아요.", "커피를 좋아하지 않는다."),
        ("난 고수가 싫어", "고수를 싫어한다."),
        ("제가 가장 좋아하는 색은 파란색이에요", "가장 좋아하는 색은 파란색이다."),
        ("저는 부산에 살아요.", "부산에 산다."),
        ("안녕하세요! 저는 지금 서울에 살고 있습니다.", "서울에 산다."),
        ("저는 네이버에서 일해요", "네이버에서 일한다."),
        ("저는 땅콩 알레르기가 있어요!", "땅콩 알레르기가 있다."),
        ("땅콩 알레르기가 있어요", "땅콩 알레르기가 있다."),
        ("저는 비건이에요", "비건이다."),
        ("우리 강아지 이름은 초코예요", "강아지 이름은 초코다."),
        ("제 이름은 김민준입니다.", "이름은 김민준이다."),
    ],
)
def test_plain_statements(text: str, content: str) -> None:
    """Are taken, in a form that names nobody; a negation stays one."""
    assert contents(text) == [content]


@pytest.mark.parametrize(
    "text",
    [
        "Do I like coffee?", "I like coffee?", "You know I love what?", "I love it", "I love that!", "I like your painting.",
        "I love how you did this", "I'd like a window seat", "I would love tea", "If I lived in Paris, I'd be happy.",
        "I wish I lived in Paris", 'He said "I love tea".', "My sister said I love tea too much", "“I live in Seoul.”",
        "> I live in Seoul", "```\nI live in Seoul\n```", "I used to live in Busan.", "When I was small I loved tea",
        "I think I like tea", "Maybe I like tea", "I live in a small flat", "I love you", "I love the colors",
        "Just kidding, I love tea lol", "I work for free", "She loves tea", "We love tea", "I'm from the office",
        "I love to.", "I love making him happy", "My favourite thing is pizza", "I live in fear", "I moved to the next chapter",
        "저는 커피를 좋아해요?", "커피 좋아해?", "만약 제가 서울에 산다면 좋겠어요", "친구가 저는 커피를 좋아한다고 했어요",
        "친구가 땅콩 알레르기가 있어요", "저는 그걸 좋아해요", "저는 그것을 좋아해요", "나는 너를 좋아해", "저는 예전에 부산에 살아요",
        "서울에 살고 싶어요", "'저는 커피를 좋아해요'", "", " ", "...", "👍", "\x00", "I love", "I live in",
    ],
)  # fmt: skip
def test_left_alone(text: str) -> None:
    """Questions, quotations, hypotheses, hearsay, the past, others' lives, what only the conversation explains."""
    assert contents(text) == []


def test_clauses() -> None:
    """Each is looked at by itself."""
    assert contents("I live in Seoul, but I work at Naver, and my cat is called Mina; I hate rain.") == [
        "Lives in Seoul.", "Works at Naver.", "Has a cat called Mina.", "Does not like rain.",
    ]  # fmt: skip


def test_what_a_preference_suggests() -> None:
    """A key of its own for a favourite, a list for what is liked."""
    (colour, likes, dislikes) = extract("My favourite colour is blue", "I like tea", "I hate rain")
    assert (colour.kind, colour.key, colour.value, colour.listed) == ("preference", "favourite_color", "blue", False)
    assert (likes.key, likes.value, likes.listed, likes.opposite) == ("likes", "tea", True, "dislikes")
    assert (dislikes.key, dislikes.value, dislikes.opposite) == ("dislikes", "rain", "likes")
    assert [one.messages for one in (colour, likes, dislikes)] == [["0"], ["1"], ["2"]]


def test_slots() -> None:
    """What can be said of one thing only has one; the same whether liked or not."""
    slots = [one.slot for one in extract("I live in Seoul", "I live in Busan", "I like Tea", "I don't like tea")]
    assert slots[0] == slots[1]
    assert slots[2] == slots[3]


def test_the_assistant_states_nothing() -> None:
    """Statements are drawn from users' messages only."""
    assert extract("I live in Seoul", role="assistant") == []


@pytest.mark.parametrize(
    "text",
    [
        "I love " * 6000,
        "I live in A" + " A" * 20_000,
        "나는 " * 20_000,
        "," * 40_000,
        "I prefer a to " * 3000,
        "'" * 40_000,
    ],
)
def test_hostile_texts_take_no_long_time(text: str) -> None:
    """As long as a message that is shown; a pattern that goes back and forth over it would take hours."""
    begun = time.process_time()
    extract(text)
    assert time.process_time() - begun < 10


@pytest.mark.skipif(not (DATA / "locomo").is_dir(), reason="RECOLLECT_DATA names no folder with the LoCoMo data")
def test_locomo() -> None:
    """Every message of the conversations, without an error; what is taken are short sentences."""
    found = 0
    for path in sorted((DATA / "locomo").rglob("*.json")):
        for text in _texts(json.loads(path.read_text("utf-8"))):
            for statement in extract(text):
                found += 1
                assert statement.content.endswith(".")
                assert len(statement.content) < 200
    assert found > 10


def _texts(value: object) -> list[str]:
    if isinstance(value, dict):
        own = [value["text"]] if isinstance(value.get("text"), str) else []
        return own + [text for item in value.values() for text in _texts(item)]
    return [text for item in value for text in _texts(item)] if isinstance(value, list) else []
