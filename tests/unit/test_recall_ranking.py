"""What the ranking is made of: context, speakers, times, languages, vectors; and how good it is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from recollect.cli import eval_data
from recollect.recall.index import Document, PartitionIndex, Ranked

MAY = datetime(2023, 5, 8, 13, tzinfo=UTC).timestamp()
DAY = 86_400.0

TALK = [
    # (day, who, text): made for this test.
    (0, "Nora", "Hi Tom! Long time. How are you?"),
    (0, "Tom", "Hey Nora! I'm fine, busy with the allotment. And you?"),
    (0, "Nora", "I finally bought a sailing dinghy. Her name is Pelikan."),
    (0, "Tom", "Congratulations! Where do you keep it?"),
    (0, "Nora", "In the small harbour behind the lighthouse."),
    (0, "Tom", "Sounds lovely. My tomatoes did not survive the frost last week."),
    (0, "Nora", "Oh no, sorry about that."),
    (9, "Tom", "Guess what, we adopted a cat from the shelter yesterday!"),
    (9, "Nora", "Wonderful! What is it called?"),
    (9, "Tom", "Biscuit. He sleeps on the piano all day."),
    (9, "Nora", "I play the piano too, mostly Satie."),
    (9, "Tom", "My sister teaches it in Ghent."),
    (40, "Nora", "I had an accident with the dinghy, the mast broke."),
    (40, "Tom", "Are you hurt?"),
    (40, "Nora", "Only a bruise on my arm. The repair costs 1,200 euros."),
    (40, "Tom", "Biscuit learned to open the fridge, by the way."),
    (40, "Nora", "Ha! A clever cat."),
    (75, "Tom", "I got the job at the observatory! I start in August."),
    (75, "Nora", "Amazing, you dreamed of it since school."),
    (75, "Tom", "Yes, and we celebrated with dumplings from the night market."),
]
QUESTIONS = [
    ("What is the name of Nora's boat?", {2}),
    ("What is Nora's dinghy called?", {2}),
    ("Where does Nora keep the dinghy?", {4}),
    ("What is Tom's cat called?", {9}),
    ("When did Tom adopt a cat?", {7}),
    ("How much did the repair of the mast cost?", {14}),
    ("Who plays the piano, Nora or Tom?", {10}),
    ("Where does Tom's sister teach?", {11}),
    ("What happened to the tomatoes?", {5}),
    ("What new job did Tom get?", {17}),
    ("How did Tom celebrate?", {19}),
    ("Was Nora hurt in the accident?", {14}),
]


def talk() -> PartitionIndex:
    index = PartitionIndex()
    for i, (day, who, text) in enumerate(TALK):
        role = "user" if who == "Nora" else "assistant"
        index.extend(f"day-{day}", [Document(i, "", text, who, role, MAY + day * DAY + i)], linked=True)
    return index


def seqs(found: list[Ranked]) -> list[int]:
    return [hit.seq for hit in found]


def test_own_conversation() -> None:
    """On a conversation made for this test, the answers are among the first three."""
    index = talk()
    missed = [question for question, gold in QUESTIONS if not gold & set(seqs(index.search(question, limit=3)))]
    assert len(missed) <= 1, missed


def test_an_answer_is_found_by_its_question() -> None:
    """A turn that shares no word with the query is found by what is said around it, and the explanation says so."""
    found = talk().search("where do you keep the boat", limit=3)
    answer = next(hit for hit in found if hit.seq == 4)
    assert answer.explain["neighbours"] > 0
    assert answer.explain["neighbours"] > answer.explain.get("lexical", 0.0)


def test_memories_lend_nothing() -> None:
    """Documents of a log that is not linked stand for themselves."""
    index = PartitionIndex()
    index.extend("m", [Document(i, "", text, who, "user", MAY) for i, (_, who, text) in enumerate(TALK)], linked=False)
    assert {part for hit in index.search("cat", limit=9) for part in hit.explain} <= {
        "lexical",
        "question",
        "expansion",
    }


def test_silence_ends_a_conversation() -> None:
    """Turns hours apart are no neighbours, even in one log."""
    index = PartitionIndex()
    rows = [Document(1, "", "a red kite", None, "user", MAY), Document(2, "", "hello", None, "user", MAY + DAY)]
    index.extend("s", rows, linked=True)
    assert seqs(index.search("kite", limit=5)) == [1]


def test_speaker() -> None:
    """What the person named said comes before what is said to them; naming everyone changes nothing."""
    index = talk()
    nora, tom = index.search("What does Nora play?", limit=1)[0], index.search("Tom and Nora: piano", limit=1)[0]
    assert nora.seq == 10
    assert nora.explain["speaker"] > 0
    assert "speaker" not in tom.explain
    assert index.bare("What is Nora's boat called?") == "What is boat called?"
    assert seqs(index.search("Nora", limit=1))


@pytest.mark.parametrize(
    ("question", "now", "day"),
    [
        ("What did Tom say on May 17?", None, 9),
        ("What did Tom say on 17 May 2023?", None, 9),
        ("What did Tom tell me last week?", MAY + 16 * DAY, 9),
        ("What did Tom tell me in July 2023?", None, 75),
        ("톰이 5월 17일에 뭐라고 했지?", None, 9),
        ("5月17日汤姆说了什么？", None, 9),
        ("What did Tom tell me this week?", MAY + 2000 * DAY, 75),
    ],
)
def test_dates(question: str, now: float | None, day: int) -> None:
    """What is of the time that the question speaks of comes first; a time before all memory is counted from the newest."""
    found = talk().search(question, limit=1, now=now)
    assert {hit.log for hit in found} == {f"day-{day}"}
    assert found[0].explain["date"] > 0


def test_when_prefers_what_tells_a_time() -> None:
    """To a question for a time, a text that says one is a better answer."""
    found = talk().search("When did Tom adopt the cat?", limit=1)
    assert found[0].explain["time"] > 0


SELF_AND_OTHER = [
    (
        "Your painting of the harbour is great.",
        "I gave a painting of the harbour away.",
        "the painting of the harbour?",
    ),
    (
        "Dein Bild vom Hafen gefällt der Stadt.",
        "Mein Bild vom Hafen gehört der Stadt.",
        "Wem gehört das Bild vom Hafen?",
    ),
    ("Твоя картина о море очень хороша.", "Моя картина о море висит дома.", "картина о море где?"),
    ("你的画很好看，是港口的画。", "我的画在港口旁边卖掉了。", "港口的画怎么样了？"),
]


@pytest.mark.parametrize(("other", "own", "question"), SELF_AND_OTHER)
def test_what_is_told_of_oneself(other: str, own: str, question: str) -> None:
    """What somebody tells of themselves comes before what only speaks of the one it is said to."""
    index = PartitionIndex()
    rows = [Document(1, "", own, "Nora", "user", MAY), Document(2, "", other, "Tom", "assistant", MAY + DAY)]
    index.extend("s", rows, linked=True)
    first, second = index.search(question, limit=2)
    assert (first.seq, second.seq) == (1, 2)
    assert "person" not in first.explain
    assert second.explain["person"] < 0


def test_a_question_to_the_other() -> None:
    """Who asks "what did you say?" is not told what speaks of "you" any later; nor is a memory or a tool's result."""
    index = PartitionIndex()
    index.extend("s", [Document(1, "", "You can use basil in your sauce.", None, "assistant", MAY)], linked=True)
    index.extend("d", [Document(1, "", "You can use basil in your sauce.", None, "memory", MAY)], linked=True)
    ours = {hit.log: hit for hit in index.search("What did you say of the sauce?", limit=2)}
    assert "person" not in ours["s"].explain
    theirs = {hit.log: hit for hit in index.search("What can be in the sauce?", limit=2)}
    assert theirs["s"].explain["person"] < 0
    assert "person" not in theirs["d"].explain


def test_kinds_and_synonyms() -> None:
    """A question that names a kind finds what is of that kind, after what it says itself; the explanation says so."""
    index = PartitionIndex()
    texts = ["I practise the violin every day", "We adopted a puppy", "He purchased a lamp", "an instrument of torture"]
    index.extend("m", [Document(i, "", text, None, "user", MAY) for i, text in enumerate(texts)], linked=False)
    found = index.search("Which instruments does she own?", limit=9)
    assert seqs(found) == [3, 0]
    assert found[1].explain.keys() == {"expansion"}
    assert seqs(index.search("pets", limit=9)) == [1]
    assert seqs(index.search("What did he buy?", limit=9)) == [2]
    assert seqs(index.search("pets", limit=9, related=False)) == []


def test_related() -> None:
    """Without what is related, only what matches by itself or by its neighbours is found."""
    index = talk()
    matching = index.search("tomatoes", limit=50, related=False)
    assert seqs(matching)[0] == 5
    assert set(seqs(matching)) <= {3, 4, 5, 6}
    everything = index.search("tomatoes", limit=50)
    assert set(seqs(matching)) < set(seqs(everything)) <= set(range(7))
    assert {hit.seq: hit.score for hit in matching}.items() <= {hit.seq: hit.score for hit in everything}.items()


def test_stop_words_alone() -> None:
    """A query of nothing but stop words is one all the same."""
    assert seqs(talk().search("and you", limit=1))[0] in {1, 2}
    assert talk().search("zzz unknown the", limit=1) == [], "sharing a stop word is no answer to it"


def test_vectors_only_in_what_the_model_knows() -> None:
    """A query in a language or script that the model was not made for is ranked without it."""
    index = PartitionIndex()
    texts = ["나는 음악을 좋아한다", "기차를 탔다", "I like music", "Ich mag die Musik und das Meer"]
    index.extend("m", [Document(i, "", text, None, "user", MAY + i) for i, text in enumerate(texts)], linked=False)
    index.attach("m", range(4), np.eye(4))
    misleading = np.array([0.0, 1.0, 0.0, 0.0])
    for query in ("음악 좋아", "das Meer und die Musik"):
        assert seqs(index.search(query, limit=9, vector=misleading, knows=["english"])) == seqs(
            index.search(query, limit=9)
        )
    assert 1 in seqs(index.search("음악", limit=9, vector=misleading))
    assert 1 in seqs(index.search("음악", limit=9, vector=misleading, knows=["hangul"]))
    assert 1 in seqs(index.search("music", limit=9, vector=misleading, knows=["english"]))


def test_other_languages_in_one_partition() -> None:
    """A word is found in a text that was taken for another language than the query."""
    index = PartitionIndex()
    texts = [
        "Wir haben die Katzen gefüttert und sind gegangen",
        "the cat sat",
        "고양이가 잔다",
        "猫在睡觉",
        "кошки спят дома",
    ]
    index.extend("m", [Document(i, "", text, None, "user", MAY) for i, text in enumerate(texts)], linked=False)
    for query, seq in (("Katze", 0), ("Katzen", 0), ("cats", 1), ("고양이", 2), ("猫", 3), ("кошка", 4)):
        assert seqs(index.search(query, limit=1)) == [seq], query


DATA = os.environ.get("RECOLLECT_DATA")

# What the command `python bench/recall_quality.py` measures without a model, less two points: R@5, R@10, R@50.
FLOOR = {
    "locomo": (76.0, 82.0, 90.7),
    "korquad": (92.1, 94.5, 97.5),
    "memorybank-cn": (93.4, 98.0, 98.0),
    "memorybank-en": (95.8, 98.0, 98.0),
}


def answers(corpus: eval_data.Corpus) -> Iterator[tuple[eval_data.Question, list[str]]]:
    """Each question with the ids that are found."""
    index, ids = PartitionIndex(), {}
    for number, message in enumerate(corpus.messages):
        at = datetime.fromisoformat(message["created_at"]).timestamp() if "created_at" in message else number
        document = Document(number, message["id"], message["content"], message.get("name"), message["role"], at)
        index.extend(message["session"], [document], linked=True)
        ids[number] = message["id"]
    for question in corpus.questions:
        yield question, [ids[hit.seq] for hit in index.search(question.text, limit=50)]


@pytest.mark.slow
@pytest.mark.skipif(DATA is None, reason="the open data are not there: RECOLLECT_DATA says where they are")
@pytest.mark.parametrize("name", FLOOR)
def test_quality_on_the_open_data(name: str) -> None:
    """Recall on LoCoMo, KorQuAD and MemoryBank stays within two points of what was measured."""
    corpora = eval_data.read(Path(DATA or "")).get(name)
    if corpora is None:
        pytest.skip(f"{name} is not in {DATA}")
    results = [answer for corpus in corpora for answer in answers(corpus)]
    for k, floor in zip((5, 10, 50), FLOOR[name], strict=True):
        reached = 100 * sum(eval_data.recall_at(found, q.gold, k) for q, found in results) / len(results)
        assert reached >= floor, f"R@{k} is {reached:.1f}"
