"""The times that a question speaks of."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recollect.recall.analyzer import analyze
from recollect.recall.time_expressions import asks_when, find, tells_time

NOW = datetime(2023, 11, 15, 12, tzinfo=UTC).timestamp()  # a Wednesday
FIRST = datetime(2022, 3, 1, tzinfo=UTC).timestamp()


def day(instant: float) -> str:
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%d")


def found(question: str) -> list[tuple[str, str]]:
    times = find(question, FIRST, NOW)
    intervals = [*times.dates, *(at(NOW) for at in times.relative)]
    return [(day(interval.start), day(interval.end)) for interval in intervals]


@pytest.mark.parametrize(
    ("question", "start", "end"),
    [
        ("What was on 2023-05-08?", "2023-05-08", "2023-05-09"),
        ("Who came on 8 May, 2023?", "2023-05-08", "2023-05-09"),
        ("Who came on May 8th, 2023?", "2023-05-08", "2023-05-09"),
        ("in May 2023", "2023-05-01", "2023-06-01"),
        ("in the summer of 2022", "2022-06-01", "2022-09-01"),
        ("What happened in 2022?", "2022-01-01", "2023-01-01"),
        ("What did I do yesterday?", "2023-11-14", "2023-11-15"),
        ("the day before yesterday", "2023-11-13", "2023-11-14"),
        ("two weeks ago", "2023-10-30", "2023-11-06"),
        ("3 months ago", "2023-08-01", "2023-09-01"),
        ("a year ago", "2022-01-01", "2023-01-01"),
        ("last week", "2023-11-06", "2023-11-13"),
        ("last weekend", "2023-11-11", "2023-11-13"),
        ("last Friday", "2023-11-10", "2023-11-11"),
        ("next Friday", "2023-11-17", "2023-11-18"),
        ("last summer", "2023-06-01", "2023-09-01"),
        ("last winter", "2022-12-01", "2023-03-01"),
        ("last March", "2023-03-01", "2023-04-01"),
        ("this month", "2023-11-01", "2023-12-01"),
        ("over the past 3 months", "2023-08-01", "2023-11-15"),
        ("2023년 5월 8일에 뭐 했지", "2023-05-08", "2023-05-09"),
        ("어제 뭐 먹었지", "2023-11-14", "2023-11-15"),
        ("지난주에 뭐 했지", "2023-11-06", "2023-11-13"),
        ("지난 주", "2023-11-06", "2023-11-13"),
        ("3일 전", "2023-11-12", "2023-11-13"),
        ("작년 여름에 간 곳", "2022-06-01", "2022-09-01"),
        ("지난 금요일", "2023-11-10", "2023-11-11"),
        ("2023年5月8日", "2023-05-08", "2023-05-09"),
        ("昨天", "2023-11-14", "2023-11-15"),
        ("三天前", "2023-11-12", "2023-11-13"),
        ("上周五", "2023-11-10", "2023-11-11"),
        ("去年夏天", "2022-06-01", "2022-09-01"),
        ("先週の月曜日", "2023-11-06", "2023-11-07"),
        ("先月の旅行", "2023-10-01", "2023-11-01"),
        ("2日前", "2023-11-13", "2023-11-14"),
    ],
)
def test_one(question: str, start: str, end: str) -> None:
    """Dates and expressions in English, Korean, Chinese and Japanese."""
    assert found(question) == [(start, end)]


@pytest.mark.parametrize("question", ["on May 8", "on the 8th of May", "5월 8일", "5月8号", "on 8 mai"])
def test_without_a_year(question: str) -> None:
    """A date without a year is that of every year that the memory covers."""
    assert found(question) == [("2022-05-08", "2022-05-09"), ("2023-05-08", "2023-05-09")]


@pytest.mark.parametrize(
    "question",
    [
        "",
        "May I ask?",
        "I will march on",
        "第一天",
        "in room 20231",
        "13월 45일",
        "version 2023.17",
        "my sister",
        "주말",
    ],
)
def test_none(question: str) -> None:
    """Words and numbers that only look like a time are none."""
    assert found(question) == []


@settings(deadline=None)
@given(st.text(max_size=80), st.floats(allow_nan=False), st.floats(allow_nan=False))
def test_anything(question: str, first: float, last: float) -> None:
    """No text and no clock breaks it."""
    times = find(question, min(first, last), max(first, last))
    for interval in [*times.dates, *(at(last) for at in times.relative)]:
        assert not math.isnan(interval.start)


@pytest.mark.parametrize(
    "question", ["When did she go?", "What year was it?", "언제 갔지?", "什么时候去的", "いつ行った"]
)
def test_asks_when(question: str) -> None:
    """A question for a time is known as one."""
    assert asks_when(question)
    assert not asks_when("Where did she go? 어디 哪里 どこ")


def test_tells_time() -> None:
    """A text says a time by a word for it, or by a date or hour in scripts where characters say one."""
    told = ("We went last Tuesday", "In January", "지난주에", "昨天去的", "two days ago")
    dated = (
        "제 생일은 11월 3일이에요",
        "誕生日は5月12日です",
        "我的生日是八月十五号",
        "毎週木曜日に",
        "周三晚上",
        "3시에 봐요",
    )
    for text in told + dated:
        assert tells_time(text, analyze(text)), text
    for text in ("We like jazz, 음악, 音乐", "一点点音乐", "그 일은 좋아요"):
        assert not tells_time(text, analyze(text)), text
