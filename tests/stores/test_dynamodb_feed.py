"""The feed of the DynamoDB store while it is swept: what is gone is said to be gone, and never passed by."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from recollect import NotFound, Recollect
from recollect.stores.dynamodb import DynamoDBStore
from recollect.testing.clock import START
from tests.services.dynamodb import make_store


class World:
    """A store with three old entries, each an item of its own, and a clock that goes on."""

    def __init__(self, store: DynamoDBStore) -> None:
        self.now: datetime = START
        self.store = store
        self.memory = Recollect(store, clock=lambda: self.now)
        for n in range(3):
            self.memory.session("s").append({"role": "user", "content": str(n)})
            self.memory.changes()
        self.first = self.memory.changes().items[0].cursor
        self.now += timedelta(days=8)
        self.memory.session("s").append({"role": "user", "content": "young"})
        self.memory.changes()


@pytest.fixture
def world(place: Path) -> Iterator[World]:
    made = World(make_store(place))
    with made.memory:
        yield made


def test_a_sweep_between_head_and_log(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    feed: Any = world.store._feed
    log = feed._log

    async def swept_before(*about: Any) -> Any:
        world.memory.sweep()
        return await log(*about)

    monkeypatch.setattr(feed, "_log", swept_before)
    with pytest.raises(NotFound):
        world.memory.changes(after=world.first)
    assert [change.last_seq for change in world.memory.changes()] == [4]


def test_a_sweep_between_two_pages_of_the_log(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands before the gap is given; who goes on from there is told."""
    client: Any = world.store._client
    query = client.query
    pages: list[int] = []

    async def page_by_page(**about: Any) -> Any:
        if ":low" in about["ExpressionAttributeValues"]:
            pages.append(1)
            if len(pages) == 2:
                monkeypatch.undo()
                world.memory.sweep()
            about["Limit"] = 1
        return await query(**about)

    monkeypatch.setattr(client, "query", page_by_page)
    (change,) = world.memory.changes(after=world.first)
    assert change.last_seq == 2
    with pytest.raises(NotFound):
        world.memory.changes(after=change.cursor)
