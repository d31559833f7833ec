"""JSON Lines out and in: nothing lost, nothing written twice, bad lines told by their number."""

from __future__ import annotations

import codecs
import json
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from recollect import Conflict, InvalidInput, Message, Recollect, Unavailable, connect
from recollect.testing.clock import START, ManualClock
from recollect.testing.faults import FaultyStore
from tests.library.harness import Opener
from tests.library.test_message_shapes import SHAPES, TEXTS

SYNC = pytest.mark.parametrize("mode", ["sync"], indirect=True)
FAST = pytest.mark.parametrize("url", ["memory"], indirect=True)
BOM = codecs.BOM_UTF8


def line(session: str, text: str = "x", **more: Any) -> dict[str, Any]:
    return {"session": session, "role": "user", "content": text, **more}


def texts(memory: Recollect, session: str) -> list[Any]:
    return [message.content for message in memory.session(session).read(limit=10_000)]


def as_bytes(lines: Any) -> list[bytes]:
    return [json.dumps(one, ensure_ascii=False).encode() + b"\n" for one in lines]


def check_round_trip(source: Recollect, target: Recollect) -> None:
    """Over JSON text and back: the messages are equal, and a second export is the same text."""
    exported = as_bytes(source.export_lines())
    report = target.import_lines(exported)
    assert (report.lines, report.written, report.known, report.failed) == (len(exported), len(exported), 0, 0)
    for header in source.sessions(10_000):
        assert target.session(header.id).read(limit=10_000).items == source.session(header.id).read(limit=10_000).items
    assert sorted(as_bytes(target.export_lines())) == sorted(exported)
    again = target.import_lines(exported)
    assert (again.written, again.known) == (0, len(exported))


@pytest.mark.parametrize("user", [None, "u"])
def test_every_shape(opener: Opener, user: str | None) -> None:
    """Whatever a provider shapes, with every field of ours, survives the way through text."""
    memory = opener()
    session = memory.session("s", user)
    session.append(list(SHAPES.values()))
    session.append([{"role": "user", "content": text, "name": name} for name, text in TEXTS.items()])
    session.append(
        {"role": "user", "content": "x", "metadata": {"a": None, "b": [], "c": {}}, "refusal": None, "n": {}}
    )
    session.append(Message("ai", "x", id="m", extra={"id": "theirs", "metadata": 1, "created_at": None, "ttl": 5}))
    session.append({"role": "user", "content": "x", "session": None, "user": 0, "extra": {"session_id": 1, "extra": 2}})
    check_round_trip(memory, opener("memory://"))
    check_round_trip(memory, memory.in_scope("copy"))
    for stored, given in zip(memory.in_scope("copy").session("s").read(), SHAPES.values(), strict=False):
        assert stored.to_provider() == given


def test_many_sessions_and_users(opener: Opener) -> None:
    """Sessions and users interleaved keep the order of each session; filters narrow the export."""
    memory = opener()
    lines = [line(f"s{i * 7 % 5}", str(i), **({"user": f"u{i * 7 % 5}"} if i * 7 % 5 else {})) for i in range(50)]
    report = memory.import_lines(lines)
    assert (report.written, report.sessions, report.lines) == (50, 5, 50)
    for n in range(5):
        assert texts(memory, f"s{n}") == [str(i) for i in range(50) if i * 7 % 5 == n]
        assert {m.user_id for m in memory.session(f"s{n}").read()} == {f"u{n}" if n else None}
    assert [one["content"] for one in memory.export_lines(session="s1")] == texts(memory, "s1")
    assert {one["session"] for one in memory.export_lines(user="u2")} == {"s2"}
    assert len(list(memory.export_lines(user="u2", session="s2"))) == 10
    assert list(memory.export_lines(user="u2", session="s1")) == []
    assert list(memory.export_lines(session="none")) == []
    check_round_trip(memory, opener("memory://"))


def test_bytes_text_and_dicts(memory: Recollect) -> None:
    """A line may be any of the three, with any line end; blank lines are lines that say nothing."""
    lines: list[Any] = [
        line("s", "dict"),
        json.dumps(line("s", "str")),
        json.dumps(line("s", "bytes")).encode(),
        "\n", "", b"\r\n", b"  \t ",
        json.dumps(line("s", "crlf")) + "\r\n",
        b"  " + json.dumps(line("s", "spaces")).encode() + b" \n",
    ]  # fmt: skip
    report = memory.import_lines(iter(lines))
    assert (report.lines, report.written, report.failed) == (9, 5, 0)
    assert texts(memory, "s") == ["dict", "str", "bytes", "crlf", "spaces"]


def test_line_ends_and_byte_order_marks_say_nothing(memory: Recollect) -> None:
    """The same file with CRLF, a BOM or as text is the same file: nothing is written a second time."""
    file = as_bytes(line("s", f"{i} 안녕") for i in range(5))
    assert memory.import_lines(file).written == 5
    crlf = [one.replace(b"\n", b"\r\n") for one in file]
    for same in (crlf, [BOM + file[0], *file[1:]], [BOM + crlf[0], *crlf[1:]], [one.decode() for one in file]):
        report = memory.import_lines(same)
        assert (report.written, report.known) == (0, 5)
    assert memory.import_lines(["\ufeff" + file[0].decode()]).known == 1
    for blank in (BOM + b"\n", BOM, BOM + b"\r\n", "\ufeff\n"):
        report = memory.import_lines([blank, *as_bytes([line("t", "x", id="1")])])
        assert (report.lines, report.failed) == (2, 0)
    assert texts(memory, "t") == ["x"]


BAD: dict[str, Any] = {
    "no JSON": b"{",
    "cut": b'{"session": "s", "role": "user", "content": "x',
    "no UTF-8": b'{"session": "s", "role": "user", "content": "\xff"}',
    "half a pair": '{"session": "s", "role": "user", "content": "\ud800"}',
    "an escaped half": rb'{"session": "s", "role": "user", "content": "\ud800"}',
    "no object": b"[1]",
    "two objects": b"{}{}",
    "no session": b'{"role": "user", "content": "x"}',
    "session of a wrong kind": line("s") | {"session": 5},
    "session too long": line("s" * 513),
    "user of a wrong kind": line("s", user=5),
    "no role": {"session": "s", "content": "x"},
    "unknown role": line("s") | {"role": "robot"},
    "no content": {"session": "s", "role": "user"},
    "id of a wrong kind": line("s", id=5),
    "time without a zone": line("s", created_at="2024-05-01T00:00:00"),
    "expiry that is none": line("s", expires_at="soon"),
    "metadata of a wrong kind": line("s", metadata=[]),
    "NaN": b'{"session": "s", "role": "user", "content": "x", "n": NaN}',
    "number too large": b'{"session": "s", "role": "user", "content": "x", "n": 1%s}' % (b"0" * 400),
    "too deep": line("s", deep=json.loads("[" * 200 + "]" * 200)),
    "far too deep": b'{"session": "s", "role": "user", "content": "x", "n": ' + b"[" * 20_000 + b"]" * 20_000 + b"}",
    "not a line": 5,
    "set": {1},
    "none": None,
    "keys that are no text": {**line("s"), 5: 1},
}


@FAST
@SYNC
@pytest.mark.parametrize("name", BAD)
def test_a_bad_line(memory: Recollect, name: str) -> None:
    """`stop` raises with its number when what stands before it is in; `skip` goes on and reports it."""
    lines = [line("s", "before", id="1"), "\n", BAD[name], line("s", "after", id="2")]
    with pytest.raises(InvalidInput, match=r"^line 3: ") as caught:
        memory.import_lines(lines)
    assert caught.value.field == "line"
    assert len(str(caught.value)) < 1000
    assert texts(memory, "s") == ["before"]
    report = memory.import_lines(lines, on_error="skip")
    assert (report.lines, report.written, report.known, report.failed) == (4, 1, 1, 1)
    assert [error.line for error in report.errors] == [3]
    assert report.errors[0].reason
    assert texts(memory, "s") == ["before", "after"]
    json.dumps(report.to_dict())


def test_many_bad_lines(memory: Recollect) -> None:
    """All are counted, the first hundred told; the good ones between them are in, in order."""
    lines: list[Any] = [line("s", str(i)) if i % 2 else b"{" for i in range(600)]
    report = memory.import_lines(lines, on_error="skip")
    assert (report.written, report.failed, len(report.errors)) == (300, 300, 100)
    assert [error.line for error in report.errors] == list(range(1, 200, 2))
    assert texts(memory, "s") == [str(i) for i in range(600) if i % 2]


def test_lines_of_another_owner(memory: Recollect) -> None:
    """Lines for a session that is another user's are left out, all of them; those of other sessions are not."""
    memory.session("anns", "ann").append({"role": "user", "content": "mine"})
    lines = [
        line("own", "1", user="eve"),
        line("anns", "2", user="eve"),
        line("own", "3", user="eve"),
        line("anns", "4", user="eve"),
        line("anns", "5"),
        line("own", "6", user="bob"),
    ]
    report = memory.import_lines(lines, on_error="skip")
    assert sorted(error.line for error in report.errors) == [2, 4, 6]
    assert (report.written, report.failed) == (3, 3)
    assert (texts(memory, "anns"), texts(memory, "own")) == (["mine", "5"], ["1", "3"])
    with pytest.raises(InvalidInput, match=r"^line 2: .*another user") as caught:
        memory.import_lines(lines)
    assert isinstance(caught.value.__cause__, Conflict)


def test_a_session_is_taken_over_on_the_way(memory: Recollect) -> None:
    """The first line that names a user gives the session to them."""
    memory.import_lines([line("s", "1"), line("s", "2", user="u"), line("s", "3")])
    assert [(m.content, m.user_id) for m in memory.session("s").read()] == [("1", "u"), ("2", "u"), ("3", "u")]


def test_lifetimes_are_carried_along(opener: Opener) -> None:
    """`expires_at` is exported and kept; what has expired by then is not there."""
    clock = ManualClock()
    memory = opener(clock=clock)
    memory.session("s").append([{"role": "user", "content": "a"}, {"role": "user", "content": "b", "ttl": 60}])
    exported = list(memory.export_lines())
    assert "expires_at" not in exported[0]
    copy = memory.in_scope("copy")
    clock.forward(50)
    copy.import_lines(exported)
    assert [m.expires_at for m in copy.session("s").read()] == [None, START + timedelta(seconds=60)]
    clock.forward(10)
    assert texts(copy, "s") == ["a"]
    memory.in_scope("late").import_lines(exported)
    assert texts(memory.in_scope("late"), "s") == ["a"]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_store_that_is_away_stops_a_skipping_import(opener: Opener, url: str, when: Any) -> None:
    """`skip` is for bad lines: when the store is away the import raises, and can be repeated."""
    store = FaultyStore(connect(url))
    memory = opener(store)
    lines = [line(f"s{i % 3}", str(i)) for i in range(30)]
    store.fail(2, when)
    with pytest.raises(Unavailable):
        memory.import_lines(lines, on_error="skip")
    report = memory.import_lines(lines, on_error="skip")
    assert (report.written + report.known, report.failed) == (30, 0)
    assert report.known >= 10
    assert [texts(memory, f"s{n}") for n in range(3)] == [[str(i) for i in range(n, 30, 3)] for n in range(3)]


def test_an_error_of_the_source_comes_out(memory: Recollect) -> None:
    """When reading the lines fails, that error is raised; repeated, nothing is there twice."""

    def source() -> Iterator[dict[str, Any]]:
        yield from lines
        raise OSError("disk")

    lines = [line("s", str(i)) for i in range(3000)]
    with pytest.raises(OSError, match="disk"):
        memory.import_lines(source())
    report = memory.import_lines(lines)
    assert report.written + report.known == 3000
    assert texts(memory, "s") == [str(i) for i in range(3000)]


@SYNC
def test_twenty_thousand_lines(opener: Opener) -> None:
    """Twenty thousand lines of two hundred sessions take seconds of this process's time, in and out."""
    memory = opener()
    lines = as_bytes(line(f"s{i % 200}", f"line {i} of the log", user=f"u{i % 20}") for i in range(20_000))
    seen: list[tuple[int, int]] = []
    begin = time.process_time()
    report = memory.import_lines(lines, progress=lambda count, size: seen.append((count, size)))
    exported = list(memory.export_lines())
    taken = time.process_time() - begin
    assert (report.written, report.sessions, len(exported)) == (20_000, 200, 20_000)
    assert seen[-1] == (20_000, sum(map(len, lines)))
    assert seen == sorted(seen)
    assert texts(memory, "s7") == [f"line {i} of the log" for i in range(7, 20_000, 200)]
    assert taken < 20, f"{taken:.1f} s"


def test_many_shapes_at_once(opener: Opener) -> None:
    """Plain messages and others, into many sessions and into one, get their numbers in the order of the lines."""
    memory = opener()
    made = [
        line(f"s{n % 20}", str(n), id=str(n), **({"metadata": {"n": n}, "name": "N"} if n % 3 else {}))
        for n in range(1200)
    ] + [line("one", str(n), id=str(n), created_at="2026-01-02T03:04:05.000006Z") for n in range(600)]
    assert memory.import_lines(made).written == 1800
    for number in range(20):
        rows = memory.session(f"s{number}").read(limit=1000).items
        assert [row.content for row in rows] == [str(n) for n in range(number, 1200, 20)]
        assert [row.seq for row in rows] == list(range(1, 61))
        assert all(row.metadata == ({"n": int(row.id)} if int(row.id) % 3 else {}) for row in rows)
        assert all(row.name == ("N" if int(row.id) % 3 else None) for row in rows)
    assert texts(memory, "one") == [str(n) for n in range(600)]
    more = [line("one", str(n), id=str(n)) for n in range(590, 900)]
    report = memory.import_lines(more)
    assert (report.written, report.known) == (300, 10)
    assert texts(memory, "one") == [str(n) for n in range(900)]


def test_an_expired_line_is_written_again(opener: Opener) -> None:
    """What has expired is not there already: imported again, its id is free."""
    clock = ManualClock()
    memory = opener(clock=clock)
    ends = (START + timedelta(seconds=10)).isoformat()
    made = [line("s", str(n), id=str(n)) for n in range(400)] + [line("s", "ends", id="ends", expires_at=ends)]
    assert memory.import_lines(made).written == 401
    clock.forward(60)
    made[-1].pop("expires_at")
    report = memory.import_lines(made)
    assert (report.written, report.known) == (1, 400)
    assert texts(memory, "s") == [*map(str, range(400)), "ends"]
