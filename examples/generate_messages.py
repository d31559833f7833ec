"""Make any number of messages as JSON Lines, to see how an import, a search or a server does with many.

    python examples/generate_messages.py 1000000 --sessions 20000 --users 500 > messages.jsonl
    recollect import messages.jsonl

The same numbers and seed give the same bytes. Lengths are spread as in real chats (most messages short, a few very
long), in English, Korean, Japanese, Chinese, German and Spanish, one language a user. The messages of the sessions
are interleaved as in a server's log, each session's own in the order of time.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import BinaryIO

START = datetime(2024, 1, 1, tzinfo=UTC)
DAYS = 365
CHUNK = 2000
STOCK = 1000

SENTENCES = {
    "en": (
        "Please move the meeting about the {thing} to {when}.",
        "Could you remind me what we decided about the {thing}?",
        "The {thing} that I ordered for {name} arrived broken, so I want a refund.",
        "Sure, let me look that up for you.",
        "{name} prefers the window seat and no nuts in the meal.",
        "Thanks, that is all for today!",
        "It failed again with error E-{number} after the update to version 2.{number}.",
        "I told {name} about the {thing} on {when}, and the answer was yes.",
    ),
    "ko": (
        "{when}에 예약한 {thing} 일정을 바꾸고 싶어요.",
        "지난번에 {name} 씨 이야기를 했던 것 기억하세요?",
        "네, 확인해 보겠습니다. 잠시만 기다려 주세요.",
        "주문번호 {number}번 {thing} 배송이 아직 안 왔습니다.",
        "저는 창가 자리를 좋아하고 매운 음식은 못 먹어요.",
        "감사합니다!",
    ),
    "ja": (
        "{when}の{thing}の予約を変更したいのですが。",
        "前に{name}さんの話をしたことを覚えていますか。",
        "はい、確認いたします。少々お待ちください。",
        "注文番号{number}の{thing}がまだ届きません。",
        "ありがとうございます。",
    ),
    "zh": (
        "我想把{when}的{thing}改到下个星期。",
        "你还记得我们上次谈到的{name}吗?",
        "好的,我马上帮您查一下。",
        "订单{number}的{thing}还没有收到,请帮我退款。",
        "谢谢你!",
    ),
    "de": (
        "Können wir den Termin am {when} verschieben? Es geht um das Thema {thing}.",
        "Weißt du noch, was wir über {name} gesagt haben?",
        "Natürlich, ich sehe sofort nach.",
        "Die Bestellung {number} ist noch nicht angekommen.",
    ),
    "es": (
        "Quisiera cambiar la cita del {when}, la de {thing}.",
        "¿Recuerdas lo que hablamos sobre {name}?",
        "Claro, ahora mismo lo reviso.",
        "El pedido {number} todavía no ha llegado.",
    ),
}
WHEN, THING, NAME = "when", "thing", "name"
WORDS = {
    "en": {WHEN: "Monday,Friday,Sunday", THING: "laptop,garden,ticket,invoice,piano", NAME: "Caroline,Dave,Amara"},
    "ko": {WHEN: "월요일,금요일,주말", THING: "노트북,여행,병원,피아노", NAME: "지민,서연,현우"},
    "ja": {WHEN: "月曜日,金曜日,週末", THING: "ノートパソコン,旅行,病院", NAME: "佐藤,鈴木,田中"},
    "zh": {WHEN: "星期一,星期五,周末", THING: "笔记本电脑,旅行,钢琴", NAME: "小王,李娜,张伟"},
    "de": {WHEN: "Montag,Freitag,Sonntag", THING: "Garten,Rechnung,Klavier", NAME: "Johanna,Jörg,Käthe"},
    "es": {WHEN: "lunes,viernes,domingo", THING: "jardín,factura,piano", NAME: "Lucía,Íñigo,Sofía"},
}
LANGUAGES = ("en", "en", "en", "ko", "ko", "ja", "zh", "de", "es")


def texts(random_: random.Random, language: str, count: int) -> list[str]:
    """A stock of messages in one language, as JSON texts; one to forty sentences, log-normal, mostly one or two."""
    words = {kind: choices.split(",") for kind, choices in WORDS[language].items()}
    stock = []
    for _ in range(count):
        sentences = min(40, max(1, round(random_.lognormvariate(0.3, 0.8))))
        text = " ".join(
            random_.choice(SENTENCES[language]).format(
                number=random_.randrange(1000, 9999), **{kind: random_.choice(of) for kind, of in words.items()}
            )
            for _ in range(sentences)
        )
        stock.append(json.dumps(text, ensure_ascii=False))
    return stock


def lines(count: int, *, sessions: int = 1000, users: int = 100, seed: int = 1) -> Iterator[str]:
    """`count` messages over so many sessions and users, one JSON line each, with its line end."""
    random_ = random.Random(seed)
    stock = {language: texts(random_, language, STOCK) for language in sorted(set(LANGUAGES))}
    heads, stocks = [], []
    for session in range(min(sessions, count)):
        user = session % users
        heads.append(f'{{"session":"session-{session:06}","user":"user-{user:05}","id":"m')
        stocks.append(stock[LANGUAGES[user % len(LANGUAGES)]])
    turn = [0] * len(heads)
    # Few sessions hold most of the messages, and every session holds one.
    weights = list(accumulate(1 / (rank + 10) for rank in range(len(heads))))
    step = timedelta(days=DAYS) / max(count, 1)
    for begin in range(0, count, CHUNK):
        size = min(CHUNK, count - begin)
        first = range(begin, min(begin + size, len(heads)))
        picked = [*first, *random_.choices(range(len(heads)), cum_weights=weights, k=size - len(first))]
        second = (START + step * begin).strftime("%Y-%m-%dT%H:%M:%S")
        span = (step * size).total_seconds()
        places = random_.choices(range(STOCK), k=size)
        for offset, (session, place) in enumerate(zip(picked, places, strict=True)):
            if span >= size and not offset % 100:
                second = (START + step * (begin + offset)).strftime("%Y-%m-%dT%H:%M:%S")
            number = turn[session]
            turn[session] = number + 1
            role = "assistant" if number & 1 else "user"
            yield (
                f'{heads[session]}-{number}","role":"{role}","content":{stocks[session][place]},'
                f'"created_at":"{second}.{offset:06}Z"}}\n'
            )


def write(out: BinaryIO, source: Iterator[str]) -> None:
    """Write lines in large pieces."""
    pieces: list[str] = []
    for line in source:
        pieces.append(line)
        if len(pieces) == CHUNK:
            out.write("".join(pieces).encode())
            pieces.clear()
    out.write("".join(pieces).encode())
    out.flush()


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("count", type=int, help="how many messages")
    parser.add_argument("--sessions", type=int, default=1000, metavar="N", help="over how many sessions (default 1000)")
    parser.add_argument("--users", type=int, default=100, metavar="N", help="of how many users (default 100)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="another number gives other messages")
    given = parser.parse_args()
    if given.count < 0 or given.sessions < 1 or given.users < 1:
        parser.error("count is at least 0, sessions and users at least 1")
    write(sys.stdout.buffer, lines(given.count, sessions=given.sessions, users=given.users, seed=given.seed))


if __name__ == "__main__":
    try:
        main()
    except BrokenPipeError:
        sys.stderr.close()
