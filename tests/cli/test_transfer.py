"""``import`` and ``export``."""

from __future__ import annotations

import gzip
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recollect import Recollect
from tests.cli.harness import Cli


def line(session: str = "s", content: str = "hello", **more: Any) -> str:
    return json.dumps({"session": session, "role": "user", "content": content, **more}) + "\n"


def many(count: int) -> str:
    return "".join(line(f"s{n % 50}", f"message {n}", user=f"u{n % 5}", id=f"m{n}") for n in range(count))


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str | bytes], str]:
    """Makes a file; gives its name."""

    def make(name: str, content: str | bytes) -> str:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    return make


Write = Callable[[str, str | bytes], str]


def test_import_and_import_again(cli: Cli, write: Write) -> None:
    name = write("m.jsonl", many(5000))
    assert cli.lines("import", name)[0].startswith("Imported 5,000 messages into 50 sessions in ")
    assert cli.lines("import", name) == ["Nothing new: the 5,000 messages were there already."]
    assert [m["content"] for m in cli.jsonl("show", "s7", "--tail", "2")] == ["message 4907", "message 4957"]


def test_import_takes_what_export_writes(cli: Cli, filled: str, tmp_path: Path) -> None:
    out = tmp_path / "all.jsonl"
    assert cli.lines("export", "-o", str(out)) == [f"Exported 4 messages to {out}."]
    again = Cli(f"sqlite:///{tmp_path}/again.db")
    again("import", str(out))
    for session in ("trip", "ko", "work"):
        here, there = (c.jsonl("show", session) for c in (cli, again))
        assert here == there
    assert cli("export").stdout == out.read_text("utf-8")


def test_export_of_one_session_or_user(cli: Cli, filled: str, tmp_path: Path) -> None:
    assert [json.loads(row)["id"] for row in cli("export", "--session", "trip").stdout.splitlines()] == ["m1", "m2"]
    out = tmp_path / "ann.jsonl.gz"
    assert cli.json("export", "--user", "ann", "-o", str(out)) == {"messages": 3, "file": str(out)}
    assert len(gzip.decompress(out.read_bytes()).splitlines()) == 3
    assert "there is no session 'nix'" in cli.error("export", "--session", "nix")
    result = cli("export", "--user", "nix")
    assert result.stdout == ""
    assert "no messages" in result.stderr


def test_export_replaces_a_file_whole_or_not_at_all(cli: Cli, filled: str, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    out.write_text("before")
    out.chmod(0o600)
    link = tmp_path / "link.jsonl"
    link.symlink_to(out)
    cli.error("export", "--session", "nix", "-o", str(link))
    assert out.read_text() == "before"
    cli("export", "-o", str(link))
    assert len(out.read_text("utf-8").splitlines()) == 4
    assert link.is_symlink()
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert not list(tmp_path.glob(".*.part"))
    assert "/no/such" in cli.error("export", "-o", "/no/such/folder/x.jsonl")
    cli("export", "-o", "/dev/null")
    assert Path("/dev/null").is_char_device()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_export_to_where_nothing_can_be_written(cli: Cli, filled: str, tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    assert "locked" in cli.error("export", "-o", str(tmp_path / "locked" / "x.jsonl"))


def test_gzip_is_read_whatever_its_name(cli: Cli, write: Write) -> None:
    packed = gzip.compress(many(100).encode())
    assert cli.json("import", write("m.jsonl.gz", packed))["written"] == 100
    assert cli.json("import", write("other", packed))["known"] == 100


def test_standard_input(cli: Cli) -> None:
    assert cli.json("import", "-", input=many(10))["written"] == 10
    assert cli.json("import", "-", input="")["lines"] == 0


def test_lines_without_a_session_take_the_one_told(cli: Cli) -> None:
    lines = '{"role":"user","content":"a"}\n\n{"role":"user","content":"b","session":"own","user":"me"}\nbroken\n'
    report = cli.json("import", "-", "--session", "dflt", "--user", "ann", "--on-error", "skip", code=1, input=lines)
    assert (report["written"], report["failed"], report["errors"][0]["line"]) == (2, 1, 4)
    assert [(m["content"], m["user_id"]) for m in cli.jsonl("show", "dflt")] == [("a", "ann")]
    assert [(m["content"], m["user_id"]) for m in cli.jsonl("show", "own")] == [("b", "me")]
    assert "session" in cli.error("import", "-", input='{"role":"user","content":"a"}\n')


def test_a_byte_order_mark_before_a_line_without_a_session(cli: Cli, write: Write) -> None:
    path = write("m.jsonl", b"\xef\xbb\xbf" + b'{"role":"user","content":"a"}\r\n{"role":"user","content":"b"}\r\n')
    assert cli.json("import", path, "--session", "dflt")["written"] == 2
    assert cli.json("import", path, "--session", "dflt")["known"] == 2


def test_a_bad_line_among_a_hundred_thousand(cli: Cli, write: Write) -> None:
    good = many(100_000).splitlines(keepends=True)
    good[50_000] = '{"session":"s","role":"user","content":\n'
    name = write("m.jsonl", "".join(good))
    result = cli("import", name, code=1)
    assert f"{name}: line 50001: not JSON" in result.stderr
    assert "50,000 messages before it are imported" in result.stderr
    assert "--on-error skip" in result.stderr
    assert "Traceback" not in result.stderr
    assert cli.json("stats")["messages"] == 50_000
    report = cli.json("import", name, "--on-error", "skip", code=1)
    assert {key: report[key] for key in ("lines", "written", "known", "failed")} == {
        "lines": 100_000,
        "written": 49_999,
        "known": 50_000,
        "failed": 1,
    }
    assert report["errors"] == [{"file": name, "line": 50_001, "reason": report["errors"][0]["reason"]}]
    assert cli.json("stats")["messages"] == 99_999


def test_many_bad_lines_are_counted_and_some_shown(cli: Cli, write: Write) -> None:
    name = write("m.jsonl", "".join('{"role":"wizard"}\n' + line(id=str(n)) for n in range(150)))
    result = cli("import", name, "--on-error", "skip", code=1)
    assert "Imported 150 messages" in result.stdout
    assert "150 lines could not be imported" in result.stderr
    assert f"{name}, line 1: " in result.stderr
    assert "and 130 more" in result.stderr


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"plain text\n", "line 1: not JSON"),
        (b"\xff\xfe{\x00}\x00", "UTF-16"),
        (b"\x00\x01\x02binary\xff" * 100, "binary"),
        (b'[{"session": "s"}]', "JSON array"),
        (b"SQLite format 3\0rest", "an SQLite database"),
        (b"PK\x03\x04rest", "a zip archive"),
        (b"\x28\xb5\x2f\xfdrest", "zstd"),
        (b"42\n", "a line is an object"),
        (b'{"session":"s","role":"user","content":"\xff"}\n', "line 1: "),
        (b'{"session":"s","role":"wizard","content":"x"}\n', "line 1: unknown role 'wizard'"),
        (b'{"session":"","role":"user","content":"x"}\n', "line 1: session"),
        (b'{"session":"s","role":"user","content":"x","created_at":"2024-01-01"}\n', "line 1: created_at"),
    ],
)
def test_what_cannot_be_imported(cli: Cli, write: Write, content: bytes, expected: str) -> None:
    assert expected in cli.error("import", write("x.jsonl", content))


def test_files_that_are_not_there(cli: Cli, tmp_path: Path) -> None:
    assert "nix.jsonl: No such file" in cli.error("import", "nix.jsonl")
    assert "Is a directory" in cli.error("import", str(tmp_path))
    cli("import", code=2)
    cli("import", "x", "--from", "csv", code=2)
    cli("import", "x", "--on-error", "panic", code=2)


def test_a_file_that_is_cut_short_keeps_its_beginning(cli: Cli, write: Write) -> None:
    packed = gzip.compress(many(5000).encode())
    assert "cut short" in cli.error("import", write("cut.jsonl.gz", packed[: len(packed) // 2]))
    kept = cli.json("stats")["messages"]
    assert 1000 < kept < 5000
    damaged = bytearray(packed)
    damaged[-6] ^= 0xFF
    assert "damaged" in cli.error("import", write("damaged.jsonl.gz", bytes(damaged)))
    assert cli.json("stats")["messages"] == 5000


def test_a_file_after_the_one_that_stopped_is_named(cli: Cli, write: Write) -> None:
    a, b, c = write("a.jsonl", line(id="1")), write("b.jsonl", "nonsense\n"), write("c.jsonl", line(id="2"))
    result = cli("import", a, b, c, code=1)
    assert "Imported 1 message into 1 session" in result.stdout
    assert f"{b}: line 1: not JSON" in result.stderr
    assert f"Not read: {c}" in result.stderr
    document = json.loads(cli("import", a, b, c, "--json", code=1).stdout)
    assert [file["file"] for file in document["files"]] == [a]
    assert "line 1: not JSON" in document["error"]
    report = cli.json("import", a, b, c, "--on-error", "skip", code=1)
    assert (report["written"], report["known"], report["failed"]) == (1, 1, 1)


def test_a_message_of_ten_megabytes(cli: Cli, write: Write) -> None:
    name = write("big.jsonl", line("big", "x" * 10_000_000) + line("big", "after"))
    assert cli.json("import", name)["written"] == 2
    assert len(cli("show", "big").stdout) > 10_000_000
    assert cli.jsonl("search", "after")[0]["message"]["seq"] == 2


def test_fifty_thousand_messages(cli: Cli, write: Write, url: str) -> None:
    name = write("m.jsonl", many(50_000))
    assert cli.json("import", name)["written"] == 50_000
    with Recollect(url) as memory:
        assert memory.stats().messages == 50_000
        assert memory.session("s3").tail(1)[0].seq == 1000
    assert len(cli("export").stdout.splitlines()) == 50_000
