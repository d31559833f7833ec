"""Many appends at once go by COPY: the same rows, numbers and answers as one by one, and nothing half done."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from recollect import AsyncRecollect, Conflict, LimitExceeded, Message, Part, Recollect, Unavailable
from recollect.connect import connect
from recollect.store import Append, BlockingDriver, Commit, Delete, Partition, SessionDefaults, Store
from recollect.store.driver import drive
from recollect.stores.memory import MemoryStore
from recollect.stores.postgres import PostgresStore, bulk
from recollect.stores.postgres.rows import ITEM_BYTES
from tests.services.postgres import Proxy, Server, own_server, patient_feed, postgres_url

NOW = datetime(2026, 11, 21, 12, 0, 0, 123456, tzinfo=UTC)
HOSTILE = [
    "plain", "", "a\tb", "a\nb\r\nc\r", "back\\slash", "\\N", "\\.", "\\.\n", "a\0b", "\1", "\1\1\2", "\\t\\n", "'quoted' \"twice\"",
    "한국어 💬 \u2028\u2029\x85", "\x02\x7f", "{\"a\": [1, \"\\u0000\"]}", "x" * 300_000, "$1 %s {}", "\\", "\t", "\n", "NULL",
]  # fmt: skip


class Pair:
    """The store and the oracle, which do the same."""

    def __init__(self, name: str) -> None:
        self.now = NOW
        driver = BlockingDriver(lambda: self.now)
        self.store: Store = connect(f"{postgres_url()}?schema={name}")
        self.oracle = MemoryStore()
        drive(self.store.open(driver))
        drive(self.oracle.open(driver))

    def send(self, *commits: Commit) -> list[Any]:
        """The outcomes, the same on both."""
        mine, other = (drive(store.commit_many(commits)) for store in (self.store, self.oracle))
        assert list(map(_plain, mine)) == list(map(_plain, other))
        return mine

    def check(self, *sessions: str) -> None:
        """Both hold the same."""
        for session in sessions:
            rows, headers = [], []
            for store in (self.store, self.oracle):
                rows.append(drive(store.query("messages", ("t", session), limit=10**6)))
                headers.append(drive(store.get("sessions", ("t", session))))
            assert list(rows[0]) == list(rows[1])
            assert headers[0] == headers[1]
        mine, other = (
            [
                (change.kind, change.table, change.partition, change.first_seq, change.last_seq, change.at)
                for change in feed
            ]
            for feed in (drive(store.changes("t", limit=10**6)) for store in (self.store, self.oracle))
        )
        assert mine == other


def _plain(outcome: Any) -> Any:
    if isinstance(outcome, Exception):
        return type(outcome)
    return [(result, getattr(result, "written", None)) for result in outcome]


@pytest.fixture
def pair(name: str) -> Iterator[Pair]:
    made = Pair(name)
    with patient_feed():
        yield made
    drive(made.store.close())


def _append(session: str, *rows: Message, terms: str = "word", **defaults: Any) -> Commit:
    op = Append(rows=rows, terms=[terms] * len(rows), session=SessionDefaults(**defaults))
    return Commit(Partition("t", "session", session), [op])


def _rows(count: int, prefix: str = "m", **fields: Any) -> list[Message]:
    return [Message("user", f"text {n}", id=f"{prefix}{n}", **{"created_at": NOW, **fields}) for n in range(count)]


def test_text_of_every_kind_comes_back_as_it_was(pair: Pair) -> None:
    rows = [
        Message(
            text or "user",
            text,
            id=f"{n}{text[:200]}",
            name=text,
            tool_call_id=text,
            created_at=NOW - timedelta(days=n * 9999, microseconds=n),
            expires_at=NOW + timedelta(days=n + 1),
            metadata={text[:200]: [text, 1e300, -0.0, None]},
            extra={"a": text},
            tool_calls=[{"id": text}],
            tokens=n,
        )
        for n, text in enumerate(HOSTILE)
    ]
    rows += [
        Message("assistant", [Part(type="text", text=text)], id=f"part{text[:200]}", created_at=NOW) for text in HOSTILE
    ]
    rows += [Message("assistant", None, id="none", created_at=NOW)]
    sessions = [text[:100] or "empty" for text in HOSTILE if text[:100] not in ("\\.",)]
    pair.send(*(_append(session, *rows, user_id=f"u{session}") for session in sessions))
    pair.check(*sessions)
    (found,) = drive(pair.store.search("t", terms=["word"], limit=1))
    assert found.row.id in {row.id for row in rows}


def test_what_is_there_is_not_written_again(pair: Pair) -> None:
    pair.send(_append("a", *_rows(120), user_id="ann"), _append("b", *_rows(60)))
    # Known ones among new ones, an id twice in one append, all of it again, and nothing.
    twice = _rows(1, "new")
    pair.send(_append("a", *_rows(200), *twice, *twice, user_id="ann"), _append("b", *_rows(150)), _append("c"))
    pair.send(_append("a", *_rows(200), user_id="ann"), _append("b", *_rows(150)))
    pair.check("a", "b", "c")


def test_what_is_there_among_others_is_found_though_only_the_ends_are_looked_for(pair: Pair) -> None:
    rows = _rows(120)
    pair.send(_append("a", rows[60]), _append("b", *_rows(5, "b")))
    # The row in the middle is refused: everything is undone, and comes again.
    pair.send(_append("b", *_rows(60, "x")), _append("a", *rows), _append("c", *_rows(60)))
    pair.send(_append("a", *_rows(60, "y"), *rows[30:90], *_rows(60, "z")))
    pair.check("a", "b", "c")


def test_one_in_the_middle_that_has_expired_is_written_anew(pair: Pair) -> None:
    rows = _rows(120)
    pair.send(_append("a", rows[60].replace(expires_at=NOW + timedelta(seconds=10)), *_rows(3, "other")))
    pair.now += timedelta(seconds=30)
    pair.send(_append("a", *rows))
    pair.check("a")


def test_plain_text_and_others_keep_their_order(pair: Pair) -> None:
    rows = _rows(150)
    rows[::3] = [row.replace(metadata={"n": n}, name="ann") for n, row in enumerate(rows[::3])]
    pair.send(_append("mixed", *rows), _append("rich", *_rows(60, extra={"a": 1})), _append("plain", *_rows(60)))
    pair.check("mixed", "rich", "plain")


def test_owners(pair: Pair) -> None:
    pair.send(_append("free", *_rows(60)), _append("hers", *_rows(60), user_id="ann"))
    outcomes = pair.send(
        _append("free", *_rows(60, "x"), user_id="bob"),
        _append("hers", *_rows(60, "x"), user_id="bob"),
        _append("hers too", *_rows(60), user_id="ann"),
    )
    assert isinstance(outcomes[1], Conflict)
    pair.check("free", "hers", "hers too")
    assert {row.user_id for row in drive(pair.store.query("messages", ("t", "free"), limit=999))} == {"bob"}


def test_several_appends_to_a_session_and_other_commits_among_them(pair: Pair) -> None:
    pair.send(
        _append("a", *_rows(150)),
        _append("b", *_rows(150)),
        _append("a", *_rows(200)),
        Commit(Partition("t", "session", "b"), [Delete(table="messages", seq=3)]),
        _append("b", *_rows(160)),
        Commit(Partition("t", "session", "a"), []),
        *(_append("one by one", *_rows(1, f"{n}-")) for n in range(250)),
    )
    pair.check("a", "b", "one by one")


def test_lifetimes(pair: Pair) -> None:
    soon = NOW + timedelta(seconds=10)
    pair.send(
        _append("gone", *_rows(120), ttl=10),
        _append("slides", *_rows(120), ttl=60, sliding=True),
        _append("some", *_rows(60, expires_at=soon), *_rows(60, "kept")),
    )
    pair.now += timedelta(seconds=30)
    pair.check("gone", "slides", "some")
    pair.send(
        _append("gone", *_rows(130)),
        _append("slides", *_rows(140), ttl=60, sliding=True),
        _append("some", *_rows(60), *_rows(60, "kept")),
    )
    pair.check("gone", "slides", "some")
    pair.now += timedelta(seconds=59)
    pair.check("slides")
    # Clocks that run ahead or behind: the header's activity is not counted later than now, and never goes back.
    pair.send(_append("slides", *_rows(120, "ahead", created_at=NOW + timedelta(days=1))))
    pair.send(_append("slides", *_rows(120, "behind", created_at=NOW - timedelta(days=9999))))
    pair.check("slides")


def test_one_that_cannot_be_written_takes_no_other_with_it(pair: Pair) -> None:
    large = Message("user", "x" * (ITEM_BYTES + 1), id="large", created_at=NOW)
    commits = [_append("a", *_rows(120)), _append("b", large), _append("c", *_rows(120))]
    outcomes = drive(pair.store.commit_many(commits))
    assert isinstance(outcomes[1], LimitExceeded)
    assert [len(drive(pair.store.query("messages", ("t", id), limit=999))) for id in "abc"] == [120, 0, 120]


def test_more_than_a_transaction_takes(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "MAX_CHARACTERS", 20_000)
    sessions = [f"s{n}" for n in range(450)]
    pair.send(*(_append(session, *_rows(5), user_id="ann") for session in sessions))
    pair.check(*sessions)


def test_imports_and_writers_share_sessions(name: str) -> None:
    url = f"{postgres_url()}?schema={name}"
    with Recollect(url) as memory:
        memory.open()

        def load(n: int) -> None:
            memory.import_lines(
                {"session": f"s{i % 7}", "role": "user", "content": "x", "id": f"import-{n}-{i}"} for i in range(1500)
            )

        def write(n: int) -> None:
            for i in range(60):
                memory.session(f"s{i % 7}").append({"role": "user", "content": "x", "id": f"one-{n}-{i}"})

        threads = [threading.Thread(target=load, args=(n,)) for n in range(2)]
        threads += [
            threading.Thread(target=load, args=(0,)),
            *(threading.Thread(target=write, args=(n,)) for n in range(3)),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        total = 0
        numbers: dict[str, list[int]] = {f"s{n}": [] for n in range(7)}
        for change in memory.changes(limit=10_000):
            numbers[change.partition] += range(change.first_seq, change.last_seq + 1)
        for n in range(7):
            rows = memory.session(f"s{n}").tail(10_000)
            assert [row.seq for row in rows] == list(range(1, len(rows) + 1)) == numbers[f"s{n}"]
            assert len({row.id for row in rows}) == len(rows)
            info = memory.session(f"s{n}").info()
            assert info is not None
            assert info.message_count == len(rows)
            total += len(rows)
        assert total == 2 * 1500 + 3 * 60


def test_in_a_transaction_of_the_users_own_it_is_undone_with_it(name: str) -> None:
    with psycopg.connect(postgres_url()) as connection:
        connection.execute("SET client_encoding = 'LATIN1'")
        with Recollect(PostgresStore(connection=connection, schema=name)) as memory:
            connection.commit()
            lines = [{"session": f"s{n % 3}", "role": "user", "content": "é"} for n in range(300)]
            memory.import_lines(lines)
            assert len(memory.session("s0").tail(1000)) == 100
            connection.rollback()
            assert memory.session("s0").tail() == []
            memory.session("s0").append({"role": "user", "content": "first", "id": "50"})
            report = memory.import_lines({**line, "id": f"{n // 3}"} for n, line in enumerate(lines))
            assert (report.written, report.known) == (299, 1)
            connection.commit()
    with Recollect(f"{postgres_url()}?schema={name}") as memory:
        assert {row.content for row in memory.session("s2").tail(1000)} == {"é"}


def test_async(name: str) -> None:
    asyncio.run(_import(name))


async def _import(name: str) -> None:
    async with AsyncRecollect(f"{postgres_url()}?schema={name}") as memory:
        await memory.import_lines({"session": f"s{n % 3}", "role": "user", "content": f"{n}"} for n in range(3000))
        assert len(await memory.session("s1").tail(10_000)) == 1000


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    made = own_server().start()
    yield made
    made.remove()


@pytest.mark.parametrize("keep", [0, 7, None], ids=["answer lost", "answer cut", "question cut"])
@pytest.mark.parametrize("when", ["enter_many", "COPY", "the 777th", "leave_many", "COMMIT"])
def test_a_connection_cut_at_any_point_leaves_all_of_it_once(server: Server, when: str, keep: int | None) -> None:
    proxy = Proxy(server.port)
    name = f"cut_{when.replace(' ', '_').lower()}_{keep}"
    try:
        with Recollect(f"postgresql://postgres@127.0.0.1:{proxy.port}/postgres?schema={name}") as memory:
            memory.session("s0").append({"role": "user", "content": "before", "id": "5"})
            proxy.cut_when, proxy.keep = when.encode(), keep
            report = memory.import_lines(
                {"session": f"s{n % 5}", "role": "user", "content": f"the {n}th", "id": f"{n}"} for n in range(1000)
            )
            assert proxy.cuts == 1
            assert report.failed == 0
            for n in range(5):
                rows = memory.session(f"s{n}").tail(1000)
                assert [row.seq for row in rows] == list(range(1, 201))
                assert sorted(int(row.id or "") for row in rows) == list(range(n, 1000, 5))
            feed = [change for change in memory.changes() if change.kind == "append"]
            assert sum(change.last_seq - change.first_seq + 1 for change in feed) == 1000
    finally:
        proxy.close()


def test_a_server_that_stays_away_in_the_middle_of_an_import_says_so(server: Server) -> None:
    proxy = Proxy(server.port)
    with Recollect(
        f"postgresql://postgres@127.0.0.1:{proxy.port}/postgres?schema=stays_away&connect_timeout=1"
    ) as memory:
        memory.open()

        def lines() -> Iterator[dict[str, str]]:
            for n in range(30_000):
                if n == 25_000:
                    proxy.close()
                yield {"session": "s", "role": "user", "content": "x"}

        with pytest.raises(Unavailable):
            memory.import_lines(lines())
    with Recollect(f"{server.url}?schema=stays_away") as memory:
        rows = memory.session("s").tail(100_000)
        assert [row.seq for row in rows] == list(range(1, len(rows) + 1))
        assert 0 < len(rows) < 30_000
