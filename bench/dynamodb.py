"""DynamoDB: append, tail, flatness, many writers and bulk import against boto3 by hand, in one run.

    python bench/dynamodb.py [MESSAGES]        of the long session; 20,000 if not given

Needs the server of the tests (`make services`). The floor is what the fastest honest code writes by hand into a table of
the documented schema (`session_id` and `timestamp`, with `UserIdIndex`): one PutItem an append (no number that several
writers could share, no repetition noticed, no header), one Query a tail, BatchWriteItem for many. Beside it stands the same
promise by hand: one TransactWriteItems of four items, without anything of ours.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from timing import against, in_turns, show, texts

from recollect import Recollect

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.services.dynamodb import make_store, raw_client, remove_tables

TEXTS = texts(1000)
TABLE = "bench-by-hand"
PLACE = Path("/bench/dynamodb")


def item(session: str, number: int) -> dict[str, Any]:
    """A message as one would store it by hand."""
    return {
        "session_id": {"S": session},
        "timestamp": {"S": f"2026-11-21T12:00:00.{number:08}Z"},
        "message_id": {"S": f"{session}-{number}"},
        "role": {"S": "user"},
        "content": {"S": TEXTS[number % 1000]},
        "user_id": {"S": "u"},
    }


def put(number: int) -> None:
    """The floor of an append."""
    raw_client().put_item(TableName=TABLE, Item=item("floor", number))


def transact(number: int) -> None:
    """A counter, a message, its id and an entry of a feed, all or nothing."""
    rows = [item(f"{kind}-{number}", number) for kind in ("id", "feed")]
    counter = {"session_id": {"S": "counter"}, "timestamp": {"S": "~"}, "last": {"N": str(number)}}
    raw_client().transact_write_items(
        TransactItems=[{"Put": {"TableName": TABLE, "Item": row}} for row in [counter, item("txn", number), *rows]]
    )


def query(_: int) -> None:
    """The floor of a tail."""
    raw_client().query(
        TableName=TABLE,
        KeyConditionExpression="session_id = :s",
        ExpressionAttributeValues={":s": {"S": "floor"}},
        Limit=20,
        ScanIndexForward=False,
        ConsistentRead=True,
    )


def throughput(write: Callable[[int, int], object], writers: int, each: int) -> float:
    """Appends a second of many threads."""

    def run(name: int) -> None:
        for number in range(each):
            write(name, number)

    threads = [threading.Thread(target=run, args=(name,)) for name in range(writers)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return writers * each / (time.perf_counter() - began)


def many(memory: Recollect) -> list[list[str]]:
    """16 writers at once: each on a session of its own, and all on one."""

    def ours(name: int, number: int) -> None:
        memory.session(f"w{name}", user="u").append({"role": "user", "content": TEXTS[number]})

    def ours_one(_: int, number: int) -> None:
        memory.session("one", user="u").append({"role": "user", "content": TEXTS[number]})

    def by_hand(name: int, number: int) -> None:
        transact(10_000_000 + name * 1000 + number)

    def floor(name: int, number: int) -> None:
        put(20_000_000 + name * 1000 + number)

    rates = {"put": 0.0, "hand": 0.0, "ours": 0.0, "one": 0.0}
    calls = {"put": floor, "hand": by_hand, "ours": ours, "one": ours_one}
    for _ in range(3):
        for name, call in calls.items():
            rates[name] = max(rates[name], throughput(call, 16, 20))
    return [
        [
            label,
            f"{rates['put']:.0f}",
            f"{rates['hand']:.0f}",
            f"{rates[name]:.0f}",
            f"{rates[name] / rates['put']:.2f}",
            f"{rates[name] / rates['hand']:.2f}",
        ]
        for label, name in (("16 writers, 16 sessions", "ours"), ("16 writers, 1 session", "one"))
    ]


def bulk(memory: Recollect, count: int) -> tuple[float, float]:
    """Messages a second, in turns: BatchWriteItem by hand, and an import of the same; the best of each."""
    each, floor, ours = count // 4, 0.0, 0.0
    for start in range(0, count, each):
        began = time.perf_counter()
        for first in range(start, start + each, 25):
            rows = [{"PutRequest": {"Item": item("bulk", n)}} for n in range(first, min(first + 25, start + each))]
            wanted = {TABLE: rows}
            while wanted:
                wanted = raw_client().batch_write_item(RequestItems=wanted)["UnprocessedItems"]
        floor = max(floor, each / (time.perf_counter() - began))
        began = time.perf_counter()
        memory.import_lines(
            {"session": "long", "user": "u", "role": "user", "content": TEXTS[n % 1000], "id": str(n)}
            for n in range(start, start + each)
        )
        ours = max(ours, each / (time.perf_counter() - began))
    return floor, ours


def key(hash: str) -> list[dict[str, str]]:
    """A key of the documented schema."""
    return [
        {"AttributeName": hash, "KeyType": "HASH"},
        {"AttributeName": "timestamp", "KeyType": "RANGE"},
    ]


def main() -> None:
    """Print the tables."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    client = raw_client()
    client.create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": "S"} for name in ("session_id", "timestamp", "user_id")
        ],
        KeySchema=key("session_id"),
        GlobalSecondaryIndexes=[
            {"IndexName": "UserIdIndex", "KeySchema": key("user_id"), "Projection": {"ProjectionType": "ALL"}}
        ],
    )
    with Recollect(make_store(PLACE)) as memory:
        session = memory.session("s", user="u")

        def ours(number: int) -> object:
            return session.append({"role": "user", "content": TEXTS[number % 1000]})

        append = in_turns({"put": put, "transact": transact, "ours": ours}, rounds=20, each=20)
        tail = in_turns({"query": query, "ours": lambda _: session.tail(20)}, rounds=20, each=20)
        show(
            "DynamoDB, against boto3 by hand (median us a call)",
            ["", "one item by hand", "4-item transaction", "Recollect", "to one item", "to transaction"],
            [
                [
                    "append",
                    *(f"{append[name]:.0f}" for name in ("put", "transact", "ours")),
                    against(append["ours"], append["put"]),
                    against(append["ours"], append["transact"], 1.3),
                ],
                [
                    "tail of 20",
                    f"{tail['query']:.0f}",
                    "",
                    f"{tail['ours']:.0f}",
                    against(tail["ours"], tail["query"], 1.3),
                    "",
                ],
            ],
        )
        show(
            "Appends a second",
            ["", "one item by hand", "4-item transaction", "Recollect", "to one item", "to transaction"],
            many(memory),
        )
        floor, rate = bulk(memory, count)
        long = memory.session("long", user="u")
        memory.session("short", user="u").append([{"role": "user", "content": text} for text in TEXTS[:100]])
        short = memory.session("short", user="u")
        flat = in_turns(
            {
                "append short": lambda i: short.append({"role": "user", "content": TEXTS[i]}),
                "append long": lambda i: long.append({"role": "user", "content": TEXTS[i]}),
                "tail short": lambda _: short.tail(20),
                "tail long": lambda _: long.tail(20),
                "read short": lambda _: short.read(after=50, limit=20),
                "read long": lambda _: long.read(after=count // 2, limit=20),
            },
            rounds=15,
            each=15,
        )
        show(
            "Cost against the length of the session (median us a call)",
            ["", "100 messages", f"{count:,}", "ratio"],
            [
                [
                    name,
                    f"{flat[f'{key} short']:.0f}",
                    f"{flat[f'{key} long']:.0f}",
                    against(flat[f"{key} long"], flat[f"{key} short"], 1.2),
                ]
                for name, key in (("append", "append"), ("tail of 20", "tail"), ("20 after a number", "read"))
            ],
            f"import {rate:,.0f} messages/s, BatchWriteItem by hand {floor:,.0f}/s: {rate / floor:.2f} (goal 0.7)",
        )
    remove_tables(PLACE)
    client.delete_table(TableName=TABLE)


if __name__ == "__main__":
    main()
