"""The texts on which the estimate of tokens is fitted, and those that are held out: real ones of every language."""

# ruff: noqa: SIM905 (lists of short codes read better as one string)
from __future__ import annotations

import gettext
import html
import json
import random
import re
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from token_sources import DATA, ROOT, Sources, foreign, halves, paragraphs, read, run, without_accents

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
