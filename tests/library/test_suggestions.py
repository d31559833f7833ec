"""Preferences from conversation: suggested, accepted into the document, dismissed for good."""

from __future__ import annotations

from typing import Any

import pytest

from recollect import Conflict, Message, NotFound, Recollect, Statement
from tests.library.extractors import Scripted


def tell(memory: Recollect, *texts: str, session: str = "s") -> list[tuple[str, Any]]:
    """Say something and digest it; what is suggested then, the latest first."""
    memory.session(session, user="ann").append([Message("user", text) for text in texts])
    memory.digest()
    return suggested(memory)


def suggested(memory: Recollect) -> list[tuple[str, Any]]:
    """What is suggested."""
    return [(one.key, one.value) for one in memory.user("ann").suggestions()]


def test_accepted(memory: Recollect) -> None:
    """A favourite is set, what is liked is added to a list; the rest of the document stays. Once more changes nothing."""
    ann = memory.user("ann")
    ann.preferences.put({"language": "ko", "likes": "rain"})
    assert tell(memory, "I live in Seoul", "My favourite colour is blue", "I love window seats") == [
        ("likes", "window seats"),
        ("favourite_color", "blue"),
    ]
    likes, colour = ann.suggestions()
    assert (likes.content, likes.session, len(likes.messages)) == ("Likes window seats.", "s", 1)
    assert ann.accept(likes.id).values == {"language": "ko", "likes": ["rain", "window seats"]}
    assert suggested(memory) == [("favourite_color", "blue")]
    stored = ann.accept(colour.id)
    assert stored.values["favourite_color"] == "blue"
    assert ann.accept(colour.id) == ann.accept(likes.id) == stored
    assert suggested(memory) == []
    assert tell(memory, "I love window seats", session="t") == []
    assert ann.memory(likes.id) is not None


def test_a_change_of_mind(memory: Recollect) -> None:
    """The contrary is suggested in its place, and takes it out of the other list."""
    ann = memory.user("ann")
    tell(memory, "I like tea")
    (liked,) = ann.suggestions()
    ann.accept(liked.id)
    assert tell(memory, "I don't like tea any more") == [("dislikes", "tea")]
    with pytest.raises(Conflict):
        ann.accept(liked.id)
    assert ann.accept(ann.suggestions()[0].id).values == {"dislikes": ["tea"]}


def test_dismissed(memory: Recollect) -> None:
    """It does not come back, said again or digested again; another value does."""
    ann = memory.user("ann")
    tell(memory, "My favourite band is BTS")
    (band,) = ann.suggestions()
    assert ann.dismiss(band.id) == band
    assert suggested(memory) == []
    assert tell(memory, "My favourite band is BTS!", session="t") == []
    assert tell(memory, "My favourite band is Abba", session="u") == [("favourite_band", "Abba")]
    assert tell(memory, "My favourite band is BTS.", session="v") == []
    assert ann.preferences.get() == {}


def test_what_is_set_already_is_not_suggested(memory: Recollect) -> None:
    """By whomever."""
    memory.user("ann").preferences.put({"likes": ["Tea"], "favourite_color": "blue"})
    assert tell(memory, "I love tea", "My favourite color is blue") == []


def test_korean(memory: Recollect) -> None:
    """The same."""
    tell(memory, "저는 창가 자리를 좋아해요", "제가 가장 좋아하는 색은 파란색이에요")
    for one in memory.user("ann").suggestions():
        memory.user("ann").accept(one.id)
    assert memory.user("ann").preferences.get() == {"likes": ["창가 자리"], "favourite_색": "파란색"}


def test_without_a_key(memory: Recollect) -> None:
    """A preference that a model gives in words alone goes into a list of what was stated."""
    memory.session("s", user="ann").append(Message("user", "x", id="m"))
    memory.digest(Scripted([Statement(content="Wants short answers.", kind="preference", messages=["m"])]))
    (one,) = memory.user("ann").suggestions()
    assert memory.user("ann").accept(one.id).values == {"stated": ["Wants short answers."]}


def test_no_such_suggestion(memory: Recollect) -> None:
    """A memory that suggests nothing, somebody else's, none."""
    tell(memory, "I live in Seoul", "I like tea")
    fact = next(one.id for one in memory.user("ann").memories() if one.kind == "fact")
    (one,) = memory.user("ann").suggestions()
    hostile = memory.user("ann").remember("x", metadata={"suggests": {"key": 3}}).id
    for user, id in (("ann", fact), ("ann", "none"), ("ann", hostile), ("bob", one.id)):
        with pytest.raises(NotFound):
            memory.user(user).accept(id)
        with pytest.raises(NotFound):
            memory.user(user).dismiss(id)


def test_forgotten_with_the_user(memory: Recollect) -> None:
    """Nothing is left to suggest, and what was dismissed is not known any more."""
    tell(memory, "I like tea")
    memory.user("ann").forget()
    assert suggested(memory) == []
