"""The times that a question speaks of: "in May 2023", "two weeks ago", "지난주", "去年夏天", "先月".

Calendar dates without a year stand for that date in every year that the memory covers. Relative expressions are
counted from an anchor, the present or, where nothing was said in the time so found, the newest message: who asks about
"last week" in an old conversation means its last week. All in UTC; weeks begin on Monday.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import NamedTuple

from recollect.recall.analyzer import analyze

DAY = 86_400.0

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january jan januar janvier enero janeiro gennaio",
            "february feb februar février febrero fevereiro febbraio",
            "march mar märz mars marzo março",
            "april apr avril abril aprile",
            "may mai mayo maio maggio",
            "june jun juni juin junio junho giugno",
            "july jul juli juillet julio julho luglio",
            "august aug août agosto",
            "september sep sept septembre septiembre setembro settembre",
            "october oct oktober octobre octubre outubro ottobre",
            "november nov novembre noviembre novembro",
            "december dec dezember décembre diciembre dezembro dicembre",
        ),
        1,
    )
    for name in names.split()
}
_AMBIGUOUS_MONTHS = frozenset({"may", "mar", "mars", "march", "mai", "jan", "juli", "jun", "sep", "dec", "marzo"})
"""Words that are more than a month; they are one beside a day or a year, or after "in", "of", "last" and the like."""
_WEEKDAYS = {
    name: i for i, name in enumerate(["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"])
}
_SEASONS = {
    "spring": 3, "summer": 6, "autumn": 9, "fall": 9, "winter": 12,
    "봄": 3, "여름": 6, "가을": 9, "겨울": 12,
    "春": 3, "夏": 6, "秋": 9, "冬": 12,
}  # fmt: skip
"""The first of a season's three months, as the northern half of the world has them."""
_NUMBERS = {
    "a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
    "ten": 10, "eleven": 11, "twelve": 12, "couple of": 2, "a couple of": 2, "few": 3, "a few": 3, "several": 4,
    "한": 1, "두": 2, "세": 3, "네": 4, "다섯": 5, "여섯": 6, "일": 1, "이": 2, "삼": 3, "사": 4, "오": 5, "육": 6,
    "一": 1, "二": 2, "两": 2, "兩": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9, "十": 10,
}  # fmt: skip
_UNITS = {
    "day": "day", "week": "week", "month": "month", "year": "year",
    "일": "day", "주": "week", "주일": "week", "개월": "month", "달": "month", "년": "year", "해": "year",
    "天": "day", "日": "day", "周": "week", "週": "week", "星期": "week", "礼拜": "week", "週間": "week", "个月": "month",
    "個月": "month", "か月": "month", "ヶ月": "month", "カ月": "month", "ヵ月": "month", "年": "year", "年間": "year",
}  # fmt: skip
_FIXED: dict[str, tuple[str, int]] = {
    "the day before yesterday": ("day", -2), "yesterday": ("day", -1), "last night": ("day", -1), "today": ("day", 0),
    "this morning": ("day", 0), "tonight": ("day", 0), "tomorrow": ("day", 1),
    "그저께": ("day", -2), "그제": ("day", -2), "어제": ("day", -1), "어젯밤": ("day", -1), "오늘": ("day", 0),
    "내일": ("day", 1), "지지난주": ("week", -2), "지난주": ("week", -1), "저번주": ("week", -1), "이번주": ("week", 0),
    "지난달": ("month", -1), "저번달": ("month", -1), "이번달": ("month", 0), "재작년": ("year", -2),
    "작년": ("year", -1), "지난해": ("year", -1), "올해": ("year", 0), "금년": ("year", 0),
    "前天": ("day", -2), "昨天": ("day", -1), "昨晚": ("day", -1), "今天": ("day", 0), "明天": ("day", 1),
    "上上周": ("week", -2), "上周": ("week", -1), "上週": ("week", -1), "上星期": ("week", -1), "上个星期": ("week", -1),
    "上礼拜": ("week", -1), "本周": ("week", 0), "这周": ("week", 0), "这个星期": ("week", 0), "上上个月": ("month", -2),
    "上个月": ("month", -1), "上個月": ("month", -1), "上月": ("month", -1), "这个月": ("month", 0), "本月": ("month", 0),
    "前年": ("year", -2), "去年": ("year", -1), "今年": ("year", 0),
    "一昨日": ("day", -2), "おととい": ("day", -2), "昨日": ("day", -1), "きのう": ("day", -1), "昨夜": ("day", -1),
    "今日": ("day", 0), "明日": ("day", 1), "先々週": ("week", -2), "先週": ("week", -1), "今週": ("week", 0),
    "先々月": ("month", -2), "先月": ("month", -1), "今月": ("month", 0), "一昨年": ("year", -2), "おととし": ("year", -2),
    "昨年": ("year", -1),
}  # fmt: skip


class Interval(NamedTuple):
    """A span of time, in seconds of the epoch; `end` is not in it."""

    start: float
    end: float


class Times(NamedTuple):
    """What a question says of time."""

    dates: list[Interval]
    """Calendar dates."""
    relative: list[Callable[[float], Interval]]
    """Expressions that an anchor, in seconds of the epoch, turns into an interval."""
    rest: str
    """The question, folded, without the relative expressions."""


def _alternatives(words: object) -> str:
    return "|".join(sorted(map(re.escape, words), key=len, reverse=True))  # type: ignore[call-overload]


_MONTH = rf"(?P<month>{_alternatives(_MONTHS)})\.?"
_YEAR = r"(?P<year>(?:19|20)\d\d)"
_DAY = r"(?P<day>[0-3]?\d)"
_SEASON = rf"(?P<season>{_alternatives(_SEASONS)})"
_DATES = [
    re.compile(pattern)
    for pattern in (
        rf"(?<!\d){_YEAR}[-/.](?P<number>[01]?\d)(?:[-/.]{_DAY})?(?!\d)",
        rf"(?<!\d){_YEAR}\s*[년年]\s*(?P<number>1?\d)\s*[월月]\s*(?:{_DAY}\s*[일日号號])?",
        rf"\b{_DAY}(?:st|nd|rd|th|\.)?\s+(?:of\s+|de\s+)?{_MONTH}\b(?:\s*,?\s*(?:of\s+|de\s+)?{_YEAR})?",
        rf"\b{_MONTH}\s+{_DAY}(?:st|nd|rd|th)?\b(?!\s*:)(?:\s*,?\s*{_YEAR})?",
        rf"\b{_MONTH}\s*,?\s*(?:of\s+|de\s+)?{_YEAR}\b",
        rf"\b{_SEASON}\s+(?:of\s+)?{_YEAR}\b",
        rf"(?<!\d){_YEAR}\s*[년年]?의?の?\s*{_SEASON}",
        rf"(?<!\d){_YEAR}\s*[년年]",
        rf"(?<!\d)(?P<number>1?\d)\s*[월月]\s*(?:{_DAY}\s*[일日号號])?",
        rf"\b(?:in|of|during|since|around|im|en|em|by)\s+(?:early\s+|late\s+|mid-?)?{_MONTH}\b",
        rf"\b{_MONTH}\b",
        rf"(?<![\d.,]){_YEAR}(?![\d,]|\.\d)\b",
    )
]
_NUMBER = rf"(?P<n>\d{{1,3}}|{_alternatives(_NUMBERS)})"
_UNIT = rf"(?P<unit>{_alternatives(_UNITS)})"
_AGO = [
    re.compile(rf"\b{_NUMBER}\s+{_UNIT}s?\s+(?:ago|before|back)\b"),
    re.compile(rf"{_NUMBER}\s*{_UNIT}(?:之)?\s*[전前]"),
]
_PAST = re.compile(rf"\b(?:in|over|during|for|within)\s+the\s+(?:last|past)\s+{_NUMBER}\s+{_UNIT}s?\b")
_LAST = re.compile(
    r"\b(?P<which>last|past|previous|this|next)\s+"
    rf"(?P<what>day|week|weekend|month|year|{_alternatives(_WEEKDAYS)}|{_alternatives(_MONTHS)}|spring|summer|autumn|fall|winter)\b"
)
_LAST_SEASON = re.compile(rf"(?P<which>작년|재작년|지난|올해|이번|去年|前年|今年|昨年)\s*의?の?\s*{_SEASON}")
_LAST_WEEKDAY = re.compile(
    r"(?:지난\s*주?|上周|上星期|上个星期|先週の?)\s*(?P<weekday>[월화수목금토일](?=요일)|[一二三四五六日天]|[月火水木金土日](?=曜))"
)
_WEEKDAY_LETTERS = {
    letter: i for letters in ("월화수목금토일", "一二三四五六日", "月火水木金土日") for i, letter in enumerate(letters)
} | {"天": 6}
_FIXED_PATTERN = re.compile(rf"(?<![a-z])(?:{_alternatives(_FIXED)})(?![a-z])")
_SPACES_IN_KOREAN = re.compile(r"(지난|저번|이번)\s+(주|달|해)(?!\w*[일말])")
_HINT = re.compile(
    rf"\d|ago|last|past|previous|this|next|yesterday|today|tonight|tomorrow|{_alternatives(n for n in _MONTHS if len(n) > 3)}"
    r"|\b(?:jan|feb|mar|apr|may|mai|jun|jul|aug|sep|oct|nov|dec)\b|[전前그어오지저이재작올금昨今明上本这去一二三两四五六先おき]"
)


def find(query: str, first: float, last: float) -> Times:
    """The times that a question speaks of.

    Parameters
    ----------
    first, last: the oldest and the newest time that the memory covers, in seconds of the epoch: they say which years a
        date without a year can mean.
    """
    text = query[:2000].casefold()
    if not _HINT.search(text):
        return Times([], [], text)
    text = _SPACES_IN_KOREAN.sub(r"\1\2", text)
    relative: list[Callable[[float], Interval]] = []
    for reader in (_season_read, _weekday_read, _past_read, _ago_read, _last_read, _fixed_read):
        text = reader(text, relative)
    rest = text
    dates: list[Interval] = []
    years = range(_year(first), _year(last) + 1)
    for pattern in _DATES:
        text = pattern.sub(lambda match: _take_date(match, years, dates), text)
    return Times(dates, relative, rest)


def _year(instant: float) -> int:
    return _at(instant).year


def _at(instant: float) -> datetime:
    """Clamped to what a date can be: a clock that jumps must not break a search."""
    return datetime.fromtimestamp(min(max(instant, -62_000_000_000.0), 250_000_000_000.0), UTC)


def _take_date(match: re.Match[str], years: range, dates: list[Interval]) -> str:
    found = match.groupdict()
    year, day = found.get("year"), found.get("day")
    name, number = found.get("month"), found.get("number")
    if name in _AMBIGUOUS_MONTHS and not year and not day and match[0] == name:
        return match[0]
    month = _MONTHS[name] if name else int(number) if number else None
    if month is None and found.get("season"):
        month = _SEASONS[found["season"] or ""]
        dates.extend(_months(int(one), month, 3) for one in ([year] if year else years))
        return " "
    intervals = [_calendar(int(one), month, int(day) if day else None) for one in ([year] if year else years)]
    if not all(intervals):
        return match[0]
    dates.extend(interval for interval in intervals if interval)
    return " "


def _calendar(year: int, month: int | None, day: int | None) -> Interval | None:
    if month is None:
        return _months(year, 1, 12)
    if not 1 <= month <= 12:
        return None
    if day is None:
        return _months(year, month, 1)
    if not 1 <= day <= 31:
        return None
    try:
        start = datetime(year, month, day, tzinfo=UTC).timestamp()
    except ValueError:  # the 29th of February, in most years
        start = datetime(year, month, 28, tzinfo=UTC).timestamp()
    return Interval(start, start + DAY)


def _months(year: int, month: int, count: int) -> Interval:
    """From the first of a month, which may lie outside 1 to 12, over so many months."""
    begin, end = year * 12 + month - 1, year * 12 + month - 1 + count
    return Interval(*(datetime(max(m // 12, 1), m % 12 + 1, 1, tzinfo=UTC).timestamp() for m in (begin, end)))


def _shifted(unit: str, by: int) -> Callable[[float], Interval]:
    """The day, week, month or year that is so many from the anchor's."""

    def interval(anchor: float) -> Interval:
        at = _at(anchor)
        midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
        if unit == "day":
            start = (midnight + timedelta(days=by)).timestamp()
            return Interval(start, start + DAY)
        if unit == "week":
            start = (midnight - timedelta(days=at.weekday()) + timedelta(weeks=by)).timestamp()
            return Interval(start, start + 7 * DAY)
        if unit == "month":
            return _months(at.year, at.month + by, 1)
        return _months(at.year + by, 1, 12)

    return interval


def _season_read(text: str, found: list[Callable[[float], Interval]]) -> str:
    def take(match: re.Match[str]) -> str:
        years = {"재작년": 2, "前年": 2, "올해": 0, "今年": 0}.get(match["which"], 1)
        month = _SEASONS[match["season"]]
        if match["which"] in {"지난", "이번"}:
            found.append(_named_months(month, 3, this=match["which"] == "이번"))
        else:
            found.append(lambda anchor: _months(_at(anchor).year - years, month, 3))
        return " "

    return _LAST_SEASON.sub(take, text)


def _named_months(month: int, count: int, *, this: bool) -> Callable[[float], Interval]:
    """The last such months that had begun at the anchor; when not `this`, that were over."""

    def interval(anchor: float) -> Interval:
        year = _at(anchor).year
        while (months := _months(year, month, count)).start > anchor or (not this and months.end > anchor):
            year -= 1
        return months

    return interval


def _weekday_read(text: str, found: list[Callable[[float], Interval]]) -> str:
    def take(match: re.Match[str]) -> str:
        weekday = _WEEKDAY_LETTERS[match["weekday"]]
        week = _shifted("week", -1)
        found.append(lambda anchor: _day_of(week(anchor), weekday))
        return " "

    return _LAST_WEEKDAY.sub(take, text)


def _day_of(week: Interval, weekday: int) -> Interval:
    start = week.start + weekday * DAY
    return Interval(start, start + DAY)


def _count(word: str) -> int:
    return int(word) if word.isdigit() else _NUMBERS[word]


def _past_read(text: str, found: list[Callable[[float], Interval]]) -> str:
    def take(match: re.Match[str]) -> str:
        begin = _shifted(_UNITS[match["unit"]], -_count(match["n"]))
        found.append(lambda anchor: Interval(begin(anchor).start, anchor))
        return " "

    return _PAST.sub(take, text)


def _ago_read(text: str, found: list[Callable[[float], Interval]]) -> str:
    def take(match: re.Match[str]) -> str:
        found.append(_shifted(_UNITS[match["unit"]], -_count(match["n"])))
        return " "

    for pattern in _AGO:
        text = pattern.sub(take, text)
    return text


def _last_read(text: str, found: list[Callable[[float], Interval]]) -> str:
    def take(match: re.Match[str]) -> str:
        which, what = match["which"], match["what"]
        by = {"this": 0, "next": 1}.get(which, -1)
        if what in {"day", "week", "month", "year"}:
            found.append(_shifted(what, by))
        elif what == "weekend":
            week = _shifted("week", by)
            found.append(lambda anchor: Interval(week(anchor).start + 5 * DAY, week(anchor).end))
        elif what in _WEEKDAYS:
            found.append(_weekday_before(_WEEKDAYS[what], by))
        elif which == "next":
            return match[0]
        elif what in _SEASONS:
            found.append(_named_months(_SEASONS[what], 3, this=by == 0))
        else:
            found.append(_named_months(_MONTHS[what], 1, this=by == 0))
        return " "

    return _LAST.sub(take, text)


def _weekday_before(weekday: int, by: int) -> Callable[[float], Interval]:
    def interval(anchor: float) -> Interval:
        today = _shifted("day", 0)(anchor)
        back = (_at(anchor).weekday() - weekday) % 7
        days = back or 7 if by < 0 else back - 7 if by > 0 and back else back - 7 if by > 0 else back
        return Interval(today.start - days * DAY, today.end - days * DAY)

    return interval


def _fixed_read(text: str, found: list[Callable[[float], Interval]]) -> str:
    def take(match: re.Match[str]) -> str:
        found.append(_shifted(*_FIXED[match[0]]))
        return " "

    return _FIXED_PATTERN.sub(take, text)


def asks_when(query: str) -> bool:
    """The question asks for a time."""
    return _WHEN.search(query.casefold()) is not None


_WHEN = re.compile(
    r"\bwhen\b|\b(?:what|which) (?:date|day|month|year|time)\b|\bhow long\b|\bhow many (?:days|weeks|months|years)\b"
    r"|언제|며칠|몇\s*(?:월|일|년|주|달)|날짜|연도|什么时候|何时|哪(?:一)?[天年]|几[月号日]|多久|日期|いつ|何[年月日]|何曜日"
    r"|\bwann\b|\bquand\b|\bcuándo\b|\bquando\b"
)


def tells_time(text: str, terms: Collection[str]) -> bool:
    """The text says a time.

    Parameters
    ----------
    terms: of the text, as the analyzer makes them.
    """
    return not _time_terms().isdisjoint(terms) or (not text.isascii() and _DATED.search(text) is not None)


_DATED = re.compile(
    r"[\d〇一二三四五六七八九十]\s*[年月日号號년월일]|\d\s*[点點時时시]"
    r"|星期|礼拜|[周週][一二三四五六日天末]|[月火水木金土日]曜|요일|주말"
)
"""Dates, hours and days of the week where characters say them; two neighbours are not enough to."""


@cache
def _time_terms() -> frozenset[str]:
    words = (
        "yesterday today tonight tomorrow ago last next week weekend month year morning night day days since recently"
        " summer winter spring fall autumn"
    )
    return frozenset([*analyze(" ".join([words, *_WEEKDAYS, *_MONTH_NAMES])), *_TIME_PAIRS.split()])


_MONTH_NAMES = [month for month in _MONTHS if len(month) > 3 and month.isascii() and month not in _AMBIGUOUS_MONTHS]
_TIME_PAIRS = (
    "어제 오늘 내일 지난 작년 올해 주일 요일"
    " 昨天 今天 明天 上周 去年 今年 上个 昨日 今日 明日 先週 先月 来週"
)  # fmt: skip
