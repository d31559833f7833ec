"""A server on a file, and a page of real Chromium to look at it with."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

from tests.servers import ServerProcess

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = os.environ.get("RECOLLECT_TEST_CHROMIUM") or "/usr/bin/chromium"
PATIENCE = 15_000
"""Milliseconds that a machine busy with other tests may take."""

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def server_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """The server, without keys and without a model."""
    folder: Path = tmp_path_factory.mktemp("browser")
    with ServerProcess(folder, URL=f"sqlite:///{folder}/chat.db") as server:
        yield server


@pytest.fixture
def server_url(server_process: ServerProcess) -> str:
    """Where it is."""
    return server_process.url


@pytest.fixture
def restart_server(server_process: ServerProcess) -> Callable[[], None]:
    """Kills it, as a power cut would, and starts it again on the same file and port."""

    def restart() -> None:
        server_process.kill()
        server_process.start()

    return restart


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, headless. Ended with its module: the sync API keeps an event loop running in this thread."""
    try:
        from playwright.sync_api import expect, sync_playwright
    except ImportError:
        _missing("playwright is not installed: pip install playwright")
    if not Path(CHROMIUM).exists():
        _missing(f"there is no {CHROMIUM}: apt-get install chromium")
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield found
        found.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of its own: no cookies and no storage of another test."""
    context = browser.new_context()
    context.set_default_timeout(PATIENCE)
    yield context.new_page()
    context.close()


def _missing(what: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)
