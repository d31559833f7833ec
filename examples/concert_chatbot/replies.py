"""What the chatbot says when no model says it, in English or Korean."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from examples.concert_chatbot.catalogue import Concert, Wishes
from examples.concert_chatbot.listening import Heard, wishes_of

FILE = Path(__file__).with_name("phrases.toml")
_HANGUL = re.compile("[가-힣]")


@cache
def _phrases() -> dict[str, dict[str, str]]:
    return tomllib.loads(FILE.read_text("utf-8"))


def language_of(text: str) -> str:
    """The language to answer in."""
    return "ko" if _HANGUL.search(text) else "en"


def greeting(preferences: dict[str, Any] | None, *, returning: bool) -> str:
    """The first words of a session.

    Parameters
    ----------
    preferences: of the user, if there are any. returning: whether the user has been here before.
    """
    known = preferences or {}
    name = known.get("name") if isinstance(known.get("name"), str) else None
    language = "ko" if name and language_of(name) == "ko" else "en"
    say = _phrases()[language]
    if not returning and not known:
        return say["new"]
    called = "" if name is None else f", {name}" if language == "en" else f"{name}님,"
    wishes = describe(wishes_of(known, Wishes()), language)
    phrase = say["back"] if wishes else say["back_unknown"]
    return phrase.format(name=called, known=wishes).strip()


def describe(wishes: Wishes, language: str = "en") -> str:
    """Wishes in words; empty for none."""
    say = _phrases()[language]
    parts = [
        say[phrase].format(", ".join(values))
        for phrase, values in (("likes", wishes.genres), ("dislikes", wishes.avoid_genres), ("cities", wishes.cities))
        if values
    ]
    if wishes.max_price is not None:
        parts.append(say["price"].format(f"{wishes.max_price:g}"))
    return ", ".join(parts)


def answer(message: str, heard: Heard, preferences: dict[str, Any], concerts: list[Concert]) -> str:
    """The reply to a message.

    Parameters
    ----------
    preferences: with what was just stated. concerts: what suits; shown where suggestions are wanted.
    """
    language = language_of(message)
    say = _phrases()[language]
    lasting = describe(wishes_of(preferences, Wishes()), language)
    if heard.about_me:
        return say["known"].format(known=lasting) if lasting else say["nothing_known"]
    if not heard.states and not heard.asks:
        return say["hint"]
    lines = []
    if heard.states:
        name = preferences.get("name") if heard.name else None
        lines.append(say["noted"].format(known=", ".join(filter(None, (name, lasting)))))
    wanted = describe(wishes_of(preferences, heard.wishes), language)
    if concerts:
        because = say["because"].format(known=wanted) if wanted and not heard.states else ""
        lines += [say["suggest"].format(because=because), *(f"- {concert.line()}" for concert in concerts)]
    else:
        lines.append(say["none"].format(known=wanted))
    return "\n".join(lines)
