"""The keys of Redis: read with the client library alone, as a stranger would."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis

from recollect import Recollect
from recollect.errors import Conflict
from recollect.model import Message, Preferences, Vector
from recollect.store import Append, Attach, Commit, Partition, Put
from recollect.store.driver import drive
from recollect.store.tables import TABLES
from recollect.stores.redis import writes
from recollect.stores.redis.keys import Keys, encode, slot
from recollect.testing import ManualClock
from recollect.testing.suites.isolation import HOSTILE
from tests.services import redis as servers
from tests.services.redis import RedisServer

START = datetime(2026, 11, 21, 0, 52, 30, 1, tzinfo=UTC)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def memory(prefix: str, clock: ManualClock) -> Iterator[Recollect]:
    with Recollect(f"{servers.server_url()}?prefix={prefix}", clock=clock) as memory:
        yield memory


def test_a_stranger_reads_a_conversation(memory: Recollect, raw: Any, prefix: str, clock: ManualClock) -> None:
    session = memory.session("trip", user="ann")
    session.append(
        [{"role": "system", "content": "Be brief.", "id": "a"}, {"role": "user", "content": "안녕", "id": "b"}]
    )
    session.append({"role": "assistant", "content": "Hi", "id": "c", "metadata": {"model": "m"}}, ttl=60)
    session.save_summary("A greeting.", covers_seq=2)
    memory.user("ann").preferences.set("seat", "window")
    base = f"{prefix}:{{default}}:"
    own = f"{base}session:trip:"
    assert sorted(raw.scan_iter(f"{prefix}:*")) == sorted(
        [
            f"{prefix}:meta",
            f"{prefix}:scopes",
            *(base + name for name in ("changes", "due", "preferences", "sessions")),
            *(base + name for name in ("user:ann:preferences", "user:ann:sessions")),
            *(own + name for name in ("expiring", "header", "ids", "messages", "summary", "system")),
        ]
    )
    at = "2026-11-21T00:52:30.000001Z"
    first, second, third = raw.xrange(f"{own}messages")
    assert first == ("1-0", {"id": "a", "role": "system", "created_at": at, "tokens": "7", "content": "Be brief."})
    assert (second[0], second[1]["content"]) == ("2-0", "안녕")
    assert third[1] == {
        "id": "c",
        "role": "assistant",
        "created_at": at,
        "tokens": third[1]["tokens"],
        "content": "Hi",
        "metadata": '{"model":"m"}',
        "expires_at": "2026-11-21T00:53:30.000001Z",
    }
    header = raw.hgetall(f"{own}header")
    assert (
        header.items()
        >= {
            "session_id": "trip",
            "user_id": "ann",
            "message_count": "3",
            "last_seq": "3",
            "created_at": at,
            "updated_at": at,
            "metadata": "{}",
            "version": "1",
        }.items()
    )
    assert raw.hgetall(f"{own}ids") == {"a": "1", "b": "2", "c": "3"}
    assert raw.zrange(f"{own}system", 0, -1) == ["1"]
    assert raw.zrange(f"{own}expiring", 0, -1) == ["2026-11-21T00:53:30.000001Z 3"]
    assert raw.hgetall(f"{own}summary")["text"] == "A greeting."
    assert raw.zrange(f"{base}sessions", 0, -1) == ["2026-11-21T00:52:30 trip"]
    assert raw.zrange(f"{base}user:ann:sessions", 0, -1) == ["2026-11-21T00:52:30 trip"]
    assert raw.hgetall(f"{base}user:ann:preferences")["preferences"] == '{"seat":"window"}'
    assert raw.zrange(f"{base}preferences", 0, -1) == ["ann"]
    assert raw.smembers(f"{prefix}:scopes") == {"default"}
    assert raw.hgetall(f"{prefix}:meta") == {"schema": "2", "shards": "1", "indexed": "0"}
    kinds = [(entry["kind"], entry["table"], entry["first_seq"]) for _, entry in raw.xrange(f"{base}changes")]
    assert kinds == [
        ("append", "messages", "1"),
        ("append", "messages", "3"),
        ("put", "summaries", "0"),
        ("put", "preferences", "0"),
    ]


def test_every_declared_column_has_its_field(memory: Recollect, raw: Any, prefix: str) -> None:
    session = memory.session("s", user="u", ttl=60, sliding=True)
    everything = {
        "role": "assistant",
        "content": [{"type": "text", "text": "x"}],
        "name": "n",
        "metadata": {"k": 1},
        "tool_calls": [{"id": "t"}],
        "tool_call_id": "t",
        "refusal": "no",
    }
    session.append(everything, ttl=5)
    session.update(title="t", metadata={"k": 1})
    session.save_summary("x", covers_seq=1, metadata={"k": 1})
    memory.user("u").preferences.put({"k": 1})
    base = f"{prefix}:{{default}}:"
    found = {
        "sessions": set(raw.hgetall(f"{base}session:s:header")),
        "summaries": set(raw.hgetall(f"{base}session:s:summary")),
        "preferences": set(raw.hgetall(f"{base}user:u:preferences")),
        # The session is in the key, the number is the entry's id, the owner is the session's.
        "messages": set(raw.xrange(f"{base}session:s:messages")[0][1]) | {"session_id", "seq", "user_id"},
    }
    for name, table in TABLES.items():
        # A vector is one member, see below.
        assert name == "vectors" or {column.name for column in table.columns} <= found[name], name


def attach(memory: Recollect, session: str, *vectors: Vector) -> None:
    drive(memory.store.commit(Partition("default", "session", session), [Attach(vectors=vectors)]))


def test_a_vector_is_a_member_of_a_sorted_set_by_number(memory: Recollect, prefix: str) -> None:
    data = bytes(range(256)) * 3
    rows = memory.session("s").append([{"role": "user", "content": "x", "id": id} for id in ("a b", "안녕")])
    vectors = [Vector(session_id="s", seq=row.seq, id=row.id, model="org/m é", data=data) for row in rows]
    attach(memory, "s", *vectors)
    with redis.Redis.from_url(servers.server_url()) as raw:
        members = raw.zrange(f"{prefix}:{{default}}:session:s:vectors", 0, -1, withscores=True)
    assert members == [(b"1 a%20b org%2Fm%20\xc3\xa9 " + data, 1.0), ("2 안녕 org%2Fm%20é ".encode() + data, 2.0)]


def test_any_id_is_a_key_of_its_own_and_lua_and_python_agree(memory: Recollect, raw: Any, prefix: str) -> None:
    for user in HOSTILE:
        memory.session(user, user=user).append({"role": "user", "content": "x"})
        memory.session(user, user=user).append({"role": "user", "content": "y"})
    keys = set(raw.scan_iter(f"{prefix}:*"))
    base = f"{prefix}:{{default}}:"
    for user in HOSTILE:
        assert f"{base}user:{encode(user)}:sessions" in keys
        assert raw.xlen(f"{base}session:{encode(user)}:messages") == 2
    assert len([key for key in keys if key.startswith(f"{base}user:")]) == len(HOSTILE)
    assert len({encode(user) for user in HOSTILE}) == len(HOSTILE)
    assert encode("a b/{c}%:é💬") == "a%20b%2F%7Bc%7D%25:é💬"


def test_all_keys_of_a_partition_are_in_one_slot(raw: Any) -> None:
    for shards in (1, 16):
        keys = Keys("p", shards)
        tags = set()
        for id in HOSTILE:
            base, session = keys.session(id, id)
            assert len({slot(key) for key in session}) == 1
            assert {slot(f"{base}user:{encode(id)}:sessions")} == {slot(session.header)}
            assert len({slot(key) for key in keys.user(id, id)}) == 1
            tags.add(base)
        assert len(tags) == len(HOSTILE)
    # The same arithmetic as the server's.
    some = Keys("p", 4).session("ten{ant", "a}b")[1].header
    with redis.Redis.from_url(servers.cluster_url().replace("redis+cluster", "redis")) as node:
        found: Any = node.execute_command("CLUSTER", "KEYSLOT", some)
    assert found == slot(some)


def test_native_expiry_comes_long_after_ours_and_follows_it(
    memory: Recollect, raw: Any, prefix: str, clock: ManualClock
) -> None:
    base = f"{prefix}:{{default}}:session:s:"
    session = memory.session("s", ttl=100, sliding=True)
    row, _ = session.append([{"role": "user", "content": "a"}, {"role": "system", "content": "b"}], ttl=10)
    attach(memory, "s", Vector(session_id="s", seq=1, id=row.id, model="m", data=b"12"))
    day = 86_400_000
    for name in ("messages", "ids", "system", "expiring", "vectors"):
        assert day + 90_000 < raw.pttl(base + name) <= day + 100_000, name
    assert raw.pttl(base + "header") == -1, "a sweep still has to find what it belonged to"
    clock.forward(50)
    session.append({"role": "user", "content": "c"})
    assert day + 90_000 < raw.pttl(base + "messages") <= day + 100_000
    session.update(ttl=None)
    for name in ("messages", "ids", "system", "expiring", "vectors"):
        assert raw.pttl(base + name) == -1, name


def test_a_clock_far_from_the_servers_loses_nothing(prefix: str, raw: Any) -> None:
    clock = ManualClock(datetime(2001, 1, 1, tzinfo=UTC))
    with Recollect(f"{servers.server_url()}?prefix={prefix}", clock=clock) as memory:
        session = memory.session("s", ttl=100)
        session.append({"role": "user", "content": "a"})
        clock.forward(99)
        assert [row.content for row in session.tail()] == ["a"]
        assert raw.pttl(f"{prefix}:{{default}}:session:s:messages") > 86_400_000
        clock.forward(1)
        assert session.tail() == []


def test_a_sweep_leaves_no_key_of_what_has_expired(
    memory: Recollect, raw: Any, prefix: str, clock: ManualClock
) -> None:
    memory.session("gone", user="u", ttl=10).append(
        [{"role": "system", "content": "x"}, {"role": "user", "content": "y"}]
    )
    memory.session("gone", user="u").save_summary("x", covers_seq=1)
    (row,) = memory.session("stays").append({"role": "user", "content": "x"}, ttl=10)
    attach(memory, "stays", Vector(session_id="stays", seq=1, id=row.id, model="m", data=b"12"))
    clock.forward(8 * 86400)
    swept = memory.sweep()
    assert (swept.sessions, swept.messages, swept.changes) == (1, 3, 3)
    left = sorted(key.removeprefix(f"{prefix}:") for key in raw.scan_iter(f"{prefix}:*"))
    assert left == [
        "meta",
        "scopes",
        "{default}:changes",
        "{default}:session:stays:header",
        "{default}:session:stays:messages",
        "{default}:sessions",
        "{default}:state",
    ]
    assert raw.xlen(f"{prefix}:{{default}}:session:stays:messages") == 0


def test_a_deleted_session_leaves_no_key(memory: Recollect, raw: Any, prefix: str) -> None:
    session = memory.session("s", user="u", ttl=10)
    (row,) = session.append({"role": "system", "content": "x"}, ttl=5)
    attach(memory, "s", Vector(session_id="s", seq=1, id=row.id, model="m", data=b"12"))
    session.save_summary("x", covers_seq=1)
    session.delete()
    left = {key.removeprefix(f"{prefix}:") for key in raw.scan_iter(f"{prefix}:*")}
    assert left == {"meta", "scopes", "{default}:changes"}


def test_lists_within_a_second_are_in_exact_order(memory: Recollect, clock: ManualClock) -> None:
    names = [f"s{n * 37 % 100:02}" for n in range(100)]
    for name in names:
        clock.set(clock() + timedelta(microseconds=13_000))
        memory.session(name, user="u").append({"role": "user", "content": "x"})
    seen: list[str] = []
    cursor = None
    while True:
        page = memory.user("u").sessions(limit=7, cursor=cursor)
        seen += [row.id for row in page]
        cursor = page.cursor
        if cursor is None:
            break
    assert seen == names[::-1]


def _dump(raw: Any, prefix: str) -> dict[str, Any]:
    """Everything under a prefix, without what the server's clock gave."""
    readers = {
        "hash": raw.hgetall,
        "set": raw.smembers,
        "zset": lambda key: raw.zrange(key, 0, -1, withscores=True),
        "stream": lambda key: raw.xrange(key),
    }
    found = {}
    for key in raw.scan_iter(f"{prefix}:*"):
        held = readers[raw.type(key)](key)
        changes = key.endswith(":changes")
        found[key.removeprefix(prefix)] = [fields for _, fields in held] if changes else held
    return found


@pytest.mark.parametrize("shards", [1, 4])
def test_the_short_way_of_an_append_writes_what_the_long_way_writes(
    raw: Any, prefix: str, monkeypatch: pytest.MonkeyPatch, shards: int
) -> None:
    calls = {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "type": "function", "function": {}}]}
    rows: list[tuple[str, str | None, float, dict[str, Any], dict[str, Any]]] = [
        ("s", "ann%:x", 0.0, {}, {}),  # a new session
        ("s", "ann%:x", 0.1, {}, {}),  # the same second
        ("s", None, 1.0, {}, {}),  # the next, by who names no user
        ("s", "ann%:x", 0.5, {"metadata": {"a": 1}, "name": "n"}, {}),
        ("s", "ann%:x", 0.5, calls, {}),
        ("s", "ann%:x", 2.0, {"id": "m1"}, {}),  # an id that is known
        ("s", "bob", 0.5, {}, {}),  # refused
        ("s", "ann%:x", 0.5, {"created_at": "2020-01-01T00:00:00Z"}, {}),
        ("s", "ann%:x", 0.5, {"created_at": "2030-01-01T00:00:00Z"}, {}),
        ("s", "ann%:x", 0.5, {}, {}),
        ("s", "ann%:x", 0.5, {"role": "system"}, {}),
        ("free", None, 1.0, {}, {}),
        ("free", None, 1.0, {}, {}),
        ("free", "ann%:x", 1.0, {}, {}),  # adopted
        ("ends", "ann%:x", 1.0, {}, {"ttl": 30.0}),
        ("ends", "ann%:x", 1.0, {}, {}),
        ("ends", "ann%:x", 60.0, {}, {}),  # expired, and begun again
        ("part", "ann%:x", 1.0, {}, {}),
        ("part", "ann%:x", 1.0, {}, {"part": 10.0}),
        ("part", "ann%:x", 20.0, {}, {}),
    ]
    dumps, outcomes = [], []
    for name in ("short", "long"):
        own = f"{prefix}{name}"
        if name == "long":
            monkeypatch.setattr(writes, "_is_usual", lambda op: False)
        clock, given = ManualClock(START), list[Any]()
        with Recollect(f"{servers.server_url()}?prefix={own}&shards={shards}", clock=clock) as memory:
            for n, (session, user, seconds, more, lifetime) in enumerate(rows):
                clock.forward(seconds)
                handle = memory.session(session, user=user, ttl=lifetime.get("ttl"))
                message = {"role": "user", "content": f"text {n}", "id": f"m{n}"} | more
                try:
                    given.append([row.to_dict() for row in handle.append(message, ttl=lifetime.get("part"))])
                except Conflict as error:
                    given.append([str(error)])
            given.append([change.first_seq for change in memory.changes()])
        dumps.append(_dump(raw, own))
        outcomes.append(given)
        servers.remove(servers.server_url(), own)
    assert outcomes[0] == outcomes[1]
    assert dumps[0] == dumps[1]
    assert len(dumps[0]) > 15


def test_what_is_sent_at_once_is_in_the_feed_in_its_order(own_redis: Callable[..., RedisServer]) -> None:
    """Also where the server knows the script of the second alone, and has to be told that of the first."""
    server = own_redis()
    with Recollect(server.url) as memory:
        memory.session("s").append({"role": "user", "content": "so appends are known"})
    with Recollect(server.url) as memory:
        memory.open()
        document = Put(
            table="preferences", row=Preferences(user_id="u", values={"k": 1}, created_at=START, updated_at=START)
        )
        message = Message(role="user", content="x", id="a", created_at=START, tokens=1)
        drive(
            memory.store.commit_many(
                [
                    Commit(Partition("default", "user", "u"), [document]),
                    Commit(Partition("default", "session", "s"), [Append(rows=[message], terms=[""])]),
                ]
            )
        )
        assert [change.table for change in memory.changes()] == ["messages", "preferences", "messages"]
