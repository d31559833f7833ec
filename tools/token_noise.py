"""Text that nobody writes, for the fit of the estimate of tokens: random, repeated, shuffled; and the cutting into pieces."""

# ruff: noqa: SIM905 (lists of short codes read better as one string)
from __future__ import annotations

import base64
import random
import re
import string
import uuid
from collections.abc import Callable

from token_texts import HOSTILE, PERIODIC, Corpus

from recollect.core import token_costs

PIECE = 300  # characters of a piece of text: a message
SIZES = (40, 150, PIECE, PIECE, PIECE, PIECE)  # of the pieces that are fitted on
SEED = 5

LETTERS = string.ascii_lowercase
PRINTABLE = string.ascii_letters + string.digits + string.punctuation + " \n"
# First and last character of blocks of Unicode of every cost.
BLOCKS = """
0080-009F 00A0-00FF 0100-024F 0250-02FF 0300-036F 0391-03C9 0400-052F 0410-044F 0430-044F 0531-0586 05D0-05EA 0621-064A
0904-094D 0985-09B8 0B85-0BB9 0E01-0E3A 0F40-0F6C 1000-102A 10D0-10FA 1100-11FF 1200-137F 13A0-13F5 1780-17B3 1E00-1EFF
200B-200F 2010-205F 2070-20C0 2100-214F 2190-21FF 2200-22FF 2460-24FF 2500-257F 25A0-25FF 2600-26FF 2700-27BF 2800-28FF
3000-303F 3041-3096 30A1-30FA 3105-312F 3131-318E 3200-33FF 3400-4DBF 4E00-9FFF A000-A48C AC00-D7A3 E000-F8FF F900-FAFF
FE00-FE0F FF01-FF5F FF60-FF9F 12000-123FF 1D400-1D7FF 1F1E6-1F1FF 1F300-1F64F 1F900-1F9FF 20000-2A6DF E0000-E007F
0080-D7FF E000-10FFFD
""".split()


def pick(rng: random.Random, alphabet: str, count: int) -> str:
    return "".join(rng.choice(alphabet) for _ in range(count))


def words(rng: random.Random, alphabet: str, size: int, longest: int) -> str:
    found: list[str] = []
    while sum(map(len, found)) < size:
        found.append(pick(rng, alphabet, rng.randint(1, longest)))
    return " ".join(found)


def syllables(rng: random.Random, count: int) -> str:
    return "".join(rng.choice("bcdfghjklmnpqrstvwxyz") + rng.choice("aeiou") for _ in range(count))


# Random ASCII of about `n` characters.
RANDOM: dict[str, Callable[[random.Random, int], str]] = {
    "lower-case letters": lambda r, n: pick(r, LETTERS, n),
    "capital letters": lambda r, n: pick(r, LETTERS.upper(), n),
    "letters": lambda r, n: pick(r, string.ascii_letters, n),
    "letters and digits": lambda r, n: pick(r, string.ascii_letters + string.digits, n),
    "base64": lambda r, n: base64.b64encode(r.randbytes(n * 3 // 4)).decode(),
    "base32": lambda r, n: base64.b32encode(r.randbytes(n * 5 // 8)).decode(),
    "hexadecimal": lambda r, n: r.randbytes(n // 2).hex(),
    "UUIDs": lambda r, n: "\n".join(str(uuid.UUID(int=r.getrandbits(128))) for _ in range(n // 36 + 1)),
    "digits": lambda r, n: pick(r, string.digits, n),
    "numbers": lambda r, n: r.choice([", ", " ", "\n"]).join(str(r.choice([r.randint(0, 99_999), r.random()])) for _ in range(n // 9)),
    "punctuation": lambda r, n: pick(r, string.punctuation, n),
    "printable ASCII": lambda r, n: pick(r, string.printable, n),
    "control characters": lambda r, n: pick(r, "".join(map(chr, range(32))), n),
    "words of letters": lambda r, n: words(r, LETTERS, n, 9),
    "words of capitals": lambda r, n: words(r, LETTERS.upper(), n, 9),
    "a few letters": lambda r, n: pick(r, "".join(r.sample(LETTERS, r.randint(1, 6))), n),
    "syllables": lambda r, n: syllables(r, n // 2),
    "words of syllables": lambda r, n: " ".join(syllables(r, r.randint(1, 5)) for _ in range(n // 7)),
}  # fmt: skip


def random_texts(count: int, seed: int) -> list[str]:
    rng, makers = random.Random(seed), list(RANDOM.values())
    return [makers[i % len(makers)](rng, rng.randint(60, 400)) for i in range(count)]


def block_texts(count: int, seed: int, periodic: bool = False) -> list[str]:
    """Random characters of one block of Unicode: one word, words, or a few repeated."""
    rng, found = random.Random(seed), []
    for i in range(count):
        first, last = (int(end, 16) for end in BLOCKS[i % len(BLOCKS)].split("-"))
        if periodic:
            found.append("".join(chr(rng.randint(first, last)) for _ in range(rng.randint(1, 3))) * 40)
            continue
        text = "".join(chr(rng.randint(first, last)) for _ in range(rng.randint(30, 150)))
        found.append(text if rng.random() < 0.6 else " ".join(re.findall(f"(?s).{{1,{rng.randint(2, 7)}}}", text)))
    return found


def periodic_texts(seed: int) -> list[str]:
    """One to four characters of ASCII, repeated; and single characters in a row."""
    rng = random.Random(seed)
    found = [chr(point) * 240 for point in range(127) for _ in range(3)]
    found += [(rng.choice(a) + rng.choice(b)) * 120 for a in token_costs.LATIN for b in token_costs.LATIN]
    found += ["".join(rng.sample(PRINTABLE, 2)) * 60 for _ in range(1500)]
    found += [pick(rng, rng.choice([string.printable, LETTERS]), rng.randint(3, 4)) * 60 for _ in range(1200)]
    for _ in range(400):
        alphabet = rng.choice(
            [LETTERS, LETTERS.upper(), string.ascii_letters, string.punctuation, "".join(rng.sample(LETTERS, 2))]
        )
        found.append(rng.choice([" ", " ", " ", "\n", ", ", ".", "-"]).join(pick(rng, alphabet, 80)))
    return found


def shuffled(texts: list[str], count: int, seed: int) -> list[str]:
    """The same characters in random order."""
    rng = random.Random(seed)
    return [
        "".join(rng.sample(text, len(text)))
        for text in (rng.choice(texts)[:PIECE] for _ in range(count if texts else 0))
    ]


def hostile(found: list[Corpus]) -> list[Corpus]:
    """What must not be counted far too low."""
    made = [
        Corpus("random ASCII", HOSTILE, 4, random_texts(1800, 1), random_texts(1000, 2), 1800),
        Corpus("random characters of a block", HOSTILE, 3, block_texts(1500, 3), block_texts(1000, 4), 1500),
        Corpus("repeated ASCII", PERIODIC, 11.5, periodic_texts(5), periodic_texts(6), 5000),
        Corpus(
            "repeated characters of a block", PERIODIC, 2, block_texts(600, 7, True), block_texts(400, 8, True), 600
        ),
    ]
    for corpus in found:
        if corpus.row in SHUFFLED:
            halves_ = shuffled(corpus.fit, 60, 9), shuffled(corpus.held, 60, 10)
            made.append(Corpus(f"shuffled: {corpus.row}", HOSTILE, 0.3, *halves_))
    return made


SHUFFLED = (
    "English, chat (LoCoMo)", "Korean, encyclopedia (KorQuAD)", "Japanese, manuals (Debian)", "Chinese, chat (MemoryBank)",
    "GNOME ru", "GNOME el", "Django ar", "Django hi", "Django th",
)  # fmt: skip


def pieces(texts: list[str], count: int, seed: int, sizes: tuple[int, ...] = (PIECE,)) -> list[str]:
    """Messages of about one of `sizes` characters: long texts cut, some short ones joined."""
    rng, cut = random.Random(seed), []
    for text in texts:
        size = rng.choice(sizes)
        cut += [text[i : i + size] for i in range(0, max(1, len(text) - size // 2), size)]
    rng.shuffle(cut)
    found: list[str] = []
    for text in cut:
        if found and len(found[-1]) < max(sizes) and rng.random() < 0.5:
            found[-1] += rng.choice("\n ") + text
        elif len(found) < count:
            found.append(text)
    return [text for text in found if len(text) >= min(sizes) // 12]
