"""An answer that is cut off is `Unavailable`, wherever the cut is: it must never read as an answer without rows."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from recollect import Recollect
from recollect.errors import ConfigError, RecollectError, Unavailable
from recollect.store import BlockingDriver
from recollect.store.driver import drive
from recollect.stores.dynamodb.client import Cancelled, Client
from recollect.stores.dynamodb.options import Options

ROWS = b'{"Count":1,"Items":[{"id":{"S":"a"},"text":{"S":"Hi"}}]}'
REFUSED = b'{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","CancellationReasons":[]}'


def answer(status: str, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status}\r\nServer: x\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class CutOff:
    """A server that sends the bytes of `then` in turn, and after that the same to everybody, and hangs up."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.says = b""
        self.then: list[bytes] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                connection.sendall(self.then.pop(0) if self.then else self.says)

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def server() -> Iterator[CutOff]:
    """One."""
    with closing(CutOff()) as made:
        yield made


@pytest.fixture
def client(server: CutOff) -> Iterator[Client]:
    """A client of it that does not try again."""
    os.environ.setdefault("AWS_ACCESS_KEY_ID", "test")
    os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "test")
    made = Client(Options(region="us-east-1", endpoint_url=server.endpoint, attempts=1))
    drive(made.open(BlockingDriver()))
    yield made
    drive(made.close())


def ask(client: Client) -> dict[str, Any]:
    return client.request("query", {"TableName": "t", "KeyConditionExpression": "a = :a"})


def test_rows(server: CutOff, client: Client) -> None:
    whole = answer("200 OK", ROWS)
    for cut in range(len(whole)):
        server.says = whole[:cut]
        with pytest.raises(Unavailable, match="does not answer"):
            ask(client)
    server.says = whole
    assert len(ask(client)["Items"]) == 1


def test_it_is_asked_again(server: CutOff) -> None:
    os.environ.setdefault("AWS_ACCESS_KEY_ID", "test")
    os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "test")
    made = Client(Options(region="us-east-1", endpoint_url=server.endpoint, attempts=3))
    drive(made.open(BlockingDriver()))
    whole = answer("200 OK", ROWS)
    server.then = [whole[:-1], whole[:-9], whole]
    assert len(ask(made)["Items"]) == 1
    server.then = [whole[:-1]] * 3
    with pytest.raises(Unavailable, match="does not answer"):
        ask(made)
    assert server.then == []
    drive(made.close())


def test_before_anybody_else_sees_it(server: CutOff, client: Client) -> None:
    """Also where another handler reads the body."""
    seen: list[bytes] = []

    def look(response_dict: dict[str, Any], **_: Any) -> None:
        seen.append(response_dict["body"])
        response_dict["body"] = b"{}"

    client._client.meta.events.register("before-parse.dynamodb.Query", look)
    server.says = answer("200 OK", ROWS)[:-5]
    with pytest.raises(Unavailable):
        ask(client)
    assert seen == []
    server.says = answer("200 OK", ROWS)
    ask(client)
    assert len(seen) == 1


def test_a_refusal(server: CutOff, client: Client) -> None:
    """What was refused for a reason that got lost may be tried again."""
    whole = answer("400 Bad Request", REFUSED)
    for cut in range(0, len(whole), 3):
        server.says = whole[:cut]
        with pytest.raises(Unavailable):
            ask(client)
    server.says = whole
    with pytest.raises(Cancelled):
        ask(client)


def test_what_comes_in_chunks_and_what_is_no_json(server: CutOff, client: Client) -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    server.says = chunked + b"%x\r\n%b\r\n0\r\n\r\n" % (len(ROWS), ROWS)
    assert len(ask(client)["Items"]) == 1
    server.says = chunked + b"%x\r\n%b" % (len(ROWS), ROWS[:20])
    with pytest.raises(Unavailable):
        ask(client)
    server.says = answer("403 Forbidden", b"<h1>No</h1>")
    with pytest.raises(ConfigError):
        ask(client)
    server.says = answer("502 Bad Gateway", b"<h1>Later</h1>")
    with pytest.raises(Unavailable):
        ask(client)


@pytest.mark.parametrize("body", [b"<html>It works!</html>", b'{"status":"ok"}', b"OK"])
def test_a_server_that_is_no_dynamodb_is_said(server: CutOff, body: bytes) -> None:
    server.says = answer("200 OK", body)
    with pytest.raises(RecollectError, match=f"what {server.endpoint} sends is no answer of DynamoDB"):
        Recollect(f"dynamodb://us-east-1/app?endpoint_url={server.endpoint}").open()
