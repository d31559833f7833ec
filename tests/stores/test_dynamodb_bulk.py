"""Large commits and many at once: several requests on the way, and still all or nothing, once, with exact numbers."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from recollect import Recollect
from recollect.errors import Unavailable
from recollect.store import Delete
from recollect.store.driver import drive
from recollect.stores.dynamodb import commit, items, staged
from recollect.stores.dynamodb.client import Cancelled
from recollect.stores.dynamodb.header import header_of
from recollect.testing.kit import Kit
from recollect.testing.modes import BlockingMode
from tests.services.dynamodb import make_store, prefix_of, raw_client

HI = {"role": "user", "content": "hi"}


def _rows(count: int, *, start: int = 0) -> list[dict[str, Any]]:
    return [{"role": "user", "content": str(n), "id": str(n)} for n in range(start, start + count)]


def _entries(place: Path) -> list[str]:
    found = raw_client().scan(TableName=f"{prefix_of(place)}-index")["Items"]
    return [item["entry"]["S"] for item in found]


def _lines(sessions: int, each: int) -> Iterator[dict[str, Any]]:
    for n in range(sessions * each):
        session = f"s{n % sessions}"
        yield {"session": session, "user": f"u{n % 3}", "role": "user", "content": str(n), "id": f"m{n}"}


def test_an_import_has_several_requests_on_the_way_and_exact_numbers(place: Path) -> None:
    store = make_store(place)
    with Recollect(store) as memory:
        memory.open()
        request, lock = store._client.request, threading.Lock()
        running, most = 0, 0

        def watched(operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
            nonlocal running, most
            with lock:
                running += 1
                most = max(most, running)
            try:
                time.sleep(0.002)
                return request(operation, arguments)
            finally:
                with lock:
                    running -= 1

        store._client.request = watched  # type: ignore[method-assign]
        report = memory.import_lines(_lines(9, 70))
        assert (report.written, report.known, report.sessions) == (630, 0, 9)
        assert most > 4
        again = memory.import_lines(_lines(9, 71))
        assert (again.written, again.known) == (9, 630)
        for n in range(9):
            rows = memory.session(f"s{n}").tail(1000)
            assert [row.seq for row in rows] == list(range(1, len(rows) + 1))
    assert not [entry for entry in _entries(place) if entry.startswith("lane/")]


def test_the_first_of_many_are_on_their_way_while_the_rest_is_made(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, make = 0, items.message_items

    def counted(*args: Any, **options: Any) -> Any:
        nonlocal made
        made += 1
        return make(*args, **options)

    monkeypatch.setattr(items, "message_items", counted)
    store = make_store(place)
    with Recollect(store) as memory:
        memory.open()
        request, sent = store._client.request, list[int]()

        def watched(operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
            sent.append(made)
            return request(operation, arguments)

        store._client.request = watched  # type: ignore[method-assign]
        memory.session("s").append(_rows(1000))
        assert made == 1000
        assert len([count for count in sent if count < 1000]) > 10
        assert [row.content for row in memory.session("s").tail(1000)] == [str(n) for n in range(1000)]


def test_an_import_repeated_writes_nothing(place: Path) -> None:
    with Recollect(make_store(place)) as memory:
        lines = list(_lines(3, 200))
        assert memory.import_lines(lines[:300]).written == 300
        report = memory.import_lines(lines)
        assert (report.written, report.known) == (300, 300)
        assert memory.import_lines(lines).written == 0
        assert sum(len(memory.session(f"s{n}").tail(1000)) for n in range(3)) == 600


def test_an_id_that_the_sample_missed_is_found_all_the_same(place: Path) -> None:
    store = make_store(place)
    with Recollect(store) as memory:
        session = memory.session("s")
        session.append({"role": "user", "content": "first", "id": "1"})  # the sample has 0, 3, 6, ...
        asked: list[int] = []
        found = store._reads.stored_by_ids

        async def watched(header: Any, ids: Any) -> Any:
            asked.append(len(ids))
            return await found(header, ids)

        store._reads.stored_by_ids = watched  # type: ignore[method-assign]
        stored = session.append(_rows(300))
        assert asked == [100, 300]
        assert (stored[1].content, stored[1].seq) == ("first", 1)
        assert sorted(row.seq for row in stored) == list(range(1, 301))
        assert [row.seq for row in session.tail(500)] == list(range(1, 301))
        asked.clear()
        session.append(_rows(300, start=300))
        assert asked == [100]
        memory.sweep()
        assert [row.content for row in session.tail(300)] == [str(n) for n in range(300, 600)]
    assert raw_client().scan(TableName=f"{prefix_of(place)}-conversations", Select="COUNT")["Count"] == 601


def _announced(place: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, list[Any]]:
    """A large commit that died before its stretch was filled: the id of its header, and what it would have written."""
    kept: list[Any] = []

    def die(client: Any, index: str, session: str, commit_id: str, puts: list[Any]) -> None:
        kept.extend(puts)
        raise Unavailable("cut off")

    monkeypatch.setattr(staged, "fill", die)
    with Recollect(make_store(place)) as memory:
        memory.session("s").append({**HI, "id": "first"})
        with pytest.raises(Unavailable, match="cut off"):
            memory.session("s").append(_rows(150))
    monkeypatch.undo()
    place_of = {"session_id": {"S": "s"}, "timestamp": {"S": "~session"}}
    table = f"{prefix_of(place)}-conversations"
    return header_of(raw_client().get_item(TableName=table, Key=place_of)["Item"]).commit_id, kept


@pytest.mark.parametrize("who", ["a writer", "a large commit", "a sweep"])
def test_who_comes_between_closes_the_lanes(place: Path, who: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was on its way when somebody else took the session over is refused, however late it arrives."""
    commit_id, puts = _announced(place, monkeypatch)
    assert sum(entry.startswith("lane/") for entry in _entries(place)) == staged.LANES
    monkeypatch.setattr(commit, "BUSY_TURNS", 0)
    store = make_store(place)
    with Recollect(store) as memory:
        if who == "a writer":
            memory.session("s").append({**HI, "id": "7"})
        elif who == "a large commit":
            memory.session("s").append(_rows(150, start=1000))
        else:
            clock = store.driver.now
            store.driver.now = lambda: clock().replace(year=clock().year + 1)
            memory.sweep()
            store.driver.now = clock
        assert not [entry for entry in _entries(place) if entry.startswith("lane/")]
        with pytest.raises(Cancelled):
            staged.fill(store._client, store._names.index, "s", commit_id, puts)
        memory.sweep()
        before = [row.id for row in memory.session("s").tail(500)]
        stored = memory.session("s").append(_rows(150))
        assert [row.id for row in memory.session("s").tail(500)][: len(before)] == before
        assert len({row.id for row in memory.session("s").tail(500)}) == len(set(before) | {row.id for row in stored})


def test_large_commits_of_one_process_on_one_session_both_go_through(place: Path) -> None:
    with Recollect(make_store(place)) as memory:
        memory.session("s").append({**HI, "id": "first"})
        failed: list[BaseException] = []

        def write(start: int) -> None:
            try:
                memory.session("s").append(_rows(200, start=start))
            except BaseException as error:
                failed.append(error)

        threads = [threading.Thread(target=write, args=(start,)) for start in (0, 1000)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert failed == []
        rows = memory.session("s").tail(1000)
        assert [row.seq for row in rows] == list(range(1, 402))
        for start in (0, 1000):
            own = [row.id for row in rows if row.id in {str(start + n) for n in range(200)}]
            assert own == [str(start + n) for n in range(200)]


@pytest.mark.parametrize("delete", [Delete(table="messages", seq=2), Delete(table="messages"), Delete()], ids=str)
def test_an_id_that_was_there_counts_also_if_the_commit_deletes_again(place: Path, delete: Delete) -> None:
    """What a commit appends and takes away itself leaves nothing behind that could fail: so its id is looked up."""
    kit = Kit(BlockingMode(), lambda: make_store(place), retention=86400, lag=0)
    kit.start()
    drive(kit.append("s", kit.message("old", id="a")))
    results = drive(kit.commit("s", kit.op(kit.message("new", id="a"), kit.message("b", id="b")), delete, kit.op("c")))
    appended, gone = results[0], results[1]
    assert [(row.content, row.seq) for row in appended] == [("old", 1), ("b", 2)]
    assert gone == {2: 1, None: 3 if delete.table is None else 2}[delete.seq]
    kit.stop()


def test_a_passing_conflict_of_a_part_is_tried_again(place: Path) -> None:
    store = make_store(place)
    with Recollect(store) as memory:
        memory.session("s").append(HI)
        request = store._client.request
        refused: list[int] = []

        def conflict(operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
            sent = arguments.get("TransactItems", [])
            if "ConditionCheck" in (sent[0] if sent else {}) and len(refused) < 5:
                refused.append(len(sent))
                raise Cancelled([{"Code": "TransactionConflict"}] + [{"Code": "None"}] * (len(sent) - 1))
            return request(operation, arguments)

        store._client.request = conflict  # type: ignore[method-assign]
        assert [row.seq for row in memory.session("s").append(_rows(150))] == list(range(2, 152))
        assert len(refused) == 5
        assert len(memory.changes(limit=100).items) == 2


def test_a_client_that_was_lent_is_left_as_it_is(place: Path) -> None:
    """botocore encodes and checks what is sent through it; what is read is the same."""
    import boto3

    from recollect.stores.dynamodb import DynamoDBStore
    from tests.services.dynamodb import options_of, server_options

    mine = boto3.client("dynamodb", region_name="us-east-1", endpoint_url=server_options().endpoint_url)
    text = "the same words again " * 2000
    options = options_of(place, compress="zstd")
    with Recollect(DynamoDBStore(options, client=mine)) as lent, Recollect(make_store(place)) as own:
        lent.session("s").append([{"role": "user", "content": text}] * 120)
        assert [row.text for row in own.session("s").tail(200)] == [text] * 120
        assert own.session("s").tail(200) == lent.session("s").tail(200)
    mine.close()


def test_an_answer_that_is_no_json_is_said_in_our_words(place: Path) -> None:
    store = make_store(place)
    with Recollect(store) as memory:
        memory.session("s").append(HI)

        def garble(response_dict: dict[str, Any], **_: Any) -> None:
            response_dict["body"] = b'{"Items": [{"x"'

        store._client._client.meta.events.register_first("before-parse.dynamodb.Query", garble)
        with pytest.raises(Unavailable, match="no answer of DynamoDB"):
            memory.session("s").tail()
