"""The digest: each message once, new or known or in place of the old, whatever fails in between."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from recollect import (
    ExtractionTask,
    InvalidAnswer,
    InvalidInput,
    Message,
    Recollect,
    RuleExtractor,
    Statement,
    Unavailable,
)
from recollect.testing.clock import START, ManualClock
from tests.library.extractors import AsyncScripted, Scripted
from tests.library.harness import Opener


def said(memory: Recollect, user: str = "ann", *, closed: bool = False) -> list[str]:
    """What is known of a user."""
    return sorted(one.content for one in memory.user(user).memories(1000, closed=closed))


def test_what_is_said_is_kept(memory: Recollect) -> None:
    """With its kind, its source and its time; only of users, and only of what they say."""
    talk = memory.session("s", user="ann")
    talk.append(
        [
            Message("user", "Hello! I live in Seoul.", id="m1", created_at=START),
            Message("assistant", "I live in a computer. I love data.", id="m2", created_at=START),
            Message("user", "I love window seats, but I don't like coffee.", id="m3", created_at=START),
        ]
    )
    memory.session("nobody").append(Message("user", "I live in Paris."))
    report = memory.digest()
    assert report.to_dict() == {
        "sessions": 1, "messages": 2, "statements": 3, "new": 3, "superseding": 0, "known": 0, "aside": 0,
    }  # fmt: skip
    assert said(memory) == ["Does not like coffee.", "Likes window seats.", "Lives in Seoul."]
    (home,) = [one for one in memory.user("ann").memories() if one.kind == "fact"]
    assert home.source == {"session": "s", "messages": ["m1"]}
    assert (home.created_at, home.metadata["extractor"]) == (START, "rules")
    assert memory.user("ann").recall("where does she live?")[0].text


def test_each_message_once(memory: Recollect) -> None:
    """However often it is digested; what comes later is digested later."""
    model = Scripted()
    talk = memory.session("s", user="ann")
    for number in range(70):
        talk.append([Message("user", f"n{number}"), Message("assistant", "ok")])
    assert memory.digest(model).messages == 70
    assert model.seen == [f"n{number}" for number in range(70)]
    assert max(len([one for one in task.messages if one.role == "user"]) for task in model.tasks) == 20
    assert "n19" in [one.text for one in model.tasks[1].before]
    assert not any(memory.digest(model).to_dict().values())
    talk.append(Message("user", "later"))
    assert memory.digest(model).messages == 1
    assert model.seen[70:] == ["later"]


def test_a_new_client_goes_on(opener: Opener, url: str) -> None:
    """The place is kept in the store."""
    if "chat.db" not in url:
        pytest.skip("a store that lives in the client")
    first = opener()
    first.session("s", user="ann").append(Message("user", "one"))
    assert first.digest(Scripted()).messages == 1
    first.session("t", user="ann").append(Message("user", "two"))
    model = Scripted()
    assert opener().digest(model).messages == 1
    assert model.seen == ["two"]


def test_known_and_superseded(opener: Opener) -> None:
    """The same again changes nothing; another home closes the first, which an earlier instant still finds."""
    clock = ManualClock()
    memory = opener(clock=clock)
    memory.session("a", user="ann").append(Message("user", "I live in Busan"))
    memory.digest()
    clock.forward(3600)
    between = clock()
    clock.forward(3600)
    memory.session("b", user="ann").append(
        [Message("user", "I live in Busan!"), Message("user", "I live in Seoul now.")]
    )
    report = memory.digest()
    assert (report.known, report.superseding, report.new) == (1, 1, 0)
    assert said(memory) == ["Lives in Seoul."]
    assert said(memory, closed=True) == ["Lives in Busan.", "Lives in Seoul."]
    found = memory.user("ann").recall("lives in", as_of=between)
    assert "Lives in Busan." in [hit.text for hit in found]
    clock.forward(3600)
    memory.session("c", user="ann").append(Message("user", "I moved to Busan"))
    assert memory.digest().superseding == 1
    assert said(memory) == ["Lives in Busan."]
    assert len(said(memory, closed=True)) == 3


def test_what_was_said_before_what_is_known(memory: Recollect) -> None:
    """An old message that is digested late does not take the place of a newer one: it held until then."""
    memory.session("new", user="ann").append(Message("user", "I live in Seoul", created_at=START))
    memory.digest()
    old = START - timedelta(days=900)
    memory.session("old", user="ann").append(Message("user", "I live in Busan", created_at=old))
    memory.digest()
    assert said(memory) == ["Lives in Seoul."]
    (busan,) = [one for one in memory.user("ann").memories(closed=True) if "Busan" in one.content]
    assert (busan.created_at, busan.closed_at) == (old, START)


def test_a_negation_is_not_the_same(memory: Recollect) -> None:
    """It takes the place of what it denies."""
    memory.session("s", user="ann").append([Message("user", "I like tea"), Message("user", "I don't like tea anymore")])
    memory.session("s", user="ann").append(Message("user", "I do not like tea"))
    memory.digest()
    assert said(memory) == ["Does not like tea."]


def test_nearly_the_same_is_not_the_same(memory: Recollect) -> None:
    """Words in another order, another number, a negation; only articles do not count."""
    texts = [
        "I prefer tea to coffee",
        "I prefer coffee to tea",
        "I like the 2 cats of Mina",
        "I like the 3 cats of Mina",
    ]
    memory.session("s", user="ann").append([Message("user", text) for text in texts])
    model = Scripted(
        lambda task: (
            [Statement(content=one.text, messages=[one.id]) for one in task.messages]
            + [Statement(content="i like 3 cats of mina", messages=[task.messages[-1].id])]
        )
    )
    report = memory.digest(model)
    assert (report.new, report.known) == (4, 1)
    assert said(memory) == sorted(texts)


@pytest.mark.parametrize("error", [Unavailable("away"), TimeoutError("slow"), RuntimeError("bug")])
def test_a_failure_leaves_all_as_it_was(memory: Recollect, error: Exception) -> None:
    """It reaches the caller, what was digested before stays, and the rest is digested by the next one, at once."""
    memory.session("s", user="ann").append([Message("user", f"n{number}") for number in range(40)])
    model = Scripted()
    model.says = lambda task: (
        error if len(model.tasks) == 2 else [Statement(content="x", messages=[task.messages[0].id])]
    )
    with pytest.raises(type(error)):
        memory.digest(model)
    after = Scripted()
    assert memory.digest(after).messages == 20
    assert after.seen == [f"n{number}" for number in range(20, 40)]


def test_no_valid_answer_is_set_aside(memory: Recollect) -> None:
    """The digest goes on behind it, and it is tried again when that is asked for; nothing is lost."""
    memory.session("s", user="ann").append([Message("user", f"n{number}") for number in range(60)])
    bad = Scripted(lambda task: InvalidAnswer("prose") if task.messages[0].text == "n20" else [])
    report = memory.digest(bad)
    assert (report.messages, report.aside) == (60, 20)
    assert not any(memory.digest(bad).to_dict().values())
    still = memory.digest(bad, again=True)
    assert still.aside == 20
    good = Scripted()
    report = memory.digest(good, again=True)
    assert (report.messages, report.new, report.aside) == (20, 20, 0)
    assert good.seen == [f"n{number}" for number in range(20, 40)]
    assert not any(memory.digest(good, again=True).to_dict().values())


def test_what_is_no_statement_is_dropped(memory: Recollect) -> None:
    """Unknown ids, what the assistant said, other kinds, texts, nothing."""
    memory.session("s", user="ann").append([Message("user", "hi", id="u"), Message("assistant", "hi", id="a")])
    model = Scripted(
        [
            Statement(content="of nobody", messages=["zzz"]),
            Statement(content="of the assistant", messages=["a"]),
            Statement(content="no source"),
            Statement(content="other kind", kind="poem", messages=["u"]),
            Statement(content="x" * 1001, messages=["u"]),
            Statement(content="  ", messages=["u"]),
            "no statement",
            Statement(content="good \ud800 one", messages=["u", "zzz", "u"]),
        ]
    )
    assert memory.digest(model).statements == 1
    (kept,) = memory.user("ann").memories()
    assert (kept.content, kept.source) == ("good ? one", {"session": "s", "messages": ["u"]})


def test_supersedes_by_id(memory: Recollect) -> None:
    """An extractor is shown what is known, and may say that it holds no longer."""
    known = memory.user("ann").remember("Ann lives in Busan")
    memory.session("s", user="ann").append(Message("user", "We live in Seoul these days, not in Busan"))

    def says(task: ExtractionTask) -> list[Statement]:
        assert [one.id for one in task.known] == [known.id]
        return [Statement(content="Ann lives in Seoul", messages=[task.messages[0].id], supersedes=known.id)]

    assert memory.digest(Scripted(says, max_known=5)).superseding == 1
    assert said(memory) == ["Ann lives in Seoul"]
    again = Scripted([Statement(content="other", messages=["m"], supersedes="gone")])
    memory.session("s", user="ann").append(Message("user", "x", id="m"))
    assert memory.digest(again).new == 1


def test_left_out(memory: Recollect) -> None:
    """Sessions and messages that say so; what is no text."""
    memory.session("off", user="ann").append(Message("user", "I live in Seoul"))
    memory.session("off").update(metadata={"digest": False})
    memory.session("on", user="ann").append(
        [Message("user", "I live in Busan", metadata={"recall": False}), Message("user", ""), Message("user", " ")]
    )
    model = Scripted()
    memory.digest(model)
    assert model.seen == []
    memory.session("off").update(metadata={"digest": None})
    memory.digest(model)
    assert model.seen == ["I live in Seoul"]


def test_a_feed_that_was_swept(opener: Opener) -> None:
    """Then all sessions are looked at, and nothing is digested twice."""
    clock = ManualClock()
    memory = opener(clock=clock)
    memory.session("a", user="ann").append(Message("user", "one"))
    assert memory.digest(Scripted()).messages == 1
    memory.session("b", user="ann").append(Message("user", "two"))
    clock.forward(400 * 86400)
    memory.session("c", user="ann").append(Message("user", "three"))
    memory.sweep()
    model = Scripted()
    memory.digest(model)
    assert model.seen == ["two", "three"]
    assert said(memory) == ["Said: one", "Said: three", "Said: two"]


def test_a_session_made_again(memory: Recollect) -> None:
    """Another under the name of one that was deleted is digested from its beginning."""
    memory.session("s", user="ann").append([Message("user", "one"), Message("user", "two")])
    memory.digest(Scripted())
    memory.session("s").delete()
    memory.session("s", user="ann").append(Message("user", "three"))
    model = Scripted()
    memory.digest(model)
    assert model.seen == ["three"]


def test_a_user_who_is_forgotten_meanwhile(memory: Recollect, mode: str) -> None:
    """Nothing of what was being drawn is kept."""
    if mode == "async":
        pytest.skip("the harness drives one call at a time")
    memory.session("s", user="ann").append(Message("user", "one"))
    model = Scripted()
    model.meanwhile = lambda: memory.user("ann").forget()
    memory.digest(model)
    assert said(memory, closed=True) == []
    assert not any(memory.digest(model).to_dict().values())


def test_tenants_are_apart(memory: Recollect) -> None:
    """Each has a place of its own in its own feed."""
    other = memory.in_scope("other")
    memory.session("s", user="ann").append(Message("user", "I live in Seoul"))
    other.session("s", user="ann").append(Message("user", "I live in Busan"))
    assert other.digest().new == 1
    assert (said(memory), said(other)) == ([], ["Lives in Busan."])
    assert memory.digest().new == 1


def test_coroutines_and_progress(memory: Recollect) -> None:
    """A coroutine function serves with either client; the figures so far are told."""
    for name in "abc":
        memory.session(name, user="ann").append(Message("user", name))
    told: list[int] = []
    memory.digest(AsyncScripted(), progress=lambda report: told.append(report.sessions))
    assert told == [1, 2, 3]


@pytest.mark.parametrize("wrong", ["rules", object(), lambda task: []])
def test_no_extractor(memory: Recollect, wrong: Any) -> None:
    """Is refused before anything is read."""
    with pytest.raises(InvalidInput) as caught:
        memory.digest(wrong)
    assert caught.value.field == "extractor"


def test_ten_megabytes(memory: Recollect) -> None:
    """A message is read no further than its extractor can; hostile ids are ids."""
    for number, name in enumerate(["a/b", "x" * 512, "digest", "💬", "a\0b"]):
        memory.session(name, user=name).append(
            Message("user", "I live in Seoul. " + ("word " * 2_000_000 if number == 0 else ""), id=name)
        )
    report = memory.digest(RuleExtractor())
    assert (report.messages, report.new) == (5, 5)
