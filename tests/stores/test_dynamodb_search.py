"""`SearchVectors`: the suite of vectors on a table that has an index of DynamoDB's own.

The client is a lent one, so botocore checks every request against the shapes of its service model.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from cfnlint import api  # type: ignore[import-untyped]
from msgspec import yaml

from recollect import Recollect
from recollect.connect import connect
from recollect.errors import ConfigError, Unsupported
from recollect.model import Message
from recollect.store import Attach, Filter, Partition, Store
from recollect.store.driver import drive
from recollect.stores.dynamodb import DynamoDBStore, schema
from recollect.stores.dynamodb.options import Options
from recollect.stores.dynamodb.template import cloudformation
from recollect.stores.dynamodb.vector_index import definition, find
from recollect.testing.kit import SCOPE, Kit
from recollect.testing.modes import BlockingMode
from recollect.testing.suites.vectors import DIMENSIONS, Vectors, attach, direction, of
from tests.services.dynamodb import make_store, options_of, remove_tables


class TestSearchVectors(Vectors):
    name = "dynamodb:// (SearchVectors)"

    def make_store(self, place: Path) -> Store:
        options = options_of(place, vector_dimensions=DIMENSIONS)
        lent = boto3.client("dynamodb", region_name=options.region, endpoint_url=options.endpoint_url)
        return DynamoDBStore(options, client=lent)

    def remove(self, place: Path) -> None:
        remove_tables(place)


@pytest.fixture
def kit(tmp_path: Path) -> Iterator[Kit]:
    """An open store with an index and a client of its own, and short ways to write and read."""
    kit = Kit(BlockingMode(), lambda: make_store(tmp_path, vector_dimensions=DIMENSIONS), retention=86400, lag=0)
    kit.start()
    yield kit
    kit.stop()
    remove_tables(tmp_path)


def test_what_the_index_finds_is_read_from_its_session(kit: Kit) -> None:
    """Long messages come whole; an owner that changed counts at once; more than a hundred are never asked for."""
    assert isinstance(kit.store, DynamoDBStore)
    long = kit.message("가" * 300_000)
    rows: list[Message] = drive(kit.append("s", long, "b"))
    drive(attach(kit, "s", *(of(row, 10.0 * row.seq) for row in rows)))
    drive(kit.append("s", "c", user="u"))
    request, asked = kit.store._client.request, list[dict[str, Any]]()

    def watched(operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        if operation == "search_vectors":
            asked.append(arguments)
        return request(operation, arguments)

    kit.store._client.request = watched  # type: ignore[method-assign]

    def nearest(limit: int = 5, **wanted: Any) -> list[str]:
        filter = Filter(**wanted)
        found = drive(kit.store.search(SCOPE, terms=(), vector=direction(0), model="m", limit=limit, filter=filter))
        return [row.text for row, _ in found]

    assert nearest(user_id="u") == [long.text, "b"]
    assert nearest(1, session_id="s") == [long.text]
    assert nearest(session_id="t") == []
    assert nearest(0) == []
    assert [search["TopK"] for search in asked] == [100] * 3
    assert [search["SearchConditionExpression"].count(" AND ") for search in asked] == [0, 1, 1]
    assert list(drive(kit.store.search(SCOPE, terms=(), vector=[1.0, 0.0], model="m", limit=5))) == []
    with pytest.raises(Unsupported):
        drive(kit.store.search(SCOPE, terms=["a"], limit=5))


def test_what_has_no_direction_is_kept_and_not_searched(kit: Kit) -> None:
    rows = drive(kit.append("s", *"abc"))
    odd = [of(rows[0]).replace(data=bytes(2 * DIMENSIONS)), of(rows[1]).replace(data=b"\x00\x7e" * DIMENSIONS)]
    assert drive(attach(kit, "s", *odd, of(rows[2]))) == 3
    assert drive(kit.rows("vectors", SCOPE, "s")) == [*odd, of(rows[2])]
    found = drive(kit.store.search(SCOPE, terms=(), vector=direction(0), model="m", limit=5))
    assert [row.content for row, _ in found] == ["c"]


def test_an_index_is_used_only_if_it_is_as_it_is_needed() -> None:
    good = definition(8) | {"IndexStatus": "ACTIVE"}
    found = find({"VectorIndexes": [good]})
    assert found is not None
    assert found.ready
    making = find({"VectorIndexes": [good | {"IndexStatus": "CREATING"}]})
    assert making is not None
    assert not making.ready
    assert find({}) is None
    changes: list[dict[str, Any]] = [
        {"DistanceFunction": "DOT_PRODUCT"},
        {"VectorAttribute": {"AttributeName": "other"}},
        {"SearchSchema": []},
        {"Projection": {"ProjectionType": "KEYS_ONLY"}},
    ]
    for change in changes:
        assert find({"VectorIndexes": [good | change]}) is None


def test_an_index_in_the_making_is_written_for_already(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that is opened then does not search it; what it writes is found by one that is opened later."""
    describe = schema.describe

    async def making(client: Any, name: str) -> dict[str, Any] | None:
        found = await describe(client, name)
        for index in (found or {}).get("VectorIndexes", ()):
            index["IndexStatus"] = "CREATING"
        return found

    with monkeypatch.context() as patch:
        patch.setattr(schema, "describe", making)
        other = drive(kit.another())
    assert (other.capabilities.vector_search, kit.store.capabilities.vector_search) == (False, True)
    with pytest.raises(Unsupported):
        drive(other.search(SCOPE, terms=(), vector=direction(0), model="m", limit=5))
    (row,) = drive(kit.append("s", "a", store=other))
    drive(other.commit(Partition(SCOPE, "session", "s"), [Attach(vectors=[of(row)])]))
    found = drive(kit.store.search(SCOPE, terms=(), vector=direction(0), model="m", limit=5))
    assert [row.content for row, _ in found] == ["a"]


def test_a_table_without_the_index_is_refused_where_it_is_asked_for(tmp_path: Path) -> None:
    with Recollect(make_store(tmp_path)) as memory:
        memory.open()
    with pytest.raises(ConfigError, match=r"it has no vector index, 8 dimensions are asked for"):
        Recollect(make_store(tmp_path, vector_dimensions=8)).open()
    remove_tables(tmp_path)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ("vector_dimensions=0", "whole number"),
        ("vector_dimensions=5000", "4096"),
        ("vector_dimensions=8&billing=provisioned", "on_demand"),
    ],
)
def test_a_wrong_index_is_refused(asked: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        connect(f"dynamodb://us-east-1/app?{asked}")


def test_the_template_has_the_index_and_the_permission() -> None:
    options = Options(region="us-east-1", prefix="app", vector_dimensions=384)
    template = cloudformation(options)
    assert api.lint(template, None, ["us-east-1"]) == []
    resources = yaml.decode(template)["Resources"]
    (index,) = resources["Index"]["Properties"]["VectorIndexes"]
    assert index["Dimensions"] == 384
    allowed = [
        action
        for statement in resources["AccessPolicy"]["Properties"]["PolicyDocument"]["Statement"]
        for action in statement["Action"]
    ]
    assert allowed.count("dynamodb:SearchVectors") == 1
    without = cloudformation(Options(region="us-east-1", prefix="app"))
    assert "SearchVectors" not in without
    assert "VectorIndexes" not in without
    assert schema.names(options).index == "app-index"
