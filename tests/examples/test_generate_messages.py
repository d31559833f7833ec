"""``examples/generate_messages.py``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from recollect import Recollect

SCRIPT = Path(__file__).parents[2] / "examples" / "generate_messages.py"


def generate(*words: str) -> bytes:
    return subprocess.run([sys.executable, str(SCRIPT), *words], capture_output=True, check=True).stdout


def test_the_same_numbers_give_the_same_bytes() -> None:
    assert generate("3000", "--sessions", "70") == generate("3000", "--sessions", "70")
    assert generate("3000", "--seed", "2") != generate("3000", "--seed", "3")


@pytest.mark.parametrize("count", [0, 1, 1999, 2000, 5001])
def test_so_many_messages_over_so_many_sessions_and_users(count: int) -> None:
    lines = [json.loads(line) for line in generate(str(count), "--sessions", "300", "--users", "40").splitlines()]
    assert len(lines) == count
    assert len({line["session"] for line in lines}) == min(count, 300)
    assert len({line["user"] for line in lines}) == min(count, 40)
    assert len({(line["session"], line["id"]) for line in lines}) == count
    assert [line["created_at"] for line in lines] == sorted(line["created_at"] for line in lines)


def test_it_is_imported_whole(tmp_path: Path) -> None:
    data = generate("10000")
    with Recollect(f"sqlite:///{tmp_path}/x.db?synchronous=normal") as memory:
        report = memory.import_lines(data.splitlines(keepends=True))
        assert (report.written, report.sessions) == (10_000, 1000)
        roles = [message.role for message in memory.session("session-000001").tail(50)]
        assert roles[:2] in (["user", "assistant"], ["assistant", "user"])
        for word in ("invoice", "창가", "病院", "钢琴", "Klavier", "jardín"):
            assert memory.search(word), word


def test_wrong_usage() -> None:
    done = subprocess.run([sys.executable, str(SCRIPT), "-5"], capture_output=True, check=False)
    assert done.returncode == 2
