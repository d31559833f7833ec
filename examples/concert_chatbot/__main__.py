"""Talk to the concert guide: ``python -m examples.concert_chatbot [--url URL] [--user NAME] [--session ID]``."""

from __future__ import annotations

import argparse
import sys

from examples.concert_chatbot.service import ConcertChatbotService

from recollect import RecollectError

SHOWN = 6


def main() -> int:
    """One conversation at the terminal, or over a pipe; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.concert_chatbot", description="A concert guide that remembers."
    )
    parser.add_argument("--url", help="the store; RECOLLECT_URL, else sqlite:///recollect.db")
    parser.add_argument("--user", help="who you are; without it nothing is learned")
    parser.add_argument("--session", help="go on in this session, or begin it")
    told = parser.parse_args()
    try:
        with ConcertChatbotService(told.url) as chatbot:
            chatbot.memory.create_tables_if_not_exist()
            talk(chatbot, told.user, told.session)
    except RecollectError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def talk(chatbot: ConcertChatbotService, user: str | None, session: str | None) -> None:
    """Greet or go on, then a reply to each line."""
    if session is None or not chatbot.load_session_from_memory(session):
        session = chatbot.create_session(user, session)
    for message in chatbot.get_conversation_history(session, SHOWN, from_memory=False):
        print(f"{'you' if message['role'] == 'user' else 'bot'} > {message['content']}", flush=True)
    if sys.stdin.isatty():
        print(f"(session {session}; an empty line ends)", flush=True)
    for line in sys.stdin:
        if not line.strip():
            break
        print(f"bot > {chatbot.process_message(session, line.strip())['response']}", flush=True)
    print(f"To go on: --session {session}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
