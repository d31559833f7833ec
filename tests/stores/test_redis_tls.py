"""``rediss://``: the server's certificate is checked, and may be one's own."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from recollect import AsyncRecollect, ConfigError, Recollect
from recollect.store.driver import drive
from tests.services import redis as servers

HI = {"role": "user", "content": "hi"}

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl to make a certificate with")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost, with its key in one file."""
    folder = tmp_path_factory.mktemp("tls")
    words = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "ca.pem")]
    subprocess.run(["openssl", *words.split(), *files], check=True, capture_output=True)
    return folder


@pytest.fixture
def port(certificate: Path) -> Iterator[int]:
    """A port that takes TLS off before the server, whose build has none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "ca.pem", certificate / "key.pem")
    target = int(servers.server_url().split(":")[2].split("/")[0])
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def serve(plain: socket.socket) -> None:
        try:
            with context.wrap_socket(plain, server_side=True) as client:
                asyncio.run(_relay(client, target))
        except OSError:
            plain.close()

    def accept() -> None:
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=serve, args=(plain,), daemon=True))
            threads[-1].start()

    threading.Thread(target=accept, daemon=True).start()
    yield int(listener.getsockname()[1])
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    for thread in threads:
        thread.join(5)


async def _relay(client: ssl.SSLSocket, target: int) -> None:
    """One request, one reply, as long as there are any."""
    with socket.create_connection(("127.0.0.1", target)) as server:
        server.settimeout(0.05)
        while data := client.recv(65536):
            server.sendall(data)
            while True:
                try:
                    client.sendall(server.recv(65536))
                except TimeoutError:
                    break


def test_a_certificate_of_ones_own_is_trusted_when_named(port: int, certificate: Path, prefix: str) -> None:
    url = f"rediss://localhost:{port}?prefix={prefix}&ca={certificate / 'ca.pem'}"
    with Recollect(url) as memory:
        memory.session("s").append(HI)
        assert len(memory.session("s").tail()) == 1

    async def the_same() -> None:
        async with AsyncRecollect(url) as memory:
            await memory.session("s").append(HI)
            assert len(await memory.session("s").tail()) == 2

    asyncio.run(the_same())


def test_an_unknown_certificate_is_refused_unless_told_not_to_look(port: int, prefix: str) -> None:
    with pytest.raises(ConfigError, match="TLS"):
        Recollect(f"rediss://localhost:{port}?prefix={prefix}").open()
    with Recollect(f"rediss://localhost:{port}?prefix={prefix}&verify=false") as memory:
        memory.session("s").append(HI)
        assert len(memory.session("s").tail()) == 1


@pytest.fixture
def tls_server(certificate: Path) -> Iterator[int]:
    """The port of a server that speaks TLS itself, as the Redis with RediSearch can."""
    port = servers.free_port()
    own = {"cert": "ca.pem", "key": "key.pem", "ca-cert": "ca.pem"}
    files = [word for name, file in own.items() for word in (f"--tls-{name}-file", str(certificate / file))]
    with servers.RedisServer("--tls-port", str(port), "--tls-auth-clients", "no", *files, stack=True):
        yield port


def test_a_commit_wakes_who_waits_over_tls(tls_server: int, certificate: Path) -> None:
    url = f"rediss://localhost:{tls_server}?ca={certificate / 'ca.pem'}"
    with Recollect(url) as memory:
        memory.session("s").append(HI)
        for _ in range(3):
            cursor = memory.changes(limit=100)[-1].cursor
            began = time.monotonic()
            drive(memory.store.wait("default", cursor, 0.3))
            assert 0.25 < time.monotonic() - began < 5
            timer = threading.Timer(0.2, lambda: memory.session("s").append(HI))
            timer.start()
            began = time.monotonic()
            drive(memory.store.wait("default", cursor, 20))
            assert 0.15 < time.monotonic() - began < 5, "neither by what TLS itself had to say, nor by its time"
            timer.join()

    async def the_same() -> None:
        async with AsyncRecollect(url) as memory:
            (*_, change) = await memory.changes(limit=100)
            wait = asyncio.create_task(memory.store.wait("default", change.cursor, 20))
            await asyncio.sleep(0.2)
            assert not wait.done()
            await memory.session("s").append(HI)
            async with asyncio.timeout(5):
                await wait

    asyncio.run(the_same())
