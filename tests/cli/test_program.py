"""The command line as a program: exit codes, pipes, signals, what is on which output, completion, a missing extra."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from recollect import Recollect
from recollect.cli.app import app
from tests.cli.harness import PROGRAM, Program

LINE = '{{"session":"s{0}","role":"user","content":"message {0}","id":"{0}"}}\n'


def test_exit_codes(program: Program, filled: str) -> None:
    assert program.run("sessions").returncode == 0
    assert program.run("show", "nix").returncode == 1
    assert program.run("show").returncode == 2
    assert program.run("bogus").returncode == 2
    assert program.run("sessions", "--url", "sqlite:///x.db?turbo=1").returncode == 2
    assert program.run("--help").returncode == 0
    assert program.run("sessions", "-h").returncode == 0


def test_every_command_explains_itself(program: Program) -> None:
    commands = [
        "serve",
        "chat",
        "sessions",
        "show",
        "search",
        "import",
        "export",
        "stats",
        "forget",
        "sweep",
        "doctor",
        "version",
    ]
    overview = CliRunner().invoke(app, ["--help"]).stdout
    for command in commands:
        assert command in overview
        shown = CliRunner().invoke(app, [command, "--help"])
        assert shown.exit_code == 0
        assert "--json" in shown.stdout
    narrow = program.run("serve", "--help", COLUMNS="80").stdout.decode()
    assert all(len(line) <= 80 for line in narrow.splitlines())


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize(
    "words",
    [
        ["sessions"],
        ["sessions", "--user", "nobody"],
        ["show", "trip"],
        ["search", "lisbon"],
        ["search", "zeppelin"],
        ["export"],
        ["stats"],
        ["stats", "--detail"],
        ["sweep"],
        ["doctor"],
        ["version"],
        ["chat", "-m", "hello"],
        ["forget", "bob", "--yes"],
        ["import", "-"],
    ],
)
def test_json_is_all_there_is_on_standard_output(program: Program, words: list[str]) -> None:
    done = program.run(*words, "--json", input=LINE.format(1).encode())
    assert done.returncode == 0, done.stderr
    documents = [json.loads(line) for line in done.stdout.decode().splitlines()]
    assert all(isinstance(document, dict) for document in documents)


def test_nothing_but_text_in_a_pipe(program: Program, filled: str) -> None:
    for words in (["sessions"], ["show", "trip"], ["search", "lisbon"], ["stats", "--detail"], ["doctor"]):
        assert b"\x1b" not in program.run(*words).stdout


def test_text_is_utf8_whatever_the_locale(program: Program, filled: str) -> None:
    shown = program.run("show", "ko", "--json", LC_ALL="C", PYTHONUTF8="0", PYTHONIOENCODING="ascii")
    assert "창가" in shown.stdout.decode("utf-8")
    assert program.run("show", "ko", PYTHONIOENCODING="ascii").returncode == 0
    assert "창가" in program.run("export", PYTHONIOENCODING="ascii").stdout.decode("utf-8")


def test_arguments_that_are_no_text(program: Program) -> None:
    done = subprocess.run(
        [*PROGRAM, "show", b"\xff\xfe"],
        capture_output=True,
        env={**os.environ, "RECOLLECT_URL": program.url},
        check=False,
    )
    assert done.returncode == 2
    assert "\nerror: session holds half a surrogate pair" in done.stderr.decode()


def test_a_reader_that_leaves_is_no_error(program: Program, url: str) -> None:
    with Recollect(url) as memory:
        memory.session("s").append([{"role": "user", "content": "x" * 200} for _ in range(5000)])
    for words in (["show", "s"], ["show", "s", "--json"], ["export"]):
        running = program.start(*words)
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.readline()
        running.stdout.close()
        assert running.wait(30) == 141
        assert running.stderr.read() == b""
        running.stderr.close()
        assert running.stdin is not None
        running.stdin.close()


def test_ctrl_c_ends_quietly_and_keeps_what_is_imported(program: Program, tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    path.write_text("".join(map(LINE.format, range(400_000))))
    with program.start("import", str(path)) as running:
        with Recollect(program.url) as memory:
            deadline = time.monotonic() + 60
            while not memory.stats().messages:
                assert time.monotonic() < deadline
                time.sleep(0.02)
        running.send_signal(signal.SIGINT)
        out, error = running.communicate(timeout=30)
    assert (running.returncode, out, error) == (130, b"", b"")
    with Recollect(program.url) as memory:
        kept = memory.stats().messages
    assert 0 < kept < 400_000
    path.write_text("".join(map(LINE.format, range(kept + 100))))
    report = json.loads(program.run("import", str(path), "--json").stdout)
    assert (report["known"], report["written"]) == (kept, 100)


def test_ctrl_c_leaves_no_half_of_an_export(program: Program, url: str, tmp_path: Path) -> None:
    with Recollect(url) as memory:
        memory.import_lines(LINE.format(n % 10).replace('"id":"', f'"id":"{n}-') for n in range(60_000))
    out = tmp_path / "out" / "all.jsonl"
    out.parent.mkdir()
    with program.start("export", "-o", str(out)) as running:
        deadline = time.monotonic() + 30
        while not list(out.parent.iterdir()):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=30)
    assert running.returncode == 130
    assert list(out.parent.iterdir()) == []


def test_ctrl_c_before_anything_is_read(program: Program) -> None:
    with program.start("chat", "--json") as running:
        assert running.stdin is not None
        assert running.stdout is not None
        running.stdin.write(b"hello\n")
        running.stdin.flush()
        running.stdout.readline()
        running.send_signal(signal.SIGINT)
        out, error = running.communicate(timeout=30)
    assert (running.returncode, out, error) == (130, b"", b"")


def test_answers_come_as_questions_do(program: Program) -> None:
    with program.start("chat", "--json", "--session", "s") as running:
        assert running.stdin is not None
        assert running.stdout is not None
        for text in ("my cat is called Nabi", "what is my cat called?"):
            running.stdin.write(text.encode() + b"\n")
            running.stdin.flush()
            turn = json.loads(running.stdout.readline())
            assert turn["user_message"]["content"] == text
        running.communicate(timeout=30)
    assert running.returncode == 0


def test_it_remembers_after_it_was_killed(program: Program) -> None:
    with program.start("chat", "--json") as running:
        assert running.stdin is not None
        assert running.stdout is not None
        running.stdin.write("제 고양이 이름은 나비예요\n".encode())
        running.stdin.flush()
        running.stdout.readline()
        running.kill()
        running.communicate(timeout=30)
    done = program.run("chat", "--json", input="고양이 이름이 뭐였지?\n".encode())
    assert "나비" in json.loads(done.stdout)["reply"]


def test_import_reads_gzip_from_a_pipe(program: Program) -> None:
    packed = gzip.compress("".join(map(LINE.format, range(3000))).encode())
    assert json.loads(program.run("import", "-", "--json", input=packed).stdout)["written"] == 3000


def test_forget_without_a_terminal_needs_yes(program: Program, filled: str) -> None:
    done = program.run("forget", "ann", input=b"y\n")
    assert done.returncode == 2
    assert b"--yes" in done.stderr
    assert program.run("forget", "ann", "--yes").returncode == 0


def test_debug_shows_where(program: Program) -> None:
    quiet = program.run("show", "nix", "--url", "sqlite:////nix/x.db")
    assert b"Traceback" not in quiet.stderr
    loud = program.run("show", "nix", "--url", "sqlite:////nix/x.db", "--debug")
    assert b"Traceback" in loud.stderr
    assert loud.returncode == 1


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(program: Program, shell: str) -> None:
    # Otherwise typer asks which shell called it, and that may be make's.
    shown = program.run("--show-completion", shell, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1").stdout.decode()
    assert "recollect" in shown
    assert "_RECOLLECT_COMPLETE" in shown


def test_completion_of_commands_in_bash(program: Program) -> None:
    shown = program.run(_RECOLLECT_COMPLETE="complete_bash", COMP_WORDS="recollect se", COMP_CWORD="1")
    assert shown.stdout.decode().split() == ["serve", "sessions", "search"]


def test_completion_of_session_ids(filled: str) -> None:
    def complete(words: str, url: str = filled) -> list[str]:
        number = str(len(words.split(" ")) - 1)
        done = Program(url).run(_RECOLLECT_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=number)
        assert done.stderr == b""
        return done.stdout.decode().split()

    with Recollect(filled) as memory:
        memory.session("not; safe").append({"role": "user", "content": "x"})
    assert complete("recollect show ") == ["work", "trip", "ko"]
    assert complete("recollect chat --session t") == ["trip"]
    assert complete("recollect show ", "sqlite:////no/such/x.db") == []
    assert complete("recollect show ", "nonsense") == []


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_without_the_extra_it_says_what_to_install(missing: str, tmp_path: Path) -> None:
    code = (
        "import sys, importlib.abc\n"
        "class Refuse(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.partition('.')[0] == {missing!r}:\n"
        f"            raise ModuleNotFoundError('No module named {missing}', name={missing!r})\n"
        "sys.meta_path.insert(0, Refuse())\n"
        "from recollect.cli import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 1
    assert done.stderr.decode() == f'error: the command line needs {missing}: pip install "recollect[cli]"\n'


def test_it_starts_without_what_it_does_not_need(program: Program) -> None:
    code = "import sys, recollect.cli.app; print([m for m in ('openai', 'fastapi', 'pydantic', 'sqlite3') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    loaded = done.stdout.decode()
    for module in ("openai", "fastapi", "pydantic"):
        assert module not in loaded
