"""What can be wrong with a URL, tables, rights or a client handed in: said in the user's words."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from recollect import Recollect
from recollect.connect import connect
from recollect.errors import ConfigError, RecollectError, Unavailable
from recollect.stores.dynamodb import DynamoDBStore, schema
from recollect.stores.dynamodb.options import Options
from tests.services.dynamodb import (
    make_store,
    options_of,
    prefix_of,
    raw_client,
    server_options,
    tables_of,
)

HI = {"role": "user", "content": "hi"}


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("dynamodb://us-east-1/a b", "prefix"),
        ("dynamodb://us-east-1/app?endpoint_url=host:8000", "http"),
        ("dynamodb://us-east-1/app?billing=free", "on_demand"),
        ("dynamodb://us-east-1/app?timeout=soon", "seconds"),
        ("dynamodb://us-east-1/app?create=maybe", "true or false"),
        ("dynamodb://us-east-1/app?compress=gzip", "zstd"),
        ("dynamodb://us-east-1/app?colour=blue", "unknown option"),
        ("dynamodb://key:secret@us-east-1/app", "no credentials"),
        ("dynamodb://us-east-1:8000/app", "endpoint_url"),
    ],
)
def test_a_wrong_url_is_refused(url: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        connect(url)
    assert "secret" not in str(caught.value)


def test_a_missing_table_is_named(place: Path) -> None:
    with pytest.raises(ConfigError, match=f"{prefix_of(place)}-conversations.*create=true"):
        Recollect(make_store(place, create=False)).open()


def test_somebody_elses_table_is_refused(place: Path) -> None:
    raw_client().create_table(
        TableName=f"{prefix_of(place)}-conversations",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "SessionId", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "SessionId", "KeyType": "HASH"}],
    )
    with pytest.raises(ConfigError, match=r"SessionId \(HASH\), not session_id.*another prefix") as caught:
        Recollect(make_store(place)).open()
    assert "Index" not in str(caught.value)
    assert tables_of(place) == [f"{prefix_of(place)}-conversations"], "nothing is made beside it"


def test_a_table_without_its_index_is_refused(place: Path) -> None:
    options = options_of(place)
    wanted = schema.request(schema.TABLES[0], options)
    wanted["GlobalSecondaryIndexes"] = wanted["GlobalSecondaryIndexes"][1:]
    used = {part["AttributeName"] for index in wanted["GlobalSecondaryIndexes"] for part in index["KeySchema"]}
    used |= {"session_id", "timestamp"}
    wanted["AttributeDefinitions"] = [a for a in wanted["AttributeDefinitions"] if a["AttributeName"] in used]
    raw_client().create_table(**wanted)
    with pytest.raises(ConfigError, match=r"UserIdIndex .* is missing"):
        Recollect(make_store(place)).open()


def _creating(store: DynamoDBStore, monkeypatch: pytest.MonkeyPatch, looks: int) -> list[str]:
    """Let every table be in the making for so many looks at it; the looks are noted."""
    describe, seen = schema.describe, list[str]()

    async def slow(client: Any, name: str) -> dict[str, Any] | None:
        found = await describe(client, name)
        seen.append(name)
        return found if found is None or seen.count(name) > looks else {**found, "TableStatus": "CREATING"}

    monkeypatch.setattr(schema, "describe", slow)
    return seen


def test_a_table_in_the_making_is_waited_for(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Recollect(make_store(place)) as memory:
        memory.open()
    store = make_store(place, create=False)
    seen = _creating(store, monkeypatch, looks=3)
    with Recollect(store) as memory:
        memory.session("s").append(HI)
    assert seen.count(f"{prefix_of(place)}-conversations") == 4


def test_a_table_that_is_never_made_is_said(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Recollect(make_store(place)) as memory:
        memory.open()
    store = make_store(place, create=False)
    _creating(store, monkeypatch, looks=10**9)
    monkeypatch.setattr(schema.prepare, "__kwdefaults__", {"wait": 0.2})
    with pytest.raises(Unavailable, match=f"{prefix_of(place)}-conversations is not active after .* CREATING"):
        Recollect(store).open()


def _use(store: DynamoDBStore) -> None:
    with Recollect(store) as memory:
        memory.session("s").tail()
        memory.session("s").read(after=0)
        memory.session("s").append(HI)


@pytest.mark.parametrize("operation", ["query", "batch_get_item", "describe_table", "transact_write_items"])
def test_a_missing_permission_is_named(place: Path, operation: str) -> None:
    import boto3
    from botocore.exceptions import ClientError

    options = options_of(place)
    with Recollect(DynamoDBStore(options)) as memory:
        memory.session("s").append(HI)
    lent = boto3.client("dynamodb", region_name=options.region, endpoint_url=options.endpoint_url)
    name = "".join(word.capitalize() for word in operation.split("_"))

    def refuse(**_: Any) -> None:
        said = f"User: arn:aws:iam::1:user/u is not authorized to perform: dynamodb:{name}"
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": said}}, name)

    setattr(lent, operation, refuse)
    with pytest.raises(ConfigError, match=f"AWS does not allow dynamodb:{name}"):
        _use(DynamoDBStore(options, client=lent))
    lent.close()


def test_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("AWS_", "DDB_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    with pytest.raises(ConfigError, match="no AWS credentials"):
        Recollect("dynamodb://us-east-1/app").open()
    with pytest.raises(ConfigError, match="no AWS region"):
        Recollect("dynamodb:///app").open()


@pytest.mark.parametrize(
    ("code", "error", "says"),
    [
        ("AccessDeniedException", ConfigError, "dynamodb:TransactWriteItems"),
        ("UnrecognizedClientException", ConfigError, "credentials"),
        ("ExpiredTokenException", ConfigError, "credentials"),
        ("ProvisionedThroughputExceededException", Unavailable, "busy"),
        ("ThrottlingException", Unavailable, "busy"),
        ("InternalServerError", Unavailable, "busy"),
        ("ResourceNotFoundException", ConfigError, "not there"),
    ],
)
def test_what_aws_refuses_is_said_in_our_words(place: Path, code: str, error: type[RecollectError], says: str) -> None:
    store = make_store(place)
    with Recollect(store) as memory:
        memory.session("s").append(HI)
        from botocore.exceptions import ClientError

        def refuse(**_: Any) -> None:
            raise ClientError({"Error": {"Code": code, "Message": "as told"}}, "TransactWriteItems")

        store._client._client.transact_write_items = refuse
        with pytest.raises(error, match=says) as caught:
            memory.session("s").append(HI)
        assert isinstance(caught.value.__cause__, ClientError)
        if isinstance(caught.value, Unavailable):
            assert caught.value.retryable


def test_nobody_listens(unused_port: int) -> None:
    began = time.monotonic()
    url = f"dynamodb://us-east-1/app?endpoint_url=http://127.0.0.1:{unused_port}&attempts=2&connect_timeout=1"
    with pytest.raises(Unavailable, match="does not answer"):
        Recollect(url).open()
    assert time.monotonic() - began < 8


def test_a_borrowed_client_stays_open(place: Path) -> None:
    import boto3

    mine = boto3.client("dynamodb", region_name="us-east-1", endpoint_url=server_options().endpoint_url)
    with Recollect(DynamoDBStore(options_of(place), client=mine)) as memory:
        memory.session("s").append(HI)
    assert mine.get_item(
        TableName=f"{prefix_of(place)}-conversations", Key={"session_id": {"S": "s"}, "timestamp": {"S": "~session"}}
    )["Item"]["last_seq"] == {"N": "1"}
    mine.close()


def test_the_url_shows_no_secret() -> None:
    options = Options(region="eu-west-1", endpoint_url="http://me:secret@host:1", access_key="AK", secret_key="SK")
    shown = DynamoDBStore(options).url
    assert "secret" not in shown
    assert "SK" not in shown
