"""Text to sentences, and which of them say most."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recollect.recall.centrality import Sentences
from recollect.recall.sentences import LONGEST, sentences


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        (" \n\t ", []),
        ("Hello", ["Hello"]),
        ("Hello. It is me! Who? Me...", ["Hello.", "It is me!", "Who?", "Me..."]),
        ("Dr. Kim met Mr. J. R. Smith at 9 a.m. on Monday. Then they left.", 2),
        (
            "It costs 3.50 at example.com. Version 1.2.3 is out.",
            ["It costs 3.50 at example.com.", "Version 1.2.3 is out."],
        ),
        ('He said "No." Then he left.', ['He said "No."', "Then he left."]),
        ("One line\nanother line\n\n\nthird", ["One line", "another line", "third"]),
        ("부산에 갑니다. 강아지도 가요!", ["부산에 갑니다.", "강아지도 가요!"]),
        ("私の犬です。雷が苦手です!そうですか?", ["私の犬です。", "雷が苦手です!", "そうですか?"]),
        ("私の犬です\uff01雷が苦手です\uff1fそうです\uff61", 3),
        ("부산에 갑니다.강아지도 가요.", 2),
        ("彼は「はい。」と言った。帰った。", 3),
        ("我的狗叫雷克斯。它害怕打雷!", ["我的狗叫雷克斯。", "它害怕打雷!"]),
        ("spread   over\tblanks.", ["spread over blanks."]),
    ],
)
def test_sentences(text: str, found: list[str] | int) -> None:
    """Ends of lines, full stops with a blank behind them, East Asian ones without; not abbreviations, numbers, names."""
    got = sentences(text)
    assert got == found if isinstance(found, list) else len(got) == found


@given(st.text() | st.text(alphabet="ab. !?。\n\u3000:,「」\"'", max_size=2000))
def test_nothing_is_lost(text: str) -> None:
    """Everything but white space is in some sentence, in order; none is empty or too long."""
    found = sentences(text)
    assert "".join("".join(found).split()) == "".join(text.split())
    assert all(0 < len(one) <= LONGEST and one == " ".join(one.split()) for one in found)


@pytest.mark.parametrize("unit", ["a", "a ", ".", "'.", "Mr. ", "。", "\n", '."', "a,"])
def test_long_texts_take_time_in_proportion(unit: str) -> None:
    """Twenty times as much takes no more than some hundred times as long, whatever it consists of."""

    def taken(count: int) -> float:
        begin = time.process_time()
        sentences(unit * count)
        return time.process_time() - begin

    small = max(taken(5_000), 0.002)
    assert taken(100_000) < 120 * small


def test_the_odd_one_out_is_not_central() -> None:
    """Sentences about the same are more central than one about nothing that the others speak of."""
    texts = [
        "The rocket will start from the northern site",
        "At the northern site a rocket waits",
        "Nobody may enter the site when a rocket waits",
        "Bananas are yellow",
        *[f"filler {i} word{i} thing{i} noise{i}" for i in range(30)],
    ]
    known = Sentences(texts)
    central = known.central([1.0] * len(texts))
    assert min(central[:3]) > max(central[3:])
    assert central[-1] == pytest.approx(0.15)


def test_what_is_alike_is_chosen_once() -> None:
    """Of two that say the same one is taken; the order is that of their worth; the same each time."""
    texts = ["a red bicycle with a bent wheel", "a bent wheel with a red bicycle", "a blue boat at sea", "rain in May"]
    known = Sentences(texts)
    chosen = known.choose([4.0, 3.0, 2.0, 1.0], lambda index: True)
    assert chosen == [0, 2, 3]
    assert Sentences(texts).choose([4.0, 3.0, 2.0, 1.0], lambda index: True) == chosen
    assert known.choose([1.0, 1.0, 1.0, 1.0], lambda index: index != 0)[0] == 1


def test_nothing_to_choose_from() -> None:
    """No sentences, and sentences without words."""
    assert Sentences([]).central([]) == []
    assert Sentences([]).choose([], lambda index: True) == []
    assert Sentences(["!", "?"]).choose([1.0, 1.0], lambda index: True) == []
