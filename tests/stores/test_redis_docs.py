"""The page on Redis shows what redis-cli shows."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, blocks, commands, same
from tests.services.redis import RedisServer, program

PAGE = ROOT / "docs" / "stores" / "redis.md"


def test_the_page_shows_what_redis_cli_shows() -> None:
    found = program()
    cli = Path(found).with_name("redis-cli") if found else None
    if cli is None or not cli.is_file():
        pytest.skip("no redis-cli beside the server")
    page = blocks(PAGE)
    (scenario,) = [block for block in page if block.language == "python" and block.reason is not None]
    shown = [block for block in page if block.text.startswith("$ redis-cli")]
    assert len(shown) >= 3
    with RedisServer() as server:
        exec(compile(scenario.text.replace("localhost:6379", f"127.0.0.1:{server.port}"), str(PAGE), "exec"), {})
        for block in shown:
            for command in commands(block):
                line = re.sub(r"^redis-cli", f"{cli} -p {server.port}", command.script).replace("{", "\\{")
                done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=20, check=True)
                assert same(command.shown, done.stdout), f"{command.script} prints\n{done.stdout}"


def test_the_page_names_every_option() -> None:
    from recollect.stores.redis.options import _TAKEN

    text = PAGE.read_text("utf-8")
    assert [name for name in _TAKEN if f"`{name}`" not in text] == []
