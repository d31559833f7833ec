"""``examples/concert_chatbot`` as programs: killed and resumed; its validation on two databases; its page."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest
from examples.concert_chatbot.service import ConcertChatbotService
from examples.concert_chatbot.validate import run

from recollect.adapters.conversation import ConversationMemoryService
from tests.docs.blocks import Runner
from tests.docs.pages import ROOT, blocks
from tests.docs.place import SOURCE
from tests.services.dynamodb import BINARY, Dynoxide, options_of, remove_tables, server_options, temporary_file

README = ROOT / "examples" / "concert_chatbot" / "README.md"
LEAVES = "I love jazz and live in Busan. My budget is 30 euros."

pytestmark = pytest.mark.usefixtures("no_model")


def program(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "examples.concert_chatbot", *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def say(process: subprocess.Popen[str], line: str, until: str) -> str:
    """Say something to the program, and wait for what its answer has in it."""
    assert process.stdin is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()
    return expect(process.stdout, until)


def expect(stream: IO[str] | None, until: str) -> str:
    assert stream is not None
    seen = ""
    for line in stream:
        seen += line
        if until in line:
            return seen
    raise AssertionError(f"it ended before {until!r}:\n{seen}")


STOPS = """
import sys, time
from examples.concert_chatbot.service import ConcertChatbotService

def model(messages):
    print("asked", flush=True)
    time.sleep(60)

ConcertChatbotService(sys.argv[1], model=model).process_message("trip", "I hate metal.", message_id="t-9")
"""


@pytest.mark.skipif(not BINARY.exists(), reason="make services fetches dynoxide")
def test_killed_and_resumed_on_dynamodb() -> None:
    """The program is killed between two turns and within one, the database once; nothing is lost, nothing is there twice."""
    server = Dynoxide(temporary_file())
    server.start()
    server_options()  # credentials
    url = f"dynamodb://us-east-1/c?endpoint_url={server.endpoint}"
    words = ("--url", url, "--user", "ann", "--session", "trip")
    running: list[subprocess.Popen[str]] = []
    try:
        running.append(program(*words))
        expect(running[-1].stdout, "Hello!")
        say(running[-1], LEAVES, "The Lantern Trio")
        running[-1].kill()
        server.kill()
        server.start()
        running.append(program(*words))
        assert "The Lantern Trio" in expect(running[-1].stdout, "The Lantern Trio")
        assert "you like jazz, in Busan" in say(running[-1], "What do you know about me?", "I know of you")
        running[-1].kill()
        running.append(
            subprocess.Popen(
                [sys.executable, "-c", STOPS, url],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": os.pathsep.join([str(SOURCE), str(ROOT)])},
                stdout=subprocess.PIPE,
                text=True,
            )
        )
        expect(running[-1].stdout, "asked")
        running[-1].kill()
        with ConcertChatbotService(url) as chatbot:
            assert chatbot.load_session_from_memory("trip")
            assert chatbot.get_conversation_history("trip")[-1]["content"] == "I hate metal."
            assert chatbot.process_message("trip", "I hate metal.", message_id="t-9")["response"]
            history = chatbot.get_conversation_history("trip")
            assert [message["role"] for message in history] == ["assistant", *["user", "assistant"] * 3]
            assert (chatbot.get_user_preferences("ann") or {})["avoid_genres"] == ["metal"]
    finally:
        for process in running:
            process.kill()
            process.communicate()
        server.kill()


def validate(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "examples.concert_chatbot.validate", *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(SOURCE), **env},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def results(output: str) -> list[tuple[str, str]]:
    return re.findall(r"^\d  (\S+) +(\S+) ", output, re.MULTILINE)


STEPS = ["service", "tables", "messages", "preferences", "context", "chatbot", "clean-up"]


def test_the_seven_steps_on_sqlite() -> None:
    done = validate()
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert results(done.stdout) == [(step, "ok") for step in STEPS]


def test_the_seven_steps_on_dynamodb(tmp_path: Path) -> None:
    options = options_of(tmp_path)
    try:
        done = validate("--url", f"dynamodb://us-east-1/{options.prefix}?endpoint_url={options.endpoint_url}")
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
        assert results(done.stdout) == [(step, "ok") for step in STEPS]
        assert f"{options.prefix}-conversations" in done.stdout
    finally:
        remove_tables(tmp_path)


def test_steps_that_fail_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str], unused_port: int) -> None:
    done = validate("--url", "nonsense://x")
    assert done.returncode == 1
    assert results(done.stdout) == [(step, "FAILED") for step in STEPS]
    assert "Traceback" not in done.stdout + done.stderr
    assert not run(f"redis://127.0.0.1:{unused_port}/0")
    assert results(capsys.readouterr().out) == [("service", "ok"), *((step, "FAILED") for step in STEPS[1:])]
    assert validate("--nonsense").returncode == 2


def test_nothing_is_left_in_a_store_in_use(
    memory: ConversationMemoryService, capsys: pytest.CaptureFixture[str]
) -> None:
    memory.store_conversation_message("mine", "m", "user", "Hi", "ann")
    memory.store_user_preferences("ann", {"a": 1})
    before = memory.get_memory_statistics()
    assert run(before["location"])
    assert memory.get_memory_statistics() == before
    assert memory.retrieve_user_preferences("ann") == {"a": 1}


def test_the_readme_does_what_it_shows(tmp_path: Path) -> None:
    assert [block.language for block in blocks(README)] == ["console"] * 3
    folder = tmp_path / "page"
    folder.mkdir()
    Runner(README, folder).run()
