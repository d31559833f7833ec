"""``examples/locomo_to_jsonl.py``: five real, long conversations, imported, searched, talked about after a restart."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from recollect import Recollect

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "examples" / "locomo_to_jsonl.py"

SMALL = {
    "sample_id": "conv-1",
    "conversation": {
        "speaker_a": "Ann",
        "speaker_b": "Bob",
        "session_2_date_time": "12:05 am on 1 March, 2023",
        "session_2": [{"speaker": "Bob", "dia_id": "D2:1", "text": "Hi"}],
        "session_10_date_time": "1:56 pm on 8 May, 2023",
        "session_10": [
            {
                "speaker": "Ann",
                "dia_id": "D10:1",
                "text": "Look!",
                "blip_caption": "a photo of a dog",
                "img_url": ["u"],
            },
            {"speaker": "Bob", "dia_id": "D10:2", "text": "Nice"},
        ],
        "session_11_date_time": "1:56 pm on 9 May, 2023",
    },
    "qa": [],
}


def convert(*words: str, code: int = 0, **env: str) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if key != "RECOLLECT_DATA"}
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *words], capture_output=True, encoding="utf-8", env={**clean, **env}, check=False
    )
    assert done.returncode == code, done.stderr
    return done


def test_a_conversation_becomes_lines(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text(json.dumps(SMALL))
    lines = [json.loads(line) for line in convert(str(tmp_path)).stdout.splitlines()]
    assert [(line["session"], line["id"], line["name"], line["role"]) for line in lines] == [
        ("conv-1/session_2", "D2:1", "Bob", "assistant"),
        ("conv-1/session_10", "D10:1", "Ann", "user"),
        ("conv-1/session_10", "D10:2", "Bob", "assistant"),
    ]
    assert [line["created_at"] for line in lines] == [
        "2023-03-01T00:05:00+00:00",
        "2023-05-08T13:56:00+00:00",
        "2023-05-08T13:56:05+00:00",
    ]
    assert lines[1]["content"] == "Look!\n[photo: a photo of a dog]"
    assert lines[1]["metadata"] == {"dia_id": "D10:1", "blip_caption": "a photo of a dog", "img_url": ["u"]}
    assert {line["user"] for line in lines} == {"conv-1"}


def test_a_file_a_list_of_conversations_and_the_variable(tmp_path: Path) -> None:
    folder = tmp_path / "locomo"
    folder.mkdir()
    (folder / "all.json").write_text(json.dumps([SMALL, {**SMALL, "sample_id": "conv-2"}]))
    assert len(convert(str(folder / "all.json")).stdout.splitlines()) == 6
    assert len(convert(RECOLLECT_DATA=str(tmp_path)).stdout.splitlines()) == 6


def test_wrong_usage(tmp_path: Path) -> None:
    assert "RECOLLECT_DATA" in convert(code=2).stderr
    assert "no JSON file" in convert(str(tmp_path), code=2).stderr
    (tmp_path / "x.json").write_text("{}")
    assert "not a LoCoMo conversation" in convert(str(tmp_path), code=1).stderr


@pytest.fixture(scope="module")
def locomo() -> Path:
    """The folder with the conversations."""
    folder = Path(os.environ.get("RECOLLECT_DATA") or ROOT.parent / "shared" / "data")
    if not (folder / "locomo").is_dir():
        message = f"LoCoMo is not in {folder}: set RECOLLECT_DATA to the folder that has locomo/"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return folder


class Recollected:
    """The command line on a database of its own, each command a process: every one is a restart."""

    def __init__(self, url: str) -> None:
        self.url = url

    def __call__(self, *words: str, input: str = "") -> list[Any]:
        done = subprocess.run(
            [sys.executable, "-m", "recollect.cli", *words, "--json"],
            input=input,
            capture_output=True,
            encoding="utf-8",
            env={**os.environ, "RECOLLECT_URL": self.url},
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def recollect(locomo: Path, tmp_path_factory: pytest.TempPathFactory) -> Recollected:
    """All five conversations, imported."""
    folder = tmp_path_factory.mktemp("locomo")
    lines = folder / "locomo.jsonl"
    lines.write_text(convert(str(locomo)).stdout, "utf-8")
    run = Recollected(f"sqlite:///{folder}/locomo.db")
    (report,) = run("import", str(lines))
    assert (report["written"], report["failed"]) == (3032, 0)
    (again,) = run("import", str(lines))
    assert (again["written"], again["known"]) == (0, 3032)
    return run


def test_all_turns_are_there_in_their_order(recollect: Recollected, locomo: Path) -> None:
    with Recollect(recollect.url) as memory:
        stats = memory.stats(detail=True)
        assert (stats.sessions, stats.users, stats.messages) == (138, 5, 3032)
        for file in sorted((locomo / "locomo").glob("*.json")):
            conversation = json.loads(file.read_text("utf-8"))
            for key, turns in conversation["conversation"].items():
                if not isinstance(turns, list):
                    continue
                stored = memory.session(f"{conversation['sample_id']}/{key}").tail(100)
                assert [message.id for message in stored] == [turn["dia_id"] for turn in turns]
                assert [message.name for message in stored] == [turn["speaker"] for turn in turns]
                assert all(m.text.startswith(t["text"]) for m, t in zip(stored, turns, strict=True))
                instants = [message.created_at for message in stored if message.created_at is not None]
                assert instants == sorted(set(instants))


def test_they_are_searched(recollect: Recollected) -> None:
    hits = recollect("search", "LGBTQ support group", "--user", "conv-26", "--limit", "5")
    assert "D1:3" in [hit["message"]["id"] for hit in hits]
    captions = recollect("search", "dog walking past a wall", "--user", "conv-26", "--limit", "3")
    assert captions[0]["message"]["metadata"]["blip_caption"].startswith("a photo of a dog walking past a wall")
    assert recollect("search", "support", "--user", "conv-26", "--since", "2030-01-01") == []


def test_they_are_talked_about_after_a_restart(recollect: Recollected) -> None:
    (turn,) = recollect("chat", "--user", "conv-26", input="When did Caroline go to the LGBTQ support group?\n")
    assert "support group yesterday" in turn["reply"]
    assert ("conv-26/session_1", "D1:3") in [(s["session_id"], s["message_id"]) for s in turn["sources"]]
    (turn,) = recollect("chat", "--session", "conv-44/session_1", input="What do you do for work, Andrew?\n")
    assert {message["user_id"] for message in recollect("show", "conv-44/session_1")} == {"conv-44"}
    assert turn["sources"]
    assert {source["session_id"].split("/")[0] for source in turn["sources"]} == {"conv-44"}
