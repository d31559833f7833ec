"""How text is shown: instants, sizes, wrapping while it arrives, what matches a query."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from recollect.cli.flow import Flow
from recollect.cli.highlight import excerpt
from recollect.cli.text import ago, clean, count, one_line, parse_when, size, without_password

NOW = datetime(2024, 5, 10, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "just now"),
        (9, "just now"),
        (59, "59 s ago"),
        (61, "1 min ago"),
        (7300, "2 h ago"),
        (86400, "1 day ago"),
        (86400 * 30, "30 days ago"),
        (86400 * 31, "2024-04-09"),
        (-3, "just now"),
        (-120, "in 2 min"),
    ],
)
def test_how_long_ago(seconds: int, expected: str) -> None:
    assert ago(NOW - timedelta(seconds=seconds), NOW) == expected


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://u:s3c@ret@host:6379/0?prefix=a", "redis://u:***@host:6379/0?prefix=a"),
        ("redis://:secret@host", "redis://:***@host"),
        ("postgresql+x://ann:p@[::1]/db", "postgresql+x://ann:***@[::1]/db"),
        ("redis://u@host:6379", "redis://u@host:6379"),
        ("dynamodb://eu/app?endpoint_url=http://h:8000", "dynamodb://eu/app?endpoint_url=http://h:8000"),
        ("sqlite:///a:b@c.db", "sqlite:///a:b@c.db"),
        ("file.db", "file.db"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, shown: str) -> None:
    assert without_password(url) == shown


def test_no_instant_is_no_text() -> None:
    assert ago(None) == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-05-01", datetime(2024, 5, 1).astimezone(UTC)),
        ("2024-05-01T14:00+02:00", datetime(2024, 5, 1, 12, tzinfo=UTC)),
        ("2024-05-01T14:00:00Z", datetime(2024, 5, 1, 14, tzinfo=UTC)),
    ],
)
def test_times_as_people_write_them(text: str, expected: datetime) -> None:
    assert parse_when(text) == expected


def test_how_long_ago_as_people_write_it() -> None:
    for text, seconds in (("90m", 5400), ("2h", 7200), ("7d", 604800), ("1.5 h", 5400), ("2W", 1209600)):
        assert abs((datetime.now(UTC) - parse_when(text)).total_seconds() - seconds) < 5


@pytest.mark.parametrize("text", ["", "yesterday", "2024-13-01", "5", "-1h", "9999999999999w", "h"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time"):
        parse_when(text)


def test_sizes_and_counts() -> None:
    assert [size(n) for n in (0, 999, 1000, 123_456, 5_000_000, 2e12)] == [
        "0 B",
        "999 B",
        "1.0 kB",
        "123 kB",
        "5.0 MB",
        "2.0 TB",
    ]
    assert [count(n, "message") for n in (0, 1, 3032)] == ["0 messages", "1 message", "3,032 messages"]


@given(st.text())
def test_clean_text_commands_no_terminal(text: str) -> None:
    shown = clean(text)
    assert all(ch == "\n" or not (ord(ch) < 32 or 127 <= ord(ch) < 160) for ch in shown)
    shown.encode()
    assert "\n" not in one_line(text)


@given(st.lists(st.text("ab c\n漢字가나 ", max_size=12)), st.integers(12, 40))
def test_flow_loses_nothing_and_keeps_the_width(pieces: list[str], width: int) -> None:
    out = io.StringIO()
    flow = Flow(out, width=width, indent=2)
    for piece in pieces:
        flow.write(piece)
    flow.finish()
    text, shown = "".join(pieces), out.getvalue()
    assert "".join(shown.split()) == "".join(text.split())
    assert all(cell_len(line) <= width for line in shown.splitlines())
    assert not any(line.endswith(" ") and line.strip() for line in shown.splitlines())


@given(st.lists(st.text("abc", min_size=1, max_size=8), min_size=1), st.integers(10, 40))
def test_flow_breaks_between_words(words: list[str], width: int) -> None:
    out = io.StringIO()
    flow = Flow(out, width=width)
    for character in " ".join(words):
        flow.write(character)
    flow.finish()
    assert [word for line in out.getvalue().splitlines() for word in line.split()] == words


def test_flow_in_a_pipe_changes_nothing() -> None:
    out = io.StringIO()
    flow = Flow(out, width=None)
    for piece in ("Hel", "lo,  two  spaces\n\n  indented ", "end"):
        flow.write(piece)
    flow.finish()
    assert out.getvalue() == "Hello,  two  spaces\n\n  indented end\n"


@pytest.mark.parametrize(
    ("query", "text", "found"),
    [
        ("lisbon", "In Lisbon, not Lisbonne", ["Lisbon"]),
        ("창가 자리", "창가자리를 좋아해요", ["창가", "자리"]),
        ("旅行", "去年の旅行は楽しかった", ["旅行"]),
        ("猫", "猫が好き", ["猫"]),
        ("a.b", "a.b and b", ["b", "b"]),
        ("???", "anything", []),
    ],
)
def test_what_matches_a_query(query: str, text: str, found: list[str]) -> None:
    shown = excerpt(text, query, 200)
    marked = "".join(shown.plain[span.start : span.end] for span in shown.spans)
    assert marked == "".join(found)


@given(st.text(max_size=300), st.text(max_size=50), st.integers(20, 60))
def test_excerpts_of_anything(text: str, query: str, length: int) -> None:
    shown = excerpt(text, query, length)
    assert len(shown.plain) <= length + 4
    if len(one_line(text)) <= length:
        assert shown.plain == one_line(text)
