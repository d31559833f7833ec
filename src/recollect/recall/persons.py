"""Of whom a turn speaks: of the one who says it ("I", "my"), or only of the one it is said to ("you", "your").

What people tell of themselves is what they are asked for later. "Your photos look great!" stands beside the answer and
shares its words; it is seldom the answer.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from typing import NamedTuple

from recollect.recall.analyzer import stem


class Persons(NamedTuple):
    """Terms, as the analyzer makes them, by which a text speaks of somebody."""

    first: frozenset[str]
    second: frozenset[str]


_LATIN = {
    "english": ("i me my mine myself we us our ours ourselves", "you your yours yourself yourselves"),
    "german": (
        "ich mich mir mein meine meinen meinem meiner wir uns unser unsere unseren",
        "du dich dir dein deine deinen deinem deiner euch euer eure",
    ),
    "french": ("j je m me moi mon ma mes nous notre nos", "tu te t toi ton ta tes vous votre vos"),
    "spanish": (
        "yo me mi mis mí mío conmigo nosotros nuestro nuestra soy estoy tengo fui",
        "tú tu tus te ti contigo usted ustedes vosotros eres estás tienes",
    ),
    "portuguese": (
        "eu me mim meu minha meus minhas nós nosso nossa sou estou tenho fui",
        "tu te ti teu tua você vocês",
    ),
    "italian": ("io me mi mio mia miei mie noi nostro nostra ho", "tu te ti tuo tua tuoi tue voi vi vostro hai"),
    "dutch": ("ik mij me mijn wij we ons onze", "jij je jou jouw jullie u uw"),
    "swedish": ("jag mig min mitt mina vi oss vår", "du dig din ditt dina ni er"),
    "danish": ("jeg mig min mit mine vi os vores", "du dig din dit dine"),
    "norwegian": ("jeg meg min mitt mine vi oss vår", "du deg din ditt dine dere"),
    "finnish": ("minä minun minua minulla minulle minut olen me meidän", "sinä sinun sinua sinulla olet te teidän"),
    "turkish": ("ben benim bana beni biz bizim", "sen senin sana seni siz sizin"),
    "polish": ("ja mnie mi mój moja moje mam jestem my nas nasz", "ty ciebie ci twój twoja twoje masz jesteś wy"),
    "romanian": ("eu mă îmi mine mea meu noi nostru", "tu te îți tine ta tău voi vostru"),
    "hungarian": ("én engem nekem vagyok mi minket", "te téged neked vagy ti"),
    "czech": ("já mě mi mně můj moje mám jsem my", "ty tě ti tvůj tvoje máš jsi vy"),
    "indonesian": ("aku saya kami kita", "kamu anda kau kalian"),
}
_SCRIPTS = {
    "russian": (
        "я меня мне мной мой моя моё мое мои мы нас нам наш наша",
        "ты тебя тебе тобой твой твоя твоё твое твои вы вас вам ваш ваша",
    ),
    "greek": ("εγώ με μου εμένα εμείς μας", "εσύ σε σου εσένα εσείς σας"),
    "arabic": ("أنا لي عندي نحن لنا", "أنت لك عندك أنتم لكم"),
    "hindi": ("मैं मुझे मैंने मेरा मेरी मेरे हम हमारा हमारी", "तुम तुम्हारा तुम्हें आप आपका आपकी आपके आपको"),
}
"""Words of a script that says which stemmer serves it."""

_UNSPACED = ("我 咱 私 僕 俺 저는 제가 저도 저의 나는 내가 나도 나의 우리 저희", "你 您 妳 너는 네가 너의 너희 당신")
"""Characters and pairs of scripts without spaces; what is not sure by two characters is left out."""


@cache
def persons(language: str) -> Persons:
    """The terms of texts that are taken for a language in Latin script, with those of all other scripts."""
    pronouns = [(language, _LATIN.get(language, ("", ""))), *_SCRIPTS.items()]
    first, second = (
        frozenset(stem(word, name) for name, words in pronouns for word in words[person].split()) for person in (0, 1)
    )
    return Persons(first | set(_UNSPACED[0].split()), second | set(_UNSPACED[1].split()))


def is_to_other(terms: Collection[str], language: str) -> bool:
    """The text speaks to somebody."""
    return not persons(language).second.isdisjoint(terms)


def is_of_other(terms: Collection[str], language: str) -> bool:
    """The text speaks to somebody, and not of the one who says it."""
    return is_to_other(terms, language) and persons(language).first.isdisjoint(terms)
