"""Text to terms: what finds what, and that nothing is lost by stems, languages or what cannot be seen."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recollect.recall.analyzer import LONG_PIECE, Kind, analyze, analyze_as, query_terms, query_words, term_text
from recollect.recall.stems import MAX_TERM

TEXTS = st.text(max_size=60)


def finds(query: str, text: str) -> bool:
    return not set(query_terms(query)).isdisjoint(analyze(text))


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("paint", "I was PAINTING sunsets"),
        ("running shoes", "a run"),
        ("When did she go?", "she went home"),
        ("child", "the children"),
        ("cafe", "Café au lait"),
        ("café", "the cafe"),
        ("ＦＵＬＬ", "full width"),
        ("STRASSE", "in der Straße"),
        ("hund", "Ich habe zwei Hunde und eine Katze"),
        ("gatos", "Tengo un gato que se llama Luis"),
        ("книга", "я читаю книги"),
        ("σπιτι", "το σπίτι μου"),
        ("كتاب", "الكِتَاب على الطاولة"),
        ("किताब", "मेरी किताब है"),
        ("맛집", "어제 간 맛집은 좋았다"),
        ("한국어", "한국어를 공부한다"),
        ("公园", "我去了绿禾公园"),
        ("東京", "先週東京へ行った"),
        ("สวัสดี", "เขาพูดว่าสวัสดีครับ"),
        ("snake_case", "call it snake_case"),
        ("snake", "call it snake_case"),
        ("getUserName", "then getUserName() fails"),
        ("user name", "then getUserName() fails"),
        ("v1.2.3", "since v1.2.3-rc1"),
        ("ann@example.org", "mail ann@example.org, please"),
        ("example.org", "mail ann@example.org, please"),
        ("https://example.org/a/b?c=1", "see https://example.org/a/b?c=1"),
        ("1234", "it cost 1,234 dollars"),
        ("1,234", "it cost 1234 dollars"),
        ("2023-05-08", "on 2023-05-08 at noon"),
        ("😀", "well 😀👍🏽"),
        ("👍", "well 😀👍🏽"),
        ("🇰🇷", "from 🇰🇷"),
        ("zerowidth", "zero\u200bwidth"),
        ("שלום", "\u202bשָׁלוֹם\u202c"),
        ("o'brien", "O’Brien came"),
        ("naïve", "nai\u0308ve"),
    ],
)
def test_found(query: str, text: str) -> None:
    """A query finds a text that has its words, another form of them, or the word whole where it is made of parts."""
    assert finds(query, text)


@pytest.mark.parametrize(("query", "text"), [("cat", "category"), ("", "text"), ("!?", "text!?")])
def test_not_found(query: str, text: str) -> None:
    """What has no word of the query is not found."""
    assert not finds(query, text)


@settings(deadline=None)
@given(TEXTS)
def test_a_text_finds_itself(text: str) -> None:
    """Whatever language a text is taken for, the same words as a query are among its terms."""
    assert set(analyze(text)) <= set(query_terms(text))


@settings(deadline=None)
@given(st.lists(st.from_regex(r"[a-zäöüßéèñçåø]{2,9}", fullmatch=True), min_size=1, max_size=8))
def test_each_word_of_a_text_finds_it(words: list[str]) -> None:
    """A wrong guess of the language, of the text or of the query, loses no match of a word with itself."""
    terms = set(analyze(" ".join(words)))
    assert all(not terms.isdisjoint(query_terms(word)) for word in words)


@settings(deadline=None)
@given(TEXTS)
def test_terms_are_plain(text: str) -> None:
    """Terms hold no white space, are not empty and not endless; the same text has the same terms."""
    terms = analyze(text)
    assert all(term and not any(c.isspace() for c in term) for term in terms)
    assert all(len(term) <= MAX_TERM + 16 for term in terms)
    assert terms == analyze(text)


@settings(deadline=None)
@given(st.text(st.characters(max_codepoint=127), max_size=80))
def test_ascii_is_no_special_case(text: str) -> None:
    """ASCII takes a shorter way to the same words."""
    assert set(analyze(text)) <= set(analyze(text + " \u4e2d"))


@given(
    st.lists(
        st.one_of(TEXTS, st.sampled_from(["iPhone", "e.g.", "1,234", "Café,", "don't", "der", "하하-하"])), max_size=5
    )
)
def test_pieces_say_what_the_whole_says(parts: list[str]) -> None:
    """A text is looked at piece by piece, unless its pieces are long: then it is cut as a whole, with the same terms."""
    text = " ".join(parts)
    apart, whole = analyze_as(text), analyze_as("\n" * LONG_PIECE * (len(text) + 1) + text)
    assert apart == whole
    assert term_text(text) == " ".join(apart[0])


def test_long_run_is_cut() -> None:
    """A run of letters longer than the limit is cut, and still finds itself."""
    run = "a" * 500
    assert analyze(run) == [run[:MAX_TERM]]
    assert finds(run, f"x {run} y")


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("", "english"),
        ("pizza", "english"),
        ("Take care, my dog!", "english"),
        ("Where is the station?", "english"),
        ("Ich weiß nicht, wo der Bahnhof ist", "german"),
        ("Je ne sais pas où est la gare", "french"),
        ("No sé dónde está la estación", "spanish"),
        ("Não sei onde fica a estação, você sabe?", "portuguese"),
        ("Non so dove sia la stazione", "italian"),
        ("Ik weet niet waar het station is", "dutch"),
        ("Jag vet inte var stationen är", "swedish"),
        ("Nie wiem, gdzie jest dworzec", "polish"),
        ("İstasyon nerede bilmiyorum ama çok uzak değil", "turkish"),
        ("Aku tidak tahu di mana stasiun itu", "indonesian"),
    ],
)
def test_language(text: str, language: str) -> None:
    """The commonest words say the language; without any it is the default."""
    assert analyze_as(text)[1] == language


def test_kinds_of_words() -> None:
    """Ranking is told which words of a query say little."""
    kinds = {word.terms[0]: word.kind for word in query_words("When did 公园 and 노래 start?", ["english"])}
    assert kinds["when"] is kinds["did"] is Kind.STOP
    assert kinds["start"] is kinds["公园"] is kinds["노래"] is Kind.CONTENT
    assert kinds["公"] is Kind.IDEOGRAPH
    assert kinds["노"] is Kind.SYLLABLE
    assert [word.kind for word in query_words("茶")] == [Kind.CONTENT]
