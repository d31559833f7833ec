"""The context: what is in it, where it comes from, why the rest is not; and how it prints."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from recollect import Conflict, LimitExceeded, Recollect, SessionHandle
from recollect.testing.clock import ManualClock
from tests.library.contexts import check, memory_text, said, say, section
from tests.library.harness import Opener
from tests.library.logs import openai_call, openai_result

DAY = datetime(2024, 5, 1, tzinfo=UTC)


def talk(memory: Recollect, name: str = "now", user: str = "ann") -> SessionHandle:
    """Two sessions of a user; the older one knows what the newer asks."""
    memory.session("older", user).append(
        [
            say("The apollo rocket stands in hangar nine.", created_at=DAY, id="1"),
            say("Noted.", "assistant", created_at=DAY + timedelta(seconds=1), id="2"),
        ]
    )
    session = memory.session(name, user)
    session.append(
        [say("Be brief.", "system"), say("Hello"), say("Hi!", "assistant"), say("Where is the apollo rocket?")]
    )
    return session


def test_all_sections(memory: Recollect) -> None:
    """Instructions, then what is remembered, then the window; each section is there and counted."""
    memory.user("ann").preferences.put({"seat": "aisle", "music": {"genre": ["jazz", "soul"]}, "loud": False})
    session = talk(memory)
    context = session.context()
    check(context, session.read().items)
    assert [(one.name, one.count) for one in context.sections] == [
        ("instructions", 1), ("preferences", 3), ("recalled", 2), ("window", 3)
    ]  # fmt: skip
    assert context.messages[0] == say("Be brief.", "system")
    assert [message["role"] for message in context.messages] == ["system", "system", "user", "assistant", "user"]
    text = memory_text(context)
    for shown in ("seat: aisle", "jazz", "soul", "loud: no", "2024-05-01", "stands in hangar nine"):
        assert shown in text, shown
    assert context.recalled[0].text == "The apollo rocket stands in hangar nine."
    assert context.dropped == []
    assert context.to_dict()["messages"] == context.messages


def test_roles_of_frameworks_are_sent_in_the_words_of_models(memory: Recollect) -> None:
    """``human`` and ``ai`` would be refused by an endpoint; the stored messages keep the words they were given in."""
    session = memory.session("s")
    given = [
        say("Rules.", "developer"),
        say("Hello", "human"),
        say("Hi!", "ai"),
        say("Well?", "model"),
        say("So?", "user"),
    ]
    session.append(given)
    sent = [message["role"] for message in session.context().messages]
    assert sent == ["developer", "user", "assistant", "assistant", "user"]
    assert [message.to_provider() for message in session.read()] == given


def test_the_result_of_a_tool_is_not_the_question(memory: Recollect) -> None:
    """In Anthropic's shape a tool's result comes in the user's name; what is looked for is what the user asked."""
    memory.session("older", "ann").append([say("The apollo rocket stands in hangar nine.", created_at=DAY)])
    session = memory.session("now", "ann")
    call = {"type": "tool_use", "id": "c", "name": "look", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "c", "content": "Sunny, 22 degrees."}
    asked = say("Where is the apollo rocket?")
    session.append([asked, {"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}])
    context = session.context()
    assert "stands in hangar nine" in memory_text(context)


def test_the_summary_stands_for_what_the_window_cannot_show(memory: Recollect) -> None:
    """With little room the summary is shown; when the window shows everything, it is left out, with its reason."""
    session = memory.session("s")
    session.append([say(f"{i} " + "talk " * 50) for i in range(40)])
    session.save_summary("They counted to thirty.", covers_seq=30)
    small, large = session.context(max_tokens=600), session.context(max_tokens=100_000)
    assert "They counted to thirty." in memory_text(small)
    assert section(small, "summary") > 0
    assert "They counted" not in memory_text(large)
    assert [(one.section, one.why) for one in large.dropped] == [("summary", "the window shows all it covers")]
    assert len(large.window) == 40


def test_a_summary_of_what_has_expired_stays(opener: Opener) -> None:
    """The summary outlives the messages it stands for: then nothing but it can show them."""
    clock = ManualClock()
    session = opener(clock=clock).session("s")
    session.append([say(f"message {i}") for i in range(10)], ttl=60)
    session.save_summary("Her dog is called Rex.", covers_seq=10)
    clock.forward(60)
    session.append(say("What is my dog called?"))
    context = session.context()
    assert len(context.window) == 1
    assert "Rex" in memory_text(context), str(context)


def test_recalls_for_the_newest_question_within_a_tool_loop(memory: Recollect) -> None:
    """After a tool's result the question is still the newest user message, as the docstring says."""
    session = talk(memory)
    session.append([openai_call("x"), openai_result("x")])
    context = session.context()
    assert {said(hit).session_id for hit in context.recalled} == {"older"}, str(context)


def test_a_question_of_ones_own(memory: Recollect) -> None:
    """`query` decides what is recalled, and is not sent; one without words recalls nothing."""
    session = talk(memory)
    session.append(say("Thanks"))
    assert session.context().recalled == []
    context = session.context("which hangar?")
    assert [said(hit).id for hit in context.recalled] == ["1"]
    assert not any("which hangar" in str(message["content"]) for message in context.messages)
    for empty in ("", " ", "?!"):
        assert session.context(empty).recalled == []


def test_same_ids_in_two_sessions(memory: Recollect) -> None:
    """Ids and numbers belong to a session: a passage of another with the same ones is recalled, not taken as shown."""
    memory.session("older", "ann").append(say("The apollo rocket is red.", id="same"))
    session = memory.session("now", "ann")
    session.append(say("What colour has the apollo rocket?", id="same"))
    context = session.context()
    assert [(said(hit).session_id, said(hit).seq) for hit in context.recalled] == [("older", 1)]
    assert [message.session_id for message in context.window] == ["now"]


def test_recall_finds_what_fell_out_of_the_window(memory: Recollect) -> None:
    """Of the session itself, what the window cannot show is recalled, also for a session without a user."""
    session = memory.session("s")
    session.append(say("The secret word is xylophone."))
    session.append([say(f"{i} " + "talk " * 30) for i in range(60)])
    session.append(say("Which secret word did I tell?"))
    context = session.context(max_tokens=500)
    check(context, session.read(limit=1000).items)
    assert said(context.recalled[0]).seq == 1


def test_what_others_said_stays_theirs(memory: Recollect) -> None:
    """Nothing of another user, of sessions without one, or of another scope is recalled or preferred."""
    for place in (memory.session("x", "eve"), memory.session("y"), memory.in_scope("t").session("z", "ann")):
        place.append(say("The apollo rocket is a fake."))
    memory.user("eve").preferences.set("seat", "fake")
    memory.in_scope("t").user("ann").preferences.set("seat", "fake")
    session = talk(memory)
    assert "fake" not in str(session.context().messages)
    assert "fake" not in str(memory.session("alone").context("apollo").messages)
    with pytest.raises(Conflict):
        memory.session("now", "eve").context()


def test_the_sessions_own_user_counts(memory: Recollect) -> None:
    """A handle without a user has the preferences and passages of the session's owner."""
    session = talk(memory)
    memory.user("ann").preferences.set("seat", "aisle")
    assert memory.session("now").context() == session.context()
    assert "aisle" in memory_text(memory.session("now").context())


def test_deterministic(opener: Opener) -> None:
    """The same store and question give the same context, to any client with the same counter."""
    memory = opener()
    session = talk(memory)
    for i in range(30):
        memory.session(f"more {i}", "ann").append(say("apollo rocket", created_at=DAY))
    first = session.context(max_tokens=300)
    assert [session.context(max_tokens=300) for _ in range(3)] == [first] * 3
    assert opener(memory.store).session("now", "ann").context(max_tokens=300) == first
    assert first.recalled


def test_the_newest_does_not_fit(opener: Opener) -> None:
    """`LimitExceeded` says how large it is and changes nothing; one token more and it fits."""
    session = opener(count_tokens=len).session("s", "u")
    session.append([say("old"), say("x" * 96)])
    with pytest.raises(LimitExceeded, match=r"100.*99"):
        session.context(max_tokens=99)
    context = session.context(max_tokens=100)
    assert [message.seq for message in context.window] == [2]
    assert [(one.section, one.tokens) for one in context.dropped] == [("window", 7)]
    assert [message.seq for message in session.context(max_tokens=107).window] == [1, 2]


def test_a_newest_tool_result_brings_its_call(opener: Opener) -> None:
    """The newest unit is the call with its result; it is judged as a whole."""
    session = opener(count_tokens=lambda text: 10).session("s")
    session.append([say("go"), openai_call("x"), openai_result("x")])
    with pytest.raises(LimitExceeded):
        session.context(max_tokens=27)
    assert [message.seq for message in session.context(max_tokens=28).window] == [2, 3]


def test_of_nothing(memory: Recollect) -> None:
    """A session that is not there has an empty context; the user's preferences are shown even so."""
    context = memory.session("nobody").context()
    assert (context.messages, context.sections, context.dropped, context.tokens) == ([], [], [], 0)
    memory.user("ann").preferences.set("seat", "aisle")
    context = memory.session("new", "ann").context()
    assert [message["role"] for message in context.messages] == ["system"]
    assert "aisle" in str(context.messages[0]["content"])
    assert memory.session("new").info() is None


def test_instructions_and_preferences_have_their_share(opener: Opener) -> None:
    """What is over its share is dropped by name with its cost; the newest message is never pushed out."""
    memory = opener(count_tokens=len)
    memory.user("u").preferences.put({"a": "short", "b": "long " * 100, "c": "short"})
    session = memory.session("s", "u")
    session.append([say("rules " * 200, "system"), say("hi"), say("be kind", "system"), say("there")])
    context = session.context(max_tokens=1000)
    assert [(one.section, one.what) for one in context.dropped] == [("instructions", "message 1"), ("preferences", "b")]
    assert context.dropped[0].tokens == 1204
    assert {s.name: s.count for s in context.sections} == {"instructions": 1, "preferences": 2, "window": 2}
    check(context, session.read().items)


def test_prints_as_a_table(opener: Opener) -> None:
    """One line for each section and each thing dropped, in columns, and the sum; whatever the names are."""
    memory = opener(count_tokens=len)
    user = memory.user("u")
    user.preferences.put({"seat": "aisle", "new\nline": "long " * 300})
    memory.session("older\nsession", "u").append(say("rocket " * 300))
    session = memory.session("s", "u")
    session.append([say("be kind", "system"), say("old " * 300), say("rocket")])
    context = session.context(max_tokens=900)
    assert {one.section for one in context.dropped} == {"preferences", "recalled", "window"}
    rows = str(context).splitlines()
    assert len(rows) == 1 + len(context.sections) + len(context.dropped) + 1
    assert rows[0].split() == ["section", "tokens", "count", "why"]
    assert rows[-1] == f"{context.tokens} of 900 tokens"
    edge = rows[0].index("why")
    reasons = [one.why for one in context.sections] + [one.why for one in context.dropped]
    assert [row[edge:] for row in rows[1:-1]] == reasons
    assert {row[edge - 1] for row in rows[:-1]} == {" "}


def test_the_table_is_short(opener: Opener) -> None:
    """What was left out for one reason is told in a few lines, however much it is; nothing of it is lost in the record."""
    memory = opener(count_tokens=len)
    memory.user("ann").preferences.put({f"key {i:02}": "x" * 50 for i in range(40)})
    session = memory.session("s", "ann")
    session.append(say("Hello"))
    context = session.context(max_tokens=400)
    left_out = [one for one in context.dropped if one.section == "preferences"]
    assert len(left_out) == 40
    lines = [line for line in str(context).splitlines() if line.startswith("- preferences")]
    assert len(lines) == 4
    assert lines[-1].split()[:4] == ["-", "preferences:", "37", "more"]
    assert lines[-1].split()[4] == str(sum(one.tokens for one in left_out[3:]))
