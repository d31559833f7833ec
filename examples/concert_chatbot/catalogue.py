"""The concerts that the chatbot knows, and which of them suit somebody."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).with_name("catalogue.toml")


@dataclass(frozen=True)
class Concert:
    """A concert of every week. `price` is in euros."""

    artist: str
    genre: str
    city: str
    venue: str
    night: str
    price: float

    def line(self) -> str:
        """The concert on one line."""
        return f"{self.artist} ({self.genre}), {self.venue}, {self.city}, {self.night}, {self.price:g} €"


@dataclass(frozen=True)
class Wishes:
    """What concerts shall be like; what is empty or None does not matter."""

    genres: tuple[str, ...] = ()
    avoid_genres: tuple[str, ...] = ()
    cities: tuple[str, ...] = ()
    max_price: float | None = None


class Catalogue:
    """The concerts, and the words for genres and cities.

    Parameters
    ----------
    file: the catalogue as TOML.
    """

    def __init__(self, file: Path = FILE) -> None:
        read = tomllib.loads(file.read_text("utf-8"))
        self.concerts = [Concert(**one) for one in read["concerts"]]
        self._genres = {name: _pattern(words) for name, words in read["genres"].items()}
        self._cities = {name: _pattern(words) for name, words in read["cities"].items()}

    def genres_in(self, text: str) -> list[str]:
        """The genres that a text names."""
        return [name for name, pattern in self._genres.items() if pattern.search(text)]

    def cities_in(self, text: str) -> list[str]:
        """The cities that a text names."""
        return [name for name, pattern in self._cities.items() if pattern.search(text)]

    def suggest(self, wishes: Wishes, limit: int = 3) -> list[Concert]:
        """The concerts that fulfil all wishes, the first genre and city first, the cheaper first."""

        def rank(concert: Concert) -> tuple[int, int, float, str]:
            genre = wishes.genres.index(concert.genre) if wishes.genres else 0
            city = wishes.cities.index(concert.city) if wishes.cities else 0
            return genre, city, concert.price, concert.artist

        fitting = [
            concert
            for concert in self.concerts
            if (not wishes.genres or concert.genre in wishes.genres)
            and concert.genre not in wishes.avoid_genres
            and (not wishes.cities or concert.city in wishes.cities)
            and (wishes.max_price is None or concert.price <= wishes.max_price)
        ]
        return sorted(fitting, key=rank)[:limit]


def _pattern(words: list[str]) -> re.Pattern[str]:
    """Finds any of the words: Latin ones whole, Korean ones at the beginning of a word, where particles hang on."""
    whole = [rf"{re.escape(word)}(?![a-z])" if word.isascii() else re.escape(word) for word in words]
    return re.compile(rf"(?<!\w)(?:{'|'.join(whole)})", re.IGNORECASE)
