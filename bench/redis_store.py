"""Redis: append, tail, many writers and bulk import against the same work written by hand on redis-py.

    python bench/redis_store.py [--disk]

Every server has ``appendonly yes`` and ``appendfsync always``. Its file lies in memory where that can be, so that what
is measured is the work and not the disk, which costs both alike; --disk puts it on the disk.
"""

from __future__ import annotations

import asyncio
import math
import os
import random
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis
import redis.asyncio
from timing import against, in_turns, show, texts

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from recollect import AsyncRecollect, Message, Recollect
from recollect.model import Vector
from recollect.store import Append, Attach, BlockingDriver, Commit, Filter, Partition, SessionDefaults
from recollect.store.driver import drive, utc_now
from recollect.stores.redis import RedisStore
from recollect.stores.redis.documents import indexed_term, tag
from recollect.stores.redis.options import parse_url
from tests.services.redis import STACK, RedisServer

TEXTS = texts(1000)
NOW = "2026-11-21T00:52:30.000001Z"
WRITERS = 16
BULK = 100_000
PER_COMMIT = 20

BY_HAND = """
if redis.call('HSETNX', KEYS[3], ARGV[1], 1) == 0 then return 0 end
local seq = redis.call('HINCRBY', KEYS[2], 'last_seq', 1)
redis.call('XADD', KEYS[1], seq .. '-0', 'id', ARGV[1], 'role', ARGV[2], 'created_at', ARGV[3], 'content', ARGV[4])
redis.call('HSET', KEYS[2], 'updated_at', ARGV[3])
return seq
"""
"""The floor of an append: a number, the message, the header, and no message twice."""

KEYS = ["hand:{s}:messages", "hand:{s}:header", "hand:{s}:ids"]


def appends_and_tails(server: RedisServer) -> list[list[str]]:
    """One caller."""
    client = redis.Redis(port=server.port)
    by_hand = client.register_script(BY_HAND)
    client.script_load(BY_HAND)
    rows = []
    with Recollect(server.url) as memory:
        session = memory.session("s", user="u")

        def floor(i: int) -> Any:
            return by_hand(KEYS, (f"id-{i}", "user", NOW, TEXTS[i % 1000]))

        def pipeline(i: int) -> Any:
            pipe = client.pipeline(transaction=True)
            pipe.xadd("hand:{p}:messages", {"id": f"id-{i}", "role": "user", "content": TEXTS[i % 1000]})
            pipe.hset("hand:{p}:header", mapping={"updated_at": NOW, "last_seq": i})
            return pipe.execute()

        def ours(i: int) -> Any:
            return session.append({"role": "user", "content": TEXTS[i % 1000]})

        times = in_turns({"floor": floor, "pipeline": pipeline, "ours": ours}, rounds=20, each=100)
        rows.append(["append, against a script by hand", *_row(times, "floor", 1.3)])
        rows.append(["append, against MULTI XADD HSET", *_row(times, "pipeline", 1.3)])
        times = in_turns(
            {
                "floor": lambda _: client.xrevrange(KEYS[0], count=20),
                "ours": lambda _: session.tail(20),
            },
            rounds=20,
            each=100,
        )
        rows.append(["tail of 20, against xrevrange", *_row(times, "floor", 1.3)])
    client.close()
    return rows


def _row(times: dict[str, float], floor: str, goal: float) -> list[str]:
    return [f"{times[floor]:.0f}", f"{times['ours']:.0f}", against(times["ours"], times[floor], goal)]


async def awaited(server: RedisServer) -> list[list[str]]:
    """The same through the async clients."""
    client = redis.asyncio.Redis(port=server.port)
    by_hand = client.register_script(BY_HAND)
    async with AsyncRecollect(f"{server.url}?prefix=async") as memory:
        session = memory.session("s", user="u")
        calls: dict[str, dict[str, Callable[[int], Any]]] = {
            "append, async, against a script by hand": {
                "floor": lambda i: by_hand(
                    [key.replace("{s}", "{a}") for key in KEYS], (f"id-{i}", "user", NOW, TEXTS[i % 1000])
                ),
                "ours": lambda i: session.append({"role": "user", "content": TEXTS[i % 1000]}),
            },
            "tail of 20, async, against xrevrange": {
                "floor": lambda _: client.xrevrange(KEYS[0].replace("{s}", "{a}"), count=20),
                "ours": lambda _: session.tail(20),
            },
        }
        rows = []
        for name, pair in calls.items():
            taken: dict[str, list[float]] = {"floor": [], "ours": []}
            for i in range(1500):
                for which, call in pair.items():
                    begin = time.perf_counter()
                    await call(i)
                    taken[which].append(time.perf_counter() - begin)
            medians = {which: sorted(values)[len(values) // 2] * 1e6 for which, values in taken.items()}
            rows.append([name, *_row(medians, "floor", 1.3)])
    await client.aclose()
    return rows


def flat(server: RedisServer) -> list[list[str]]:
    """A session of 100 messages and one of 100,000."""
    with Recollect(f"{server.url}?prefix=flat") as memory:
        for size in (100, 100_000):
            memory.import_lines(
                {"session": f"s-{size}", "user": "u", "role": "user", "content": TEXTS[i % 1000]} for i in range(size)
            )
        small, large = memory.session("s-100", user="u"), memory.session("s-100000", user="u")
        calls: dict[str, tuple[Callable[[int], Any], Callable[[int], Any]]] = {
            "tail of 20": (lambda _: small.tail(20), lambda _: large.tail(20)),
            "append": (
                lambda i: small.append({"role": "user", "content": TEXTS[i % 1000]}),
                lambda i: large.append({"role": "user", "content": TEXTS[i % 1000]}),
            ),
        }
        rows = []
        for name, (first, second) in calls.items():
            times = in_turns({"small": first, "large": second}, rounds=20, each=50)
            rows.append(
                [name, f"{times['small']:.0f}", f"{times['large']:.0f}", against(times["large"], times["small"], 1.2)]
            )
    return rows


def writers(server: RedisServer) -> list[list[str]]:
    """Sixteen threads, each with a session of its own."""
    client = redis.Redis(port=server.port)
    by_hand = client.register_script(BY_HAND)
    client.script_load(BY_HAND)
    with Recollect(f"{server.url}?prefix=many") as memory:
        sessions = [memory.session(f"s-{n}", user=f"u-{n}") for n in range(WRITERS)]
        keys = [[key.replace("{s}", f"{{{n}}}") for key in KEYS] for n in range(WRITERS)]

        def floor(writer: int, i: int) -> Any:
            return by_hand(keys[writer], (f"id-{i}", "user", NOW, TEXTS[i % 1000]))

        def ours(writer: int, i: int) -> Any:
            return sessions[writer].append({"role": "user", "content": TEXTS[i % 1000]})

        rates: dict[str, list[float]] = {"floor": [], "ours": []}
        for turn in range(7):
            for name, call in (("floor", floor), ("ours", ours)):
                rates[name].append(_together(call, turn * 200, 200))
    client.close()
    middle = {name: sorted(found)[len(found) // 2] for name, found in rates.items()}
    return [["16 threads, appends a second", *_rate(middle)]]


def _rate(rates: dict[str, float], goal: float = 0.8) -> list[str]:
    ratio = rates["ours"] / rates["floor"]
    missed = "" if ratio >= goal else ": MISSED"
    return [f"{rates['floor']:,.0f}", f"{rates['ours']:,.0f}", f"{ratio:.2f} (goal {goal:g}{missed})"]


def _together(call: Callable[[int, int], Any], first: int, count: int) -> float:
    def work(writer: int) -> None:
        for i in range(first, first + count):
            call(writer, i)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(WRITERS)]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return WRITERS * count / (time.perf_counter() - begin)


def bulk(server: RedisServer) -> list[list[str]]:
    """100,000 messages into 100 sessions."""
    rates: dict[str, list[float]] = {"floor": [], "ours": []}
    for turn in range(3):
        rates["floor"].append(_bulk_by_hand(server, turn))
        rates["ours"].append(_bulk_ours(server, turn))
    middle = {name: sorted(found)[len(found) // 2] for name, found in rates.items()}
    return [["bulk of 100,000, messages a second", *_rate(middle, 0.7)]]


def _bulk_by_hand(server: RedisServer, turn: int) -> float:
    client = redis.Redis(port=server.port)
    begin = time.perf_counter()
    for start in range(0, BULK, 1000):
        pipe = client.pipeline(transaction=False)
        for i in range(start, start + 1000):
            name, seq = i // PER_COMMIT % 100, i // 2000 * PER_COMMIT + i % PER_COMMIT + 1
            fields: dict[Any, Any] = {"id": f"id-{i}", "role": "user", "created_at": NOW, "content": TEXTS[i % 1000]}
            pipe.xadd(f"bulk:{turn}:{name}:messages", fields, id=f"{seq}-0")
            pipe.hset(f"bulk:{turn}:{name}:ids", f"id-{i}", seq)
        pipe.execute()
    taken = time.perf_counter() - begin
    client.close()
    return BULK / taken


def _bulk_ours(server: RedisServer, turn: int) -> float:
    store = RedisStore(parse_url("redis", f"127.0.0.1:{server.port}", "", {"prefix": f"bulk-{turn}"}))
    drive(store.open(BlockingDriver()))
    now = utc_now()
    begin = time.perf_counter()
    for start in range(0, BULK, 10_000):
        commits = []
        for first in range(start, start + 10_000, PER_COMMIT):
            rows = [
                Message("user", TEXTS[i % 1000], id=f"id-{i}", created_at=now, tokens=20)
                for i in range(first, first + PER_COMMIT)
            ]
            op = Append(rows=rows, terms=[""] * PER_COMMIT, session=SessionDefaults(user_id="u"))
            commits.append(Commit(Partition("default", "session", f"s-{first // PER_COMMIT % 100}"), [op]))
        outcomes = drive(store.commit_many(commits))
        assert all(isinstance(outcome, list) for outcome in outcomes)
    taken = time.perf_counter() - begin
    drive(store.close())
    return BULK / taken


def searches(server: RedisServer) -> list[list[str]]:
    """By words and by vectors in 20,000 messages, against the same queries by hand, which give keys and no messages."""
    dice = random.Random(1)
    size, dimensions = 20_000, 384
    client: Any = redis.Redis(port=server.port, decode_responses=True)
    with Recollect(server.url) as memory:
        memory.import_lines(
            {"session": f"s-{i % 100}", "user": f"u-{i % 10}", "role": "user", "content": f"{TEXTS[i % 1000]} n{i}"}
            for i in range(size)
        )
        store = memory.store
        for n in range(100):
            vectors = [
                Vector(session_id=row.session_id, seq=row.seq, id=row.id, model="m", data=_direction(dice, dimensions))
                for row in memory.session(f"s-{n}").tail(size)
            ]
            drive(store.commit(Partition("default", "session", f"s-{n}"), [Attach(vectors=vectors)]))
        names = client.execute_command("FT._LIST")
        terms, kind = sorted(names, key=lambda name: not name.endswith(":terms"))
        wanted = list(struct.unpack(f"<{dimensions}e", _direction(dice, dimensions)))
        data = struct.pack(f"<{dimensions}e", *wanted)

        def words(*words: str, user: str = "") -> Any:
            query = f"@terms:({'|'.join(map(indexed_term, words))})" + (f" @user:{{{tag(user)}}}" if user else "")
            return client.execute_command("FT.SEARCH", terms, query, "NOCONTENT", "SCORER", "BM25STD", "DIALECT", 2)

        def vector(user: str = "") -> Any:
            query = (f"(@user:{{{tag(user)}}})" if user else "*") + "=>[KNN 10 @vector $v AS d]"
            how = ("PARAMS", 2, "v", data, "SORTBY", "d", "RETURN", 1, "d", "DIALECT", 2)
            return client.execute_command("FT.SEARCH", kind, query, *how)

        def near(user: str | None = None) -> Any:
            how = Filter(user_id=user)
            return drive(store.search("default", terms=(), vector=wanted, model="m", limit=10, filter=how))

        pairs: dict[str, tuple[Callable[[int], Any], Callable[[int], Any]]] = {
            "a rare word": (lambda i: words(f"n{i}"), lambda i: memory.search(f"n{i}")),
            "two common words": (lambda _: words("word", "each"), lambda _: memory.search("word each")),
            "nearest 10": (lambda _: vector(), lambda _: near()),
            "nearest 10 of a user's": (lambda _: vector("u-3"), lambda _: near("u-3")),
        }
        rows = []
        for name, (by_hand, ours) in pairs.items():
            times = in_turns({"by hand": by_hand, "ours": ours}, rounds=5, each=10)
            ratio = against(times["ours"], times["by hand"])
            rows.append([name, f"{times['by hand']:,.0f}", f"{times['ours']:,.0f}", ratio])
    client.close()
    return rows


def _direction(dice: random.Random, dimensions: int) -> bytes:
    numbers = [dice.gauss(0, 1) for _ in range(dimensions)]
    length = math.hypot(*numbers)
    return struct.pack(f"<{dimensions}e", *(number / length for number in numbers))


def main() -> None:
    """Print the tables."""
    if "--disk" not in sys.argv and os.access("/dev/shm", os.W_OK):
        tempfile.tempdir = "/dev/shm"
    with RedisServer() as server:
        rows = appends_and_tails(server) + asyncio.run(awaited(server))
        show("Redis, against redis-py by hand (median us a call)", ["", "by hand", "Recollect", "ratio"], rows)
        show("Flat (median us a call)", ["", "100 messages", "100,000", "ratio"], flat(server))
        show("Throughput", ["", "by hand", "Recollect", "ratio"], writers(server) + bulk(server))
    if (STACK / "redis-server").is_file():
        with RedisServer(stack=True) as server:
            show("RediSearch (median us a call)", ["", "by hand", "Recollect", "ratio"], searches(server))


if __name__ == "__main__":
    main()
