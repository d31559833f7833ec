"""Random imports, read as the second process reads and written as SQLite writes many: the same as lines one by one in memory."""

from __future__ import annotations

import io
import json
import sqlite3
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recollect import InvalidInput, Memory, Message, Recollect, parsing
from recollect.core import lines as parser
from recollect.core import regroup
from recollect.core.lines import Batch, Parser
from recollect.core.messages import Intake
from recollect.core.regroup import Pool
from recollect.store import Capabilities
from recollect.stores.sqlite import bulk, index

WORDS = ("apple", "pears", "Apple", "한국어", "foo_bar", "~", "💬", "\0", "naïve")
BAD = (b"{", b"\xff", b"[]", b'{"session": "a", "role": "user"}', b'{"session": "a", "role": "nobody", "content": "x"}')
BLANK = (b"", b"  ")
SMALL = (
    (parser, "BATCH_LINES", 5),
    (parser, "BATCH_BYTES", 700),
    (regroup, "BATCH_LINES", 5),
    (regroup, "BATCH_BYTES", 700),
    (regroup, "HELD_ROWS", 12),
    (regroup, "HELD_BYTES", 1500),
    (regroup, "ENOUGH", 3),
    (parsing, "CHUNK_LINES", 4),
    (bulk, "LEAST", 2),
    (bulk, "LEAST_ROWS", 4),
    (index, "BATCH", 8),
    (index, "BULK", 4),
)


def _written(fields: dict[str, Any]) -> bytes:
    """A line. What has expired before it is read has an id of its own: of two with one id in one append the first stands,
    so that a later one would be new or not as they are written together or not."""
    if str(fields.get("expires_at")).startswith("2020"):
        fields = fields | {"id": None}
    return json.dumps(fields, ensure_ascii=False).encode()


_text = st.lists(st.sampled_from(WORDS), max_size=5).map(" ".join)
_optional: dict[str, Any] = {
    "user": st.sampled_from(["u", "u", "u", "v", None]),
    "metadata": st.just({"n": 1}),
    "expires_at": st.sampled_from(["2020-01-01T00:00:00Z", "2199-01-01T00:00:00Z"]),
    "name": st.sampled_from(["", "n"]),
    "session_id": st.just("theirs"),
}
_plain: dict[str, Any] = {
    "session": st.sampled_from(["a", "a", "b", "B", "é"]),
    "role": st.sampled_from(["user", "assistant", "tool"]),
    "content": _text,
    "id": st.integers(0, 200).map(str),
    "created_at": st.integers(0, 9).map("2025-01-01T00:00:0{}.000000Z".format),
}
_odd = {
    **_plain,
    "content": st.one_of(_text, _text.map(lambda text: [{"type": "text", "text": text}])),
    "id": st.one_of(st.none(), st.integers(0, 9).map(str)),
    "created_at": st.sampled_from(["2025-01-01T01:00:00+02:00", None]),
}
_line = st.one_of(
    st.fixed_dictionaries(_plain),
    st.fixed_dictionaries(_plain),
    st.fixed_dictionaries(_plain | {"user": st.sampled_from(["u", "u", "v"])}),
    st.fixed_dictionaries(_odd, optional=_optional),
).map(_written)
_file = st.lists(st.one_of(*[_line] * 12, st.sampled_from(BAD + BLANK)), max_size=60)


class ReadHere:
    """What the second process does, in this one: the constructor and the calls are those of `parsing.ReadElsewhere`."""

    def __init__(self, lines: Iterable[bytes], intake: Intake, capabilities: Capabilities, *, stop: bool) -> None:
        self._batches = self._read(lines, Parser(intake, indexed=capabilities.text_search), stop)

    def _read(self, lines: Iterable[bytes], parser: Parser, stop: bool) -> Iterator[Batch]:
        pool = Pool()
        for chunk in (*parsing._chunks(iter(lines)), []):
            for group, failure in parsing._regrouped(parser, pool, chunk, stop=stop):
                pipe = io.BytesIO()
                parsing._write_group(pipe, group, failure)
                pipe.seek(0)
                head = parsing._decode_batch(parsing._read_frame(pipe))
                assert head is not None
                runs = [parsing._decode_run(parsing._read_frame(pipe)) for _ in range(head.runs)]
                yield Batch(runs, head.failure, head.lines, head.bytes)

    def __call__(self) -> Batch | None:
        return next(self._batches, None)

    def close(self) -> None:
        """Nothing is to be ended."""


def told(memory: Recollect, lines: list[bytes], on_error: Any, second: bool) -> Any:
    """The report of an import, or its error; the order of the errors is that of the writing."""
    try:
        report = memory.import_lines(lines, on_error=on_error, second_process=second)
    except InvalidInput as error:
        return str(error)
    errors = sorted((error.line, error.reason) for error in report.errors)
    return report.lines, report.written, report.known, report.sessions, report.failed, errors


def held(memory: Recollect) -> dict[str, Any]:
    """Each session as it reads, without the instants that the clock gave."""
    found = {}
    for header in memory.sessions(100):
        rows = memory.session(header.id).read(limit=1000)
        said = [
            row if row.created_at is None or row.created_at.year == 2025 else row.replace(created_at=None)
            for row in rows
        ]
        found[header.id] = (header.user_id, header.message_count, header.last_seq, said)
    return found


def hits(memory: Recollect) -> list[Any]:
    """What each word finds, and how good it is."""
    return [
        sorted((_session(hit.item), hit.item.id, round(hit.score, 6)) for hit in memory.search(word, limit=1000))
        for word in WORDS
    ]


def _session(item: Message | Memory) -> str:
    assert isinstance(item, Message)
    return item.session_id


def check_feed(memory: Recollect) -> None:
    """The entries of each session give its numbers once, in their order."""
    numbers: dict[str, list[int]] = defaultdict(list)
    for change in memory.changes(limit=1000):
        numbers[change.partition] += range(change.first_seq, change.last_seq + 1)
    for header in memory.sessions(100):
        assert numbers[header.id] == list(range(1, header.last_seq + 1))


def check_file(path: Path) -> None:
    """The index has the terms of all rows at their places, and no others."""
    connection = sqlite3.connect(path)
    connection.execute("INSERT INTO recollect_terms (recollect_terms) VALUES ('integrity-check')")
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.execute("CREATE VIRTUAL TABLE temp.places USING fts5vocab (main, recollect_terms, instance)")
    found = set(connection.execute("SELECT doc, offset, term FROM temp.places"))
    rows = connection.execute("SELECT position, terms FROM recollect_messages WHERE terms <> ''").fetchall()
    connection.close()
    texts = dict(rows)
    assert {(row, place, term) for row, terms in rows for place, term in enumerate(terms.split(" "))} >= found
    for row in {row for row, _, _ in found}:
        assert len([1 for other, _, _ in found if other == row]) == len(texts[row].split(" "))


@settings(deadline=None)
@given(lines=_file, first=st.integers(0, 60), on_error=st.sampled_from(["skip", "skip", "stop"]))
def test_random_imports(lines: list[bytes], first: int, on_error: str) -> None:
    """A file that is imported when it is half there and again when it is whole: the same report, messages, order, search."""
    if on_error == "stop":
        # Another owner's line would end an import at a place that depends on what is written together.
        lines = [line.replace(b'"user": "v"', b'"user": "u"') for line in lines]
    with (
        tempfile.TemporaryDirectory(prefix="recollect-") as folder,
        Recollect("memory://") as oracle,
        Recollect(f"sqlite:///{folder}/chat.db?synchronous=normal") as memory,
    ):
        for part in (lines[:first], lines, lines):
            wanted = told(oracle, part, on_error, second=False)
            with pytest.MonkeyPatch.context() as patch:
                for module, name, value in SMALL:
                    patch.setattr(module, name, value)
                patch.setattr(parsing, "ReadElsewhere", ReadHere)
                assert told(memory, part, on_error, second=True) == wanted
            assert held(memory) == held(oracle)
        assert hits(memory) == hits(oracle)
        check_feed(memory)
        check_file(Path(folder) / "chat.db")
