"""Rolling summaries on the stores with servers: the claim, the guard, the failure, the deletion."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from recollect import Message, Recollect, Store, Unavailable, connect
from tests.library.summarizers import Scripted
from tests.services import dynamodb, redis
from tests.services.postgres import postgres_url, schema

TALK = [Message("user", f"This is message number {i}.") for i in range(50)]


@contextmanager
def redis_store(place: Path) -> Iterator[Store]:
    yield connect(f"{redis.server_url()}?prefix={redis.prefix_of(place)}")
    redis.remove(redis.server_url(), redis.prefix_of(place))


@contextmanager
def postgres_store(place: Path) -> Iterator[Store]:
    with schema() as name:
        yield connect(f"{postgres_url()}?schema={name}")


@contextmanager
def dynamodb_store(place: Path) -> Iterator[Store]:
    yield dynamodb.make_store(place)
    dynamodb.remove_tables(place)


@pytest.mark.parametrize("make", [redis_store, postgres_store, dynamodb_store])
def test_the_life_of_a_summary(make: object, tmp_path: Path) -> None:
    """It fails and leaves nothing, is made once by many, grows, and does not outlive its session."""
    assert callable(make)
    model: Scripted = Scripted(Unavailable("away"))
    with make(tmp_path) as store, Recollect(store, summarizer=model) as memory:
        session = memory.session("s", "ann")
        session.append(TALK)
        with pytest.raises(Unavailable):
            session.summarize()
        assert session.summary() is None
        assert session.context(max_tokens=200).window
        model.says, model.pause = "They counted.", 0.2
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda _: memory.session("s").summarize(), range(4)))
        assert len(model.tasks) == 2
        first = session.summary()
        assert first is not None
        assert found == [first] * 4
        assert (first.text, first.covers_seq, first.metadata["by"]) == ("They counted.", 30, "scripted")
        session.append(TALK[:40])
        model.says, model.pause = Unavailable("away"), 0.0
        with pytest.raises(Unavailable):
            session.summarize()
        now = session.summary()
        assert now is not None
        assert now.replace(version=first.version) == first
        model.meanwhile = lambda: memory.session("s").delete()
        model.says = "A secret."
        assert session.summarize() is None
        assert session.summary() is None
