"""The server as a process: started, stopped, killed, two of them on one file."""

from __future__ import annotations

import json
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.server.harness import Stream, problem

if TYPE_CHECKING:
    from tests.servers import ModelServer, ServerProcess

    Make = Callable[..., ServerProcess]


PATH = "/api/v1/sessions/s/messages"
HI = {"role": "user", "content": "Hi"}


@pytest.fixture
def make(make_server: Make, tmp_path: Path) -> Make:
    """Makes servers on one SQLite file."""

    def of(**env: str) -> ServerProcess:
        return make_server(**{"URL": f"sqlite:///{tmp_path}/chat.db?synchronous=normal", **env})

    return of


@pytest.fixture
def server(make: Make) -> Iterator[ServerProcess]:
    """A running one."""
    with make() as found:
        yield found


def stored(server: ServerProcess, session: str = "s") -> list[dict[str, Any]]:
    answer = httpx.get(f"{server.url}/api/v1/sessions/{session}/messages", params={"limit": 10_000})
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def test_it_says_what_it_is_at_the_start(server: ServerProcess, tmp_path: Path) -> None:
    said = server.output
    assert said.startswith("Recollect ")
    assert f"open   {server.url}\n" in said
    assert f"store  sqlite:///{tmp_path}/chat.db" in said
    assert "offline answerer" in said
    assert "loopback only" in said
    assert server.stop() == 0
    assert "Traceback" not in server.output


def test_a_restart_keeps_everything(server: ServerProcess) -> None:
    session, user = f"{server.url}/api/v1/sessions/s", f"{server.url}/api/v1/users/ann"
    httpx.post(f"{server.url}/api/v1/chat", json={"message": "My dog is Rex", "session_id": "s", "user_id": "ann"})
    httpx.put(f"{user}/preferences", json={"genre": "jazz"})
    httpx.patch(session, json={"title": "Dogs", "metadata": {"a": 1}})
    httpx.post(f"{session}/summary", json={"text": "A dog.", "covers_seq": 2})
    places = [f"{session}/messages", session, f"{session}/summary", f"{user}/preferences", f"{user}/messages"]
    places += [f"{server.url}/api/v1/{place}" for place in ("stats", "search?q=Rex", "changes")]
    before = [httpx.get(place).json() for place in places]
    assert server.stop() == 0
    server.start()
    after = [httpx.get(place).json() for place in places]
    assert [{**found, "bytes": None} for found in after] == [{**found, "bytes": None} for found in before]
    turn = httpx.post(f"{server.url}/api/v1/chat", json={"message": "Who is my dog?", "user_id": "ann"}).json()
    assert "My dog is Rex" in turn["reply"]


def test_nothing_acknowledged_is_lost_when_it_is_killed(server: ServerProcess) -> None:
    acknowledged: list[str] = []
    lock = threading.Lock()

    def write(worker: int) -> None:
        with httpx.Client() as client:
            for n in range(10_000):
                name = f"{worker}-{n}"
                try:
                    answer = client.post(f"{server.url}{PATH}", json={**HI, "id": name})
                except httpx.TransportError:
                    return
                assert answer.status_code == 201, answer.text
                with lock:
                    acknowledged.append(name)

    for _ in range(3):
        with ThreadPoolExecutor(4) as pool:
            for worker in range(4):
                pool.submit(write, worker)
            count, target = len(acknowledged), len(acknowledged) + 50
            while len(acknowledged) < target:
                time.sleep(0.01)
                assert server.process.poll() is None
            server.kill()
        assert len(acknowledged) > count
        server.start()
        found = stored(server)
        assert set(acknowledged) <= {message["id"] for message in found}
        assert [message["seq"] for message in found] == list(range(1, len(found) + 1))
        httpx.delete(f"{server.url}/api/v1/sessions/s")
        acknowledged.clear()


def test_two_servers_on_one_file(server: ServerProcess, make: Make) -> None:
    with make() as other, ThreadPoolExecutor(8) as pool:
        urls = [server.url, other.url] * 40
        answers = list(pool.map(lambda url: httpx.post(f"{url}{PATH}", json=HI, timeout=30), urls))
        assert {answer.status_code for answer in answers} == {201}
        assert sorted(answer.json()["seq"] for answer in answers) == list(range(1, 81))
        assert stored(server) == stored(other)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stream_in_flight_gets_its_time(make: Make, model_server: ModelServer, number: int) -> None:
    model_server.mode, model_server.pause = "slow", 0.3
    with make(LLM_MODEL="m", LLM_BASE_URL=model_server.url, SHUTDOWN_GRACE="10") as server:
        with httpx.Client(base_url=server.url, timeout=20) as client, Stream(client, _say()) as stream:
            found = iter(stream)
            assert next(found)[0] == "start"
            server.process.send_signal(number)
            names = [name for name, _ in found]
        assert names == [*["delta"] * 4, "done"]
        assert server.process.wait(20) == 0
        server.start()
        assert stored(server)[1]["content"] == model_server.reply
        assert "Traceback" not in server.output


def test_a_stream_that_takes_too_long_is_cut_off_and_kept(make: Make, model_server: ModelServer) -> None:
    model_server.mode, model_server.pause, model_server.pieces = "slow", 0.2, ["word "] * 1000
    with make(LLM_MODEL="m", LLM_BASE_URL=model_server.url, SHUTDOWN_GRACE="0.5") as server:
        with httpx.Client(base_url=server.url, timeout=20) as client, Stream(client, _say()) as stream:
            found = iter(stream)
            assert next(found)[0] == "start"
            assert next(found)[0] == "delta"
            began = time.monotonic()
            server.process.send_signal(signal.SIGTERM)
            *_, (name, body) = found
        assert name == "error"
        assert "stopping" in body["detail"]
        assert body["status"] == 503
        assert server.process.wait(20) == 0
        assert time.monotonic() - began < 8
        server.start()
        question, partial = stored(server)
        assert question["content"] == "Hello"
        assert partial["content"].startswith("word ")
        assert partial["metadata"]["partial"] is True


def test_without_a_stream_too(make: Make, model_server: ModelServer) -> None:
    model_server.mode, model_server.pause, model_server.pieces = "slow", 0.1, ["word "] * 1000
    with make(LLM_MODEL="m", LLM_BASE_URL=model_server.url, SHUTDOWN_GRACE="0.5") as server:
        with ThreadPoolExecutor(1) as pool:
            asking = pool.submit(httpx.post, f"{server.url}/api/v1/chat", json={**_say(), "stream": False}, timeout=20)
            while not model_server.open:
                time.sleep(0.02)
            time.sleep(0.3)
            assert server.stop() == 0
            problem(asking.result(), 503, "store-unavailable")
        server.start()
        assert [bool(m["metadata"].get("partial")) for m in stored(server)] == [False, True]


def test_an_idle_server_stops_at_once_and_refuses_no_one_rudely(server: ServerProcess) -> None:
    with httpx.Client(base_url=server.url) as client:
        assert client.get("/healthz").is_success
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 3
        with pytest.raises(httpx.TransportError):
            client.get("/healthz")


def test_the_same_port_can_be_taken_again_at_once(server: ServerProcess) -> None:
    httpx.post(f"{server.url}{PATH}", json=HI)
    server.kill()
    server.start(seconds=20)
    assert len(stored(server)) == 1


@pytest.mark.parametrize(
    ("env", "says"),
    [
        ({"HOST": "0.0.0.0"}, "RECOLLECT_API_KEYS"),
        ({"URL": "nosuch://x"}, "nosuch"),
        ({"URL": "memory://?option=1"}, "option"),
        ({"LLM_BASE_URL": "http://127.0.0.1:1/v1"}, "RECOLLECT_LLM_MODEL"),
        ({"CONFIG": "missing.toml"}, "missing.toml"),
        ({"PORT": "70000"}, "RECOLLECT_PORT"),
    ],
)
def test_what_cannot_work_is_said_at_the_start(make: Make, env: dict[str, str], says: str) -> None:
    server = make(**env)
    server.launch()
    assert server.process.wait(30) != 0
    assert "ConfigError" in server.output
    assert says in server.output


def test_a_file_that_is_no_database_and_a_port_in_use(make: Make, server: ServerProcess, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a database " * 100)
    for env in ({"URL": f"sqlite:///{tmp_path}/notes.txt"}, {"PORT": str(server.port)}):
        other = make(**env)
        other.launch()
        assert other.process.wait(30) != 0
        assert "ConfigError" in other.output
        assert str(server.port) in other.output or "notes.txt" in other.output


def test_keys_open_their_scopes_over_a_restart(make: Make) -> None:
    with make(API_KEYS="a-key:a,b-key:b", HOST="0.0.0.0") as server:
        a, b = ({"authorization": f"Bearer {name}-key"} for name in "ab")
        assert "2 keys for 2 scopes" in server.output
        assert "a-key" not in server.output
        httpx.post(f"{server.url}{PATH}", json=HI, headers=a)
        server.kill()
        server.start()
        assert len(httpx.get(f"{server.url}{PATH}", headers=a).json()["items"]) == 1
        assert httpx.get(f"{server.url}{PATH}", headers=b).json()["items"] == []
        assert httpx.get(f"{server.url}{PATH}").status_code == 401


def test_its_log_is_json_lines(server: ServerProcess) -> None:
    httpx.get(f"{server.url}/api/v1/sessions/secret-id")
    server.stop()
    lines = [json.loads(line) for line in server.output.splitlines() if line.startswith("{")]
    *_, line = [line for line in lines if line["event"] == "request"]
    assert line["route"] == "/api/v1/sessions/{session_id}"
    assert line["status"] == 404
    assert "secret-id" not in server.output


def _say() -> dict[str, Any]:
    return {"message": "Hello", "session_id": "s"}


def test_a_client_that_hangs_up_in_the_middle_of_its_body_troubles_nobody(server: ServerProcess) -> None:
    for body in (b"", b'{"role": '):
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            head = f"POST {PATH} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\n"
            client.sendall(head.encode() + body)
    deadline = time.monotonic() + 10
    while 'status="499"} 2.0' not in httpx.get(f"{server.url}/metrics").text:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert stored(server) == []
    assert "Traceback" not in server.output


def feed(server: ServerProcess, count: int, **headers: str) -> list[tuple[str, dict[str, Any]]]:
    """So many changes of the stream, each with its id."""
    found: list[tuple[str, dict[str, Any]]] = []
    headers = {"Accept": "text/event-stream", **headers}
    with httpx.stream("GET", f"{server.url}/api/v1/changes", headers=headers, timeout=20) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        for line in lines:
            if line.startswith("id: "):
                assert next(lines) == "event: change"
                found.append((line[4:], json.loads(next(lines).removeprefix("data: "))))
                if len(found) == count:
                    return found
    return found


def test_the_feed_as_a_stream(server: ServerProcess) -> None:
    """What was, then what comes; a client that comes back with the last id misses nothing and gets nothing twice."""
    for _ in range(3):
        httpx.post(f"{server.url}{PATH}", json=HI)
    with ThreadPoolExecutor() as pool:
        following = pool.submit(feed, server, 5)
        time.sleep(0.3)
        for _ in range(4):
            httpx.post(f"{server.url}{PATH}", json=HI)
        first = following.result(20)
    assert [(id == change["cursor"], change["first_seq"]) for id, change in first] == [(True, n) for n in range(1, 6)]
    rest = feed(server, 2, **{"Last-Event-ID": first[-1][0]})
    assert [change["first_seq"] for _, change in rest] == [6, 7]
    refused = httpx.get(f"{server.url}/api/v1/changes", headers={"Accept": "text/event-stream", "Last-Event-ID": "no"})
    problem(refused, 400, "invalid-input")


def test_the_head_of_the_feed_ends(server: ServerProcess) -> None:
    """There is nothing to wait for in an answer without a body."""
    answer = httpx.head(f"{server.url}/api/v1/changes", headers={"Accept": "text/event-stream"}, timeout=5)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")


def test_a_follower_does_not_keep_the_server(server: ServerProcess) -> None:
    """A server that is asked to stop ends the streams of its feed, and is gone at once."""
    httpx.post(f"{server.url}{PATH}", json=HI)
    with ThreadPoolExecutor() as pool:
        following = pool.submit(feed, server, 99)
        time.sleep(0.3)
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 5
        assert len(following.result(20)) == 1
    assert "request failed" not in server.output
