"""Vectors in the tables: where they lie, that no reading of messages pays for them, and what other writers do to them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from recollect.errors import LimitExceeded
from recollect.model import Message, Session, Vector
from recollect.store import Attach, Delete, Partition
from recollect.store.driver import drive
from recollect.stores.dynamodb import DynamoDBStore
from recollect.testing.kit import SCOPE, Kit, put
from recollect.testing.modes import BlockingMode
from recollect.testing.suites.vectors import attach, of, packed
from tests.services.dynamodb import make_store, prefix_of, raw_client

SESSION = Partition(SCOPE, "session", "s")


@pytest.fixture
def kit(place: Path) -> Iterator[Kit]:
    """An open store, and short ways to write and read."""
    kit = Kit(BlockingMode(), lambda: make_store(place), retention=7 * 86400, lag=0)
    kit.start()
    yield kit
    kit.stop()


def _store(kit: Kit) -> DynamoDBStore:
    assert isinstance(kit.store, DynamoDBStore)
    return kit.store


def _append(kit: Kit, session: str, *messages: Message | str, **how: Any) -> list[Message]:
    return drive(kit.append(session, *messages, **how))


def _kept(kit: Kit, session: str = "s") -> list[Vector]:
    found: list[Vector] = drive(kit.rows("vectors", SCOPE, session))
    return found


def _items(place: Path) -> list[dict[str, Any]]:
    found = raw_client().scan(TableName=f"{prefix_of(place)}-index")["Items"]
    return [item for item in found if item["entry"]["S"].startswith("vector/")]


def test_a_vector_is_an_item_of_the_index(kit: Kit, place: Path) -> None:
    rows = _append(kit, "s", *"ab")
    drive(attach(kit, "s", *map(of, rows)))
    first, _ = _items(place)
    assert first["entry"] == {"S": "vector/000000000001"}
    assert first["message_id"] == {"S": rows[0].id}
    assert first["model"] == {"S": "m"}
    assert first["data"]["B"] == of(rows[0]).data


def test_an_attach_makes_nobody_elses_append_fail(kit: Kit) -> None:
    """The header is written by the first one only; a cached header stays good after the others."""
    rows = _append(kit, "s", *"abc")
    drive(attach(kit, "s", of(rows[0])))
    store, asked = _store(kit), list[str]()
    request = store._client.request

    def watched(operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        asked.append(operation)
        return request(operation, arguments)

    store._client.request = watched  # type: ignore[method-assign]
    other = drive(kit.another())
    drive(kit.append("s", "d"))
    asked.clear()
    drive(attach(kit, "s", of(rows[1])))
    assert asked == ["get_item", "batch_get_item", "transact_write_items"]
    asked.clear()
    drive(kit.append("s", "e"))
    assert asked == ["transact_write_items"]
    asked.clear()
    drive(kit.append("s", "f", store=other))
    drive(attach(kit, "s", of(rows[2])))
    assert [vector.seq for vector in _kept(kit)] == [1, 2, 3]


def test_a_message_that_goes_meanwhile_takes_its_vector_along(kit: Kit, place: Path) -> None:
    """Between the look at the ids and the write another client deletes one: the attach begins again without it."""
    rows = _append(kit, "s", *"abc")
    drive(attach(kit, "s", of(rows[0])))
    store, other = _store(kit), drive(kit.another())
    entries = store._reads.live_entries

    async def meddle(header: Any, ids: Any) -> Any:
        found = await entries(header, ids)
        store._reads.live_entries = entries  # type: ignore[method-assign]
        await other.commit(SESSION, [Delete(table="messages", seq=2)])
        return found

    store._reads.live_entries = meddle  # type: ignore[method-assign]
    assert drive(attach(kit, "s", *map(of, rows))) == 2
    assert [vector.seq for vector in _kept(kit)] == [1, 3]
    drive(other.commit(SESSION, [Delete(table="messages", seq=1)]))
    assert len(_items(place)) == 1


def test_vectors_go_with_the_other_operations_of_a_commit(kit: Kit) -> None:
    """An attach sees what stands before it in its commit: also hundreds of messages, and those that it takes away."""
    _append(kit, "s", *"abc")
    fresh = [kit.message(str(n), id=f"x{n}") for n in range(120)]
    wanted = [Vector(session_id="s", seq=4 + n, id=f"x{n}", model="m", data=packed([1.0, n])) for n in range(120)]
    old = of(_append(kit, "s", kit.message("a", id="old"))[0])
    results = drive(
        kit.commit(
            "s",
            Delete(table="messages", seq=4),
            Attach(vectors=[old]),
            kit.op(*fresh),
            Attach(vectors=[vector.replace(seq=vector.seq + 1) for vector in wanted]),
            put(Session(id="s", title="t")),
            Delete(table="messages", seq=5),
        )
    )
    assert (results[1], results[3]) == (0, 120)
    assert [vector.seq for vector in _kept(kit)] == list(range(6, 125))
    again = [vector.replace(model="n") for vector in _kept(kit)]
    (kept, _) = drive(kit.commit("s", Attach(vectors=again), put(Session(id="s", title="u"))))
    assert kept == 119
    assert _kept(kit) == again


def test_what_is_swept_leaves_no_vector(kit: Kit, place: Path) -> None:
    rows = _append(kit, "s", kit.message("a"), kit.message("b", ttl=5), *"cd")
    drive(attach(kit, "s", *map(of, rows)))
    drive(kit.delete(session="s", table="messages", seq=3))
    kit.clock.forward(6)
    drive(kit.store.sweep())
    assert [item["seq"]["N"] for item in _items(place)] == ["1", "4"]
    drive(kit.delete(session="s", table="messages"))
    assert _items(place) == []
    (row,) = _append(kit, "t", "x", ttl=5)
    drive(attach(kit, "t", of(row)))
    kit.clock.forward(6)
    drive(kit.store.sweep())
    assert _items(place) == []


def test_a_vector_that_fits_no_item_is_refused(kit: Kit) -> None:
    (row,) = _append(kit, "s", "a")
    with pytest.raises(LimitExceeded, match="400 KB"):
        drive(attach(kit, "s", of(row).replace(data=bytes(400_000))))
    assert _kept(kit) == []
