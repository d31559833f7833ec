"""Seven steps that show whether a store carries the chatbot: ``python -m examples.concert_chatbot.validate [--url URL]``.

Everything is written under ids of its own and removed at the end, so it may run on tables that are in use. Leaves with 0 if
all steps passed, with 1 if not.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from examples.concert_chatbot.service import ConcertChatbotService

from recollect import RecollectError
from recollect.adapters.conversation import ConversationMemoryService


class Failed(Exception):
    """A step that did not show what it should."""


def check(holds: bool, otherwise: str) -> None:
    """Raise `Failed` unless something holds."""
    if not holds:
        raise Failed(otherwise)


class Validation:
    """The steps, in their order. Each returns what it has seen.

    Parameters
    ----------
    url: of the store.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        mark = f"validate-{uuid4()}"
        self._user, self._session, self._chat = mark, f"{mark}-messages", f"{mark}-chat"
        self._opened: ConversationMemoryService | None = None

    @property
    def _memory(self) -> ConversationMemoryService:
        if self._opened is None:
            raise Failed("there is no service")
        return self._opened

    def service(self) -> str:
        """The service is there."""
        self._opened = ConversationMemoryService(self._url)
        return self._memory.memory.store.url

    def tables(self) -> str:
        """The tables are made, or are there."""
        made = self._memory.create_tables_if_not_exist()
        check(bool(made) and all(made.values()), f"not as needed: {', '.join(name for name in made if not made[name])}")
        return ", ".join(made)

    def messages(self) -> str:
        """Messages come back whole and in order, the same one twice is stored once."""
        begin = datetime.now(UTC) - timedelta(minutes=10)
        texts = ["Hello!", "안녕하세요, 무엇을 도와드릴까요?", "A concert \U0001f3b7 in Busan, please.", ""]
        for number, text in enumerate(texts):
            for _ in range(2):
                self._memory.store_conversation_message(
                    self._session,
                    f"m-{number}",
                    ("user", "assistant")[number % 2],
                    text,
                    self._user,
                    {"number": number},
                    begin + timedelta(minutes=number),
                )
        found = self._memory.retrieve_conversation_history(self._session)
        check([message["content"] for message in found] == texts, f"stored {texts}, found {found}")
        check(
            [message["metadata"]["number"] for message in found] == [0, 1, 2, 3], "the metadata is not what was stored"
        )
        latest = self._memory.retrieve_conversation_history(self._session, limit=2)
        check(latest == found[-2:], "the latest two are not the last two")
        between = self._memory.retrieve_conversation_history(
            self._session, start_time=found[1]["timestamp"], end_time=found[2]["timestamp"]
        )
        check(between == found[1:3], "what lies between two timestamps is not what was stored there")
        by_user = self._memory.retrieve_user_conversations(self._user)
        check(by_user == found, "the user's conversations are not the session's messages")
        return f"{len(found)} messages"

    def preferences(self) -> str:
        """Preferences are stored, changed one by one, and read."""
        self._memory.store_user_preferences(self._user, {"genres": ["jazz"], "max_price": 30})
        self._memory.update_user_preference(self._user, "cities", ["Busan"])
        found = self._memory.retrieve_user_preferences(self._user)
        check(found == {"genres": ["jazz"], "max_price": 30, "cities": ["Busan"]}, f"found {found}")
        return ", ".join(found or ())

    def context(self) -> str:
        """The context of a reply has the recent messages, the preferences and the summary."""
        found = self._memory.get_context_for_response(self._session, self._user, message_limit=3)
        recent = [message["message_id"] for message in found["recent_messages"]]
        check(recent == ["m-1", "m-2", "m-3"], f"the recent messages are {recent}")
        check((found["user_preferences"] or {}).get("genres") == ["jazz"], "the preferences are not in it")
        check(found["conversation_summary"]["message_count"] == 4, f"the summary is {found['conversation_summary']}")
        return f"{len(recent)} messages, preferences, summary"

    def chatbot(self) -> str:
        """The chatbot greets, uses and learns preferences, and another one goes on where it was."""
        first = ConcertChatbotService(self._memory)
        first.create_session(self._user, self._chat)
        greeting = first.get_conversation_history(self._chat)[0]["content"]
        check("jazz" in greeting, f"the greeting knows nothing: {greeting}")
        turn = first.process_message(self._chat, "I don't like metal. What is on tonight?", message_id="t-1")
        check(turn["learned"], "nothing was learned")
        check(bool(turn["suggestions"]), "nothing was suggested")
        for concert in turn["suggestions"]:
            suits = concert["genre"] == "jazz" and concert["city"] == "Busan" and concert["price"] <= 30
            check(suits, f"{concert} does not suit")
        second = ConcertChatbotService(self._memory)
        check(second.load_session_from_memory(self._chat), "the session cannot be loaded")
        again = second.process_message(self._chat, "I don't like metal. What is on tonight?", message_id="t-1")
        check(again == turn, "a turn that is repeated has another reply")
        second.process_message(self._chat, "What do you know about me?", message_id="t-2")
        stored = second.get_conversation_history(self._chat)
        check(len(stored) == 5, f"{len(stored)} messages are stored, not 5")
        known = second.get_user_preferences(self._user) or {}
        check(known.get("avoid_genres") == ["metal"], f"the preferences are {known}")
        return f"{len(turn['suggestions'])} suggested, resumed"

    def clean_up(self) -> str:
        """Nothing is left."""
        memory = self._memory
        sessions = [memory.delete_conversation_history(session) for session in (self._session, self._chat)]
        memory.delete_user_preferences(self._user)
        check(memory.retrieve_conversation_history(self._session) == [], "messages are left")
        check(memory.retrieve_user_conversations(self._user) == [], "messages of the user are left")
        check(memory.retrieve_user_preferences(self._user) is None, "preferences are left")
        return f"{sum(sessions)} sessions removed"

    def close(self) -> None:
        """Close the service."""
        if self._opened is not None:
            self._opened.close()


def run(url: str) -> bool:
    """All steps on one store, with a table of what came of them; whether all passed."""
    print("step             result      time  what", flush=True)
    validation = Validation(url)
    steps: list[tuple[str, Callable[[], str]]] = [
        ("service", validation.service),
        ("tables", validation.tables),
        ("messages", validation.messages),
        ("preferences", validation.preferences),
        ("context", validation.context),
        ("chatbot", validation.chatbot),
        ("clean-up", validation.clean_up),
    ]
    passed = 0
    try:
        for number, (name, step) in enumerate(steps, 1):
            began = time.perf_counter()
            try:
                result, what = "ok", step()
                passed += 1
            except Exception as error:  # whatever it is, the steps behind it and the clean-up still run
                known = isinstance(error, Failed | RecollectError)
                result, what = "FAILED", str(error) if known else f"{type(error).__name__}: {error}"
            took = (time.perf_counter() - began) * 1000
            print(f"{number}  {name:12}  {result:6}  {took:5.0f} ms  {what}", flush=True)
    finally:
        validation.close()
    print(f"\n{passed} of {len(steps)} steps passed", flush=True)
    return passed == len(steps)


def main() -> int:
    """The command; its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.concert_chatbot.validate", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--url", help="the store; an SQLite file of its own, removed at the end, when not given")
    url = parser.parse_args().url
    if url is not None:
        return 0 if run(url) else 1
    with tempfile.TemporaryDirectory() as folder:
        return 0 if run(f"sqlite:///{Path(folder, 'validate.db')}") else 1


if __name__ == "__main__":
    sys.exit(main())
