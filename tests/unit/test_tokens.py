"""The token estimate: near the exact count on ordinary text, never far below it, in time that grows with the text."""

from __future__ import annotations

import sys
import time
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recollect import ConfigError, Recollect, estimate_tokens, tiktoken_counter

# The exact o200k_base counts come from `tools/exact_tokens.mjs`.
SAMPLES = [
    (
        "English",
        "Yesterday we walked along the river until it got dark, and then she told me that the job in Boston had fallen through. I said we could still move in spring if the flat sells, but neither of us believed it.",
        45,
    ),
    (
        "Korean",
        "어제 저녁에는 강가를 따라 어두워질 때까지 걸었고, 그녀는 보스턴의 일자리가 취소되었다고 말했다. 집이 팔리면 봄에 이사할 수 있다고 했지만 우리 둘 다 믿지 않았다.",
        57,
    ),
    (
        "Japanese",
        "昨日は暗くなるまで川沿いを歩きました。そのとき彼女は、ボストンの仕事がだめになったと話してくれました。家が売れれば春に引っ越せると言いましたが、二人とも信じていませんでした。",
        63,
    ),
    (
        "Chinese",
        "昨天我们沿着河边一直走到天黑，她告诉我波士顿的那份工作没有了。我说如果房子卖掉，春天我们还是可以搬家的，但我们俩都不相信。",
        46,
    ),
    (
        "Python",
        "def retry(call, attempts=3, pause=0.1):\n    for attempt in range(attempts):\n        try:\n            return call()\n        except ConnectionError as error:\n            if attempt == attempts - 1:\n                raise\n            time.sleep(pause * 2 ** attempt)\n",
        60,
    ),
    (
        "JavaScript",
        "export async function fetchJson(url, options = {}) {\n  const response = await fetch(url, { ...options, headers: { accept: 'application/json' } })\n  if (!response.ok) throw new Error(`${response.status} ${response.statusText}`)\n  return response.json()\n}\n",
        58,
    ),
    (
        "JSON",
        '{"items": [{"id": 17, "name": "aisle seat", "tags": ["travel", "plane"], "active": true, "price": 12.5}], "cursor": null}',
        44,
    ),
    (
        "SQL",
        "SELECT users.id, count(*) AS messages FROM users LEFT JOIN messages ON messages.user_id = users.id WHERE users.created_at > '2026-01-01' GROUP BY users.id ORDER BY messages DESC LIMIT 20;",
        45,
    ),
    (
        "digits",
        "The parcel 4815162342 left on 2026-11-21 at 07:45:12 and weighs 1250.75 kg; call +49 30 901820 for details.",
        43,
    ),
    ("emoji", "We won!!! 🎉🎉 See you at the party tonight 🥳🍕👩\u200d👩\u200d👧\u200d👦 can't wait ❤️👍🏽", 35),
]
SHORT = {"SQL", "JavaScript", "JSON"}
"""Dense code in a single short sample: a page of it is nearer (docs/explanation/tokens.md), a line may be a third over."""


@pytest.mark.parametrize(("name", "text", "exact"), SAMPLES, ids=[name for name, _, _ in SAMPLES])
def test_near_the_exact_count_and_never_far_below(name: str, text: str, exact: int) -> None:
    estimate = estimate_tokens(text)
    assert 0.85 * exact <= estimate <= (1.35 if name in SHORT else 1.15) * exact


@pytest.mark.parametrize(
    ("text", "least", "most"), [("Hi", 1, 2), ("안녕하세요", 2, 5), ("了解です", 2, 5), ("42", 1, 2)]
)
def test_sensible_for_a_word(text: str, least: int, most: int) -> None:
    assert least <= estimate_tokens(text) <= most


@given(st.text(alphabet=st.characters(exclude_categories=[])))
def test_any_text_has_a_count_and_only_the_empty_one_has_none(text: str) -> None:
    count = estimate_tokens(text)
    assert (count == 0) is (text == "")
    assert count <= 4 * len(text) + 1


@pytest.mark.parametrize("unit", ["a", "가", "😀", "word ", "漢字かな", "\n", "#*", "A1b2"])
def test_ten_megabytes_of_anything_in_time_that_grows_with_the_text(unit: str) -> None:
    small, large = unit * (200_000 // len(unit)), unit * (2_000_000 // len(unit))
    taken = []
    for text in (small, large):
        begin = time.process_time()
        estimate_tokens(text)
        taken.append(time.process_time() - begin)
    assert taken[1] < 2.0
    assert taken[1] < 60 * taken[0] + 0.05


def test_an_exact_counter_plugs_in() -> None:
    with Recollect("memory://", count_tokens=lambda text: len(text.split())) as memory:
        (stored,) = memory.session("s").append({"role": "user", "content": "three words here"})
        assert stored.tokens == 3 + 4
        assert [row.seq for row in memory.session("s").window(max_tokens=7)] == [1]
        assert memory.session("s").window(max_tokens=6) == []


def test_tiktoken_is_asked_for_with_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tiktoken", None)
    with pytest.raises(ConfigError, match=r'pip install "recollect\[tiktoken\]"'):
        tiktoken_counter()


def test_tiktoken_counts_special_tokens_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    class Encoding:
        def encode(self, text: str, *, disallowed_special: tuple[str, ...]) -> list[str]:
            assert disallowed_special == ()
            return text.split("|")

    module = ModuleType("tiktoken")
    monkeypatch.setattr(module, "get_encoding", lambda name: Encoding(), raising=False)
    monkeypatch.setitem(sys.modules, "tiktoken", module)
    assert tiktoken_counter()("<|endoftext|>") == 3
