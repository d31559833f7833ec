"""A real DynamoDB-compatible server for the tests: `dynoxide`, one binary over SQLite, fetched by `make services`."""

from __future__ import annotations

import atexit
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from functools import cache
from pathlib import Path
from typing import Any

from recollect.stores.dynamodb import DynamoDBStore
from recollect.stores.dynamodb.options import Options, parse
from recollect.testing import require
from tests.servers import free_port

ENV = "RECOLLECT_TEST_DYNAMODB_URL"
VERSION = "1.2.1"
BINARY = Path(sys.prefix) / "services" / f"dynoxide-{VERSION}" / "dynoxide"
START = f"make services, then {BINARY} serve --port 8000, and {ENV}=dynamodb://us-east-1/test?endpoint_url=http://127.0.0.1:8000"


class Dynoxide:
    """A server process on a free loopback port.

    Parameters
    ----------
    file: where it keeps its data; in memory when None.
    """

    def __init__(self, file: Path | None = None) -> None:
        self.file = file
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        """Its URL."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        kept = [] if self.file is None else ["--db-path", str(self.file)]
        self._process = subprocess.Popen(
            [str(BINARY), "serve", "--port", str(self.port), *kept],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 20
        while True:
            try:
                urllib.request.urlopen(self.endpoint, timeout=5).close()
                return
            except urllib.error.HTTPError as error:
                error.close()
                return
            except OSError:
                assert self._process.poll() is None and time.monotonic() < deadline, "dynoxide does not start"
                time.sleep(0.02)

    def hang(self) -> None:
        """Let it take connections and answer nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it answer again, also what it was asked meanwhile."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """What a power cut does to it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(20)
            self._process = None


@cache
def server_options() -> Options:
    """The server of this test run: the one that the environment names, or one of its own. Skips where there is neither."""
    os.environ.setdefault("AWS_ACCESS_KEY_ID", "test")
    os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "test")
    if os.environ.get(ENV) or not BINARY.exists():
        url = require(ENV, START)
        netloc, _, rest = url.removeprefix("dynamodb://").partition("/")
        path, _, asked = rest.partition("?")
        return parse(netloc, path, dict(pair.split("=", 1) for pair in asked.split("&") if pair))
    server = Dynoxide()
    server.start()
    atexit.register(server.kill)
    return Options(region="us-east-1", endpoint_url=server.endpoint)


def prefix_of(place: Path) -> str:
    """A table prefix for a test's place."""
    return f"t{hashlib.blake2b(str(place).encode(), digest_size=8).hexdigest()}"


def make_store(place: Path, **options: Any) -> DynamoDBStore:
    """A store with tables of its own for this place."""
    return DynamoDBStore(options_of(place, **options))


def options_of(place: Path, **options: Any) -> Options:
    """The options of a place's store."""
    from msgspec import structs

    given = {"prefix": prefix_of(place), "create": True, "ttl": False} | options
    return structs.replace(server_options(), **given)


@cache
def raw_client() -> Any:
    """boto3's own client, as a stranger would use it."""
    import boto3

    options = server_options()
    return boto3.client("dynamodb", region_name=options.region, endpoint_url=options.endpoint_url)


def tables_of(place: Path) -> list[str]:
    """The names of a place's tables that are there; the server lists a hundred at a time, whosever they are."""
    pages = raw_client().get_paginator("list_tables").paginate()
    return [name for page in pages for name in page["TableNames"] if name.startswith(prefix_of(place))]


def remove_tables(place: Path) -> None:
    """Delete the tables of a place."""
    from recollect.stores.dynamodb import schema

    names = schema.names(options_of(place))
    for table in schema.TABLES:
        try:
            raw_client().delete_table(TableName=names.of(table))
        except raw_client().exceptions.ResourceNotFoundException:
            continue


def temporary_file() -> Path:
    """A file for a server that is to survive a restart; removed at the end of the run."""
    folder = Path(tempfile.mkdtemp(prefix="dynoxide-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder / "data.db"
