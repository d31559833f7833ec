"""``serve``."""

from __future__ import annotations

import json
import re
import signal
import time
import urllib.request
from pathlib import Path

import pytest

from tests.cli.harness import Program
from tests.servers import free_port


def get(url: str) -> bytes:
    deadline = time.monotonic() + 30
    while True:
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                data: bytes = answer.read()
                return data
        except OSError:
            assert time.monotonic() < deadline, f"{url} does not answer"
            time.sleep(0.1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_the_store_and_ends_in_good_order(program: Program, filled: str, number: int) -> None:
    port = free_port()
    with program.start("serve", "--port", str(port)) as running:
        try:
            sessions = json.loads(get(f"http://127.0.0.1:{port}/api/v1/sessions"))
            assert {item["id"] for item in sessions["items"]} == {"trip", "ko", "work"}
        finally:
            running.send_signal(number)
            out, error = running.communicate(timeout=30)
    assert running.returncode == 0, error
    assert f"http://127.0.0.1:{port}" in out.decode()
    assert b"Traceback" not in error


def test_options_go_before_the_environment_and_that_before_the_file(program: Program, tmp_path: Path) -> None:
    told, environment, file = free_port(), free_port(), free_port()
    (tmp_path / "own.toml").write_text(
        f'port = {file}\nhost = "127.0.0.1"\nllm_model = "of-the-file"\nllm_base_url = "http://127.0.0.1:9/v1"\n'
    )
    for words, env, expected in (
        (["--port", str(told), "--config", "own.toml"], {"RECOLLECT_PORT": str(environment)}, told),
        (["--config", "own.toml"], {"RECOLLECT_PORT": str(environment)}, environment),
        ([], {"RECOLLECT_CONFIG": "own.toml"}, file),
    ):
        with program.start("serve", *words, **env) as running:
            try:
                get(f"http://127.0.0.1:{expected}/healthz")
            finally:
                running.send_signal(signal.SIGTERM)
                out, _ = running.communicate(timeout=30)
        assert b"of-the-file" in out


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        (["--port", "many"], 2, "port: "),
        (["--port", "70000"], 2, "port: "),
        (["--log-level", "loud"], 2, "log_level: "),
        (["--config", "nix.toml"], 2, "cannot read nix.toml"),
        (["--url", "foo://x"], 2, "not a store URL"),
        (["--host", "0.0.0.0"], 1, "RECOLLECT_API_KEYS"),
        (["--url", "sqlite:////no/such/x.db"], 1, "/no/such does not exist"),
    ],
)
def test_settings_that_cannot_be(program: Program, words: list[str], code: int, expected: str) -> None:
    done = program.run("serve", *words)
    assert done.returncode == code
    assert re.fullmatch(r"error: .*\n", done.stderr.decode())
    assert expected in done.stderr.decode()


def test_a_port_in_use(program: Program) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = program.run("serve", "--port", str(taken.getsockname()[1]))
    assert done.returncode == 1
    assert "cannot listen" in done.stderr.decode()
