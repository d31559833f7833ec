"""What a message says: lasting preferences that are stated in so many words, and what is asked for just now.

Rules, not a model: they hear little, and what they hear was said. In English and Korean.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from examples.concert_chatbot.catalogue import Catalogue, Wishes

MOST_HEARD = 10_000
"""Characters of a message that are listened to: what is longer is pasted, not stated."""

_SENTENCE = re.compile(r"[^.!?;\n]+(?:\.(?=\d)[^.!?;\n]+)*[.!?;\n]?")
_TURN = re.compile(r"\bbut\b|\bhowever\b|\bthough\b|,\s*(?=(?:not|no)\b)|지만|는데|그런데", re.IGNORECASE)
_NOW = re.compile(r"\b(?:tonight|today|now|this (?:time|evening|week|weekend))\b|오늘|이번", re.IGNORECASE)
_LIKES = re.compile(
    r"(?:^\s*|\band\s+|\b(?:I|we)\s+(?:(?:do|really|also|always|absolutely|mostly|still|just)\s+)*)"
    r"(?:love|like|enjoy|adore|prefer)\b"
    r"|\bfan of\b|\bmy favou?rites?\b|\bI(?:['’]m| am) (?:really |very )?into\b|좋아하|좋아해|좋아요|즐겨",
    re.IGNORECASE,
)
_DISLIKES = re.compile(
    r"\b(?:hate|dislike|avoid|cannot stand|can['’]?t stand)\b"
    r"|\b(?:don['’]?t|do not|never|not|no longer)\s+(?:really\s+|much\s+|a\s+|even\s+)*(?:like|love|enjoy|care for|fan of|into|listen)\b"
    r"|^\s*(?:please,?\s+)?(?:no|not)\b|싫|안 좋아|좋아하지 않|별로",
    re.IGNORECASE,
)
_DECLINES = re.compile(
    r"\b(?:don['’]?t|do not) want\b|\bnot in the mood\b|\b(?:except|other than|anything but|without)\b|말고|빼고",
    re.IGNORECASE,
)
_LIVES = re.compile(
    r"(?:^\s*|\band\s+|\bI\s+)live\b|\bI(?:['’]m| am) (?:based|living)\b|\bmy city is\b|살아|살고|삽니다|거주",
    re.IGNORECASE,
)
_MOVED = re.compile(r"\bI(?:['’]ve| have)? (?:just )?moved\b|이사했|이사 왔|이사왔", re.IGNORECASE)
_PRICE = re.compile(
    r"(?:under|below|up to|at most|max(?:imum)?(?: of)?|(?:no|not) more than|less than|more than|over|budget (?:is|of)|예산은?)"
    r"\s*(?:€|eur|euros?)?\s*(?P<en>\d+(?:[.,]\d+)?)|(?P<ko>\d+(?:[.,]\d+)?)\s*유로\s*(?:이하|까지|미만|안쪽|이내)",
    re.IGNORECASE,
)
_LASTING_PRICE = re.compile(r"\bmy budget\b|\bI (?:never|don['’]t|do not|won['’]t) (?:pay|spend)\b|예산", re.IGNORECASE)
_UPWARDS = re.compile(r"^(?:more than|over)\b", re.IGNORECASE)
_NEGATED = re.compile(r"\b(?:never|not|no)\b|n['’]t\b", re.IGNORECASE)
_NAME = re.compile(
    r"\b(?i:my name is|I am called|call me)\s+(?P<en>[^\W\d_][\w'’-]{0,40})"
    r"|(?:내|제) 이름은\s+(?P<ko>[가-힣]{1,10}?)(?=이에요|예요|입니다|이야|야|\W|$)"
)
_ASKS = re.compile(
    r"\b(?:recommend|suggest|concerts?|gigs?|shows?|tonight|weekend|what(?:['’]s| is) on|anything|something|where|which|ideas?)\b"
    r"|추천|공연|콘서트|볼만|뭐",
    re.IGNORECASE,
)
_ABOUT_ME = re.compile(
    r"\bwhat do you (?:know|remember)\b|\bremember (?:about )?me\b|\bmy (?:preferences|tastes?)\b|내 취향|제 취향|기억해",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Heard:
    """What was heard in one message.

    Parameters
    ----------
    likes, dislikes, cities: stated, to be kept. moved: whether the cities take the place of those before.
    max_price, name: stated, to be kept. wishes: what is asked for now, stated or not.
    asks: whether suggestions are wanted. about_me: whether it is asked what is known.
    """

    likes: tuple[str, ...] = ()
    dislikes: tuple[str, ...] = ()
    cities: tuple[str, ...] = ()
    moved: bool = False
    max_price: float | None = None
    name: str | None = None
    wishes: Wishes = field(default_factory=Wishes)
    asks: bool = False
    about_me: bool = False

    @property
    def states(self) -> bool:
        """Whether there is anything to keep."""
        return bool(self.likes or self.dislikes or self.cities or self.name) or self.max_price is not None

    def applied(self, preferences: dict[str, Any]) -> dict[str, Any]:
        """The preferences with what was stated; a newer statement goes before an older one."""
        kept = dict(preferences)
        if self.likes or self.dislikes:
            kept["genres"] = _joined(self.likes, preferences.get("genres"), without=self.dislikes)
            kept["avoid_genres"] = _joined(self.dislikes, preferences.get("avoid_genres"), without=self.likes)
        if self.cities:
            kept["cities"] = _joined(self.cities, () if self.moved else preferences.get("cities"))
        if self.max_price is not None:
            kept["max_price"] = self.max_price
        if self.name is not None:
            kept["name"] = self.name
        return kept


def listen(message: str, catalogue: Catalogue) -> Heard:
    """Hear what a message says. What is asked, or said of tonight, is no lasting preference."""
    likes: list[str] = []
    dislikes: list[str] = []
    declined: list[str] = []
    asked: list[str] = []
    cities: list[str] = []
    moved, stated_price, price = False, None, None
    message = message[:MOST_HEARD]
    for sentence in _SENTENCE.findall(message):
        lasting = not sentence.rstrip().endswith("?") and not _NOW.search(sentence)
        for clause in _TURN.split(sentence):
            genres, limit = catalogue.genres_in(clause), _limit(clause)
            if _DECLINES.search(clause):
                declined += genres
            elif limit is None and _DISLIKES.search(clause):
                (dislikes if lasting else declined).extend(genres)
            elif lasting and _LIKES.search(clause):
                likes += genres
            else:
                asked += genres
            if lasting and (_LIVES.search(clause) or _MOVED.search(clause)):
                cities += catalogue.cities_in(clause)
                moved = moved or bool(_MOVED.search(clause))
            if limit is not None:
                price = limit
                if lasting and _LASTING_PRICE.search(clause):
                    stated_price = limit
    named = catalogue.cities_in(message)
    avoided = _unique((*dislikes, *declined))
    return Heard(
        likes=_unique(one for one in likes if one not in dislikes),
        dislikes=_unique(dislikes),
        cities=_unique(cities),
        moved=moved,
        max_price=stated_price,
        name=_name(message),
        wishes=Wishes(
            genres=_unique(one for one in asked or likes if one not in avoided),
            avoid_genres=avoided,
            cities=_unique(named),
            max_price=price,
        ),
        asks=bool(_ASKS.search(message) or asked or declined or named or price is not None),
        about_me=bool(_ABOUT_ME.search(message)),
    )


def wishes_of(preferences: dict[str, Any], asked: Wishes) -> Wishes:
    """What is wanted now: what is asked for, and where nothing is asked, what is preferred.

    Preferences are the application's to write, so what is not of the expected form is as if it were not there.
    """
    price = preferences.get("max_price")
    preferred = float(price) if isinstance(price, int | float) and not isinstance(price, bool) else None
    genres = asked.genres or _texts(preferences.get("genres"))
    avoided = (*asked.avoid_genres, *_texts(preferences.get("avoid_genres")))
    return Wishes(
        genres=tuple(one for one in genres if one not in asked.avoid_genres),
        avoid_genres=tuple(one for one in avoided if one not in asked.genres),
        cities=asked.cities or _texts(preferences.get("cities")),
        max_price=asked.max_price if asked.max_price is not None else preferred,
    )


def _name(message: str) -> str | None:
    """A name; in Latin script it is written with a capital ("call me back" is none)."""
    found = _NAME.search(message)
    if found is None:
        return None
    name = found["en"] or found["ko"]
    return name if found["ko"] or name[0].isupper() else None


def _limit(clause: str) -> float | None:
    """The highest price that a clause allows; "more than 20" alone is none."""
    found = _PRICE.search(clause)
    if found is None:
        return None
    if _UPWARDS.search(found[0]) and not _NEGATED.search(clause):
        return None
    return float((found["en"] or found["ko"]).replace(",", "."))


def _texts(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list | tuple) else ()


def _unique(values: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


def _joined(new: tuple[str, ...], known: object, without: tuple[str, ...] = ()) -> list[str]:
    return [one for one in _unique((*new, *_texts(known))) if one not in without]
